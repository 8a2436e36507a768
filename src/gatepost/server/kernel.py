"""What does the kernel know of a socket? Addresses as text, and what the peer's TCP has not yet acknowledged.

Linux answers SIOCOUTQ (TIOCOUTQ of tty_ioctl) on any stream socket: for TCP the bytes that are sent but not
acknowledged, for a unix socket those that are not read. Where the call does not exist the answer is always "nothing".
This file must not know what follows from it.
"""

from __future__ import annotations

import fcntl
import socket
import sys
import termios
from typing import Final

LOCAL_ADDRESS: Final = "127.0.0.1"  # what a unix-domain peer counts as (smtpd_peer(3): localhost, port 0)
MEASURES: Final = sys.platform == "linux"

_SIOCOUTQ: Final = termios.TIOCOUTQ
_count: Final = bytearray(4)  # an int of C; the call fills in a buffer faster than it makes one
_NOTHING: Final = bytes(4)
_MAPPED: Final = "::ffff:"


def unacknowledged(fd: int) -> bool:
    """Is anything that we sent on this socket still unacknowledged? False when the system cannot say."""
    if not MEASURES:
        return False
    try:
        fcntl.ioctl(fd, _SIOCOUTQ, _count)
    except OSError:
        return False
    return _count != _NOTHING


def address_and_port(address: object) -> tuple[str, str]:
    """A socket address as text; an IPv4-mapped IPv6 address as IPv4, a unix-domain one as localhost with port 0."""
    if not isinstance(address, tuple):
        return LOCAL_ADDRESS, "0"
    host = str(address[0])
    if host.startswith(_MAPPED) and "." in host:
        host = host[len(_MAPPED) :]
    return host, str(address[1])


def local(sock: socket.socket) -> tuple[str, str]:
    """The server's end."""
    try:
        return address_and_port(sock.getsockname())
    except OSError:
        return "unknown", "unknown"
