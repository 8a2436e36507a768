"""What does a lookup table say, when it is text that can be read here? Its rows with their places.

Local text tables (hash, btree, lmdb, cdb, dbm, texthash from their source; regexp, pcre, cidr; inline and static) give
rows; for every other kind, and for a file that is not there, nothing is known. Nothing is looked up: rules ask what the
rows might say. This file must not know what a value means.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from gatepost.config.located import BLANKS, Located
from gatepost.config.parameter import split_list
from gatepost.config.source import logical_lines, physical_lines
from gatepost.span import Span

SOURCES = frozenset(["hash", "btree", "lmdb", "cdb", "dbm", "sdbm", "texthash"])
"""Kinds that are made from a file of keys and values of the same name."""
PATTERNS = frozenset(["regexp", "pcre", "cidr"])
WRAPPERS = frozenset(("proxy",))

Read = Callable[[str], tuple[str, str] | None]
"""Path as written -> (name of the file for places, text); None when it is not there."""


@dataclass(frozen=True, slots=True)
class Row:
    """`key` (an address, a name, a pattern, a network) gives `value`; `span` is the place of the key."""

    key: str
    value: str
    span: Span | None


@dataclass(frozen=True, slots=True)
class Table:
    """A table as `type:name`. `rows` None: what it says is not known here. `path`: the file, "" when there is none."""

    spec: str
    kind: str
    path: str
    rows: tuple[Row, ...] | None

    @property
    def known(self) -> bool:
        """Can its rows be read?"""
        return self.rows is not None


def table(spec: str, read: Read) -> Table:
    """The table that `spec` names, as far as it is text here."""
    kind, _, name = spec.partition(":")
    kind = kind.lower()
    if kind in WRAPPERS:
        inner = table(name, read)
        return Table(spec, inner.kind, inner.path, inner.rows)
    if kind == "static":
        value = name[1:-1].strip(BLANKS) if name.startswith("{") and name.endswith("}") else name
        return Table(spec, kind, "", (Row("", value, None),))
    if name.startswith("{"):
        return Table(spec, kind, "", _inline(kind, name))
    if kind not in SOURCES and kind not in PATTERNS:
        return Table(spec, kind, "", None)
    found = read(name)
    if found is None:
        return Table(spec, kind, name, None)
    file, text = found
    return Table(spec, kind, file, tuple(_rows(kind, file, text)))


def _inline(kind: str, name: str) -> tuple[Row, ...] | None:
    """The rows of `{key=value, { key = value }}` or, for patterns, `{{/pattern/ value}, ...}`."""
    rows: list[Row] = []
    for _, item in split_list(name[1:-1] if name.endswith("}") else name[1:]):
        text = item[1:-1].strip(BLANKS) if item.startswith("{") and item.endswith("}") else item
        if kind == "inline":
            key, _, value = text.partition("=")
            rows.append(Row(key.strip(BLANKS), value.strip(BLANKS), None))
        elif kind in PATTERNS:
            key, value = _cut_pattern(text) if kind != "cidr" else _cut(text)
            rows.append(Row(key, value, None))
        else:
            return None
    return tuple(rows)


def _rows(kind: str, file: str, text: str) -> Iterator[Row]:
    lines, _ = logical_lines(file, physical_lines(text))
    for line in lines:
        key, value = _cut_pattern(line.text) if kind in ("regexp", "pcre") else _cut(line.text)
        if not key or key.lower() in ("if", "endif"):
            continue
        yield Row(key, value, _place(line, key))


def _place(line: Located, key: str) -> Span | None:
    start = line.text.find(key)
    return line.span(start, start + len(key))


def _cut(line: str) -> tuple[str, str]:
    """Key and value at the first white space; a key may be quoted."""
    found = re.match(r'("[^"]*"|[^ \t\n\v\f\r])+', line)
    if found is None:
        return "", ""
    return found[0], line[found.end() :].strip(BLANKS)


def _cut_pattern(line: str) -> tuple[str, str]:
    """`/pattern/flags value` -> (the pattern with delimiters and flags, value)."""
    text = line.lstrip(BLANKS)
    start = 1 if text.startswith("!") else 0
    if not text[start:]:
        return "", ""
    if text[start].isalnum():
        return text.split(None, 1)[0], ""  # if, endif
    at = start + 1
    while at < len(text) and text[at] != text[start]:
        at += 2 if text[at] == "\\" else 1
    end = at + 1
    while end < len(text) and text[end] not in BLANKS:
        end += 1
    return text[:end], text[end:].strip(BLANKS)
