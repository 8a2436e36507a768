"""Content on its way out: no end of data but the last, whatever the message holds and however it is cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.smtp.client_content import HELD, DotWriter

CASES = [
    ("an empty message is the dot alone", b"", b".\r\n"),
    ("lines stay", b"a\r\nb\r\n", b"a\r\nb\r\n.\r\n"),
    ("dots are doubled", b".\r\n..\r\n.a\r\na.\r\n", b"..\r\n...\r\n..a\r\na.\r\n.\r\n"),
    ("a missing line end is added", b"a", b"a\r\n.\r\n"),
    ("bare line feeds become line ends", b"a\n.\nb\n", b"a\r\n..\r\nb\r\n.\r\n"),
    ("bare carriage returns become blanks", b"a\r.\rb\r\n", b"a . b\r\n.\r\n"),
    ("a carriage return at the very end too", b"a\r", b"a \r\n.\r\n"),
    ("smuggled ends of data do not survive", b"x\n.\r\nMAIL\r\n", b"x\r\n..\r\nMAIL\r\n.\r\n"),
    ("nor do these", b"x\r\n.\rMAIL\r\n.\nRCPT\r\n", b"x\r\n... MAIL\r\n..\r\nRCPT\r\n.\r\n".replace(b"... ", b".. ")),
]


def written(parts: list[bytes], limit: int = 0) -> bytes:
    writer = DotWriter(limit)
    return b"".join(map(writer.feed, parts)) + writer.finish()


@pytest.mark.parametrize(("what", "content", "wire"), CASES, ids=[case[0] for case in CASES])
def test_content_is_written(what: str, content: bytes, wire: bytes) -> None:
    assert written([content]) == wire
    assert written([content[at : at + 1] for at in range(len(content))]) == wire


def test_long_lines_go_on_behind_a_space() -> None:
    assert written([b"abcdefghij\r\nklm\r\n"], 4) == b"abcd\r\n efg\r\n hij\r\nklm\r\n.\r\n"
    assert written([b"abcd\r\n"], 4) == b"abcd\r\n.\r\n"


def test_an_endless_line_is_not_held_in_memory() -> None:
    writer = DotWriter(0)
    out = sum(len(writer.feed(b"." * 1000)) for _ in range(1000))
    assert out > 1_000_000 - HELD - 1000
    assert out + len(writer.finish()) == 1_000_000 + 1 + 2 + 3  # one dot doubled, CRLF, end of data


@pytest.mark.parametrize("limit", [0, 5, 998])
def test_an_endless_line_gives_the_same_in_any_pieces(limit: int) -> None:
    content = b".x\r" * (HELD // 2) + b"\r\nend\r\n"
    assert written([content[at : at + 7777] for at in range(0, len(content), 7777)], limit) == written([content], limit)


@given(st.lists(st.sampled_from([b".", b"\r", b"\n", b"\r\n", b"a", b"abcdefgh", b"\r\n.\r\n", b"\x00"])),
       st.sampled_from([0, 3, 998]))
def test_the_end_of_data_is_at_the_end_only(parts: list[bytes], limit: int) -> None:
    wire = written(parts, limit)
    assert wire == written([b"".join(parts)], limit)
    assert wire.endswith(b".\r\n")
    body = b"\r\n" + wire[:-3]
    assert b"\r\n.\r\n" not in body
    assert body.count(b"\r") == body.count(b"\n") == body.count(b"\r\n")
    assert not limit or max(map(len, body.replace(b"\r\n.", b"\r\n").split(b"\r\n"))) <= limit + 1
