"""What may be asked of the world outside? One protocol for DNS, tables, policy servers and address verification.

Policy, screening, routing and delivery see only this protocol; the real thing is lookup/world.py, the fake that ships
is lookup/fake.py. Contract: an answer that is at hand is given without suspending (a caller may run a coroutine to its
end with a single send(None)); whatever really waits is awaited through a future or a task of the running loop, never
through a bare coroutine that needs to know its task.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeGuard


class LookupFailure(Exception):
    """A table, server or resolver could not answer now; `temporary` is False for broken configuration."""

    def __init__(self, reason: str, *, temporary: bool = True) -> None:
        super().__init__(reason)
        self.reason = reason
        self.temporary = temporary


class Table(Protocol):
    """A lookup table, opened."""

    @property
    def spec(self) -> str:
        """The `type:name` that the operator wrote."""

    @property
    def partial(self) -> bool:
        """Fixed-string table: it is asked for partial keys (parent domains, truncated addresses) too."""

    async def get(self, key: str) -> str | None:
        """The value, or None when there is none. LookupFailure when it cannot be known. Keys of fixed-string
        access tables are folded to lower case by the table where the type folds."""


class ImmediateTable(Table, Protocol):
    """A table that is in memory: hot paths ask `get_now` and create no coroutine. Tell it by `is_immediate`."""

    @property
    def immediate(self) -> bool:
        """Always true here; tables that have to wait say false, or have no such attribute."""

    def get_now(self, key: str) -> str | None:
        """What `get` would answer, at once."""


def is_immediate(table: Table) -> TypeGuard[ImmediateTable]:
    """Whether `table.get_now(key)` may be used instead of `await table.get(key)`."""
    return getattr(table, "immediate", False)


class DnsStatus(enum.Enum):
    """How a DNS question ended when there is no answer."""

    NOT_FOUND = "not found"  # NXDOMAIN or no data
    TRY_AGAIN = "try again"  # SERVFAIL, timeout
    MALFORMED = "malformed"  # a reply that cannot be read
    POLICY = "policy"  # filtered


@dataclass(frozen=True, slots=True)
class MailExchanger:
    """One MX record; host is "" for a null MX (RFC 7505)."""

    preference: int
    host: str


class DnsFailure(Exception):
    """A DNS question without an answer."""

    def __init__(self, status: DnsStatus, question: str, reason: str = "") -> None:
        super().__init__(status, question, reason)
        self.status = status
        self.question = question
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Listing:
    """What a DNS list says of a name: its A records, none when it is not listed, and for how many seconds that is good:
    their lowest TTL, or the TTL of the SOA record that came with "no" (not its minimum field); -1: not known."""

    addresses: Sequence[str] = ()
    ttl: int = -1


@dataclass(frozen=True, slots=True)
class Delegation:
    """Where a policy service listens and how patiently we ask it (SMTPD_POLICY_README)."""

    endpoint: str  # inet:host:port or unix:/absolute/path
    timeout: float = 100.0  # seconds
    try_limit: int = 2
    retry_delay: float = 1.0
    max_idle: float = 300.0
    max_ttl: float = 1000.0
    request_limit: int = 0


@dataclass(frozen=True, slots=True)
class Verification:
    """What an address verification probe found."""

    status: str  # "deliverable", "undeliverable", "deferred", "unknown"
    text: str = ""
    code: str = ""  # enhanced status code of the remote reply


class Lookups(Protocol):
    """All questions. Host names are given and returned in lower case without a trailing dot."""

    def table(self, spec: str) -> Table:
        """The opened table for `type:name` (cached). Never raises: a table that cannot be opened fails its lookups."""

    async def mx(self, domain: str) -> Sequence[MailExchanger]:
        """MX records by preference. DnsFailure when there are none."""

    async def addresses(self, host: str) -> Sequence[str]:
        """IPv4 and IPv6 addresses (A, AAAA) within inet_protocols. DnsFailure when there are none."""

    async def names(self, address: str) -> Sequence[str]:
        """PTR names of an address. DnsFailure when there are none."""

    async def a_records(self, name: str) -> Sequence[str]:
        """A records only (DNS lists). DnsFailure NOT_FOUND when not listed."""

    async def listing(self, name: str) -> Listing:
        """The same with its TTL, and "not listed" is an answer. smtpd_dns_reply_filter has no say. DnsFailure when it
        cannot be known."""

    async def text(self, name: str) -> Sequence[str]:
        """TXT records, their strings joined. DnsFailure when there are none."""

    async def name_servers(self, domain: str) -> Sequence[str]:
        """NS host names of exactly this domain. DnsFailure when there are none."""

    async def delegate(self, service: Delegation, attributes: Mapping[str, str]) -> str:
        """Ask a policy server; the action text. LookupFailure after the tries."""

    async def verify(self, address: str, *, sender: bool) -> Verification:
        """Probe whether mail for the address would be accepted (address verification)."""
