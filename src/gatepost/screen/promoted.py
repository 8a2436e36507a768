"""How does a client that passed go on? The real session, told what was said so far and watched until there is content.

Replay (docs/decisions/018): the session gets the connection, the client's HELO or EHLO and MAIL, then the RCPT that
passed the last trial. Its replies to what the client has had an answer to are kept back; a refusal among them is the
answer to the RCPT, unless a log in, which it was not offered, might have spared the client that (`put_off`). The gate:
up to the 354 each line is looked at before the session gets it, and an offence for which there is a penalty takes the
pass back (`revoked`). It opens for good when content comes (354, BDAT) and when the client greets the real session or
starts TLS, for then it is offered PIPELINING and the session's own rules hold. This file must not know what an offence
is.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from gatepost.screen.actions import Caught, Learn
from gatepost.screen.engine import Engine
from gatepost.screen.trials import PIPELINING
from gatepost.smtp.actions import HangUp, Send
from gatepost.smtp.events import Answered, Connected, Event, Received
from gatepost.smtp.hello import offers_login
from gatepost.smtp.reply import Reply
from gatepost.smtp.session import Session
from gatepost.smtp.turn import EarlyTalk

CONTINUE = 334  # the next line is no command (RFC 4954 4)
CONTENT = 354
_OPENING = frozenset({"HELO", "EHLO", "STARTTLS", "BDAT", "XCLIENT"})  # behind these the session's own rules hold
_GROUPED = frozenset({"MAIL", "RCPT", "RSET"})  # more may stand behind them


class Promoted:
    """A real session. `engine`: whose client it was, None when it is handed on before the greeting; `free`: events are
    the session's alone from now on; `revoked`: the line that the session did not answer, once the pass is taken back,
    with `offence` when the offence was when something came rather than what it was; `put_off`: the RCPT that the engine
    is to answer instead, and the pass is kept."""

    __slots__ = ("_answered", "_closed", "_continues", "_line", "_replaying", "_steps", "_unheard", "engine", "free",
                 "offence", "put_off", "rest", "revoked", "session")

    def __init__(self, session: Session, engine: Engine | None, heard: bytes = b"") -> None:
        self.session = session
        self.engine = engine
        self.free = False
        self.revoked: bytes | None = None
        self.offence: EarlyTalk | None = None
        self.put_off: bytes | None = None
        self.rest = heard  # what the session has not got
        self._answered = False  # the session said its reply to what it was given
        self._closed = False
        self._continues = False
        self._line = b""
        self._replaying = True
        self._steps: deque[bytes] = deque()
        self._unheard = True  # the client has heard nothing from the session
        if engine is not None:
            self.rest = engine.take_rest()
            self._line = engine.line
            self._steps.extend(line + b"\r\n" for line in (engine.helo_line, engine.mail_line) if line)

    @property
    def backlog(self) -> int:
        """Bytes that wait."""
        return len(self.rest) + self.session.backlog

    @property
    def wants_evidence(self) -> bool:
        """May Received.unacknowledged matter for the next bytes?"""
        if self.free or self.engine is None or not self.engine.watches(PIPELINING):
            return self.session.wants_evidence
        return self.engine.turn.undecided

    def begin(self) -> list[Any]:
        """The session's first event."""
        tls = self.engine is not None and self.engine.tls
        return self._on(self._give(Connected(tls)))

    def handle(self, event: Event) -> list[Any]:
        """An event that is not the session's alone."""
        if isinstance(event, Received):
            out = self._listen(event)
            return self._on(out)
        if isinstance(event, Answered) and self.offence is not None:
            self.revoked = self._ended_line()
            return []
        return self._on(self._give(event))

    # ------------------------------------------------------------------

    def _on(self, out: list[Any]) -> list[Any]:
        """The session was given something: go on until it asks, or waits for the client."""
        while not (self.free or self._closed or self.revoked is not None or self.put_off is not None
                   or self.session.asked is not None):
            if self._replaying and not self._answered:
                break  # nothing was said yet
            step = self._next_step() if self._replaying else self._next_line(out)
            if step is None:
                break
            out += self._give(Received(step))
        return out

    def _next_step(self) -> bytes | None:
        """What is replayed next; behind the last one it is the client's turn."""
        if self.engine is None:
            self.free = True  # greeted
            rest, self.rest = self.rest, b""
            return rest or None
        self._answered = False
        if self._steps:
            return self._steps.popleft()
        self._replaying = False
        if self.engine.early is not None:
            self.session.turn.early = self.session.turn.early or self.engine.early
        return self._line + b"\r\n"

    def _next_line(self, out: list[Any]) -> bytes | None:
        """The client's next line, if it is none to take the pass back for."""
        engine = self.engine
        assert engine is not None
        end = self.rest.find(b"\n") + 1
        if not engine.watching or (not end and len(self.rest) > engine.rules.line_length_limit):
            return self._open()
        if not end:
            return None
        raw, rest = self.rest[:end], self.rest[end:]
        if self._continues:
            self._continues = False
            self.rest = rest
            return raw
        self._line = raw
        if engine.offends(raw, rest):
            self.revoked, self.rest = raw, rest
            return None
        verb = engine.overhear(raw, rest)
        out += self._told(engine)
        if verb in _OPENING or (rest and verb not in _GROUPED):
            return self._open()
        self.rest = rest
        return raw

    def _open(self) -> bytes | None:
        """The gate is open; what waits is the session's."""
        self.free = True
        rest, self.rest = self.rest, b""
        return rest or None

    def _give(self, event: Event) -> list[Any]:
        """An event for the session -> what of its actions is to be done."""
        engine = self.engine
        out: list[Any] = []
        for action in self.session.handle(event):
            if type(action) is Send:
                self._answered = True
                if engine is not None:
                    if self._replaying and action.reply.positive:
                        continue
                    self._replaying = False  # a refusal is the answer to the recipient
                    if self._unheard and self._lacks_login(engine, action.reply):
                        self.put_off = self._line + b"\r\n"
                        return out
                    self._unheard = False
                    engine.turn.give()
                    self._continues = action.reply.code == CONTINUE
                    if action.reply.code == CONTENT:
                        self.free = True
            elif type(action) is HangUp:
                self._closed = True
            out.append(action)
        if self.free and self.rest:
            rest, self.rest = self.rest, b""
            out += self.session.handle(Received(rest))
        return out

    def _lacks_login(self, engine: Engine, refusal: Reply) -> bool:
        """Is it refused for good by a rule that might let it pass once it has logged in? While it was tried it was not
        offered AUTH (RFC 3463 3.8: 5.7 is policy)."""
        for_good = refusal.code >= 500 and not refusal.hangs_up and refusal.status.startswith("5.7.")
        return for_good and engine.esmtp and offers_login(self.session)

    def _listen(self, event: Received) -> list[Any]:
        """Bytes came, perhaps before the client can have had our reply."""
        engine = self.engine
        self.rest += event.data
        if engine is None:
            return []
        if not engine.watches(PIPELINING):
            if self._replaying or not (self.session.asked or event.unacknowledged):
                return []
            self.free = True  # whose turn it is, is the session's business: it has to see what comes when it comes
            rest, self.rest = self.rest, b""
            return self.session.handle(Received(rest, event.unacknowledged))
        if not engine.turn.listen(event.data, event.unacknowledged):
            return []
        offence = engine.turn.early
        if offence is None:
            engine.tolerated()
            return engine.collect()
        if engine.forgives(PIPELINING):
            engine.pipelined(offence)
            self.session.turn.early = self.session.turn.early or offence
            return self._told(engine)
        self.offence = offence
        if self.session.asked is None:
            self.revoked = b""
        return []

    @staticmethod
    def _told(engine: Engine) -> list[Any]:
        """What the engine noticed and forgave: the pass is a short one from now on."""
        out: list[Any] = engine.collect()
        if any(type(action) is Caught for action in out):
            out.append(Learn(engine.progress.stamps.render(engine.rules.enabled)))
        return out

    def _ended_line(self) -> bytes:
        return self._line if self._line.endswith(b"\n") else self._line + b"\r\n"
