"""How does received content become a message that is kept? Queue ids and drafts before, one answer after.

    draft = keeper.draft(keeper.new_id())             content as it arrives: draft.write(bytes)
    keeper.submit(draft, envelope, then)              `then` is called with None: durable; or SpoolFull, SpoolFailure
    await keeper.keep(draft, envelope, headers)       the same as a future

What sessions and reports see of a spool, whether it lies in this process (spool.py) or in another: who takes what was
submitted is the subclass's business. A large body is made durable here, in a thread of its own, before it is handed
on. This file must not know databases, processes or delivery.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from gatepost.deliver.envelope import Envelope
from gatepost.deliver.envelope_packed import pack, unpack
from gatepost.deliver.queue_id import QueueIds, key_of
from gatepost.deliver.spool_draft import Draft, SpoolFailure, SpoolFull, failure_of

Settled = Callable[[SpoolFull | SpoolFailure | None], None]


class Kept:
    """A message on its way to disk, and afterwards: its envelope as it is written (envelope_packed.py), what its row
    holds of the content, the name of its body file; `then`, if any, is told that it is durable (None), or why not."""

    __slots__ = ("error", "file", "key", "packed", "parts", "queue_id", "then")

    def __init__(self, key: int, queue_id: str, packed: list[Any], parts: Sequence[bytes], file: str | None,
                 then: Settled | None = None) -> None:
        self.key = key
        self.queue_id = queue_id
        self.packed = packed
        self.parts = parts
        self.file = file
        self.then = then
        self.error: SpoolFull | SpoolFailure | None = None

    def envelope(self) -> Envelope:
        """The envelope, made anew."""
        return unpack(self.queue_id, self.packed)


class Keeper:
    """Takes drafts. `ids` gives their names, `bodies` is the folder of large ones. Used from the event loop."""

    def __init__(self, ids: QueueIds, bodies: Path, loop: asyncio.AbstractEventLoop) -> None:
        self.ids = ids
        self._bodies = bodies
        self._loop = loop
        self._sync = ThreadPoolExecutor(2, thread_name_prefix="spool-sync")

    def take(self, message: Kept) -> None:
        """Keep a message whose body, where it has one, is durable. The subclass's; its settled() is called later."""
        raise NotImplementedError

    def take_synced(self, message: Kept) -> None:
        """take, from another thread."""
        self._loop.call_soon_threadsafe(self.take, message)

    def new_id(self) -> str:
        """A queue id that no other message in this directory has."""
        return self.ids.new()

    def draft(self, queue_id: str) -> Draft:
        """Begin to receive content."""
        return Draft(queue_id, self._bodies)

    def keep(self, draft: Draft, envelope: Envelope, headers: bytes = b"") -> asyncio.Future[None]:
        """Take responsibility for the message: `headers` and then the draft's content. Sets envelope.size.

        The future raises SpoolFull or SpoolFailure; the draft is gone in any case."""
        future: asyncio.Future[None] = self._loop.create_future()

        def then(failure: SpoolFull | SpoolFailure | None) -> None:
            if future.done():
                return
            if failure is None:
                future.set_result(None)
            else:
                future.set_exception(failure)

        self.submit(draft, envelope, then, headers)
        return future

    def submit(self, draft: Draft, envelope: Envelope, then: Settled, headers: bytes = b"") -> None:
        """keep() without a future: `then` is called later, from the event loop, and of a whole batch in one turn."""
        envelope.size = len(headers) + draft.size
        key = key_of(envelope.queue_id)
        assert key is not None
        if draft.failure is not None:
            self._loop.call_soon(then, draft.failure)
        elif draft.path is not None:
            draft.kept = True
            message = Kept(key, envelope.queue_id, pack(envelope), (headers,), envelope.queue_id, then)
            self._sync.submit(self._keep_file, draft, message)
        else:
            parts = draft.parts
            if headers:
                parts.insert(0, headers)
            self.take(Kept(key, envelope.queue_id, pack(envelope), parts, None, then))

    def _keep_file(self, draft: Draft, message: Kept) -> None:
        """In a thread of its own, because a large body's fsync would hold up everybody's small messages."""
        try:
            draft.settle()
            if draft.failure is None:
                draft.sync()
        except OSError as error:
            draft.failure = failure_of(error)
        with contextlib.suppress(RuntimeError):  # the loop is closed
            if draft.failure is None:
                draft.close()
                self.take_synced(message)
                return
            draft.discard()
            message.error = draft.failure
            self._loop.call_soon_threadsafe(self.settled, [message])

    def settled(self, batch: list[Kept]) -> None:
        """It is known of these whether they are durable: tell who waits for it."""
        for message in batch:
            if message.then is None:
                continue
            try:
                message.then(message.error)
            except Exception as error:  # a bug of whoever waited for it must not cost the others their answer
                self._loop.call_exception_handler({"message": "what follows a stored message failed",
                                                   "exception": error})

    def end_syncing(self) -> None:
        """Hand on what is being synced; no more drafts. Blocks."""
        self._sync.shutdown()
