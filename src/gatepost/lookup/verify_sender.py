"""Whom do address probes come from? address_verify_sender, whose name may change with the time.

A probe of ours must not make the other side probe us in turn, nor us probe ourselves: `is_ours` knows our own name, of
now and of the period before. With address_verify_sender_ttl the period's number stands behind the local part (base 31).
This file must not know probes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import gatepost.config.parameters as p
from gatepost.config.settings import Settings
from gatepost.lookup.rewrite import Rules, split

_DIGITS = "0123456789BCDFGHJKLMNPQRSTVWXYZ"  # no vowels: no words


@dataclass(slots=True)
class VerifySender:
    """`address` in canonical form, "" is the null sender; `period` in seconds, 0: it never changes."""

    address: str
    period: int = 0
    clock: Callable[[], float] = time.time
    _known: tuple[int, frozenset[str]] = (-1, frozenset())  # the names of one period, in lower case

    @classmethod
    def of(cls, settings: Settings, clock: Callable[[], float] = time.time) -> VerifySender:
        """Read it once."""
        written = settings[p.ADDRESS_VERIFY_SENDER].strip()
        address = "" if written in ("", "<>") else Rules.of(settings).rewritten(written)
        return cls(address, settings[p.ADDRESS_VERIFY_SENDER_TTL], clock)

    def now(self) -> str:
        """The sender of a probe that is made now."""
        return self._at(self._number())

    def is_ours(self, address: str) -> bool:
        """Is it a probe's sender, of this period or of the last?"""
        if not self.address or not address:
            return False
        number = self._number()
        if number != self._known[0]:
            names = {self._at(number), self._at(number - 1) if self.period else self.address}
            self._known = number, frozenset(map(str.lower, names))
        return address.lower() in self._known[1]

    def _number(self) -> int:
        return int(self.clock()) // self.period if self.period else 0

    def _at(self, number: int) -> str:
        if not self.period or not self.address:
            return self.address
        local, domain = split(self.address)
        digits = ""
        while number or not digits:
            number, digit = divmod(number, len(_DIGITS))
            digits = _DIGITS[digit] + digits
        return f"{local}{digits}@{domain}"
