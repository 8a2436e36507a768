"""Who writes to the spool? One thread, whole batches per commit: many sessions share one fsync.

Contract: every submitted message is settled exactly once, on the event loop, after the commit that made it durable or
with SpoolFull or SpoolFailure; all of a batch by one call into the loop. What a Source brings is read by the thread
itself, and answered before the loop hears of it: who waits for that does not wait for the loop. When a batch fails, its
messages are tried one by one, so that a message pays only for itself. Removals and progress (chores) are not urgent:
they go when enough of them wait or the oldest is CHORE_DELAY old; they are retried until they succeed. When the disk is
full a reserve file is given up, because removing messages needs room in the write-ahead log. This file must not know
why messages come or go.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from gatepost.deliver import spool_store as store
from gatepost.deliver.envelope_packed import SIZE
from gatepost.deliver.keeper import Kept
from gatepost.deliver.spool_draft import SpoolFailure, SpoolFull

BATCH_MESSAGES = 500
BATCH_BYTES = 4 << 20
CHORES = 200  # this many waiting chores ride along with the next batch
CHORE_DELAY = 0.05  # seconds
RETRY_DELAY = 1.0  # seconds before chores are tried again after an error
RESERVE = 2 << 20  # bytes of the reserve file
ROOM = 1 << 20  # bytes that must be free for an error not to mean a full disk


class Source(Protocol):
    """Where messages come from past the event loop. Used by the writer's thread alone."""

    def fileno(self) -> int:
        """Becomes readable when there is something to receive."""

    def receive(self) -> list[Kept] | None:
        """What has come, without waiting; None when nothing will come any more."""

    def answer(self, batch: list[Kept]) -> None:
        """It is known of these whether they are durable. Some may have come from elsewhere."""

    def close(self) -> None:
        """There are no more answers."""


class Writer:
    """The thread. Methods are called from the event loop; `submit_synced` from the thread that synced a body file."""

    def __init__(self, directory: Path, shard: int, loop: asyncio.AbstractEventLoop,
                 settled: Callable[[list[Kept]], None]) -> None:
        self._directory = directory
        self._shard = shard
        self._loop = loop
        self._settled = settled
        self._pending: deque[Kept] = deque()
        self._progress: dict[int, tuple[int, bool, float, str]] = {}
        self._writing: dict[int, tuple[int, bool, float, str]] = {}  # progress whose commit is under way
        self._removals: dict[int, str | None] = {}
        self._chores_due = 0.0  # monotonic; 0 = none wait
        self._chores_lock = threading.Lock()
        self._source: Source | None = None
        self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._ears = select.poll()
        self._ears.register(self._bell, select.POLLIN)
        self._signalled = False
        self._stopping = False
        self._connection: sqlite3.Connection | None = None
        self._reserve = directory / f"reserve.{shard}"
        self._runner = threading.Thread(target=self._run, name=f"spool-writer-{shard}", daemon=True)

    def start(self) -> None:
        """Open the database (sqlite3.Error when it cannot be) and begin."""
        self._connection = store.connect(store.database(self._directory, self._shard))
        self._set_reserve_aside()
        self._runner.start()

    def stop(self) -> None:
        """Write everything that waits, end the thread. Blocks."""
        self._stopping = True
        self._ring()
        self._runner.join()
        bell, self._bell = self._bell, -1
        os.close(bell)

    def listen(self, source: Source) -> None:
        """Take messages from there, too, until it ends."""
        self._source = source
        self._ring()

    def _ring(self) -> None:
        if self._bell >= 0:
            os.eventfd_write(self._bell, 1)

    def submit(self, message: Kept) -> None:
        """Write a message with the next batch. The thread is woken when the loop has done what is ready: messages that
        came together share a commit, and the thread does not fight with their sessions for the interpreter lock."""
        self._pending.append(message)
        if not self._signalled:
            self._signalled = True
            self._loop.call_soon(self._ring)

    def submit_synced(self, message: Kept) -> None:
        """submit, from another thread."""
        self._pending.append(message)
        self._ring()

    def remove(self, key: int, file: str | None) -> None:
        """Forget a message, soon."""
        with self._chores_lock:
            self._removals[key] = file
            self._progress.pop(key, None)
            self._chore()

    def progress(self, key: int, held: bool, due: float, state: str) -> None:
        """Write the scheduler's state of a message, soon; a later state of the same message replaces this one."""
        with self._chores_lock:
            self._progress[key] = (key, held, due, state)
            self._chore()

    def unwritten(self, keys: Sequence[int]) -> dict[int, tuple[int, bool, float, str]]:
        """Progress of these messages that a reader of the database may not see yet. Ask before reading."""
        with self._chores_lock:
            known = self._writing | self._progress
            return {key: known[key] for key in keys if key in known}

    def _chore(self) -> None:
        if not self._chores_due:
            self._chores_due = time.monotonic() + CHORE_DELAY
            if not self._pending and not self._signalled:
                self._signalled = True
                self._ring()

    # -- in the thread --------------------------------------------------------------------------------------------

    def _run(self) -> None:
        source: Source | None = None
        while not (self._stopping and not self._pending and not self._chores_due):
            self._wait()
            if source is None and self._source is not None:
                source = self._source
                self._ears.register(source.fileno(), select.POLLIN)
            self._receive(source)
            while self._pending or self._chores_ready():
                self._write(self._take())
                self._receive(source)
            if self._stopping and self._chores_due > time.monotonic():
                break  # the disk refuses chores: the messages will be delivered again, which is allowed
        if source is not None:
            source.close()
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()

    def _wait(self) -> None:
        """Until somebody rings, something comes, or chores are due."""
        wait = max(0.0, self._chores_due - time.monotonic()) * 1000 if self._chores_due else None
        for descriptor, _ in self._ears.poll(0 if self._stopping else wait):
            if descriptor == self._bell:
                os.eventfd_read(descriptor)
        self._signalled = False

    def _receive(self, source: Source | None) -> None:
        if source is None or self._source is None:
            return
        descriptor = source.fileno()
        came = source.receive()
        if came is None:
            self._ears.unregister(descriptor)
            self._source = None
        else:
            self._pending.extend(came)

    def _chores_ready(self) -> bool:
        if not self._chores_due:
            return False
        waiting = len(self._removals) + len(self._progress)
        due = self._chores_due - time.monotonic()
        return due <= 0 or (due <= CHORE_DELAY and (waiting >= CHORES or self._stopping))

    def _take(self) -> list[Kept]:
        batch: list[Kept] = []
        room = BATCH_BYTES
        while self._pending and len(batch) < BATCH_MESSAGES and room > 0:
            message = self._pending.popleft()
            batch.append(message)
            room -= message.packed[SIZE] if message.file is None else 0
        return batch

    def _write(self, batch: list[Kept]) -> None:
        if self._chores_ready():
            self._do_chores()
        if batch and self._insert(batch) and len(batch) > 1:
            for message in batch:
                message.error = None
                self._insert([message])
        for message in batch:
            if message.error is not None and message.file is not None:
                self._unlink(message.file)
        if not batch:
            return
        if self._source is not None:
            self._source.answer(batch)
        try:
            self._loop.call_soon_threadsafe(self._settled, batch)
        except RuntimeError:
            pass  # the loop is closed: nobody waits any more

    def _insert(self, batch: list[Kept]) -> bool:
        """Commit the batch. True when that failed; each message then has its error."""
        try:
            store.insert(self._open(), [(m.key, m.queue_id, m.packed, m.parts, m.file) for m in batch])
        except Exception as error:  # whatever it is, nobody may wait for ever
            meaning = self._meaning(error)
            for message in batch:
                message.error = meaning
            return True
        return False

    def _do_chores(self) -> None:
        with self._chores_lock:
            removals, self._removals = self._removals, {}
            rows, self._progress = self._progress, {}
            self._writing = rows
            self._chores_due = 0.0
        if self._commit_chores(removals, rows):
            for file in removals.values():
                if file is not None:
                    self._unlink(file)
            with self._chores_lock:
                self._writing = {}
            if not self._reserve.exists():
                self._set_reserve_aside()
            return
        with self._chores_lock:
            self._removals = removals | self._removals
            self._progress = {k: v for k, v in (rows | self._progress).items() if k not in self._removals}
            self._writing = {}
            self._chores_due = time.monotonic() + RETRY_DELAY

    def _commit_chores(self, removals: dict[int, str | None], rows: dict[int, tuple[int, bool, float, str]]) -> bool:
        for _ in range(2):
            try:
                connection = self._open()
                connection.execute("BEGIN IMMEDIATE")
                if rows:
                    store.progress(connection, list(rows.values()))
                if removals:
                    store.remove(connection, list(removals))
                connection.execute("COMMIT")
                return True
            except sqlite3.Error as error:
                if isinstance(self._meaning(error), SpoolFailure) or not self._reserve.exists():
                    return False
                with contextlib.suppress(OSError):
                    self._reserve.unlink()
        return False

    def _unlink(self, file: str) -> None:
        with contextlib.suppress(OSError):  # the next opening of the spool removes it
            (store.bodies(self._directory, self._shard) / file).unlink()

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = store.connect(store.database(self._directory, self._shard))
        return self._connection

    def _meaning(self, error: Exception) -> SpoolFull | SpoolFailure:
        """What an error means for a message; the connection is made fit for the next batch."""
        connection = self._connection
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        full = code == sqlite3.SQLITE_FULL
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
        if not full and code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN):
            full = self._no_room()
        if not full and code != sqlite3.SQLITE_BUSY and isinstance(error, sqlite3.Error) and connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()
            self._connection = None
        return SpoolFull("no space left in the spool") if full else SpoolFailure(str(error) or repr(error))

    def _no_room(self) -> bool:
        try:
            found = os.statvfs(self._directory)
        except OSError:
            return False
        return found.f_bavail * found.f_frsize < ROOM

    def _set_reserve_aside(self) -> None:
        """Keep room for removals. Its absence is no error: there may be no room for it now."""
        try:
            found = os.statvfs(self._directory)
            if found.f_bavail * found.f_frsize < 2 * RESERVE:
                return
            fd = os.open(self._reserve, os.O_WRONLY | os.O_CREAT, 0o600)
            try:
                os.posix_fallocate(fd, 0, RESERVE)
            finally:
                os.close(fd)
        except OSError:
            with contextlib.suppress(OSError):
                self._reserve.unlink()
