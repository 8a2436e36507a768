"""By which transport does an address go, and to which next hop? Class defaults, relayhost, transport_maps, relocated.

Postfix trivial-rewrite(8), transport(5), reference sections 1.10 and 4.8. `error` and `retry` are transports whose next
hop is the reason. This file must not know how a class is found, nor what a transport does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Literal

import gatepost.config.parameters as p
from gatepost.config.settings import Settings
from gatepost.lookup.ask import LookupFailure, Lookups
from gatepost.lookup.maps import Maps, full_keys
from gatepost.lookup.match import matches_subdomains

Kind = Literal["local", "virtual-alias", "virtual-mailbox", "relay", "default"]

ERROR, RETRY = "error", "retry"
NO_REASON = "Address is undeliverable"


@dataclass(frozen=True, slots=True)
class Route:
    """A transport of master.cf and its next hop, or `error`/`retry` and the reason."""

    transport: str
    nexthop: str

    def override(self, text: str) -> Route:
        """`transport:nexthop` of main.cf: the next hop stays when none is given."""
        transport, _, nexthop = text.partition(":")
        return Route(transport.strip(), nexthop.strip() or self.nexthop)

    def mapped(self, entry: str, domain: str) -> Route:
        """`transport:nexthop` of a transport(5) table: both empty changes nothing, a transport alone resets the next
        hop to the domain."""
        transport, _, nexthop = entry.partition(":")
        transport, nexthop = transport.strip(), nexthop.strip()
        if nexthop:
            return Route(transport or self.transport, nexthop)
        if not transport:
            return self
        return Route(transport, NO_REASON if transport in (ERROR, RETRY) else domain)


class Transports:
    """Routes under one service's settings."""

    __slots__ = ("_alias", "_by_sender", "_delimiters", "_hosts_by_sender", "_null_host_key", "_null_key", "_parents",
                 "_relayhost", "_relocated", "_table", "_written", "depends_on_sender")

    def __init__(self, settings: Settings, lookups: Lookups) -> None:
        self._written: dict[Kind, str] = {
            "local": settings[p.LOCAL_TRANSPORT], "virtual-mailbox": settings[p.VIRTUAL_TRANSPORT],
            "relay": settings[p.RELAY_TRANSPORT], "default": settings[p.DEFAULT_TRANSPORT]}
        shown = settings[p.SHOW_USER_UNKNOWN_TABLE_NAME]
        self._alias = Route(ERROR, "5.1.1 User unknown" + (" in virtual alias table" if shown else ""))
        self._relayhost = settings[p.RELAYHOST].strip()
        self._delimiters = settings[p.RECIPIENT_DELIMITER]
        self._table = Maps.of(settings[p.TRANSPORT_MAPS], lookups)
        self._parents = matches_subdomains(settings[p.PARENT_DOMAIN_MATCHES_SUBDOMAINS], p.TRANSPORT_MAPS.name)
        self._relocated = Maps.of(settings[p.RELOCATED_MAPS], lookups)
        self._by_sender = Maps.of(settings[p.SENDER_DEPENDENT_DEFAULT_TRANSPORT_MAPS], lookups)
        self._hosts_by_sender = Maps.of(settings[p.SENDER_DEPENDENT_RELAYHOST_MAPS], lookups)
        self.depends_on_sender = bool(self._by_sender or self._hosts_by_sender)  # does the route of a remote address?
        self._null_key = settings[p.EMPTY_ADDRESS_DEFAULT_TRANSPORT_MAPS_LOOKUP_KEY]
        self._null_host_key = settings[p.EMPTY_ADDRESS_RELAYHOST_MAPS_LOOKUP_KEY]

    async def route(self, address: str, domain: str, kind: Kind, *, sender: str | None, short: bool) -> Route:
        """The route of a resolved address. `sender` None: nobody's (sender-dependent tables are not asked); `short`:
        the domain is ours, so that relocated_maps may hold the local part alone."""
        if kind == "virtual-alias":
            route = self._alias
        else:
            route = await self._class_route(domain, kind, sender)
            if self._table:
                entry = await self._table.find_first(transport_keys(address, domain, self._delimiters, self._parents))
                if entry is not None:
                    route = route.mapped(entry, domain)
        if self._relocated:
            moved = await self._relocated.find_address(address, self._delimiters, short=short)
            if moved is not None:
                return Route(ERROR, f"5.1.6 User has moved to {moved}")
        return route

    async def _class_route(self, domain: str, kind: Kind, sender: str | None) -> Route:
        written, nexthop = self._written[kind], domain
        if kind == "default":
            written = await self._of_sender(self._by_sender, sender, self._null_key) or written
        if kind in ("relay", "default"):
            host = await self._of_sender(self._hosts_by_sender, sender, self._null_host_key)
            nexthop = host or self._relayhost or domain
        route = Route("", nexthop).override(written)
        if not route.transport:
            raise LookupFailure(f"null transport is not allowed for the {kind} class", temporary=False)
        return route

    async def _of_sender(self, maps: Maps, sender: str | None, null_key: str) -> str | None:
        if sender is None or not maps:
            return None
        found = await maps.find_address(sender or null_key, self._delimiters, short=False)
        return None if found is None or found.upper() == "DUNNO" else found


def transport_keys(address: str, domain: str, delimiters: str, parents: bool) -> Iterator[tuple[str, bool]]:
    """(key, partial) in transport(5)'s order: address, without extension, domain, parent domains, `*`."""
    return chain(full_keys(address, delimiters), _domain_keys(domain, parents), (("*", False),))


def _domain_keys(domain: str, parents: bool) -> Iterator[tuple[str, bool]]:
    yield domain, True
    while (dot := domain.find(".", 1)) >= 0:
        domain = domain[dot + 1 :] if parents else domain[dot:]
        yield domain, True
