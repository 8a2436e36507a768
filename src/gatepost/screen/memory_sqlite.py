"""How does the memory lie in a file? One SQLite database, which any number of processes may share.

    pass     one row per client address: Postfix's record
    caught   the history: one row per catch
    meta     when the last full cleanup ended

Write-ahead log and synchronous=NORMAL: what was written survives the end of the process at once, and a power failure
may take the last seconds, which costs a client a repeated trial. One thread does everything, with its own connection,
opened at first use and again after every error. A file that is no database, or is damaged, is set aside under the name
NAME.corrupt-TIME, with a warning, and begun anew. This file must not know what a record means.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import sqlite3
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from gatepost.screen.memory_store import Catch, HistoryBounds, StoreFailure

T = TypeVar("T")

BUSY_TIMEOUT = 2.0  # seconds to wait for another process's transaction
PAGE = 500  # records of one portion

SCHEMA = """
CREATE TABLE IF NOT EXISTS pass(address TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS caught(
  id INTEGER PRIMARY KEY AUTOINCREMENT, time REAL NOT NULL, address TEXT NOT NULL, port INTEGER NOT NULL,
  trial TEXT NOT NULL, action TEXT NOT NULL, evidence TEXT NOT NULL, text TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS caught_address ON caught(address, time);
CREATE INDEX IF NOT EXISTS caught_time ON caught(time);
CREATE TABLE IF NOT EXISTS meta(name TEXT PRIMARY KEY, value REAL NOT NULL) WITHOUT ROWID;
"""

# Whole batches go through one statement each: SQLite gives the interpreter lock away once per step.
PUT = "INSERT OR REPLACE INTO pass(address, record) SELECT key, value FROM json_each(?) WHERE type = 'text'"
DELETE = "DELETE FROM pass WHERE address IN (SELECT key FROM json_each(?) WHERE type = 'null')"
CAUGHT = """
INSERT INTO caught(time, address, port, trial, action, evidence, text)
SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
       json_extract(value, '$[3]'), json_extract(value, '$[4]'), json_extract(value, '$[5]'),
       json_extract(value, '$[6]')
FROM json_each(?)
"""
TOO_OLD = "DELETE FROM caught WHERE time < ?"
TOO_MANY = "DELETE FROM caught WHERE id <= (SELECT id FROM caught ORDER BY id DESC LIMIT 1 OFFSET ?)"
DROP = "DELETE FROM pass WHERE address = ? AND record = ?"
HISTORY = "SELECT time, address, port, trial, action, evidence, text FROM caught WHERE time >= ?"


class SqliteStore:
    """A memory_store.Store. `create` False: a file that is not there is a failure (the command line)."""

    def __init__(self, path: Path, bounds: HistoryBounds, warn: Callable[[str], None], *, create: bool = True) -> None:
        self.path = path
        self.place = str(path)
        self._bounds = bounds
        self._warn = warn
        self._create = create
        self._connection: sqlite3.Connection | None = None
        self._opened: tuple[int, int] | None = None  # device and inode of the file that the connection is to
        self._said: deque[str] = deque()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="screen-memory")

    # -- memory_store.Store -----------------------------------------------------------------------------------------

    async def get(self, address: str) -> str | None:
        """One row."""
        row = await self._do(lambda c: c.execute("SELECT record FROM pass WHERE address = ?", (address,)).fetchone())
        return None if row is None else str(row[0])

    async def offended(self, address: str, since: float) -> bool:
        """One look into the index."""
        return await self._do(lambda c: c.execute("SELECT 1 FROM caught WHERE address = ? AND time >= ? LIMIT 1",
                                                  (address, since)).fetchone()) is not None

    async def write(self, records: Mapping[str, str | None], catches: Sequence[Catch], now: float) -> None:
        """One transaction."""
        changes = json.dumps(dict(records))
        caught = "[" + ",".join([catch.dump() for catch in catches]) + "]"

        def write(connection: sqlite3.Connection) -> None:
            connection.execute("BEGIN IMMEDIATE")
            if records:
                connection.execute(PUT, (changes,))
                connection.execute(DELETE, (changes,))
            if catches:
                connection.execute(CAUGHT, (caught,))
                self._bound(connection, now)
            connection.execute("COMMIT")

        await self._do(write)

    async def pages(self) -> AsyncIterator[Sequence[tuple[str, str]]]:
        """In the order of the addresses' text."""
        last = ""

        def page(connection: sqlite3.Connection) -> list[tuple[str, str]]:
            return connection.execute("SELECT address, record FROM pass WHERE address > ? ORDER BY address LIMIT ?",
                                      (last, PAGE)).fetchall()

        while rows := await self._do(page):
            yield rows
            last = rows[-1][0]

    async def drop(self, records: Sequence[tuple[str, str]]) -> int:
        """One transaction."""

        def drop(connection: sqlite3.Connection) -> int:
            before = connection.total_changes
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(DROP, records)
            connection.execute("COMMIT")
            return connection.total_changes - before

        return await self._do(drop)

    async def forget(self, address: str) -> bool:
        """One transaction."""

        def forget(connection: sqlite3.Connection) -> bool:
            before = connection.total_changes
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("DELETE FROM pass WHERE address = ?", (address,))
            connection.execute("DELETE FROM caught WHERE address = ?", (address,))
            connection.execute("COMMIT")
            return connection.total_changes > before

        return await self._do(forget)

    async def history(self, since: float, address: str = "") -> Sequence[Catch]:
        """As many as the bounds allow at most."""
        statement = HISTORY + (" AND address = ?" if address else "") + " ORDER BY id DESC LIMIT ?"
        values = (since, address, self._bounds.limit) if address else (since, self._bounds.limit)
        return [Catch(*row) for row in await self._do(lambda c: c.execute(statement, values).fetchall())]

    async def cleaned(self) -> float:
        """From meta."""
        row = await self._do(lambda c: c.execute("SELECT value FROM meta WHERE name = 'cleaned'").fetchone())
        return float(row[0]) if row else 0.0

    async def set_cleaned(self, when: float) -> None:
        """Into meta."""

        def clean(connection: sqlite3.Connection) -> None:
            connection.execute("BEGIN IMMEDIATE")
            self._bound(connection, when)
            connection.execute("INSERT OR REPLACE INTO meta(name, value) VALUES('cleaned', ?)", (when,))
            connection.execute("COMMIT")

        await self._do(clean)

    async def close(self) -> None:
        """After what is under way."""
        with contextlib.suppress(StoreFailure):
            await self._run(self._disconnect)
        self._thread.shutdown(wait=False)

    # -- in the thread ----------------------------------------------------------------------------------------------

    async def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await self._run(lambda: work(self._open()))

    async def _run(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._attempt, work)
        finally:
            while self._said:
                self._warn(self._said.popleft())

    def _attempt(self, work: Callable[[], T]) -> T:
        """Once more, with a new file, when this one turns out damaged."""
        for again in (True, False):
            try:
                return work()
            except (sqlite3.Error, OSError) as error:
                damaged = self._recover(error)
                if not (again and damaged and self._create and self._set_aside(error)):
                    raise StoreFailure(f"cache {self.place}: {error}") from error
        raise AssertionError("unreachable")

    def _recover(self, error: Exception) -> bool:
        """Make ready for the next attempt -> is the file damaged? A full disk or somebody's lock is no reason to close
        the file: on a full disk it could not be opened again."""
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY) and self._connection is not None:
            try:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
            except sqlite3.Error:
                self._disconnect()
        else:
            self._disconnect()
        return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

    def _bound(self, connection: sqlite3.Connection, now: float) -> None:
        connection.execute(TOO_OLD, (now - self._bounds.seconds,))
        connection.execute(TOO_MANY, (self._bounds.limit,))

    def _open(self) -> sqlite3.Connection:
        """The connection to the file that has the name now: somebody may have set it aside or removed it."""
        found = self._identity()
        if self._connection is not None and found == self._opened:
            return self._connection
        self._disconnect()
        self._opened = found
        if self._create:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        elif found is None:
            raise FileNotFoundError("there is no such file")
        mode = "rwc" if self._create else "rw"
        self._connection = sqlite3.connect(f"{self.path.absolute().as_uri()}?mode={mode}", uri=True,
                                           isolation_level=None, timeout=BUSY_TIMEOUT, check_same_thread=False)
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL"):
            self._connection.execute(f"PRAGMA {pragma}").fetchall()
        if self._create:
            self._connection.executescript(SCHEMA)
        if self._opened is None:
            self._opened = self._identity()
        return self._connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()  # rolls back

    def _identity(self) -> tuple[int, int] | None:
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino

    def _set_aside(self, error: Exception) -> bool:
        """Rename the damaged file, unless another process did so already. False: that failed, so the file stays."""
        try:
            folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        except OSError:
            return False
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            if self._identity() == self._opened is not None:
                aside = f"{self.path}.corrupt-{int(time.time())}"
                for suffix in ("-wal", "-shm", ""):
                    with contextlib.suppress(FileNotFoundError):
                        os.rename(f"{self.path}{suffix}", f"{aside}{suffix}")
                self._said.append(f"cache {self.place}: {error}; it is now {aside}, and a new one is begun")
        except OSError:
            return False
        finally:
            os.close(folder)
        return True
