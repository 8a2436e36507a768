"""Which servers take mail for this next hop? From transport(5) syntax and DNS to addresses in the order of trying.

`[host]`, `[host]:port`, `host`, `host:port`, `unix:path`, `inet:host:port`, and lists of them; without brackets MX
records decide (RFC 5321 5.1): by preference, at random among equals, addresses of the name itself when there is no
MX, nothing when the MX is null (RFC 7505), and only servers better than ourselves when we are one of them. This file
must not know how mail is handed over.
"""

from __future__ import annotations

import asyncio
import ipaddress
import random
import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gatepost.deliver.wire import Endpoint
from gatepost.lookup.ask import DnsFailure, DnsStatus, Lookups, MailExchanger

_HOP = re.compile(r"(?P<open>\[)?(?P<host>(?(open)[^\]]+|[^:\s]+))(?(open)\])(?::(?P<port>[0-9A-Za-z-]+))?")


@dataclass(frozen=True, slots=True)
class Unreachable:
    """No server: enhanced status code and text; its class says whether for good."""

    dsn: str
    text: str


@dataclass(frozen=True, slots=True)
class Finder:
    """How servers are found. `is_own`: whether an IP address is this machine's (loops); `native`: ask the system's
    resolver for host addresses (/etc/hosts); `mx`: ask for MX records at all (disable_dns_lookups = no)."""

    lookups: Lookups
    port: int = 25
    mx: bool = True
    native: bool = False
    shuffle: bool = True
    is_own: Callable[[str], bool] = lambda address: False
    own_names: frozenset[str] = frozenset()
    myhostname: str = "localhost"
    unix_directory: str = ""  # where a relative unix: path begins

    async def find(self, nexthop: str) -> list[Endpoint] | Unreachable:
        """Servers in the order of trying; never an empty list."""
        found: list[Endpoint] = []
        failure: Unreachable | None = None
        for hop in re.split(r"[, \t]+", nexthop.strip()) if not nexthop.startswith("unix:") else [nexthop]:
            servers = await self._find(hop)
            if isinstance(servers, Unreachable):
                failure = servers
            else:
                found += servers
        return found or failure or Unreachable("4.4.4", f"no server for {nexthop}")

    async def _find(self, hop: str) -> list[Endpoint] | Unreachable:
        if hop.startswith("unix:"):
            path = hop.removeprefix("unix:")
            if not path.startswith("/") and self.unix_directory:
                path = f"{self.unix_directory}/{path}"
            return [Endpoint(self.myhostname, path)]
        inet = hop.startswith("inet:")
        read = _HOP.fullmatch(hop.removeprefix("inet:"))
        port = self._port(read["port"]) if read else None
        if read is None or port is None:
            return Unreachable("4.3.5", f"mail system configuration error: bad next hop: {hop}")
        host = read["host"].lower().rstrip(".")
        address = _address(host, literal=bool(read["open"]))
        if address is not None:
            return [Endpoint(address, address, port)]
        if read["open"] or inet or not self.mx:
            servers = await self._addresses(host, port)
        else:
            servers = await self._exchangers(host, port)
        return servers

    def _port(self, text: str | None) -> int | None:
        if text is None:
            return self.port
        if text.isdigit():
            return int(text) if 0 < int(text) < 65536 else None
        try:
            return socket.getservbyname(text, "tcp")
        except OSError:
            return None

    async def _exchangers(self, domain: str, port: int) -> list[Endpoint] | Unreachable:
        try:
            records = list(await self.lookups.mx(domain))
        except DnsFailure as failure:
            if failure.status is DnsStatus.NOT_FOUND:
                return await self._addresses(domain, port)
            return _dns_failed(failure, domain, "MX")
        if records and all(record.host in ("", ".") for record in records):
            return Unreachable("5.1.10", f"Domain {domain} does not accept mail (nullMX)")
        if self.shuffle:
            random.shuffle(records)
        records.sort(key=lambda record: record.preference)
        return await self._servers(domain, records, port) if records else await self._addresses(domain, port)

    async def _servers(self, domain: str, records: Sequence[MailExchanger], port: int) -> list[Endpoint] | Unreachable:
        found: list[tuple[int, Endpoint]] = []
        failed: Unreachable | None = None
        ours: int | None = None  # the preference of our own record
        for record in records:
            if ours is not None and record.preference > ours:
                break
            servers = await self._addresses(record.host, port)
            if isinstance(servers, Unreachable):
                failed = servers
            elif port == 25 and (record.host in self.own_names or any(self.is_own(one.address) for one in servers)):
                ours = record.preference
            else:
                found += ((record.preference, server) for server in servers)
        if ours is not None:
            # Servers that are no better than we are would send it back to us (RFC 5321 5.1).
            found = [(preference, server) for preference, server in found if preference < ours]
            if not found:
                return Unreachable("5.4.6", f"mail for {domain} loops back to myself")
        return [server for _, server in found] or failed or Unreachable("4.4.4", f"no mail servers for {domain}")

    async def _addresses(self, host: str, port: int) -> list[Endpoint] | Unreachable:
        if self.native or host == "localhost":
            return await _system_addresses(host, port)
        try:
            found = list(await self.lookups.addresses(host))
        except DnsFailure as failure:
            return _dns_failed(failure, host, "A")
        if self.shuffle:
            random.shuffle(found)
        return [Endpoint(host, address, port) for address in found]


def _address(host: str, *, literal: bool) -> str | None:
    """The host as an IP address, `ipv6:` prefix allowed, when it is one."""
    try:
        return str(ipaddress.ip_address(host.removeprefix("ipv6:") if literal else host))
    except ValueError:
        return None


async def _system_addresses(host: str, port: int) -> list[Endpoint] | Unreachable:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as failure:
        again = failure.errno == socket.EAI_AGAIN
        return Unreachable("4.4.3" if again else "5.4.4",
                           f"unable to look up host {host}: {failure.strerror or 'unknown error'}")
    return [Endpoint(host, str(address[0]), port) for _, _, _, _, address in found]


def _dns_failed(failure: DnsFailure, name: str, kind: str) -> Unreachable:
    lead = f"Host or domain name not found. Name service error for name={name} type={kind}: "
    match failure.status:
        case DnsStatus.NOT_FOUND:
            return Unreachable("5.4.4", lead + "Host not found")
        case DnsStatus.TRY_AGAIN:
            return Unreachable("4.4.3", lead + "Host not found, try again")
        case DnsStatus.MALFORMED:
            return Unreachable("4.4.3", lead + "Malformed or unexpected name server reply")
    return Unreachable("5.7.1", lead + (failure.reason or "DNS reply filter drops all results"))
