"""What does an entry of postscreen_dnsbl_sites say? `domain[=filter][*weight]`, read once at start-up.

A filter is an IPv4 address in which a field may be a list in brackets: `127.0.0.[2;4;10..12]`. Contract: what does not
read is a ConfigError with its place, in Postfix's words (postconf(5), postscreen_dnsbl_sites). This file must not ask
the DNS.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from gatepost.config.parameter import Word
from gatepost.smtp.grammar import valid_hostname
from gatepost.span import ConfigError

Filter = tuple[frozenset[int], frozenset[int], frozenset[int], frozenset[int]]
"""The values that each byte of an IPv4 address may have."""


@dataclass(frozen=True, slots=True)
class Site:
    """One entry: the list's domain as written, what a match counts (negative: it speaks for the client), and which
    answers match; without a filter all do."""

    domain: str
    weight: int = 1
    filter: Filter | None = None

    def matches(self, answers: Sequence[bytes]) -> bool:
        """Does one of the list's answers count? Each is an IPv4 address, four bytes."""
        allowed = self.filter
        if allowed is None:
            return bool(answers)
        return any(all(byte in field for byte, field in zip(answer, allowed, strict=True)) for answer in answers)


def read_sites(words: tuple[Word, ...]) -> tuple[Site, ...]:
    """The entries of postscreen_dnsbl_sites, in their order. ConfigError for the first that does not read."""
    return tuple(map(_site, words))


def _site(word: Word) -> Site:
    entry, mark, weight = word.text.partition("*")
    if mark and not re.fullmatch(r"[+-]?[0-9]+", weight):
        raise ConfigError(f'bad DNSBL weight factor "{weight}" in "{word}"', word.span)
    domain, equals, pattern = entry.partition("=")
    try:
        allowed = read_filter(pattern) if equals else None
    except BadFilter as problem:
        raise ConfigError(f"bad DNSBL filter syntax: {problem}", word.span, word.text) from None
    if not valid_hostname(domain):
        raise ConfigError(f'bad DNSBL domain name "{domain}" in "{word}"', word.span)
    return Site(domain, int(weight) if mark else 1, allowed)


class BadFilter(Exception):
    """A filter does not read: what is wrong, and between `>` and `<`, where."""


def read_filter(pattern: str) -> Filter:
    """An address pattern: four fields, each a number or a list in brackets. BadFilter."""
    if not pattern:
        raise BadFilter("empty address pattern")
    reader = _Reader(pattern)
    first = reader.field()
    second, third, fourth = (reader.after_a_dot() for _ in range(3))
    if reader.token():
        reader.wrong("garbage after pattern")
    return first, second, third, fourth


class _Reader:
    """Reads a pattern token by token: a number, one other character, or "" at the end."""

    __slots__ = ("_from", "_pattern", "_to")

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._from = self._to = 0

    def token(self) -> str:
        self._from = self._to
        read = re.compile(r"[0-9]+|.|", re.DOTALL).match(self._pattern, self._from)
        assert read is not None, "the empty alternative always matches"
        self._to = read.end()
        return read[0]

    def wrong(self, what: str) -> NoReturn:
        before, here, behind = (self._pattern[: self._from], self._pattern[self._from : self._to],
                                self._pattern[self._to :])
        raise BadFilter(f'{what} at "{before}>{here}<{behind}"')

    def after_a_dot(self) -> frozenset[int]:
        if self.token() != ".":
            self.wrong('need "."')
        return self.field()

    def field(self) -> frozenset[int]:
        token = self.token()
        if token == "[":
            return frozenset(self._members())
        value = _byte(token)
        if value is None:
            self.wrong('need decimal number 0..255 or "["')
        return frozenset((value,))

    def _members(self) -> set[int]:
        """What stands in brackets: numbers and low..high, `;` between them."""
        values: set[int] = set()
        while True:
            low = _byte(self.token())
            if low is None:
                self.wrong("need decimal number 0..255")
            high, token = low, self.token()
            if token == ".":
                high, token = self._high(low), self.token()
            values.update(range(low, high + 1))
            if token == "]":
                return values
            if token != ";":
                self.wrong('need ";" or "]"')

    def _high(self, low: int) -> int:
        """The end of a range whose first dot was read."""
        high = _byte(self.token()) if self.token() == "." else None
        if high is None or high < low:
            self.wrong("numeric range error")
        return high


def _byte(token: str) -> int | None:
    return int(token) if re.fullmatch(r"0*[0-9]{1,3}", token) and int(token) <= 255 else None
