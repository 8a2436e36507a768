"""Replies of a server, in whatever segments: read, or named malformed, never anything else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.smtp.client_replies import LINE_LIMIT, REPLY_LIMIT, Malformed, Replies
from gatepost.smtp.reply import Reply

READ = [
    ("one line", b"220 mx.example ESMTP\r\n", [Reply(220, "", "mx.example ESMTP")]),
    ("enhanced code", b"550 5.1.1 no such user\r\n", [Reply(550, "5.1.1", "no such user")]),
    ("several lines", b"250-mx\r\n250-SIZE 10\r\n250 DSN\r\n", [Reply(250, "", "mx\nSIZE 10\nDSN")]),
    ("enhanced code on each line", b"550-5.7.1 no\r\n550 5.7.1 never\r\n", [Reply(550, "5.7.1", "no\nnever")]),
    ("enhanced code of another class is text", b"250 5.1.1 odd\r\n", [Reply(250, "", "5.1.1 odd")]),
    ("code alone", b"250\r\n", [Reply(250, "", "")]),
    ("code and status alone", b"250 2.0.0\r\n", [Reply(250, "2.0.0", "")]),
    ("two replies in a segment", b"250 a\r\n354 b\r\n", [Reply(250, "", "a"), Reply(354, "", "b")]),
    ("bare line feeds are tolerated", b"250-a\n250 b\n", [Reply(250, "", "a\nb")]),
]

BROKEN = [
    ("text", b"hello\r\n", "non-SMTP response"),
    ("an empty line", b"\r\n", "non-SMTP response"),
    ("a code that cannot be", b"990 x\r\n", "non-SMTP response"),
    ("four digits", b"2500 x\r\n", "non-SMTP response"),
    ("a carriage return inside", b"250 a\rb\r\n", "non-SMTP response"),
    ("an endless line", b"250 " + b"x" * LINE_LIMIT + b"y", "reply line too long"),
    ("an overlong line that ends", b"250 " + b"x" * LINE_LIMIT + b"\r\n", "reply too long"),
    ("an endless reply", b"250-xxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n" * (REPLY_LIMIT // 32 + 1), "reply too long"),
]


def read(*segments: bytes) -> list[Reply | Malformed]:
    replies = Replies()
    found: list[Reply | Malformed] = []
    for segment in segments:
        replies.feed(segment)
        while (reply := replies.pull()) is not None:
            found.append(reply)
            if isinstance(reply, Malformed):
                return found
    return found


@pytest.mark.parametrize(("what", "data", "expected"), READ, ids=[case[0] for case in READ])
def test_replies_are_read_in_one_piece_and_byte_by_byte(what: str, data: bytes, expected: list[Reply]) -> None:
    assert read(data) == expected
    assert read(*(data[at : at + 1] for at in range(len(data)))) == expected


@pytest.mark.parametrize(("what", "data", "reason"), BROKEN, ids=[case[0] for case in BROKEN])
def test_what_is_no_reply_is_named(what: str, data: bytes, reason: str) -> None:
    last = read(data)[-1]
    assert isinstance(last, Malformed) and last.reason == reason


def test_nothing_is_parsed_after_a_malformed_reply() -> None:
    replies = Replies()
    replies.feed(b"rubbish\r\n250 ok\r\n")
    first = replies.pull()
    replies.feed(b"250 ok\r\n")
    assert isinstance(first, Malformed) and replies.pull() is first


def test_an_incomplete_reply_is_not_given() -> None:
    assert read(b"250-first\r\n250 sec") == []


def test_what_is_discarded_never_becomes_part_of_a_reply() -> None:
    replies = Replies()
    replies.feed(b"220 go\r\n250-injected\r\n250 STARTT")
    assert replies.pull() == Reply(220, "", "go")
    assert replies.discard() == b"250-injected\r\n250 STARTT"
    replies.feed(b"250 real\r\n")
    assert replies.pull() == Reply(250, "", "real")


PIECES = st.sampled_from([b"250-a\r\n", b"250 b\r\n", b"\n", b"550 5.1.1 x"])


@given(st.lists(st.one_of(st.binary(max_size=40), PIECES)))
def test_any_bytes_are_replies_or_malformed_however_they_are_cut(parts: list[bytes]) -> None:
    whole = read(b"".join(parts))
    assert read(*parts) == whole
    assert all(isinstance(one, Reply | Malformed) for one in whole)
    assert all(isinstance(one, Reply) for one in whole[:-1])
