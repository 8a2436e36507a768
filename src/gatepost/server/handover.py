"""How do messages get to the queue manager's process, and its answers back? Batches, once per turn of the event loop.

What is handed over is not accepted: `then` is called when the other process says that the message is durable. When that
process is gone, everything it had not answered for fails (the client is told to come again), and so does what comes
until there is another one. A body file whose message may or may not have been committed stays: the message would be
torn without it, and the next start removes what no message needs. This file must not know processes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from gatepost.deliver.keeper import Keeper, Kept
from gatepost.deliver.queue_id import QueueIds
from gatepost.deliver.spool_draft import SpoolFailure, SpoolFull

GONE = "the queue manager is not running"

Entry = tuple[int, str, list[object], Sequence[bytes], str | None]
"""A message on its way: key, queue id, packed envelope, parts of the row's content, name of the body file."""


class Handover(Keeper):
    """The keeper of a process that has no spool. `tell`, where there is somebody to tell, takes each batch; answered()
    its answers."""

    def __init__(self, ids: QueueIds, bodies: Path, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(ids, bodies, loop)
        self.tell: Callable[[list[Entry]], None] | None = None
        self._batch: list[Entry] = []
        self._unanswered: dict[int, Kept] = {}

    def take(self, message: Kept) -> None:
        """Hand it over, together with what else comes in this turn."""
        if self.tell is None:
            message.error = SpoolFailure(GONE)
            self._loop.call_soon(self.settled, [message])
            return
        self._unanswered[message.key] = message
        if not self._batch:
            self._loop.call_soon(self._hand_over)
        self._batch.append((message.key, message.queue_id, message.packed, message.parts, message.file))

    def _hand_over(self) -> None:
        batch, self._batch = self._batch, []
        if batch and self.tell is not None:
            self.tell(batch)

    def answered(self, answer: Any) -> None:
        """What intake.py says of messages."""
        if answer[0] == "durable":
            unanswered = self._unanswered
            self.settled([unanswered.pop(key) for key in answer[1]])
        else:
            assert answer[0] == "failed", answer[0]
            self._failed(answer[1])

    def _failed(self, failures: list[tuple[int, bool, str]]) -> None:
        batch = []
        for key, full, why in failures:
            message = self._unanswered.pop(key)
            message.error = SpoolFull(why) if full else SpoolFailure(why)
            batch.append(message)
        self.settled(batch)

    def lost(self) -> None:
        """Nobody will answer any more."""
        self.tell = None
        self._batch = []
        batch = list(self._unanswered.values())
        self._unanswered.clear()
        for message in batch:
            message.error = SpoolFailure(GONE)
        self.settled(batch)
