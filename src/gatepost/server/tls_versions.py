"""Which TLS versions does a protocol list allow? `>=TLSv1.2`, `<=TLSv1.3`, `!SSLv3`, `TLSv1.2`, as in postconf(5).

A list with plain names allows those only; with `!` alone, all others; `>=` and `<=` are bounds. Names are compared
without case; a bound may be the protocol number in hexadecimal. This file must not know a TLS library.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

NUMBERS = {"SSLv2": 0x0002, "SSLv3": 0x0300, "TLSv1": 0x0301, "TLSv1.1": 0x0302, "TLSv1.2": 0x0303, "TLSv1.3": 0x0304}
_BY_NAME = {name.lower(): name for name in NUMBERS} | {"tlsv1.0": "TLSv1"}


class BadVersions(Exception):
    """A word of the list that names no version."""

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


@dataclass(frozen=True, slots=True)
class Versions:
    """The versions allowed, oldest first."""

    allowed: tuple[str, ...]

    @classmethod
    def read(cls, words: Sequence[str]) -> Versions:
        """Read a list; its words may themselves be joined by colons. BadVersions."""
        low, high = 0, 0xFFFF
        named: set[str] = set()
        refused: set[str] = set()
        for word in words:
            for part in filter(None, word.split(":")):
                if part.startswith(">="):
                    low = _number(part[2:], word)
                elif part.startswith("<="):
                    high = _number(part[2:], word)
                elif part.startswith("!"):
                    refused.add(_name(part[1:], word))
                else:
                    named.add(_name(part, word))
        return cls(
            tuple(
                name
                for name, number in NUMBERS.items()
                if low <= number <= high and name not in refused and (not named or name in named)
            )
        )


def _name(text: str, word: str) -> str:
    try:
        return _BY_NAME[text.strip().lower()]
    except KeyError:
        raise BadVersions(word) from None


def _number(text: str, word: str) -> int:
    if text.strip().lower() in _BY_NAME:
        return NUMBERS[_name(text, word)]
    try:
        return int(text, 16)
    except ValueError:
        raise BadVersions(word) from None
