"""What does the DNS say? The resolver of the process: questions over dnspython, answers kept for their time to live.

Contract: names are given and returned in lower case without a trailing dot; a question without an answer is a
DnsFailure whose status tells "there is none" from "ask again later". Whatever waits runs in a task of its own, and two
who ask the same question wait for one answer. Only the DNS is asked: the client's own name comes from the system
(peer.py). This file must not know who asks, nor what an answer means for mail.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import dns.asyncbackend
import dns.asyncresolver
import dns.exception
import dns.message
import dns.name
import dns.nameserver
import dns.rdatatype
import dns.resolver

import gatepost.config.parameters as p
from gatepost.config.parameter import Word
from gatepost.config.settings import Settings
from gatepost.lookup.ask import DnsFailure, DnsStatus, Listing, LookupFailure, MailExchanger
from gatepost.lookup.maps import Maps
from gatepost.lookup.patterns import address_number
from gatepost.smtp.grammar import valid_hostname
from gatepost.span import ConfigError

KEPT = 4096  # answers
LONGEST_KEPT = 600.0  # seconds, whatever the time to live says
LONGEST_NEGATIVE = 60.0
LISTING = "A of a list"  # a question for A records that the reply filter has no say in
UDP_PAYLOAD = 1232  # EDNS size that no path fragments (DNS flag day 2020)


@dataclass(frozen=True, slots=True)
class Record:
    """One resource record: its data as text, an MX preference, and the line that smtpd_dns_reply_filter sees."""

    data: str
    preference: int
    line: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a question came to: records, or the status and reason of there being none. `expires` and `came` are
    monotonic time; `ttl`: of the records, or of the SOA record behind there being none, -1 for none."""

    records: tuple[Record, ...]
    status: DnsStatus | None
    reason: str
    expires: float
    came: float = 0.0
    ttl: int = -1


class Resolver:
    """DNS questions with time limits, kept answers and an optional reply filter."""

    __slots__ = ("_clock", "_filter", "_kept", "_resolver", "_running", "_types")

    def __init__(self, servers: Sequence[tuple[str, int]] = (), *, timeout: float = 5.0, time_limit: float = 20.0,
                 types: Sequence[str] = ("A", "AAAA"), reply_filter: Maps | None = None,
                 clock: Callable[[], float] = time.monotonic) -> None:
        self._resolver = _configured(servers)
        self._resolver.timeout = timeout
        self._resolver.lifetime = time_limit
        self._resolver.use_edns(0, 0, UDP_PAYLOAD)
        self._types = tuple(types)
        self._filter = reply_filter
        self._clock = clock
        self._kept: dict[tuple[str, str], Answer] = {}
        self._running: dict[tuple[str, str], asyncio.Task[Answer]] = {}

    @classmethod
    def of(cls, settings: Settings, reply_filter: Maps | None = None) -> Resolver:
        """The resolver that these settings ask for; `reply_filter` is their smtpd_dns_reply_filter, opened."""
        protocols = {word.text.lower() for word in settings[p.INET_PROTOCOLS]}
        types = [kind for kind, name in (("A", "ipv4"), ("AAAA", "ipv6")) if protocols & {"all", name}]
        return cls([server_address(word) for word in settings[p.GATEPOST_DNS_SERVERS]],
                   timeout=settings[p.GATEPOST_DNS_TIMEOUT], time_limit=settings[p.GATEPOST_DNS_TIME_LIMIT],
                   types=types, reply_filter=reply_filter)

    async def mx(self, domain: str) -> Sequence[MailExchanger]:
        """MX records by preference; one with host "" for a null MX (RFC 7505). DnsFailure when there are none."""
        records = await self._records(domain, "MX")
        return sorted((MailExchanger(record.preference, record.data) for record in records),
                      key=lambda exchanger: exchanger.preference)

    async def addresses(self, host: str) -> Sequence[str]:
        """IPv4 and IPv6 addresses within inet_protocols, both asked at once. DnsFailure when there are none."""
        answers = await self._answers([(host, kind) for kind in self._types])
        found = [record.data for answer in answers for record in answer.records]
        if found:
            return found
        worst = next((answer for status in (DnsStatus.TRY_AGAIN, DnsStatus.MALFORMED, DnsStatus.POLICY,
                                            DnsStatus.NOT_FOUND)
                      for answer in answers if answer.status is status), None)
        if worst is None or worst.status is None:
            raise DnsFailure(DnsStatus.NOT_FOUND, host, "no address family is enabled")
        raise DnsFailure(worst.status, host, worst.reason)

    async def names(self, address: str) -> Sequence[str]:
        """PTR names of an IP address. DnsFailure when there are none."""
        return [record.data for record in await self._records(reverse_name(address), "PTR")]

    async def a_records(self, name: str) -> Sequence[str]:
        """A records only (DNS lists). DnsFailure NOT_FOUND when there are none."""
        return [record.data for record in await self._records(name, "A")]

    async def listing(self, name: str) -> Listing:
        """A records and how long they are still good, or "none" and how long that is. DnsFailure for anything else."""
        [answer] = await self._answers([(name, LISTING if self._filter else "A")])
        if answer.status not in (None, DnsStatus.NOT_FOUND):
            raise DnsFailure(answer.status, name, answer.reason)
        left = max(0, answer.ttl - int(self._clock() - answer.came)) if answer.ttl >= 0 else -1
        return Listing([record.data for record in answer.records], left)

    async def text(self, name: str) -> Sequence[str]:
        """TXT records, the strings of each joined. DnsFailure when there are none."""
        return [record.data for record in await self._records(name, "TXT")]

    async def name_servers(self, domain: str) -> Sequence[str]:
        """NS host names of exactly this domain. DnsFailure when there are none."""
        return [record.data for record in await self._records(domain, "NS")]

    def close(self) -> None:
        """Stop asking."""
        for task in self._running.values():
            task.cancel()

    async def _records(self, name: str, kind: str) -> tuple[Record, ...]:
        [answer] = await self._answers([(name, kind)])
        if answer.status is not None:
            raise DnsFailure(answer.status, name, answer.reason)
        return answer.records

    async def _answers(self, questions: Sequence[tuple[str, str]]) -> list[Answer]:
        """An answer for each question; those that must wait are all under way before the first is waited for."""
        begun = [self._begin(question) for question in questions]
        return [known if isinstance(known, Answer) else await known for known in begun]

    def _begin(self, question: tuple[str, str]) -> Answer | Awaitable[Answer]:
        name, kind = question = (question[0].lower().rstrip("."), question[1])
        kept = self._kept.get(question)
        if kept is not None and kept.expires > self._clock():
            return kept
        if not askable(name):
            return Answer((), DnsStatus.NOT_FOUND, f"Name service error for {name}: invalid host or domain name", 0)
        task = self._running.get(question)
        if task is None or task.get_loop() is not asyncio.get_running_loop():
            task = self._running[question] = asyncio.get_running_loop().create_task(self._ask(name, kind))
        # Shielded, because others may wait for the same answer when this one gives up.
        return asyncio.shield(task)

    async def _ask(self, name: str, kind: str) -> Answer:
        try:
            if kind == LISTING:
                answer = await self._query(name, "A")
            else:
                answer = await self._filtered(await self._query(name, kind), name, kind)
        finally:
            self._running.pop((name, kind), None)
        if answer.expires > self._clock():
            self._kept.pop((name, kind), None)
            if len(self._kept) >= KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[name, kind] = answer
        return answer

    async def _query(self, name: str, kind: str) -> Answer:
        subject = f"Name service error for name={name} type={kind}"
        try:
            found = await self._resolver.resolve(_absolute(name), kind, raise_on_no_answer=False, search=False,
                                                 backend=dns.asyncbackend.get_backend("asyncio"))
        except dns.resolver.NXDOMAIN as problem:
            responses = list(problem.kwargs["responses"].values())
            return self._none(DnsStatus.NOT_FOUND, f"{subject}: Host not found", responses[-1])
        except (dns.resolver.NoNameservers, dns.resolver.LifetimeTimeout) as problem:
            if any(_unreadable(error[3]) for error in problem.kwargs.get("errors", ())):
                return self._none(DnsStatus.MALFORMED, f"{subject}: Malformed or unexpected name server reply")
            return self._none(DnsStatus.TRY_AGAIN, f"{subject}: Host not found, try again")
        except dns.resolver.YXDOMAIN:
            return self._none(DnsStatus.NOT_FOUND, f"{subject}: Host not found")
        except (dns.exception.DNSException, UnicodeError):
            return self._none(DnsStatus.MALFORMED, f"{subject}: Malformed or unexpected name server reply")
        if found.rrset is None:
            return self._none(DnsStatus.NOT_FOUND, f"{subject}: Host found but no data record of requested type",
                              found.response)
        records = tuple(record for rdata in found.rrset if (record := _record(name, found.rrset.ttl, kind, rdata)))
        if not records:
            return self._none(DnsStatus.MALFORMED, f"{subject}: Malformed or unexpected name server reply")
        now = self._clock()
        return Answer(records, None, "", now + min(found.rrset.ttl, LONGEST_KEPT), now, found.rrset.ttl)

    def _none(self, status: DnsStatus, reason: str, response: dns.message.Message | None = None) -> Answer:
        now = self._clock()
        kept, ttl = _negative_ttl(response)
        return Answer((), status, reason, now + min(kept, LONGEST_NEGATIVE), now, ttl)

    async def _filtered(self, answer: Answer, name: str, kind: str) -> Answer:
        """Drop the records that smtpd_dns_reply_filter ignores; none left means a reply against policy."""
        if not self._filter or not answer.records:
            return answer
        kept: list[Record] = []
        for record in answer.records:
            try:
                action = await self._filter.find(record.line)
            except LookupFailure as problem:
                return self._none(DnsStatus.TRY_AGAIN, f"DNS reply filter: {problem.reason}")
            if action is None:
                kept.append(record)
            elif action.strip().upper() != "IGNORE":
                return self._none(DnsStatus.TRY_AGAIN, f"DNS reply filter: unknown action {action!r}")
        if kept:
            return Answer(tuple(kept), None, "", answer.expires)
        reason = f"Error looking up name={name} type={kind}: DNS reply filter drops all results"
        return Answer((), DnsStatus.POLICY, reason, answer.expires)


def _configured(servers: Sequence[tuple[str, int]]) -> dns.asyncresolver.Resolver:
    if not servers:
        try:
            return dns.asyncresolver.Resolver()
        except dns.resolver.NoResolverConfiguration:
            servers = [("127.0.0.1", 53)]  # as resolver(5) does without a resolv.conf
    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers = [dns.nameserver.Do53Nameserver(address, port) for address, port in servers]
    return resolver


def server_address(word: Word) -> tuple[str, int]:
    """Read an item of gatepost_dns_servers."""
    text = word.text
    if text.startswith("[") or text.count(":") == 1:
        address, _, port = text.rpartition(":") if not text.endswith("]") else (text, "", "53")
        address = address.strip("[]")
    else:
        address, port = text, "53"
    if not address_number(address)[0] or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ConfigError("bad name server address", word.span, text)
    return address, int(port)


def askable(name: str) -> bool:
    """May the name be asked for? Labels of service names (`_dmarc`) and DNS lists (all digits) count as names."""
    return valid_hostname(f"{name}.x" if len(name) < 252 else name)


def reverse_name(address: str) -> str:
    """The name whose PTR records name an IP address (RFC 1035 3.5, RFC 3596 2.5)."""
    version, number = address_number(address)
    if version == 4:
        return ".".join(str(byte) for byte in reversed(number.to_bytes(4, "big"))) + ".in-addr.arpa"
    return ".".join(reversed(f"{number:032x}")) + ".ip6.arpa" if version else address


def _absolute(name: str) -> dns.name.Name:
    return dns.name.from_text(name if name.isascii() else name.encode("idna").decode("ascii"), dns.name.root)


def _unreadable(error: object) -> bool:
    """Did a name server answer what cannot be read, or what leads nowhere (a loop of CNAMEs)?"""
    return isinstance(error, dns.exception.DNSException) and not isinstance(error, dns.exception.Timeout)


def _negative_ttl(response: dns.message.Message | None) -> tuple[int, int]:
    """How long "no" may be kept (RFC 2308 5), and the TTL of the SOA record itself, -1 without one."""
    for rrset in response.authority if response is not None else ():
        if rrset.rdtype == dns.rdatatype.SOA:
            return min([rrset.ttl, *(soa.minimum for soa in rrset)]), rrset.ttl
    return 0, -1


def _host(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower() if name != dns.name.root else ""


def _record(owner: str, ttl: int, kind: str, rdata: Any) -> Record | None:
    """One record as text; None when a host name in it is none (Postfix does not trust such a record either)."""
    preference, shown = 0, ""
    match kind:
        case "MX":
            preference, data = rdata.preference, _host(rdata.exchange)
            shown = f"{preference} {data}."
        case "NS" | "PTR":
            data = _host(rdata.target)
            shown = f"{data}."
        case "TXT":
            data = shown = b"".join(rdata.strings).decode("utf-8", "replace")
        case _:
            data = shown = rdata.address
    named = kind in ("MX", "NS", "PTR") and not (kind == "MX" and not data)
    if named and not (valid_hostname(data) or address_number(data)[0]):
        return None
    return Record(data, preference, f"{owner}. {ttl} IN {kind} {shown}")
