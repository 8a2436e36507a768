"""A tiny core and performer for the server's tests: it answers lines, asks when told to, and keeps what happened.

Lines: `ASK x` opens a question (the test answers it), `LATER x` is answered by a task, `NOW x` inside act(), `TLS`
starts TLS, `BUG` raises, `QUIT` hangs up; anything else is echoed behind `250 `.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

from gatepost.server.connection import Connection
from gatepost.server.connections import Connections
from gatepost.server.terms import Terms
from gatepost.smtp.actions import Action, Ask, HangUp, Observed, Send, Stage, StartTls
from gatepost.smtp.events import Answered, Connected, Elapsed, Event, Lost, Received, TlsStarted
from gatepost.smtp.reply import Reply


class EchoSession:
    """The core. `events` are the names of what was fed, `evidence` the flags of Received."""

    def __init__(self) -> None:
        self.buffer = b""
        self.asked = False
        self.in_content = False
        self.wants_evidence = True
        self.events: list[str] = []
        self.evidence: list[bool] = []

    @property
    def backlog(self) -> int:
        return len(self.buffer)

    def handle(self, event: Event) -> list[Action]:
        self.events.append(type(event).__name__)
        if isinstance(event, Connected):
            return [Send(Reply(220, "", "echo"))]
        if isinstance(event, Received):
            self.evidence.append(event.unacknowledged)
            self.buffer += event.data
            return [] if self.asked else self.lines()
        if isinstance(event, Answered):
            self.asked = False
            return [Send(event.reply or Reply(250, "", "answered")), *self.lines()]
        if isinstance(event, Elapsed):
            return [Send(Reply(421, "", "timeout")), HangUp()]
        assert isinstance(event, TlsStarted | Lost)
        return []

    def lines(self) -> list[Action]:
        actions: list[Action] = []
        while b"\n" in self.buffer:
            line, _, self.buffer = self.buffer.partition(b"\n")
            text = line.decode().strip()
            word = text.partition(" ")[0]
            if word in ("ASK", "LATER", "NOW"):
                self.asked = True
                return [*actions, Ask(Stage.MAIL, text)]
            if word == "TLS":
                self.buffer = b""
                return [*actions, Send(Reply(220, "", "go")), StartTls()]
            if word == "QUIT":
                self.buffer = b""
                return [*actions, Send(Reply(221, "", "bye")), HangUp()]
            if word == "BUG":
                raise AssertionError("a bug")
            actions.append(Send(Reply(250, "", text)))
        return actions


class EchoPerformer:
    """The performer."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.facts: list[object] = []
        self.gone_told = 0
        self.closed_told = 0

    def act(self, actions: list[Action]) -> Awaitable[None] | None:
        for action in actions:
            if isinstance(action, Send):
                self.connection.send(action.reply.render())
            elif isinstance(action, HangUp):
                self.connection.hang_up()
            elif isinstance(action, StartTls):
                self.connection.start_tls()
            elif isinstance(action, Observed):
                self.facts.append(action.fact)
            elif isinstance(action, Ask):
                return self.ask(str(action.subject))
        return None

    def ask(self, text: str) -> Awaitable[None] | None:
        if text.startswith("NOW"):
            self.connection.feed(Answered(Reply(250, "", text)))
        elif text.startswith("LATER"):
            return self.later(text)
        return None

    async def later(self, text: str) -> None:
        await asyncio.sleep(0)
        self.connection.feed(Answered(Reply(250, "", text)))

    def gone(self) -> None:
        self.gone_told += 1

    def closed(self) -> None:
        self.closed_told += 1


class CountedSocket(socket.socket):
    """A socket that counts its sends."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock.family, sock.type, sock.proto, fileno=sock.detach())
        self.sends = 0

    def send(self, *arguments: Any) -> int:
        self.sends += 1
        return super().send(*arguments)


class Bench:
    """One connection over a socket pair: the server's end driven by the loop, the client's end in the test's hands."""

    def __init__(self, terms: Terms | None = None, *, tcp: bool = False) -> None:
        self.loop = asyncio.get_running_loop()
        self.connections = Connections(self.loop)
        ours, self.client = _tcp_pair() if tcp else socket.socketpair()
        self.sock = ours = CountedSocket(ours)
        ours.setblocking(False)
        self.client.setblocking(False)
        peer = ours.getpeername() if tcp else ("192.0.2.1", 4711)
        self.sessions: list[EchoSession] = []
        self.performers: list[EchoPerformer] = []
        self.connection = Connection(ours, terms or Terms(), self.connections, self.attend, peer)

    def attend(self, connection: Connection) -> tuple[EchoSession, EchoPerformer]:
        self.sessions.append(EchoSession())
        self.performers.append(EchoPerformer(connection))
        return self.sessions[-1], self.performers[-1]

    @property
    def session(self) -> EchoSession:
        return self.sessions[-1]

    @property
    def performer(self) -> EchoPerformer:
        return self.performers[-1]

    def __enter__(self) -> Bench:
        self.connection.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.connections.abort_all()
        self.client.close()

    async def say(self, data: bytes) -> None:
        await self.loop.sock_sendall(self.client, data)

    async def hear(self, lines: int = 1) -> list[str]:
        """So many lines, CRLF removed."""
        data = b""
        while data.count(b"\n") < lines:
            more = await asyncio.wait_for(self.loop.sock_recv(self.client, 65536), 5)
            assert more, f"closed after {data!r}"
            data += more
        return data.decode().splitlines()

    async def hear_end(self) -> bytes:
        """Everything until the server closes."""
        data = b""
        while more := await asyncio.wait_for(self.loop.sock_recv(self.client, 65536), 5):
            data += more
        return data

    async def until(self, condition: Callable[[], bool]) -> None:
        """Let the loop run until the condition holds."""
        for _ in range(2000):
            if condition():
                return
            await asyncio.sleep(0.001)
        raise AssertionError("it never happened")


def _tcp_pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        client = socket.create_connection(listening.getsockname())
        ours, _ = listening.accept()
    return ours, client


class TlsClient:
    """The client's end of TLS over a bench's socket, a record at a time."""

    def __init__(self, bench: Bench, context: ssl.SSLContext, name: str | None = None) -> None:
        self.bench = bench
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname=name)

    async def shake(self, with_data: bytes = b"") -> None:
        """Handshake; `with_data` leaves in one piece with the client's Finished."""
        while True:
            try:
                self.tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                await self.push()
                await self.pull()
        if with_data:
            self.tls.write(with_data)
        await self.push()

    async def push(self) -> None:
        if self.outgoing.pending:
            await self.bench.say(self.outgoing.read())

    async def pull(self) -> None:
        data = await asyncio.wait_for(self.bench.loop.sock_recv(self.bench.client, 65536), 5)
        if not data:
            raise ConnectionError("closed")
        self.incoming.write(data)

    async def say(self, data: bytes) -> None:
        self.tls.write(data)
        await self.push()

    async def hear(self) -> str:
        """One record's text."""
        while True:
            try:
                return self.tls.read(65536).decode()
            except ssl.SSLWantReadError:
                await self.pull()
