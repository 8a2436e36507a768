"""dialogue/format.py: every recorded dialogue reads, and is written as it was read."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.dialogue.format import Act, Expect, Pause, Send, parse, replies, shown, text_of, unescape, unfinished
from gatepost.span import ConfigError

RECORDED = sorted((Path(__file__).resolve().parents[2] / "dialogues").glob("*/*.gold"))


def test_recorded_dialogues_are_written_as_they_were_read() -> None:
    assert len(RECORDED) > 400
    for path in RECORDED:
        text = path.read_text(encoding="utf-8")
        assert text_of(parse(text, str(path))) == text, path


@given(st.binary())
def test_what_is_shown_reads_back(data: bytes) -> None:
    assert unescape(shown(data)) == data


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("EHLO x", b"EHLO x"),
        (r"a\r\n.\n\t\0\s\\", b"a\r\n.\n\t\0 \\"),
        (r"\xff\{ab*3}", b"\xffababab"),
        (r"\{x\r\n*2}", b"x\r\nx\r\n"),
        ("ü", "ü".encode()),
    ],
)
def test_escapes(text: str, data: bytes) -> None:
    assert unescape(text) == data


def test_steps() -> None:
    dialogue = parse("# t\n---\nS: 220 x\nS: 220 y\nC: A\n+= B\\n\nP: 0.5\nX: open two 127.0.0.3\nS: *\n")
    assert dialogue.steps == [
        Expect(("220 x", "220 y")),
        Send((("A", True), ("B\\n", False))),
        Pause(0.5),
        Act(("open", "two", "127.0.0.3")),
        Expect(("*",)),
    ]
    assert isinstance(dialogue.steps[1], Send) and dialogue.steps[1].data() == b"A\r\nB\n"


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("# t\nservice: smtpd\n", 1, "no --- line"),
        ("# t\nservice: pop3\n---\n", 2, "a service that is none"),
        ("# t\ncolour: red\n---\n", 2, "an unknown header"),
        ("# t\n| x\n---\n", 2, "a file's line without a file"),
        ("---\n+: x\n", 2, "more of a segment that was not begun"),
        ("---\nC: \\q\n", 2, "an escape that is none"),
        ("---\nX: dance\n", 2, "an action that is none"),
        ("---\nP: long\n", 2, "a pause that is no number"),
    ],
)
def test_what_does_not_read_is_told_with_its_line(text: str, line: int, why: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text, "f.gold")
    assert caught.value.span is not None and caught.value.span.line == line, why


@pytest.mark.parametrize(
    ("lines", "grouped"),
    [
        (["250-a", "250 b", "250 c"], [["250-a", "250 b"], ["250 c"]]),
        (["220-teaser", "550 5.5.1 x"], [["220-teaser"], ["550 5.5.1 x"]]),
        (["221 2.0.0 Bye", "<closed>"], [["221 2.0.0 Bye"], ["<closed>"]]),
        (["220-only"], [["220-only"]]),
        (["odd", "250 x"], [["odd"], ["250 x"]]),
    ],
)
def test_replies(lines: list[str], grouped: list[list[str]]) -> None:
    assert replies(lines) == grouped


def test_unfinished() -> None:
    assert unfinished("250-x") and not unfinished("250 x") and not unfinished("<closed>")
