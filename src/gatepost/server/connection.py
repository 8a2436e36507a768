"""How does one socket drive one session? Bytes in, events; actions performed, bytes out.

The read -> handle -> act -> send path is the hottest of the program: no task, future or transport, and no exception in
the common case. Contract with the session (smtp/events.py): every byte is handed over as it arrives, also while a
question is open; what was read is handed over before anything is written; what is said in one round leaves in one
send; `unacknowledged` is measured after the read. Lost and Elapsed are never fed while a question is open: a client
that half-closes after its last command still gets its answers, as with Postfix.

Contract with the performer: see roles.py. What comes before the session (PROXY header, handshake) is never Received.
This file must not know what a command, a reply or a restriction is.
"""

from __future__ import annotations

import asyncio
import math
import socket
import ssl
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any, Final

from gatepost.policy.facts import Tls
from gatepost.server import kernel, proxy_protocol
from gatepost.server.connections import Connections
from gatepost.server.phase import CLOSED, HANDSHAKE, LEAVING, NEW, OPEN, PROXY
from gatepost.server.roles import NOBODY, Performer, Session
from gatepost.server.terms import Terms
from gatepost.server.tls_facts import tls_facts
from gatepost.server.trouble import Broken, ProxyRefused, TlsFailed
from gatepost.server.wire import AT_END, BY_BACKLOG, BY_PERFORMER, Wire
from gatepost.smtp.actions import Ask, Observed
from gatepost.smtp.events import Answered, Connected, Elapsed, Event, Lost, Received, TlsStarted

UNPROCESSED: Final = 65536  # bytes of input that wait behind an open question: beyond it the client is not read
LINGER: Final = 2.0  # seconds for the client to take our last words

Attend = Callable[["Connection"], tuple[Session, Performer]]


class Connection:
    """One accepted socket. Addresses and ports are text. `secured` holds the TLS facts, once there is TLS."""

    __slots__ = (
        "_act", "_asked", "_attend", "_busy", "_connections", "_dismissal", "_finish", "_handle", "_later", "_left",
        "_out", "_owed", "_performer", "_phase", "_session", "_task", "_told", "_unread", "deadline", "local_address",
        "local_port", "peer_address", "peer_port", "proxied_by", "resumed", "secured", "terms", "wire",
    )  # fmt: skip

    def __init__(
        self, sock: socket.socket, terms: Terms, connections: Connections, attend: Attend, peer: object = None
    ) -> None:
        """`sock` is non-blocking and from now on ours; `peer` is what accept() said of the client."""
        self.wire = Wire(sock, connections.loop, connections.outbox, self)
        self.terms = terms
        self.peer_address, self.peer_port = kernel.address_and_port(peer)
        self.local_address, self.local_port = kernel.local(sock)
        self.proxied_by = ""  # the proxy's own address, when the client's came in a PROXY header
        self.secured: Tls | None = None
        self.resumed = False  # the TLS session goes on from an earlier one
        self.deadline = math.inf
        self._connections = connections
        self._attend = attend
        self._session: Session = NOBODY
        self._performer: Performer = NOBODY
        self._handle: Callable[[Event], list[Any]] = NOBODY.handle
        self._act: Callable[[list[Any]], Awaitable[None] | None] = NOBODY.act
        self._phase = NEW
        self._asked = False  # a question is open
        self._busy = False  # inside feed()
        self._finish = False  # hang up at the end of this round
        self._left = self._told = False  # the client said its last byte; the session knows it
        self._owed = False  # something was said since the last measurement that found everything acknowledged
        self._later: list[Event] = []
        self._out: list[bytes] = []  # said in this round, not yet written
        self._unread = b""  # a PROXY header that is not yet complete
        self._dismissal: bytes | None = None
        self._task: asyncio.Future[None] | None = None

    @property
    def closed(self) -> bool:
        """Is the socket closed?"""
        return self._phase == CLOSED

    @property
    def client_left(self) -> bool:
        """Did the client close its end, or the connection break?"""
        return self._left

    @property
    def asked(self) -> bool:
        """Is a question open?"""
        return self._asked

    def start(self) -> None:
        """Read; greet, unless a PROXY header or a handshake comes first."""
        self._connections.add(self)
        self.wire.start()
        if not self.terms.proxy:
            self._begin(b"")
            return
        self._phase = PROXY
        self.deadline = monotonic() + self.terms.proxy_timeout
        if not self.terms.trusts_proxy(self.peer_address):
            self._refuse_proxy("untrusted proxy")

    def _begin(self, early: bytes) -> None:
        """The client's address is known; `early` was read behind a PROXY header. attend() may hang up at once."""
        self._busy = True
        self._session, self._performer = self._attend(self)
        self._handle, self._act = self._session.handle, self._performer.act  # found once, called with every event
        self._busy = False
        if self._finish:
            self._settle(0)
            return
        if self.terms.wrapper_mode:
            self._begin_handshake(early)
            return
        self._phase = OPEN
        if early:
            self._later.append(Received(early, True))
        self.feed(Connected())

    def _read_proxy_header(self, data: bytes) -> None:
        self._unread += data
        try:
            read = proxy_protocol.parse(self._unread)
        except proxy_protocol.ProxyError as error:
            self._refuse_proxy(error.reason)
            return
        if read is None:
            return
        early, self._unread = self._unread[read.length :], b""
        if read.client is not None and read.server is not None:
            self.proxied_by = self.peer_address
            self.peer_address, self.peer_port = read.client
            self.local_address, self.local_port = read.server
        self._begin(early)

    def _refuse_proxy(self, reason: str) -> None:
        self._left = True
        _, self._performer = self._attend(self)
        self._observe(ProxyRefused(reason))
        self.wire.write(self.terms.proxy_refusal)
        self._leave(linger=True)

    def start_tls(self) -> None:
        """Write what was said, then take the next bytes for a TLS handshake."""
        if self._out:
            self._flush()
        if self._phase == OPEN and not self._left:
            self._begin_handshake(b"")

    def _begin_handshake(self, early: bytes) -> None:
        assert self.terms.tls is not None, "the session offered TLS without a context"
        self._phase = HANDSHAKE
        self.deadline = monotonic() + self.terms.starttls_timeout
        self.wire.begin_tls(self.terms.tls, early)

    def shaken(self, tls: ssl.SSLObject, plain: bytes) -> None:
        """The handshake is done; `plain` was sent right behind it."""
        self.secured, self.resumed = tls_facts(tls, self.terms.fingerprint_digest), bool(tls.session_reused)
        self._phase = OPEN
        # The tickets that go out with the handshake are no reply: nothing is owed that the client should have read.
        self._owed = False
        wrapper = self.terms.wrapper_mode
        if plain:
            self._later.append(Received(plain, wrapper))
        self.feed(Connected(tls=True) if wrapper else TlsStarted())
        if self.wire.ended:
            self._end_of_input()

    def shake_failed(self, why: str) -> None:
        """There is no TLS, and nothing can be said any more."""
        if self._phase == HANDSHAKE:
            self._phase = OPEN
            self._left = True
            self._observe(TlsFailed(why))
            self._lost()

    # -- what the performer calls

    def send(self, data: bytes) -> None:
        """Say this. Everything said in one round of feed() leaves in one send."""
        if self._phase <= OPEN:
            self._out.append(data)
            if not self._busy:
                self._flush()

    def hang_up(self) -> None:
        """Write what was said, then close. Nothing is fed any more."""
        self._finish = True
        if not self._busy:
            self._settle(0)

    def pause_reading(self) -> None:
        """The performer cannot take more content now."""
        self.wire.hold(BY_PERFORMER)

    def resume_reading(self) -> None:
        """It can again."""
        self.wire.release(BY_PERFORMER)

    def feed(self, event: Event) -> None:
        """Hand an event to the session and have its actions performed, until nothing is left to do now.

        Called inside act() the event waits for that act to end, so that a thousand pipelined commands are a loop, not a
        recursion. Ignored once the connection is closing."""
        if self._phase > OPEN:
            return
        if self._busy:
            self._later.append(event)
            return
        self._busy = True
        handle, act, later = self._handle, self._act, self._later
        came = len(event.data) if isinstance(event, Received) else 0
        try:
            while True:
                if event.__class__ is Answered:
                    self._asked = False
                actions = handle(event)
                if actions:
                    if actions[-1].__class__ is Ask:
                        self._asked = True
                    waiting = act(actions)
                    if waiting is not None:
                        self._wait_for(waiting)
                if not later or self._finish:
                    break
                event = later.pop(0)
        except Exception as error:  # a bug costs one session, not the server
            self._bug(error)
        self._busy = False
        self._settle(came)

    def _settle(self, came: int) -> None:
        """The round is over: write, set the time limit, hold or release the client. `came`: so many bytes were read."""
        said = bool(self._out)
        if said:
            self._flush()
        if self._phase > OPEN:
            return
        if self._finish:
            self._leave(self._session.backlog > 0 or self.wire.held > 0)
        elif self._told or self._phase != OPEN:
            return
        elif self._asked:
            self.deadline = math.inf
            if self._session.backlog > UNPROCESSED:
                self.wire.hold(BY_BACKLOG)
            if self._left:
                self._performer.gone()
        else:
            self._set_deadline(said, came)
            if self.wire.held & BY_BACKLOG:
                self.wire.release(BY_BACKLOG)
            if self._left:
                self._lost()
            elif self._dismissal is not None:
                self._say_goodbye(self._dismissal)

    def _set_deadline(self, said: bool, came: int) -> None:
        """smtpd_timeout for each read; or a deadline for the whole request, which content prolongs."""
        terms, now = self.terms, monotonic()
        latest = now + terms.timeout
        if said or not terms.per_request_deadline or self.deadline == math.inf:
            self.deadline = latest
        elif self._session.in_content and terms.min_data_rate > 0:
            self.deadline = min(latest, self.deadline + came / terms.min_data_rate)

    def _wait_for(self, waiting: Awaitable[None]) -> None:
        task = asyncio.ensure_future(waiting, loop=self._connections.loop)
        self._task = task  # the loop itself holds tasks only weakly
        task.add_done_callback(self._waited)

    def _waited(self, task: asyncio.Future[None]) -> None:
        if self._task is task:
            self._task = None
        if not task.cancelled() and (error := task.exception()) is not None:
            self._bug(error)
            self._settle(0)

    def _bug(self, error: BaseException) -> None:
        self._connections.loop.call_exception_handler(
            {"message": f"session with [{self.peer_address}]:{self.peer_port} failed", "exception": error}
        )
        self._later.clear()
        self._finish = True

    def _observe(self, fact: object) -> None:
        waiting = self._performer.act([Observed(fact)])
        if waiting is not None:
            self._wait_for(waiting)

    def _flush(self) -> None:
        out = self._out
        data = out[0] if len(out) == 1 else b"".join(out)
        out.clear()
        self._owed = True
        self.wire.write(data, self._finish)

    def readable(self) -> None:
        """Read, and hand it on to whatever the connection is at."""
        data = self.wire.read()
        if data is None:
            return
        if not data:
            self._end_of_input()
        elif self._phase == OPEN:
            unread = False
            if self._owed and self._session.wants_evidence:
                unread = self._owed = self.wire.owes or kernel.unacknowledged(self.wire.fd)
            self.feed(Received(data, unread))
            if self.wire.ended:
                self._end_of_input()
        elif self._phase == PROXY:
            self._read_proxy_header(data)

    def broke(self, why: str) -> None:
        """Nothing can be read or written any more."""
        if self._phase <= OPEN:
            self._out.clear()
            self._observe(Broken(why))
            self._end_of_input()

    def taken(self) -> None:
        """The client takes its replies."""
        if self._phase == OPEN and not self._asked:
            self.deadline = monotonic() + self.terms.timeout

    def _end_of_input(self) -> None:
        """The client will say no more; what it said is still answered."""
        self.wire.hold(AT_END)
        if self._left or self._phase > OPEN:
            return
        self._left = True
        if self._phase == PROXY:
            self._refuse_proxy("EOF")
        elif self._phase == HANDSHAKE:
            self.shake_failed("lost connection")
        elif self._busy:
            return  # the end of the round sees it
        elif self._asked:
            self._performer.gone()
        else:
            self._lost()

    def _lost(self) -> None:
        self._told = True
        self.feed(Lost())
        self._leave(linger=False)

    def expire(self) -> None:
        """The time limit is over: of the header, the handshake, the client's next bytes or our last words."""
        if self._phase == PROXY:
            self._refuse_proxy("timeout error")
        elif self._phase == HANDSHAKE:
            self.shake_failed("Connection timed out")
        elif self._phase == OPEN:
            self.deadline = monotonic() + self.terms.timeout
            self.feed(Elapsed())
        else:
            self.abort()

    def dismiss(self, reply: bytes) -> None:
        """The server goes down: `reply` and hang up, after the answer when a question is open."""
        if self._phase < OPEN:
            self.abort()
        elif self._phase == OPEN:
            self._dismissal = reply
            if not self._asked and not self._busy:
                self._say_goodbye(reply)

    def _say_goodbye(self, reply: bytes) -> None:
        self._told = True
        self._out.append(reply)
        self.feed(Lost())
        self._leave(linger=True)

    def _leave(self, linger: bool) -> None:
        if self._phase > OPEN:
            return
        self._phase = LEAVING
        self.deadline = monotonic() + LINGER
        self.wire.leave(linger)

    def abort(self) -> None:
        """Close at once."""
        self._phase = max(self._phase, LEAVING)
        self.wire.close()

    def over(self) -> None:
        """The socket is closed: let go of everything."""
        self._phase = CLOSED
        self.deadline = math.inf
        self._connections.discard(self)
        performer = self._performer
        # Dropped because they refer to each other: ten thousand closed connections must not wait for the collector.
        self._session, self._handle, self._performer, self._act = NOBODY, NOBODY.handle, NOBODY, NOBODY.act
        performer.closed()
