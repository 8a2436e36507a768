"""Where does a line, a message, a chunk end? The only place that sees CR and LF.

Strict on request, tolerant on request, and always telling: a bare LF is reported, what it costs is decided elsewhere.
No result depends on how TCP cut the bytes. Content leaves with CRLF line ends, dots unstuffed. This file must not know
commands or replies.

End of data (RFC 5321 4.1.1.4), `strict`: only CRLF.CRLF; a dot line with a bare LF before or behind it is dropped.
Otherwise any number of CRs before LF belongs to the line end, so LF.LF ends the message too.
"""

from __future__ import annotations

from typing import Final

PIECE: Final = 2048  # a longer line without an end is passed on in parts


class DotData:
    """The content behind a 354. `feed` takes what has come and says how much of it was used."""

    __slots__ = ("_line_start", "_previous_bare", "bare_lf", "done", "replace_stray", "strict")

    def __init__(self, *, strict: bool, replace_stray: bool) -> None:
        self.strict = strict
        self.replace_stray = replace_stray
        self.bare_lf = False
        self.done = False
        self._line_start = True
        self._previous_bare = False

    def feed(self, data: bytes) -> tuple[bytes, int]:
        """-> (content, bytes used); the rest must be given again with more behind it. At the end `done` is set."""
        if self._line_start and not self._previous_bare:
            dot = 0 if data.startswith(b".") else data.find(b"\r\n.") + 2  # where a line begins with one; 1: nowhere
            ended = dot != 1 and data.startswith(b".\r\n", dot)
            dotted = dot != 1 and not ended
            end = dot - 2
            if dotted:
                end = data.find(b"\r\n.\r\n", dot)
                ended = end >= 0
            used = end + 2 if ended else data.rfind(b"\n") + 1
            block = data[:used]
            # Each CR with its LF and each LF with its CR? Single bytes are found and replaced far faster than pairs.
            if (used or ended) and block.replace(b"\r", b"").replace(b"\n", b"\r\n") == block:
                if ended:
                    self.done = True
                    used += 3
                return _unstuffed(block) if dotted else block, used
        return self._by_line(data)

    def _by_line(self, data: bytes) -> tuple[bytes, int]:
        out: list[bytes] = []
        at = 0
        while not self.done:
            end = data.find(b"\n", at)
            if end < 0:
                break
            self._line(data[at:end], out)
            at = end + 1
        if not self.done and len(data) - at > PIECE:
            at = self._part(data, at, out)
        return b"".join(out), at

    def _line(self, line: bytes, out: list[bytes]) -> None:
        bare = not line.endswith(b"\r")
        line = _without_end(line, self.strict)
        if self._line_start and line == b".":
            if not (self.strict and (bare or self._previous_bare)):
                self.done = True
            self._previous_bare = bare
            self.bare_lf |= bare
            return
        if self._line_start and line.startswith(b"."):
            line = line[1:]
        out.append(self._clean(line))
        out.append(b"\r\n")
        self._previous_bare = bare
        self.bare_lf |= bare
        self._line_start = True

    def _part(self, data: bytes, at: int, out: list[bytes]) -> int:
        """Pass on a long unfinished line, but for CRs that may belong to its end."""
        part = data[at:]
        kept = part.rstrip(b"\r")
        kept = part[: max(len(kept), len(part) - PIECE)]
        used = len(kept)
        if self._line_start and kept.startswith(b"."):
            kept = kept[1:]
        if used:
            self._line_start = False
        out.append(self._clean(kept))
        return at + used

    def _clean(self, line: bytes) -> bytes:
        return line.replace(b"\r", b" ") if self.replace_stray and b"\r" in line else line


def _unstuffed(block: bytes) -> bytes:
    if block[:1] == b".":
        block = block[1:]
    return block.replace(b"\r\n.", b"\r\n")


def _without_end(line: bytes, strict: bool) -> bytes:
    """The line without the CRs that belong to its end."""
    if strict:
        return line[:-1] if line.endswith(b"\r") else line
    kept = line.rstrip(b"\r")
    return line[: max(len(kept), len(line) - PIECE)]


class Chunks:
    """The content of BDAT chunks (RFC 3030 2): line ends made CRLF, a last line completed by `finish`."""

    __slots__ = ("_open", "_pending_cr", "bare_lf", "replace_stray", "strict")

    def __init__(self, *, strict: bool, replace_stray: bool) -> None:
        self.strict = strict
        self.replace_stray = replace_stray
        self.bare_lf = False
        self._open = False  # a line has begun and not ended
        self._pending_cr = 0  # CRs at the end of what came, which may belong to a line end

    def feed(self, data: bytes) -> bytes:
        """-> content, CRLF line ends."""
        if not data:
            return b""
        data = b"\r" * self._pending_cr + data
        kept = data.rstrip(b"\r")
        kept = data[: max(len(kept), len(data) - PIECE)]
        self._pending_cr = len(data) - len(kept)
        if not kept:
            return b""
        lines = kept.split(b"\n")
        out: list[bytes] = []
        for line in lines[:-1]:
            self.bare_lf |= not line.endswith(b"\r")
            out.append(self._clean(_without_end(line, self.strict)) + b"\r\n")
        out.append(self._clean(lines[-1]))
        self._open = bool(lines[-1]) or (self._open and len(lines) == 1)
        return b"".join(out)

    def finish(self) -> bytes:
        """The end of the last line, if it had none."""
        rest = self._clean(b"\r" * self._pending_cr)
        self._pending_cr = 0
        if self._open or rest:
            self._open = False
            return rest + b"\r\n"
        return b""

    def _clean(self, line: bytes) -> bytes:
        return line.replace(b"\r", b" ") if self.replace_stray and b"\r" in line else line


def stuffed(content: bytes) -> bytes:
    """Content whose lines end in CRLF, made ready for DATA: dots doubled (RFC 5321 4.5.2), without the final dot."""
    if content[:1] == b".":
        content = b"." + content
    return content.replace(b"\r\n.", b"\r\n..") if b"\r\n." in content else content
