"""What does the real world answer? Lookups over tables, the DNS, policy servers and an address prober.

One World serves one worker: tables are opened once per spec and shared by all services, DNS answers and connections to
policy servers are kept. Contract: lookup/ask.py's; `table` never raises, so a broken table fails its lookups and is
reported by `open_tables` at start-up. Address verification needs delivery, so whoever starts the worker injects it.
This file must not know what answers mean.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Protocol, runtime_checkable

import gatepost.config.parameters as p
from gatepost.config.parameter import Word
from gatepost.config.settings import Settings
from gatepost.lookup.ask import Delegation, Listing, MailExchanger, Table, Verification
from gatepost.lookup.delegate import Delegates
from gatepost.lookup.dns import Resolver
from gatepost.lookup.maps import Maps
from gatepost.lookup.tables.registry import open_table
from gatepost.lookup.tables.table import Opening, OpenTable
from gatepost.span import ConfigError


class Prober(Protocol):
    """Finds out whether mail for an address would be accepted."""

    def __call__(self, address: str, *, sender: bool) -> Awaitable[Verification]:
        """May wait as long as the caller's poll settings allow."""


@runtime_checkable
class Closing(Protocol):
    """A prober that has something to give back."""

    async def close(self) -> None:
        """No probe is asked for any more."""


async def never_probed(address: str, *, sender: bool) -> Verification:
    """The answer where nobody probes."""
    return Verification("unknown")


def to_stderr(text: str) -> None:
    """Where warnings go that nobody listens to."""
    print(f"warning: {text}", file=sys.stderr)


class World:
    """Lookups, the real thing. `settings` gives DNS parameters and NAME_query parameters of tables."""

    __slots__ = ("_delegates", "_opening", "_resolver", "_tables", "prober")

    def __init__(self, settings: Settings, resolver: Resolver | None = None, warn: Callable[[str], None] = to_stderr, *,
                 error: Callable[[str], None] | None = None,
                 delegates: Delegates | None = None, prober: Prober = never_probed) -> None:
        self._tables: dict[str, OpenTable] = {}
        self._opening = Opening(open=self._open, parameter=settings.text, warn=warn, error=error or warn)
        self._delegates = delegates or Delegates()
        self.prober = prober
        if resolver is None:
            resolver = Resolver.of(settings, Maps.of(settings[p.SMTPD_DNS_REPLY_FILTER], self))
        self._resolver = resolver

    def table(self, spec: str) -> Table:
        """The table for `type:name`; the first call opens it."""
        return self._open(spec)

    def _open(self, spec: str) -> OpenTable:
        table = self._tables.get(spec)
        if table is None:
            table = self._tables[spec] = open_table(spec, self._opening)
        return table

    def open_tables(self, specs: Iterable[Word | str]) -> list[ConfigError]:
        """Open tables ahead of their first lookup -> what is wrong with them, at the place that names the table."""
        problems = []
        for spec in specs:
            word = spec if isinstance(spec, Word) else Word(spec)
            problem = self._open(word.text).problem
            if problem is not None:
                problems.append(ConfigError(f"{word.text}: {problem.message}", word.span or problem.span, word.text))
        return problems

    def problems(self) -> list[tuple[str, ConfigError]]:
        """Tables that were opened so far and cannot be used: their spec, and why."""
        return [(spec, table.problem) for spec, table in self._tables.items() if table.problem is not None]

    async def close(self) -> None:
        """Give back connections and threads."""
        if isinstance(self.prober, Closing):
            await self.prober.close()
        for table in self._tables.values():
            await table.close()
        self._tables.clear()
        self._delegates.close()
        self._resolver.close()

    async def mx(self, domain: str) -> Sequence[MailExchanger]:
        """See Resolver."""
        return await self._resolver.mx(domain)

    async def addresses(self, host: str) -> Sequence[str]:
        """See Resolver."""
        return await self._resolver.addresses(host)

    async def names(self, address: str) -> Sequence[str]:
        """See Resolver."""
        return await self._resolver.names(address)

    async def a_records(self, name: str) -> Sequence[str]:
        """See Resolver."""
        return await self._resolver.a_records(name)

    async def listing(self, name: str) -> Listing:
        """See Resolver."""
        return await self._resolver.listing(name)

    async def text(self, name: str) -> Sequence[str]:
        """See Resolver."""
        return await self._resolver.text(name)

    async def name_servers(self, domain: str) -> Sequence[str]:
        """See Resolver."""
        return await self._resolver.name_servers(domain)

    async def delegate(self, service: Delegation, attributes: Mapping[str, str]) -> str:
        """See Delegates."""
        return await self._delegates.ask(service, attributes)

    async def verify(self, address: str, *, sender: bool) -> Verification:
        """Ask the prober."""
        return await self.prober(address, sender=sender)
