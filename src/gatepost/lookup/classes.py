"""Whose is this address? Address classes, the transport, and whether the address is listed where it should be.

Postfix trivial-rewrite(8), reference sections 1.10 and 4.8. Contract: `resolve` never waits when every list and table
it needs is in memory; results are kept for a few seconds. LookupFailure when a table cannot answer. This file must not
know restrictions nor replies: it gives what they are made of.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

import gatepost.config.parameters as p
from gatepost.config.computed import own_interfaces
from gatepost.config.parameter import Parameter
from gatepost.config.settings import Settings
from gatepost.lookup.ask import LookupFailure, Lookups
from gatepost.lookup.kept import Kept
from gatepost.lookup.maps import Maps
from gatepost.lookup.match import DomainList, StringList, matches_subdomains
from gatepost.lookup.patterns import address_number
from gatepost.lookup.rewrite import Rules, literal_address, parts, without_last_dot
from gatepost.lookup.transport import ERROR, RETRY, Kind, Transports


@dataclass(frozen=True, slots=True)
class Resolved:
    """An address, resolved. When it is not `valid` (RFC 5321 4.1.2 broken: 501), no other field means anything."""

    address: str  # canonical, internal form: the key for tables
    local: str
    domain: str
    kind: Kind
    routed: bool = False  # mail routing beyond the domain (`a%b@c`): never an authorised destination by itself
    valid: bool = True
    transport: str = ""
    nexthop: str = ""  # for the transports `error` and `retry`: the reason

    @property
    def error(self) -> str:
        """Why no mail can go there, with an enhanced status code in front where one is known; "" when it can."""
        return self.nexthop if self.transport in (ERROR, RETRY) else ""


@dataclass(frozen=True, slots=True)
class Unlisted:
    """What a refusal of an unlisted address says: `CODE DSN <R>: CLASS rejected: TEXT`."""

    code: int
    dsn: str
    text: str
    adjust: bool = False  # dsn was written by an operator: it passes the DSN adjustment of what is being refused


class Classes:
    """Address resolution under one service's settings."""

    __slots__ = ("_alias_domains", "_clock", "_destinations", "_kept", "_listed", "_lists", "_mailbox_domains",
                 "_minimum_user", "_own", "_relay_domains", "_settings", "_transports", "_untrusted", "rules")

    def __init__(self, settings: Settings, lookups: Lookups, *, clock: Callable[[], float] = time.monotonic) -> None:
        strict = settings[p.GATEPOST_COMPATIBILITY] != "postfix"
        self.rules = Rules.of(settings)
        self._settings = settings
        self._clock = clock
        self._destinations = StringList.of(settings[p.MYDESTINATION], lookups, strict=strict)
        self._alias_domains = StringList.of(settings[p.VIRTUAL_ALIAS_DOMAINS], lookups, strict=strict)
        self._mailbox_domains = StringList.of(settings[p.VIRTUAL_MAILBOX_DOMAINS], lookups, strict=strict)
        below = matches_subdomains(settings[p.PARENT_DOMAIN_MATCHES_SUBDOMAINS], p.RELAY_DOMAINS.name)
        self._relay_domains = DomainList.of(settings[p.RELAY_DOMAINS], below, lookups, strict=strict)
        self._transports = Transports(settings, lookups)
        self._minimum_user = settings[p.ALLOW_MIN_USER]
        self._untrusted = settings[p.ALLOW_UNTRUSTED_ROUTING]
        self._own: frozenset[tuple[int, int]] | None = None
        self._lists = RecipientLists(settings, lookups)
        self._kept: Kept[tuple[str, str | None], Resolved | None] = Kept(clock)
        self._listed: Kept[tuple[str, bool], tuple[Unlisted | None] | None] = Kept(clock)

    async def resolve(self, address: str, *, sender: bool = False, mail_from: str = "") -> Resolved:
        """Rewrite and resolve. `sender`: the address is itself a sender, so nothing depends on who sends; otherwise
        `mail_from` is who does. LookupFailure when a table fails."""
        resolved = self.resolved_now(address, sender=sender, mail_from=mail_from)
        if resolved is None:
            giver = None if sender or not self._transports.depends_on_sender else mail_from
            resolved = await self._resolve(address, giver)
            self._kept.keep((address, giver), resolved)
        return resolved

    def resolved_now(self, address: str, *, sender: bool = False, mail_from: str = "") -> Resolved | None:
        """What `resolve` found a moment ago; None when it has to be asked."""
        return self._kept.get((address, None if sender or not self._transports.depends_on_sender else mail_from), None)

    def forget(self) -> None:
        """Tables were read again: what was resolved before no longer counts."""
        self._kept.clear()
        self._listed.clear()

    def authorised(self, resolved: Resolved) -> bool:
        """Is it a destination that we take mail for from anybody (permit_auth_destination)?"""
        return resolved.kind != "default" and (self._untrusted or not resolved.routed)

    async def is_local(self, domain: str) -> bool:
        """Is the domain in $mydestination, or an address literal of our own ($inet_interfaces, $proxy_interfaces)?"""
        domain = without_last_dot(domain)
        if await self._destinations.matches(domain):
            return True
        if not domain.startswith("["):
            return False
        literal = literal_address(domain)
        return literal is not None and address_number(literal) in self._own_addresses()

    async def unlisted(self, resolved: Resolved, *, sender: bool) -> Unlisted | None:
        """Why the address is not listed in the tables of its class; None when it is (reference 4.8). `sender`: it is
        checked as a sender. LookupFailure when a table fails."""
        known = self.unlisted_now(resolved, sender=sender)
        if known is None:
            known = (await self._unlisted(resolved, sender),)
            self._listed.keep((resolved.address, sender), known)
        return known[0]

    def unlisted_now(self, resolved: Resolved, *, sender: bool) -> tuple[Unlisted | None] | None:
        """What `unlisted` found a moment ago, in a tuple; None when it has to be asked."""
        return self._listed.get((resolved.address, sender), None)

    async def _unlisted(self, resolved: Resolved, sender: bool) -> Unlisted | None:
        short = resolved.kind == "local" or resolved.domain.lower() == self.rules.myorigin.lower()
        if await self._lists.rewrites(resolved.address, sender=sender, short=short):
            return None
        if resolved.transport in (ERROR, RETRY):
            return self._undeliverable(resolved, sender)
        return await self._lists.missing(resolved, sender=sender, short=short)

    def _undeliverable(self, resolved: Resolved, sender: bool) -> Unlisted:
        kind = "4" if resolved.transport == RETRY else "5"
        read = re.match(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})[ \t]+", resolved.nexthop)
        dsn = read[1] if read else f"{kind}.1.{0 if sender else 1}"
        text = resolved.nexthop[read.end() :] if read else resolved.nexthop
        if kind == "4":
            return Unlisted(450, dsn, text, adjust=True)
        code = self._settings[p.UNKNOWN_VIRTUAL_ALIAS_REJECT_CODE] if resolved.kind == "virtual-alias" else 550
        return Unlisted(code, dsn, text, adjust=True)

    def _own_addresses(self) -> frozenset[tuple[int, int]]:
        if self._own is None:
            own = [str(interface.ip) for interface in own_interfaces(self._settings)]
            own += [word.text.strip("[]") for word in self._settings[p.PROXY_INTERFACES]]
            self._own = frozenset(map(address_number, own)) - {(0, 0)}
        return self._own

    async def _resolve(self, address: str, giver: str | None) -> Resolved:
        local, domain, is_local = await self._without_local_domains(self.rules.rewritten(address))
        checked = self.rules.checked_domain(domain)
        canonical = f"{local}@{domain if checked is None else checked}"
        if checked is None or (canonical.startswith("-") and not self._minimum_user):
            return Resolved(canonical, local, domain, "default", valid=False)
        first = re.search("[@!%]", canonical)
        routed = first is not None and canonical[first.end() :] != checked
        kind = "local" if is_local else await self._kind(checked)
        short = is_local or checked.lower() == self.rules.myorigin.lower()
        route = await self._transports.route(canonical, checked, kind, sender=giver, short=short)
        return Resolved(canonical, local, checked, kind, routed, True, route.transport, route.nexthop)

    async def _without_local_domains(self, address: str) -> tuple[str, str, bool]:
        """(local part, domain, domain is local). While the domain is ours, routing operators to its left are meant for
        us: they are followed."""
        rules = self.rules
        local, domain = parts(address)
        stripped: str | None = None
        for _ in range(len(address) + 100):
            if domain is not None:
                domain = without_last_dot(domain)
                if domain or not rules.null_domain:
                    if domain and not await self.is_local(domain):
                        return local, domain, False
                    stripped = domain
            reopened = rules.reopened(local)
            if reopened is None:
                local = local or rules.empty_recipient
                if stripped is not None:
                    return local, stripped, True
                return local, rules.myhostname, await self.is_local(rules.myhostname)
            local, domain = reopened
        raise LookupFailure(f"resolve_addr: <{address}>: giving up", temporary=False)

    async def _kind(self, domain: str) -> Kind:
        if await self._alias_domains.matches(domain):
            return "virtual-alias"
        if await self._mailbox_domains.matches(domain):
            return "virtual-mailbox"
        if await self._relay_domains.matches(domain):
            return "relay"
        return "default"


class RecipientLists:
    """The tables that say which addresses exist, by class."""

    __slots__ = ("_always", "_canonical", "_codes", "_delimiters", "_recipient_canonical", "_sender_canonical",
                 "_shown", "_tables", "_virtual_alias")

    def __init__(self, settings: Settings, lookups: Lookups) -> None:
        self._canonical = Maps.of(settings[p.CANONICAL_MAPS], lookups)
        self._recipient_canonical = Maps.of(settings[p.RECIPIENT_CANONICAL_MAPS], lookups)
        self._sender_canonical = Maps.of(settings[p.SENDER_CANONICAL_MAPS], lookups)
        self._virtual_alias = Maps.of(settings[p.VIRTUAL_ALIAS_MAPS], lookups)
        self._delimiters = settings[p.RECIPIENT_DELIMITER]
        self._shown = settings[p.SHOW_USER_UNKNOWN_TABLE_NAME]
        # Made by us and taken by us, whatever the tables say.
        self._always = tuple(f"{name.lower()}@" for name in
                             (settings[p.DOUBLE_BOUNCE_SENDER], "postmaster", "mailer-daemon"))
        self._tables: dict[Kind, tuple[Maps, str]] = {
            "local": (Maps.of(settings[p.LOCAL_RECIPIENT_MAPS], lookups), "local recipient"),
            "virtual-mailbox": (Maps.of(settings[p.VIRTUAL_MAILBOX_MAPS], lookups), "virtual mailbox"),
            "relay": (Maps.of(settings[p.RELAY_RECIPIENT_MAPS], lookups), "relay recipient")}
        codes: dict[Kind, Parameter[int]] = {
            "local": p.UNKNOWN_LOCAL_RECIPIENT_REJECT_CODE,
            "virtual-mailbox": p.UNKNOWN_VIRTUAL_MAILBOX_REJECT_CODE,
            "relay": p.UNKNOWN_RELAY_RECIPIENT_REJECT_CODE}
        self._codes = {kind: settings[code] for kind, code in codes.items()}

    async def rewrites(self, address: str, *, sender: bool, short: bool) -> bool:
        """Is the address rewritten to something else later on? Then it is taken to exist."""
        every = (self._recipient_canonical, self._sender_canonical if sender else None, self._canonical,
                 self._virtual_alias)
        for maps in every:
            if maps and await maps.find_address(address, self._delimiters, short=short) is not None:
                return True
        return False

    async def missing(self, resolved: Resolved, *, sender: bool, short: bool) -> Unlisted | None:
        """The refusal when the tables of the class do not hold the address."""
        maps, name = self._tables.get(resolved.kind, (None, ""))
        if not maps:
            return None
        if resolved.kind == "local" and resolved.address.lower().startswith(self._always):
            return None
        if await maps.find_address(resolved.address, self._delimiters, short=short) is not None:
            return None
        text = "User unknown" + (f" in {name} table" if self._shown else "")
        return Unlisted(self._codes[resolved.kind], "5.1.0" if sender else "5.1.1", text)
