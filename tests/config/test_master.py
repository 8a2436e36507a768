"""config/master.py: services and overrides, read as master(5) says."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.config import master
from gatepost.config.source import physical_lines

ANYTHING = st.text(st.sampled_from("smtp inet n-yo={}#\t\n,$:1"), max_size=80)


@given(ANYTHING)
def test_nothing_is_lost(text: str) -> None:
    assert str(master.parse("master.cf", text)) == text


@given(st.lists(st.sampled_from(["-o", "-v", "-oa=b", "a=b", "{ a = b c }", "{a=b", "a", "-n", "x}"]), max_size=5))
def test_any_arguments_are_read_or_are_a_problem(words: list[str]) -> None:
    text = "s unix - - - - - smtpd " + " ".join(words)
    parsed = master.parse("master.cf", text)
    assert len(parsed.services) + len(parsed.problems) == 1
    for service in parsed.services:
        for override in service.overrides:
            assert text[override.span.column - 1 :].startswith(override.name)


def test_columns() -> None:
    text = "smtp inet n - - - - smtpd\nother unix - n y 300? 0 pipe\n  flags=X argv=/bin/x { a  b }\n"
    first, second = master.parse("master.cf", text).services
    assert (first.name, first.type, first.private, first.unprivileged, first.chroot, first.wakeup, first.maxproc,
            first.command, first.args) == ("smtp", "inet", False, True, None, 0, None, "smtpd", ())
    assert (second.private, second.unprivileged, second.chroot, second.wakeup, second.maxproc) == (
        True, False, True, 300, 0)
    assert [word.text for word in second.args] == ["flags=X", "argv=/bin/x", "a  b"]
    assert str(second.span) == "master.cf:2"


@pytest.mark.parametrize(("arguments", "overrides"), [
    ("-o a=b", [("a", "b")]),
    ("-oa=b", [("a", "b")]),
    ("-o a=", [("a", "")]),
    ("-v -o a=b -s 4 -o c=d", [("a", "b"), ("c", "d")]),
    ("-o { a = b, c  d }", [("a", "b, c  d")]),
    ("-o {a=b}", [("a", "b")]),
    ("-o a=b,{c,d}", [("a", "b,{c,d}")]),
    ("-o a=x -o a=y", [("a", "x"), ("a", "y")]),
    ("-n name -o a=b", [("a", "b")]),
    ("argument -o a=b", []),  # options end at the first word that is none
    ("\n  -o a=b\n# comment\n  -o c=d", [("a", "b"), ("c", "d")]),
])
def test_overrides(arguments: str, overrides: list[tuple[str, str]]) -> None:
    service, = master.parse("master.cf", f"s inet n - - - - smtpd {arguments}").services
    assert [(name, value.text) for name, value, _ in service.overrides] == overrides


def test_overrides_know_their_place() -> None:
    text = "smtp inet n - - - - smtpd\n  -o a=b,c\n# no\n  -o { d =\n    e }\n"
    service, = master.parse("master.cf", text).services
    lines = physical_lines(text)
    for override, line, name in zip(service.overrides, (2, 4), "ad", strict=True):
        assert override.span.line == line
        assert lines[line - 1][override.span.column - 1] == name
    assert str(service.overrides[1].value.span()) == "master.cf:5"


@pytest.mark.parametrize(("entry", "message"), [
    ("smtp", 'missing "transport type" field'),
    ("smtp inet n - - - -", 'missing "command" field'),
    ("smtp - n - - - - smtpd", 'field "transport type" has no default value'),
    ("smtp tcp n - - - - smtpd", "bad transport type: tcp"),
    ("smtp inet x - - - - smtpd", 'field "private": bad value: "x"'),
    ("smtp inet - - - - - smtpd", "inet service cannot be private"),
    ("smtp inet n - - x - smtpd", 'field "wakeup_time": bad value: "x"'),
    ("smtp inet n - - - x smtpd", 'field "process_limit": bad value: "x"'),
    ("smtp inet n - - - - smtpd -o a", "invalid \"-o a\" option value: missing '=' after attribute name"),
    ("smtp inet n - - - - smtpd -o", "option requires an argument -- 'o'"),
    ("smtp inet n - - - - smtpd -o {a=b", "missing '}' in \"{a=b\""),
    ("smtp inet n - - - - smtpd -o {a=b}c", "syntax error after '}' in \"{a=b}c\""),
])
def test_problems(entry: str, message: str) -> None:
    found, = master.parse("master.cf", f"# comment\n{entry}\n").problems
    assert (found.severity, found.message, str(found.span)) == ("error", message, "master.cf:2")


@pytest.mark.skipif(not shutil.which("postconf"), reason="postconf is not installed")
def test_postconf_reads_the_same_services(tmp_path: Path) -> None:
    text = ("smtp inet n - y - 1 postscreen\n127.0.0.1:10025 inet n - n - - smtpd\n  -o mynetworks=127.0.0.0/8\n"
            "# in between\n  -o { smtpd_client_restrictions = a,\n   b }\n"
            "x unix - n n - - pipe flags=X argv=/x ${user}\n")
    (tmp_path / "main.cf").write_text("")
    (tmp_path / "master.cf").write_text(text)
    command = ["postconf", "-c", str(tmp_path), "-P"]
    theirs = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    ours = [f"{service}/{name} = {' '.join(value.text.split())}" for service in master.parse("", text).services
            for name, value, _ in service.overrides]
    assert sorted(" ".join(line.split()) for line in theirs.splitlines()) == sorted(ours)
