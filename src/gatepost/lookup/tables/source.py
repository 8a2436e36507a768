"""What does the source text of an indexed table say? Logical lines to (key, value) entries and warnings.

The format is postmap(1)'s: key, white space, value; a key may hold quoted blanks and backslash escapes; keys are folded
to lower case. Alias files have postalias(1)'s instead: name, colon, value; a quoted name loses its quotes. Lines that
do not read are skipped with a warning in Postfix's words. Logical lines follow the rule of config/source.py without its
memory of places: tables have a hundred thousand lines, and their warnings name lines only. This file must not open
files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from gatepost.config.located import BLANKS
from gatepost.config.source import is_comment
from gatepost.lookup.tables.table import fold


@dataclass(frozen=True, slots=True)
class LogicalLine:
    """A line with its continuation lines; `number` is that of its first physical line, from 1."""

    number: int
    text: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A key (folded), its value and the number of its logical line."""

    key: str
    value: str
    number: int
    written: str  # the key as the operator wrote it


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that says nothing usable (`kept` False) or something suspicious (`kept` True)."""

    number: int
    reason: str
    kept: bool = False


def logical_lines(text: str, stray: Callable[[str], None]) -> Iterator[LogicalLine]:
    """Comments and empty lines vanish even between a line and its continuation; the newline goes, its indent stays.

    Text behind white space before any logical line belongs to nothing: it goes to `stray`.
    """
    number, parts = 0, [""]
    for at, line in enumerate(text.split("\n"), 1):
        if is_comment(line):
            continue
        if line[0] in BLANKS and not number:
            stray(line)
            continue
        if line[0] in BLANKS:
            parts.append(line)
            continue
        if number:
            yield LogicalLine(number, "".join(parts))
        number, parts = at, [line]
    if number:
        yield LogicalLine(number, "".join(parts))


def stray_line(path: str, line: str) -> str:
    """The warning about a continuation line that continues nothing."""
    return f'{path}: logical line must not start with whitespace: "{line}"'


def split_key(line: str) -> tuple[str, str] | None:
    """Split at the first blank that is neither quoted nor escaped -> (key, value); None when a quote never ends."""
    quoted = escaped = False
    for at, char in enumerate(line):
        if escaped:
            escaped = False
        elif char == "\\":
            escaped = True
        elif char == '"':
            quoted = not quoted
        elif char in BLANKS and not quoted:
            return line[:at], line[at:].strip(BLANKS)
    return None if quoted else (line, "")


def read_source(text: str, stray: Callable[[str], None]) -> Iterator[Entry | BadLine]:
    """Entries in the order of the text, and what is wrong with lines. Undecodable bytes are surrogates in `text`."""
    for line in logical_lines(text, stray):
        try:
            line.text.encode()
        except UnicodeEncodeError:
            shown = line.text.encode(errors="replace").decode()
            yield BadLine(line.number, f'non-UTF-8 input "{shown}" -- ignoring this line')
            continue
        parts = split_key(line.text)
        if parts is None:
            yield BadLine(line.number, f"unbalanced '\"' in '{line.text}' -- ignoring this line")
            continue
        key, value = parts
        if not key or not value:
            yield BadLine(line.number, "expected format: key whitespace value -- ignoring this line")
            continue
        if key.endswith(":"):
            yield BadLine(line.number, 'record is in "key: value" format; is this an alias file?', kept=True)
        yield Entry(fold(key), value, line.number, key)


def read_aliases(text: str, stray: Callable[[str], None]) -> Iterator[Entry | BadLine]:
    """The same for an alias file (aliases(5))."""
    for line in logical_lines(text, stray):
        name, value = _split_alias(line.text)
        if not name or not value:
            yield BadLine(line.number, "need name:value pair")
        elif "@" in name:
            yield BadLine(line.number, "name must be local")
        else:
            yield Entry(fold(name), value, line.number, name)


def _split_alias(line: str) -> tuple[str, str]:
    """Split at the first colon outside quotes; the name without its quotes and escapes, "" when there is no colon."""
    name = ""
    quoted = escaped = False
    for at, char in enumerate(line):
        if escaped:
            name += char
            escaped = False
        elif char == "\\":
            escaped = True
        elif char == '"':
            quoted = not quoted
        elif char == ":" and not quoted:
            return name.strip(BLANKS), line[at + 1 :].strip(BLANKS)
        else:
            name += char
    return "", ""
