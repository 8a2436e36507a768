"""What have `cidr:`, `regexp:` and `pcre:` tables in common? Rules in order, if/endif blocks, the inline form.

A rule has a test and a result; the first match decides. `if` tests guard the rules up to their `endif` and nest. An
`if` without `endif` guards the rest of the table, an `endif` without `if` is ignored, both with a warning. Tables are
read from a file, or from `type:{{rule}, {rule}}` where each braced rule is a line. This file must not know what a test
is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from gatepost.config.parameter import split_list
from gatepost.lookup.tables.files import FileTable, Find
from gatepost.lookup.tables.source import LogicalLine, logical_lines, stray_line
from gatepost.lookup.tables.table import MemoryTable, Opening, OpenTable, strip_braces
from gatepost.span import ConfigError

Subject = TypeVar("Subject")


class BadRule(Exception):
    """A rule that is skipped; the text is the warning."""


@dataclass(frozen=True, slots=True)
class Rule(Generic[Subject]):
    """`test(subject)` gives the result, or None when the rule does not apply."""

    test: Callable[[Subject], str | None]


@dataclass(frozen=True, slots=True)
class If(Generic[Subject]):
    """The rules up to the matching EndIf count only when `holds(subject)`."""

    holds: Callable[[Subject], bool]


@dataclass(frozen=True, slots=True)
class EndIf:
    """Ends the innermost open If."""


Statement = Rule[Subject] | If[Subject] | EndIf
ReadStatement = Callable[[str, Callable[[str], None]], Statement[Subject] | None]
"""(line, warn) -> what it says; None for a line that is ignored (warned about already). BadRule: skipped."""


@dataclass(frozen=True, slots=True)
class Program(Generic[Subject]):
    """Rules and, at the place of each `if`, where to go on when it does not hold."""

    steps: tuple[tuple[Callable[[Subject], str | None] | None, Callable[[Subject], bool] | None, int], ...]

    def run(self, subject: Subject) -> str | None:
        """The result of the first rule that applies."""
        steps, at, end = self.steps, 0, len(self.steps)
        while at < end:
            test, holds, jump = steps[at]
            at += 1
            if test is not None:
                result = test(subject)
                if result is not None:
                    return result
            elif holds is not None and not holds(subject):
                at = jump
        return None


def read_program(lines: Iterable[LogicalLine], read: ReadStatement[Subject], warn: Callable[[int, str], None],
                 stray_endif: str) -> Program[Subject]:
    """Read the statements and tie each `if` to its `endif`."""
    steps: list[tuple[Callable[[Subject], str | None] | None, Callable[[Subject], bool] | None, int]] = []
    open_ifs: list[tuple[int, int]] = []
    for line in lines:
        number = line.number
        try:
            statement = read(line.text.strip(), lambda text, number=number: warn(number, text))  # type: ignore[misc]
        except BadRule as problem:
            warn(number, str(problem))
            continue
        match statement:
            case Rule(test):
                steps.append((test, None, 0))
            case If(holds):
                open_ifs.append((len(steps), number))
                steps.append((None, holds, 0))
            case EndIf() if open_ifs:
                at, _ = open_ifs.pop()
                steps[at] = (None, steps[at][1], len(steps))
            case EndIf():
                warn(number, stray_endif)
    for at, number in open_ifs:
        warn(number, "IF has no matching ENDIF")
        steps[at] = (None, steps[at][1], len(steps))
    return Program(tuple(steps))


class RuleTable(MemoryTable):
    """Rules written where the table is named."""

    __slots__ = ("_find",)

    def __init__(self, spec: str, find: Find) -> None:
        super().__init__(spec, partial=False)
        self._find = find

    def get_now(self, key: str) -> str | None:
        """Try the rules in order."""
        return self._find(key)


ReadRules = Callable[[Iterable[LogicalLine], Callable[[int, str], None]], Find]


def open_rules(kind: str, name: str, opening: Opening, read: ReadRules) -> OpenTable:
    """`kind:/file` or `kind:{{rule}, {rule}}`."""

    def read_text(path: str, text: str) -> Find:
        def warn(number: int, reason: str) -> None:
            opening.warn(f"{kind} map {path}, line {number}: {reason}")

        return read(logical_lines(text, lambda line: opening.warn(stray_line(path, line))), warn)

    spec = f"{kind}:{name}"
    if name.startswith("{"):
        return RuleTable(spec, read_text(name, "\n".join(_inline_lines(kind, name))))
    return FileTable(spec, name, read_text, opening.warn, partial=False, error=opening.error)


def _inline_lines(kind: str, name: str) -> list[str]:
    inside = strip_braces(name)
    if inside is None:
        raise ConfigError(f"{kind} map: missing '}}' or text after it in \"{name}\"", text=name)
    lines = []
    for _, item in split_list(inside):
        line = strip_braces(item)
        if line is None:
            what = "missing '}' or text after it" if item.startswith("{") else "no '{' at start of text"
            raise ConfigError(f'{kind} map: {what} in "{item}"', text=name)
        lines.append(line)
    return lines
