"""How do bytes reach a server? One outbound connection, TCP or a unix socket, plaintext that may become TLS.

Contract: what arrives waits here only until `receive`; `start_tls` throws away what has not been received (RFC 3207
4.2) and tells it. Every wait has its limit in seconds and ends in TimeoutError; a closed or broken connection is b"".
This file must not know SMTP.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from dataclasses import dataclass
from typing import cast

READ_AHEAD = 1 << 17  # bytes that may wait before reading pauses


class ConnectFailure(Exception):
    """No connection: the system's words."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server: the host name that led to it, its IP address or the path of its unix socket, port (0: unix)."""

    host: str
    address: str
    port: int = 0

    @property
    def namaddr(self) -> str:
        """host[address], as replies are quoted in the log."""
        return f"{self.host}[{self.address}]"

    @property
    def relay(self) -> str:
        """host[address]:port, as relay= says it."""
        return f"{self.namaddr}:{self.port}" if self.port else self.namaddr


class Wire(asyncio.Protocol):
    """One connection; made by `connect`."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._waiter: asyncio.Future[None] | None = None
        self._paused = False
        self._over = False

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: connected."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """asyncio: bytes came."""
        self._buffer += data
        if len(self._buffer) > READ_AHEAD and self._transport is not None:
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> bool:
        """asyncio: the server closed its side."""
        self._over = True
        self._wake()
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """asyncio: the connection is gone."""
        self._over = True
        self._wake()

    def pause_writing(self) -> None:
        """asyncio: too much is waiting to be sent."""
        self._paused = True

    def resume_writing(self) -> None:
        """asyncio: there is room again."""
        self._paused = False
        self._wake()

    # -- ours

    @property
    def quiet(self) -> bool:
        """Open, and nothing unread: fit to be used again."""
        return not self._over and not self._buffer

    @property
    def pending(self) -> bool:
        """There is something to `receive` without waiting."""
        return self._over or bool(self._buffer)

    def write(self, data: bytes) -> None:
        """Send, or queue for sending; errors show in `receive`."""
        if self._transport is not None and not self._over:
            self._transport.write(data)

    async def drain(self, limit: float) -> None:
        """Wait until there is room for more. A server that speaks or leaves ends the wait."""
        while self._paused and not self.pending:
            await self._wait(limit)

    async def receive(self, limit: float) -> bytes:
        """What the server sent, b"" when it has gone."""
        while not self._buffer and not self._over:
            await self._wait(limit)
        data = bytes(self._buffer)
        self._buffer.clear()
        if self._transport is not None and not self._over:
            self._transport.resume_reading()
        return data

    async def start_tls(self, context: ssl.SSLContext, name: str, limit: float) -> bytes:
        """Handshake as the client `name` expects -> plaintext that was thrown away. OSError (ssl.SSLError) on failure,
        TimeoutError after `limit` seconds."""
        assert self._transport is not None
        dropped = bytes(self._buffer)
        self._buffer.clear()
        try:
            transport = await self._loop.start_tls(
                self._transport, self, context, server_hostname=name, ssl_handshake_timeout=limit)
        except ConnectionAbortedError as failure:
            raise TimeoutError(str(failure)) from failure
        if transport is None:
            raise OSError("connection closed during the handshake")
        self._transport = transport
        return dropped

    @property
    def tls(self) -> ssl.SSLObject | None:
        """The TLS session, once there is one."""
        found = self._transport.get_extra_info("ssl_object") if self._transport is not None else None
        return cast("ssl.SSLObject | None", found)

    def close(self) -> None:
        """Send what is queued and close."""
        self._over = True
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once: an unfinished message must not look finished."""
        self._over = True
        if self._transport is not None:
            self._transport.abort()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _wait(self, limit: float) -> None:
        waiter = self._waiter = self._loop.create_future()
        timer = self._loop.call_later(limit, _expire, waiter)
        try:
            await waiter
        finally:
            timer.cancel()
            self._waiter = None


def _expire(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutError())


async def connect(endpoint: Endpoint, limit: float, bind: str = "") -> Wire:
    """A new connection within `limit` seconds (0: the system's own limit), from the address `bind` when given.
    ConnectFailure says why not."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(limit or None):
            if endpoint.port == 0:
                _, wire = await loop.create_unix_connection(Wire, endpoint.address)
            else:
                local = (bind, 0) if bind and (":" in bind) == (":" in endpoint.address) else None
                _, wire = await loop.create_connection(Wire, endpoint.address, endpoint.port, local_addr=local)
    except TimeoutError:
        raise ConnectFailure("Connection timed out") from None
    except OSError as failure:
        raise ConnectFailure(os.strerror(failure.errno) if failure.errno else str(failure)) from None
    return wire
