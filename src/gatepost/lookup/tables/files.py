"""Has the file behind a table changed? A table that is read once, watched, and read again.

The file is looked at (stat) at most once a second and read again when its time, size or inode differ. A reading that
fails makes every lookup fail until a later reading succeeds; both turns are told to `warn`. This file must not know
what the text means.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from gatepost.lookup.tables.table import MemoryTable, unavailable
from gatepost.span import ConfigError, Span

PATIENCE = 1.0
"""Seconds between two looks at the file."""

Find = Callable[[str], str | None]
Read = Callable[[str, str], Find]
"""(path, text) -> the lookup function; ConfigError when the whole table is unusable."""

Fingerprint = tuple[int, int, int]


class FileTable(MemoryTable):
    """A table whose whole text is one file."""

    __slots__ = ("_clock", "_error", "_find", "_fingerprint", "_next", "_path", "_read", "_warn")

    def __init__(self, spec: str, path: str, read: Read, warn: Callable[[str], None], *, partial: bool,
                 error: Callable[[str], None] | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(spec, partial=partial)
        self._path = path
        self._read = read
        self._warn = warn
        self._error = error or warn
        self._clock = clock
        self._find: Find = _nothing
        self._fingerprint: Fingerprint | None = None
        self._next = clock() + PATIENCE
        self._load()

    def get_now(self, key: str) -> str | None:
        """A lookup in memory, after the file was looked at if a second has passed."""
        if self._clock() >= self._next:
            self._look()
        if self.problem is not None:
            raise unavailable(self)
        return self._find(key)

    def _look(self) -> None:
        self._next = self._clock() + PATIENCE
        try:
            seen = _fingerprint(os.stat(self._path))
        except OSError:
            seen = None
        # A file that could not be read may become readable without any change of its own (permissions, a mount).
        if seen != self._fingerprint or (self.problem is not None and self._fingerprint is None):
            self._load()

    def _load(self) -> None:
        was = self.problem
        try:
            with open(self._path, "rb") as file:
                self._fingerprint = _fingerprint(os.fstat(file.fileno()))
                text = file.read().decode("utf-8", "surrogateescape")
            self._find = self._read(self._path, text)
            self.problem = None
        except OSError as error:
            self._fingerprint = None
            self._find = _nothing
            what = "database " if self.partial else ""  # Postfix's words
            self.problem = ConfigError(f"open {what}{self._path}: {error.strerror}", Span(self._path, 1))
        except ConfigError as error:
            self._find = _nothing
            self.problem = error
        if self.problem is not None and (was is None or was.message != self.problem.message):
            self._error(self.problem.message)
        elif was is not None and self.problem is None:
            self._warn(f"{self.spec} is available again")


def _fingerprint(status: os.stat_result) -> Fingerprint:
    return status.st_mtime_ns, status.st_size, status.st_ino


def _nothing(_: str) -> str | None:
    return None
