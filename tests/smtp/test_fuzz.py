"""Any bytes, in any chunking: no exception, and the same replies, questions and messages.

Where an early-talk observation falls depends on how TCP cut the bytes; replies may not, so the chunking test runs with
smtpd_forbid_unauth_pipelining off. `GATEPOST_FUZZ` sets the number of streams (make fuzz runs a million).
"""

from __future__ import annotations

import os
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatepost.smtp.events import Lost
from gatepost.smtp.options import BareLf, Options, Rights
from gatepost.smtp.tolerance import PATTERNS
from tests.smtp.drive import Talk

STREAMS = int(os.environ.get("GATEPOST_FUZZ", "2000"))
PHRASES = [
    b"\xff\xfb\x1f\xff\xfd\x01",
    b"EHLO client.example\r\n",
    b"HELO c\r\n",
    b"MAIL FROM:<a@b.example>\r\n",
    b"MAIL FROM:<> SIZE=5 BODY=8BITMIME\r\n",
    b"RCPT TO:<c@d.example>\r\n",
    b'RCPT TO:<"q q"@d> NOTIFY=NEVER\r\n',
    b"DATA\r\n",
    b"Subject: x\r\n\r\nbody\r\n.\r\n",
    b".\r\n",
    b"\n.\n",
    b"\r\n.\n",
    b"\n.\r\n",
    b"\r\r\n.\r\r\n",
    b"..\r\n",
    b"BDAT 3\r\nabc",
    b"BDAT 0 LAST\r\n",
    b"BDAT 4 LAST\r\na\nb\r",
    b"BDAT 0\r\n",
    b"BDAT x\r\n",
    b"RSET\r\n",
    b"NOOP x\r\n",
    b"QUIT\r\n",
    b"VRFY <x@y>\r\n",
    b"ETRN d.example\r\n",
    b"STARTTLS\r\n",
    b"AUTH PLAIN good\r\n",
    b"AUTH LOGIN\r\n",
    b"bad\r\n",
    b"*\r\n",
    b"XCLIENT ADDR=192.0.2.1\r\n",
    b"XFORWARD NAME=a.example\r\n",
    b"HELP\r\n",
    b"\r\n",
    b"\n",
    b"\0\r\n",
    b"\xff\xfe\r\n",
    b"GET / HTTP/1.0\r\n",
    b"A" * 3000,
    b"\r" * 2100,
    b"x" * 2047 + b"\r\n",
    b"y" * 2048 + b"\n",
    b"<" * 40 + b"\r\n",
    b'MAIL FROM:<"\\\r\n',
    b"RCPT TO:<(((@>\r\n",
    b"MAIL FROM:" + b"<@a:" * 30 + b"\r\n",
]
MODES = list(BareLf)


def talk(mode: BareLf, *, limit: int = 300) -> Talk:
    options = Options(
        hostname="mx.example",
        banner="mx ESMTP",
        forbid_pipelining=False,
        tolerated=frozenset(PATTERNS),
        tls_offered=True,
        sasl_enabled=True,
        message_size_limit=limit,
        error_sleep_time=0,
        hard_error_limit=12,
        soft_error_limit=100,
    )
    return Talk(options, Rights(bare_lf=mode, xclient=True, xforward=True, mechanisms=("PLAIN", "LOGIN"))).begin()


def heard(mode: BareLf, pieces: list[bytes]) -> tuple[list[str], list[str], list[bytes], bool]:
    told = talk(mode)
    for piece in pieces:
        told.send(piece)
    told.feed(Lost())
    return told.said, told.asked, told.messages, told.closed


def stream(rng: random.Random) -> bytes:
    parts = [rng.choice(PHRASES) for _ in range(rng.randrange(1, 14))]
    if rng.random() < 0.5:
        parts = [PHRASES[0], PHRASES[2], PHRASES[4], *parts]
    data = bytearray(b"".join(parts))
    for _ in range(rng.choice((0, 0, 1, 3, 10))):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(3):
            case 0:
                data[at:at] = bytes([rng.randrange(256)])
            case 1:
                del data[at : at + rng.randrange(1, 4)]
            case _:
                data[at:at] = rng.choice((b"\r", b"\n", b"\0", b".", b"\r\n.\r\n", b">", b'"'))
    return bytes(data)


def cut(rng: random.Random, data: bytes) -> list[bytes]:
    points = sorted(rng.randrange(len(data) + 1) for _ in range(rng.choice((1, 2, 5, 30))))
    return [piece for piece in (data[a:b] for a, b in zip([0, *points], [*points, len(data)], strict=True)) if piece]


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.value)
def test_no_stream_depends_on_its_cutting(mode: BareLf) -> None:
    rng = random.Random(f"{mode.value} {os.environ.get('GATEPOST_FUZZ_SEED', '1')}")
    # A client that starts TLS drops its plaintext, and how much had come by then is TCP's doing.
    for _ in range(STREAMS // len(MODES)):
        data = stream(rng).replace(b"STARTTLS", b"STARTTL5")
        whole = heard(mode, [data])
        pieces = cut(rng, data)
        assert heard(mode, pieces) == whole, (data, pieces)


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.value)
def test_byte_by_byte(mode: BareLf) -> None:
    rng = random.Random(mode.value)
    for _ in range(40):
        data = stream(rng).replace(b"STARTTLS", b"STARTTL5")
        assert heard(mode, [data[at : at + 1] for at in range(len(data))]) == heard(mode, [data])


@given(st.lists(st.one_of(st.sampled_from(PHRASES), st.binary(max_size=60)), max_size=12), st.sampled_from(MODES))
@settings(max_examples=200, deadline=None)
def test_nothing_raises_with_strict_turns(pieces: list[bytes], mode: BareLf) -> None:
    told = talk(mode)
    told.session.options.forbid_pipelining = True
    for piece in pieces:
        told.send(piece, unacknowledged=len(piece) % 2 == 0)
    told.feed(Lost())
    assert told.closed
