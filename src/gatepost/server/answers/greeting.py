"""Who is it, and may it come in? Name, rights, limits and client restrictions before the greeting; the tarpit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine
from typing import TYPE_CHECKING, Any

from gatepost.observe import lines
from gatepost.server.answers.asking import LATER, Answer, facts, find_rights, matches_client, told
from gatepost.server.answers.identification import new_tls
from gatepost.smtp.events import Answered
from gatepost.smtp.reply import Reply

if TYPE_CHECKING:
    from gatepost.server.perform import Performer
    from gatepost.server.service import NameClient


class Pause:
    """A wait before the answer; it ends early when the client leaves. One timer, no task: every connection has one."""

    __slots__ = ("_loop", "_on", "_timer")

    def __init__(self, on: Performer, seconds: float) -> None:
        self._on: Performer | None = on
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(seconds, self._over)

    def cut_short(self) -> None:
        """Enough: answer at the loop's next turn."""
        self._timer.cancel()
        self._loop.call_soon(self._over)

    def _over(self) -> None:
        on, self._on = self._on, None
        if on is not None:
            on.waiting_for_client = None
            on.answer(None)


def pause(on: Performer, seconds: float) -> Answer:
    """The tarpit."""
    on.waiting_for_client = Pause(on, seconds)
    return LATER


def peer(on: Performer, _: object) -> Answer | Coroutine[Any, Any, Answer]:
    """Name the client, say hello in the log, find its rights, and give it a moment to betray itself."""
    return _named(on) if on.service.name_client is None else _find_name(on, on.service.name_client)


async def _find_name(on: Performer, name_client: NameClient) -> Answer:
    for warning in await name_client(on.client):
        on.teller.warning(warning)
    answer = _named(on)
    return await answer if isinstance(answer, Coroutine) else answer


def _named(on: Performer) -> Answer | Coroutine[Any, Any, Answer]:
    on.teller.info(lines.connect(on.client.namaddr))
    rights = on.service.lists.rights_now(on.client, on.service.asks) if on.service.logins.auth is None else None
    if rights is None:
        return _find_rights(on)
    on.session.rights = rights
    return _paused(on)


async def _find_rights(on: Performer) -> Answer:
    await find_rights(on)
    return _paused(on)


def _paused(on: Performer) -> Answer:
    return pause(on, on.service.greet_pause) if on.service.greet_pause else None


def connect(on: Performer, _: object) -> Answer | Coroutine[Any, Any, Answer]:
    """Limits per client address, then client restrictions where they are not delayed."""
    service = on.service
    excepted = on.session.rights.xclient or matches_client(on, service.lists.limit_exceptions)
    if isinstance(excepted, bool) and not service.policy.needs("client") and not on.session.tls:
        on.limited = not excepted
        return _limits(on)
    return _judged(on, excepted)


async def _judged(on: Performer, excepted: bool | Awaitable[bool]) -> Answer:
    service = on.service
    on.limited = not (excepted if isinstance(excepted, bool) else await excepted)
    first = not on.admitted
    refusal: Answer = _limits(on)
    if refusal is None and first and on.session.tls:  # wrapper mode: the handshake is over
        refusal = await new_tls(on, None)
        refusal = refusal.reply if isinstance(refusal, Answered) else refusal
    if refusal is None and service.policy.needs("client"):
        return told(on, await service.policy.decide("client", facts(on)), None)
    return refusal


def _limits(on: Performer) -> Reply | None:
    service, client = on.service, on.client
    if not on.admitted:
        on.admitted = client.address
        excess = service.rates.connection(*service.limits.enter(service.name, client.address))
        if excess and on.limited:
            on.teller.warning(f"Connection {excess} from {client.namaddr} for service {service.name}")
            return Reply(421, "4.7.0", f"{service.options.hostname} Error: too many connections from {client.address}")
    return None
