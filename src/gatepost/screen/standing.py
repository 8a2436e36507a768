"""What is known of a client when it connects? Limits, access list, remembered passes, the address it came to, in order.

The order is Postfix's (postscreen(8); the sentences are its too): limits first, so that they hold for permitted
clients as well; who is permitted, or passed everything not long ago, is not tried. Contract: `standing` does not
suspend when nothing has to wait; what waits is a future or a task, so that the coroutine may be begun outside a task.
This file must not know how a trial is made, nor carry out what it finds: facts and replies are values.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

from gatepost.lookup.tolerance import ExemptClients
from gatepost.screen import facts
from gatepost.screen.access import Access, AccessList, Interfaces
from gatepost.screen.clients import ClientRecord, Clients
from gatepost.screen.memory import NOT_KNOWN, NotKnown
from gatepost.screen.rules import Rules
from gatepost.screen.trials import PREGREET, Penalty, Stamps
from gatepost.smtp.reply import Reply

TOO_MANY_CONNECTIONS = Reply(421, "4.7.0", "Error: too many connections")
SERVER_PORTS_BUSY = Reply(421, "4.3.2", "All server ports are busy")
SCREENING_PORTS_BUSY = Reply(421, "4.3.2", "All screening ports are busy")
DENIED_DROP = Reply(521, "5.3.2", "Service currently unavailable")
DENIED_ENFORCE = Reply(550, "5.3.2", "Service currently unavailable")  # the answer to its recipients


class Remembers(Protocol):
    """What is asked of the memory (screen/memory.py)."""

    @property
    def configured(self) -> bool:
        """Is anything remembered at all?"""

    def get_now(self, address: str) -> str | NotKnown | None:
        """The record, None (there is none), or NOT_KNOWN."""

    async def get(self, address: str) -> str | None:
        """The record, or None."""

    async def offended(self, address: str) -> bool:
        """Was the client caught at anything not long ago?"""


@dataclass(frozen=True, slots=True)
class Grounds:
    """What the clients of one postscreen service are judged by."""

    rules: Rules
    access: AccessList
    interfaces: Interfaces
    clients: Clients
    memory: Remembers
    exempt: ExemptClients


@dataclass(frozen=True, slots=True)
class Standing:
    """What was found, in the order of working:

    `facts`: to be told, in order. `refusal`: drop the client with it. `allowlisted`: permitted by the access list, hand
    it on without a trial. `done_old`: it is remembered and nothing is due, hand it on; PassOld is among the facts, also
    where nothing is due because of a session beside this one (Postfix has no line for that). `denied`: rejected by the
    access list, and the penalty is enforce: answer recipients with DENIED_ENFORCE. `veto`: it came to an address at
    which nobody may pass. `todo`: the trials that are due, a set; `new`: one of them was never passed; `stamps`: shared
    with the client's other sessions. `suspect`: caught before; asked only where the greeting waits adaptively.
    `exempt`: it may talk out of turn.
    """

    stamps: Stamps
    facts: tuple[facts.ScreenFact, ...] = ()
    refusal: Reply | None = None
    allowlisted: bool = False
    done_old: bool = False
    denied: bool = False
    veto: bool = False
    todo: int = 0
    new: bool = False
    suspect: bool = False
    exempt: bool = False


async def standing(grounds: Grounds, client: ClientRecord, server_address: str, now: int) -> Standing:
    """Where a client stands that just entered. `server_address`: ours, text without brackets; `now`: Unix time.

    When every penalty is to be ignored (gatepost_screen_promotion = observe), a veto is told and has no effect either.
    """
    rules, clients, stamps = grounds.rules, grounds.clients, client.stamps
    limit = rules.client_connection_count_limit
    if limit and client.concurrency > limit:
        return Standing(stamps, (facts.TooManyConnections(),), TOO_MANY_CONNECTIONS)
    if clients.post_queue >= rules.post_queue_limit:
        return Standing(stamps, (facts.ServerPortsBusy(),), SERVER_PORTS_BUSY)
    entered = clients.screening  # what comes while this session waits for a table is not before it
    told: list[facts.ScreenFact] = []

    access = await grounds.access.judge(client.address)
    if access is Access.PERMIT:
        return Standing(stamps, (facts.Allowlisted(),), allowlisted=True)
    denied = False
    if access is Access.REJECT:
        told.append(facts.Denylisted())
        if rules.denylist_penalty is Penalty.DROP:
            return Standing(stamps, tuple(told), DENIED_DROP, denied=True)
        denied = rules.denylist_penalty is Penalty.ENFORCE

    remembered = not denied and await _recall(client, grounds.memory)
    client.known = True
    todo = stamps.due(now, rules.enabled)
    if remembered and not todo:
        return Standing(stamps, (*told, facts.PassOld()), done_old=True)

    veto = not await grounds.interfaces.hold(server_address)
    if veto:
        told.append(facts.Veto())
    if min(entered, clients.screening) >= rules.pre_queue_limit:
        told.append(facts.ScreeningPortsBusy())
        return Standing(stamps, tuple(told), SCREENING_PORTS_BUSY, denied=denied, veto=veto)
    vetoed = veto and not rules.observes
    if not todo and rules.enabled and rules.promotes and not (denied or vetoed):
        told.append(facts.PassOld())  # it passed in a session beside this one; Postfix serves it without a line
    exempt = await grounds.exempt.hold(client.address)
    suspect = False
    if rules.adaptive and todo & PREGREET.bit and grounds.memory.configured:
        suspect = await asyncio.get_running_loop().create_task(grounds.memory.offended(client.address))
    return Standing(stamps, tuple(told), denied=denied, veto=vetoed, todo=todo, new=stamps.new, suspect=suspect,
                    exempt=exempt)


async def _recall(client: ClientRecord, memory: Remembers) -> bool:
    """Fill in the stamps that the sessions of a client share -> did this session find a record?

    The first session asks the memory; those beside it wait for it and go by what it found, or ask in its place when it
    was given up.
    """
    while not client.known:
        if client.reading is not None:
            await client.reading.wait()
            continue
        record = memory.get_now(client.address)
        if record is NOT_KNOWN:
            done = client.reading = asyncio.Event()
            try:
                record = await asyncio.get_running_loop().create_task(memory.get(client.address))
            finally:
                client.reading = None
                done.set()
        client.known = True
        if isinstance(record, str):
            client.stamps.become(Stamps.parse(record))
            return True
    return False
