"""Each line of postfix-master.cf sets one override, or does nothing for a reason that is said; postconf -P agrees."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.config.dms.master_lines import Ignored, parse
from gatepost.config.dms.release import RELEASES, release

LINES = [
    ("submission/inet/smtpd_client_restrictions=permit_mynetworks,reject", None),
    ("  submission/inet/smtpd_helo_required = yes", None),
    ("submission/inet/smtpd_data_restrictions=", None),
    ("127.0.0.1:10025/inet/mynetworks=127.0.0.0/8", None),
    ("submission/*/smtpd_helo_required=yes", None),
    ("submission/inet/smtpd_data_restrictions=permit_mynetworks, reject", Ignored.BLANK),
    ("submission/inet/smtpd_banner={ a b }", Ignored.BLANK),
    ("submission/inet/smtpd_banner=x # note", Ignored.BLANK),
    ("Submission/inet/smtpd_helo_required=yes", Ignored.FIRST),
    ("*/inet/smtpd_helo_required=yes", Ignored.FIRST),
    ("-o smtpd_helo_required=yes", Ignored.FIRST),
    ("submission/inet/smtpd_helo_required", Ignored.NO_VALUE),
    ("submission inet n - n - - smtpd", Ignored.NO_VALUE),
    ("submission/inet=yes", Ignored.FORM),
    ("smtpd_helo_required = yes", Ignored.FORM),
    ("submission/inet/=yes", Ignored.FORM),
]


@pytest.mark.parametrize(("line", "why"), LINES)
def test_a_line_sets_an_override_or_says_why_not(line: str, why: Ignored | None) -> None:
    [read] = parse("postfix-master.cf", f"# note\n{line}\n", release("15.1"))
    assert read.ignored is why and read.span.line == 2


@pytest.mark.peer
@pytest.mark.parametrize(("line", "why"), LINES)
def test_postconf_agrees(line: str, why: Ignored | None, tmp_path: Path) -> None:
    program = shutil.which("postconf")
    if program is None:
        pytest.skip("postconf is not installed")
    (tmp_path / "main.cf").write_text("")
    text = "submission inet n - n - - smtpd\n127.0.0.1:10025 inet n - n - - smtpd\n"
    (tmp_path / "master.cf").write_text(text)
    if why is not Ignored.FIRST:  # docker-mailserver does not hand those on
        subprocess.run([program, "-c", tmp_path, "-P", line.strip()], capture_output=True, check=False)
    assert ((tmp_path / "master.cf").read_text() == text) is (why is not None)


@pytest.mark.parametrize(("name", "why"), [("13.3", Ignored.LOST), ("14.0", None)])
def test_the_last_line_without_end_was_lost_before_14(name: str, why: Ignored | None) -> None:
    assert parse("m", "smtp/inet/a=b\nsmtp/inet/c=d", release(name))[-1].ignored is why


def test_places_point_into_the_line() -> None:
    [read] = parse("m", "\n submission/inet/smtpd_banner = hello\n", release("edge"))
    assert (read.key, read.name) == ("submission/inet", "smtpd_banner")
    assert read.name_span is not None and read.name_span.column == 18
    assert read.value is not None and read.value.text == "hello"
    span = read.value.span()
    assert span is not None and (span.line, span.column) == (2, 33)


@given(st.text(), st.sampled_from(RELEASES))
def test_any_text_reads(text: str, each: object) -> None:
    lines = parse("m", text, each)  # type: ignore[arg-type]  # sampled releases
    assert all((line.ignored is None) == bool(line.name and line.ignored is None) for line in lines)
    assert all(line.text in text for line in lines)
