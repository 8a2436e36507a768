"""What does screening do here? Each postscreen service with what is in force for it, as rules ask it.

What does not read is left out. This file must not know any rule.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import gatepost.config.parameters as p
from gatepost.audit.listener import Listener
from gatepost.audit.subject import Subject
from gatepost.config.master import Service
from gatepost.config.parameter import Parameter, Word
from gatepost.config.settings import Settings
from gatepost.screen.dnsbl_sites import Site, read_sites
from gatepost.span import ConfigError, Span


@dataclass(frozen=True, eq=False)
class Screen:
    """A service that runs postscreen. `settings`: what is in force for it, its own overrides included."""

    listener: Listener
    service: Service
    settings: Settings
    subject: Subject

    @property
    def name(self) -> str:
        """The entry as `name/type`."""
        return str(self.service)

    @property
    def is_public(self) -> bool:
        """Do strangers come here?"""
        return not self.listener.is_loopback

    def text(self, name: str) -> str:
        """The expanded text of a parameter; "" when it does not expand."""
        try:
            return (self.settings.text(name) or "").strip()
        except ConfigError:
            return ""

    def words(self, parameter: Parameter[tuple[Word, ...]]) -> tuple[Word, ...]:
        """The items of a list; none when it does not expand."""
        try:
            return self.settings[parameter]
        except ConfigError:
            return ()

    def number(self, parameter: Parameter[int]) -> int | None:
        """A number as written, also where it is below what Postfix allows; None when it is none."""
        try:
            return int(self.text(parameter.name))
        except ValueError:
            return None

    @cached_property
    def sites(self) -> tuple[tuple[Word, Site], ...]:
        """The DNS lists that read, with the items that name them."""
        found: list[tuple[Word, Site]] = []
        for word in self.words(p.POSTSCREEN_DNSBL_SITES):
            try:
                found.append((word, read_sites((word,))[0]))
            except ConfigError:
                continue
        return tuple(found)

    @property
    def excuses(self) -> bool:
        """Can a score on allow lists excuse a client from all other tests?"""
        threshold = self.number(p.POSTSCREEN_DNSBL_ALLOWLIST_THRESHOLD) or 0
        return threshold < 0 and sum(site.weight for _, site in self.sites if site.weight < 0) <= threshold

    @property
    def offers_tls(self) -> bool:
        """Does it announce STARTTLS?"""
        level = self.text("postscreen_tls_security_level").lower()
        old = {self.text("postscreen_use_tls").lower(), self.text("postscreen_enforce_tls").lower()}
        return level not in ("", "none") or (not level and "yes" in old)

    @property
    def rejects(self) -> bool:
        """Does the access list say reject to anybody, as far as it is text here?"""
        for word in self.words(p.POSTSCREEN_ACCESS_LIST):
            if word.text.lower() == "reject":
                return True
            if ":" in word.text and any("reject" in row.value.lower().replace(",", " ").split()
                                        for row in self.subject.table(word.text).rows or ()):
                return True
        return False


def screens(subject: Subject) -> list[Screen]:
    """Every service that runs postscreen, in the order of master.cf."""
    return [Screen(listener, listener.screen, listener.screen_settings, subject) for listener in subject.listeners
            if listener.screen is not None and listener.screen_settings is not None]


def settings_together(found: list[Screen], name: str) -> dict[tuple[Span | None, str], list[Screen]]:
    """Screens by the place that sets the parameter, and the service whose override it is ("" = main.cf)."""
    groups: dict[tuple[Span | None, str], list[Screen]] = {}
    for screen in found:
        place = screen.settings.span(name)
        here = screen.name if place is not None and place != screen.subject.main.span(name) else ""
        groups.setdefault((place, here), []).append(screen)
    return groups


def every_setting(subject: Subject, start: str) -> Iterator[tuple[str, str, Span, str]]:
    """Every parameter in force whose name starts so: name, value as written, place, service ("" = main.cf)."""
    for name, entry in subject.main_cf.last().items():
        if name.startswith(start):
            yield name, entry.value.text, entry.span, ""
    for service in subject.services:
        for override in service.overrides:
            if override.name.startswith(start):
                yield override.name, override.value.text, override.span, str(service)
