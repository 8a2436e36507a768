"""What does the world answer in a rehearsal? The same to everybody, every time: no network, no file beside the audited.

Tables that are text beside the configuration are read; any other finds nothing, save the addresses that the rehearsal
supposes to exist. The DNS knows every name but those below `.invalid`, no DNS list lists anybody, a policy server has
no opinion, every address can be verified. What was supposed is written down, so that a report can say on what it
stands. This file must not know what answers mean.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from gatepost.config.settings import Settings
from gatepost.lookup.ask import (
    Delegation,
    DnsFailure,
    DnsStatus,
    Listing,
    MailExchanger,
    Verification,
    is_immediate,
)
from gatepost.lookup.tables.registry import open_table
from gatepost.lookup.tables.source import Entry, read_aliases, read_source
from gatepost.lookup.tables.table import DictTable, MemoryTable, Opening, OpenTable, fold

Read = Callable[[str], tuple[str, str] | None]
"""Path as the operator wrote it -> (where the file is, its text); None when it is not among what is audited."""

INDEXED = frozenset(("hash", "btree", "lmdb", "cdb", "dbm", "sdbm", "texthash"))
PATTERNS = frozenset(("regexp", "pcre", "cidr"))
WRITTEN_OUT = frozenset(("inline", "static", "pipemap", "unionmap", "fail"))
"""Kinds whose name says all."""
NOWHERE = ".invalid"  # RFC 2606: no such name exists
ADDRESS = "198.51.100.25"  # of every host
LISTED = "127.0.5.1"  # what a DNS list says of what it lists


NOTHING: Mapping[str, Any] = {}


def nothing(_: str) -> None:
    """A Read where there are no files."""
    return None


class SupposedTable(MemoryTable):
    """A table with what is supposed of it: what the real one says counts first, as far as there is one."""

    __slots__ = ("_known", "_note", "_real")

    def __init__(self, spec: str, real: OpenTable | None, known: Mapping[str, str],
                 note: Callable[[str], None]) -> None:
        super().__init__(spec, partial=real.partial if real is not None else True)
        self._real = real
        self._known = known
        self._note = note

    def get_now(self, key: str) -> str | None:
        """The value, as far as it is known or supposed."""
        real = self._real
        found = real.get_now(key) if real is not None and is_immediate(real) else None
        if found is None:
            found = self._known.get(fold(key))
            if found is not None or real is None:
                self._note(self._assumption())
        return found

    def _assumption(self) -> str:
        if self._real is not None:
            return f"{self.spec} holds the users of the dialogues, too"
        holds = "the users of the dialogues and nothing else" if self._known else "nothing"
        return f"{self.spec}, which cannot be read here, holds {holds}"


class Supposed:
    """Lookups of a rehearsal. `known`: what tables hold besides, `type:name` -> key (folded) -> value; `servers`: what
    policy servers say, endpoint -> action; `listed`: the DNS lists that list the client."""

    def __init__(self, settings: Settings, read: Read = nothing, known: Mapping[str, Mapping[str, str]] = NOTHING, *,
                 servers: Mapping[str, str] = NOTHING, listed: frozenset[str] = frozenset()) -> None:
        self._read = read
        self._known = known
        self._servers = servers
        self._listed = listed
        self._tables: dict[str, OpenTable] = {}
        self._supposed: dict[str, None] = {}
        self._opening = Opening(open=self._open, parameter=settings.text, warn=_silent, error=_silent)

    @property
    def supposed(self) -> tuple[str, ...]:
        """What was assumed so far, each once, in the order it was needed."""
        return tuple(self._supposed)

    def suppose(self, text: str) -> None:
        """One more assumption."""
        self._supposed[text] = None

    def table(self, spec: str) -> OpenTable:
        """The table as far as it can be known."""
        return self._open(spec)

    def _open(self, spec: str) -> OpenTable:
        table = self._tables.get(spec)
        if table is None:
            real = self._real(spec)
            known = self._known.get(spec, {})
            table = real if real is not None and not known else SupposedTable(spec, real, known, self.suppose)
            self._tables[spec] = table
        return table

    def _real(self, spec: str) -> OpenTable | None:
        kind, _, name = spec.partition(":")
        if kind in ("proxy", "debug"):
            return self._real(name)
        if kind in WRITTEN_OUT or (kind in PATTERNS and name.startswith("{")):
            return open_table(spec, self._opening)
        if kind not in INDEXED and kind not in PATTERNS:
            return None
        found = self._read(name)
        if found is None:
            return None
        place, text = found
        if kind in INDEXED:
            aliases = spec in (self._opening.parameter("alias_maps") or "")
            return DictTable(spec, _entries(read_aliases if aliases else read_source, text))
        return open_table(f"{kind}:{place}", self._opening) if os.path.isfile(place) else None

    # The DNS

    def _exists(self, name: str) -> str:
        name = name.lower().rstrip(".")
        if f".{name}".endswith(NOWHERE):
            raise DnsFailure(DnsStatus.NOT_FOUND, name, "Host not found")
        self.suppose(f"the DNS knows every name that is looked up, but those below {NOWHERE}")
        return name

    async def mx(self, domain: str) -> Sequence[MailExchanger]:
        """One mail exchanger."""
        return [MailExchanger(10, f"mx.{self._exists(domain)}")]

    async def addresses(self, host: str) -> Sequence[str]:
        """One address."""
        self._exists(host)
        return [ADDRESS]

    async def names(self, address: str) -> Sequence[str]:
        """No PTR records: a client's name is part of who it is."""
        raise DnsFailure(DnsStatus.NOT_FOUND, address, "Host not found")

    async def a_records(self, name: str) -> Sequence[str]:
        """Nobody is listed, but where it is supposed."""
        if any(name.lower().rstrip(".").endswith(f".{domain}") for domain in self._listed):
            return [LISTED]
        self.suppose("no other DNS list lists the client or the sender" if self._listed else
                     "no DNS list lists the client or the sender")
        raise DnsFailure(DnsStatus.NOT_FOUND, name, "Host not found")

    async def listing(self, name: str) -> Listing:
        """Nobody is listed."""
        return Listing()

    async def text(self, name: str) -> Sequence[str]:
        """No TXT records."""
        raise DnsFailure(DnsStatus.NOT_FOUND, name, "Host not found")

    async def name_servers(self, domain: str) -> Sequence[str]:
        """One name server."""
        return [f"ns.{self._exists(domain)}"]

    # Others

    async def delegate(self, service: Delegation, attributes: Mapping[str, str]) -> str:
        """No opinion, but where one is supposed."""
        if service.endpoint in self._servers:
            return self._servers[service.endpoint]
        self.suppose(f"the policy server {service.endpoint} says DUNNO")
        return "DUNNO"

    async def verify(self, address: str, *, sender: bool) -> Verification:
        """Deliverable."""
        self.suppose(f"a probe finds {address} deliverable")
        return Verification("deliverable")


def _silent(_: str) -> None:
    """What is wrong with tables is for the rules to tell."""


def _entries(read: Callable[[str, Callable[[str], None]], Iterable[object]], text: str) -> dict[str, str]:
    entries: dict[str, str] = {}
    for item in read(text, _silent):
        if isinstance(item, Entry):
            entries.setdefault(item.key, item.value)
    return entries


def beside(directory: str) -> Read:
    """Files below `directory`, where /etc/postfix/x and $config_directory/x stand for DIRECTORY/x."""

    def read(path: str) -> tuple[str, str] | None:
        for prefix in ("/etc/postfix/", directory.rstrip("/") + "/"):
            if path.startswith(prefix):
                path = path.removeprefix(prefix)
                break
        if os.path.isabs(path) or ".." in path.split("/"):
            return None
        place = os.path.join(directory, path)
        try:
            if not os.path.isfile(place):
                return None
            with open(place, "rb") as file:
                return place, file.read().decode("utf-8", "surrogateescape")
        except (OSError, ValueError):
            return None

    return read

