"""What is a parameter? The declaration: name, default in main.cf syntax, kind, documentation.

A parameter is declared once, as an object in config/parameters/, and never named by a string again:
`settings[MYHOSTNAME]` is typed. The default is text in main.cf syntax because defaults mention other parameters. This
file must not know any particular parameter, nor where values come from.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from gatepost.span import Span

T = TypeVar("T")

DECLARED: dict[str, Parameter[object]] = {}
"""Every declared parameter by name; filled by importing gatepost.config.parameters."""


class BadValue(Exception):
    """A value does not read as its parameter's kind. The text says why, in Postfix's words where it has them."""


@dataclass(frozen=True, slots=True)
class Word:
    """One item of a list value, with its place in the operator's text (None for a default)."""

    text: str
    span: Span | None = None

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True, eq=False)
class Parameter(Generic[T]):
    """A parameter that Gatepost honours. `read` turns expanded text into the value or raises BadValue."""

    name: str
    default: str
    read: Callable[[Parameter[T], str], T]
    doc: str
    kind: str
    raw: bool = False  # its value is a template whose $names are session attributes: not expanded
    limits: tuple[int, int | None] = field(default=(0, None))

    def __repr__(self) -> str:
        return f"Parameter({self.name})"


def declare(parameter: Parameter[T]) -> Parameter[T]:
    """Enter a parameter into DECLARED; naming one twice is a bug."""
    if parameter.name in DECLARED:
        raise AssertionError(f"parameter {parameter.name} is declared twice")
    DECLARED[parameter.name] = parameter  # type: ignore[assignment]  # invariance: the table forgets T on purpose
    return parameter


def _read_text(_: Parameter[str], text: str) -> str:
    return text


def text(name: str, default: str, doc: str, *, raw: bool = False) -> Parameter[str]:
    """A string, expanded unless `raw`."""
    return declare(Parameter(name, default, _read_text, doc, "text", raw))


def _read_yes_no(parameter: Parameter[bool], text: str) -> bool:
    match text.strip().lower():
        case "yes":
            return True
        case "no":
            return False
    raise BadValue(f"bad boolean configuration: {parameter.name} = {text}")


def yes_no(name: str, default: str, doc: str) -> Parameter[bool]:
    """yes or no, any case."""
    return declare(Parameter(name, default, _read_yes_no, doc, "yes_no"))


def _read_number(parameter: Parameter[int], text: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]+", text.strip()):
        raise BadValue(f"bad numerical configuration: {parameter.name} = {text}")
    value = int(text)
    low, high = parameter.limits
    if value < low:
        raise BadValue(f"invalid {parameter.name} parameter value {value} < {low}")
    if high is not None and value > high:
        raise BadValue(f"invalid {parameter.name} parameter value {value} > {high}")
    return value


def number(name: str, default: str, doc: str, *, low: int = 0, high: int | None = None) -> Parameter[int]:
    """A decimal integer between `low` and `high`."""
    return declare(Parameter(name, default, _read_number, doc, "number", limits=(low, high)))


UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def _read_duration(parameter: Parameter[int], text: str) -> int:
    read = re.fullmatch(r"([0-9]+)([smhdw]?).*", text.strip(), re.DOTALL | re.IGNORECASE)
    if not read or (not read[2] and not re.fullmatch(r"[0-9]+", text.strip())):
        raise BadValue(f"parameter {parameter.name}: bad time value or unit: {text}")
    default_unit = re.search(r"([smhdw])\W*$", parameter.default, re.IGNORECASE)
    unit = read[2].lower() or (default_unit[1].lower() if default_unit else "s")
    value = int(read[1]) * UNITS[unit]
    if value < parameter.limits[0]:
        raise BadValue(f"invalid {parameter.name} parameter value {value} < {parameter.limits[0]}")
    return value


def duration(name: str, default: str, doc: str, *, low: int = 0) -> Parameter[int]:
    """A time in seconds; without a unit letter (s m h d w), the unit of the default applies."""
    return declare(Parameter(name, default, _read_duration, doc, "duration", limits=(low, None)))


def one_of(name: str, default: str, choices: tuple[str, ...], doc: str) -> Parameter[str]:
    """One word out of `choices`, any case; the value is lower case."""

    def read(parameter: Parameter[str], text: str) -> str:
        if text.strip().lower() not in choices:
            raise BadValue(f"bad parameter value: '{parameter.name} = {text}'")
        return text.strip().lower()

    return declare(Parameter(name, default, read, doc, "one_of: " + " ".join(choices)))


def split_list(text: str) -> list[tuple[int, str]]:
    """Split at commas and white space, `{ ... }` protecting what is inside -> [(offset, item)].

    Outer braces stay: only consumers that expect structured items remove them. Unbalanced braces end with the text.
    """
    items: list[tuple[int, str]] = []
    start, depth = -1, 0
    for at, char in enumerate(text):
        if depth == 0 and char in ", \t\r\n":
            if start >= 0:
                items.append((start, text[start:at]))
                start = -1
            continue
        if start < 0:
            start = at
        depth += (char == "{") - (char == "}" and depth > 0)
    if start >= 0:
        items.append((start, text[start:]))
    return items


def _read_words(_: Parameter[tuple[Word, ...]], text: str) -> tuple[Word, ...]:
    return tuple(Word(item) for _, item in split_list(text))


def words(name: str, default: str, doc: str) -> Parameter[tuple[Word, ...]]:
    """A list of items. Settings gives each Word its place in the operator's text."""
    return declare(Parameter(name, default, _read_words, doc, "words"))
