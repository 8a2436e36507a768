"""How does a message look on the wire? Content to the bytes behind DATA: CRLF, dots doubled, long lines broken.

Contract: any bytes in any chunks go in; what comes out has no bare CR, no bare LF, no line above the limit, and no
line that is a lone dot except the one that `finish` adds (RFC 5321 2.3.8, 4.5.2), so that no server can see an end of
data where there is none. The result does not depend on the chunks. This file must not know the conversation.
"""

from __future__ import annotations

import re

_BARE_LF = re.compile(rb"(?<!\r)\n")
_BARE_CR = re.compile(rb"\r(?!\n)")
HELD = 65536  # bytes of an endless line that are held back when lines are not broken


class DotWriter:
    """The content of one message. `limit`: bytes of a line without CRLF (smtp_line_length_limit; 0: any length)."""

    __slots__ = ("_limit", "_long", "_room", "_started", "_tail")

    def __init__(self, limit: int = 0) -> None:
        self._limit = limit
        self._long = re.compile(rb"[^\n]{%d,}" % (limit + 2)) if limit else None
        self._tail = b""  # an incomplete line, or its end
        self._started = False  # the beginning of the line in _tail is already out
        self._room = limit  # bytes that may stand before the next break

    def feed(self, chunk: bytes) -> bytes:
        """The bytes to send for this chunk; an incomplete last line is kept for the next."""
        data = self._tail + chunk if self._tail else chunk
        cut = data.rfind(b"\n") + 1
        self._tail = data[cut:]
        out = self._lines(data[:cut]) if cut else b""
        return out + self._overlong() if len(self._tail) > HELD else out

    def finish(self) -> bytes:
        """The rest, the missing line end if any, and the final dot."""
        out = b""
        if self._tail or self._started:
            out = self._lines(self._tail + b"\r\n")
            self._tail = b""
        return out + b".\r\n"

    def _overlong(self) -> bytes:
        """Send the beginning of an endless line; its last byte stays (it may be half a CRLF)."""
        out = b"." if self._tail.startswith(b".") and not self._started else b""
        self._started = True
        if not self._limit:
            out, self._tail = out + self._tail[:-1].replace(b"\r", b" "), self._tail[-1:]
            return out
        start, parts = 0, [out]
        while len(self._tail) - start > self._room + 1:
            parts += (self._tail[start : start + self._room].replace(b"\r", b" "), b"\r\n ")
            start, self._room = start + self._room, self._limit - 1
        self._tail = self._tail[start:]
        return b"".join(parts)

    def _lines(self, data: bytes) -> bytes:
        """Whole lines, the first perhaps the end of one whose beginning is out."""
        newlines = data.count(b"\n")
        if data.count(b"\r\n") != newlines:
            data = _BARE_LF.sub(b"\r\n", data)
        if data.count(b"\r") != newlines:
            data = _BARE_CR.sub(b" ", data)
        if self._long is not None and (self._room != self._limit or self._long.search(data)):
            data = self._broken(data)
        if data.startswith(b".") and not self._started:
            data = b"." + data
        self._started = False
        self._room = self._limit
        return data.replace(b"\n.", b"\n..")

    def _broken(self, data: bytes) -> bytes:
        """Lines above the limit continue in the next one behind a space, as Postfix sends them."""
        out: list[bytes] = []
        room = self._room
        for line in data.split(b"\r\n"):
            start = 0
            parts: list[bytes] = []
            while len(line) - start > room:
                parts.append(line[start : start + room])
                start, room = start + room, self._limit - 1
            parts.append(line[start:])
            out.append(b"\r\n ".join(parts))
            room = self._limit
        return b"\r\n".join(out)
