"""What do the DNS lists say of a client? One question for each list of postscreen_dnsbl_sites, weighed.

    lookup = dnsbl.begin(address)                   sessions of one address share questions and answers
    await lookup.wait()                             or lookup.when_complete(callback)
    lookup.score()                                  at any time: as far as is known
    lookup.release()

As in Postfix (postscreen(8), dnsblog(8)): every list is asked at the same time; one that does not answer within
postscreen_dnsbl_timeout leaves the score incomplete for ever, one that answers with an error has nothing against the
client. Questions that nobody waits for any more run to their end, because their answers are kept; they belong to the
object that asked them, so that they cannot reach a later one of the same address. Not more than MOST_UNDER_WAY are
under way at a time, each list with its own share: one that is dead takes nothing from the others, and what cannot be
asked in time counts as not answered. Contract: a list that fails costs the wait and, once a minute, a warning; with
gatepost_compatibility = postfix every warning is written. This file must not know what follows from a score.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import gatepost.config.parameters as p
from gatepost.config.settings import Settings
from gatepost.lookup.ask import DnsFailure, Listing, LookupFailure, Lookups, is_immediate
from gatepost.lookup.dns import reverse_name
from gatepost.lookup.patterns import address_number
from gatepost.observe.log import Log
from gatepost.screen.dnsbl_sites import Site, read_sites
from gatepost.span import ConfigError

MOST_UNDER_WAY = 1024  # questions of one service; each may hold a socket
QUIET = 60.0  # seconds in which a warning is not repeated


@dataclass(frozen=True, slots=True)
class Score:
    """The sum of the weights that matched; the list with the largest of them, as clients may know it ("": none did);
    for how many seconds this is good, within postscreen_dnsbl_min_ttl and _max_ttl."""

    points: int
    worst_list: str
    ttl: int


class _List:
    """A domain that is asked, once for all its entries. `sites`: with their places in the operator's order."""

    __slots__ = ("domain", "shown", "sites", "under_way", "waiting")

    def __init__(self, domain: str, shown: str, sites: Sequence[tuple[int, Site]]) -> None:
        self.domain = domain
        self.shown = shown
        self.sites = tuple(sites)
        self.under_way = 0
        self.waiting: deque[_Asked] = deque()


class _Asked:
    """One address and what the lists said so far. `pending`: the lists that have not answered; `late`: it is too late
    for them."""

    __slots__ = ("address", "began", "best", "fail_ttl", "late", "lookups", "pass_ttl", "pending", "points", "prefix",
                 "timer", "worst")

    def __init__(self, address: str, prefix: str, began: float) -> None:
        self.address = address
        self.began = began
        self.prefix = prefix  # the address as names of lists begin with it
        self.lookups: list[Lookup] = []  # the sessions that want to know
        self.points = 0
        self.best: tuple[int, int] | None = None  # weight and place of the entry that gives the name
        self.worst = ""
        self.fail_ttl = self.pass_ttl = -1
        self.pending: dict[_List, None] = {}
        self.late = False
        self.timer: asyncio.TimerHandle | None = None

    def take(self, asked: _List, answers: Sequence[bytes], found: Listing) -> None:
        """A list answered."""
        for place, site in asked.sites:
            # A bad word is good for as long as it is there, a good one for as long as there is no bad one.
            if (site.weight > 0) == bool(found.addresses):
                self.fail_ttl = _lower(self.fail_ttl, found.ttl)
            else:
                self.pass_ttl = _lower(self.pass_ttl, found.ttl)
            if not site.matches(answers):
                continue
            self.points += site.weight
            if self.best is None or (site.weight, -place) > self.best:
                self.best = (site.weight, -place)
                self.worst = asked.shown
        self.pending.pop(asked, None)
        if not self.pending:
            self.finish()

    def finish(self) -> None:
        """Every list has answered."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        for lookup in list(self.lookups):
            lookup.told()


class Lookup:
    """One session's part in the questions about its client."""

    __slots__ = ("_asked", "_call", "_dnsbl", "_held")

    def __init__(self, dnsbl: Dnsbl, asked: _Asked) -> None:
        self._dnsbl = dnsbl
        self._asked = asked
        self._call: Callable[[], None] | None = None
        self._held = True

    @property
    def complete(self) -> bool:
        """Has every list answered?"""
        return not self._asked.pending

    def score(self) -> Score:
        """What they said, as far as they have."""
        return self._dnsbl.score_of(self._asked)

    def when_complete(self, call: Callable[[], None] | None) -> None:
        """Call this once when the score becomes complete, instead of what was to be called so far. It never does when
        a list does not answer, nor when it is complete already."""
        self._call = call

    async def wait(self) -> None:
        """Until the score is complete, which may be never: put a limit to it. Takes the place of when_complete."""
        if self.complete:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def call() -> None:
            if not future.done():
                future.set_result(None)

        self.when_complete(call)
        await future

    def told(self) -> None:
        """For Dnsbl: it has become complete."""
        call, self._call = self._call, None
        if call is not None:
            call()

    def release(self) -> None:
        """The session needs it no more. Again: nothing."""
        if self._held:
            self._held = False
            self._call = None
            self._dnsbl.let_go(self, self._asked)


class Dnsbl:
    """The DNS lists of one postscreen service. Times in seconds."""

    def __init__(self, sites: Sequence[Site], lookups: Lookups, log: Log, *, tag: str = "postfix/postscreen",
                 blog_tag: str = "postfix/dnsblog", names: Mapping[str, str] | None = None, timeout: int = 10,
                 min_ttl: int = 60, max_ttl: int = 3600, every_warning: bool = False, most: int = MOST_UNDER_WAY,
                 clock: Callable[[], float] = time.monotonic) -> None:
        """`tag`, `blog_tag`: how postscreen's and dnsblog's lines are marked; `names`: what clients are told instead of
        a domain; `most`: questions under way."""
        self._lookups = lookups
        self._log = log
        self._tag = tag
        self._blog_tag = blog_tag
        self._timeout = timeout
        self._min_ttl = min_ttl
        self._max_ttl = max_ttl
        self._every_warning = every_warning
        self._clock = clock
        by_domain: dict[str, list[tuple[int, Site]]] = {}
        for place, site in enumerate(sites):
            by_domain.setdefault(site.domain, []).append((place, site))
        self._lists = [_List(domain, (names or {}).get(domain, domain), entries)
                       for domain, entries in by_domain.items()]
        self._share = max(1, most // max(1, len(self._lists)))
        self._asked: dict[str, _Asked] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._open: set[_Asked] = set()  # whose time runs
        self._warned: dict[str, float] = {}

    @classmethod
    def of(cls, settings: Settings, lookups: Lookups, log: Log, tag: str = "postfix/postscreen") -> Dnsbl:
        """What the settings say. ConfigError for a malformed entry, and for a reply map that cannot be asked now: it is
        asked once, at the start, as in Postfix."""
        sites = read_sites(settings[p.POSTSCREEN_DNSBL_SITES])
        return cls(sites, lookups, log, tag=tag, blog_tag=f"{settings[p.SYSLOG_NAME]}/dnsblog",
                   names=_names(settings, lookups, sites), timeout=settings[p.POSTSCREEN_DNSBL_TIMEOUT],
                   min_ttl=settings[p.POSTSCREEN_DNSBL_MIN_TTL], max_ttl=settings[p.POSTSCREEN_DNSBL_MAX_TTL],
                   every_warning=settings[p.GATEPOST_COMPATIBILITY] == "postfix")

    def begin(self, address: str) -> Lookup:
        """Ask about a client's address (text, no brackets), or take part in what is asked already. Nothing suspends."""
        asked = self._asked.get(address)
        # A session may hold on to what it asked for long; its answers are good for others for as long as any answer is.
        new = asked is None or asked.late or asked.began + self._min_ttl <= self._clock()
        if asked is None or new:
            asked = self._asked[address] = _Asked(address, _prefix(address), self._clock())
        lookup = Lookup(self, asked)
        asked.lookups.append(lookup)
        if new and asked.prefix and self._lists:
            self._ask(asked)
        return lookup

    def score_of(self, asked: _Asked) -> Score:
        """For Lookup."""
        ttl = asked.fail_ttl if asked.points > 0 else asked.pass_ttl
        return Score(asked.points, asked.worst, min(max(ttl, self._min_ttl), self._max_ttl))

    def let_go(self, lookup: Lookup, asked: _Asked) -> None:
        """For Lookup."""
        asked.lookups.remove(lookup)
        if not asked.lookups and self._asked.get(asked.address) is asked:
            del self._asked[asked.address]

    def close(self) -> None:
        """Ask nothing more; scores stay as they are."""
        for asked in self._open:
            if asked.timer is not None:
                asked.timer.cancel()
        for asked_list in self._lists:
            asked_list.waiting.clear()
        for task in self._tasks:
            task.cancel()

    def _ask(self, asked: _Asked) -> None:
        asked.pending = dict.fromkeys(self._lists)
        self._open.add(asked)
        asked.timer = asyncio.get_running_loop().call_later(self._timeout, self._time_is_up, asked)
        for one in self._lists:
            one.waiting.append(asked)
            self._go_on(one)

    def _go_on(self, one: _List) -> None:
        """Ask a list what waits for it, as far as there is room."""
        while one.waiting and one.under_way < self._share:
            asked = one.waiting.popleft()
            if asked.late:
                continue
            if not asked.lookups:
                self._settle(one, asked, [], Listing())  # nobody waits for it any more
                continue
            one.under_way += 1
            task = asyncio.get_running_loop().create_task(self._look(one, asked))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _look(self, one: _List, asked: _Asked) -> None:
        query = f"{asked.prefix}.{one.domain}"
        try:
            found = await self._lookups.listing(query)
        except DnsFailure as failure:
            found = Listing()
            if self._every_warning or not asked.late:
                self._warn(self._blog_tag, one.domain,
                           f"dnsblog_query: lookup error for DNS query {query}: {_reason(failure)}")
        finally:
            one.under_way -= 1
        self._go_on(one)
        for answer in found.addresses:
            self._log.info(self._blog_tag, f"addr {asked.address} listed by domain {one.domain} as {answer}")
        if not asked.late:
            self._settle(one, asked, self._usable(one, found), found)

    def _settle(self, one: _List, asked: _Asked, answers: Sequence[bytes], found: Listing) -> None:
        asked.take(one, answers, found)
        if not asked.pending:
            self._open.discard(asked)

    def _usable(self, one: _List, found: Listing) -> list[bytes]:
        """The IPv4 addresses of an answer."""
        usable = []
        for answer in found.addresses:
            version, number = address_number(answer)
            if version == 4:
                usable.append(number.to_bytes(4, "big"))
            else:
                self._warn(self._tag, one.domain, f"address conversion error for {answer} -- ignoring this reply")
        return usable

    def _time_is_up(self, asked: _Asked) -> None:
        asked.late = True
        asked.timer = None
        self._open.discard(asked)
        for one in asked.pending:
            self._warn(self._tag, one.domain, f"dnsblog reply timeout {self._timeout}s for {one.domain}")

    def _warn(self, tag: str, domain: str, text: str) -> None:
        """A warning; of each program one a minute about each list, unless every one is wanted."""
        key, now = f"{tag} {domain}", self._clock()
        if self._every_warning or self._warned.get(key, -QUIET) + QUIET <= now:
            self._warned[key] = now
            self._log.warning(tag, text)


def _lower(one: int, other: int) -> int:
    """The lower of two TTLs, -1 being none."""
    return max(one, other) if min(one, other) < 0 else min(one, other)


def _prefix(address: str) -> str:
    """The address as names in DNS lists begin with it (RFC 5782 2.1, 2.4); "" for what is no address."""
    if not address_number(address)[0]:
        return ""
    return reverse_name(address).removesuffix(".in-addr.arpa").removesuffix(".ip6.arpa")


def _reason(failure: DnsFailure) -> str:
    """In Postfix's words."""
    lead = "Host or domain name not found. " if failure.reason.startswith("Name service error") else ""
    return lead + (failure.reason or failure.status.value)


def _names(settings: Settings, lookups: Lookups, sites: Sequence[Site]) -> dict[str, str]:
    """What postscreen_dnsbl_reply_map says of each domain."""
    spec = settings[p.POSTSCREEN_DNSBL_REPLY_MAP]
    if not spec:
        return {}
    table, span = lookups.table(spec), settings.span(p.POSTSCREEN_DNSBL_REPLY_MAP)
    if not is_immediate(table):
        raise ConfigError("postscreen_dnsbl_reply_map takes a table that is in memory", span, spec)
    names = {}
    for site in sites:
        try:
            name = table.get_now(site.domain)
        except LookupFailure as failure:
            raise ConfigError(f"{spec}: lookup error: {failure.reason}", span, spec) from None
        if name is not None:
            names[site.domain] = name
    return names
