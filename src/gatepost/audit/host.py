"""Which host is rehearsed? A service's settings without the machine they happen to be read on, and who lives there.

What Postfix would find out about its machine (name, interfaces, networks) is supposed instead, so that an audit says
the same everywhere. A domain that the host serves is found in its lists, and users are supposed to exist there, so that
dialogues can be addressed to somebody. This file must not know SMTP nor what a rehearsal does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import gatepost.config.parameters as p
from gatepost.audit.favour import Favour
from gatepost.audit.subject import UNKNOWN
from gatepost.audit.supposed import INDEXED, Read, Supposed, nothing
from gatepost.config.parameter import Parameter, Word, split_list
from gatepost.config.settings import Settings
from gatepost.lookup.tables.source import Entry, read_source
from gatepost.span import ConfigError

USERS = ("user", "other", "third", "postmaster", "abuse", "box", "info", "known")
"""Local parts that exist; the users of dialogues/base/main.cf."""
DOMAIN = "example.com"  # served where no served domain can be found
LISTS = (p.MYDESTINATION, p.VIRTUAL_MAILBOX_DOMAINS, p.VIRTUAL_ALIAS_DOMAINS, p.RELAY_DOMAINS, p.MYNETWORKS,
         p.SMTPD_FORBID_BARE_NEWLINE_EXCLUSIONS, p.SMTPD_AUTHORIZED_XCLIENT_HOSTS, p.SMTPD_AUTHORIZED_XFORWARD_HOSTS,
         p.SMTPD_CLIENT_EVENT_LIMIT_EXCEPTIONS, p.SMTPD_SASL_EXCEPTIONS_NETWORKS, p.PERMIT_MX_BACKUP_NETWORKS,
         p.FAST_FLUSH_DOMAINS)
"""Match lists: items that are /files are read where they can be, and left out otherwise."""
RELAY = "permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination"
"""The default of smtpd_relay_restrictions since Postfix 2.10; where compatibility_level takes it away and nothing is
said instead smtpd does not start, and a rehearsal would say nothing of the rest."""
SERVED = (p.VIRTUAL_MAILBOX_DOMAINS, p.MYDESTINATION, p.RELAY_DOMAINS)
RECIPIENTS = (p.LOCAL_RECIPIENT_MAPS, p.VIRTUAL_MAILBOX_MAPS, p.RELAY_RECIPIENT_MAPS)
CERTIFICATES = (p.SMTPD_TLS_CHAIN_FILES, p.SMTPD_TLS_CERT_FILE, p.SMTPD_TLS_ECCERT_FILE, p.SMTPD_TLS_DCERT_FILE)


@dataclass(frozen=True, slots=True)
class Host:
    """The host of one service: `domain` is one that it serves, `login` a user that can log in."""

    settings: Settings
    lookups: Supposed
    hostname: str
    domain: str
    has_certificate: bool

    @property
    def login(self) -> str:
        """A user name."""
        return f"{USERS[0]}@{self.domain}"


def host(settings: Settings, read: Read = nothing, favoured: Favour | None = None) -> Host:
    """The host as one service's clients meet it; `favoured`: what else is supposed. Never fails: what does not read is
    left out."""
    replaced: dict[str, str] = {"inet_interfaces": "127.0.0.1"}
    if not settings.is_set(p.GATEPOST_COMPATIBILITY):
        replaced["gatepost_compatibility"] = "postfix"
    if _stands_in(settings, p.MYHOSTNAME):
        replaced["myhostname"] = f"mail.{settings.text('mydomain') if settings.is_set(p.MYDOMAIN) else DOMAIN}"
    if _stands_in(settings, p.MYNETWORKS):
        style = _text(settings, p.MYNETWORKS_STYLE)
        replaced["mynetworks"] = "127.0.0.1/32 [::1]/128" if style == "host" else "127.0.0.0/8 [::1]/128"
    if (_text(settings, p.MYORIGIN) or "").startswith("/"):
        replaced["myorigin"] = "$myhostname"
    if not _is_said(settings, p.SMTPD_RELAY_RESTRICTIONS) and not _is_said(settings, p.SMTPD_RECIPIENT_RESTRICTIONS):
        replaced["smtpd_relay_restrictions"] = RELAY
    told = settings.replace(replaced)
    for parameter in LISTS:
        items = _items(told, parameter)
        if any(item.lstrip("!").startswith("/") for item in items):
            replaced[parameter.name] = " ".join(_spread(items, read))
    told = settings.replace(replaced)
    hostname = told.text("myhostname") or DOMAIN
    domain = next(_served(told, read, hostname), "")
    if not domain:
        domain = DOMAIN
        replaced["mydestination"] = f"{_text(told, p.MYDESTINATION) or ''} {DOMAIN}"
        told = settings.replace(replaced)
    certificate = any((_text(told, each) or "none") != "none" for each in CERTIFICATES)
    lookups = Supposed(told, read, _known(told, domain)) if favoured is None else Supposed(
        told, read, {**_known(told, domain), **favoured.tables}, servers=favoured.servers, listed=favoured.listed)
    if favoured is not None and favoured.told:
        lookups.suppose(favoured.told)
    return Host(told, lookups, hostname, domain, certificate)


def _stands_in(settings: Settings, parameter: Parameter[Any]) -> bool:
    """Is it not set, or only by the stand-in of a subject that was not told?"""
    written = settings.written(parameter)
    return not settings.is_set(parameter) or (
        written is not None and not written.runs and written.text == UNKNOWN.get(parameter.name))


def _is_said(settings: Settings, parameter: Parameter[Any]) -> bool:
    """Is the list set, or does it have a default?"""
    return settings.is_set(parameter) or bool(_text(settings, parameter))


def _text(settings: Settings, parameter: Parameter[Any]) -> str | None:
    try:
        return settings.text(parameter.name)
    except ConfigError:
        return None


def _items(settings: Settings, parameter: Parameter[tuple[Word, ...]]) -> list[str]:
    try:
        return [word.text for word in settings[parameter]]
    except ConfigError:
        return []


def _spread(items: list[str], read: Read) -> Iterator[str]:
    """The items, those of /files in their place."""
    for item in items:
        path = item.lstrip("!")
        if not path.startswith("/"):
            yield item
            continue
        found = read(path)
        lines = found[1].splitlines() if found is not None else []
        for line in lines:
            if not line.lstrip().startswith("#"):
                yield from (item[: len(item) - len(path)] + word for _, word in split_list(line))


def _served(settings: Settings, read: Read, hostname: str) -> Iterator[str]:
    """Domains that mail comes for: those that are no host name first."""
    last = []
    for parameter in SERVED:
        for item in _items(settings, parameter):
            for name in _names(item, read):
                if name == hostname:
                    last.append(name)
                elif "." in name and not name.startswith(("localhost", ".", "[")):
                    yield name
    yield from last


def _names(item: str, read: Read) -> Iterator[str]:
    """The domains that one item of a list stands for, as far as they are text."""
    kind, colon, name = item.partition(":")
    if not colon:
        if not item.startswith("!") and "/" not in item:
            yield item.lower()
        return
    found = read(name) if kind in INDEXED else None
    for entry in read_source(found[1], lambda _: None) if found is not None else ():
        if isinstance(entry, Entry) and "@" not in entry.key:
            yield entry.key


def _known(settings: Settings, domain: str) -> Mapping[str, Mapping[str, str]]:
    """What tables are supposed to hold: the users, and who may send as whom."""
    users = {name: "x" for user in USERS for name in (user, f"{user}@{domain}")}
    known = {item: users for parameter in RECIPIENTS for item in _items(settings, parameter)}
    login = f"{USERS[0]}@{domain}"
    return known | {item: {login: login} for item in _items(settings, p.SMTPD_SENDER_LOGIN_MAPS)}
