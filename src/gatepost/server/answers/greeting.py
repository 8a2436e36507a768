"""Who is it, and may it come in? Name, rights, limits and client restrictions before the greeting; the tarpit."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gatepost.observe import lines
from gatepost.server.answers.asking import Answer, facts, find_rights, listed, told
from gatepost.server.answers.identification import new_tls
from gatepost.smtp.reply import Reply

if TYPE_CHECKING:
    from gatepost.server.perform import Performer


class Pause:
    """A wait that ends early when the client leaves."""

    __slots__ = ("_future",)

    def __init__(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        self._future: asyncio.Future[None] = loop.create_future()
        loop.call_later(seconds, self.cut_short)

    def cut_short(self) -> None:
        """Enough."""
        if not self._future.done():
            self._future.set_result(None)

    async def over(self) -> None:
        """Wait for the end."""
        await self._future


async def pause(on: Performer, seconds: float) -> Answer:
    """The tarpit."""
    on.waiting_for_client = waiting = Pause(seconds)
    await waiting.over()
    on.waiting_for_client = None
    return None


async def peer(on: Performer, _: object) -> Answer:
    """Name the client, say hello in the log, find its rights, and give it a moment to betray itself."""
    service = on.service
    if service.name_client is not None:
        for warning in await service.name_client(on.client):
            on.teller.warning(warning)
    on.teller.info(lines.connect(on.client.namaddr))
    refusal = await find_rights(on)
    if refusal is None and service.greet_pause:
        await pause(on, service.greet_pause)
    return refusal


async def connect(on: Performer, _: object) -> Answer:
    """Limits per client address, then client restrictions where they are not delayed."""
    service, client = on.service, on.client
    on.limited = not (on.session.rights.xclient
                      or await listed(on, service.lists.limit_exceptions.matches(client.name, client.address)))
    if not on.admitted:
        on.admitted = client.address
        excess = service.rates.connection(*service.limits.enter(service.name, client.address))
        if excess and on.limited:
            on.teller.warning(f"Connection {excess} from {client.namaddr} for service {service.name}")
            return Reply(421, "4.7.0", f"{service.options.hostname} Error: too many connections from {client.address}")
        if on.session.tls and service.rates.new_tls:  # wrapper mode: the handshake is over
            refusal = await new_tls(on, None)
            if refusal is not None:
                return refusal
    if service.policy.needs("client"):
        return told(on, await service.policy.decide("client", facts(on)), None)
    return None
