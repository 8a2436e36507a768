"""Which messages wait, and until when? Key and time of each; that is all that is in memory of a deferred message.

A message on hold has no time: it waits for an operator. This file must not know messages, nor the spool.
"""

from __future__ import annotations

import heapq


class Deferred:
    """The waiting messages. `held` are those on hold, whether they wait or are being delivered now."""

    def __init__(self) -> None:
        self.held: set[int] = set()
        self._due: dict[int, float] = {}  # the truth; the heap may hold older entries besides
        self._heap: list[tuple[float, int]] = []
        self._hurried: set[int] = set()

    def __len__(self) -> int:
        return len(self._due)

    def __contains__(self, key: int) -> bool:
        return key in self._due or key in self.held

    def put(self, key: int, due: float) -> None:
        """The message is to be tried at this time (seconds since the epoch), unless it is on hold."""
        if key not in self.held:
            self._due[key] = due
            heapq.heappush(self._heap, (due, key))

    def hold(self, key: int) -> None:
        """Not to be tried until it is released."""
        self.held.add(key)
        self._due.pop(key, None)

    def forget(self, key: int) -> None:
        """It is gone."""
        self.held.discard(key)
        self._due.pop(key, None)
        self._hurried.discard(key)

    def hurry(self, key: int, now: float) -> None:
        """An operator wants it tried now."""
        if key not in self.held:
            self._hurried.add(key)
            self.put(key, min(now, self._due.get(key, now)))

    def hurry_all(self, now: float) -> None:
        """An operator wants everything tried that is not on hold."""
        for key in list(self._due):
            self.hurry(key, now)

    def hurried(self, key: int) -> bool:
        """Was this try an operator's wish? Asked once."""
        if key in self._hurried:
            self._hurried.discard(key)
            return True
        return False

    def any_due(self, now: float) -> bool:
        """Is something due? May say yes for a message that no longer waits."""
        return bool(self._heap) and self._heap[0][0] <= now

    def take(self, now: float, most: int) -> list[int]:
        """At most this many messages that are due; they wait no longer."""
        keys: list[int] = []
        while self._heap and self._heap[0][0] <= now and len(keys) < most:
            due, key = heapq.heappop(self._heap)
            if self._due.get(key) == due:
                del self._due[key]
                keys.append(key)
        return keys
