"""sed as far as it is understood does what sed does; the rest is not guessed."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.config.dms import sed

LINE = "smtpd_client_restrictions = permit_mynetworks, reject_unauth_pipelining, reject"
LINES = [LINE, "submission inet n - n - - smtpd", "  -o syslog_name=x", "  -o smtpd_helo_required=yes", "smtp inet",
         "  -o a=b"]
SCRIPTS = [
    ("/^submission/,/^[^ ]/ { /^  -o /d }", False), ("/^submission/a \\  -o c=d\\n  -o e=f", False),
    ("2d", False), ("2,1d", False),
    ("3,/-o/d", False),
    ("/^submission/,/^smtp/s/-o/--o/", False), ("/^smtp /i relay inet", False), ("$a last", False), ("2,3d;$d", False),
    ("/^smtp inet/c\\\nsmtp unix\\\n  -o g=h", False), ("/^  /!s/^/# /", False), ("/helo/{s/yes/no/;s/-o/-O/}", False),
    ("/syslog/ a\\\n  -o i=j", True),
    ("s/, reject_unauth_pipelining//", False), ("s|permit_mynetworks|X & Y|", False), ("s/e/E/g", False),
    ("s/^\\(smtpd_[a-z]*\\).*/\\1 = none/", False), (r"s/^(smtpd_\w+).*/\1 = none/", True), ("/^smtpd/d", False),
    ("/^smtpd_helo/d", False), ("/client/s/reject$/defer/", False), ("s/[[:space:]]*,[ ]*/,/g", True),
    ("s/REJECT/x/Ig", False), ("s/a+/x/", False), ("s/a+/x/", True), ("s/,\\?reject$//", False),
    ("s/=.*/=/;s/=/= x/", False),
    ("s#permit_mynetworks, ##", False), ("s/x*/-/", True), ("/a/ d", False), ("s/\\./!/", False), ("s/t\\b/T/", False),
]


@pytest.mark.parametrize(("script", "extended"), SCRIPTS)
def test_sed_agrees(script: str, extended: bool) -> None:
    program = shutil.which("sed")
    if program is None:
        pytest.skip("sed is not installed")
    run = subprocess.run([program, *(["-E"] if extended else []), script], capture_output=True, text=True, check=True,
                         input="".join(f"{line}\n" for line in LINES))
    change = sed.change([script], extended=extended)
    assert change is not None
    changed = change(LINES)
    assert "".join(f"{line}\n" for lines in changed for line in lines) == run.stdout


@pytest.mark.parametrize("script", ["", "p", "s/a/b", "s/a/b/w file", "d", "y/a/b/", "a", "1,+2d", "{d", "s/a/\\U&/",
                                    "s/(/x/2", "s/[/x/", "1d}", "n;d", "0~2d"])
def test_what_is_not_understood_is_not_guessed(script: str) -> None:
    assert sed.change([script], extended=True) is None


@given(st.text(alphabet="sd/|\\[]^$.*+?(){}a1&;gI -:n\n") | st.text(), st.booleans())
def test_any_script_reads_or_not(script: str, extended: bool) -> None:
    change = sed.change([script], extended=extended)
    if change is not None:
        assert len(change(LINES)) == len(LINES)
