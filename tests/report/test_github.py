"""report/github.py: annotations, and no operator's text that begins a command of its own."""

from __future__ import annotations

import re
from dataclasses import replace

from hypothesis import given

from gatepost.report import github
from gatepost.report.finding import Report
from gatepost.span import Span
from tests.report.samples import OPEN, REPORT, reports


def test_a_whole_report() -> None:
    assert github.write(REPORT) == (
        "::error file=conf/main.cf,line=2,endLine=2,col=5,endColumn=14,title=RLY-01 (critical)::"
        "mynetworks trusts every IPv4 address%0Aused here%0AFix: take 0.0.0.0/0 out\n"
        "::warning file=conf/main.cf,title=RLY-02 (medium)::"
        "no list stops relaying%0AFix: set smtpd_relay_restrictions\n")


def test_what_would_be_syntax_is_encoded() -> None:
    message = "100%\r\n::set-env name=X::y\x1b[0m"
    hostile = replace(OPEN, message=message, file="a,b:c", place=Span("a,b:c", 1), notes=(), fix=None)
    line = github.write(Report((hostile,)))
    assert line == ("::error file=a%2Cb%3Ac,line=1,endLine=1,col=1,endColumn=2,title=RLY-01 (critical)::"
                    "100%25%0A::set-env name=X::y\\x1b[0m\n")


def test_a_file_below_the_root_is_relative() -> None:
    below = replace(OPEN, file="/srv/mail/conf/main.cf")
    assert github.write(Report((below,), root="/srv/mail")).startswith("::error file=conf/main.cf,")


@given(reports)
def test_one_finding_is_one_line(report: Report) -> None:
    lines = github.write(report).encode("utf-8").decode().splitlines()
    assert len(lines) == len(report.findings)
    assert all(re.match(r"::(error|warning|notice) [^\r\n]*?::", line) for line in lines)
