"""What did the client send that is not used yet? The session's own buffer, and lines cut out of it.

Pipelined input waits here while a question is open, and dies here at STARTTLS. A line longer than its limit is cut, the
rest of it skipped, however it arrives. This file must not know commands.
"""

from __future__ import annotations


class Inbox:
    """Bytes in order of arrival. `cut`: the line that was given last was longer than its limit."""

    __slots__ = ("_at", "_bytes", "_head", "_skipping", "cut")

    def __init__(self) -> None:
        self._bytes = b""
        self._at = 0
        self._head = b""  # the beginning of a line whose rest is being skipped
        self._skipping = False
        self.cut = False

    def __len__(self) -> int:
        return len(self._bytes) - self._at

    def add(self, data: bytes) -> None:
        """More came."""
        self._bytes = self._bytes[self._at:] + data if self._at < len(self._bytes) else data
        self._at = 0

    def peek(self, skip: int, limit: int) -> bytes:
        """Up to `limit` bytes of what waits behind the next `skip` bytes."""
        start = self._at + skip
        return self._bytes[start:start + limit]

    def rest(self) -> bytes:
        """All that waits; `used` says how much of it was consumed."""
        return self._bytes[self._at:] if self._at else self._bytes

    def used(self, count: int) -> None:
        """So many bytes of what waits are done with."""
        self._at += count

    def take(self, limit: int) -> bytes:
        """Up to `limit` bytes of what waits."""
        piece = self._bytes[self._at:self._at + limit]
        self._at += len(piece)
        return piece

    def drop(self) -> bytes:
        """Throw away all that waits -> what it was."""
        dropped = self.rest()
        self._bytes = self._head = b""
        self._at = 0
        self._skipping = False
        return dropped

    def line(self, limit: int) -> bytes | None:
        """The next line without its LF, cut at `limit` bytes; None when it has not ended yet."""
        data = self._bytes
        end = data.find(b"\n", self._at)
        if end < 0:
            waiting = len(data) - self._at
            if not self._skipping and waiting >= limit:
                self._head = data[self._at:self._at + limit]
                self._skipping = True
            if self._skipping:
                self._at = len(data)
            return None
        line = data[self._at:end]
        self._at = end + 1
        if len(line) < limit and not self._skipping:
            self.cut = False
            return line
        self.cut = True
        if self._skipping:
            line = self._head
            self._head = b""
            self._skipping = False
        return line[:limit]
