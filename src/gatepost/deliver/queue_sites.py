"""May one more delivery to this destination begin? Concurrency by destination and by transport; dead destinations.

A delivery that finds its destination busy waits in the destination's own line, so that a slow destination holds up
nobody else; with a place there it may have to wait for its transport (master.cf's process limit). A destination whose
delivery failed before the message could be talked about (4.4.x: no connection, no route) is left alone for a while:
what is queued for it is deferred at once. This file must not know how deliveries run.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

from gatepost.deliver.envelope import Recipient
from gatepost.deliver.queue_message import Message
from gatepost.deliver.queue_rules import QueueRules
from gatepost.deliver.result import DEFERRED, Destination, Result


class Job:
    """One delivery: some recipients of a message that go to one destination."""

    __slots__ = ("message", "recipients", "site")

    def __init__(self, message: Message, recipients: list[Recipient], site: Site) -> None:
        self.message = message
        self.recipients = recipients
        self.site = site


class Line:
    """Deliveries of one transport: those that run and those that wait for a place (they have one at their site)."""

    __slots__ = ("running", "waiting")

    def __init__(self) -> None:
        self.running = 0
        self.waiting: deque[Job] = deque()


class Site:
    """A destination that has work. `limit`: deliveries at a time; 0 = any number."""

    __slots__ = ("destination", "limit", "line", "running", "waiting")

    def __init__(self, destination: Destination, line: Line, limit: int) -> None:
        self.destination = destination
        self.line = line
        self.limit = limit
        self.running = 0
        self.waiting: deque[Job] = deque()


class Sites:
    """All destinations with work or out of order."""

    def __init__(self, rules: QueueRules) -> None:
        self.rules = rules
        self._sites: dict[Destination, Site] = {}
        self._lines: dict[str, Line] = {}
        self._suspended: dict[Destination, tuple[float, str, str]] = {}  # until when, dsn, why

    def site(self, destination: Destination) -> Site:
        """The destination's site."""
        site = self._sites.get(destination)
        if site is None:
            transport = destination.transport
            line = self._lines.get(transport)
            if line is None:
                line = self._lines[transport] = Line()
            site = self._sites[destination] = Site(destination, line, self.rules.concurrency(transport))
        return site

    def jobs(self, message: Message, groups: Mapping[Destination, list[Recipient]]) -> list[Job]:
        """A message's deliveries, none with more recipients than its transport takes."""
        jobs: list[Job] = []
        for destination, recipients in groups.items():
            most = self.rules.recipients(destination.transport) or len(recipients)
            jobs += [Job(message, recipients[at:at + most], self.site(destination))
                     for at in range(0, len(recipients), most)]
        return jobs

    def begin(self, job: Job) -> bool:
        """Take a place for the delivery. False: it waits until end() gives it one."""
        site = job.site
        if site.limit and site.running >= site.limit:
            site.waiting.append(job)
            return False
        site.running += 1
        if site.line.running >= self.rules.process_limit:
            site.line.waiting.append(job)
            return False
        site.line.running += 1
        return True

    def end(self, job: Job) -> Job | None:
        """The delivery ended -> one that waited and may begin now."""
        site, line = job.site, job.site.line
        if site.waiting:
            line.waiting.append(site.waiting.popleft())
        else:
            site.running -= 1
            if not site.running:
                self._sites.pop(site.destination, None)
        if line.waiting:
            return line.waiting.popleft()
        line.running -= 1
        return None

    def learn(self, destination: Destination, results: Sequence[Result], now: float) -> None:
        """Results came in: is the destination out of order?"""
        first = results[0] if results else None
        if first is not None and first.dsn.startswith("4.4.") and all(r.status == DEFERRED for r in results):
            until = now + self.rules.minimal_backoff
            self._suspended[destination] = (until, first.dsn, f"delivery temporarily suspended: {first.text}")
        elif self._suspended:
            self._suspended.pop(destination, None)

    def suspended(self, destination: Destination, now: float) -> tuple[str, str] | None:
        """Status code and text when nothing is to be tried there now."""
        found = self._suspended.get(destination) if self._suspended else None
        if found is None:
            return None
        if found[0] <= now:
            del self._suspended[destination]
            return None
        return found[1], found[2]

    def forgive(self) -> None:
        """Try every destination again (an operator's flush)."""
        self._suspended.clear()
