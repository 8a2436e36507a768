"""What does a sed script make of the lines of a file? The part of sed that operators edit configurations with.

Read: `s`, `d`, `a`, `i`, `c` and `{ }`, with addresses that are a /pattern/, a number, `$`, or two of these, and `!`;
flags g and I; BRE and ERE (-E, -r), translated to Python's. Whatever else a script has makes it not understood: None,
never a guess.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

Change = Callable[[Sequence[str]], list[list[str]]]
"""Lines without their ends -> for each the lines it becomes, none when it is deleted."""

ESCAPED = frozenset("?+(){}|")


class NotUnderstood(Exception):
    """The script has something else."""


@dataclass
class _Line:
    """A line on its way through the script."""

    text: str
    number: int
    is_last: bool
    deleted: bool = False
    before: list[str] = field(default_factory=list)
    behind: list[str] = field(default_factory=list)


Matches = Callable[[_Line], bool]
Step = Callable[[_Line], None]


def change(scripts: list[str], *, extended: bool) -> Change | None:
    """What the scripts (each -e, or the one script) do to a file; None when not understood."""
    reader = _Reader("\n".join(scripts), extended)
    try:
        steps = reader.steps(inside=False)
    except (NotUnderstood, re.error, OverflowError, ValueError, RecursionError):
        return None

    def apply(lines: Sequence[str]) -> list[list[str]]:
        found = []
        for number, text in enumerate(lines, 1):
            line = _Line(text, number, number == len(lines))
            for step in steps:
                if not line.deleted:
                    step(line)
            found.append([*line.before, *([] if line.deleted else [line.text]), *line.behind])
        return found

    return apply if steps else None


class _Reader:
    """A script, read from the front."""

    def __init__(self, script: str, extended: bool) -> None:
        self.script = script
        self.extended = extended
        self.at = 0

    def peek(self) -> str:
        return self.script[self.at : self.at + 1]

    def skip(self, chars: str) -> None:
        while self.peek() and self.peek() in chars:
            self.at += 1

    def steps(self, *, inside: bool) -> list[Step]:
        """Commands up to the end, or to the brace that closes."""
        found: list[Step] = []
        while True:
            self.skip("; \t\n")
            if not self.peek() or self.peek() == "}":
                if inside != (self.peek() == "}"):
                    raise NotUnderstood
                self.at += 1
                return found
            found.append(self.step())

    def step(self) -> Step:
        matches = self.address()
        action = self.action(matches is not None)
        if matches is None:
            return action

        def guarded(line: _Line, matches: Matches = matches) -> None:
            if matches(line):
                action(line)

        return guarded

    def address(self) -> Matches | None:
        first = self.one_address()
        self.skip(" \t")
        if first is None:
            return None
        matches = first
        if self.peek() == ",":
            self.at += 1
            self.skip(" \t")
            number = re.compile(r"[0-9]+").match(self.script, self.at)
            last = self.one_address()
            if last is None:
                raise NotUnderstood
            matches = _Range(first, last, int(number[0]) if number else None).matches
            self.skip(" \t")
        if self.peek() == "!":
            self.at += 1
            self.skip(" \t")
            return lambda line: not matches(line)
        return matches

    def one_address(self) -> Matches | None:
        if self.peek() == "/":
            wanted = re.compile(pattern(self.delimited().replace("\\/", "/"), self.extended))
            return lambda line: wanted.search(line.text) is not None
        if self.peek() == "$":
            self.at += 1
            return lambda line: line.is_last
        number = re.compile(r"[0-9]+").match(self.script, self.at)
        if number is None:
            return None
        self.at = number.end()
        wanted_number = int(number[0])
        return lambda line: line.number == wanted_number

    def delimited(self) -> str:
        """The text between the delimiter at `at` and the next one, which stays the next to be read; one inside brackets
        closes too, as in GNU sed."""
        delimiter, start = self.peek(), self.at + 1
        here = start
        while here < len(self.script):
            if self.script[here] == "\\":
                here += 2
            elif self.script[here] == delimiter:
                self.at = here + (delimiter == "/" and not self._substituting)
                return self.script[start:here]
            else:
                here += 1
        raise NotUnderstood

    _substituting = False

    def action(self, has_address: bool) -> Step:
        kind = self.peek()
        self.at += 1
        if kind == "{":
            inner = self.steps(inside=True)

            def block(line: _Line) -> None:
                for step in inner:
                    if not line.deleted:
                        step(line)

            return block
        if kind == "d" and has_address:
            self.end()
            return _delete
        if kind == "s":
            return self.substitution()
        if kind in ("a", "i", "c"):
            return _with_text(kind, self.text())
        raise NotUnderstood

    def end(self) -> None:
        """Nothing more belongs to the command."""
        self.skip(" \t")
        if self.peek() not in ("", ";", "\n", "}"):
            raise NotUnderstood

    def substitution(self) -> Step:
        delimiter = self.peek()
        if delimiter in ("", "\\", "\n"):
            raise NotUnderstood
        self._substituting = True
        written = self.delimited().replace("\\" + delimiter, delimiter)
        by = replacement(self.delimited().replace("\\" + delimiter, delimiter))
        self._substituting = False
        flags = re.compile(r"[gIi]*").match(self.script, self.at + 1)
        assert flags is not None, "it matches nothing, too"
        self.at = flags.end()
        self.end()
        if by is None:
            raise NotUnderstood
        expression = re.compile(pattern(written, self.extended), re.IGNORECASE if "i" in flags[0].lower() else 0)
        count = 0 if "g" in flags[0] else 1

        def substitute(line: _Line) -> None:
            line.text = expression.sub(by, line.text, count=count)

        return substitute

    def text(self) -> list[str]:
        """The text of a, i, c: up to a line end that has no backslash before it; a backslash keeps blanks."""
        self.skip(" \t")
        if self.script.startswith("\\\n", self.at):
            self.at += 2
        elif self.peek() == "\\":
            self.at += 1
        end = self.at
        while end < len(self.script) and self.script[end] != "\n":
            end += 1 + (self.script[end] == "\\")
        written = self.script[self.at : end]
        self.at = min(end, len(self.script))
        if not written or re.search(r"\\[^\n\\nt]", written):
            raise NotUnderstood
        meant = {"n": "\n", "t": "\t"}
        return re.sub(r"\\(.)", lambda found: meant.get(found[1], found[1]), written, flags=re.DOTALL).split("\n")


class _Range:
    """From a line that matches the first address to the next that matches the second; a number that is reached already
    makes it one line."""

    def __init__(self, first: Matches, last: Matches, number: int | None) -> None:
        self.first = first
        self.last = last
        self.number = number
        self.inside = False

    def matches(self, line: _Line) -> bool:
        if self.inside:
            self.inside = not self.last(line)
            return True
        found = self.first(line)
        self.inside = found and (self.number is None or line.number < self.number)
        return found


def _delete(line: _Line) -> None:
    line.deleted = True


def _with_text(kind: str, text: list[str]) -> Step:
    def append(line: _Line) -> None:
        line.behind += text

    def insert(line: _Line) -> None:
        line.before += text

    def instead(line: _Line) -> None:
        line.before += text
        line.deleted = True

    return {"a": append, "i": insert, "c": instead}[kind]


def replacement(text: str) -> Callable[[re.Match[str]], str] | None:
    """The right side of an `s`: `\\1`, `&` and escapes; None for case changes and newlines."""
    parts: list[str | int] = []
    at = 0
    while at < len(text):
        char = text[at]
        if char == "&":
            parts.append(0)
        elif char == "\\" and at + 1 < len(text):
            at += 1
            if text[at].isascii() and text[at].isdigit():
                parts.append(int(text[at]))
            elif text[at].isalpha() or text[at] == "\n":
                return None
            else:
                parts.append(text[at])
        else:
            parts.append(char)
        at += 1
    return lambda found: "".join(part if isinstance(part, str) else found[part] or "" for part in parts)


def pattern(text: str, extended: bool) -> str:
    """A POSIX expression in Python's syntax. re.error or ValueError when it has what cannot be said there."""
    parts: list[str] = []
    at = 0
    while at < len(text):
        char = text[at]
        if char == "[":
            end = _bracket(text, at)
            parts.append(_class(text[at:end]))
            at = end
            continue
        if char == "\\":
            following = text[at + 1 : at + 2]
            if following in ESCAPED and not extended:
                parts.append(following)
            elif following in "sSwWbB123456789" and following:
                parts.append("\\" + following)
            elif following in "<>":
                parts.append(r"\b")
            elif following.isalpha():
                raise ValueError("an escape that is not known")
            else:
                parts.append(re.escape(following or "\\"))
            at += 2
            continue
        if char in ESCAPED and not extended:
            parts.append(re.escape(char))
        elif char == "*" and not extended and (not parts or parts == ["^"]):
            parts.append(r"\*")
        else:
            parts.append(char)
        at += 1
    return "".join(parts)


def _bracket(text: str, at: int) -> int:
    """The position behind the bracket expression at `at`."""
    here = at + 1 + (text[at + 1 : at + 2] == "^")
    here += text[here : here + 1] == "]"
    while here < len(text):
        if text.startswith("[:", here):
            here = text.find(":]", here) + 2
            if here == 1:
                raise ValueError("an open class")
            continue
        if text[here] == "]":
            return here + 1
        here += 1
    raise ValueError("an open bracket")


CLASSES = {"[:space:]": r"\s", "[:blank:]": r" \t", "[:digit:]": "0-9", "[:alpha:]": "A-Za-z", "[:alnum:]": "A-Za-z0-9",
           "[:lower:]": "a-z", "[:upper:]": "A-Z"}


def _class(text: str) -> str:
    inside = text[1:-1]
    negated = inside.startswith("^")
    body = inside[negated:].replace("\\", "\\\\")
    for name, members in CLASSES.items():
        body = body.replace(name, "\0" + members + "\0")
    plain = [part.replace("[", r"\[").replace("]", r"\]") if at % 2 == 0 else part
             for at, part in enumerate(body.split("\0"))]
    return f"[{'^' if negated else ''}{''.join(plain)}]"
