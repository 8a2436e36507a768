"""Who may talk to which service? One listener: the entry of master.cf, what is in force for its clients, its role.

A postscreen service and the smtpd behind it are one listener: clients meet the settings of both. The role says what the
port is for (MX, submission, re-injection), `public` whether strangers can talk to it without logging in. Both are
judged by port, address, overrides and lists. This file must not know any rule.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import gatepost.config.parameters as p
from gatepost.audit.flow import LISTS, Reader, RestrictionList, Who
from gatepost.config.master import Override, Service
from gatepost.config.parameter import Parameter
from gatepost.config.settings import Settings
from gatepost.span import ConfigError, Span

T = TypeVar("T")

PORTS = {"smtp": 25, "mail": 25, "submission": 587, "submissions": 465, "smtps": 465, "urd": 465, "ssmtp": 465,
         "lmtp": 24}


FILTER_SIGNS = frozenset(("content_filter", "smtpd_proxy_filter", "receive_override_options",
                          "smtpd_authorized_xforward_hosts"))
"""What is overridden where a content filter gives mail back (FILTER_README, SMTPD_PROXY_README)."""


class Role(enum.Enum):
    """What a listener is for."""

    MX = "mail from strangers"
    SUBMISSION = "mail from users"
    SMTPS = "mail from users, TLS from the first byte"
    REINJECTION = "mail that a content filter gives back"
    OTHER = "something else"


@dataclass(frozen=True, eq=False)
class Listener:
    """A service that speaks SMTP. `service`: the entry that listens; `settings`: what is in force for a client's
    session (behind postscreen those of the smtpd that it hands to); `screen`: the postscreen entry and its settings, or
    None; `reader` reads its restriction lists."""

    service: Service
    smtpd: Service
    settings: Settings
    screen: Service | None
    screen_settings: Settings | None
    reader: Reader

    @property
    def name(self) -> str:
        """The listening entry as `name/type`."""
        return str(self.service)

    @cached_property
    def address(self) -> str:
        """The address it is bound to as written, without brackets; "" when inet_interfaces says which."""
        host, colon, _ = self.service.name.rpartition(":")
        return host.strip("[]") if colon else ""

    @cached_property
    def port(self) -> int:
        """The TCP port; 0 when it has none, or one with a name that is not known here."""
        if self.service.type != "inet":
            return 0
        port = self.service.name.rpartition(":")[2]
        return int(port) if port.isascii() and port.isdigit() else PORTS.get(port.lower(), 0)

    @cached_property
    def is_loopback(self) -> bool:
        """Can only this host reach it?"""
        if self.service.type not in ("inet", "pass"):
            return True
        if self.address:
            return is_loopback(self.address)
        words = self.value(p.INET_INTERFACES, ())
        return bool(words) and all(word.text.lower() == "loopback-only" or is_loopback(word.text.strip("[]"))
                                   for word in words)

    @cached_property
    def role(self) -> Role:
        """What it is for."""
        if self.is_screened or self.port == 25:
            return Role.MX
        if self.value(p.SMTPD_TLS_WRAPPERMODE, False) or self.port == 465:
            return Role.SMTPS
        if self.port == 587 or self.needs_login:
            return Role.SUBMISSION
        if self._takes_back:
            return Role.REINJECTION
        return Role.OTHER

    @property
    def is_screened(self) -> bool:
        """Does postscreen stand in front?"""
        return self.screen is not None

    @cached_property
    def _takes_back(self) -> bool:
        """Does it look like a filter's way back: only trusted clients let in, and the filter switched off here, or
        what a filter needs switched on? Or is it a port of this host that filters again, which makes a loop?"""
        said = {override.name: override.value.text.strip() for override in self.smtpd.overrides}
        if said.get("content_filter") or said.get("smtpd_proxy_filter"):
            return False  # one of several filters in a row: what comes here is filtered again
        taken = FILTER_SIGNS & said.keys()
        if self.address and self.is_loopback:
            trusting = self.is_locked or "mynetworks" in said
            return bool(taken) or (trusting and bool(self.text("content_filter").strip()))
        return bool(taken) and (self.is_locked or len(taken) > 2)

    @cached_property
    def is_locked(self) -> bool:
        """Do its own lists let in only clients in mynetworks, everybody else being refused?"""
        return any(lets_in == frozenset({Who.NETWORKS}) for lets_in in self._doors)

    @cached_property
    def needs_login(self) -> bool:
        """Do its lists let in only clients that have logged in (or are trusted, or have a certificate)?"""
        ways = {Who.NETWORKS, Who.LOGIN, Who.CERTIFICATE}
        return any(lets_in is not None and Who.LOGIN in lets_in and lets_in <= ways for lets_in in self._doors)

    @cached_property
    def _doors(self) -> list[frozenset[Who] | None]:
        return [self.list(name).lets_in for name in LISTS[:5]]

    @cached_property
    def public(self) -> bool:
        """Can strangers talk to it from outside without logging in? Not a re-injection port, not loopback only."""
        return (self.service.type == "inet" and not self.is_loopback and self.role is not Role.REINJECTION
                and not self.needs_login and not self.is_locked)

    def value(self, parameter: Parameter[T], default: T) -> T:
        """The typed value in force for its clients; `default` when what is written does not read."""
        try:
            return self.settings[parameter]
        except ConfigError:
            return default

    def text(self, name: str) -> str:
        """The expanded text of any parameter; "" when it is neither set nor known, or does not expand."""
        try:
            return self.settings.text(name) or ""
        except ConfigError:
            return ""

    def is_set(self, name: str) -> bool:
        """Did the operator set it, in main.cf or here?"""
        return self.settings.span(name) is not None

    def is_set_here(self, name: str) -> bool:
        """Is it set by an -o override of this service?"""
        return self.override(name) is not None

    def override(self, name: str) -> Override | None:
        """The -o override of that name that is in force."""
        return next((each for each in reversed(self.smtpd.overrides) if each.name == name), None)

    def holder(self, name: str) -> str:
        """The entry of master.cf whose override sets it, as `name/type`; "" when it is main.cf's (or the default)."""
        return str(self.smtpd) if self.is_set_here(name) else ""

    def place(self, name: str) -> Span | None:
        """Where the value in force was set (the parameter's name); None when it is the default."""
        return self.settings.span(name)

    def list(self, name: str) -> RestrictionList:
        """One restriction list as it is in force here. A list whose value does not expand is empty."""
        found = self._lists.get(name)
        if found is None:
            try:
                found = self.reader.read(name, self.place(name))
            except ConfigError:
                found = RestrictionList(name, (), self.place(name))
            self._lists[name] = found
        return found

    @cached_property
    def _lists(self) -> dict[str, RestrictionList]:
        return {}

    @cached_property
    def lists(self) -> tuple[RestrictionList, ...]:
        """All eight, in the order of a session."""
        return tuple(self.list(name) for name in LISTS)

    @cached_property
    def delays_reject(self) -> bool:
        """smtpd_delay_reject."""
        return self.value(p.SMTPD_DELAY_REJECT, True)


def is_loopback(address: str) -> bool:
    """Is it an address of this host only?"""
    return bool(re.match(r"127(\.|$)|::1$|localhost$|::ffff:127\.", address.lower()))


def named(listeners: list[Listener]) -> str:
    """Their services in words: `smtp/inet, submission/inet`."""
    names = [listener.name for listener in listeners]
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
