"""Who does a trusted peer say the client is? XCLIENT and XFORWARD attributes judged (Postfix XCLIENT_README).

`read` gives a new identity, or the refusal. This file must not know how the attributes came.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, replace

from gatepost.policy.facts import Client, NameStatus
from gatepost.smtp.grammar import valid_hostname
from gatepost.smtp.reply import Reply

UNAVAILABLE, TEMPORARY = "[UNAVAILABLE]", "[TEMPUNAVAIL]"


@dataclass(slots=True)
class Presented:
    """What XCLIENT says about the session besides the client. None: not said."""

    helo: str | None = None
    protocol: str = "SMTP"
    login: str = ""


@dataclass(slots=True)
class Forwarded:
    """What XFORWARD says; "" is unknown."""

    name: str = "unknown"
    address: str = "unknown"
    port: str = "unknown"
    helo: str = ""
    protocol: str = ""
    ident: str = ""
    source: str = ""


def _bad(name: str, value: str) -> Reply:
    return Reply(501, "5.5.4", f"Bad {name} syntax: {value}")


def _address(value: str) -> str | None:
    text = value[5:] if value.upper().startswith("IPV6:") else value
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    if (found.version == 6) != (text is not value):
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return str(mapped or found)


def _port(value: str) -> bool:
    return value.isascii() and value.isdigit() and 0 < int(value) < 65536


def _named(client: Client, name: str, value: str) -> Reply | None:
    """NAME and REVERSE_NAME."""
    reverse = name == "REVERSE_NAME"
    if value.upper() == UNAVAILABLE:
        text, status = "unknown", NameStatus.PERM
    elif value.upper() == TEMPORARY:
        text, status = "unknown", NameStatus.TEMP
    elif valid_hostname(value):
        text, status = value, NameStatus.OK
    else:
        return _bad(name, value)
    if reverse:
        client.reverse_name, client.reverse_name_status = text, status
    else:
        client.name, client.name_status = text, status
        if status is NameStatus.OK:
            client.reverse_name, client.reverse_name_status = text, status
    return None


def xclient(client: Client, attributes: list[tuple[str, str]]) -> tuple[Client, Presented] | Reply:
    """The client that the attributes describe, beginning from who it was."""
    new, presented = replace(client), Presented()
    for name, value in attributes:
        absent = value.upper() in (UNAVAILABLE, TEMPORARY)
        refusal: Reply | None = None
        if name in ("NAME", "REVERSE_NAME"):
            refusal = _named(new, name, value)
        elif name in ("ADDR", "DESTADDR"):
            found = "unknown" if absent else _address(value)
            if found is None:
                refusal = _bad(name, value)
            elif name == "ADDR":
                new.address = found
            else:
                new.server_address = found
        elif name in ("PORT", "DESTPORT"):
            if not absent and not _port(value):
                refusal = _bad(name, value)
            elif name == "PORT":
                new.port = "unknown" if absent else value
            else:
                new.server_port = "unknown" if absent else value
        elif name == "HELO":
            presented.helo = None if absent else value
        elif name == "PROTO":
            presented.protocol = value.upper()
            refusal = None if presented.protocol in ("SMTP", "ESMTP") else _bad(name, value)
        elif name == "LOGIN":
            presented.login = "" if absent else value
        else:
            refusal = Reply(501, "5.5.4", f"Bad XCLIENT attribute name: {name}")
        if refusal is not None:
            return refusal
    new.namaddr = f"{new.name}[{new.address}]"
    return new, presented


def xforward(known: Forwarded | None, attributes: list[tuple[str, str]]) -> Forwarded | Reply:
    """The original client, for the log and the next hop; the first XFORWARD of a transaction begins from unknown."""
    new = replace(known) if known is not None else Forwarded()
    for name, value in attributes:
        absent = value.upper() in (UNAVAILABLE, TEMPORARY)
        bad = False
        if name == "NAME":
            bad = not absent and not valid_hostname(value)
            new.name = "unknown" if absent else value
        elif name == "ADDR":
            found = "unknown" if absent else _address(value)
            bad = found is None
            new.address = found or "unknown"
        elif name == "PORT":
            bad = not absent and not _port(value)
            new.port = "unknown" if absent else value
        elif name == "PROTO":
            bad = len(value) > 64
            new.protocol = "" if absent else value
        elif name == "HELO":
            new.helo = "" if absent else value
        elif name == "IDENT":
            new.ident = "" if absent else value
        elif name == "SOURCE":
            bad = not absent and value.upper() not in ("LOCAL", "REMOTE")
            new.source = "LOCAL" if absent else value.upper()
        else:
            return Reply(501, "5.5.4", f"Bad XFORWARD attribute name: {name}")
        if bad:
            return _bad(name, value)
    return new
