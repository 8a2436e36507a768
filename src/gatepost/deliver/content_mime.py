"""What is this line: header, part header, attached message's header, or body? MIME structure for content checks.

RFC 2045 5.1, 2046 5.1, and Postfix's mime_state: a logical header is a header line and its continuation lines;
Content-* and MIME-Version headers count as MIME headers wherever they stand; the headers of message/rfc822 and
message/global are nested ones; a line that is no header ends a header block. Streaming: memory is one logical header.
Joining the units' `raw` gives back exactly what was fed. On the way `offences` against MIME are noted, as far as the
operator wants to know them. This file must not know tables or actions.
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

EIGHT_BIT_HEADER = "improper use of 8-bit data in message header"
EIGHT_BIT_BODY = "improper use of 8-bit data in message body"
ENCODING_DOMAIN = "invalid message/* or multipart/* encoding domain"
NESTING = "MIME nesting exceeds safety limit"
OFFENCES = (NESTING, EIGHT_BIT_HEADER, EIGHT_BIT_BODY, ENCODING_DOMAIN)
"""What can be wrong, as cleanup(8) says it; the first of several is what a client is told."""

MIME_HEADERS = frozenset({b"content-description", b"content-disposition", b"content-id", b"content-transfer-encoding",
                          b"content-type", b"mime-version"})  # fmt: skip
_PLAIN, _OTHER, _RFC822 = (b"text", b"plain"), (b"", b""), (b"message", b"rfc822")
_SEVEN_BIT = b"7bit"
_DOMAINS = {b"7bit": b"7bit", b"8bit": b"8bit", b"binary": b"binary", b"base64": b"7bit", b"quoted-printable": b"7bit"}
"""Content transfer encodings, and what their encoded form is (RFC 2045 6.2)."""
_NAME = re.compile(rb"([!-9;-~]+)[ \t]*:")
_COMMENT = re.compile(rb'("(?:[^"\\]|\\.)*+(?:"|\Z)|\\.)|\((?:[^()\\]|\\.)*+\)', re.DOTALL)
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\Z)|[^\x00- \x7f()<>@,;:\\"/\[\]?=]+|\S', re.DOTALL)
_SPECIALS = frozenset(b"()<>@,;:\\/[]?=")
COMMENT_DEPTH = 20  # comments within comments that are understood


@dataclass(slots=True)
class Unit:
    """One logical header, or one line. `raw` holds its line ends; `part` counts the body parts so far."""

    kind: str
    raw: bytes
    part: int


class Structure:
    """Cuts content into units. `parts` False: everything behind the first headers is body. `offences` holds what is
    wrong as (one of OFFENCES, the text that shows it), each of `wanted` once, noted before the unit it is found in."""

    def __init__(self, parts: bool = True, nesting: int = 100, boundary_length: int = 2048, header_size: int = 102400,
                 wanted: frozenset[str] = frozenset()) -> None:
        self.offences: list[tuple[str, bytes]] = []
        self._wanted = set(wanted)
        self._parts = parts
        self._nesting = nesting + 2  # as Postfix counts
        self._boundary_length = boundary_length
        self._header_size = header_size
        self._rest = b""  # an unfinished line
        self._header: list[bytes] = []  # the logical header under way
        self._held = 0  # its bytes
        self._overlong = False  # continuation lines of a header that was longer than it may be
        self._where = HEADER  # HEADER NESTED MIME or BODY: what a header line here would be
        self._type = _PLAIN
        self._encoding = _SEVEN_BIT
        self._boundaries: list[tuple[bytes, tuple[bytes, bytes]]] = []  # with the type of parts that tell none
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
            yield self._body(line)
            return
        if line[:1] in b" \t" and (self._header or self._overlong):
            if self._header and self._held <= self._header_size:
                self._header.append(line)
                self._held += len(line)
                return
            yield from self._flush()
            self._overlong = True
            yield Unit(BLANK, line, self._part)
            return
        yield from self._flush()
        self._overlong = False
        if _NAME.match(line):
            self._header = [line]
            self._held = len(line)
            return
        blank = line in (b"\r\n", b"\n")
        self._end_headers(blank)
        yield Unit(BLANK, line, self._part) if blank else self._body(line)

    def _body(self, line: bytes) -> Unit:
        if EIGHT_BIT_BODY in self._wanted and self._encoding == _SEVEN_BIT and not line.isascii():
            self._note(EIGHT_BIT_BODY, line)
        if self._boundaries and line.startswith(b"--") and self._crosses(line):
            self._part += 1
        return Unit(BODY, line, self._part)

    def _flush(self) -> Iterator[Unit]:
        if not self._header:
            return
        raw = b"".join(self._header)
        self._header = []
        found = _NAME.match(raw)
        name = found[1].lower() if found else b""
        if name == b"content-type" and self._parts:
            self._content_type(raw)
        elif name == b"content-transfer-encoding" and self._parts:
            told = next(_tokens(raw), b"").lower()
            self._encoding = told if told in _DOMAINS else self._encoding
        if EIGHT_BIT_HEADER in self._wanted and not raw.isascii():
            self._note(EIGHT_BIT_HEADER, raw)
        yield Unit(MIME if name in MIME_HEADERS else self._where, raw, self._part)

    def _content_type(self, raw: bytes) -> None:
        """The type, and of a multipart each boundary that is named."""
        tokens = list(_tokens(raw))
        major = tokens[0].lower() if tokens else b""
        minor = tokens[2].lower() if tokens[1:2] == [b"/"] and len(tokens) > 2 else b""
        self._type = (major, minor)
        if major != b"multipart":
            return
        parts = _RFC822 if minor == b"digest" else _PLAIN
        for at in range(1, len(tokens) - 3):
            if tokens[at] == b";" and tokens[at + 1].lower() == b"boundary" and tokens[at + 2] == b"=":
                self._enter(tokens[at + 3], parts, raw)

    def _enter(self, boundary: bytes, parts: tuple[bytes, bytes], raw: bytes) -> None:
        if boundary[:1] == b'"':
            boundary = re.sub(rb"\\(.)", rb"\1", boundary[1:-1])
        elif boundary[0] in _SPECIALS:
            return
        if len(self._boundaries) >= self._nesting:
            self._note(NESTING, raw)
        elif boundary:
            self._boundaries.append((boundary[:self._boundary_length], parts))

    def _end_headers(self, blank: bool) -> None:
        """Behind a header block: what follows?"""
        (major, minor), encoding = self._type, self._encoding
        domain = _DOMAINS[encoding]
        identity = domain == encoding
        if major == b"message":
            foreign = not identity if minor == b"rfc822" else \
                domain != _SEVEN_BIT if minor in (b"partial", b"external-body") else False
        else:
            foreign = major == b"multipart" and not identity
        if foreign:
            self._note(ENCODING_DOMAIN, encoding)
        self._part += 1
        self._where = BODY
        if not blank or not self._parts:
            return
        if major == b"multipart":
            self._enter_part(BODY, _OTHER)
        elif major == b"message" and minor in (b"rfc822", b"global"):
            self._enter_part(NESTED, _PLAIN)

    def _enter_part(self, where: str, kind: tuple[bytes, bytes]) -> None:
        self._where, self._type, self._encoding = where, kind, _SEVEN_BIT

    def _crosses(self, line: bytes) -> bool:
        """Is this line a boundary? What stands behind it on the line does not matter; an outer one ends the inner parts
        (RFC 2046 5.1.2)."""
        for at in range(len(self._boundaries) - 1, -1, -1):
            boundary, parts = self._boundaries[at]
            if line.startswith(boundary, 2):
                del self._boundaries[at + 1:]
                if line.startswith(b"--", 2 + len(boundary)):
                    del self._boundaries[at:]
                    self._enter_part(BODY, _OTHER)
                else:
                    self._enter_part(MIME, parts)
                return True
        return False

    def _note(self, offence: str, text: bytes) -> None:
        if offence in self._wanted:
            self._wanted.remove(offence)
            self.offences.append((offence, text))


def _tokens(raw: bytes) -> Iterator[bytes]:
    """The tokens, quoted strings (quotes included) and specials of a structured header's value (RFC 2045 5.1)."""
    value = raw.partition(b":")[2]
    for _ in range(COMMENT_DEPTH if b"(" in value else 0):
        cleared = _COMMENT.sub(lambda found: found[1] or b" ", value)
        if cleared == value:
            break
        value = cleared
    return (found[0] for found in _TOKEN.finditer(value))


def _lines(data: bytes) -> list[bytes]:
    """Cut behind each LF only: a bare CR ends no line."""
    lines = [line + b"\n" for line in data.split(b"\n")]
    last = lines.pop()[:-1]
    if last:
        lines.append(last)
    return lines
