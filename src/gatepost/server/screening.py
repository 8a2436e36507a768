"""What does one postscreen service screen its clients with? Its settings made concrete, and what its sessions share.

A Screening is built per service and configuration; Screenings keeps what outlives a reload: who is being screened, the
places of the smtpd behind, and the memory, one for each postscreen_cache_map. This file must not know how a trial is
made.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from gatepost.config import parameters as p
from gatepost.config.settings import Settings
from gatepost.lookup.ask import Lookups
from gatepost.lookup.tolerance import ExemptClients
from gatepost.observe.log import Log
from gatepost.screen import lines
from gatepost.screen.access import AccessList, Interfaces
from gatepost.screen.clients import Clients
from gatepost.screen.dnsbl import Dnsbl, Lookup
from gatepost.screen.facts import Parties
from gatepost.screen.memory import Memory
from gatepost.screen.memory_cleanup import Cleanup, Retention
from gatepost.screen.rules import Rules
from gatepost.screen.screening import Screened
from gatepost.screen.standing import Grounds, Standing, standing
from gatepost.server.attend import attendant
from gatepost.server.connection import Attend, Connection
from gatepost.server.perform import Performer
from gatepost.server.replies import POSTSCREEN, Wording
from gatepost.server.screening_perform import ScreenPerformer
from gatepost.server.screening_terms import ScreeningTerms, screening_terms
from gatepost.server.seats import Seats
from gatepost.server.service import Service
from gatepost.server.terms import Terms
from gatepost.smtp.session import Session

PROGRAMS = ("postscreen", "tlsproxy")


class Clock(Protocol):
    """The module time, or a test's."""

    def time(self) -> float:
        """Unix time."""

    def monotonic(self) -> float:
        """Seconds."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What the sessions of a service share across reloads. `reminded`: holds something once the old words of the log
    were explained."""

    clients: Clients
    seats: Seats
    places: int  # for the seats, once the configuration counts
    memory: Memory
    reminded: set[str]


class Screening:
    """One postscreen service. `service`: the smtpd behind it."""

    __slots__ = ("_attend", "_reminds", "clients", "clock", "dnsbl", "grounds", "kept", "log", "memory", "name",
                 "rules", "seats", "service", "settings", "tags", "terms", "wording")

    def __init__(self, name: str, settings: Settings, service: Service, kept: Kept, terms: ScreeningTerms,
                 rules: Rules, lookups: Lookups, *, clock: Clock = time) -> None:
        """`name`: its master.cf name, for log lines about it; `settings`: its own. ConfigError for a list, a table or a
        DNS list that cannot be."""
        self.name = name
        self.settings = settings
        self.service = service
        self.kept = kept
        self.terms = terms
        self.rules = rules
        self.clock = clock
        self.log: Log = service.log
        self.tags = {program: f"{settings[p.SYSLOG_NAME]}/{program}" for program in PROGRAMS}
        self.clients, self.seats, self.memory = kept.clients, kept.seats, kept.memory
        self.wording = Wording(settings, lookups, POSTSCREEN) or None
        self.dnsbl = Dnsbl.of(settings, lookups, self.log, self.tags["postscreen"])
        self.grounds = Grounds(rules, AccessList.of(settings, lookups, info=self.info, warn=self.warning),
                               Interfaces.of(settings, lookups, warn=self.warning), kept.clients, kept.memory,
                               ExemptClients(settings, lookups))
        self._attend = attendant(service)
        self._reminds = not settings.is_set(p.RESPECTFUL_LOGGING)

    # ------------------------------------------------------------------ for server/listener.py

    @property
    def doors(self) -> tuple[Terms, Attend]:
        """On which terms a connection begins, and who serves it."""
        return self.terms.quiet, self.attend

    def attend(self, connection: Connection) -> tuple[Screened, ScreenPerformer]:
        """Serve a new connection."""
        self.take_terms(connection)
        performer = ScreenPerformer(connection, self)
        return Screened(self.rules, connection.peer_address, performer), performer

    # ------------------------------------------------------------------ for ScreenPerformer

    async def stand(self, on: ScreenPerformer) -> Standing:
        """Count the client in, and find out where it stands."""
        on.client = client = self.clients.enter(on.parties.address)
        return await standing(self.grounds, client, on.parties.server_address, int(self.clock.time()))

    def serve(self, connection: Connection) -> tuple[Session, Performer]:
        """The real session of a client that passed."""
        return self._attend(connection)

    def look_up(self, address: str) -> Lookup:
        """Ask the DNS lists."""
        return self.dnsbl.begin(address)

    def take_terms(self, connection: Connection) -> None:
        """A screened connection's time limits, as they are now."""
        connection.terms = self.terms.stressed if self.clients.stressed else self.terms.quiet

    def remind(self, parties: Parties) -> None:
        """An old word is about to be logged: the first time it is said why, unless the operator wants it."""
        if self._reminds and not self.kept.reminded:
            self.kept.reminded.add(self.name)
            self.info(lines.wording_reminder(parties))

    def info(self, text: str) -> None:
        """A line of postscreen's."""
        self.log.info(self.tags["postscreen"], text)

    def warning(self, text: str) -> None:
        """A warning of postscreen's."""
        self.log.warning(self.tags["postscreen"], text)

    def close(self) -> None:
        """No session needs it any more."""
        self.dnsbl.close()


class Screenings:
    """The postscreen services of one process, from configuration to configuration."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._clients: dict[str, Clients] = {}
        self._seats: dict[str, Seats] = {}
        self._memories: dict[tuple[str, ...], Memory] = {}
        self._reminded: set[str] = set()
        self._cleaning: list[asyncio.Task[None]] = []

    def make(self, name: str, settings: Settings, service: Service, lookups: Lookups, *,
             tls: ssl.SSLContext | None, places: int, trusts_proxy: Callable[[str], bool]) -> Screening:
        """A service as the settings have it. `places`: sessions of the smtpd behind it at a time, 0: any number.
        ConfigError."""
        rules = Rules.of(settings, lookups, tls_ready=tls is not None)
        terms = screening_terms(settings, tls, service.terms.fingerprint_digest, trusts_proxy)
        tag = f"{settings[p.SYSLOG_NAME]}/postscreen"
        clients = self._clients.get(name)
        if clients is None:
            clients = self._clients[name] = Clients(rules.pre_queue_limit, lambda text: self._log.info(tag, text))
        seats = self._seats.setdefault(service.name, Seats(places))
        kept = Kept(clients, seats, places, self._memory(settings, tag), self._reminded)
        return Screening(name, settings, service, kept, terms, rules, lookups)

    def _memory(self, settings: Settings, tag: str) -> Memory:
        """The memory that these settings name."""
        key = tuple(settings.text(each.name) or "" for each in (
            p.POSTSCREEN_CACHE_MAP, p.QUEUE_DIRECTORY, p.GATEPOST_SCREEN_HISTORY_LIMIT, p.GATEPOST_SCREEN_HISTORY_TIME))
        memory = self._memories.get(key)
        if memory is None:
            memory = self._memories[key] = Memory.of(settings, warn=lambda text: self._log.warning(tag, text),
                                                     info=lambda text: self._log.info(tag, text))
        return memory

    def adopt(self, screenings: list[Screening]) -> None:
        """From now on these services count: their limits, and which records are old."""
        for screening in screenings:
            screening.clients.pre_queue_limit = screening.rules.pre_queue_limit
            screening.seats.change(screening.kept.places)
        for task in self._cleaning:
            task.cancel()
        self._cleaning = []
        by_memory: dict[int, list[Screening]] = {}
        for screening in screenings:
            by_memory.setdefault(id(screening.memory), []).append(screening)
        for sharing in by_memory.values():
            first = sharing[0]
            intervals = [each.rules.cache_cleanup_interval for each in sharing if each.rules.cache_cleanup_interval]
            if first.memory.configured and intervals:
                retentions = [Retention.of(each.settings, each.rules.enabled) for each in sharing]
                cleanup = Cleanup(first.memory, first.settings[p.POSTSCREEN_CACHE_MAP], retentions, info=first.info)
                self._cleaning.append(asyncio.create_task(cleanup.every(min(intervals))))

    async def close(self) -> None:
        """Write what waits, and end."""
        for task in self._cleaning:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        for memory in self._memories.values():
            await memory.close()
