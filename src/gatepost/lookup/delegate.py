"""What does a policy server say? Client of the policy delegation protocol (check_policy_service).

Postfix SMTPD_POLICY_README, reference section 4.6: `name=value` lines and an empty line each way, connections used
again. Contract: an action text, or LookupFailure after the tries that the Delegation allows; the server's silence, its
closing, and a reply that does not read are all failed tries. Requests under way at once have a connection each. This
file must not know attributes nor actions.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gatepost.lookup.ask import Delegation, LookupFailure

LONGEST_REPLY = 65536  # bytes: more is no policy server


class BadReply(Exception):
    """The server answered with something else than attributes."""


FAILURES = (OSError, EOFError, BadReply, ValueError, asyncio.LimitOverrunError)
"""What a try may end with; a time limit is an OSError."""


@dataclass(slots=True)
class Line:
    """One open connection and what it has seen."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    opened: float
    used: float
    requests: int = 0

    def fresh(self, service: Delegation, now: float) -> bool:
        """May it carry another request?"""
        return (not self.reader.at_eof() and not self.writer.is_closing()
                and now - self.used < service.max_idle and now - self.opened < service.max_ttl
                and not (service.request_limit and self.requests >= service.request_limit))


class Delegates:
    """Connections to policy servers, kept for the next request."""

    __slots__ = ("_clock", "_idle", "_timers")

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._idle: dict[str, list[Line]] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}

    async def ask(self, service: Delegation, attributes: Mapping[str, str]) -> str:
        """The action for these attributes, in their order. LookupFailure when there is none after the tries."""
        # In a task, because the caller's coroutine may be driven by hand while streams and time limits need one.
        return await asyncio.get_running_loop().create_task(self._tried(service, encoded(attributes)))

    def close(self) -> None:
        """Close the connections that wait for a request."""
        for lines in self._idle.values():
            for line in lines:
                line.writer.close()
        for timer in self._timers.values():
            timer.cancel()
        self._idle.clear()
        self._timers.clear()

    async def _tried(self, service: Delegation, request: bytes) -> str:
        count = 0
        while True:
            known = self._take(service)
            try:
                return await self._try(service, known, request)
            except FAILURES as problem:
                if known is not None and isinstance(problem, ConnectionError | EOFError):
                    continue  # closed since its last use: that says nothing about the server
                count += 1
                if count >= service.try_limit:
                    raise LookupFailure(f"problem talking to server {service.endpoint}: {explained(problem)}") from None
            await asyncio.sleep(service.retry_delay)

    async def _try(self, service: Delegation, line: Line | None, request: bytes) -> str:
        done = False
        try:
            async with asyncio.timeout(service.timeout):
                line = line or await self._open(service)
                action = await _converse(line, request)
            done = True
            self._give_back(service, line)
            return action
        finally:
            if line is not None and not done:
                line.writer.close()

    def _take(self, service: Delegation) -> Line | None:
        lines = self._idle.get(service.endpoint, [])
        while lines:
            line = lines.pop()
            if line.fresh(service, self._clock()):
                return line
            line.writer.close()
        return None

    def _give_back(self, service: Delegation, line: Line) -> None:
        line.requests += 1
        line.used = self._clock()
        if not line.fresh(service, line.used):
            line.writer.close()
            return
        self._idle.setdefault(service.endpoint, []).append(line)
        if service.endpoint not in self._timers:
            self._timers[service.endpoint] = asyncio.get_running_loop().call_later(
                service.max_idle, self._expire, service)

    def _expire(self, service: Delegation) -> None:
        """Close what has been idle for too long, and look again later while something is left."""
        self._timers.pop(service.endpoint, None)
        lines = self._idle.get(service.endpoint, [])
        for line in [line for line in lines if not line.fresh(service, self._clock())]:
            lines.remove(line)
            line.writer.close()
        if lines:
            self._timers[service.endpoint] = asyncio.get_running_loop().call_later(
                service.max_idle, self._expire, service)

    async def _open(self, service: Delegation) -> Line:
        reader, writer = await connected(service.endpoint)
        now = self._clock()
        return Line(reader, writer, now, now)


async def connected(endpoint: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to `unix:/path`, `inet:host:port` or `inet:port`. OSError when it fails, ValueError for another form."""
    kind, _, place = endpoint.partition(":")
    if kind == "unix" and place:
        return await asyncio.open_unix_connection(place, limit=LONGEST_REPLY)
    host, _, port = place.rpartition(":")
    if kind != "inet" or not port:
        raise ValueError(f"bad endpoint {endpoint!r}: need inet:host:port or unix:/path")
    return await asyncio.open_connection(host.strip("[]") or "localhost", port, limit=LONGEST_REPLY)


def explained(problem: Exception) -> str:
    """A failure in the system's words."""
    if isinstance(problem, TimeoutError):
        return "Connection timed out"
    if isinstance(problem, OSError) and problem.errno:
        return os.strerror(problem.errno)
    if isinstance(problem, asyncio.LimitOverrunError):
        return "reply is too long"
    return "lost connection" if isinstance(problem, EOFError) else str(problem)


def encoded(attributes: Mapping[str, str]) -> bytes:
    """A request on the wire. What would end a line or the request is replaced by `?`."""
    lines = [f"{name}={value}".translate(_UNSENDABLE) for name, value in attributes.items()]
    return ("\n".join(lines) + "\n\n").encode("utf-8", "surrogateescape")


_UNSENDABLE = str.maketrans("\n\r\0", "???")


async def _converse(line: Line, request: bytes) -> str:
    line.writer.write(request)
    await line.writer.drain()
    action: str | None = None
    size = 0
    while True:
        text = (await line.reader.readuntil(b"\n"))[:-1].removesuffix(b"\r")
        if not text:
            break
        size += len(text)
        name, equals, value = text.partition(b"=")
        if not equals or size > LONGEST_REPLY:
            raise BadReply("malformed reply")
        if name == b"action" and action is None:
            action = value.decode("utf-8", "surrogateescape").strip()
    if action is None:
        raise BadReply("missing attribute action in reply")
    return action
