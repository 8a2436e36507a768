"""How much does one client ask of us? Postfix's anvil: connections, and events per window, by service and client range.

A rate is the number of events since the current window began; when `window` seconds have passed since then, the next
event begins a new one at zero (not a sliding window). All rates of a client share one window. The caller compares
(`count > limit`, 0: no limit), and does not come here for clients that smtpd_client_event_limit_exceptions names.
A client is service and address, masked to the prefix lengths. Who left is forgotten when the window is over, so that
memory follows the clients of the last window. This file must not know limits, replies or log.
"""

from __future__ import annotations

import functools
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

from gatepost.config import parameters as p
from gatepost.config.settings import Settings

CONNECTION, MESSAGE, RECIPIENT, NEW_TLS, AUTH = range(5)
RATES = ("connection", "message", "recipient", "newtls", "auth")  # as the statistics call them


@functools.lru_cache(maxsize=8192)
def client_range(address: str, ipv4_prefix: int, ipv6_prefix: int) -> str:
    """The range that counts as one client: the bare address, or `network/prefix` when the prefix is not whole."""
    family, prefix = (socket.AF_INET6, ipv6_prefix) if ":" in address else (socket.AF_INET, ipv4_prefix)
    try:
        packed = socket.inet_pton(family, address)
    except (OSError, ValueError):
        return address
    spare = len(packed) * 8 - prefix
    if spare <= 0:
        return address
    masked = int.from_bytes(packed, "big") >> spare << spare
    return f"{socket.inet_ntop(family, masked.to_bytes(len(packed), 'big'))}/{prefix}"


class _Client:
    """What one client did."""

    __slots__ = ("began", "connections", "rates")

    def __init__(self, began: float) -> None:
        self.began = began
        self.connections = 0
        self.rates = [0] * len(RATES)


@dataclass(slots=True)
class _Peak:
    """The highest value since the last statistics: what, whose, when (seconds since the epoch)."""

    value: int = 0
    client: str = ""
    at: float = 0.0

    def note(self, value: int, client: str, at: float) -> None:
        if value > self.value:
            self.value, self.client, self.at = value, client, at


class Limits:
    """The counters of one process. Times in seconds."""

    def __init__(
        self,
        window: float = 60.0,
        ipv4_prefix: int = 32,
        ipv6_prefix: int = 84,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.window = window
        self.ipv4_prefix = ipv4_prefix
        self.ipv6_prefix = ipv6_prefix
        self._clock = clock
        self._wall = wall
        self._clients: dict[str, _Client] = {}
        self._next_sweep = clock() + window
        self._forget_peaks()

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        """As main.cf says. The prefix lengths hold for every service."""
        return cls(
            settings[p.ANVIL_RATE_TIME_UNIT],
            settings[p.SMTPD_CLIENT_IPV4_PREFIX_LENGTH],
            settings[p.SMTPD_CLIENT_IPV6_PREFIX_LENGTH],
        )

    def __len__(self) -> int:
        return len(self._clients)

    def enter(self, service: str, address: str) -> tuple[int, int]:
        """A connection -> (connections at once, connection rate), this one included. leave() must follow."""
        now = self._clock()
        if now >= self._next_sweep:
            self._sweep(now)
        name = self._name(service, address)
        client = self._clients.get(name)
        if client is None:
            client = self._clients[name] = _Client(now)
            self._most_clients.note(len(self._clients), "", self._wall())
        client.connections += 1
        self._most_connections.note(client.connections, name, self._wall())
        return client.connections, self._count(client, name, CONNECTION, now)

    def leave(self, service: str, address: str) -> None:
        """A connection that entered has ended."""
        client = self._clients.get(self._name(service, address))
        if client is not None and client.connections > 0:
            client.connections -= 1

    def message(self, service: str, address: str) -> int:
        """A MAIL command -> message rate."""
        return self._event(service, address, MESSAGE)

    def recipient(self, service: str, address: str) -> int:
        """A RCPT or VRFY command -> recipient rate."""
        return self._event(service, address, RECIPIENT)

    def auth(self, service: str, address: str) -> int:
        """An AUTH command -> auth rate."""
        return self._event(service, address, AUTH)

    def new_tls(self, service: str, address: str) -> int:
        """A handshake that resumed nothing -> rate of new TLS sessions."""
        return self._event(service, address, NEW_TLS)

    def new_tls_so_far(self, service: str, address: str) -> int:
        """The rate of new TLS sessions, nothing counted: asked before a handshake."""
        client = self._clients.get(self._name(service, address))
        if client is None or self._clock() - client.began >= self.window:
            return 0
        return client.rates[NEW_TLS]

    def statistics(self) -> list[str]:
        """Anvil's lines about the peaks since the last call (log them at anvil_status_update_time)."""
        self._sweep(self._clock())
        lines = []
        unit = f"{self.window:g}s"
        for kind, peak in zip(RATES, self._highest, strict=True):
            if peak.value:
                lines.append(f"statistics: max {kind} rate {peak.value}/{unit} for ({peak.client}) at {_at(peak)}")
            if kind == "connection" and self._most_connections.value:
                most = self._most_connections
                lines.append(f"statistics: max connection count {most.value} for ({most.client}) at {_at(most)}")
        if self._most_clients.value:
            lines.append(f"statistics: max cache size {self._most_clients.value} at {_at(self._most_clients)}")
        self._forget_peaks()
        return lines

    def _name(self, service: str, address: str) -> str:
        return f"{service}:{client_range(address, self.ipv4_prefix, self.ipv6_prefix)}"

    def _event(self, service: str, address: str, kind: int) -> int:
        now = self._clock()
        name = self._name(service, address)
        client = self._clients.get(name)
        if client is None:
            client = self._clients[name] = _Client(now)
        return self._count(client, name, kind, now)

    def _count(self, client: _Client, name: str, kind: int, now: float) -> int:
        rates = client.rates
        if now - client.began >= self.window:
            client.began = now
            rates[:] = [0] * len(RATES)
        rates[kind] += 1
        peak = self._highest[kind]
        if rates[kind] > peak.value:
            peak.note(rates[kind], name, self._wall())
        return rates[kind]

    def _sweep(self, now: float) -> None:
        over = now - self.window
        gone = [name for name, client in self._clients.items() if not client.connections and client.began <= over]
        for name in gone:
            del self._clients[name]
        self._next_sweep = now + self.window

    def _forget_peaks(self) -> None:
        self._highest = [_Peak() for _ in RATES]
        self._most_connections, self._most_clients = _Peak(), _Peak()


def _at(peak: _Peak) -> str:
    """Month, day, time, as in a log line."""
    return time.ctime(peak.at)[4:19]
