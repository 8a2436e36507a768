"""Which connections are alive, and whose time is over? The registry of a process, with one timer for all.

Contract: one sweep a second looks at every connection's `deadline`; a connection costs no timer, task or future of its
own. A time limit is therefore kept to the second. The sweep also asks the kernel, in one call for all, which sockets
are broken: uvloop tells a reset once, and data that lay before it would hide it. This file must not know what a
deadline is for.
"""

from __future__ import annotations

import asyncio
import contextlib
import select
from time import monotonic
from typing import Protocol

from gatepost.server.outbox import Outbox
from gatepost.server.wire import Wire

SWEEP = 1.0  # seconds


class Timed(Protocol):
    """Something with a time limit: `deadline` on the monotonic clock, infinity for none."""

    deadline: float
    wire: Wire

    def expire(self) -> None:
        """The deadline is over."""

    def dismiss(self, reply: bytes) -> None:
        """The server goes down: say `reply` and hang up, once no question is open."""

    def abort(self) -> None:
        """Close at once."""


class Connections:
    """The connections of one event loop. The timer runs while there are any."""

    __slots__ = ("_by_descriptor", "_emptied", "_poll", "_timer", "accepted", "live", "loop", "outbox")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.outbox = Outbox(loop)
        self.live: set[Timed] = set()
        self.accepted = 0
        self._timer: asyncio.TimerHandle | None = None
        self._emptied: asyncio.Event | None = None
        self._poll = select.poll()
        self._by_descriptor: dict[int, Timed] = {}

    def __len__(self) -> int:
        return len(self.live)

    def add(self, connection: Timed) -> None:
        """A connection was accepted."""
        self.accepted += 1
        self.live.add(connection)
        self._by_descriptor[connection.wire.fd] = connection
        self._poll.register(connection.wire.fd, 0)  # POLLHUP and POLLERR come unasked
        if self._timer is None:
            self._timer = self.loop.call_later(SWEEP, self._tick)

    def discard(self, connection: Timed) -> None:
        """A connection is closed."""
        self.live.discard(connection)
        if self._by_descriptor.pop(connection.wire.fd, None) is not None:
            self._poll.unregister(connection.wire.fd)
        if self._emptied is not None and not self.live:
            self._emptied.set()

    def sweep(self, now: float) -> None:
        """Look at every broken connection; expire every one whose deadline lies before `now`."""
        for descriptor, _ in self._poll.poll(0):
            self._by_descriptor[descriptor].wire.look()
        for connection in [each for each in self.live if each.deadline <= now]:
            connection.expire()

    def _tick(self) -> None:
        self._timer = None
        try:
            self.sweep(monotonic())
        finally:
            if self.live:
                self._timer = self.loop.call_later(SWEEP, self._tick)

    def dismiss_all(self, reply: bytes) -> None:
        """Ask every connection to leave with `reply` (a rendered 421)."""
        for connection in list(self.live):
            connection.dismiss(reply)

    def abort_all(self) -> None:
        """Close every connection now."""
        for connection in list(self.live):
            connection.abort()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def empty(self, seconds: float) -> bool:
        """Wait until no connection is left, `seconds` at most. True when none is left."""
        if self.live:
            self._emptied = asyncio.Event()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._emptied.wait(), seconds)
            self._emptied = None
        return not self.live
