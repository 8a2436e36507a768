"""What if the world answered like this? The fake that ships: Lookups from dictionaries, for tests, dialogues, explain.

Answers are given at once and every question is written down. A value that is an exception is raised instead of
answered, so that failures are scripted in the place where the answer would stand. Names are folded to lower case and
lose a trailing dot, as the real thing does. This file must not touch a network; of tables it opens only those that are
written in their own name (`inline:`, `static:`, `cidr:{...}`) or that the case placed on disk.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from gatepost.lookup.ask import (
    Delegation,
    DnsFailure,
    DnsStatus,
    Listing,
    LookupFailure,
    MailExchanger,
    Table,
    Verification,
)
from gatepost.lookup.tables.registry import open_table
from gatepost.lookup.tables.table import MemoryTable, Opening, OpenTable, fold

T = TypeVar("T")

Failure = LookupFailure | DnsFailure
TableAnswers = Mapping[str, str | Failure] | Failure
"""Entries of one table; an exception as value fails that key, an exception instead of the mapping fails every key."""


@dataclass(frozen=True, slots=True)
class Question:
    """Something that was asked: ("table", "hash:/x", "key"), ("mx", "example.com"), ("delegate", endpoint), ..."""

    kind: str
    about: str
    key: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)


class FakeTable(MemoryTable):
    """A table from a dictionary; keys are folded as fixed-string tables fold them unless `partial` is off."""

    __slots__ = ("_answers", "_asked")

    def __init__(self, spec: str, answers: TableAnswers, asked: list[Question], *, partial: bool = True) -> None:
        super().__init__(spec, partial=partial)
        self._asked = asked
        self._answers: TableAnswers = answers
        if isinstance(answers, Mapping) and partial:
            self._answers = {fold(key): value for key, value in answers.items()}

    def get_now(self, key: str) -> str | None:
        """The scripted answer."""
        self._asked.append(Question("table", self.spec, key))
        if not isinstance(self._answers, Mapping):
            raise self._answers
        answer = self._answers.get(fold(key) if self.partial else key)
        if isinstance(answer, Exception):
            raise answer
        return answer


PATTERN_TYPES = ("regexp:", "pcre:", "cidr:", "tcp:", "socketmap:", "randmap:", "fail:")


class FakeLookups:
    """Lookups answered from dictionaries; see the module. Missing DNS names are NOT_FOUND, missing policy answers fail.

    `policy` maps an endpoint to one action or to a list of actions, given in turn (the last one stays); the
    attributes are in `asked`. `verified` maps an address to what a probe found.
    """

    def __init__(self, *, tables: Mapping[str, TableAnswers] | None = None,
                 mx: Mapping[str, Sequence[MailExchanger | tuple[int, str]] | Failure] | None = None,
                 addresses: Mapping[str, Sequence[str] | Failure] | None = None,
                 names: Mapping[str, Sequence[str] | Failure] | None = None,
                 a_records: Mapping[str, Sequence[str] | Failure] | None = None,
                 ttls: Mapping[str, int] | None = None,
                 text: Mapping[str, Sequence[str] | Failure] | None = None,
                 name_servers: Mapping[str, Sequence[str] | Failure] | None = None,
                 policy: Mapping[str, str | Failure | Sequence[str | Failure]] | None = None,
                 verified: Mapping[str, Verification | Failure] | None = None) -> None:
        self.tables = dict(tables or {})
        self.mx_records = _by_name(mx)
        self.address_records = _by_name(addresses)
        self.pointers = dict(names or {})
        self.a_only = _by_name(a_records)
        self.ttls = _by_name(ttls)
        self.texts = _by_name(text)
        self.servers = _by_name(name_servers)
        self.policy = dict(policy or {})
        self.verified = dict(verified or {})
        self.asked: list[Question] = []
        self.warnings: list[str] = []
        self._opened: dict[str, OpenTable] = {}
        self._opening = Opening(open=self._open, parameter=lambda _: None, warn=self.warnings.append,
                                error=self.warnings.append)

    def table(self, spec: str) -> Table:
        """The scripted table, else the real one of that spec (a missing file fails its lookups as it would)."""
        return self._open(spec)

    def _open(self, spec: str) -> OpenTable:
        if spec not in self._opened:
            if spec in self.tables:
                partial = not spec.startswith(PATTERN_TYPES)
                self._opened[spec] = FakeTable(spec, self.tables[spec], self.asked, partial=partial)
            else:
                self._opened[spec] = open_table(spec, self._opening)
        return self._opened[spec]

    async def mx(self, domain: str) -> Sequence[MailExchanger]:
        """Scripted MX records; pairs (preference, host) are accepted too."""
        records = self._dns("mx", self.mx_records, domain)
        return sorted((record if isinstance(record, MailExchanger) else MailExchanger(record[0], _name(record[1]))
                       for record in records), key=lambda record: record.preference)

    async def addresses(self, host: str) -> Sequence[str]:
        """Scripted addresses of a host."""
        return self._dns("addresses", self.address_records, host)

    async def names(self, address: str) -> Sequence[str]:
        """Scripted PTR names."""
        return [_name(name) for name in self._dns("names", self.pointers, address)]

    async def a_records(self, name: str) -> Sequence[str]:
        """Scripted A records."""
        return self._dns("a_records", self.a_only, name)

    async def listing(self, name: str) -> Listing:
        """Scripted A records; their TTL, or that of there being none, is in `ttls`."""
        try:
            records = self._dns("listing", self.a_only, name)
        except DnsFailure as failure:
            if failure.status is not DnsStatus.NOT_FOUND:
                raise
            records = ()
        return Listing(tuple(records), self.ttls.get(_name(name), -1))

    async def text(self, name: str) -> Sequence[str]:
        """Scripted TXT records."""
        return self._dns("text", self.texts, name)

    async def name_servers(self, domain: str) -> Sequence[str]:
        """Scripted NS names."""
        return [_name(name) for name in self._dns("name_servers", self.servers, domain)]

    async def delegate(self, service: Delegation, attributes: Mapping[str, str]) -> str:
        """The scripted action of the endpoint."""
        self.asked.append(Question("delegate", service.endpoint, attributes=dict(attributes)))
        answer = self.policy.get(service.endpoint)
        if isinstance(answer, Sequence) and not isinstance(answer, str):
            first, *rest = answer
            if rest:
                self.policy[service.endpoint] = rest
            answer = first
        if answer is None:
            raise LookupFailure(f"connect to {service.endpoint}: Connection refused")
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def verify(self, address: str, *, sender: bool) -> Verification:
        """The scripted result; "unknown" for other addresses."""
        self.asked.append(Question("verify", address, "sender" if sender else "recipient"))
        answer = self.verified.get(address, Verification("unknown"))
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _dns(self, kind: str, records: Mapping[str, Sequence[T] | Failure], name: str) -> Sequence[T]:
        self.asked.append(Question(kind, _name(name)))
        answer = records.get(_name(name))
        if isinstance(answer, Exception):
            raise answer
        if not answer:
            raise DnsFailure(DnsStatus.NOT_FOUND, _name(name), "Host not found")
        return answer


def _name(name: str) -> str:
    return name.lower().rstrip(".")


def _by_name(records: Mapping[str, T] | None) -> dict[str, T]:
    return {_name(name): value for name, value in (records or {}).items()}
