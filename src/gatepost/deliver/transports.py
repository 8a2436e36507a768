"""What does a transport do? The services of master.cf by which mail leaves, each ready to take recipients.

A transport is a unix service, known by its command (smtp, lmtp, local, virtual, error, discard); `smtp`, `relay`,
`lmtp`, `local`, `virtual`, `error`, `retry` and `discard` exist without a service. What cannot be opened defers its
mail with the reason, until the operator has mended it. This file must not know how recipients are routed to it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from gatepost.config import parameters as p
from gatepost.config.load import Configuration
from gatepost.config.settings import Settings
from gatepost.deliver.envelope import Envelope, Recipient
from gatepost.deliver.local import LocalAgent, Mailboxes, VirtualAgent
from gatepost.deliver.remote import Remote
from gatepost.deliver.remote_settings import remote_options
from gatepost.deliver.result import Content, Result
from gatepost.lookup.ask import Lookups
from gatepost.span import ConfigError

BUILT_IN = {"smtp": "smtp", "relay": "smtp", "lmtp": "lmtp", "local": "local", "virtual": "virtual", "error": "error",
            "retry": "error", "discard": "discard"}
WAITING = ("smtp", "lmtp", "local", "virtual")

_STATUS = re.compile(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})[ \t]+")

Agent = Callable[[Envelope, Sequence[Recipient], Content, str], Awaitable[list[Result]]]
"""Takes recipients of one next hop."""


@dataclass(slots=True)
class Transport:
    """A transport, ready. `places`: its process limit (None: none); `recipients`: how many one delivery takes."""

    name: str
    command: str
    agent: Agent
    places: asyncio.Semaphore | None
    recipients: int
    immediate: bool = field(init=False)  # it answers without waiting for anything

    def __post_init__(self) -> None:
        self.immediate = self.command not in WAITING


class Transports:
    """All transports, opened when they are first needed."""

    def __init__(self, configuration: Configuration, lookups: Lookups) -> None:
        self._configuration = configuration
        self._lookups = lookups
        self._mailboxes = Mailboxes()
        self._transports: dict[str, Transport] = {}
        self._remotes: list[Remote] = []

    def close(self) -> None:
        """Close kept connections and the threads that write mailboxes."""
        for remote in self._remotes:
            remote.close()
        self._mailboxes.close()

    def get(self, name: str) -> Transport:
        """The transport of that name."""
        found = self._transports.get(name)
        if found is None:
            found = self._transports[name] = self._open(name)
        return found

    def _open(self, name: str) -> Transport:
        service = self._configuration.transport(name)
        command = service.command if service is not None else BUILT_IN.get(name, "")
        settings = self._configuration.settings(service) if service is not None else self._configuration.main
        limit = self._configuration.process_limit(service) if service is not None else 0
        try:
            agent = self._agent(name, command, settings)
            recipients = settings.of_transport(p.DEFAULT_DESTINATION_RECIPIENT_LIMIT, name)
        except ConfigError as problem:
            command, agent, recipients = "", _unavailable(str(problem)), 0
        return Transport(name, command, agent, asyncio.Semaphore(limit) if limit else None, recipients)

    def _agent(self, name: str, command: str, settings: Settings) -> Agent:
        if command in ("smtp", "lmtp"):
            remote = Remote(remote_options(settings, command), self._lookups)
            self._remotes.append(remote)
            return remote.deliver
        if command == "local":
            return _each(LocalAgent(settings, self._mailboxes).deliver)
        if command == "virtual":
            return _each(VirtualAgent(settings, self._lookups, self._mailboxes).deliver)
        if command == "discard":
            return _discard
        if command == "error":
            return _retry if name == "retry" else _error
        return _unavailable(f"transport {name} with command {command} is not supported" if command else
                            f"mail transport unavailable: {name} is not in master.cf")


def _each(deliver: Callable[[Envelope, Recipient, Content], Awaitable[Result]]) -> Agent:
    """An agent that takes one recipient at a time."""

    async def agent(envelope: Envelope, recipients: Sequence[Recipient], content: Content, _: str) -> list[Result]:
        return [await deliver(envelope, recipient, content) for recipient in recipients]

    return agent


async def _discard(_: Envelope, recipients: Sequence[Recipient], __: Content, nexthop: str) -> list[Result]:
    """discard(8): the next hop is what the log says."""
    return [Result(one, "sent", "2.0.0", nexthop, service="discard") for one in recipients]


async def _error(_: Envelope, recipients: Sequence[Recipient], __: Content, nexthop: str) -> list[Result]:
    """error(8): the next hop is the reason, with an enhanced status code in front or none."""
    dsn, text = _reason(nexthop, "5.0.0")
    return [Result(one, "deferred" if dsn.startswith("4") else "bounced", dsn, text, service="error")
            for one in recipients]


async def _retry(_: Envelope, recipients: Sequence[Recipient], __: Content, nexthop: str) -> list[Result]:
    """retry: like error, for now."""
    dsn, text = _reason(nexthop, "4.0.0")
    return [Result(one, "deferred", "4" + dsn[1:], text, service="retry") for one in recipients]


def _unavailable(reason: str) -> Agent:
    """A transport that cannot be: its mail waits until the operator has mended it."""

    async def agent(_: Envelope, recipients: Sequence[Recipient], __: Content, ___: str) -> list[Result]:
        return [Result(one, "deferred", "4.3.0", reason, service="error") for one in recipients]

    return agent


def _reason(nexthop: str, default: str) -> tuple[str, str]:
    read = _STATUS.match(nexthop)
    return (read[1], nexthop[read.end() :]) if read else (default, nexthop)
