"""In which lines is a logical line written? Its physical lines, trimmed, with their places, for rules."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from gatepost.config.located import BLANKS, Located
from gatepost.span import Span

ASSIGNMENT = re.compile(r"([A-Za-z][A-Za-z0-9_]*)[ \t]*=(?!=)[ \t]*(.*)")
SERVICE = re.compile(r"\S+\s+(?:inet|unix|unix-dgram|fifo|pass)\s+[-yn]\s+[-yn]\s+[-yn]\s")


@dataclass(frozen=True, slots=True)
class Line:
    """One physical line of a logical line: its text without blanks at both ends, and where that stands."""

    text: str
    span: Span

    @property
    def number(self) -> int:
        """The line of the file, from 1."""
        return self.span.line

    @property
    def end(self) -> Span:
        """The place of the last character."""
        return Span(self.span.file, self.span.line, self.span.column + len(self.text) - 1, 1)


def lines_of(whole: Located) -> list[Line]:
    """The physical lines of a logical line, without the comments between them."""
    ends = [run.offset for run in whole.runs[1:]] + [len(whole.text)]
    found: list[Line] = []
    for run, end in zip(whole.runs, ends, strict=True):
        text = whole.text[run.offset:end]
        start = len(text) - len(text.lstrip(BLANKS))
        if run.place is not None and text.strip(BLANKS):
            text = text.strip(BLANKS)
            found.append(Line(text, Span(run.place.file, run.place.line, run.place.column + start, len(text))))
    return found


def unbalanced(lines: Iterable[Line]) -> bool:
    """Are there braces open after these lines?"""
    text = "".join(line.text for line in lines)
    return text.count("{") > text.count("}")


def is_service(text: str) -> bool:
    """Does it look like the first line of a master.cf entry?"""
    return SERVICE.match(text) is not None
