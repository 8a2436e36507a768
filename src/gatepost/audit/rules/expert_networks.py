"""Rules: networks in lists of clients that Postfix cannot read."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from gatepost.audit.change import ReplaceItem
from gatepost.audit.finding import Finding, Fix, Severity
from gatepost.audit.networks import is_too_wide, network_of, set_lists
from gatepost.audit.rule import rule
from gatepost.audit.subject import Subject
from gatepost.config.parameter import Word
from gatepost.lookup.patterns import Reader
from gatepost.span import ConfigError

LISTS = ("mynetworks", "smtpd_authorized_xclient_hosts", "smtpd_authorized_xforward_hosts",
         "smtpd_client_event_limit_exceptions", "smtpd_forbid_bare_newline_exclusions",
         "postscreen_allowlist_interfaces", "permit_mx_backup_networks", "debug_peer_list", "qmqpd_authorized_clients")
"""Lists of clients in which networks may stand."""
READER = Reader(None, strict=True, blocks=True)


@rule("EXP-20", Severity.HIGH)
def network_that_does_not_read(subject: Subject) -> Iterator[Finding]:
    """A network in a list of clients that Postfix cannot read.

    What: A network with bits behind its mask (`192.168.1.5/24`), a mask that is no number of bits (`/255.255.255.0`) or
    too long, a shortened address (`127/8`), or an IPv6 address without brackets, in `mynetworks` or a list like it.

    Why: Whoever is not matched by an earlier item is answered 451 (`non-null host address bits`, `bad mask value`):
    outgoing mail of that network first of all. An IPv6 address without brackets is read as a table of a type that does
    not exist (measured with Postfix 3.7; postconf(5), mynetworks).

    Bad:
        mynetworks = 127.0.0.0/8, 192.168.1.5/24

    Good:
        mynetworks = 127.0.0.0/8, 192.168.1.0/24, [2001:db8:1::]/64

    Fix: Write the network's first address and the number of its bits; IPv6 addresses stand in brackets.
    """
    for name in LISTS:
        for setting in set_lists(subject, name):
            for word in setting.words:
                bare = word.text.lstrip("!")
                problem = _problem(word, bare)
                network = network_of(bare)
                if not problem or (name == "mynetworks" and network is not None and is_too_wide(network)):
                    continue  # RLY-01 tells about those
                meant = _meant(bare)
                changes = (ReplaceItem(name, word.text, word.text.replace(bare, meant), setting.here),) if meant else ()
                yield Finding("", Severity.HIGH, f"{name}: {problem}, and clients that get there hear 451", word.span,
                              name, setting.here, fix=Fix(f"write {meant}" if meant else "write NETWORK/BITS", changes))


def _problem(word: Word, bare: str) -> str:
    """What is wrong with an item, in words; "" for one that reads, for tables and for files."""
    if bare.startswith(("/", "#")) or not bare:
        return ""
    if ":" in bare and not bare.startswith("["):
        address = re.match(r"[0-9A-Fa-f:.]+", bare)
        if address is None or (network_of(bare) is None and not re.match(r"[0-9A-Fa-f]*:[0-9A-Fa-f]*:", bare)):
            return ""
        return f"{bare} has no brackets and is read as a table"
    try:
        READER.item(word, bare, True)
    except ConfigError as error:
        return error.message if bare in error.message else f"{bare}: {error.message}"
    return ""


def _meant(bare: str) -> str:
    """The network that was meant, as Postfix reads it; "" when it cannot be known."""
    try:
        network = ipaddress.ip_network(bare.replace("[", "").replace("]", ""), strict=False)
    except ValueError:
        return ""
    if network.version == 4:
        return str(network)
    return f"[{network.network_address}]/{network.prefixlen}"
