"""Where does each character of a value stand in the operator's text?

A Located is a text that remembers, run by run, where its characters were written; cutting, joining and expanding keep
that memory, so that one item of a list that was put together from three lines and a $name still has its own place. This
file must not know any syntax.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

from gatepost.span import Span

BLANKS = " \t\n\v\f\r"
"""White space as C's isspace() has it; Python's idea of it is larger."""


@dataclass(frozen=True, slots=True)
class Run:
    """From `offset` on, characters stand one after the other from `place` on (None: nowhere, a built-in text)."""

    offset: int
    place: Span | None


@dataclass(frozen=True, slots=True)
class Located:
    """A text and where it was written. `runs` is ordered by offset; no run means nowhere."""

    text: str
    runs: tuple[Run, ...] = ()

    @classmethod
    def at(cls, text: str, file: str, line: int, column: int = 1) -> Located:
        """A text that stands in one piece in one line."""
        return cls(text, (Run(0, Span(file, line, column)),))

    @classmethod
    def join(cls, parts: Iterable[Located]) -> Located:
        """The parts one after the other."""
        texts: list[str] = []
        runs: list[Run] = []
        length = 0
        for part in parts:
            if not part.text:
                continue
            runs += [Run(length + run.offset, run.place) for run in part.runs] or [Run(length, None)]
            texts.append(part.text)
            length += len(part.text)
        return cls("".join(texts), tuple(runs))

    def slice(self, start: int, end: int | None = None) -> Located:
        """The characters from `start` to `end`, places kept. An empty slice keeps the place where it would be."""
        end = len(self.text) if end is None else min(end, len(self.text))
        runs: list[Run] = []
        for at, run in enumerate(self.runs):
            following = self.runs[at + 1].offset if at + 1 < len(self.runs) else len(self.text) + 1
            if following <= start or (run.offset >= end and runs):
                continue
            inside = max(start - run.offset, 0)
            place = run.place
            if place is not None and inside:
                place = Span(place.file, place.line, place.column + inside)
            runs.append(Run(max(run.offset - start, 0), place))
        return Located(self.text[start:end], tuple(runs))

    def strip(self) -> Located:
        """Without blanks at both ends."""
        left = len(self.text) - len(self.text.lstrip(BLANKS))
        return self.slice(left, max(left, len(self.text.rstrip(BLANKS))))

    def span(self, start: int = 0, end: int | None = None) -> Span | None:
        """The place of the characters from `start` to `end`; when they stand in several runs, of those in the first."""
        end = len(self.text) if end is None else end
        at = bisect_right(self.runs, start, key=lambda run: run.offset) - 1
        if at < 0:
            return None
        run = self.runs[at]
        if run.place is None:
            return None
        if at + 1 < len(self.runs):
            end = min(end, self.runs[at + 1].offset)
        place = run.place
        return Span(place.file, place.line, place.column + start - run.offset, max(end - start, 0))

    def __str__(self) -> str:
        return self.text
