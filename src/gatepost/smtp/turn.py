"""Whose turn is it? SMTP is half-duplex: what the client says before it can have had our reply is early.

One rule in one file. Nobody else measures it; policy, screening, log, probe and explain read the one EarlyTalk. RFC
2920 3.1 licenses one exception: a group of commands may go out together, and EHLO HELO DATA VRFY EXPN NOOP QUIT (and
STARTTLS, RFC 3207 4; AUTH, RFC 4954 4) must be the last of their group.

Evidence, by what is known of the bytes:
  buffered        they lay behind the command when it was read (Postfix's rule, and its only one)
  waiting         they came while the reply was being decided, before it was written
  unacknowledged  they came after it was written, before the client's TCP acknowledged it: it cannot have been read

The driver's part of the contract stands in events.py. This file must not know what early talk costs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SHOWN: Final = 100  # bytes of the offence that are kept


@dataclass(frozen=True, slots=True)
class EarlyTalk:
    """The client talked out of turn: behind which command (CONNECT: before the greeting), with which evidence, saying
    what (its first 100 bytes)."""

    after: str
    evidence: str
    text: bytes


class Turn:
    """Whose turn it is. `early` is the session's fact: kept by RSET, EHLO, STARTTLS and the next transaction."""

    __slots__ = ("_after", "_replied", "early", "kinds")

    def __init__(self, kinds: frozenset[str] = frozenset({"buffered", "waiting", "unacknowledged"})) -> None:
        self.kinds = kinds
        self.early: EarlyTalk | None = None
        self._after: str | None = None  # the command whose reply is owed and that ends its group
        self._replied: str | None = None  # the command whose reply is out but perhaps not yet read

    @property
    def undecided(self) -> bool:
        """A reply is out whose acknowledgement would tell something about the next bytes."""
        return self._replied is not None and self.early is None and "unacknowledged" in self.kinds

    def take(self, verb: str, ends_group: bool, pending: bytes | bytearray) -> bool:
        """A command was read and `pending` lies behind it. True when this is the first offence."""
        self._replied = None
        if not ends_group:
            self._after = None
            return False
        self._after = verb
        return bool(pending) and self._observe(verb, "buffered", pending)

    def give(self) -> None:
        """The reply that was owed is written."""
        self._replied = self._after
        self._after = None

    def listen(self, data: bytes, unacknowledged: bool) -> bool:
        """Bytes came. True when they are the first offence."""
        if self._after is not None:
            return self._observe(self._after, "waiting", data)
        if self._replied is not None:
            if unacknowledged:
                return self._observe(self._replied, "unacknowledged", data)
            self._replied = None
        return False

    def forget(self) -> None:
        """The next bytes answer no reply of ours (a TLS handshake lies between)."""
        self._after = self._replied = None

    def _observe(self, after: str, evidence: str, text: bytes | bytearray) -> bool:
        if self.early is not None or evidence not in self.kinds:
            return False
        self.early = EarlyTalk(after, evidence, bytes(text[:SHOWN]))
        return True
