"""Whom would a check permit? A client made to fit one item of a list, and what is supposed so that it fits.

For a table whose rows are known, the first row that permits says how the client has to look: its address or name, its
HELO name, its sender. For any other table, a policy server or a DNS allow list it is supposed that it speaks for the
client: whether it ever would is what nobody can tell from the configuration. This file must not know rules.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from gatepost.audit.flow import Item
from gatepost.audit.guest import STRANGER, Guest
from gatepost.audit.table import Row

HELO, SENDER, DOMAIN = "client.example", "a@client.example", "elsewhere.example"
"""The names that dialogues/proofs use for a stranger and for somebody who is not ours."""
PERMITTING = re.compile(r"(ok|\d+|permit)\s*$", re.IGNORECASE)
PATTERNS = ("regexp", "pcre", "cidr")
FAVOURED = ("check_client_access", "check_helo_access", "check_sender_access", "check_recipient_access",
            "check_policy_service", "permit_dnswl_client")


@dataclass(frozen=True, slots=True)
class Favour:
    """`guest`: who comes; `swaps`: texts of a dialogue that become others; `tables`: spec -> key -> value; `servers`:
    endpoint -> answer; `listed`: DNS lists that list it; `told`: what is supposed, "" when nothing had to be."""

    guest: Guest = STRANGER
    swaps: Mapping[str, str] = field(default_factory=dict)
    tables: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    servers: Mapping[str, str] = field(default_factory=dict)
    listed: frozenset[str] = frozenset()
    told: str = ""


def favour(item: Item) -> Favour | None:
    """What makes `item` permit; None when it cannot, or not by anything that a client could be."""
    if not item.permits or item.name not in FAVOURED:
        return None
    if item.name == "check_policy_service":
        endpoint = re.split(r"[\s,]+", (item.argument or "").strip("{} "))[0]
        return Favour(servers={endpoint: "OK"}, told=f"the policy server {endpoint} says OK")
    if item.name == "permit_dnswl_client":
        domain = re.split(r"=", item.argument or "")[0].strip(".")
        return Favour(listed=frozenset((domain,)), told=f"{domain} lists the client")
    table = item.table
    if table is None:
        return None
    rows = table.rows if table.rows is not None and table.kind not in PATTERNS else ()
    for row in rows:
        if row.key and PERMITTING.match(row.value):
            return _of_row(item.name, row)
    keys = (STRANGER.address, STRANGER.name, HELO, SENDER, DOMAIN)
    return Favour(tables={table.spec: dict.fromkeys(keys, "OK")}, told=f"{table.spec} says OK")


def _of_row(name: str, row: Row) -> Favour:
    """The client that this row is about."""
    key = row.key.strip('"')
    if name == "check_client_access":
        if re.fullmatch(r"[0-9.]+", key):
            octets = key.strip(".").split(".")
            address = ".".join((*octets, *("0", "0", "1")[len(octets) - 1 :]))
            return Favour(replace(STRANGER, label=f"a client at {address}", address=address, name=""))
        return Favour(replace(STRANGER, label=f"a client named {key.lstrip('.')}", name=_below(key)))
    if name == "check_helo_access":
        return Favour(swaps={f"EHLO {HELO}": f"EHLO {_below(key)}"})
    if name == "check_sender_access":
        return Favour(swaps={SENDER: _address(key, "a")})
    return Favour(swaps={f"someone@{DOMAIN}": _address(key, "someone")})


def _below(key: str) -> str:
    """A name that a key stands for: `.example.com` stands for what is below."""
    return f"host{key}" if key.startswith(".") else key


def _address(key: str, local: str) -> str:
    if key.endswith("@"):
        return f"{key}{DOMAIN}"
    return key if "@" in key else f"{local}@{_below(key)}"
