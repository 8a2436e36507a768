"""What can go wrong below SMTP? Facts that the connection hands to its performer as Observed(fact).

This file must not know how they are worded in a log.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TlsFailed:
    """The handshake failed: `reason` is "lost connection", "Connection timed out" or the TLS library's words. In
    wrapper mode it comes before Connected. Lost follows."""

    reason: str


@dataclass(frozen=True, slots=True)
class ProxyRefused:
    """No usable PROXY header came: `reason` in Postfix's words (logged as `warning: haproxy read: REASON`). The client
    has been given the 421; no event follows."""

    reason: str


@dataclass(frozen=True, slots=True)
class Broken:
    """The connection broke, in the system's words. Lost follows."""

    reason: str
