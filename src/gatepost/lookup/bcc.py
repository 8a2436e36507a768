"""Who gets a copy of every message? always_bcc, sender_bcc_maps, recipient_bcc_maps.

Contract: `of` gives each address once, in canonical form, and does not wait when no table does; LookupFailure when a
table cannot answer, for an archive that misses mail is worse than mail that comes again. Copies are asked for by the
envelope as it was received. This file must not know how a copy is delivered.
"""

from __future__ import annotations

from collections.abc import Sequence

import gatepost.config.parameters as p
from gatepost.config.settings import Settings
from gatepost.lookup.ask import Lookups
from gatepost.lookup.classes import Classes
from gatepost.lookup.maps import Maps
from gatepost.lookup.rewrite import parts


class Copies:
    """Automatic copies under one service's settings. False when there are none."""

    __slots__ = ("_always", "_classes", "_delimiters", "_recipients", "_senders")

    def __init__(self, settings: Settings, lookups: Lookups, classes: Classes) -> None:
        mapped = all(word.text != "no_address_mappings" for word in settings[p.RECEIVE_OVERRIDE_OPTIONS])
        self._always = settings[p.ALWAYS_BCC].strip() if mapped else ""
        self._senders = Maps.of(settings[p.SENDER_BCC_MAPS] if mapped else (), lookups)
        self._recipients = Maps.of(settings[p.RECIPIENT_BCC_MAPS] if mapped else (), lookups)
        self._classes = classes
        self._delimiters = settings[p.RECIPIENT_DELIMITER]

    def __bool__(self) -> bool:
        return bool(self._always or self._senders or self._recipients)

    async def of(self, sender: str, recipients: Sequence[str]) -> list[str]:
        """The addresses that get a copy of a message with this envelope."""
        found = [self._always] if self._always else []
        if self._senders and sender:
            found += await self._find(self._senders, sender)
        if self._recipients:
            for recipient in recipients:
                found += await self._find(self._recipients, recipient)
        return list(dict.fromkeys(self._classes.rules.rewritten(address) for address in found))

    async def _find(self, maps: Maps, address: str) -> list[str]:
        canonical = self._classes.rules.rewritten(address)
        domain = parts(canonical)[1] or ""
        ours = domain.lower() == self._classes.rules.myorigin.lower() or await self._classes.is_local(domain)
        value = await maps.find_address(canonical, self._delimiters, short=ours)
        return [] if value is None else [value.strip()]
