"""config/parameters/: every declaration is complete, and its default is Postfix's."""

from __future__ import annotations

import shutil
import subprocess

import pytest

import gatepost.config.parameters as p
from gatepost.config.computed import COMPUTED
from gatepost.config.parameter import DECLARED

NEWER_THAN_37 = {
    "address_verify_map", "mail_version", "milter_default_action", "postscreen_cache_map", "smtpd_forbid_bare_newline",
    "smtpd_forbid_unauth_pipelining", "tls_eecdh_auto_curves",
}
"""Defaults that changed between the Postfix this is compared with and the one that is followed."""
BY_MACHINE = {"daemon_directory", "command_directory", "process_name", "mail_spool_directory", "alias_maps",
              "alias_database", "default_database_type", "queue_directory", "data_directory", "config_directory"}
"""Defaults that a distribution chooses."""


def test_python_names() -> None:
    """SMTPD_BANNER is smtpd_banner."""
    odd = [name for name, parameter in DECLARED.items() if getattr(p, name.upper(), None) is not parameter]
    assert odd == []


def test_every_parameter_is_documented() -> None:
    undocumented = [name for name, parameter in DECLARED.items()
                    if not parameter.doc.strip().endswith((".", "?", ":", "`."))]
    assert undocumented == []


@pytest.mark.skipif(not shutil.which("postconf"), reason="postconf is not installed")
def test_defaults_are_those_of_postfix() -> None:
    printed = subprocess.run(["postconf", "-d"], capture_output=True, text=True, check=True).stdout
    theirs = dict(line.split(" =", 1) for line in printed.splitlines())
    skipped = NEWER_THAN_37 | BY_MACHINE | set(COMPUTED)
    differing = {name: (parameter.default, theirs[name].strip()) for name, parameter in DECLARED.items()
                 if name in theirs and name not in skipped and parameter.default.strip() != theirs[name].strip()}
    assert differing == {}
