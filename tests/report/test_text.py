"""report/text.py: what a person at a terminal reads."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest
from hypothesis import given

from gatepost.report import text
from gatepost.report.finding import Finding, Line, Report
from gatepost.span import Span
from tests.report.samples import ABSENT, OPEN, REPORT, reports

GOLDEN = """\
critical: RLY-01 mynetworks trusts every IPv4 address
  --> conf/main.cf:2:5
  1 | mynetworks = 127.0.0.0/8,
  2 |     0.0.0.0/0
    |     ^^^^^^^^^
  3 | smtpd_banner = $myhostname
  = note: conf/main.cf:9: used here
  = why: Whoever is trusted may relay.
  = fix (--unsafe-fixes): take 0.0.0.0/0 out
  | C: RCPT TO:<stranger@elsewhere.example>
  | S: 250 2.1.5 Ok

medium: RLY-02 no list stops relaying
  --> conf/main.cf (smtp/inet, confidence low)
  = advice: set smtpd_relay_restrictions

note: Postfix 3.11 is assumed
2 findings in 2 files: 1 critical, 1 medium; 1 by --unsafe-fixes; 1 allowed by comments
"""


def test_a_whole_report() -> None:
    assert text.write(REPORT) == GOLDEN


def test_the_reason_is_told_once() -> None:
    twice = replace(REPORT, findings=(OPEN, OPEN, ABSENT))
    assert text.write(twice).count("= why:") == 1


def test_a_diff_is_shown_when_wanted() -> None:
    assert "-    0.0.0.0/0\n    +mynetworks" in text.write(REPORT, diff=True)


def test_nothing_found() -> None:
    assert text.write(Report((), ("main.cf",))) == "no findings in 1 file\n"


CARETS = [
    ("in a line with a tab", "\tx = y", Span("f", 1, 2, 1), "        x = y", "        ^"),
    ("behind wide letters", "日本 x", Span("f", 1, 4, 1), "    日本 x", "         ^"),
    ("below an escape", "a\x07b", Span("f", 1, 2, 1), "    a\\x07b", "     ^^^^"),
    ("behind the end", "ab", Span("f", 1, 99, 5), "    ab", "      ^"),
    ("of no length", "ab", Span("f", 1, 1, 0), "    ab", "    ^"),
]


@pytest.mark.parametrize(("sentence", "line", "place", "shown", "caret"), CARETS, ids=[case[0] for case in CARETS])
def test_the_caret_is(sentence: str, line: str, place: Span, shown: str, caret: str) -> None:
    finding = Finding("X-1", "low", "high", "m", "f", place, excerpt=(Line(1, line),))
    excerpt = [each for each in text.write(Report((finding,))).split("\n") if " | " in each]
    assert [each.partition("| ")[2] for each in excerpt] == [shown[4:], caret[4:]]


def test_colour_repeats_the_words() -> None:
    coloured = text.write(REPORT, colour=True, diff=True)
    assert "\x1b[1;31mcritical: RLY-01\x1b[0m" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == text.write(REPORT, diff=True)


@given(reports)
def test_nothing_of_an_operator_acts_on_the_terminal(report: Report) -> None:
    written = text.write(report, diff=True)
    assert all(char == "\n" or char.isprintable() for char in written)
    written.encode("utf-8")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_colour_is_for_terminals_that_want_it() -> None:
    assert text.colour_wanted(Terminal(), {})
    assert not text.colour_wanted(io.StringIO(), {})
    assert not text.colour_wanted(Terminal(), {"NO_COLOR": "1"})
    assert not text.colour_wanted(Terminal(), {"TERM": "dumb"})
