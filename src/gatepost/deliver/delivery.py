"""What becomes of these recipients? Expansion, routing and the agents of all transports, behind one question.

Contract: `deliver` gives one Result for every recipient that is left after alias expansion (result.py), never raises
for what tables, peers or disks do, and does not suspend when nothing waits (discard, error). A transport is a unix
service of master.cf, known by its command; `smtp`, `relay`, `lmtp`, `local`, `virtual`, `error`, `retry` and
`discard` exist without one. No more deliveries of a transport run at a time than its process limit. This file must
not know protocols or mailboxes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from gatepost.config.load import Configuration
from gatepost.config.settings import Settings
from gatepost.deliver.aliases import Aliases, marked, once
from gatepost.deliver.envelope import Envelope, Recipient
from gatepost.deliver.result import Content, Destination, Result
from gatepost.deliver.route import LOCAL, Router
from gatepost.deliver.transports import Transport, Transports
from gatepost.lookup.ask import Lookups
from gatepost.lookup.classes import Classes
from gatepost.lookup.kept import Kept

Placed = tuple[Destination, Recipient] | Result
"""A recipient with its destination, or what became of it on the way there."""

Direct = tuple[Destination, Transport]
"""Where a recipient goes that stands for itself and is no local user."""


class Deliverer:
    """Everything that leaves the queue leaves through this. `settings`: how to route, main.cf's own by default."""

    def __init__(self, configuration: Configuration, lookups: Lookups, settings: Settings | None = None) -> None:
        routing = settings or configuration.main
        self._classes = Classes(routing, lookups)
        self._aliases = Aliases(routing, lookups, self._classes)
        self._router = Router(routing, lookups, self._classes)
        self._transports = Transports(configuration, lookups)
        self._direct: Kept[tuple[str, str], Direct | None] = Kept(time.monotonic)  # by address and content filter
        self._running = 0
        self._closing = False

    async def deliver(self, envelope: Envelope, recipients: Sequence[Recipient], content: Content) -> list[Result]:
        """One attempt for these recipients."""
        if len(recipients) == 1:
            direct = self._known(envelope, recipients[0])
            if direct is not None and direct[1].immediate:
                one = marked(recipients[0], recipients[0].address)
                return await direct[1].agent(envelope, [one], content, direct[0].nexthop)
        self._running += 1
        try:
            return await self._deliver(envelope, recipients, content)
        finally:
            self._running -= 1
            self._close_when_idle()

    async def _deliver(self, envelope: Envelope, recipients: Sequence[Recipient], content: Content) -> list[Result]:
        groups: dict[Destination, list[Recipient]] = {}
        results: list[Result] = []
        expanded = await self._expand(envelope, recipients)
        if envelope.probe and len(expanded) > len(recipients):
            return [Result(one, "sent", "2.0.0", "aliased to multiple recipients") for one in recipients]
        for one in expanded:
            if isinstance(one, Result):
                results.append(one)
            else:
                destination, recipient = one
                groups.setdefault(destination, []).append(recipient)
        waiting: list[asyncio.Task[list[Result]]] = []
        for destination, group in groups.items():
            transport = self._transports.get(destination.transport)
            if transport.immediate:
                results += await transport.agent(envelope, group, content, destination.nexthop)
                continue
            size = transport.recipients or len(group)
            waiting += (asyncio.ensure_future(self._run(transport, envelope, group[at : at + size], content,
                                                        destination.nexthop)) for at in range(0, len(group), size))
        if len(waiting) == 1:
            results += await waiting[0]
        elif waiting:
            for part in await asyncio.gather(*waiting):
                results += part
        return results

    async def route(self, envelope: Envelope, recipient: Recipient) -> Destination:
        """Where a recipient would go, aliases aside: for concurrency limits and defer_transports."""
        direct = self._known(envelope, recipient)
        if direct is not None:
            return direct[0]
        found = await self._router.route(envelope, recipient)
        return Destination() if isinstance(found, Result) else found

    async def close(self) -> None:
        """Close kept connections and the threads, as soon as no delivery is running any more; does not wait for that
        (a reload must not)."""
        self._closing = True
        self._close_when_idle()

    @property
    def idle(self) -> bool:
        """Is no delivery running?"""
        return not self._running

    def _close_when_idle(self) -> None:
        if self._closing and not self._running:
            self._transports.close()

    async def _expand(self, envelope: Envelope,
                      recipients: Sequence[Recipient]) -> list[Placed]:
        """Recipients with their destinations. Virtual aliases come before the filter, local ones behind it."""
        mappings = "no_address_mappings" not in envelope.overrides
        found: list[Placed] = []
        for given in recipients:
            direct = self._known(envelope, given)
            if direct is not None:
                found.append((direct[0], marked(given, given.address)))
                continue
            fresh = not given.expanded
            expanded = await self._aliases.expand_virtual([given], mappings=mappings)
            for one in expanded:
                placed = [one] if isinstance(one, Result) else await self._placed(envelope, one, fresh)
                lost = Result(given, "deferred", "4.3.0", "alias expansion gives no recipient", service="error")
                found += placed or [lost]
                if len(expanded) == 1 and fresh and mappings:
                    self._remember(envelope, given, placed)
        return _once(found)

    def _known(self, envelope: Envelope, recipient: Recipient) -> Direct | None:
        """The direct way of a recipient that is not expanded yet, when it was found a moment ago."""
        if recipient.original or "no_address_mappings" in envelope.overrides:
            return None
        return self._direct.get((recipient.address, envelope.content_filter), None)

    def _remember(self, envelope: Envelope, given: Recipient, placed: Sequence[Placed]) -> None:
        """Is the way direct, and everybody's? Local users may have aliases and forwards, they are asked each time."""
        if len(placed) != 1 or self._router.depends_on_sender or isinstance(placed[0], Result):
            return
        destination, recipient = placed[0]
        if recipient.address == given.address and not self._is_local(destination):
            transport = self._transports.get(destination.transport)
            self._direct.keep((given.address, envelope.content_filter), (destination, transport))

    async def _placed(self, envelope: Envelope, recipient: Recipient,
                      fresh: bool) -> list[Placed]:
        destination = await self._router.route(envelope, recipient)
        if isinstance(destination, Result):
            return [destination]
        if not self._is_local(destination):
            return [(destination, recipient)]
        if not fresh:
            return [await self._user(recipient, destination)]
        found: list[Placed] = []
        for one in once(await self._aliases.local.expand(recipient)):
            if isinstance(one, Result):
                found.append(one)
            elif one.address == recipient.address:
                found.append(await self._user(one, destination))
            else:
                found += await self._alias_target(envelope, one)
        return found

    async def _alias_target(self, envelope: Envelope, recipient: Recipient) -> list[Placed]:
        """An address out of a local alias: a local user or file is final, any other may be a virtual alias."""
        found: list[Placed] = []
        destination = await self._router.route(envelope, recipient)
        if not isinstance(destination, Result) and self._is_local(destination):
            return [await self._user(recipient, destination)]
        for one in await self._aliases.virtual.expand(recipient):
            placed = one if isinstance(one, Result) else await self._router.route(envelope, one)
            if isinstance(placed, Result):
                found.append(placed)
            elif isinstance(one, Recipient):
                found.append(await self._user(one, placed) if self._is_local(placed) else (placed, one))
        return found

    async def _user(self, recipient: Recipient, destination: Destination) -> Placed:
        placed = await self._router.of_user(recipient, destination)
        return placed if isinstance(placed, Result) else (placed, recipient)

    def _is_local(self, destination: Destination) -> bool:
        return self._transports.get(destination.transport).command == LOCAL

    async def _run(self, transport: Transport, envelope: Envelope, recipients: Sequence[Recipient], content: Content,
                   nexthop: str) -> list[Result]:
        """One delivery in its own task. An exception must not undo what other deliveries achieved: it defers."""
        try:
            if transport.places is None:
                return await transport.agent(envelope, recipients, content, nexthop)
            async with transport.places:
                return await transport.agent(envelope, recipients, content, nexthop)
        except Exception as failure:
            text = f"unexpected delivery failure: {type(failure).__name__}: {failure}"
            return [Result(one, "deferred", "4.3.0", text, service=transport.command) for one in recipients]


def _once(found: list[Placed]) -> list[Placed]:
    """Each address of one original once."""
    if len(found) == 1:
        return found
    seen: set[tuple[str, str]] = set()
    left: list[Placed] = []
    for one in found:
        if not isinstance(one, Result):
            key = (one[1].address, one[1].original)
            if key in seen:
                continue
            seen.add(key)
        left.append(one)
    return left
