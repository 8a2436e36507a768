"""What is known about versions: branches that got a feature late, defaults that changed, what a real Postfix says."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from gatepost.audit import features
from gatepost.audit.version import version

HAS: list[tuple[str, str, bool]] = [
    ("smtpd_forbid_unauth_pipelining", "3.5.19", False),
    ("smtpd_forbid_unauth_pipelining", "3.5.20", True),
    ("smtpd_forbid_unauth_pipelining", "3.6.9", False),
    ("smtpd_forbid_unauth_pipelining", "3.7.11", True),
    ("smtpd_forbid_unauth_pipelining", "3.8.0", False),
    ("smtpd_forbid_unauth_pipelining", "3.9.0", True),
    ("smtpd_forbid_unauth_pipelining", "3.4.29", False),
    ("smtpd_forbid_bare_newline", "3.7.9", True),
    ("smtpd_forbid_bare_newline_reject_code", "3.7.9", False),
    ("postscreen_denylist_action", "3.5.25", False),
    ("postscreen_denylist_action", "3.6", True),
    ("postscreen_blacklist_action", "3.11", True),
    ("check_sasl_access", "2.10", False),
    ("permit_naked_ip_address", "3.8.6", True),
    ("permit_naked_ip_address", "3.9", False),
    ("tls_legacy_public_key_fingerprints", "3.11", False),
    ("smtpd_banner", "2.5", True),
    ("my_own_list", "3.9", True),
]


@pytest.mark.parametrize(("name", "release", "known"), HAS)
def test_a_version_has_a_name(name: str, release: str, known: bool) -> None:
    assert features.has(name, version(release)) is known


def test_defaults_are_those_of_the_version() -> None:
    assert features.defaults(version("3.9")) == {}
    assert features.defaults(version("3.8.6"))["smtpd_forbid_unauth_pipelining"] == "no"
    assert features.defaults(version("3.5.25"))["smtpd_tls_protocols"] == "!SSLv2, !SSLv3"


def test_new_names_that_old_ones_lead_to_are_known() -> None:
    renamed = [gone.renamed for gone in features.OUTDATED.values() if gone.renamed]
    assert [name for name in renamed if name not in features.parameters()] == []


@pytest.mark.peer
def test_the_installed_postfix_agrees() -> None:
    """What it has, this version has; what came later, it does not have. Its packager may add names and defaults."""
    postconf = shutil.which("postconf") or shutil.which("postconf", path="/usr/sbin")
    if postconf is None:
        pytest.skip("not here: postfix")
    said = subprocess.run([postconf, "-d"], capture_output=True, text=True, check=True, timeout=30).stdout
    theirs = {line.partition(" = ")[0].rstrip(" =") for line in said.splitlines()}
    release = version(subprocess.run([postconf, "-dh", "mail_version"], capture_output=True, text=True, check=True,
                                     timeout=30).stdout)
    assert sorted(name for name in theirs if not features.has(name, release)) == []
    later = {name for name, came in features.parameters().items() if came and not release.has(*came)}
    assert len(later) > 20 or release > version("3.11")
    assert sorted(later & theirs) == []
