"""Is there room for another message? Free space of the queue's file system, looked at no more than once a second.

This file must not know messages.
"""

from __future__ import annotations

import os
from pathlib import Path
from time import monotonic


class Room:
    """Free space, by Postfix's rule: at least queue_minfree and at least 1.5 times message_size_limit (bytes)."""

    def __init__(self, directory: Path, minimum: int, message_limit: int) -> None:
        self._directory = directory
        self._wanted = max(minimum, message_limit * 3 // 2)
        self._until = 0.0
        self._free = 0

    def lacking(self) -> int | None:
        """The free bytes when they are too few, otherwise None. A file system that cannot be asked lacks everything."""
        now = monotonic()
        if now >= self._until:
            try:
                found = os.statvfs(self._directory)
                self._free = found.f_bavail * found.f_frsize
            except OSError:
                self._free = 0
            self._until = now + (1.0 if self._free >= self._wanted else 0.0)
        return None if self._free >= self._wanted else self._free
