"""What did the operator write in main.cf? Logical lines and entries, without loss and with places.

`str(parse(file, text)) == text` for every text, and every name, value and list item can be pointed at, also in the
middle of a continued value with comments in between. Parsing never raises: broken lines are Problems, and whoever needs
the file to be right turns them into a ConfigError. Logical lines are shared by master.cf and table sources. This file
must not know any parameter. Format: postconf(5).
"""

from __future__ import annotations

from dataclasses import dataclass

from gatepost.config.located import BLANKS, Located
from gatepost.config.problem import Problem
from gatepost.span import Span


@dataclass(frozen=True, slots=True)
class Entry:
    """`name = value`: the last of a name wins. `span` is the place of the name."""

    name: str
    value: Located
    span: Span
    whole: Located  # the logical line


@dataclass(frozen=True, slots=True)
class MainCf:
    """A main.cf as written. `lines` are the physical lines with their ends."""

    file: str
    lines: tuple[str, ...]
    entries: tuple[Entry, ...]
    problems: tuple[Problem, ...]

    def __str__(self) -> str:
        return "".join(self.lines)

    def last(self) -> dict[str, Entry]:
        """The entries that are in force, by name."""
        return {entry.name: entry for entry in self.entries}


def physical_lines(text: str) -> tuple[str, ...]:
    """The lines with their ends. Only LF ends a line, whatever else Python would split at."""
    lines = text.split("\n")
    return tuple([line + "\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else []))


def is_comment(line: str) -> bool:
    """Is the line empty, blank or a comment? Such lines may stand anywhere, also inside a continued value."""
    rest = line.lstrip(BLANKS)
    return not rest or rest.startswith("#")


def logical_lines(file: str, lines: tuple[str, ...]) -> tuple[list[Located], list[Problem]]:
    """Join continuation lines -> (logical lines, problems). Line ends go, leading blanks of continuations stay."""
    logical: list[Located] = []
    problems: list[Problem] = []
    parts: list[Located] = []
    for number, line in enumerate(lines, 1):
        if is_comment(line):
            continue
        if "\0" in line:
            span = Span(file, number, line.index("\0") + 1, 1)
            problems.append(Problem("warning", "text after null byte may be ignored", span))
        piece = Located.at(line.removesuffix("\n"), file, number)
        if line[0] not in BLANKS:
            if parts:
                logical.append(Located.join(parts))
            parts = [piece]
        elif parts:
            parts.append(piece)
        else:
            problems.append(Problem("warning", "logical line must not start with whitespace",
                                    piece.strip().span(), piece.text.strip(BLANKS)))
    if parts:
        logical.append(Located.join(parts))
    return logical, problems


def split_name_value(line: Located) -> Entry | Problem:
    """Cut one logical line at its `=`; blanks around it do not count."""
    text = line.text
    start = len(text) - len(text.lstrip(BLANKS))
    end = start
    while end < len(text) and text[end] not in BLANKS and text[end] != "=":
        end += 1
    name = line.slice(start, end)
    span = name.span() or Span("", 0)
    if not name.text:
        return Problem("error", "missing attribute name", line.span(), text)
    equals = end
    while equals < len(text) and text[equals] in BLANKS:
        equals += 1
    if equals == len(text) or text[equals] != "=":
        return Problem("error", "missing '=' after attribute name", line.span(), text)
    return Entry(name.text, line.slice(equals + 1).strip(), span, line)


def parse(file: str, text: str) -> MainCf:
    """Read the text of a main.cf."""
    lines = physical_lines(text)
    logical, problems = logical_lines(file, lines)
    entries: dict[str, Entry] = {}
    every: list[Entry] = []
    for line in logical:
        match split_name_value(line):
            case Problem() as problem:
                problems.append(problem)
            case entry:
                earlier = entries.get(entry.name)
                if earlier is not None:
                    problems.append(Problem("warning", f"overriding earlier entry (line {earlier.span.line})",
                                            entry.span, f"{entry.name}={earlier.value}"))
                entries[entry.name] = entry
                every.append(entry)
    problems.sort(key=lambda problem: problem.span.line if problem.span else 0)
    return MainCf(file, lines, tuple(every), tuple(problems))
