"""Whom does a permit let by, and can a stranger be one of them?

A permit for what a client only says (a HELO name, a sender, a recipient) is one for everybody. One for an address, a
login or a certificate is as broad as its table. This file must not know any rule.
"""

from __future__ import annotations

import ipaddress
import re

from gatepost.audit.flow import Item, May, Reader, Who
from gatepost.audit.table import Row

SAID = ("check_helo_access", "check_sender_access", "check_recipient_access", "check_etrn_access")
"""Checks of what a client says, and may lie about."""
ADDRESSES_V4, ADDRESSES_V6 = 16, 32  # prefixes shorter than these are no longer somebody's own network


def whom(item: Item, reader: Reader) -> str:
    """Which strangers the item may permit, in words; "" when it permits nobody, or only whom the operator knows."""
    match item.who:
        case Who.ANYBODY:
            return "everybody"
        case Who.DESTINATION:
            return "everybody who writes to a domain of ours"
        case Who.LISTED:
            return "everybody on somebody else's list"
        case Who.TABLE:
            return _of_table(item, reader)
        case _ if item.name == "permit_tls_all_clientcerts":
            return "everybody with a certificate of any trusted authority"
        case _:
            return ""


def _of_table(item: Item, reader: Reader) -> str:
    if item.table is None or item.table.rows is None:
        said = item.name in SAID
        return f"whom {item.text.split()[-1]} lists" + (" by what they say of themselves" if said else "")
    rows = [row for row in item.table.rows if reader.result(row.value) & May.PERMIT]
    if not rows:
        return ""
    if item.name in SAID:
        return f"everybody who says {rows[0].key or 'anything'}"
    if item.name == "check_client_access" and any(_is_broad(row) for row in rows):
        return "more than one network of clients"
    return ""


def _is_broad(row: Row) -> bool:
    """Does the key stand for more than somebody's own network?"""
    if not row.key:
        return True
    if is_wide(row.key):
        return True
    return row.key.startswith("/") and bool(re.match(r"/\^?\.?\*?\$?/|/\./", row.key))


def is_wide(network: str) -> bool:
    """Is it a network (in any of Postfix's notations) that nobody has to himself?"""
    text = network.strip("[]").replace("]/", "/")
    try:
        found = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return bool(re.fullmatch(r"\d{1,3}\.?", text))
    if found.is_private and found.prefixlen:
        return False
    return found.prefixlen < (ADDRESSES_V4 if found.version == 4 else ADDRESSES_V6)


CONTAINERS = ipaddress.ip_network("172.16.0.0/12")
"""Where container networks are made when nobody says otherwise."""


def is_of_containers(network: str) -> bool:
    """Is it a whole network of containers, or the gateway of one, which stands for clients whose address got lost?"""
    try:
        found = ipaddress.ip_network(network.strip("[]").replace("]/", "/"), strict=False)
    except ValueError:
        return False
    if found.version != 4 or not found.overlaps(CONTAINERS):
        return False
    return found.prefixlen <= 16 or str(found).endswith(".0.1/32")
