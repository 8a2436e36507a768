"""What user-patches.sh does to Postfix's files: as bash, postconf and sed do it, or said to be not followed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.config import master, source
from gatepost.config.dms import patches
from gatepost.config.dms.state import State

MAIN = """\
compatibility_level = 3.6
smtpd_client_restrictions = permit_mynetworks, reject_unauth_pipelining
smtpd_relay_restrictions = permit_mynetworks permit_sasl_authenticated defer_unauth_destination
smtpd_banner = $myhostname ESMTP
"""
MASTER = """\
smtp inet n - n - 1 smtpd
submission inet n - n - - smtpd
  -o syslog_name=postfix/submission
  -o smtpd_tls_security_level=encrypt
pickup fifo n - n 60 1 pickup
"""
FOLLOWED = [
    "postconf 'smtpd_helo_required = yes'",
    "postconf -e smtpd_helo_required=yes soft_bounce=no",
    'postconf -e "smtpd_banner = \\$myhostname hello"',
    "/usr/sbin/postconf -X smtpd_banner",
    "postconf '-#' smtpd_banner",
    "postconf -P submission/inet/smtpd_helo_required=yes",
    "postconf -P 'submission/inet/syslog_name = x'",
    "postconf -P '*/inet/smtpd_helo_required=yes'",
    "postconf -PX submission/inet/syslog_name",
    "postconf -MX pickup/fifo",
    "postconf '-M#' pickup/fifo",
    "postconf -M 12525/inet='12525 inet n - n - - smtpd -o syslog_name=x'",
    "postconf -M submission/inet='submission inet n - y - 10 smtpd'",
    "postconf -F submission/inet/chroot=y smtp/inet/process_limit=5",
    "postconf -F 'pickup/fifo/command = pickup -v'",
    "postconf \"smtpd_client_restrictions = $(postconf -h smtpd_client_restrictions), reject\"",
    "postconf \"smtpd_client_restrictions = $(postconf -h smtpd_client_restrictions | sed -E "
    "'s/,? *reject_unauth_pipelining//')\"",
    "sed -i 's/, reject_unauth_pipelining//' /etc/postfix/main.cf",
    "sed -i -e '/^smtpd_banner/d' -e 's/3.6/3.10/' /etc/postfix/main.cf",
    "sed -i -E 's|^(smtpd_relay_restrictions =).*|\\1 reject|' /etc/postfix/main.cf",
    "sed -i 's/encrypt/may/' /etc/postfix/master.cf",
    "sed -i '/syslog_name/d' /etc/postfix/master.cf",
    "sed -i 's/^smtpd_banner/#&/' /etc/postfix/main.cf",
    "cat >> /etc/postfix/main.cf <<EOF\nsoft_bounce = yes\n# note\nsmtpd_banner =\n  two\nEOF\n",
    "sed -i '/^submission/,/^[^ ]/ { /syslog_name/d }' /etc/postfix/master.cf",
    "sed -i '/^submission/a \\  -o soft_bounce=yes' /etc/postfix/master.cf",
    "sed -i -e '/^smtpd_banner/a soft_bounce = yes' -e '$a disable_vrfy_command = yes' /etc/postfix/main.cf",
    "sed -i '/^smtpd_banner/c smtpd_banner = x' /etc/postfix/main.cf",
    "echo 'soft_bounce = yes' >> /etc/postfix/main.cf",
    "echo soft_bounce=yes >>/etc/postfix/main.cf",
    "echo -e 'a_b = c\\nsoft_bounce = yes' >>/etc/postfix/main.cf",
    "printf 'soft_bounce = yes\\n' >> /etc/postfix/main.cf",
    "NAME=mail.example.org\npostconf -e \"myhostname = $NAME\"",
    "export NAME='a b'; postconf \"smtpd_banner = ${NAME} c\"",
    "cat <<EOF >>/etc/postfix/master.cf\n2525 inet n - n - - smtpd\n  -o soft_bounce=yes\nEOF\n",
]
NOT_FOLLOWED = [
    "if [ -f x ]; then\n  postconf -e a=b\nfi", 'postconf -e "myhostname = $HOST"',
    "postconf -e a=b || true",
    "sed -i 's/a/b/w x' /etc/postfix/main.cf",
    "cp main.cf /etc/postfix/main.cf", "echo 'a = b' > /etc/postfix/main.cf",
    "perl -pi -e 's/a/b/' /etc/postfix/master.cf", "postconf -P nothere/inet/a=b", "postconf -M bad/inet='bad'",
    "sed -i 's/never there/x/' /etc/postfix/main.cf", "source /etc/postfix/main.cf",
    "postconf \"a = $(hostname)\"", "postconf -P 'submission/inet/a=b c'",
]
OF_NO_CONCERN = [
    "apt-get update", "echo postconf", "postconf -n", "cp x /etc/postfix/maps",
    "sed -i s/a/b/ /etc/dovecot/x",
    "grep x /etc/postfix/main.cf", "postfix reload", "postconf -h smtpd_banner", "chmod 644 /etc/postfix/x",
]


def state() -> State:
    main = source.parse("main.cf", MAIN)
    logical, _ = source.logical_lines("master.cf", source.physical_lines(MASTER))
    return State(main.entries, logical)


def said(now: State) -> tuple[dict[str, str], list[str]]:
    main = {name: " ".join(entry.value.text.split()) for name, entry in now.main.items()}
    return main, sorted(" ".join(" ".join(line.text.split()) for line in entry.lines())
                        for entry in now.services.values())


@pytest.mark.peer
@pytest.mark.parametrize("script", FOLLOWED)
def test_it_does_what_the_shell_does(script: str, tmp_path: Path) -> None:
    if not all(map(shutil.which, ("bash", "postconf", "sed"))):
        pytest.skip("bash, postconf or sed is not installed")
    (tmp_path / "main.cf").write_text(MAIN)
    (tmp_path / "master.cf").write_text(MASTER)
    there = script.replace("/etc/postfix/", f"{tmp_path}/").replace("/usr/sbin/", "")
    there = there.replace("postconf ", f"postconf -c {tmp_path} ")
    subprocess.run(["bash", "-c", there], capture_output=True, check=True)
    now = state()
    assert list(patches.replay(now, "user-patches.sh", script)) == []
    main, entries = said(now)
    real = source.parse("main.cf", (tmp_path / "main.cf").read_text()).last()
    assert main == {name: " ".join(entry.value.text.split()) for name, entry in real.items()}
    logical, _ = source.logical_lines("master.cf", source.physical_lines((tmp_path / "master.cf").read_text()))
    assert entries == sorted(" ".join(line.text.split()) for line in logical)


@pytest.mark.parametrize("script", NOT_FOLLOWED)
def test_what_is_not_followed_is_said(script: str) -> None:
    now = state()
    problems = list(patches.replay(now, "user-patches.sh", f"#!/bin/bash\n{script}\n"))
    assert problems and problems[0].span is not None and problems[0].span.file == "user-patches.sh"
    assert said(now) == said(state())


@pytest.mark.parametrize("script", OF_NO_CONCERN)
def test_what_does_not_concern_postfix_is_passed_over(script: str) -> None:
    now = state()
    assert list(patches.replay(now, "user-patches.sh", script)) == []
    assert said(now) == said(state())


def test_values_point_into_the_script_and_what_stays_into_its_own_file() -> None:
    now = state()
    script = ("# one\npostconf \"smtpd_client_restrictions = $(postconf -h smtpd_client_restrictions), reject\"\n"
              "postconf -P submission/inet/smtpd_tls_security_level=may\n")
    assert list(patches.replay(now, "p.sh", script)) == []
    value = now.main["smtpd_client_restrictions"].value
    kept, new = value.span(value.text.index("permit")), value.span(value.text.rindex("reject"))
    assert kept is not None and (kept.file, kept.line) == ("main.cf", 2)
    assert new is not None and (new.file, new.line) == ("p.sh", 2)
    service = next(entry.read() for entry in now.services.values() if entry.key == ("submission", "inet"))
    span = service.overrides[1].span
    assert (span.file, span.line, span.column) == ("p.sh", 3, 29)
    assert isinstance(master.entry(now.services["smtp", "inet"].lines()[0]), master.Service)


@given(st.lists(st.sampled_from(FOLLOWED + NOT_FOLLOWED + OF_NO_CONCERN) | st.text(), max_size=5))
def test_any_script_reads(scripts: list[str]) -> None:
    now = state()
    list(patches.replay(now, "user-patches.sh", "\n".join(scripts)))
    said(now)
