"""Whose talk out of turn does the operator tolerate? gatepost_turn_tolerance and gatepost_turn_exempt_clients, read.

The one place for all who measure turns: the real session and screening. This file must not know what tolerance means.
"""

from __future__ import annotations

from gatepost.config import parameters as p
from gatepost.config.settings import Settings
from gatepost.lookup.ask import LookupFailure, Lookups
from gatepost.lookup.match import AddressList
from gatepost.smtp.tolerance import PATTERNS
from gatepost.span import ConfigError


def tolerated_patterns(settings: Settings) -> frozenset[str]:
    """Names of patterns; ConfigError for what is none."""
    words = settings[p.GATEPOST_TURN_TOLERANCE]
    for word in words:
        if word.text not in PATTERNS:
            raise ConfigError(f"no pattern of early talk in {p.GATEPOST_TURN_TOLERANCE.name}; there are "
                              + ", ".join(PATTERNS), word.span or settings.span(p.GATEPOST_TURN_TOLERANCE), word.text)
    return frozenset(word.text for word in words)


class ExemptClients:
    """Clients of whom nothing is held. `plain`: no table has a say."""

    __slots__ = ("_addresses", "plain")

    def __init__(self, settings: Settings, lookups: Lookups, *, strict: bool = True) -> None:
        """ConfigError for a malformed item when `strict`."""
        self._addresses = AddressList.of(settings[p.GATEPOST_TURN_EXEMPT_CLIENTS], lookups, strict=strict)
        self.plain = self._addresses.plain

    async def hold(self, address: str) -> bool:
        """Is this client exempt? A table that cannot answer exempts nobody. Does not suspend when none has to wait."""
        try:
            return await self._addresses.matches(address)
        except LookupFailure:
            return False
