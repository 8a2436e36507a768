"""audit/edits.py: Postfix's own postconf reads in an edited file what the change meant."""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path

from hypothesis import given, settings

from gatepost.audit.change import Change
from gatepost.audit.edits import written
from gatepost.audit.texts import CannotWrite, Home, Texts
from tests.audit.test_edits import CHANGES, LIST, MASTER_CHANGES, OVERRIDE, SERVICE, files, services
from tests.kit import needs, program

MAIN = "mua_sender_restrictions = permit_mynetworks, reject\n"
HERE = ("-o", "myhostname=mx.example.test", "-o", "mydomain=example.test")  # else it may ask DNS who this host is
MASTER = "smtp inet n - y - - smtpd\n"


def read(main: str, master: str, *request: str) -> list[str]:
    """The words of what postconf says."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "main.cf").write_text(main, newline="")
        Path(directory, "master.cf").write_text(master, newline="")
        run = subprocess.run([str(program("postconf")), "-c", directory, *HERE, *request],
                             capture_output=True, text=True, check=True)
    return run.stdout.partition("=")[2].replace(",", " ").split()


def words(texts: Texts, home: Home) -> list[str]:
    placed = texts.placed(home)
    return placed.value.text.replace(",", " ").split() if placed else []


@needs("postconf")
@settings(deadline=None, max_examples=8)
@given(files(), CHANGES)
def test_main_cf(text: str, change: Change) -> None:
    try:
        after = written(change, Texts.of(text))
    except CannotWrite:
        return
    assert read(str(after.main), MASTER, "-n", LIST) == words(after, Home("", LIST))


@needs("postconf")
@settings(deadline=None, max_examples=8)
@given(services(), MASTER_CHANGES)
def test_master_cf(text: str, change: Change) -> None:
    if re.search(r"-o\S", text):  # postconf cannot read these, Postfix's programs can
        return
    try:
        after = written(change, Texts.of(MAIN, text))
    except CannotWrite:
        return
    assert read(MAIN, str(after.master), "-P", f"{SERVICE}/{OVERRIDE}") == words(after, Home(SERVICE, OVERRIDE))
