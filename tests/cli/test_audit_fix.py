"""gatepost audit --fix as an operator runs it; docker-mailserver's lists before #3744 become those after it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gatepost.audit.inputs import subject

GATEPOST = Path(sys.executable).parent / "gatepost"

BEFORE = """\
# See: http://www.postfix.org/SMTPD_ACCESS_README.html
smtpd_helo_required = yes
smtpd_delay_reject = yes
smtpd_helo_restrictions = permit_mynetworks, reject_invalid_helo_hostname, permit
smtpd_relay_restrictions = permit_mynetworks permit_sasl_authenticated defer_unauth_destination
smtpd_recipient_restrictions = permit_sasl_authenticated, permit_mynetworks, reject_unauth_destination, \
reject_unauth_pipelining, reject_invalid_helo_hostname, reject_non_fqdn_helo_hostname, reject_unknown_recipient_domain
smtpd_client_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination, \
reject_unauth_pipelining
smtpd_sender_restrictions = $dms_smtpd_sender_restrictions
dms_smtpd_sender_restrictions = permit_sasl_authenticated, permit_mynetworks, reject_unknown_sender_domain
smtpd_discard_ehlo_keywords = silent-discard, dsn
"""
MASTER = """\
smtp      inet  n       -       n       -       1       postscreen
smtpd     pass  -       -       n       -       -       smtpd
submission inet n       -       n       -       -       smtpd
  -o syslog_name=postfix/submission
  -o smtpd_tls_security_level=encrypt
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_client_restrictions=permit_sasl_authenticated,reject
  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
127.0.0.1:10025 inet n - n - - smtpd
  -o content_filter=
  -o smtpd_delay_reject=no
  -o smtpd_client_restrictions=permit_mynetworks,reject
  -o smtpd_recipient_restrictions=permit_mynetworks,reject
  -o mynetworks=127.0.0.0/8
  -o receive_override_options=no_header_body_checks,no_unknown_recipient_checks,no_milters
"""
AFTER = {
    "smtpd_client_restrictions": "permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination",
    "smtpd_helo_restrictions": "permit_mynetworks, reject_invalid_helo_hostname, permit",
    "dms_smtpd_sender_restrictions": "permit_sasl_authenticated, permit_mynetworks, reject_unknown_sender_domain",
    "smtpd_sender_restrictions": "$dms_smtpd_sender_restrictions",
    "smtpd_relay_restrictions": "permit_mynetworks permit_sasl_authenticated defer_unauth_destination",
    "smtpd_recipient_restrictions": "permit_sasl_authenticated, permit_mynetworks, reject_unauth_destination, "
    "reject_invalid_helo_hostname, reject_non_fqdn_helo_hostname, reject_unknown_recipient_domain",
    "smtpd_data_restrictions": "permit_mynetworks, permit_sasl_authenticated, reject_unauth_pipelining",
    "smtpd_delay_reject": "yes",
}


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([GATEPOST, "audit", *map(str, arguments)], capture_output=True, text=True, timeout=60,
                          check=False)


def house(place: Path) -> Path:
    (place / "main.cf").write_text(BEFORE)
    (place / "master.cf").write_text(MASTER)
    return place


def test_docker_mailservers_lists_become_those_after_3744(tmp_path: Path) -> None:
    for version in ("3.5.18", "3.7.11", "3.10.2", ""):
        options = ["--postfix-version", version] if version else []
        done = run(house(tmp_path), "--fix", "--select", "PIPE", *options)
        assert done.returncode in (0, 1), done.stderr
        after = subject(str(tmp_path))
        last = after.main_cf.last()
        assert {name: last[name].value.text for name in AFTER} == AFTER, version
        place = last["smtpd_data_restrictions"].span.line
        above = (tmp_path / "main.cf").read_text().splitlines()[:place - 1]
        assert above[-2].startswith("# Reject clients that talk out of turn.") and above[-1].startswith("# "), above
        assert above[0] == "# See: http://www.postfix.org/SMTPD_ACCESS_README.html"
        amavis = after.service("127.0.0.1:10025", "inet")
        assert amavis is not None
        said = {override.name: override.value.text for override in amavis.overrides}
        assert said["smtpd_data_restrictions"] == "reject_unauth_pipelining"
        assert "smtpd_recipient_restrictions" in said and len(said) == 7


def test_a_backup_is_kept_and_a_second_fix_changes_nothing(tmp_path: Path) -> None:
    run(house(tmp_path), "--fix", "--select", "PIPE")
    assert (tmp_path / "main.cf.gatepost-backup").read_text() == BEFORE
    assert (tmp_path / "master.cf.gatepost-backup").read_text() == MASTER
    fixed = (tmp_path / "main.cf").read_text()
    again = run(tmp_path, "--fix", "--select", "PIPE")
    assert again.stderr == "" and (tmp_path / "main.cf").read_text() == fixed
    assert not (tmp_path / "main.cf.gatepost-backup-2").exists()


def test_a_diff_writes_nothing_and_applies(tmp_path: Path) -> None:
    done = run(house(tmp_path), "--diff", "--select", "PIPE")
    assert done.returncode == 1 and (tmp_path / "main.cf").read_text() == BEFORE
    assert "\n+smtpd_data_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_pipelining\n" in (
        done.stdout)
    assert "\n+  -o smtpd_data_restrictions=reject_unauth_pipelining\n" in done.stdout
    if shutil.which("patch") is None:
        pytest.skip("not here: patch")
    subprocess.run(["patch", "-p0", "-d", "/"], input=done.stdout, text=True, check=True, timeout=10,
                   capture_output=True)
    patched = (tmp_path / "main.cf").read_text(), (tmp_path / "master.cf").read_text()
    run(house(tmp_path), "--fix", "--select", "PIPE")
    assert patched == ((tmp_path / "main.cf").read_text(), (tmp_path / "master.cf").read_text())


def test_unsafe_fixes_are_asked_for(tmp_path: Path) -> None:
    (tmp_path / "main.cf").write_text("mail_version = 3.10.2\nsmtpd_forbid_unauth_pipelining = no\n"
                                      "smtpd_data_restrictions = reject_unauth_pipelining\n")
    assert run(tmp_path, "--fix", "--select", "PIPE-09").returncode == 1
    assert run(tmp_path, "--fix", "--unsafe-fixes", "--select", "PIPE-09").returncode == 0
    assert "smtpd_forbid" not in (tmp_path / "main.cf").read_text()


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    both = tmp_path / "postconf.txt"
    both.write_text("smtpd_data_restrictions =\nsmtp       inet  n       -       n       -       -       smtpd\n")
    done = run(both, "--fix", "--postfix-version", "3.8.0")
    assert done.returncode == 2 and done.stderr.startswith("gatepost: nothing can be fixed here: "), done.stderr
