"""How do bytes get through one socket, in the clear or by TLS? Non-blocking, by the loop's reader and writer callbacks.

Contract: what is written leaves before the turn is over (outbox.py), unless the kernel does not take it; the order is
kept. The socket is read only while nothing holds it; a peer that does not take its output is not read. Closing says the
last words first: the sending side is shut down and what still comes is thrown away for a moment, because a close with
unread input would reset the connection and with it our last reply. This file must not know what the bytes mean.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from typing import Final, Protocol

from gatepost.server.outbox import Outbox
from gatepost.server.tls_layer import TlsBroken, TlsLayer

READ: Final = 65536  # bytes asked of the kernel at once
READ_ON: Final = 4 * READ  # about as much is read before it is handed over
UNSENT: Final = 65536  # output that the peer does not take: beyond it the peer is not read

_MORE: Final = getattr(socket, "MSG_MORE", 0)  # Linux: the segment waits for what follows

# why the socket is not read (bits)
BY_PERFORMER: Final = 1
BY_BACKLOG: Final = 2
BY_OUTPUT: Final = 4
AT_END: Final = 8


class Owner(Protocol):
    """Whom the wire serves."""

    def readable(self) -> None:
        """There may be something to read()."""

    def broke(self, why: str) -> None:
        """The connection failed; nothing is read or written any more."""

    def shaken(self, tls: ssl.SSLObject, plain: bytes) -> None:
        """The handshake is done; `plain` was sent right behind it."""

    def shake_failed(self, why: str) -> None:
        """The handshake failed."""

    def taken(self) -> None:
        """The kernel took output that had to wait."""

    def over(self) -> None:
        """The socket is closed. Comes once."""


class Wire:
    """One socket. `late` waits for the end of the turn; `unsent` is None when the kernel has everything else; `ended`
    says that the peer closed TLS. The counters are bytes on the wire."""

    __slots__ = (
        "_broken", "_leaving", "_loop", "_outbox", "_owner", "_shaking", "_sock", "_tls", "bytes_in", "bytes_out",
        "ended", "fd", "held", "late", "unsent",
    )  # fmt: skip

    def __init__(self, sock: socket.socket, loop: asyncio.AbstractEventLoop, outbox: Outbox, owner: Owner) -> None:
        self._sock = sock
        self._loop = loop
        self._outbox = outbox
        self._owner: Owner | None = owner
        self._tls: TlsLayer | None = None
        self._broken = self._leaving = self._shaking = False
        self.ended = False
        self.fd = sock.fileno()
        self.held = 0
        self.late = b""
        self.unsent: bytearray | None = None
        self.bytes_in = self.bytes_out = 0

    def start(self) -> None:
        """Begin to read."""
        if self._owner is not None:
            self._loop.add_reader(self.fd, self._owner.readable)

    def look(self) -> None:
        """The kernel says that the connection is broken: have what is left of it read, and then its end."""
        if not self.held and self._owner is not None:
            self._loop.remove_reader(self.fd)
            self._loop.add_reader(self.fd, self._discard if self._leaving else self._owner.readable)

    def hold(self, why: int) -> None:
        """Read no more until release(why)."""
        if not self.held and self._owner is not None:
            self._loop.remove_reader(self.fd)
        self.held |= why

    def release(self, why: int) -> None:
        """This reason is gone."""
        if self.held & why:
            self.held &= ~why
            if not self.held and self._owner is not None:
                self._loop.add_reader(self.fd, self._discard if self._leaving else self._owner.readable)

    def read(self) -> bytes | None:
        """What the peer said: all that lies in the kernel's buffer (READ_ON bytes at most), decrypted; b"" at its end,
        None for nothing yet or failure."""
        try:
            data = self._sock.recv(READ)
        except (BlockingIOError, InterruptedError):
            return None
        except OSError as error:
            self._fail(error.strerror or str(error))
            return None
        if len(data) == READ:
            data = self._read_on(data)
        self.bytes_in += len(data)
        return data if self._tls is None or not data else self._decrypt(self._tls, data)

    def begin_tls(self, context: ssl.SSLContext, data: bytes = b"") -> None:
        """The peer's next bytes, `data` before them, are a TLS handshake."""
        self._tls = TlsLayer(context)
        self._shaking = True
        if data:
            self._decrypt(self._tls, data)

    def _decrypt(self, tls: TlsLayer, data: bytes) -> bytes | None:
        shaking = self._shaking
        try:
            if shaking:
                if not tls.shake(data):
                    self._send_records(tls)
                    return None
                data = b""
            plain = tls.decrypt(data)
        except TlsBroken as error:
            self._send_records(tls)
            self._tls = None  # neither words nor close_notify can be sent any more
            self._fail(str(error), shaking)
            return None
        if not shaking:
            self.ended = tls.ended
            return plain or (b"" if tls.ended else None)
        self._shaking = False
        self._send_records(tls)
        self.ended = tls.ended
        if self._owner is not None and not self._broken:
            self._owner.shaken(tls.secured, plain)
        return None

    def _send_records(self, tls: TlsLayer) -> None:
        records = tls.for_wire()
        if records:
            self._send(records)

    def _read_on(self, data: bytes) -> bytes:
        """The read was full: there may be more. An error or the end shows again at the next read."""
        parts, total = [data], READ
        while len(parts[-1]) == READ and total < READ_ON:
            try:
                parts.append(self._sock.recv(READ))
            except OSError:
                break
            total += len(parts[-1])
        return b"".join(parts)

    def write(self, data: bytes, last: bool = False) -> None:
        """Say this. `last`: leave() follows, and its FIN travels in the same segment."""
        tls = self._tls
        if tls is not None:
            try:
                data = tls.encrypt(data)
            except TlsBroken as error:
                self._fail(str(error))
                return
        if last:
            self._send(data, _MORE)
        elif self.late:
            self.late += data
        else:
            self.late = data
            self._outbox.add(self)

    @property
    def owes(self) -> bool:
        """Is there something that the kernel does not have yet?"""
        return self.unsent is not None or self.late != b""

    def send_late(self) -> None:
        """Send what waits for the end of the turn: what the kernel takes at once, the rest when it can."""
        if self.late:
            self._send(b"")

    def _send(self, data: bytes, flags: int = 0) -> None:
        if self.late:
            data, self.late = self.late + data, b""
        if self._broken:
            return
        if self.unsent is None:
            try:
                sent = self._sock.send(data, flags)
            except (BlockingIOError, InterruptedError):
                sent = 0
            except OSError as error:
                self._fail(error.strerror or str(error))
                return
            self.bytes_out += sent
            if sent == len(data):
                return
            self.unsent = bytearray(data[sent:])
            self._loop.add_writer(self.fd, self._writable)
        else:
            self.unsent += data
        if len(self.unsent) > UNSENT:
            self.hold(BY_OUTPUT)

    def _writable(self) -> None:
        unsent, owner = self.unsent, self._owner
        if not unsent or owner is None:
            return
        try:
            sent = self._sock.send(unsent)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._fail(error.strerror or str(error))
            return
        self.bytes_out += sent
        del unsent[:sent]
        if not unsent:
            self.unsent = None
            self._loop.remove_writer(self.fd)
            self.release(BY_OUTPUT)
        owner.taken()
        if self._leaving and self.unsent is None:
            self._shut(True)

    def _fail(self, why: str, shaking: bool = False) -> None:
        if self._leaving:
            self.close()
            return
        self._broken = True
        if self.unsent is not None:
            self.unsent = None
            self._loop.remove_writer(self.fd)
        if self._owner is None:
            return
        if shaking:
            self._owner.shake_failed(why)
        else:
            self._owner.broke(why)

    def leave(self, linger: bool) -> None:
        """Say what is unsent, then close; `linger` when the peer may still be talking."""
        if self._owner is None or self._leaving:
            return
        self.send_late()
        if self._tls is not None and not self._shaking:
            farewell = self._tls.close()
            if farewell:
                self._send(farewell)
        self._leaving = True
        if self._broken:
            self.close()
        elif self.unsent is None:
            self._shut(linger)

    def _shut(self, linger: bool) -> None:
        if not linger or self.held & AT_END:
            self.close()
            return
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError:
            self.close()
            return
        self.hold(0)
        self.held = 0
        self._loop.add_reader(self.fd, self._discard)

    def _discard(self) -> None:
        try:
            if self._sock.recv(READ):
                return
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            pass
        self.close()

    def close(self) -> None:
        """Close now."""
        owner, self._owner = self._owner, None
        if owner is None:
            return
        if not self.held:
            self._loop.remove_reader(self.fd)
        if self.unsent is not None:
            self._loop.remove_writer(self.fd)
        elif self.late and not self._broken:
            with contextlib.suppress(OSError):
                self._sock.send(self.late)
        self.late = b""
        self._sock.close()
        owner.over()
