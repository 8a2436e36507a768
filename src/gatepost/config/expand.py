"""What does a value say once its $names are filled in? Postfix's macro language, places kept.

Forms (postconf(5)): $name ${name} $(name) ${name?text} ${name?{a}:{b}} ${name:text} ${{l} OP {r} ? {a} : {b}} with OP
one of == != < <= >= > or one of these with `level` behind it, and $$. Values are expanded when they are used,
recursively. Errors are ConfigErrors with the place of the reference. This file must not know where values come from.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import Any

from gatepost.config.located import BLANKS, Located
from gatepost.span import ConfigError

NESTING_LIMIT = 100
NAME = re.compile(r"[A-Za-z0-9_]+")
OPERATOR = re.compile(r"(==|!=|<=|>=|<|>)([A-Za-z0-9_]*)")
COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq, "!=": operator.ne,
    "<": operator.lt, "<=": operator.le, ">=": operator.ge, ">": operator.gt,
}
CLOSING = {"{": "}", "(": ")"}

Lookup = Callable[[str], Located | None]


def closing(text: str, at: int) -> int:
    """Where the bracket that opens at `at` closes, counting only its own kind; -1 when it does not."""
    opening, close = text[at], CLOSING[text[at]]
    depth = 0
    for here in range(at, len(text)):
        if text[here] == opening:
            depth += 1
        elif text[here] == close:
            depth -= 1
            if not depth:
                return here
    return -1


def skip_blanks(text: str, at: int) -> int:
    """The first position from `at` on that is not blank."""
    while at < len(text) and text[at] in BLANKS:
        at += 1
    return at


def expand(value: Located, lookup: Lookup, depth: int = 0) -> Located:
    """Fill in the references of `value`; `lookup` gives unexpanded values by name, None for undefined."""
    text = value.text
    if "$" not in text:
        return value
    parts: list[Located] = []
    at = 0
    while (dollar := text.find("$", at)) >= 0:
        parts.append(value.slice(at, dollar))
        after = text[dollar + 1 : dollar + 2]
        if after == "$":
            parts.append(value.slice(dollar + 1, dollar + 2))
            at = dollar + 2
        elif after and after in CLOSING:
            end = closing(text, dollar + 1)
            if end < 0:
                raise ConfigError("truncated macro reference", value.span(dollar), text)
            parts.append(_reference(value.slice(dollar + 2, end), lookup, depth + 1))
            at = end + 1
        elif name := NAME.match(text, dollar + 1):
            parts.append(_named(value.slice(dollar + 1, name.end()), lookup, depth + 1))
            at = name.end()
        else:
            raise ConfigError("empty macro name", value.span(dollar), text)
    parts.append(value.slice(at))
    return Located.join(parts)


def names(text: str) -> set[str]:
    """Every name that is referred to in `text`, however deep in conditions."""
    return set(re.findall(r"\$[{(]?([A-Za-z0-9_][A-Za-z0-9_.-]*[A-Za-z0-9_]|[A-Za-z0-9_])", text.replace("$$", " ")))


def _named(name: Located, lookup: Lookup, depth: int) -> Located:
    if depth > NESTING_LIMIT:
        raise ConfigError("unreasonable macro call nesting", name.span(), name.text)
    found = lookup(name.text)
    return expand(found, lookup, depth) if found is not None else Located("")


def _reference(body: Located, lookup: Lookup, depth: int) -> Located:
    """The inside of ${...} or $(...)."""
    if depth > NESTING_LIMIT:
        raise ConfigError("unreasonable macro call nesting", body.span(), body.text)
    text = body.text
    start = skip_blanks(text, 0)
    if text[start : start + 1] == "{":
        holds, at = _comparison(body, start, lookup, depth)
        return _branches(body, at, holds, lookup, depth, otherwise="true")
    if not text[start:]:
        raise ConfigError("empty macro name", body.span(), text)
    found = NAME.match(text, start)
    at = skip_blanks(text, found.end()) if found else start
    if not found or (at < len(text) and text[at] not in "?:"):
        raise _error("attribute name syntax error", body, at)
    value = _named(body.slice(start, found.end()), lookup, depth)
    if at == len(text):
        return value
    return _branches(body, at, bool(value.text), lookup, depth)


def _comparison(body: Located, at: int, lookup: Lookup, depth: int) -> tuple[bool, int]:
    """Read `{l} OP {r}` from `at` on -> (does it hold?, where the branches begin)."""
    left, at = _braced(body, at)
    at = skip_blanks(body.text, at)
    found = OPERATOR.match(body.text, at)
    if not found:
        raise _error('"==" or "!=" or "<" or "<=" or ">=" or ">" expected', body, at)
    if found[2] not in ("", "level"):
        raise _error("bad operator suffix", body, found.start(2))
    right, at = _braced(body, skip_blanks(body.text, found.end()))
    values = expand(left, lookup, depth).text, expand(right, lookup, depth).text
    compare = COMPARE[found[1]]
    if found[2]:
        levels = [_level(value, body) for value in values]
        return compare(levels[0], levels[1]), at
    if all(value.isascii() and value.isdigit() for value in values):
        return compare(int(values[0]), int(values[1])), at
    return compare(values[0].encode(errors="surrogateescape"), values[1].encode(errors="surrogateescape")), at


def _error(what: str, body: Located, at: int) -> ConfigError:
    """A syntax error at a position, shown with 20 characters before and behind it."""
    text = body.text
    return ConfigError(f'{what} at: "...{text[max(at - 20, 0):at]}>>>{text[at:at + 20]}"', body.span(at))


def _level(text: str, body: Located) -> tuple[int, ...]:
    """A compatibility level: major[.minor[.patch]]."""
    if not re.fullmatch(r"[0-9]+(\.[0-9]+){0,2}", text):
        raise ConfigError("malformed compatibility level syntax", body.span(), text)
    numbers = [int(number) for number in text.split(".")]
    return tuple(numbers + [0] * (3 - len(numbers)))


def _braced(body: Located, at: int) -> tuple[Located, int]:
    """The text inside the braces that open at `at`, and the position behind them."""
    if body.text[at : at + 1] != "{":
        raise _error('"{" expected', body, at)
    end = closing(body.text, at)
    if end < 0:
        raise _error("\"}\" expected for \"{\"", body, at)
    return body.slice(at + 1, end), end + 1


def _branches(body: Located, at: int, holds: bool, lookup: Lookup, depth: int, otherwise: str = "") -> Located:
    """Read `?a`, `?{a}:b`, `:b` from `at` on and take the branch; `otherwise` is the result of a bare comparison."""
    text = body.text
    at = skip_blanks(text, at)
    if at == len(text):
        return Located(otherwise if holds else "")
    yes, no = Located(""), Located("")
    if text[at] == "?":
        yes, at = _branch(body, at + 1)
        at = skip_blanks(text, at)
    if at < len(text):
        if text[at] != ":":
            raise _error('":" expected', body, at)
        no, at = _branch(body, at + 1)
        if skip_blanks(text, at) < len(text):
            raise _error("unexpected input", body, at)
    return expand(yes if holds else no, lookup, depth)


def _branch(body: Located, at: int) -> tuple[Located, int]:
    """One result: in braces, or everything up to the end."""
    brace = skip_blanks(body.text, at)
    if body.text[brace : brace + 1] == "{":
        inside, end = _braced(body, brace)
        return inside, end
    return body.slice(at), len(body.text)
