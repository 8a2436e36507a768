"""What is this line: header, part header, attached message's header, or body? MIME structure for content checks.

RFC 2045 5.1, 2046 5.1, and Postfix's mime_state: a logical header is a header line and its continuation lines;
Content-* and MIME-Version headers count as MIME headers wherever they stand; the headers of message/rfc822 and
message/global are nested ones; a line that is no header ends a header block. Streaming: memory is one logical header.
Joining the units' `raw` gives back exactly what was fed. This file must not know tables or actions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

HEADER = "header"
MIME = "mime"
NESTED = "nested"
BODY = "body"
BLANK = "blank"  # the empty line behind headers
LONGEST_LINE = 1 << 17  # bytes; what is longer is looked at in pieces

MIME_HEADERS = frozenset({b"content-description", b"content-disposition", b"content-id", b"content-transfer-encoding",
                          b"content-type", b"mime-version"})  # fmt: skip
_NAME = re.compile(rb"([!-9;-~]+)[ \t]*:")
_TYPE = re.compile(rb"[^:]*:\s*([^\s;/()]+)\s*/\s*([^\s;()]+)")
_BOUNDARY = re.compile(rb';\s*boundary\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;()]+))', re.IGNORECASE | re.DOTALL)


@dataclass(slots=True)
class Unit:
    """One logical header, or one line. `raw` holds its line ends; `part` counts the body parts so far."""

    kind: str
    raw: bytes
    part: int


class Structure:
    """Cuts content into units. `parts` False: everything behind the first headers is body."""

    def __init__(self, parts: bool = True, nesting: int = 100, boundary_length: int = 2048,
                 header_size: int = 102400) -> None:
        self._parts = parts
        self._nesting = nesting
        self._boundary_length = boundary_length
        self._header_size = header_size
        self._rest = b""  # an unfinished line
        self._header: list[bytes] = []  # the logical header under way
        self._held = 0  # its bytes
        self._where = HEADER  # HEADER NESTED MIME or BODY: what a header line here would be
        self._type: tuple[bytes, bytes] = (b"text", b"plain")
        self._boundary = b""
        self._boundaries: list[bytes] = []
        self._part = 0

    def feed(self, data: bytes) -> Iterator[Unit]:
        """The units that are complete now."""
        lines = _lines(self._rest + data)
        self._rest = lines.pop() if lines and not lines[-1].endswith(b"\n") else b""
        for line in lines:
            yield from self._line(line)
        if len(self._rest) > LONGEST_LINE:
            rest, self._rest = self._rest, b""
            yield from self._line(rest)

    def finish(self) -> Iterator[Unit]:
        """The units that the end of the content completes."""
        if self._rest:
            rest, self._rest = self._rest, b""
            yield from self._line(rest)
        yield from self._flush()

    def _line(self, line: bytes) -> Iterator[Unit]:
        if self._where == BODY:
            if self._boundaries and line.startswith(b"--") and self._crosses(line):
                self._part += 1
            yield Unit(BODY, line, self._part)
            return
        if self._header and line[:1] in b" \t" and self._held <= self._header_size:
            self._header.append(line)
            self._held += len(line)
            return
        yield from self._flush()
        if _NAME.match(line):
            self._header = [line]
            self._held = len(line)
            return
        blank = line in (b"\r\n", b"\n")
        self._end_headers()
        if blank:
            yield Unit(BLANK, line, self._part)
        else:
            yield from self._line(line) if self._where == BODY else iter((Unit(BODY, line, self._part),))

    def _flush(self) -> Iterator[Unit]:
        if not self._header:
            return
        raw = b"".join(self._header)
        self._header = []
        found = _NAME.match(raw)
        name = found[1].lower() if found else b""
        if name == b"content-type":
            self._content_type(raw)
        yield Unit(MIME if name in MIME_HEADERS else self._where, raw, self._part)

    def _content_type(self, raw: bytes) -> None:
        found = _TYPE.match(raw)
        if found is None:
            return
        self._type = (found[1].lower(), found[2].lower())
        boundary = _BOUNDARY.search(raw)
        if boundary is not None:
            quoted = re.sub(rb"\\(.)", rb"\1", boundary[1]) if boundary[1] is not None else boundary[2]
            self._boundary = quoted[:self._boundary_length]

    def _end_headers(self) -> None:
        """Behind a header block: what follows?"""
        major, minor = self._type
        self._part += 1
        where = BODY
        if self._parts and major == b"multipart" and self._boundary:
            if len(self._boundaries) < self._nesting:
                self._boundaries.append(self._boundary)
        elif self._parts and major == b"message" and minor in (b"rfc822", b"global", b"external-body"):
            where = NESTED
        self._where = where
        self._type = (b"text", b"plain")
        self._boundary = b""

    def _crosses(self, line: bytes) -> bool:
        """Is this line a boundary? An outer one ends the inner parts (RFC 2046 5.1.2)."""
        text = line.rstrip(b" \t\r\n")[2:]
        for at in range(len(self._boundaries) - 1, -1, -1):
            boundary = self._boundaries[at]
            if text == boundary:
                del self._boundaries[at + 1:]
                self._where = MIME
                return True
            if text == boundary + b"--":
                del self._boundaries[at:]
                return True
        return False


def _lines(data: bytes) -> list[bytes]:
    """Cut behind each LF only: a bare CR ends no line."""
    lines = [line + b"\n" for line in data.split(b"\n")]
    last = lines.pop()[:-1]
    if last:
        lines.append(last)
    return lines
