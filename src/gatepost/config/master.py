"""Which services does master.cf define? Entries and their -o overrides, without loss and with places.

Columns and options: master(5). `str(parse(file, text)) == text`; parsing never raises, broken entries are Problems in
Postfix's words. Each override keeps the place of every character of its value. This file must not know what a service
does, nor any parameter.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from gatepost.config.located import BLANKS, Located
from gatepost.config.parameter import Word
from gatepost.config.problem import Problem
from gatepost.config.source import logical_lines, physical_lines, split_name_value
from gatepost.span import Span

TYPES = ("inet", "unix", "unix-dgram", "fifo", "pass")
OPTIONS_WITH_ARGUMENT = "imnst"
"""Daemon options, besides -o, whose argument is the next word."""


class Override(NamedTuple):
    """`-o name=value`: `value` unexpanded, `span` the place of the name."""

    name: str
    value: Located
    span: Span


@dataclass(frozen=True, slots=True)
class Service:
    """One entry. `maxproc` None: $default_process_limit, 0: no limit; `chroot` None: by the compatibility level;
    `wakeup` in seconds, 0: never; `args` are the words behind the command, overrides included."""

    name: str
    type: str
    private: bool
    unprivileged: bool
    chroot: bool | None
    wakeup: int
    maxproc: int | None
    command: str
    args: tuple[Located, ...]
    overrides: tuple[Override, ...]
    span: Span

    def __str__(self) -> str:
        return f"{self.name}/{self.type}"


@dataclass(frozen=True, slots=True)
class MasterCf:
    """A master.cf as written; every entry, also those that a later one replaces."""

    file: str
    lines: tuple[str, ...]
    services: tuple[Service, ...]
    problems: tuple[Problem, ...]

    def __str__(self) -> str:
        return "".join(self.lines)


def is_disabled(service: Service, patterns: Iterable[Word]) -> bool:
    """master_service_disable: the first of `type`, `name.type` and `name/type` words that fits decides."""
    for word in patterns:
        pattern = word.text.lstrip("!")
        if pattern in (service.type, f"{service.name}.{service.type}", f"{service.name}/{service.type}"):
            return (len(word.text) - len(pattern)) % 2 == 0
    return False


class BadEntry(Exception):
    """An entry that cannot be read."""

    def __init__(self, message: str, where: Located) -> None:
        super().__init__(message)
        self.problem = Problem("error", message, where.span(), where.text)


def parse(file: str, text: str) -> MasterCf:
    """Read the text of a master.cf."""
    lines = physical_lines(text)
    logical, problems = logical_lines(file, lines)
    services: list[Service] = []
    for line in logical:
        try:
            services.append(entry(line))
        except BadEntry as bad:
            problems.append(bad.problem)
    problems.sort(key=lambda problem: problem.span.line if problem.span else 0)
    return MasterCf(file, lines, tuple(services), tuple(problems))


def split_words(line: Located) -> list[Located]:
    """Cut at blanks; `{ ... }` holds its word together, braces included."""
    words: list[Located] = []
    start, depth = -1, 0
    for at, char in enumerate(line.text):
        if depth == 0 and char in BLANKS:
            if start >= 0:
                words.append(line.slice(start, at))
                start = -1
            continue
        if start < 0:
            start = at
        depth += (char == "{") - (char == "}" and depth > 0)
    if start >= 0:
        words.append(line.slice(start))
    return words


def unbrace(word: Located) -> Located:
    """The text inside outer braces, trimmed; a word without braces as it is. BadEntry when they do not close."""
    if not word.text.startswith("{"):
        return word
    depth = 0
    for at, char in enumerate(word.text):
        depth += (char == "{") - (char == "}")
        if depth == 0:
            if at + 1 < len(word.text):
                raise BadEntry(f"syntax error after '}}' in \"{word.text}\"", word)
            return word.slice(1, at).strip()
    raise BadEntry(f"missing '}}' in \"{word.text}\"", word)


class _Fields:
    """The columns of one entry, taken one after the other."""

    def __init__(self, line: Located) -> None:
        self.line = line
        self.words = split_words(line)
        self.at = 0

    def text(self, name: str, default: str | None = None) -> Located:
        if self.at == len(self.words):
            raise BadEntry(f'missing "{name}" field', self.line)
        word = self.words[self.at]
        self.at += 1
        if word.text == "-":
            if default is None:
                raise BadEntry(f'field "{name}" has no default value', word)
            return Located(default, word.runs[:1])
        return word

    def flag(self, name: str, default: str) -> str:
        word = self.text(name, default)
        if word.text not in ("y", "n", ""):
            raise BadEntry(f'field "{name}": bad value: "{word.text}"', word)
        return word.text

    def number(self, name: str, default: str) -> int | None:
        word = self.text(name, default)
        if not word.text:
            return None
        if not word.text.isascii() or not word.text.isdigit():
            raise BadEntry(f'field "{name}": bad value: "{word.text}"', word)
        return int(word.text)


def entry(line: Located) -> Service:
    """One logical line as an entry. BadEntry when it cannot be read."""
    fields = _Fields(line)
    name = fields.text("service name")
    transport = fields.text("transport type")
    if transport.text not in TYPES:
        raise BadEntry(f"bad transport type: {transport.text}", transport)
    private = fields.flag("private", "y") == "y"
    if private and transport.text == "inet":
        raise BadEntry("inet service cannot be private", line)
    unprivileged = fields.flag("unprivileged", "y") == "y"
    chroot = fields.flag("chroot", "")
    wakeup = fields.text("wakeup_time", "0")
    seconds = wakeup.text.removesuffix("?")
    if not seconds.isascii() or not seconds.isdigit():
        raise BadEntry(f'field "wakeup_time": bad value: "{wakeup.text}"', wakeup)
    maxproc = fields.number("process_limit", "")
    command = fields.text("command")
    args = tuple(unbrace(word) for word in fields.words[fields.at :])
    span = name.span() or Span("", 0)
    return Service(name.text, transport.text, private, unprivileged, {"y": True, "n": False}.get(chroot), int(seconds),
                   maxproc, command.text, args, _overrides(args), span)


def _overrides(args: tuple[Located, ...]) -> tuple[Override, ...]:
    """The -o options, in order. Options end at the first word without a hyphen."""
    overrides: list[Override] = []
    at = 0
    while at < len(args):
        word = args[at]
        if not word.text.startswith("-") or word.text == "--":
            break
        at += 1
        if not word.text.startswith("-o"):
            at += len(word.text) == 2 and word.text[1] in OPTIONS_WITH_ARGUMENT
            continue
        setting = word.slice(2)
        if not setting.text:
            if at == len(args):
                raise BadEntry("option requires an argument -- 'o'", word)
            setting = args[at]
            at += 1
        match split_name_value(setting):
            case Problem(message=message):
                raise BadEntry(f'invalid "-o {setting.text}" option value: {message}', setting)
            case entry:
                overrides.append(Override(entry.name, entry.value, entry.span))
    return tuple(overrides)
