"""What do lookup servers say? `socketmap:` and `tcp:` tables.

socketmap_table(5): netstrings, `name key` -> `OK data`, `NOTFOUND `, `TEMP | TIMEOUT | PERM reason`. tcp_table(5):
`get key` -> `200 value`, `500 text` (no such key), `400 text`, with %XX for what is not printable. One connection per
table, one question at a time; a broken connection is opened anew once per lookup. Contract: what waits runs in a task
of the running loop. This file must not know what is being looked up.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from dataclasses import dataclass

from gatepost.lookup.ask import LookupFailure
from gatepost.lookup.tables.table import Opener, Opening, OpenTable
from gatepost.span import ConfigError

TIMEOUT = 100.0
"""Seconds for one exchange, connecting included."""
IDLE = 10.0
"""Seconds after which an unused socketmap connection is not used again."""
MAX_REPLY = 100_000
MAX_TCP_LINE = 4096


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`inet:host:port` or `unix:path`."""

    kind: str
    host: str
    port: int | str = 0

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection whose reader accepts the longest reply."""
        if self.kind == "unix":
            return await asyncio.open_unix_connection(self.host, limit=MAX_REPLY)
        return await asyncio.open_connection(self.host, self.port, limit=MAX_REPLY)


class ServerTable(ABC):
    """A table behind a connection."""

    immediate = False
    partial = False

    def __init__(self, spec: str, endpoint: Endpoint) -> None:
        self.spec = spec
        self.problem: ConfigError | None = None
        self._endpoint = endpoint
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._used = 0.0
        self._turn: asyncio.Lock | None = None

    async def get(self, key: str) -> str | None:
        """Ask the server, in a task of its own."""
        return await asyncio.get_running_loop().create_task(self._get(key))

    async def _get(self, key: str) -> str | None:
        if self._turn is None:
            self._turn = asyncio.Lock()
        async with self._turn:
            try:
                async with asyncio.timeout(TIMEOUT):
                    return await self._exchange_or_reconnect(key)
            except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as error:
                await self.close()
                raise LookupFailure(f"{self.spec}: {str(error) or type(error).__name__}") from error
            except BaseException:
                await self.close()  # the answer may still be on its way: the next question must not read it
                raise

    async def _exchange_or_reconnect(self, key: str) -> str | None:
        now = asyncio.get_running_loop().time()
        if self._streams is not None and now - self._used > IDLE:
            await self.close()
        fresh = self._streams is None
        try:
            return await self._exchange_once(key)
        except (OSError, EOFError):
            await self.close()
            if fresh:
                raise
        return await self._exchange_once(key)

    async def _exchange_once(self, key: str) -> str | None:
        if self._streams is None:
            self._streams = await self._endpoint.connect()
        reader, writer = self._streams
        found = await self._exchange(key, reader, writer)
        self._used = asyncio.get_running_loop().time()
        return found

    @abstractmethod
    async def _exchange(self, key: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str | None:
        """One question and its answer. ValueError for an answer that does not read."""

    async def close(self) -> None:
        """Close the connection; the next lookup opens one."""
        streams, self._streams = self._streams, None
        if streams is not None:
            streams[1].close()


class SocketMapTable(ServerTable):
    """`socketmap:inet:host:port:name`, `socketmap:unix:path:name`."""

    def __init__(self, spec: str, endpoint: Endpoint, name: str) -> None:
        super().__init__(spec, endpoint)
        self._name = name

    async def _exchange(self, key: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str | None:
        question = f"{self._name} {key}".encode("utf-8", "surrogateescape")
        writer.write(b"%d:%s," % (len(question), question))
        await writer.drain()
        head = await reader.readuntil(b":")
        length = head[:-1]
        if not length.isdigit() or len(length) > 9 or int(length) > MAX_REPLY:
            raise ValueError("bad netstring length")
        body = await reader.readexactly(int(length) + 1)
        if body[-1:] != b",":
            raise ValueError("missing netstring terminator")
        status, _, text = body[:-1].decode("utf-8", "surrogateescape").partition(" ")
        if status == "OK":
            return text
        if status == "NOTFOUND":
            return None
        if status in ("TEMP", "TIMEOUT", "PERM"):
            raise LookupFailure(f"{self.spec} socketmap server {status.lower()} error: {text}",
                                temporary=status != "PERM")
        raise ValueError(f'malformed socketmap reply: "{status}"')


class TcpTable(ServerTable):
    """`tcp:host:port`."""

    async def _exchange(self, key: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str | None:
        writer.write(b"get " + quote(key.encode("utf-8", "surrogateescape")) + b"\n")
        await writer.drain()
        line = await reader.readuntil(b"\n")
        if len(line) > MAX_TCP_LINE:
            raise ValueError("too much data")
        status, text = line[:4], unquote(line[4:].rstrip(b"\r\n")).decode("utf-8", "surrogateescape")
        if status == b"200 ":
            return text
        if status == b"500 ":
            return None
        if status == b"400 ":
            raise LookupFailure(f"{self.spec}: {text}")
        raise ValueError(f"malformed reply {line[:100]!r}")


def quote(text: bytes) -> bytes:
    """%XX for %, blanks and everything that is not printable ASCII."""
    return b"".join(b"%c" % byte if 33 <= byte < 127 and byte != 37 else b"%%%02X" % byte for byte in text)


def unquote(text: bytes) -> bytes:
    """Undo `quote`. ValueError for a % without two hexadecimal digits."""
    first, *rest = text.split(b"%")
    return first + b"".join(bytes.fromhex(part[:2].decode("ascii")) + part[2:] for part in _checked(rest))


def _checked(parts: list[bytes]) -> list[bytes]:
    if any(len(part) < 2 for part in parts):
        raise ValueError("malformed %XX in reply")
    return parts


def _inet(text: str) -> Endpoint:
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not port:
        raise ConfigError(f'need host:port instead of "{text}"', text=text)
    return Endpoint("inet", host or "localhost", int(port) if port.isascii() and port.isdigit() else port)


def open_socketmap(name: str, _: Opening) -> OpenTable:
    """The name behind the last colon is what the server calls the table."""
    kind, _colon, rest = name.partition(":")
    place, colon, label = rest.rpartition(":")
    if kind not in ("inet", "unix") or not colon or not place:
        raise ConfigError(f'need socketmap:inet:host:port:name or socketmap:unix:path:name instead of "{name}"',
                          text=name)
    endpoint = _inet(place) if kind == "inet" else Endpoint("unix", place)
    return SocketMapTable(f"socketmap:{name}", endpoint, label)


def open_tcp(name: str, _: Opening) -> OpenTable:
    """`tcp:host:port`."""
    return TcpTable(f"tcp:{name}", _inet(name))


OPENERS: dict[str, Opener] = {"socketmap": open_socketmap, "tcp": open_tcp}
