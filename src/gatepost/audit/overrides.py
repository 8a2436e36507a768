"""How is an entry of master.cf changed: its -o overrides, its columns, a new entry?

A new override takes the form of those that are there: one a line or behind the command, `-o name=value` or
`-o { name = value }` (not `-oname=value`, which postconf(1) cannot read). Where a name or a service is given twice, the
last is in force and the one that is edited. This file must not know what a parameter means.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gatepost.audit.entries import NEAR, commented, kinship, line_end
from gatepost.audit.layout import Placed, Token, Written
from gatepost.config.located import BLANKS, Located
from gatepost.config.master import OPTIONS_WITH_ARGUMENT, BadEntry, MasterCf, split_words, unbrace
from gatepost.config.source import Entry, logical_lines, physical_lines, split_name_value

FIELDS = {"private": 2, "unprivileged": 3, "chroot": 4, "wakeup": 5, "maxproc": 6, "command": 7}
INDENT = "  "


@dataclass(frozen=True, slots=True)
class Option:
    """One -o option: which words it is (`first` to `last`, the same for `-oname=value`), and what it sets."""

    first: int
    last: int
    entry: Entry
    braced: bool


class Line(Written):
    """The entry of a service in its text."""

    def __init__(self, text: str, line: Located) -> None:
        words = split_words(line)
        tokens: list[Token] = []
        at = 0
        for word in words:
            at = line.text.index(word.text, at)
            tokens.append(Token(word.text, at, at + len(word.text)))
            at += len(word.text)
        super().__init__(text, line, tokens)
        self.words = words
        self.options = list(self._options())

    def _options(self) -> Iterator[Option]:
        at = FIELDS["command"] + 1
        while at < len(self.words) and (word := self.words[at]).text.startswith("-") and word.text != "--":
            first = at
            at += 1
            if not word.text.startswith("-o"):
                at += len(word.text) == 2 and word.text[1] in OPTIONS_WITH_ARGUMENT
                continue
            setting = word.slice(2)
            if not setting.text and at < len(self.words):
                setting = self.words[at]
                at += 1
            try:
                entry = split_name_value(unbrace(setting))
            except BadEntry:
                continue
            if isinstance(entry, Entry):
                yield Option(first, at - 1, entry, setting.text.startswith("{"))

    def number(self, token: Token) -> int:
        """The line of the file a word stands in, from 1."""
        span = self.value.span(token.start)
        assert span is not None, "what is edited was written"
        return span.line


def find(master: MasterCf, service: str) -> Line | None:
    """The entry in force of a service (`name/type`)."""
    numbers = [each.span.line for each in master.services if str(each) == service]
    if not numbers:
        return None
    for line in logical_lines(master.file, master.lines)[0]:
        place = line.runs[0].place
        if place is not None and place.line == numbers[-1]:
            return Line(str(master), line)
    return None


def options(line: Line, name: str) -> list[Option]:
    """The overrides of a name, in order."""
    return [option for option in line.options if option.entry.name == name]


def placed(master: MasterCf, service: str, name: str) -> Placed | None:
    """The value in force of an override, in its text."""
    line = find(master, service)
    found = options(line, name) if line else []
    if not found:
        return None
    entry = found[-1].entry
    return Placed(str(master), entry.value, entry.whole, tight=not found[-1].braced)


def braced(line: Line, option: Option, value: str) -> str:
    """The text with an override spelt `{ name = value }`, so that the value may have blanks."""
    token = line.tokens[option.last]
    start, end = line.offset(token.start), line.offset(token.end - 1) + 1
    if option.first == option.last:
        start += 2
    blank = " " if option.first == option.last else ""
    return f"{line.text[:start]}{blank}{{ {option.entry.name} = {value} }}{line.text[end:]}"


def added(master: MasterCf, line: Line, name: str, value: str, comment: str = "") -> str:
    """The text with a new override."""
    model = _relative(line, name)
    command = line.tokens[FIELDS["command"]]
    if (model and model.braced) or set(value) & set(BLANKS):
        text = f"-o {{ {name} = {value} }}"
    else:
        text = f"-o {name}={value}"
    last = line.tokens[model.last] if model else command
    indent = line.prefix(line.tokens[model.first]) if model else _indent(master)
    place = line.offset(last.end - 1) + 1
    end = line.line(place - 1)[1]
    if indent is None or (not model and line.text[place:end].strip(BLANKS)):
        new = line.spliced(place, f" {text}")
        if not comment:
            return new
        return commented(physical_lines(new), line.number(line.tokens[0]), comment)
    eol = line_end(master.lines)
    notes = "".join(f"{eol}{indent}# {each}".rstrip(" ") for each in comment.splitlines())
    return line.spliced(end, f"{notes}{eol}{indent}{text}")


def _relative(line: Line, name: str) -> Option | None:
    """The option to put another one behind: the nearest by name, else the last. None: there are none."""
    parts = name.split("_")
    near = max(range(len(line.options)), default=-1,
               key=lambda at: (kinship(parts, line.options[at].entry.name.split("_")), at))
    if near >= 0 and kinship(parts, line.options[near].entry.name.split("_")) < NEAR:
        near = len(line.options) - 1
    return line.options[near] if near >= 0 else None


def _indent(master: MasterCf) -> str:
    """How far continuation lines with an override stand in, by the first of them."""
    for line in master.lines:
        if line[0] in " \t" and line.lstrip(BLANKS).startswith("-o"):
            return line[:len(line) - len(line.lstrip(BLANKS))]
    return INDENT


def removed(line: Line, option: Option) -> str:
    """The text without an override."""
    return line.without(option.first, option.last - option.first + 1)


def renamed(line: Line, option: Option, to: str) -> str:
    """The text with an override under another name."""
    place = line.place(option.entry.whole, option.entry.whole.text.index(option.entry.name))
    return line.text[:place] + to + line.text[place + len(option.entry.name):]


def field(line: Line, name: str, value: str) -> str:
    """The text with another value in a column; the columns behind it keep their place where they can."""
    at = FIELDS[name]
    token = line.tokens[at]
    start, end = line.offset(token.start), line.offset(token.end - 1) + 1
    if at + 1 < len(line.tokens) and line.same_line(token.start, line.tokens[at + 1].start):
        rest = line.offset(line.tokens[at + 1].start)
        if "\t" not in line.text[end:rest]:
            return f"{line.text[:start]}{value}{' ' * max(rest - start - len(value), 1)}{line.text[rest:]}"
    return line.text[:start] + value + line.text[end:]


def with_service(master: MasterCf, text: str) -> str:
    """The text with one more entry, at its end."""
    eol = line_end(master.lines)
    new = "".join(line + eol for line in text.splitlines())
    old = str(master)
    if old and not old.endswith("\n"):
        return old + eol + new.removesuffix(eol)
    return old + new
