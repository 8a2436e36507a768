"""How many clients may be served at a time by the smtpd behind screening? Its maxproc column, as places.

A client that passed takes a place; when there is none it waits, the first first. This file must not know who waits.
"""

from __future__ import annotations

import asyncio
from collections import deque


class Seats:
    """The places of one service. `limit` 0: as many as come."""

    __slots__ = ("_waiting", "limit", "taken")

    def __init__(self, limit: int = 0) -> None:
        self.limit = limit
        self.taken = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def free(self) -> bool:
        """Is there a place that nobody waits for?"""
        return not self._waiting and (not self.limit or self.taken < self.limit)

    def take(self) -> None:
        """Sit down. leave() must follow."""
        self.taken += 1

    async def wait(self) -> None:
        """Until a place is free, then take it. Cancelled: nothing was taken."""
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self.leave()  # it was given in the same moment
            else:
                self._waiting.remove(place)
            raise

    def leave(self) -> None:
        """Stand up; whoever waits longest takes the place."""
        self.taken -= 1
        self._fill()

    def change(self, limit: int) -> None:
        """A reload: so many places from now on."""
        self.limit = limit
        self._fill()

    def _fill(self) -> None:
        while self._waiting and (not self.limit or self.taken < self.limit):
            place = self._waiting.popleft()
            if not place.done():
                self.taken += 1
                place.set_result(None)
