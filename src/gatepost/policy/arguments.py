"""What stands behind a restriction's name? Its argument, read once at start-up.

A reader takes the text of the following list item and gives what the function wants, or raises BadArgument with the
warning that Postfix logs for it. This file must not know any restriction.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass

import gatepost.config.parameters as p
from gatepost.config.parameter import BadValue, Parameter, split_list
from gatepost.config.settings import Settings
from gatepost.lookup.ask import Delegation, Lookups, Table
from gatepost.policy.restriction import Takes


class BadArgument(Exception):
    """The argument does not read, or is not there. The text is what is logged. `harmless`: without it the restriction
    does nothing; otherwise it answers 451."""

    def __init__(self, text: str, *, harmless: bool = False) -> None:
        super().__init__(text)
        self.harmless = harmless


@dataclass(frozen=True, slots=True)
class CertificateTable:
    """A table of fingerprints, and which are looked up in which order."""

    table: Table
    order: tuple[str, ...]


FINGERPRINTS = ("cert_fingerprint", "pubkey_fingerprint")


@dataclass(frozen=True, slots=True)
class DnsList:
    """A DNS list: `domain` or `domain=d.d.d.d`; `text` as written. Without a filter every answer counts."""

    text: str
    domain: str
    allowed: tuple[frozenset[int], ...] = ()

    def lists(self, address: str) -> bool:
        """Does this A record mean "listed"?"""
        if not self.allowed:
            return True
        octets = ipaddress.IPv4Address(address).packed
        return all(octet in numbers for octet, numbers in zip(octets, self.allowed, strict=True))


@dataclass(frozen=True, slots=True)
class PolicyServer:
    """A policy server with what applies to it alone."""

    delegation: Delegation
    default_action: str
    context: str


def _octets(text: str) -> frozenset[int]:
    """`7`, or `[1;3;5..9]`."""
    inside = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    numbers: set[int] = set()
    for part in inside.split(";"):
        first, _, last = part.partition("..")
        if not first.isdecimal() or not (last or first).isdecimal():
            raise ValueError(part)
        numbers.update(range(int(first), int(last or first) + 1))
    if not numbers or max(numbers) > 255:
        raise ValueError(text)
    return frozenset(numbers)


def dns_list(text: str) -> DnsList:
    """Read `domain[=filter]`."""
    domain, mark, pattern = text.partition("=")
    if not mark:
        return DnsList(text, domain)
    fields = re.findall(r"\[[^\]]*\]|[0-9]+", pattern)
    try:
        if ".".join(fields) != pattern or len(fields) != 4:
            raise ValueError(pattern)
        return DnsList(text, domain, tuple(map(_octets, fields)))
    except ValueError:
        raise BadArgument(f'bad DNS list filter "{pattern}": need four numbers or [number;number..number]') from None


def _table(name: str, text: str | None, settings: Settings, lookups: Lookups) -> Table:
    if text is None or ":" not in text:
        raise BadArgument(f'restriction {name}: bad argument "{text or name}": need maptype:mapname')
    return lookups.table(text)


def _certificate_table(name: str, text: str | None, settings: Settings, lookups: Lookups) -> CertificateTable:
    if text is None or not text.startswith("{"):
        return CertificateTable(_table(name, text, settings, lookups), FINGERPRINTS)
    spec, options = _structured(text)
    order: tuple[str, ...] = FINGERPRINTS
    for option, value in options:
        if option != "search_order":
            raise BadArgument(f'restriction {name}: unknown option "{option}"')
        order = tuple(word.lower() for _, word in split_list(value))
        if not order or set(order) - set(FINGERPRINTS):
            raise BadArgument(f'restriction {name}: bad search_order "{value}"')
    return CertificateTable(_table(name, spec, settings, lookups), order)


def _domain(name: str, text: str | None, settings: Settings, lookups: Lookups) -> DnsList:
    if not text:
        raise BadArgument(f"restriction {name} requires domain name argument", harmless=True)
    return dns_list(text)


def _number(name: str, text: str | None, settings: Settings, lookups: Lookups) -> int:
    if text is None or not text.isdecimal():
        raise BadArgument(f"restriction {name} must be followed by number")
    return int(text)


def _structured(text: str) -> tuple[str, list[tuple[str, str]]]:
    """`{ first, { name = value }, name = value }` -> first and the options."""
    if not text.endswith("}"):
        raise BadArgument(f'missing "}}" in "{text}"')
    items: list[str] = []
    depth = start = 0
    inside = text[1:-1]
    for at, char in enumerate(inside):
        depth += (char == "{") - (char == "}")
        if char == "," and depth == 0:
            items.append(inside[start:at])
            start = at + 1
    first, *rest = (item.strip() for item in [*items, inside[start:]])
    options = []
    for item in filter(None, rest):
        option, mark, value = (item[1:-1] if item.startswith("{") and item.endswith("}") else item).partition("=")
        if not mark:
            raise BadArgument(f'missing "=" after attribute name: "{item}"')
        options.append((option.strip(), _unbraced(value.strip())))
    return first, options


def _unbraced(text: str) -> str:
    return text[1:-1].strip() if text.startswith("{") and text.endswith("}") else text


SERVER_NUMBERS: dict[str, Parameter[int]] = {
    "timeout": p.SMTPD_POLICY_SERVICE_TIMEOUT, "max_idle": p.SMTPD_POLICY_SERVICE_MAX_IDLE,
    "max_ttl": p.SMTPD_POLICY_SERVICE_MAX_TTL, "request_limit": p.SMTPD_POLICY_SERVICE_REQUEST_LIMIT,
    "try_limit": p.SMTPD_POLICY_SERVICE_TRY_LIMIT, "retry_delay": p.SMTPD_POLICY_SERVICE_RETRY_DELAY}
"""What may be said of one server alone, and the parameter that says it of all."""


def _server(name: str, text: str | None, settings: Settings, lookups: Lookups) -> PolicyServer:
    if not text:
        raise BadArgument(f"restriction {name} must be followed by transport:server")
    endpoint, options = _structured(text) if text.startswith("{") else (text, [])
    texts = {"default_action": settings[p.SMTPD_POLICY_SERVICE_DEFAULT_ACTION],
             "policy_context": settings[p.SMTPD_POLICY_SERVICE_POLICY_CONTEXT]}
    numbers: dict[str, int] = {key: settings[parameter] for key, parameter in SERVER_NUMBERS.items()}
    for option, value in options:
        if option in texts:
            texts[option] = value
        elif option in SERVER_NUMBERS:
            try:
                numbers[option] = SERVER_NUMBERS[option].read(SERVER_NUMBERS[option], value)
            except BadValue as problem:
                raise BadArgument(str(problem)) from None
        else:
            raise BadArgument(f'restriction {name}: unknown option "{option}" for {endpoint}')
    delegation = Delegation(_endpoint(name, endpoint, settings), numbers["timeout"], numbers["try_limit"],
                            numbers["retry_delay"], numbers["max_idle"], numbers["max_ttl"], numbers["request_limit"])
    return PolicyServer(delegation, texts["default_action"], texts["policy_context"])


def _endpoint(name: str, text: str, settings: Settings) -> str:
    kind, _, rest = text.partition(":")
    if kind == "inet" and rest:
        return text
    if kind == "unix" and rest:
        return text if rest.startswith("/") else f"unix:{settings[p.QUEUE_DIRECTORY].rstrip('/')}/{rest}"
    raise BadArgument(f'restriction {name}: bad server "{text}": need inet:host:port or unix:path')


def _nothing(name: str, text: str | None, settings: Settings, lookups: Lookups) -> None:
    return None


READERS: dict[Takes, Callable[[str, str | None, Settings, Lookups], object]] = {
    Takes.NOTHING: _nothing, Takes.TABLE: _table, Takes.CERTIFICATE_TABLE: _certificate_table,
    Takes.DOMAIN: _domain, Takes.NUMBER: _number, Takes.SERVER: _server}
