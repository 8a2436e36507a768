"""What did the server say? Bytes from an SMTP or LMTP server to replies, whatever the segments.

Contract: `feed` any bytes, `pull` until it gives None. A reply is given once its last line is complete; what is
behind it stays in the buffer, and `discard` (for STARTTLS, RFC 3207 4.2) gives the buffer up and tells what was in
it. A line that is no reply line, or a reply beyond the limits, is a Malformed value and the end: after it nothing is
parsed. This file must not know which command a reply belongs to.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gatepost.smtp.reply import Reply

LINE_LIMIT = 4096  # bytes; RFC 5321 4.5.3.1.5 asks for 512, EHLO and enhanced texts are longer in the field
REPLY_LIMIT = 65536  # bytes of one multi-line reply

_LINE = re.compile(rb"([2-5][0-9][0-9])(?:([ -])([^\r\n]*))?")
_STATUS = re.compile(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?: (.*)|)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Malformed:
    """The server said something that is no SMTP reply: why, and its first bytes."""

    reason: str
    text: bytes


class Replies:
    """The replies of one server, in order."""

    __slots__ = ("_buffer", "_lines", "_size", "bare_newlines", "broken")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._lines: list[str] = []
        self._size = 0
        self.bare_newlines = 0  # lines that ended in LF without CR: tolerated, counted
        self.broken: Malformed | None = None

    def feed(self, data: bytes) -> None:
        """Bytes came. After a Malformed they are dropped."""
        if self.broken is None:
            self._buffer += data

    def pull(self) -> Reply | Malformed | None:
        """The next complete reply; a Malformed (always the same from then on); None: more bytes are needed."""
        while self.broken is None:
            end = self._buffer.find(b"\n")
            if end < 0:
                if len(self._buffer) > LINE_LIMIT:
                    return self._break("reply line too long", self._buffer)
                return None
            line = bytes(self._buffer[:end])
            del self._buffer[: end + 1]
            reply = self._line(line)
            if reply is not None:
                return reply
        return self.broken

    def discard(self) -> bytes:
        """Forget what was not pulled, and tell it: plaintext behind the reply to STARTTLS is no reply."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        self._lines.clear()
        self._size = 0
        return rest

    def _line(self, line: bytes) -> Reply | Malformed | None:
        if line.endswith(b"\r"):
            line = line[:-1]
        else:
            self.bare_newlines += 1
        self._size += len(line)
        if len(line) > LINE_LIMIT or self._size > REPLY_LIMIT:
            return self._break("reply too long", line)
        read = _LINE.fullmatch(line)
        if read is None:
            return self._break("non-SMTP response", line)
        self._lines.append((read[3] or b"").decode("utf-8", "surrogateescape"))
        if read[2] == b"-":
            return None
        lines = self._lines
        self._lines = []
        self._size = 0
        return _reply(int(read[1]), lines)

    def _break(self, reason: str, text: bytes | bytearray) -> Malformed:
        self.broken = Malformed(reason, bytes(text[:100]))
        self._buffer.clear()
        return self.broken


def _reply(code: int, lines: list[str]) -> Reply:
    """Take the enhanced status code out of the lines when its class agrees with the code (RFC 2034 3)."""
    first = _STATUS.fullmatch(lines[0])
    if first is None or first[1][0] != str(code)[0]:
        return Reply(code, "", "\n".join(lines))
    status = first[1]
    texts = [line[len(status) + 1 :] if line == status or line.startswith(status + " ") else line for line in lines]
    return Reply(code, status, "\n".join(texts))
