"""What did probes find before? One entry for each address, in memory or in a file that outlives a restart.

Contract: calls are short and never raise for what a disk does: a file that cannot be used is left alone with one
warning, and memory serves. Times are seconds since the epoch. The file is SQLite, named after address_verify_map;
losing the last entries in a power failure costs a probe each, so nothing is synced. This file must not know how long an
entry counts.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

KEPT = 100_000  # entries in memory
BUSY = 0.2  # seconds to wait for another process

CREATE = """
CREATE TABLE IF NOT EXISTS verified (address TEXT PRIMARY KEY, status TEXT NOT NULL, dsn TEXT NOT NULL,
    text TEXT NOT NULL, updated INTEGER NOT NULL) WITHOUT ROWID
"""
GET = "SELECT status, dsn, text, updated FROM verified WHERE address = ?"
PUT = "INSERT OR REPLACE INTO verified VALUES (?, ?, ?, ?, ?)"
REMOVE = "DELETE FROM verified WHERE address = ?"
SWEEP = "DELETE FROM verified WHERE updated < CASE status WHEN 'deliverable' THEN ? ELSE ? END"


@dataclass(frozen=True, slots=True)
class Entry:
    """A probe's result. status: deliverable, undeliverable, deferred; `updated`: when it was found."""

    status: str
    dsn: str
    text: str
    updated: int


class Cache:
    """Entries by address. `path` "": in memory."""

    def __init__(self, path: str, warn: Callable[[str], None]) -> None:
        self._path = path
        self._warn = warn
        self._file: sqlite3.Connection | None = None
        self._entries: dict[str, Entry] = {}
        self._opened = not path

    def get(self, address: str) -> Entry | None:
        """What is known."""
        if self._open():
            try:
                assert self._file is not None
                row = self._file.execute(GET, (_key(address),)).fetchone()
            except sqlite3.Error as error:
                self._lose(error)
            else:
                return Entry(*row) if row else None
        return self._entries.get(address)

    def put(self, address: str, entry: Entry) -> None:
        """Remember."""
        if not self._write(PUT, (_key(address), entry.status, entry.dsn, _key(entry.text), entry.updated)):
            self._entries.pop(address, None)
            if len(self._entries) >= KEPT:
                del self._entries[next(iter(self._entries))]
            self._entries[address] = entry

    def remove(self, address: str) -> None:
        """Forget."""
        if not self._write(REMOVE, (_key(address),)):
            self._entries.pop(address, None)

    def sweep(self, good_before: int, bad_before: int) -> None:
        """Forget good results that are older than the one time, and others that are older than the other."""
        if not self._write(SWEEP, (good_before, bad_before)):
            self._entries = {address: entry for address, entry in self._entries.items()
                             if entry.updated >= (good_before if entry.status == "deliverable" else bad_before)}

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            with suppress(sqlite3.Error):
                self._file.close()
        self._file, self._opened = None, True

    def _write(self, statement: str, values: tuple[str | int, ...]) -> bool:
        """True when the file took it."""
        if not self._open():
            return False
        assert self._file is not None
        try:
            self._file.execute(statement, values)
        except sqlite3.Error as error:
            self._lose(error)
            return False
        return True

    def _open(self) -> bool:
        """Opened at its first use: by then the process is the user that it stays."""
        if not self._opened:
            self._opened = True
            try:
                Path(self._path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._file = sqlite3.connect(self._path, timeout=BUSY, isolation_level=None)
                self._file.execute("PRAGMA journal_mode = WAL")
                self._file.execute("PRAGMA synchronous = OFF")
                self._file.execute(CREATE)
            except (OSError, sqlite3.Error) as error:
                self._lose(error)
        return self._file is not None

    def _lose(self, error: Exception) -> None:
        self._warn(f"cannot use {self._path}: {error}; results of address probes are kept in memory")
        self.close()


def _key(text: str) -> str:
    """SQLite takes no lone surrogates."""
    return text.encode("utf-8", "surrogateescape").decode("latin-1") if not text.isascii() else text
