"""Whom does a permit let by, and can a stranger be one of them?

A permit for what a client only says (a HELO name, a sender, a recipient) is one for everybody. One for an address, a
login or a certificate is as broad as its table. This file must not know any rule.
"""

from __future__ import annotations

import ipaddress
import re

from gatepost.audit.flow import Item, May, Reader, Who
from gatepost.audit.networks import Network, is_inside, network_of
from gatepost.audit.table import Row

SAID = ("check_helo_access", "check_sender_access", "check_recipient_access", "check_etrn_access")
"""Checks of what a client says, and may lie about."""
ADDRESSES_V4, ADDRESSES_V6 = 16, 32  # prefixes shorter than these are no longer somebody's own network
CONTAINERS = ipaddress.IPv4Network("172.16.0.0/12")
"""Where container networks are made when nobody says otherwise, one /16 each."""


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
    network = network_of(row.key)
    if network is not None:
        return is_wide(network)
    return bool(re.fullmatch(r"\d{1,3}\.?|/\^?\.?\*?\$?/|/\./", row.key))


def is_wide(network: Network) -> bool:
    """Is it a network of the Internet that nobody has to himself?"""
    return not is_inside(network) and network.prefixlen < (ADDRESSES_V4 if network.version == 4 else ADDRESSES_V6)


def is_of_containers(network: Network) -> bool:
    """Is it a whole network of containers, or the gateway of one, which stands for clients whose address got lost?"""
    if not isinstance(network, ipaddress.IPv4Network) or not network.overlaps(CONTAINERS):
        return False
    return 8 < network.prefixlen <= 16 or str(network).endswith(".0.1/32")
