"""What is the client's name? Address to name and back, by the system's resolver as Postfix does it.

Postfix smtpd_peer(3), reference section 1.1: getnameinfo(3) gives the reverse name, which counts only when
getaddrinfo(3) leads from it back to the address; so /etc/hosts and nsswitch.conf have their say. Contract: never an
exception; what went wrong is a status code and, where Postfix warns, a warning. This file must not ask the DNS itself.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from gatepost.lookup.patterns import address_number
from gatepost.smtp.grammar import valid_hostname

OK, TEMPORARY, PERMANENT, FORGED = 2, 4, 5, 6
"""Postfix's codes for how a name lookup ended."""

THREADS = 16  # lookups under way at once: each blocks a thread for as long as the system's resolver takes

TEMPORARY_ERRORS = (socket.EAI_AGAIN, socket.EAI_MEMORY, socket.EAI_SYSTEM)


@dataclass(frozen=True, slots=True)
class Peer:
    """The verified name and the reverse name, each "unknown" when there is none, with their status codes."""

    name: str = "unknown"
    reverse_name: str = "unknown"
    status: int = PERMANENT
    reverse_status: int = PERMANENT
    warning: str = ""  # to be logged; "" for nothing


def system_name(address: str) -> str:
    """The name of an address, or OSError (socket.gaierror)."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sockaddr = (address, 0, 0, 0) if family == socket.AF_INET6 else (address, 0)
    return socket.getnameinfo(sockaddr, socket.NI_NAMEREQD)[0]


def system_addresses(name: str, version: int) -> Sequence[str]:
    """The addresses of a name in the client's IP version, or OSError (socket.gaierror)."""
    family = socket.AF_INET6 if version == 6 else socket.AF_INET
    return [str(entry[4][0]) for entry in socket.getaddrinfo(name, None, family, socket.SOCK_STREAM)]


class Peers:
    """Looks up clients' names in threads of its own."""

    __slots__ = ("_addresses_of", "_name_of", "_threads")

    def __init__(self, name_of: Callable[[str], str] = system_name,
                 addresses_of: Callable[[str, int], Sequence[str]] = system_addresses) -> None:
        self._name_of = name_of
        self._addresses_of = addresses_of
        self._threads = ThreadPoolExecutor(THREADS, "peer-name")

    async def peer(self, address: str) -> Peer:
        """The name of the client at an IP address."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self.look_up, address)

    def look_up(self, address: str) -> Peer:
        """The same, in the calling thread."""
        try:
            name = self._name_of(address)
        except OSError as problem:
            status = _status(problem, PERMANENT)
            return Peer(status=status, reverse_status=status)
        if address_number(name)[0]:
            return Peer(warning=f"numeric result {name} in address->name lookup for {address}")
        if not valid_hostname(name):
            return Peer()
        doubt = f"hostname {name} does not resolve to address {address}"
        wanted = address_number(address)
        try:
            addresses = self._addresses_of(name, wanted[0])
        except OSError as problem:
            return Peer("unknown", name, _status(problem, FORGED), OK, f"{doubt}: {problem.strerror}")
        if wanted not in map(address_number, addresses):
            return Peer("unknown", name, FORGED, OK, doubt)
        return Peer(name, name, OK, OK)

    def close(self) -> None:
        """Take no more questions; threads that still wait for the system end by themselves."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _status(problem: OSError, otherwise: int) -> int:
    return TEMPORARY if problem.errno in TEMPORARY_ERRORS else otherwise
