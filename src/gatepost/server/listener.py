"""Who may come in, and how? The listening sockets: bound by endpoint, accepted in batches, exchanged at a reload.

Contract: apply(doors) makes the listening sockets those of `doors`; a socket that stays keeps its queue and takes the
new terms for its next client, live connections are not touched. When a socket cannot be bound it is a ConfigError at
the service's place and everything is as before. The maxproc column is no limit here: one process serves all
connections of a service (what limits them: smtpd_client_connection_count_limit, the number of descriptors). Without
descriptors accepting pauses with one warning, and goes on when there are some again. This file must not know what is
said on a connection.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from gatepost.server.connection import Attend, Connection
from gatepost.server.connections import Connections
from gatepost.server.endpoints import Endpoint
from gatepost.server.terms import Terms
from gatepost.span import ConfigError, Span

BACKLOG = 4096  # connections that wait to be accepted; the kernel cuts it to its own limit (somaxconn)
BATCH = 64  # accepted at once, before others get their turn
PAUSE = 1.0  # seconds without accepting when descriptors run out

_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_NO_PROTOCOL = {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT}


@dataclass(frozen=True, slots=True)
class Door:
    """Where a service listens, and how whoever comes in there is served."""

    endpoint: Endpoint
    terms: Terms
    attend: Attend
    span: Span | None = None  # the service in master.cf


Admit = Callable[[socket.socket, object, Door], None]
"""Takes an accepted, non-blocking socket, the peer's socket address and the door."""


@dataclass(slots=True)
class _Listening:
    sock: socket.socket
    door: Door

    @property
    def name(self) -> str:
        """Where it listens, the port that the kernel chose for port 0 filled in."""
        endpoint = self.door.endpoint
        if endpoint.family == socket.AF_UNIX:
            return endpoint.host
        return str(Endpoint(endpoint.family, endpoint.host, self.sock.getsockname()[1]))


class Listeners:
    """The listening sockets of a process. `warn` takes the text of a warning. `admit` replaces serving the connection
    in this process (workers)."""

    def __init__(self, connections: Connections, warn: Callable[[str], None], admit: Admit | None = None) -> None:
        self._connections = connections
        self._warn = warn
        self._admit = admit or self._serve
        self._open: dict[Endpoint, _Listening] = {}
        self._accepting = False
        self._exhausted = False

    @property
    def names(self) -> list[str]:
        """Where we listen: `127.0.0.1:25`, `[::1]:25`, a path."""
        return [listening.name for listening in self._open.values()]

    def apply(self, doors: Iterable[Door]) -> None:
        """Listen at these doors and no others. ConfigError when that is not possible; then nothing has changed."""
        wanted: dict[Endpoint, Door] = {}
        for door in doors:
            if door.endpoint in wanted:
                first = wanted[door.endpoint].span
                raise ConfigError(f"{door.endpoint} is listened at twice", door.span, f"first at {first}")
            wanted[door.endpoint] = door
        vanished = [listening for endpoint, listening in self._open.items() if endpoint not in wanted]
        added = [door for endpoint, door in wanted.items() if endpoint not in self._open]
        ports = {door.endpoint.port for door in added}
        # A wildcard and one of its addresses cannot be bound at the same time: the old one makes room first.
        in_the_way = [old for old in vanished if old.door.endpoint.port in ports and old.door.endpoint.port]
        for old in in_the_way:
            self._close(old)
        bound: list[_Listening] = []
        try:
            for door in added:
                if (sock := _bind(door)) is not None:
                    bound.append(_Listening(sock, door))
        except ConfigError:
            self._undo(bound, in_the_way)
            raise
        for old in vanished:
            if old not in in_the_way:
                self._close(old)
        for endpoint, listening in self._open.items():
            listening.door = wanted[endpoint]
        for new in bound:
            self._open[new.door.endpoint] = new
            self._watch(new)

    def _undo(self, bound: list[_Listening], closed: list[_Listening]) -> None:
        """Back to how it was before apply()."""
        for listening in bound:
            listening.sock.close()
        for old in closed:
            with contextlib.suppress(ConfigError):
                if (sock := _bind(old.door)) is not None:
                    self._open[old.door.endpoint] = again = _Listening(sock, old.door)
                    self._watch(again)

    def start(self) -> None:
        """Begin to accept."""
        if not self._accepting:
            self._accepting = True
            for listening in self._open.values():
                self._watch(listening)

    def stop(self) -> None:
        """Accept no more; the sockets stay bound."""
        self._halt()
        self._exhausted = False

    def _halt(self) -> None:
        for listening in self._open.values():
            self._unwatch(listening)
        self._accepting = False

    def close(self) -> None:
        """Accept no more and give the addresses up."""
        for listening in list(self._open.values()):
            self._close(listening)

    def _watch(self, listening: _Listening) -> None:
        if self._accepting:
            self._connections.loop.add_reader(listening.sock.fileno(), self._accept, listening)

    def _unwatch(self, listening: _Listening) -> None:
        self._connections.loop.remove_reader(listening.sock.fileno())

    def _close(self, listening: _Listening) -> None:
        self._unwatch(listening)
        listening.sock.close()
        del self._open[listening.door.endpoint]
        if listening.door.endpoint.family == socket.AF_UNIX:
            with contextlib.suppress(OSError):
                os.unlink(listening.door.endpoint.host)

    def _accept(self, listening: _Listening) -> None:
        accept, admit, door = listening.sock.accept, self._admit, listening.door
        for _ in range(BATCH):
            try:
                sock, peer = accept()
            except (BlockingIOError, InterruptedError):
                break
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    self._pause(error)
                    return
                continue  # the client left before it was accepted (accept(2): as if nothing had come)
            sock.setblocking(False)
            admit(sock, peer, door)
        self._exhausted = False

    def _serve(self, sock: socket.socket, peer: object, door: Door) -> None:
        connection = Connection(sock, door.terms, self._connections, door.attend, peer)
        try:
            connection.start()
        except Exception:
            connection.abort()
            raise

    def _pause(self, error: OSError) -> None:
        if not self._exhausted:
            self._exhausted = True
            self._warn(f"accepting connections pauses: {error.strerror}; {len(self._connections)} are open")
        self._halt()
        self._connections.loop.call_later(PAUSE, self._resume)

    def _resume(self) -> None:
        if self._exhausted:  # nobody stopped it meanwhile
            self.start()


def _bind(door: Door) -> socket.socket | None:
    """A listening socket; None for an optional endpoint whose protocol this system does not have."""
    endpoint = door.endpoint
    sock: socket.socket | None = None
    try:
        sock = socket.socket(endpoint.family, socket.SOCK_STREAM)
        if endpoint.family == socket.AF_UNIX:
            _make_way(endpoint.host)
            sock.bind(endpoint.host)
            os.chmod(endpoint.host, 0o666)  # who may connect is decided by the directory, as with Postfix
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # accepted sockets inherit it
            if endpoint.family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind((endpoint.host, endpoint.port))
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except OSError as error:
        if sock is not None:
            sock.close()
        if endpoint.optional and error.errno in _NO_PROTOCOL:
            return None
        raise ConfigError(f"cannot listen at {endpoint}: {error.strerror or error}", door.span) from None
    return sock


def _make_way(path: str) -> None:
    """A unix socket's directory exists, and nobody's old socket lies in the way."""
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISSOCK(os.lstat(path).st_mode):
            os.unlink(path)
