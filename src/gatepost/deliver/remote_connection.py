"""How does one server get one message? A connection from its greeting to QUIT, the client session driven over a wire.

Contract: `Connection.open` gives a connection that is ready for mail, or a Refusal; `send` hands over one message and
gives a verdict for each recipient, whatever happens on the way; afterwards `reusable` tells whether it may be used
again. Content is streamed: of a large message little more than a socket buffer is in memory. This file must not know
other servers, pools or queues.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from gatepost.deliver.remote_options import RemoteOptions
from gatepost.deliver.remote_texts import Verdict, failed, judged
from gatepost.deliver.result import Content
from gatepost.deliver.tls_policy import VERIFYING, context, names_match
from gatepost.deliver.wire import ConnectFailure, Endpoint, Wire, connect
from gatepost.smtp.actions import StartTls
from gatepost.smtp.client_session import (
    ClientAction,
    ClientSession,
    Failed,
    Finished,
    Mail,
    Ready,
    SendContent,
    Terms,
    Write,
)
from gatepost.smtp.events import Elapsed, Lost, Received, TlsStarted


@dataclass(frozen=True, slots=True)
class Login:
    """How to talk to one server: TLS level, the next hop's domain (certificate names), user name and password."""

    tls: str = "none"
    domain: str = ""
    credentials: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """No connection came about. `answered`: a server was there; `tls`: the TLS handshake failed."""

    verdict: Verdict
    answered: bool = True
    tls: bool = False


class TlsFailure(Exception):
    """The handshake failed, or the certificate is not what the level asks for."""


class Connection:
    """One session with one server; made by `open_connection`."""

    def __init__(self, server: Endpoint, wire: Wire, options: RemoteOptions, login: Login) -> None:
        self.server = server
        self.login = login
        self.used = 0  # messages handed over
        self.since = asyncio.get_running_loop().time()
        self._wire = wire
        self._options = options
        self._session = ClientSession(_terms(server, options, login), secured=options.tls_wrapper)
        self._reusable = False
        self._content: Content | None = None

    @property
    def reusable(self) -> bool:
        """Ready for another message, as far as can be seen without asking."""
        return self._reusable and not self._session.closed and self._wire.quiet

    async def greet(self) -> Failed | None:
        """Everything before the first mail; TlsFailure when TLS does not come about."""
        if self._options.tls_wrapper:
            await self._secure()
        ended = await self._until((Ready,))
        self._reusable = ended is None
        return ended if isinstance(ended, Failed) else None

    async def send(self, mail: Mail, content: Content) -> list[Verdict]:
        """Hand over a message."""
        self._reusable = False
        self.used += 1
        self._content = content
        ended = await self._until((Finished,), self._session.start(mail))
        self._content = None
        if isinstance(ended, Finished):
            self._reusable = ended.reusable
            return [judged(self.server, outcome) for outcome in ended.outcomes]
        assert isinstance(ended, Failed)
        rest = failed(self.server, ended)
        return [judged(self.server, outcome) if outcome else rest for outcome in self._session.outcomes]

    def bid_farewell(self) -> None:
        """QUIT without waiting for what the server says to it, and close."""
        if self.reusable:
            self._wire.write(self._session.quit())
            self._wire.close()
        else:
            self._wire.abort()

    async def _until(self, wanted: tuple[type[Ready] | type[Finished], ...],
                     actions: Sequence[ClientAction] = ()) -> Finished | Failed | None:
        """Perform actions and wait for events until the wanted action comes (Ready gives None), or the end."""
        while True:
            queue = list(actions)
            while queue:
                action = queue.pop(0)
                if isinstance(action, wanted):
                    return action if isinstance(action, Finished) else None
                if isinstance(action, Failed):
                    self._wire.abort()
                    return action
                queue += await self._perform(action)
            actions = await self._listen()

    async def _listen(self) -> list[ClientAction]:
        limit = self._options.limits.seconds.get(self._session.step, 300)
        try:
            data = await self._wire.receive(limit)
        except TimeoutError:
            return self._session.handle(Elapsed())
        return self._session.handle(Received(data) if data else Lost())

    async def _perform(self, action: ClientAction) -> list[ClientAction]:
        match action:
            case Write(data):
                self._wire.write(data)
            case StartTls():
                await self._secure()
                return self._session.handle(TlsStarted())
            case SendContent():
                return await self._stream()
        return []

    async def _stream(self) -> list[ClientAction]:
        """The content, as fast as the server takes it. A server that speaks or leaves meanwhile ends it."""
        assert self._content is not None
        limit = self._options.limits.seconds["BODY"]
        try:
            async for chunk in self._content.chunks():
                self._wire.write(self._session.content(chunk))
                await self._wire.drain(limit)
                if self._wire.pending:
                    return await self._listen()
            self._wire.write(self._session.content_end())
            return []
        except TimeoutError:
            return self._session.handle(Elapsed())
        except BaseException:
            self._wire.abort()  # the content broke off: no final dot may follow
            raise

    async def _secure(self) -> None:
        options, login = self._options, self.login
        level = login.tls if login.tls != "none" else "encrypt"
        try:
            made = context(level, options.tls_files)
            await self._wire.start_tls(made, self.server.host, options.limits.seconds["STARTTLS"])
        except ssl.SSLCertVerificationError as failure:
            raise TlsFailure(f"Server certificate not trusted: {failure.verify_message}") from None
        except (OSError, TimeoutError) as failure:
            raise TlsFailure("Cannot start TLS: handshake failure") from failure
        if level in VERIFYING:
            found = self._wire.tls
            certificate = cast("dict[str, object]", found.getpeercert() if found is not None else {}) or {}
            patterns = options.verify_match if level == "verify" else options.secure_match
            if not names_match(certificate, patterns, self.server.host, login.domain):
                raise TlsFailure("Server certificate not verified")


async def open_connection(server: Endpoint, options: RemoteOptions, login: Login) -> Connection | Refusal:
    """Connect and greet."""
    bind = options.bind6 if ":" in server.address else options.bind4
    try:
        wire = await connect(server, options.limits.connect, bind if server.port else "")
    except ConnectFailure as failure:
        where = f"{server.namaddr}:{server.port}" if server.port else server.namaddr
        return Refusal(Verdict("deferred", "4.4.1", f"connect to {where}: {failure}"), answered=False)
    connection = Connection(server, wire, options, login)
    try:
        ended = await connection.greet()
    except TlsFailure as failure:
        wire.abort()
        return Refusal(Verdict("deferred", "4.7.5", str(failure)), tls=True)
    except BaseException:
        wire.abort()
        raise
    return Refusal(failed(server, ended)) if ended is not None else connection


def _terms(server: Endpoint, options: RemoteOptions, login: Login) -> Terms:
    return Terms(
        helo=options.helo,
        lmtp=options.lmtp,
        tls="none" if options.tls_wrapper or login.tls == "none" else "may" if login.tls == "may" else "encrypt",
        credentials=login.credentials,
        plaintext_auth=options.plaintext_auth,
        plaintext_auth_tls=options.plaintext_auth_tls,
        xforward=options.xforward,
        pipelining=options.pipelining,
        own_names=options.own_names if server.port == 25 and not options.lmtp else frozenset(),
        line_limit=options.line_limit,
    )
