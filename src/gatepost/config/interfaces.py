"""Which addresses does this machine have? Asked of the kernel once, for mynetworks and inet_interfaces.

Linux: one RTM_GETADDR dump over netlink (rtnetlink(7)). Where that is not to be had, only loopback is known, which
trusts nobody else. This file must not know any parameter.
"""

from __future__ import annotations

import functools
import ipaddress
import socket
import struct

Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface

RTM_GETADDR, RTM_NEWADDR, NLMSG_DONE, NLMSG_ERROR = 22, 20, 3, 2
REQUEST_DUMP = 0x301
IFA_ADDRESS, IFA_LOCAL = 1, 2
LOOPBACK: tuple[Interface, ...] = (ipaddress.IPv4Interface("127.0.0.1/8"), ipaddress.IPv6Interface("::1/128"))


@functools.cache
def local_interfaces() -> tuple[Interface, ...]:
    """Own addresses with their prefix lengths, IPv4 first, each once."""
    try:
        found = _dump()
    except (OSError, AttributeError, struct.error):
        return LOOPBACK
    return tuple(sorted(dict.fromkeys(found), key=lambda interface: interface.version)) or LOOPBACK


def _dump() -> list[Interface]:
    interfaces: list[Interface] = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as kernel:
        kernel.settimeout(2)
        header = struct.pack("=IHHII", 24, RTM_GETADDR, REQUEST_DUMP, 1, 0)
        kernel.sendto(header + struct.pack("=BBBBI", socket.AF_UNSPEC, 0, 0, 0, 0), (0, 0))
        while True:
            answer = kernel.recv(65536)
            at = 0
            while at + 16 <= len(answer):
                length, kind = struct.unpack_from("=IH", answer, at)
                if kind in (NLMSG_DONE, NLMSG_ERROR) or length < 16:
                    return interfaces
                if kind == RTM_NEWADDR and (interface := _interface(answer[at + 16 : at + length])):
                    interfaces.append(interface)
                at += (length + 3) & ~3


def _interface(message: bytes) -> Interface | None:
    """Read one RTM_NEWADDR: struct ifaddrmsg and its attributes."""
    prefix = message[1]
    attributes: dict[int, bytes] = {}
    at = 8
    while at + 4 <= len(message):
        length, kind = struct.unpack_from("=HH", message, at)
        if length < 4:
            break
        attributes[kind] = message[at + 4 : at + length]
        at += (length + 3) & ~3
    # On point-to-point links IFA_ADDRESS is the peer; IFA_LOCAL is ours where it is given.
    address = attributes.get(IFA_LOCAL) or attributes.get(IFA_ADDRESS)
    if address is None:
        return None
    if len(address) == 4:
        return ipaddress.IPv4Interface((address, prefix))
    return ipaddress.IPv6Interface((address, prefix))
