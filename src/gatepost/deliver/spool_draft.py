"""Where do bytes go before the message is ours? A draft: content as it arrives, in memory while small, else in a file.

write() never raises: a disk that is full is remembered and told when the draft is to be kept, because the client must
be read to its end of data first. Memory stays below INLINE_LIMIT plus one chunk. A file that belongs to no row is
removed when the spool is opened next, so a crash leaves nothing behind. This file must not know the database.
"""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

from gatepost.deliver.spool_store import INLINE_LIMIT


class SpoolFull(Exception):
    """There is no room for this message now (452 4.3.1 is the honest answer)."""


class SpoolFailure(Exception):
    """The disk or the database failed (451 4.3.0)."""


def failure_of(error: OSError) -> SpoolFull | SpoolFailure:
    """What an operating system error means for a message."""
    kind = SpoolFull if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) else SpoolFailure
    return kind(error.strerror or str(error))


class Draft:
    """Content that is being received. `size` counts the bytes written so far."""

    __slots__ = ("_fd", "_folder", "_held", "failure", "kept", "parts", "queue_id", "size")

    def __init__(self, queue_id: str, folder: Path) -> None:
        self.queue_id = queue_id
        self.size = 0
        self.parts: list[bytes] = []
        self.failure: SpoolFull | SpoolFailure | None = None
        self.kept = False  # the body file is the spool's now: abandon() no longer touches it
        self._held = 0  # bytes in parts
        self._fd = -1
        self._folder = folder

    @property
    def path(self) -> Path | None:
        """The body file, or None while everything is in memory."""
        return self._folder / self.queue_id if self._fd >= 0 else None

    def write(self, data: bytes) -> None:
        """Append content."""
        size = len(data)
        self.size += size
        if self.failure is not None or not size:
            return
        self.parts.append(data)
        self._held += size
        if self._held > INLINE_LIMIT:
            self._spill()

    def _spill(self) -> None:
        try:
            if self._fd < 0:
                self._fd = os.open(self._folder / self.queue_id, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            rest = memoryview(b"".join(self.parts))
            while rest:
                done = os.write(self._fd, rest)
                rest = rest[done:]
        except OSError as error:
            self.discard()
            self.failure = failure_of(error)
        self.parts = []
        self._held = 0

    def settle(self) -> None:
        """Write out what is still in memory of a body that has a file; afterwards the file is complete."""
        if self._fd >= 0 and self.failure is None and self.parts:
            self._spill()

    def sync(self) -> None:
        """Make the body file durable, its name included. OSError when that fails. Blocks: not for the event loop."""
        os.fsync(self._fd)
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def close(self) -> None:
        """Close the body file; it stays."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def abandon(self) -> None:
        """Throw the content away, unless it was kept. Harmless when done twice."""
        if not self.kept:
            self.discard()

    def discard(self) -> None:
        """Throw the content away."""
        path = self.path
        self.parts = []
        self._held = 0
        if path is not None:
            self.close()
            with contextlib.suppress(OSError):  # the next opening of the spool removes it
                path.unlink()
