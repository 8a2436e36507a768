"""Which match lists and tables do restrictions ask by parameter? Opened at first use and kept.

With `strict` a malformed item is a ConfigError; otherwise it fails where it is used, as in Postfix. This file must not
know what a match means.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import gatepost.config.parameters as p
from gatepost.config.computed import own_interfaces
from gatepost.config.settings import Settings
from gatepost.lookup.ask import Lookups
from gatepost.lookup.maps import Maps
from gatepost.lookup.match import AddressList, NameAddrList, StringList, matches_subdomains
from gatepost.lookup.patterns import address_number
from gatepost.span import ConfigError


class Lists:
    """Match lists of one service."""

    def __init__(self, settings: Settings, lookups: Lookups, *, strict: bool) -> None:
        self._settings = settings
        self._lookups = lookups
        self._strict = strict

    def problems(self) -> list[ConfigError]:
        """Malformed items of these lists."""
        found: list[ConfigError] = []
        opened: tuple[Callable[[], object], ...] = (
            lambda: self.mynetworks, lambda: self.mx_backup_networks, lambda: self.logged_permits)
        for build in opened:
            try:
                build()
            except ConfigError as problem:
                found.append(problem)
        return found

    def _parents(self, parameter: str) -> bool:
        return matches_subdomains(self._settings[p.PARENT_DOMAIN_MATCHES_SUBDOMAINS], parameter)

    @cached_property
    def mynetworks(self) -> NameAddrList:
        """The clients we trust."""
        return NameAddrList.of(self._settings[p.MYNETWORKS], self._parents("mynetworks"), self._lookups,
                               strict=self._strict)

    @cached_property
    def mx_backup_networks(self) -> AddressList | None:
        """Networks whose primary MX may make us its backup; None: any."""
        words = self._settings[p.PERMIT_MX_BACKUP_NETWORKS]
        return AddressList.of(words, self._lookups, strict=self._strict) if words else None

    @cached_property
    def logged_permits(self) -> StringList | None:
        """Actions that are logged when they permit; None: none."""
        words = self._settings[p.SMTPD_LOG_ACCESS_PERMIT_ACTIONS]
        return StringList.of(words, self._lookups, strict=self._strict) if words else None

    @cached_property
    def access_parents(self) -> bool:
        """Does example.com in an access table cover sub-domains (otherwise .example.com does)?"""
        return self._parents("smtpd_access_maps")

    @cached_property
    def sender_logins(self) -> Maps:
        """Sender -> logins that own it."""
        return Maps.of(self._settings[p.SMTPD_SENDER_LOGIN_MAPS], self._lookups)

    @cached_property
    def relay_certificates(self) -> Maps:
        """Fingerprints of client certificates that may relay."""
        return Maps.of(self._settings[p.RELAY_CLIENTCERTS], self._lookups)

    @cached_property
    def rbl_replies(self) -> Maps:
        """DNS list -> reply template."""
        return Maps.of(self._settings[p.RBL_REPLY_MAPS], self._lookups)

    @cached_property
    def interfaces(self) -> frozenset[tuple[int, int]]:
        """Our own addresses ($inet_interfaces) as (version, number)."""
        own = (address_number(str(interface.ip)) for interface in own_interfaces(self._settings))
        return frozenset(own) - {(0, 0)}

    @cached_property
    def own_addresses(self) -> frozenset[tuple[int, int]]:
        """The same and those we are reached under from elsewhere ($proxy_interfaces)."""
        proxies = (address_number(word.text.strip("[]")) for word in self._settings[p.PROXY_INTERFACES])
        return (self.interfaces | frozenset(proxies)) - {(0, 0)}

    @cached_property
    def checks_listing(self) -> bool:
        """Are addresses of ours looked for in the tables of their class (receive_override_options)?"""
        options = {word.text.lower() for word in self._settings[p.RECEIVE_OVERRIDE_OPTIONS]}
        return "no_unknown_recipient_checks" not in options

    @cached_property
    def relay_domains_by_default(self) -> bool:
        """Is relay_domains what it was before compatibility level 2, without the operator having said so?"""
        return (not self._settings.is_set(p.RELAY_DOMAINS)
                and level(self._settings[p.COMPATIBILITY_LEVEL]) < (2,))


def level(text: str) -> tuple[int, ...]:
    """A compatibility level such as 3.6, to be compared; what does not read counts as 0."""
    numbers = text.strip().split(".")
    return tuple(map(int, numbers)) if all(each.isdigit() for each in numbers) else (0,)
