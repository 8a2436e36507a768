"""Where in which file? A place in an operator's text, and a change to it.

Every value that comes from a configuration file carries a Span, so that every verdict, error and finding can be
traced to file and line. This file must not know what the text means.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """A place in a text: file name as the operator gave it, line and column counted from 1, length in characters."""

    file: str
    line: int
    column: int = 1
    length: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace the text at `span` (its length may be 0: an insertion) by `text`."""

    span: Span
    text: str


class ConfigError(Exception):
    """The operator's text is wrong: what is wrong, where, and the offending text. The program ends with status 2."""

    def __init__(self, message: str, span: Span | None = None, text: str = "") -> None:
        super().__init__(message, span, text)
        self.message = message
        self.span = span
        self.text = text

    def __str__(self) -> str:
        where = f"{self.span}: " if self.span else ""
        what = f": {self.text!r}" if self.text else ""
        return f"{where}{self.message}{what}"
