"""How is a list laid out in its file, and how does it look with an item more or less?

A Placed is a value in the whole text it was written in. Its methods give the whole text anew, in the style they find:
one item on a line or several, commas or blanks, comma in front or behind, indentation, line ends. Comments between the
lines of a value stay where they are. This file must not know any parameter.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

from gatepost.config.located import BLANKS, Located
from gatepost.config.parameter import split_list
from gatepost.config.source import physical_lines

WITH_ARGUMENT = ("check_", "reject_rbl_client", "reject_rhsbl_", "permit_dnswl_", "permit_rhswl_", "sleep",
                 "warn_if_reject")
"""What is followed by its argument: in a list without commas two such words are one item."""


class Token(NamedTuple):
    """A word of a list: where it begins and ends in the value."""

    text: str
    start: int
    end: int


def words(item: str) -> tuple[str, ...]:
    """The words of an item: a check and its argument."""
    return tuple(word for _, word in split_list(item))


def is_word(written: str, meant: str) -> bool:
    """Are these the same word? Postfix reads names of restrictions in any case, tables as they are."""
    return written == meant or (written.lower() == meant.lower() and not set(":/") & set(written))


class Written:
    """`value`, one logical line or a part of it, inside `text`; `tokens` are its words."""

    def __init__(self, text: str, value: Located, tokens: Sequence[Token]) -> None:
        self.text = text
        self.value = value
        self.tokens = tokens
        self._starts = [0, *accumulate(map(len, physical_lines(text)))]

    def offset(self, at: int) -> int:
        """Where in the text the character `at` of the value stands."""
        return self.place(self.value, at)

    def place(self, located: Located, at: int) -> int:
        """Where in the text the character `at` of another piece of it stands."""
        run = located.runs[bisect_right(located.runs, at, key=lambda run: run.offset) - 1]
        assert run.place is not None, "what is edited was written"
        return self._starts[run.place.line - 1] + run.place.column - 1 + at - run.offset

    def line(self, offset: int) -> tuple[int, int]:
        """(where the line of this offset begins, where its content ends: before its line end)."""
        at = bisect_right(self._starts, offset) - 1
        start = self._starts[at]
        end = self._starts[at + 1] if at + 1 < len(self._starts) else len(self.text)
        return start, end - len(_line_end(self.text[start:end]))

    def next_line(self, offset: int) -> int:
        """Where the next line begins."""
        end = self.line(offset)[1]
        return end + len(_line_end(self.text[end:end + 2]))

    def line_end(self) -> str:
        """How lines end here."""
        return _line_end(self.text[self.offset(0):] if self.value.text else self.text) or _line_end(self.text) or "\n"

    def same_line(self, one: int, two: int) -> bool:
        """Do these characters of the value stand in one line?"""
        return self.line(self.offset(one)) == self.line(self.offset(two))

    def spliced(self, place: int, new: str) -> str:
        """The text with something new at an offset."""
        return self.text[:place] + new + self.text[place:]

    def cut(self, start: int, end: int) -> str:
        """The text without the characters from `start` to `end` of the value. Lines left without content go."""
        text = self.text
        for piece_start, piece_end in reversed(self._pieces(start, end)):
            line_start, line_end = self.line(piece_start)
            line = text[line_start:line_end]
            indent = len(line) - len(line.lstrip(BLANKS))
            before, after = text[line_start:max(piece_start, line_start + indent)], text[piece_end:line_end]
            if not (before + after).strip(BLANKS + ","):
                text = text[:line_start] + text[self.next_line(piece_start):]
                continue
            if not after.strip(BLANKS):
                before = before.rstrip(BLANKS)
            text = text[:line_start] + before + after + text[line_end:]
        return text

    def _pieces(self, start: int, end: int) -> list[tuple[int, int]]:
        """A range of the value as ranges of the text, one a line."""
        edges = [start, *(run.offset for run in self.value.runs if start < run.offset < end), end]
        return [(self.offset(one), self.offset(two - 1) + 1)
                for one, two in pairwise(edges) if two > one]

    def without(self, at: int, count: int = 1) -> str:
        """The text without these tokens, and without the separators that they needed."""
        first, last = self.tokens[at], self.tokens[at + count - 1]
        following = self.tokens[at + count] if at + count < len(self.tokens) else None
        before = self.tokens[at - 1] if at else None
        if following and self.same_line(last.end - 1, following.start):
            return self.cut(first.start, following.start)
        if before and self.same_line(before.end - 1, first.start):
            gap = self._behind(before)
            keep = gap.find(",") + 1 if following and "," not in self._behind(last) else 0
            return self.cut(before.end + keep, last.end)
        end = last.end + len(self._behind(last))
        if following or not before or "," in self._behind(last):
            return self.cut(first.start, end)
        comma = self._behind(before).rfind(",") + 1
        text = self.cut(first.start, end)
        place = self.offset(before.end - 1) + 1  # earlier in the text than all that was cut
        return text[:place] + text[place + comma:] if comma else text

    def _behind(self, token: Token) -> str:
        """Blanks and commas behind a token in its own line, as far as the value goes."""
        place = self.offset(token.end - 1) + 1
        rest = self.text[place:min(self.line(place - 1)[1], self.offset(len(self.value.text) - 1) + 1)]
        return rest[:len(rest) - len(rest.lstrip(BLANKS + ","))]

    def prefix(self, token: Token) -> str | None:
        """What stands before a token in its line when nothing but blanks and commas does; None otherwise."""
        place = self.offset(token.start)
        before = self.text[self.line(place)[0]:place]
        return before if before and not before.strip(BLANKS + ",") else None


class Placed(Written):
    """A list (or any value) in the text it was written in. `equals`: offset in the text behind the `=`. `tight`: no
    blanks may come into the value (a `-o name=value` of master.cf)."""

    def __init__(self, text: str, value: Located, whole: Located, *, tight: bool = False) -> None:
        super().__init__(text, value, [Token(word, at, at + len(word)) for at, word in split_list(value.text)])
        self.equals = self.place(whole, whole.text.index("=")) + 1
        self.tight = tight
        gaps = [value.text[one.end:two.start] for one, two in pairwise(self.tokens)]
        self.commas = tight or not gaps or any("," in gap for gap in gaps)
        self._separator = "," if tight else ", " if self.commas else " "

    def find(self, item: Sequence[str], start: int = 0) -> int:
        """The first token from `start` on where these words stand; -1: nowhere."""
        for at in range(start, len(self.tokens) - len(item) + 1):
            if all(is_word(token.text, word) for token, word in zip(self.tokens[at:], item, strict=False)):
                return at
        return -1

    def _heads(self) -> list[int]:
        """The tokens that begin a continuation line."""
        return [at for at, token in enumerate(self.tokens) if self.prefix(token) is not None]

    def stacked(self) -> bool:
        """Does the value have one item a line?"""
        heads = self._heads()
        ends = [*heads[1:], len(self.tokens)]
        return 0 < len(heads) <= 2 * sum(self._is_item(one, two) for one, two in zip(heads, ends, strict=True))

    def _is_item(self, start: int, end: int) -> bool:
        """Do these tokens make one item?"""
        for at in range(start + 1, end):
            gap = self.value.text[self.tokens[at - 1].end:self.tokens[at].start]
            if "," in gap or not (self.commas or self.tokens[at - 1].text.lower().startswith(WITH_ARGUMENT)):
                return False
        return True

    def with_items(self, items: Sequence[str], before: int | None = None) -> str:
        """The text with these items in front of token `before`, or at the end."""
        if not self.tokens:
            return self._filled(self.joined(items))
        if before is None or before == len(self.tokens):
            return self._appended(items)
        token = self.tokens[before]
        place = self.offset(token.start)
        if not self.stacked() or self.tight:
            return self.spliced(place, self.joined(items) + self._separator)
        prefix = self.prefix(token)
        mark = "," if self.commas and "," not in (prefix or "") else ""
        if prefix is not None:
            earlier = self.offset(self.tokens[before - 1].end - 1) if before else self.equals - 1
            end = self.line(earlier)[1]
            line_end = self.text[end:self.next_line(earlier)]
            new = "".join(f"{prefix}{item}{mark}{line_end}" for item in items)
            return self.spliced(self.next_line(earlier), new)
        if before:
            return self.spliced(place, self.joined(items) + self._separator)
        prefix = self.prefix(self.tokens[self._heads()[0]]) or ""
        mark = "," if self.commas and "," not in prefix else ""
        return self.spliced(place, "".join(f"{item}{mark}{self.line_end()}{prefix}" for item in items))

    def _appended(self, items: Sequence[str]) -> str:
        last = self.tokens[-1]
        place = self.offset(last.end - 1) + 1
        if not self.stacked() or self.tight:
            return self.spliced(place, self._separator + self.joined(items))
        prefix = self.prefix(self.tokens[self._heads()[-1]]) or ""
        mark = "," if self.commas and "," not in prefix else ""
        new = "".join(f"{mark}{self.line_end()}{prefix}{item}" for item in items)
        return self.spliced(place, new)

    def _filled(self, value: str) -> str:
        """An empty value becomes `value`, behind the `=`."""
        end = self.line(self.equals)[1]
        rest = self.text[self.equals:end]
        if self.tight or rest.strip(BLANKS):
            return self.spliced(self.equals, value if self.tight else f" {value}")
        return f"{self.text[:self.equals]} {value}{self.text[end:]}"

    def replaced(self, at: int, count: int, by: Sequence[str]) -> str | None:
        """The text with other words in place of these tokens; None when they are spread over lines."""
        one, two = self.tokens[at].start, self.tokens[at + count - 1].end
        if not self.same_line(one, two - 1):
            return None
        new = ("," if self.tight else " ").join(by)
        return self.text[:self.offset(one)] + new + self.text[self.offset(two - 1) + 1:]

    def rewritten(self, value: str) -> str:
        """The text with another value, not looked at as a list."""
        if not self.value.text:
            return self._filled(value)
        start, end = self.offset(0), self.offset(len(self.value.text) - 1) + 1
        if self.line(start) == self.line(end - 1):
            return self.text[:start] + value + self.text[end:] if value else self.cut(0, len(self.value.text))
        text = self.cut(0, len(self.value.text))
        return f"{text[:self.equals]} {value}{text[self.equals:]}" if value else text

    def joined(self, items: Sequence[str]) -> str:
        """Items as they would stand in one line here."""
        if self.tight:
            return ",".join(",".join(words(item)) for item in items)
        return self._separator.join(items)


def _line_end(line: str) -> str:
    """The line end of the first line in `line`."""
    at = line.find("\n")
    return "" if at < 0 else "\r\n" if at and line[at - 1] == "\r" else "\n"
