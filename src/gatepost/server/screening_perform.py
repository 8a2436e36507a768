"""What becomes of a screened session's actions? Replies, waits, log, memory; and the real performer once it has passed.

One ScreenPerformer per connection of a postscreen service. A client that is held costs one timer and no task. From
Promote on, the real performer performs the real session's actions, on the terms of the smtpd behind screening; what is
of screen/actions.py and screen/facts.py is performed here to the end. This file must not know how a trial is made.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from gatepost.screen import facts, lines
from gatepost.screen.actions import Caught, Demote, GreetWait, Learn, LookAgain, Promote, Restore, Tease, Waited
from gatepost.screen.facts import Allowlisted, Denylisted, Disconnect, Parties, Pregreet, TlsEnded, Veto
from gatepost.screen.memory import Catch
from gatepost.server import kernel
from gatepost.server.eagerly import eagerly
from gatepost.server.trouble import Broken, ProxyRefused, TlsFailed
from gatepost.smtp.actions import Action, Ask, HangUp, Observed, Send, Stage, StartTls
from gatepost.smtp.events import Answered

if TYPE_CHECKING:
    from gatepost.screen.clients import ClientRecord
    from gatepost.screen.dnsbl import Lookup
    from gatepost.server.connection import Connection
    from gatepost.server.perform import Performer
    from gatepost.server.screening import Screening
    from gatepost.smtp.reply import Reply
    from gatepost.smtp.session import Session

SEAT_WAIT = 100.0  # seconds that a client that passed waits for a place, as Postfix has it

_WORDED = (Allowlisted, Denylisted, Veto)  # lines whose words respectful_logging decides
_TIMEOUT = {"timeout error": "time limit exceeded"}  # what smtpd and postscreen call the same thing


class ScreenPerformer:
    """Performs one screened session's actions."""

    __slots__ = ("_gave_up", "_lookup", "_next", "_place", "_real", "_seated", "_timer", "_untold", "_wait",
                 "client", "connection", "parties", "screening")

    def __init__(self, connection: Connection, screening: Screening) -> None:
        self.connection = connection
        self.screening = screening
        self.parties = Parties(connection.peer_address, connection.peer_port,
                               connection.local_address, connection.local_port)
        self.client: ClientRecord | None = None  # while it counts among the screened
        self._real: Performer | None = None
        self._next: Performer | None = None  # of the real session that was made, until Promote
        self._seated = False
        self._place: asyncio.Future[None] | None = None  # of the wait for a place behind
        self._gave_up = False
        self._untold = False  # the end of TLS was told already
        self._wait: GreetWait | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._lookup: Lookup | None = None

    # ------------------------------------------------------------------ for Screened

    def now(self) -> int:
        """Unix time."""
        return int(self.screening.clock.time())

    def monotonic(self) -> float:
        """Seconds."""
        return self.screening.clock.monotonic()

    @property
    def stressed(self) -> bool:
        """Are there so many clients that waits are short?"""
        return self.screening.clients.stressed

    @property
    def free(self) -> bool:
        """Is there a place in the service behind?"""
        return self.screening.seats.free

    @property
    def shared(self) -> ClientRecord:
        """What this client's sessions share."""
        assert self.client is not None, "asked before the client was counted"
        return self.client

    def make(self) -> Session:
        """The real session; Promote makes it the client's."""
        session, self._next = self.screening.serve(self.connection)
        return session

    # ------------------------------------------------------------------ for server/connection.py

    def act(self, actions: list[Action]) -> Awaitable[None] | None:
        """Perform them in order; what waits is returned."""
        for at, action in enumerate(actions):
            kind: type = type(action)
            if kind is Promote and not self._seated and not self.screening.seats.free:
                return self._when_seated(actions[at:])
            perform = _ALWAYS.get(kind)
            if perform is not None:
                perform(self, action)
            elif kind is Observed and self._tell(action.fact):  # type: ignore[union-attr]  # an Observed
                continue
            elif self._real is not None:
                waiting = self._real.act([action])
                if waiting is not None:
                    return waiting
            elif kind is Ask:
                assert isinstance(action, Ask)
                return self._ask(action)
            else:
                _PERFORM[kind](self, action)
        return None

    def gone(self) -> None:
        """The client left while a question is open."""
        if self._real is not None:
            self._real.gone()
        elif self._wait is not None and self._wait.watch:
            self._waited(left=True)
        self._give_up()

    def closed(self) -> None:
        """The connection is closed."""
        self._give_up()
        self._stop_waiting()
        self._release()
        self._leave()
        self._let_go()

    # ------------------------------------------------------------------ questions

    def _ask(self, ask: Ask) -> Awaitable[None] | None:
        if ask.stage is Stage.GREET_WAIT:
            assert isinstance(ask.subject, GreetWait)
            self._begin_wait(ask.subject)
            return None
        assert ask.stage is Stage.SCREEN
        return eagerly(self.screening.stand(self), self._answer)

    def _answer(self, context: object) -> None:
        self.connection.feed(Answered(context=context))

    def _begin_wait(self, wait: GreetWait) -> None:
        self._wait = wait
        if wait.dnsbl and self._lookup is None:
            self._lookup = self.screening.look_up(self.parties.address)
        lookup = self._lookup
        if wait.dnsbl and lookup is not None:
            if lookup.complete:
                self._waited()
                return
            lookup.when_complete(self._waited)
        self._timer = asyncio.get_running_loop().call_later(wait.seconds, self._time_up)

    def _time_up(self) -> None:
        self._timer = None
        if not self.connection.wire.held:
            self.connection.readable()  # whatever the loop has not yet noticed came before the greeting
        self._waited(time_up=True)

    def _waited(self, *, left: bool = False, time_up: bool = False) -> None:
        wait = self._wait
        if wait is None:
            return
        self._stop_waiting()
        score = None
        if wait.dnsbl and self._lookup is not None and (time_up or self._lookup.complete):
            score = self._lookup.score()
        self._answer(Waited(score, kernel.unacknowledged(self.connection.wire.fd), left))

    def _stop_waiting(self) -> None:
        self._wait = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _release(self) -> None:
        if self._lookup is not None:
            self._lookup.release()
            self._lookup = None

    # ------------------------------------------------------------------ actions

    def _send(self, action: Send) -> None:
        reply: Reply = action.reply
        screening = self.screening
        if screening.wording is not None and reply.code >= 400:
            reply = screening.wording.worded(reply, self._attributes, screening.warning)
        screening.take_terms(self.connection)  # whether there is stress counts when a time limit begins
        self.connection.send(reply.render())

    def _tease(self, action: Tease) -> None:
        self.connection.send(action.render())

    def _attributes(self) -> dict[str, str]:
        """What a footer may name (postscreen_reject_footer)."""
        return {"client_address": self.parties.address, "client_port": self.parties.port,
                "localtime": time.strftime("%b %d %H:%M:%S"), "server_name": self.screening.rules.hostname}

    def _start_tls(self, _: StartTls) -> None:
        self.connection.start_tls()

    def _hang_up(self, _: HangUp) -> None:
        self.connection.hang_up()

    def _learn(self, action: Learn) -> None:
        self.screening.memory.put(self.parties.address, action.record)

    def _restore(self, action: Restore) -> None:
        if action.record is None:
            self.screening.memory.delete(self.parties.address)
        else:
            self.screening.memory.put(self.parties.address, action.record)

    def _caught(self, action: Caught) -> None:
        text = lines.line(action.fact, self.parties, respectful=self.screening.rules.respectful)
        self.screening.memory.caught(Catch(self.screening.clock.time(), self.parties.address, int(self.parties.port),
                                           action.trial.name, action.penalty.value, action.evidence, text))

    # ------------------------------------------------------------------ the real session

    def _promote(self, action: Promote) -> None:
        assert self._next is not None and self._next.session is action.session, "promoted to a session not made here"
        if not self._seated:
            self._seated = True
            self.screening.seats.take()
        self._release()
        self._leave()
        self._real, self._next = self._next, None
        self.connection.terms = self.screening.service.terms

    async def _when_seated(self, rest: list[Action]) -> None:
        """The smtpd behind screening has no place: wait for one, then perform the rest."""
        screening = self.screening
        screening.clients.post_queue += 1
        place = self._place = asyncio.ensure_future(screening.seats.wait())
        try:
            await asyncio.wait_for(place, SEAT_WAIT)
        except TimeoutError:
            screening.warning(f"timeout sending connection to service private/{screening.service.name}")
            self.connection.hang_up()
            return
        except asyncio.CancelledError:
            if not self._gave_up:
                raise
            self.connection.hang_up()
            return
        finally:
            self._place = None
            screening.clients.post_queue -= 1
        self._seated = True
        if self.connection.closed:
            self._let_go()
            return
        waiting = self.act(rest)
        if waiting is not None:
            await waiting

    def _give_up(self) -> None:
        """Nobody is there any more to wait for a place."""
        if self._place is not None:
            self._gave_up = True
            self._place.cancel()

    def _demote(self, _: Demote) -> None:
        self._let_go()
        self.screening.take_terms(self.connection)

    def _let_go(self) -> None:
        real, self._real, self._next = self._real, None, None
        if real is not None:
            real.closed()
        if self._seated:
            self._seated = False
            self.screening.seats.leave()

    # ------------------------------------------------------------------ the log, and who counts

    def _tell(self, fact: object) -> bool:
        """Write a fact of screening, and do what hangs on it. False: it is not one."""
        screening = self.screening
        if self._real is None and isinstance(fact, TlsFailed | ProxyRefused | Broken):
            self._tell_trouble(fact)
            return True
        if not lines.is_known(fact):
            return False
        if isinstance(fact, facts.HangUp) and not self.connection.client_left:
            return True  # we hang up, because the server goes down: nobody is to be blamed for that
        rules = screening.rules
        if not (self._untold and isinstance(fact, TlsEnded)):
            text = lines.line(fact, self.parties, respectful=rules.respectful)
            screening.log.info(screening.tags[lines.program(fact)], text)
        if not rules.respectful and isinstance(fact, _WORDED):
            screening.remind(self.parties)
        if isinstance(fact, Disconnect):
            self._leave()
        elif isinstance(fact, Pregreet):
            self._waited()
        return True

    def _tell_trouble(self, fact: TlsFailed | ProxyRefused | Broken) -> None:
        screening = self.screening
        if isinstance(fact, ProxyRefused):
            screening.warning(f"haproxy read: {_TIMEOUT.get(fact.reason, fact.reason)}")
        elif isinstance(fact, TlsFailed):
            tag, name = screening.tags["tlsproxy"], lines.client(self.parties)
            if fact.reason not in ("lost connection", "Connection timed out"):
                screening.log.warning(tag, f"TLS library problem: {fact.reason}")
            screening.log.info(tag, f"TLS handshake failed for service=smtpd peer={name}")
            self._tell(TlsEnded())
            self._untold = True

    def _leave(self) -> None:
        client, self.client = self.client, None
        if client is not None:
            self.screening.clients.leave(client)


_ALWAYS: dict[type, Callable[[ScreenPerformer, Any], None]] = {
    Promote: ScreenPerformer._promote, Demote: ScreenPerformer._demote, Learn: ScreenPerformer._learn,
    Restore: ScreenPerformer._restore, Caught: ScreenPerformer._caught,
    LookAgain: lambda on, _: on._waited(),
}
_PERFORM: dict[type, Callable[[ScreenPerformer, Any], None]] = {
    Send: ScreenPerformer._send, Tease: ScreenPerformer._tease, StartTls: ScreenPerformer._start_tls,
    HangUp: ScreenPerformer._hang_up, Observed: lambda _on, _fact: None,
}
