"""What becomes of one client of a postscreen service? Screened: known or not, before the greeting, after it, and on.

The machine that server/connection.py drives in a session's place: standing, early phase, engine, and from the promotion
on the real session ([018](../../../docs/decisions/018-promotion-by-replay.md)). Pure: clock, places and the making of
real sessions are asked of a Place; what it wants done are actions (smtp.actions, screen.actions). The end of the trials
is Postfix's: what was learned is told and written before the last reply. This file must not know sockets nor settings.
"""

from __future__ import annotations

from typing import Any, Protocol

from gatepost.screen import facts
from gatepost.screen.actions import Caught, Demote, Learn, LookAgain, Promote, Restore, Tease, Waited
from gatepost.screen.early import Early, answer_pregreet
from gatepost.screen.engine import Engine, Outcome
from gatepost.screen.late import Late
from gatepost.screen.progress import Progress, Shared
from gatepost.screen.promoted import Promoted
from gatepost.screen.rules import Rules
from gatepost.screen.standing import DENIED_ENFORCE, Standing
from gatepost.screen.trials import PREGREET
from gatepost.smtp import sentences
from gatepost.smtp.actions import Action, Ask, HangUp, Observed, Send, Stage
from gatepost.smtp.events import Answered, Connected, Elapsed, Event, Received, TlsStarted
from gatepost.smtp.facts import Ended
from gatepost.smtp.reply import Reply
from gatepost.smtp.session import Session
from gatepost.smtp.turn import Turn


class Place(Protocol):
    """What a screened session asks of where it is."""

    def now(self) -> int:
        """Unix time."""

    def monotonic(self) -> float:
        """Seconds."""

    @property
    def stressed(self) -> bool:
        """Are there so many clients that waits are short?"""

    @property
    def free(self) -> bool:
        """Is there a place for one more client in the service behind?"""

    @property
    def shared(self) -> Shared:
        """What this client's sessions share."""

    def make(self) -> Session:
        """The real session of this client. Promote makes it the one that counts."""


class Screened:
    """One client. `address` as text, no brackets."""

    __slots__ = ("_address", "_early", "_engine", "_greeted", "_heard", "_late", "_learnt", "_over", "_place",
                 "_progress", "_promoted", "_rules", "_tls")

    def __init__(self, rules: Rules, address: str, place: Place) -> None:
        self._rules = rules
        self._address = address
        self._place = place
        self._heard = b""  # what came before the greeting was complete
        self._early: Early | None = None
        self._engine: Engine | None = None
        self._promoted: Promoted | None = None
        self._progress: Progress | None = None
        self._late: Late | None = None  # while the pass may be lost to the real session's facts
        self._learnt = False  # what was learned is told and written, and its trials go on
        self._greeted = 0.0  # when the tests after the greeting began, monotonic
        self._tls = False  # told as tlsproxy
        self._over = False

    # ------------------------------------------------------------------ for server/connection.py

    @property
    def in_content(self) -> bool:
        """Is a message being read?"""
        return self._promoted is not None and self._promoted.session.in_content

    @property
    def backlog(self) -> int:
        """Bytes that were handed over and wait."""
        if self._promoted is not None:
            return self._promoted.backlog
        return len(self._heard if self._engine is None else self._engine)

    @property
    def wants_evidence(self) -> bool:
        """May Received.unacknowledged matter for the next bytes?"""
        if self._promoted is not None:
            return self._promoted.wants_evidence
        return self._engine is None or self._engine.turn.undecided

    def handle(self, event: Event) -> list[Action]:
        """Feed one event -> the actions it leads to, also those of screen/actions.py."""
        if self._over:
            return []
        if self._promoted is not None:
            return self._go_on(self._promoted, event)
        if isinstance(event, Connected):
            return [Observed(facts.Connect()), Ask(Stage.SCREEN)]
        if isinstance(event, Answered):
            if isinstance(event.context, Waited):
                return self._waited(event.context)
            return self._stand(event.context)
        if self._engine is not None:
            return self._talk(self._engine, event)
        return self._hear(event) if isinstance(event, Received) else []

    # ------------------------------------------------------------------ before the greeting

    def _stand(self, standing: Standing) -> list[Action]:
        """It is known where the client stands."""
        out: list[Any] = [Observed(fact) for fact in standing.facts]
        self._progress = progress = Progress(self._rules, self._place.shared, standing.stamps, standing.todo,
                                              standing.new)
        if standing.refusal is not None:
            return out + self._end(standing.refusal)
        if standing.allowlisted or standing.done_old:
            return out + self._hand_on(passed=standing.done_old)
        if standing.denied:
            progress.denied = True
            progress.hold(DENIED_ENFORCE)
        if standing.veto:
            progress.vetoed = True
            progress.hold(None)
        turn = Turn(self._rules.evidence, self._rules.tolerated)
        turn.exempt = standing.exempt
        wait = self._rules.greet_wait[self._place.stressed]
        self._early = early = Early(progress, self._address, self._place.monotonic(), wait, turn,
                                    suspect=standing.suspect)
        if PREGREET.bit & progress.todo:
            out.append(Tease(self._rules.greet_banner))
        if self._heard:
            found, dropped = self._overhear(early, self._heard, "waiting")
            out += found
            if dropped is not None:
                return out + self._end(dropped)
        return out + self._wait(early)

    def _hear(self, event: Received) -> list[Action]:
        """Bytes before the greeting. What they cost is known at once; the open question is answered by the outside,
        which sees the offence go by."""
        self._heard += event.data
        if self._early is None:
            return []
        early = self._early
        out, dropped = self._overhear(early, event.data, "unacknowledged" if event.unacknowledged else "waiting")
        if dropped is None and early.turn.in_doubt:
            out.append(LookAgain())
        return out if dropped is None else out + self._end(dropped)

    def _overhear(self, early: Early, data: bytes, evidence: str) -> tuple[list[Any], Reply | None]:
        progress = early.progress
        fact = early.hear(data, self._place.monotonic(), evidence)
        return self._cost(progress, fact)

    def _settle(self, early: Early) -> tuple[list[Any], Reply | None]:
        """Whoever was to say more before the greeting has said it."""
        return self._cost(early.progress, early.settle(self._place.monotonic()))

    @staticmethod
    def _cost(progress: Progress, fact: facts.Pregreet | facts.Tolerated | None) -> tuple[list[Any], Reply | None]:
        if not isinstance(fact, facts.Pregreet):
            return ([] if fact is None else [Observed(fact)]), None
        dropped = answer_pregreet(progress)
        return [Observed(fact), Caught(PREGREET, progress.rules.penalty(PREGREET), fact.evidence, fact)], dropped

    def _waited(self, waited: Waited) -> list[Action]:
        early = self._early
        assert early is not None, "a wait that nobody asked for"
        early.take(waited, self._place.now())
        if waited.left and not early.heard:
            settled, _ = self._settle(early)
            return [*settled, Observed(facts.HangUp(early.since(self._place.monotonic()), False)), *self._end(None)]
        return self._wait(early)

    def _wait(self, early: Early) -> list[Action]:
        """Go on waiting, or go on."""
        now = self._place.monotonic()
        out, dropped = self._settle(early) if early.doubtless(now) else ([], None)
        question = early.question(now) if dropped is None else None
        if question is not None:
            return [*out, Ask(Stage.GREET_WAIT, question)]
        if dropped is None and not early.turn.seems_harmless:
            found, dropped = self._settle(early)
            out += found
        if dropped is None:
            found, dropped = early.finish(self._place.now())
            out += found
        if dropped is not None:
            return out + self._end(dropped)
        progress = early.progress
        if progress.held or progress.deep_due or early.turn.in_doubt:
            return out + self._greet(progress, early.turn)
        return out + self._hand_on()

    # ------------------------------------------------------------------ after the greeting

    def _greet(self, progress: Progress, turn: Turn) -> list[Action]:
        """The tests after the greeting begin."""
        place = self._place
        self._early = None
        self._greeted = place.monotonic()
        self._engine = engine = Engine(progress, self._address, place.now, lambda: place.free, turn, tls=False)
        heard, self._heard = self._heard, b""
        engine.greet(heard)
        return self._run(engine)

    def _talk(self, engine: Engine, event: Event) -> list[Any]:
        if isinstance(event, Received):
            if not engine.hear(event.data, event.unacknowledged):
                return self._finish(engine, engine.last)
        elif isinstance(event, TlsStarted):
            engine.tls_started()
            return []
        elif isinstance(event, Elapsed):
            engine.observe(facts.TimeLimit(engine.verb))
            return self._finish(engine, sentences.timeout(self._rules.hostname))
        else:
            engine.observe(facts.HangUp(self._place.monotonic() - self._greeted, True))
            return self._finish(engine, None)
        return self._run(engine)

    def _run(self, engine: Engine) -> list[Action]:
        outcome = engine.run()
        if outcome is Outcome.END:
            return self._finish(engine, engine.last)
        out: list[Any] = engine.collect()
        if outcome is Outcome.TLS:
            self._tls = True
        elif outcome is Outcome.PROMOTE:
            out += self._learned()
            if self._tls:  # from now on it is the real session's
                out.append(Observed(facts.TlsEnded()))
                self._tls = False
            session = self._place.make()
            self._promoted = promoted = Promoted(session, engine)
            self._late = Late(engine.progress, session)
            out.append(Promote(session))
            out += self._result(promoted, promoted.begin())
        return out

    def _finish(self, engine: Engine, reply: Reply | None) -> list[Any]:
        return [*engine.collect(), *self._end(reply)]

    # ------------------------------------------------------------------ the end of the trials

    def _learned(self) -> list[Any]:
        """What is told and remembered of a client whose trials are over."""
        assert self._progress is not None
        if self._learnt:
            return [Restore(self._progress.take_back())] if self._progress.bad else []
        verdict, record = self._progress.conclude()
        out: list[Any] = [] if verdict is None else [Observed(verdict)]
        if record is not None:
            out.append(Learn(record))
        return out

    def _end(self, reply: Reply | None) -> list[Any]:
        """The session is over here; without a reply when nobody hears it."""
        self._over = True
        out = [*self._settled(), *self._learned()]
        if reply is not None:
            out.append(Send(reply))
        out.append(Observed(facts.Disconnect()))
        if self._tls:
            out.append(Observed(facts.TlsEnded()))
        out.append(HangUp())
        return out

    def _settled(self) -> list[Any]:
        """The end of a doubt whether early talk was harmless."""
        if self._engine is None:
            return self._settle(self._early)[0] if self._early is not None else []
        self._engine.settle()
        return self._engine.collect()

    # ------------------------------------------------------------------ the real session

    def _hand_on(self, *, passed: bool = True) -> list[Any]:
        """The real session greets; what came before that is for it, and no offence any more. `passed`: it has a pass
        that it can lose."""
        out = self._learned()
        session = self._place.make()
        heard, self._heard = self._heard, b""
        self._promoted = promoted = Promoted(session, None, heard)
        self._early = None
        if passed:
            assert self._progress is not None
            self._late = Late(self._progress, session)
        return [*out, Promote(session), *self._result(promoted, promoted.begin())]

    def _go_on(self, promoted: Promoted, event: Event) -> list[Action]:
        if promoted.free:
            out = promoted.session.handle(event)
            return out if self._late is None else self._judged(self._late, out)
        return self._result(promoted, promoted.handle(event))

    def _result(self, promoted: Promoted, out: list[Any]) -> list[Any]:
        """Actions of the real session; when the pass was taken back, those of the engine that goes on."""
        if promoted.revoked is not None:
            return out + self._demote(promoted, promoted.revoked)
        if promoted.put_off is not None:
            return out + self._put_off(promoted, promoted.put_off)
        return self._judged(self._late, out) if self._late is not None and promoted.free else out

    def _judged(self, late: Late, out: list[Any]) -> list[Any]:
        judged = late.judge(out, self._place.now())
        if late.over:
            self._late = None
        return judged

    def _demote(self, promoted: Promoted, line: bytes) -> list[Any]:
        """The client offended against a trial that it had passed: `line` is what it gets no answer to from the real
        session."""
        progress = self._progress
        assert progress is not None
        engine, out = self._take_over(promoted, line)
        out.append(Restore(progress.take_back()))
        if promoted.offence is not None and not engine.pipelined(promoted.offence):
            return out + self._finish(engine, engine.last)
        return out + self._run(engine)

    def _put_off(self, promoted: Promoted, line: bytes) -> list[Any]:
        """The client keeps its pass and has to come again, as where no place is free: then it is offered AUTH."""
        engine, out = self._take_over(promoted, line)
        engine.progress.hold(None)
        self._learnt = True
        return out + self._run(engine)

    def _take_over(self, promoted: Promoted, line: bytes) -> tuple[Engine, list[Any]]:
        """The engine goes on in the real session's place, which did not answer `line`."""
        session, engine = promoted.session, promoted.engine
        assert engine is not None
        self._promoted = self._late = None
        engine.resume(line, promoted.rest, session)
        return engine, [Observed(Ended("", session.where, None, session.counts, session.noted_bare_lf)), Demote()]
