"""When do replies leave? Those of one turn of the event loop in bursts, one send behind the other.

A machine of clients is woken once for a burst instead of once for each reply, and does not fall asleep in between: that
costs both ends less. Nobody waits longer than the turn lasts; a burst that is full leaves at once. This file must not
know what is said.
"""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

BURST: Final = 16  # replies; the other processors shall not be idle for longer


class Sender(Protocol):
    """Who has something to send."""

    def send_late(self) -> None:
        """Send it now."""


class Outbox:
    """The replies of one event loop that are about to leave."""

    __slots__ = ("_loop", "_scheduled", "_waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: list[Sender] = []
        self._scheduled = False

    def add(self, sender: Sender) -> None:
        """It has something to send, this turn."""
        waiting = self._waiting
        waiting.append(sender)
        if len(waiting) >= BURST:
            self._send()
        elif not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._end_of_turn)

    def _end_of_turn(self) -> None:
        self._scheduled = False
        self._send()

    def _send(self) -> None:
        waiting, self._waiting = self._waiting, []
        for sender in waiting:
            sender.send_late()
