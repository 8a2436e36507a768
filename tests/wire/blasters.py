"""Clients that never wait: where does one stop to wait, how are its segments spaced, and what came of it?

A blaster takes its turns up to a point and then says all that is left of its dialogue. RFC 2920 3.1 allows MAIL, RCPT
and DATA in one group where PIPELINING was announced, so that after EHLO only the content is out of turn there.
"""

from __future__ import annotations

import concurrent.futures
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.wire.hosts import SERVER, Host
from tests.wire.servers import Server
from tests.wire.talk import BODY, Talk

MAIL, RCPT = b"MAIL FROM:<a@client.example>\r\n", b"RCPT TO:<user@example.test>\r\n"
MESSAGE = (MAIL, RCPT, b"DATA\r\n", BODY)
STARTS = ("before the greeting", "after the greeting", "after HELO", "after EHLO", "after MAIL", "after RCPT",
          "after DATA")  # fmt: skip
INSIDE = ("after the handshake", "after EHLO", "after MAIL", "after RCPT", "after DATA")
GAPS = (None, 0.0005, 0.002, 0.005, 0.010)
AT_ONCE = 8  # sessions: few, for their gaps are short

REFUSED, NOTED, MISSED = "refused", "noted", "missed"


@dataclass(frozen=True, slots=True)
class Blaster:
    """One way not to wait. `gap` in seconds between segments; None: one segment."""

    start: str
    gap: float | None
    tls: bool = False

    def __str__(self) -> str:
        return f"{self.start}{', inside TLS' if self.tls else ''}"

    @property
    def spacing(self) -> str:
        """The gap in words."""
        return "one segment" if self.gap is None else f"{self.gap * 1000:g} ms"


def every(gaps: Sequence[float | None] = GAPS) -> list[Blaster]:
    """Every start with every gap."""
    plain = [Blaster(start, gap) for start in STARTS for gap in gaps]
    return plain + [Blaster(start, gap, True) for start in INSIDE for gap in gaps]


def blast(blaster: Blaster, port: int, source: str) -> bytes:
    """Be that client -> all that was heard after it stopped to wait."""
    hello = b"HELO client.example\r\n" if blaster.start == "after HELO" else b"EHLO client.example\r\n"
    lines = [hello, *MESSAGE, b"QUIT\r\n"]
    polite = {"after the handshake": 0, "after HELO": 1, "after EHLO": 1, "after MAIL": 2, "after RCPT": 3}
    turns = polite.get(blaster.start, 0)
    if blaster.start == "after DATA":  # a second message follows the first without waiting
        turns, lines = 4, [hello, *MESSAGE, *MESSAGE, b"QUIT\r\n"]
    with Talk(SERVER, port, source) as talk:
        try:
            if blaster.start != "before the greeting":
                talk.reply()
            if blaster.tls:
                talk.say(hello)
                talk.start_tls()
            for line in lines[:turns]:
                talk.say(line)
        except OSError:
            return talk.rest()
        talk.blast(lines[turns:], blaster.gap)
        return talk.rest()


def sources() -> Iterator[str]:
    """Addresses of the client's, each given once."""
    return (f"10.77.{64 + number // 250}.{1 + number % 250}" for number in itertools.count())


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a server made of a blaster. `line`: its log's first word about it."""

    blaster: Blaster
    verdict: str
    line: str


def judge(
    client: Host, server: Server, port: int, blasters: Sequence[Blaster], addresses: Iterator[str]
) -> list[Outcome]:
    """Let every blaster loose on one service -> what the server's log says, in order. Refused: the message out of turn
    was not taken. Noted: it was, but the log has the offence. Missed: the log knows nothing."""
    given = [next(addresses) for _ in blasters]
    with client.inside(), concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        heard = list(pool.map(lambda pair: blast(pair[0], port, pair[1]), zip(blasters, given, strict=True)))
    server.settled()
    offences = server.offences()
    outcomes = []
    for blaster, address, text in zip(blasters, given, heard, strict=True):
        taken = text.count(b"queued as") - (blaster.start == "after DATA")  # that one's first message was in turn
        line = offences.get(address, "")
        verdict = MISSED if not line else NOTED if taken > 0 else REFUSED
        outcomes.append(Outcome(blaster, verdict, line))
    return outcomes
