"""sed as far as it is understood does what sed does; the rest is not guessed."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.config.dms import sed

LINE = "smtpd_client_restrictions = permit_mynetworks, reject_unauth_pipelining, reject"
SCRIPTS = [
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
    run = subprocess.run([program, *(["-E"] if extended else []), script], input=LINE + "\n", capture_output=True,
                         text=True, check=True)
    change = sed.change([script], extended=extended)
    assert change is not None
    changed = change(LINE)
    assert ("" if changed is None else changed + "\n") == run.stdout


@pytest.mark.parametrize("script", ["", "p", "s/a/b", "s/a/b/w file", "$d", "1d", "y/a/b/", "a text", "s/a/\\U&/",
                                    "s/(/x/2", "/a/,/b/d", "s/[/x/"])
def test_what_is_not_understood_is_not_guessed(script: str) -> None:
    assert sed.change([script], extended=True) is None


@given(st.text(alphabet="sd/|\\[]^$.*+?(){}a1&;gI -:n\n") | st.text(), st.booleans())
def test_any_script_reads_or_not(script: str, extended: bool) -> None:
    change = sed.change([script], extended=extended)
    if change is not None:
        change("")
