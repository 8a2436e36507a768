"""Whose turn is it? SMTP is half-duplex: what the client says before it can have had our reply is early.

One rule in one file. Nobody else measures it; policy, screening, log, probe and explain read the one EarlyTalk. RFC
2920 3.1 licenses one exception: a group of commands may go out together, and EHLO HELO DATA VRFY EXPN NOOP QUIT (and
STARTTLS, RFC 3207 4; AUTH, RFC 4954 4) must be the last of their group.

Evidence, by what is known of the bytes:
  buffered        they lay behind the command when it was read (Postfix's rule, and its only one)
  waiting         they came while the reply was being decided, before it was written
  unacknowledged  they came after it was written, before the client's TCP acknowledged it: it cannot have been read

A harmless probe may be tolerated (tolerance.py): while what is said since the offence can still be one, the offence is
in doubt, and it counts from the first byte that shows otherwise, before that byte is obeyed. A client can be exempt.

The driver's part of the contract stands in events.py. This file must not know what early talk costs.
"""

from __future__ import annotations

from dataclasses import dataclass

from gatepost.smtp.tolerance import EXEMPT, SHOWN, Doubt, Grade, Tolerated

__all__ = ["SHOWN", "EarlyTalk", "Tolerated", "Turn"]


@dataclass(frozen=True, slots=True)
class EarlyTalk:
    """The client talked out of turn: behind which command (CONNECT: before the greeting), with which evidence, saying
    what (its first 100 bytes)."""

    after: str
    evidence: str
    text: bytes


class Turn:
    """Whose turn it is. `early` is the session's fact: kept by RSET, EHLO, STARTTLS and the next transaction;
    `tolerated` is what was let pass last. `exempt`: nothing that this client says is held against it."""

    __slots__ = ("_after", "_doubt", "_replied", "early", "exempt", "kinds", "tolerated", "tolerates")

    def __init__(
        self,
        kinds: frozenset[str] = frozenset({"buffered", "waiting", "unacknowledged"}),
        tolerates: frozenset[str] = frozenset(),
    ) -> None:
        """`tolerates`: names of patterns."""
        self.kinds = kinds
        self.tolerates = tolerates
        self.exempt = False
        self.early: EarlyTalk | None = None
        self.tolerated: Tolerated | None = None
        self._after: str | None = None  # the command whose reply is owed and that ends its group
        self._replied: str | None = None  # the command whose reply is out but perhaps not yet read
        self._doubt: Doubt | None = None  # an offence that may still be harmless

    @property
    def undecided(self) -> bool:
        """A reply is out whose acknowledgement would tell something about the next bytes."""
        return self._replied is not None and self.early is None and "unacknowledged" in self.kinds

    @property
    def in_doubt(self) -> bool:
        """The client talked out of turn, and it may yet be tolerated."""
        return self._doubt is not None

    @property
    def seems_harmless(self) -> bool:
        """It is in doubt, and a whole pattern if nothing more is said."""
        return self._doubt is not None and self._doubt.pattern is not None

    def renewed(self) -> Turn:
        """The same rules, and nothing noticed yet."""
        turn = Turn(self.kinds, self.tolerates)
        turn.exempt = self.exempt
        return turn

    def take(self, verb: str, ends_group: bool, pending: bytes | bytearray) -> bool:
        """A command was read and `pending` lies behind it. True when this is news: the first offence (`early`), or one
        that is tolerated."""
        self._replied = None
        if not ends_group:
            self._after = None
            return False
        self._after = verb
        return bool(pending) and self._doubt is None and self._observe(verb, "buffered", bytes(pending))

    def condemns(self, verb: str, pending: bytes) -> bool:
        """Would take() find an offence at once, for a command that ends its group? Nothing is noted."""
        noted = self.exempt or self.early is not None or self._doubt is not None
        if not pending or noted or "buffered" not in self.kinds:
            return False
        return not self.tolerates or Doubt(self.tolerates, verb, "buffered").hear(pending, True) is Grade.ATTACK

    def give(self) -> None:
        """The reply that was owed is written."""
        self._replied = self._after
        self._after = None

    def listen(self, data: bytes, unacknowledged: bool) -> bool:
        """Bytes came. True as in take()."""
        if self._after is not None:
            return self._hear(self._after, "waiting", data)
        if self._replied is not None:
            if unacknowledged:
                return self._hear(self._replied, "unacknowledged", data)
            self._replied = None
        return self._doubt is not None and self._weigh(data, False)

    def forget(self) -> None:
        """The next bytes answer no reply of ours (a TLS handshake lies between)."""
        self._after = self._replied = None

    def conclude(self) -> EarlyTalk | Tolerated | None:
        """The session ends, and with it a doubt -> what that was. Only a whole pattern is tolerated."""
        doubt, self._doubt = self._doubt, None
        if doubt is None:
            return None
        if doubt.pattern is not None:
            self.tolerated = doubt.tolerated()
            return self.tolerated
        self.early = EarlyTalk(doubt.after, doubt.evidence, doubt.text[:SHOWN])
        return self.early

    def _hear(self, after: str, evidence: str, data: bytes) -> bool:
        if self._doubt is not None:
            return self._weigh(data, evidence in self.kinds)
        return self._observe(after, evidence, data)

    def _observe(self, after: str, evidence: str, text: bytes) -> bool:
        if self.early is not None or evidence not in self.kinds:
            return False
        if self.exempt:
            told = self.tolerated is not None and self.tolerated.pattern == EXEMPT
            self.tolerated = Tolerated(EXEMPT, after, evidence, text[:SHOWN])
            return not told
        if self.tolerates:
            self._doubt = Doubt(self.tolerates, after, evidence)
            return self._weigh(text, True)
        self.early = EarlyTalk(after, evidence, text[:SHOWN])
        return True

    def _weigh(self, data: bytes, early: bool) -> bool:
        doubt = self._doubt
        assert doubt is not None
        grade = doubt.hear(data, early)
        if grade is Grade.POSSIBLE:
            return False
        self._doubt = None
        if grade is Grade.HARMLESS:
            self.tolerated = doubt.tolerated()
        else:
            self.early = EarlyTalk(doubt.after, doubt.evidence, doubt.text[:SHOWN])
        return True
