"""Is it ours now? The durable spool: 250 is given only after `then` is called.

    spool = Spool.open(directory)                     inside the event loop
    draft = spool.draft(spool.new_id())               content as it arrives: draft.write(bytes)
    spool.submit(draft, envelope, then)               `then` is called with None: durable; or SpoolFull, SpoolFailure
    await spool.keep(draft, envelope, headers)        the same as a future

A message that is durable survives kill -9 and power failure, whole. One process owns a shard (a lock file says
so); another may look and change what an operator may change (deliver/queue_control.py). The disk layout is that of
spool_store.py, the writing spool_writer.py's, the bytes before the end of data spool_draft.py's. This file must not
know delivery.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from gatepost.deliver import spool_store as store
from gatepost.deliver.envelope import Envelope
from gatepost.deliver.queue_id import SHARDS, key_of, long_id, short_id
from gatepost.deliver.spool_draft import Draft, SpoolFailure, SpoolFull, failure_of
from gatepost.deliver.spool_reader import Reader, SpooledContent
from gatepost.deliver.spool_writer import Kept, Settled, Writer

__all__ = ["Draft", "Kept", "Spool", "SpoolFailure", "SpoolFull", "SpooledContent"]

FIRST_KEY = 0x10000  # so that a short id has at least 11 digits, as Postfix's usually has
KEYS_AT_ONCE = 1 << 20


class Spool:
    """An open spool. `arrived` is called on the event loop with each batch that became durable."""

    def __init__(self, directory: Path, shard: int, loop: asyncio.AbstractEventLoop, long_ids: bool) -> None:
        self.directory = directory
        self.shard = shard
        self.arrived: Callable[[list[Kept]], None] | None = None
        self._loop = loop
        self._make_id = long_id if long_ids else short_id
        self._lock_fd = -1
        self._next = 0
        self._reserved = 0
        self._bodies = store.bodies(directory, shard)
        self._writer = Writer(directory, shard, loop, self._settled)
        self._sync = ThreadPoolExecutor(2, thread_name_prefix="spool-sync")
        self._reader = Reader(directory, shard, loop)

    @classmethod
    def open(cls, directory: str | Path, *, shard: int = 0, long_ids: bool = False) -> Spool:
        """Open or create the spool in this directory; clean what a crash left. Call with the event loop running.

        SpoolFailure when the directory cannot be used or another process owns the shard (0..15)."""
        if not 0 <= shard < SHARDS:
            raise ValueError(f"shard {shard} is not in 0..{SHARDS - 1}")
        spool = cls(Path(directory), shard, asyncio.get_running_loop(), long_ids)
        try:
            spool._bodies.mkdir(mode=0o700, parents=True, exist_ok=True)
            spool._take_lock()
            spool._writer.start()
            spool._reserve_keys(FIRST_KEY)
            spool._remove_orphans()
        except (OSError, sqlite3.Error) as error:
            raise SpoolFailure(f"spool {directory}: {error}") from error
        return spool

    def _take_lock(self) -> None:
        fd = os.open(self.directory / f"lock.{self.shard}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(fd)
            raise SpoolFailure(f"spool {self.directory}: shard {self.shard} is in use by another process") from error
        self._lock_fd = fd

    def _reserve_keys(self, first: int) -> None:
        with contextlib.closing(store.connect(store.database(self.directory, self.shard))) as connection:
            self._next = store.reserve_keys(connection, first, KEYS_AT_ONCE)
        self._reserved = self._next + KEYS_AT_ONCE

    def _remove_orphans(self) -> None:
        with contextlib.closing(store.connect(store.database(self.directory, self.shard))) as connection:
            wanted = {row[0] for row in connection.execute("SELECT file FROM message WHERE file IS NOT NULL")}
        for path in self._bodies.iterdir():
            if path.name not in wanted:
                path.unlink(missing_ok=True)

    def new_id(self) -> str:
        """A queue id that no other message in this directory has."""
        number = self._next
        self._next = number + 1
        if self._next >= self._reserved:
            self._reserve_keys(self._next)  # blocks, once in a million messages
        key = number << 4 | self.shard
        return self._make_id(key)

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
            message = Kept(key, envelope, (headers,), envelope.queue_id, then)
            self._sync.submit(self._keep_file, draft, message)
        else:
            parts = draft.parts
            if headers:
                parts.insert(0, headers)
            self._writer.submit(Kept(key, envelope, parts, None, then))

    def _keep_file(self, draft: Draft, message: Kept) -> None:
        """In a thread of its own, because a large body's fsync would hold up everybody's small messages."""
        try:
            draft.settle()
            if draft.failure is None:
                draft.sync()
        except OSError as error:
            draft.failure = failure_of(error)
        if draft.failure is None:
            draft.close()
            self._writer.submit_synced(message)
            return
        draft.discard()
        message.error = draft.failure
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._settled, [message])

    def _settled(self, batch: list[Kept]) -> None:
        kept = batch
        for message in batch:
            if message.error is not None:
                kept = [m for m in batch if m.error is None]
            try:
                message.then(message.error)
            except Exception as error:  # a bug of whoever waited for it must not cost the others their answer
                self._loop.call_exception_handler({"message": "what follows a stored message failed",
                                                   "exception": error})
        if kept and self.arrived is not None:
            self.arrived(kept)

    def remove(self, key: int, file: str | None = None) -> None:
        """Forget a message for good, soon (a crash before that means it is delivered again)."""
        self._writer.remove(key, file)

    def progress(self, key: int, held: bool, due: float, state: str) -> None:
        """Note the scheduler's state of a message, soon."""
        self._writer.progress(key, held, due, state)

    async def load(self, keys: Sequence[int]) -> list[store.Stored]:
        """The messages with these keys, without content. sqlite3.Error when the database fails."""
        newer = self._writer.unwritten(keys)
        reader = self._reader
        found = await reader.ask(lambda: store.load(reader.connection(), keys))
        for stored in found:
            if stored.key in newer:
                _, _, stored.due, stored.state = newer[stored.key]
        return found

    async def schedule(self) -> list[tuple[int, bool, float]]:
        """Key, held, due of every message in the spool."""
        reader = self._reader
        return await reader.ask(lambda: list(store.schedule(reader.connection())))

    def content(self, key: int, size: int, parts: Sequence[bytes] | None = None,
                file: str | None = None) -> SpooledContent:
        """A message's content; `parts` when what its row holds is still in memory."""
        return SpooledContent(self._reader, key, size, parts, file)

    async def close(self) -> None:
        """Write what waits and let go. Futures that are still open are resolved first."""
        await self._loop.run_in_executor(None, self._shut)
        await asyncio.sleep(0)

    def _shut(self) -> None:
        self._sync.shutdown()
        self._writer.stop()
        self._reader.close()
        if self._lock_fd >= 0:
            os.close(self._lock_fd)
            self._lock_fd = -1
