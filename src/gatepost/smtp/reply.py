"""What do we say? An SMTP reply: code, enhanced status code, text; rendering and parsing of it.

A Reply is a value that nobody changes: refusals are values, never exceptions (RFC 5321 4.2, RFC 3463). This file must
not know why a reply is given; the sentences of the core stand by name in `sentences.py`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

_UNSAFE: Final = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(slots=True, init=False, unsafe_hash=True)
class Reply:
    """One reply. `status` is an enhanced status code such as "5.7.1" or "" where none is given; `text` may hold
    several lines separated by newline characters."""

    code: int
    status: str
    text: str
    _wire: bytes | None = field(init=False, repr=False, compare=False)  # most sentences are said often

    def __init__(self, code: int, status: str, text: str) -> None:
        self.code = code
        self.status = status
        self.text = text
        self._wire = None

    @property
    def hangs_up(self) -> bool:
        """421 and 521 end the connection (RFC 5321 3.8, RFC 7504)."""
        return self.code in (421, 521)

    @property
    def positive(self) -> bool:
        return self.code < 400

    @property
    def temporary(self) -> bool:
        return 400 <= self.code < 500

    def __str__(self) -> str:
        """The reply as one line of a log: code, status, text."""
        return f"{self.code} {self.status} {self.text}" if self.status else f"{self.code} {self.text}"

    def softened(self) -> Reply:
        """The same with 4 for 5 (`soft_bounce`)."""
        if self.code < 500:
            return self
        return Reply(self.code - 100, "4" + self.status[1:] if self.status else "", self.text)

    def render(self) -> bytes:
        """The bytes for the wire; each line carries code and status, all but the last a hyphen (RFC 5321 4.2.1)."""
        wire = self._wire
        if wire is None:
            wire = self._wire = self._rendered()
        return wire

    def _rendered(self) -> bytes:
        status = self.status + " " if self.status else ""
        if self.text.isprintable():
            return f"{self.code} {status}{self.text}\r\n".encode("utf-8", "surrogateescape")
        lines = [_UNSAFE.sub(" ", line) for line in self.text.split("\n")]
        out = [f"{self.code}-{status}{line}\r\n" for line in lines[:-1]]
        out.append(f"{self.code} {status}{lines[-1]}\r\n")
        return "".join(out).encode("utf-8", "surrogateescape")
