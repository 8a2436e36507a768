"""Is it ours now? The durable spool: 250 is given only after `then` is called.

    spool = Spool.open(directory)                     inside the event loop
    spool.submit(draft, envelope, then)               and what else a Keeper does (keeper.py)

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
from pathlib import Path

from gatepost.deliver import spool_store as store
from gatepost.deliver.keeper import Keeper, Kept
from gatepost.deliver.queue_id import SHARDS, QueueIds
from gatepost.deliver.spool_draft import Draft, SpoolFailure, SpoolFull
from gatepost.deliver.spool_reader import Reader, SpooledContent
from gatepost.deliver.spool_writer import Source, Writer

__all__ = ["Draft", "Kept", "Spool", "SpoolFailure", "SpoolFull", "SpoolInUse", "SpooledContent"]

FIRST_KEY = 0x10000  # so that a short id has at least 11 digits, as Postfix's usually has
KEYS_AT_ONCE = 1 << 20


class SpoolInUse(SpoolFailure):
    """Another process owns this shard."""


class Spool(Keeper):
    """An open spool. After each batch `arrived` is called with what of it became durable, on the event loop, when
    everybody who waited for it knows."""

    def __init__(self, directory: Path, shard: int, loop: asyncio.AbstractEventLoop, long_ids: bool) -> None:
        super().__init__(QueueIds(shard, long_ids, self._reserve), store.bodies(directory, shard), loop)
        self.directory = directory
        self.shard = shard
        self.arrived: Callable[[list[Kept]], None] | None = None
        self._lock_fd = -1
        self._writer = Writer(directory, shard, loop, self.settled)
        self._reader = Reader(directory, shard, loop)

    @classmethod
    def open(cls, directory: str | Path, *, shard: int = 0, long_ids: bool = False, clean: bool = True) -> Spool:
        """Open or create the spool in this directory; clean what a crash left, unless somebody may be writing drafts
        there. Call with the event loop running.

        SpoolFailure when the directory cannot be used, SpoolInUse when another process owns the shard (0..15)."""
        if not 0 <= shard < SHARDS:
            raise ValueError(f"shard {shard} is not in 0..{SHARDS - 1}")
        spool = cls(Path(directory), shard, asyncio.get_running_loop(), long_ids)
        try:
            spool._bodies.mkdir(mode=0o700, parents=True, exist_ok=True)
            spool._take_lock()
            spool._writer.start()
            spool._reserve()
            if clean:
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
            raise SpoolInUse(f"spool {self.directory}: shard {self.shard} is in use by another process") from error
        self._lock_fd = fd

    def reserve_keys(self) -> tuple[int, int]:
        """Keys for whoever makes queue ids -> the first, and how many. Blocks for a commit. sqlite3.Error."""
        with contextlib.closing(store.connect(store.database(self.directory, self.shard))) as connection:
            return store.reserve_keys(connection, FIRST_KEY, KEYS_AT_ONCE), KEYS_AT_ONCE

    def _reserve(self) -> None:
        self.ids.add(*self.reserve_keys())

    def _remove_orphans(self) -> None:
        with contextlib.closing(store.connect(store.database(self.directory, self.shard))) as connection:
            wanted = {row[0] for row in connection.execute("SELECT file FROM message WHERE file IS NOT NULL")}
        for path in self._bodies.iterdir():
            if path.name not in wanted:
                path.unlink(missing_ok=True)

    def take(self, message: Kept) -> None:
        """Write it with the next batch."""
        self._writer.submit(message)

    def listen(self, source: Source) -> None:
        """Take messages from there, too (spool_writer.py)."""
        self._writer.listen(source)

    def take_synced(self, message: Kept) -> None:
        """take, from another thread."""
        self._writer.submit_synced(message)

    def settled(self, batch: list[Kept]) -> None:
        """Tell who waits; then what is durable has arrived."""
        super().settled(batch)
        kept = [message for message in batch if message.error is None]
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
        self.end_syncing()
        self._writer.stop()
        self._reader.close()
        if self._lock_fd >= 0:
            os.close(self._lock_fd)
            self._lock_fd = -1
