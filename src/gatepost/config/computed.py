"""Which defaults are found out rather than written down? One function for each, asked when the value is first used.

The rules are Postfix's, as documented in postconf(5). Nothing here runs at import.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

import gatepost.config.parameters as p
from gatepost.config.interfaces import Interface, local_interfaces

if TYPE_CHECKING:
    from gatepost.config.settings import Settings


def _myhostname(settings: Settings) -> str:
    """The host's name; without a dot in it, $mydomain is put behind."""
    name = socket.gethostname()
    if "." in name:
        return name
    return f"{name}.{settings[p.MYDOMAIN] if settings.is_set(p.MYDOMAIN) else 'localdomain'}"


def _mydomain(settings: Settings) -> str:
    """$myhostname without its first label, or localdomain."""
    _, dot, domain = settings[p.MYHOSTNAME].partition(".")
    return domain if dot and domain else "localdomain"


def own_interfaces(settings: Settings) -> tuple[Interface, ...]:
    """The addresses this host receives mail on ($inet_interfaces within $inet_protocols), with prefix lengths.

    Names in inet_interfaces are looked up in the system's resolver; an address that no interface has counts as a
    network of its own.
    """
    protocols = {word.text.lower() for word in settings[p.INET_PROTOCOLS]}
    versions = {version for version, name in ((4, "ipv4"), (6, "ipv6")) if {"all", name} & protocols}
    local = local_interfaces()
    found: list[Interface] = []
    for word in settings[p.INET_INTERFACES]:
        match word.text.lower():
            case "all":
                found += local
            case "loopback-only":
                found += [interface for interface in local if interface.is_loopback]
            case name:
                found += [_with_prefix(address, local) for address in _addresses(name)]
    return tuple(interface for interface in dict.fromkeys(found) if interface.version in versions)


def _addresses(name: str) -> list[str]:
    bare = name.removeprefix("[").removesuffix("]")
    try:
        return [str(ipaddress.ip_address(bare))]
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(bare, None, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return list(dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found))


def _with_prefix(address: str, local: tuple[Interface, ...]) -> Interface:
    for interface in local:
        if str(interface.ip) == address:
            return interface
    return ipaddress.ip_interface(address)


CLASS_PREFIXES = ((128, 8), (192, 16), (224, 24), (256, 32))
"""First octet below -> prefix length: the historical classes A to D, for mynetworks_style = class."""


def _mynetworks(settings: Settings) -> str:
    """The networks of our own interfaces, in the way $mynetworks_style says."""
    style = settings[p.MYNETWORKS_STYLE]
    networks: list[str] = []
    for interface in own_interfaces(settings):
        network = interface.network
        if style == "host":
            network = ipaddress.ip_network(interface.ip)
        elif style == "class" and interface.version == 4:
            first = interface.ip.packed[0]
            prefix = next(prefix for below, prefix in CLASS_PREFIXES if first < below)
            network = ipaddress.ip_network((interface.ip, prefix), strict=False)
        address = str(network.network_address)
        networks.append(f"[{address}]/{network.prefixlen}" if network.version == 6 else str(network))
    return " ".join(dict.fromkeys(networks))


def _config_directory(settings: Settings) -> str:
    return settings.directory or "/etc/postfix"


def _service_name(settings: Settings) -> str:
    return settings.service


COMPUTED: dict[str, Callable[[Settings], str]] = {
    "myhostname": _myhostname,
    "mydomain": _mydomain,
    "mynetworks": _mynetworks,
    "config_directory": _config_directory,
    "service_name": _service_name,
    "process_id": lambda _: str(os.getpid()),
}
"""Parameter name -> its default here and now. Their declared default is only shown in documentation."""
