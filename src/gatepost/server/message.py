"""One message on its way in: effects of access results, content prepared and spooled, and the moment it becomes ours.

Made when the first recipient is accepted; abandoned with its transaction, or kept. Content checks that must wait hold
the client back instead of piling up memory. This file must not know restrictions nor sockets.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from gatepost.deliver.content import ContentPolicy, Preparation
from gatepost.deliver.content_received import Naming, TlsSeen
from gatepost.deliver.envelope import Envelope, Origin, Recipient
from gatepost.deliver.keeper import Keeper, Settled
from gatepost.deliver.spool_draft import Draft
from gatepost.lookup.ask import LookupFailure
from gatepost.policy.verdict import Effect
from gatepost.server.eagerly import eagerly
from gatepost.smtp.transaction import Transaction

HELD_BACK = 65536  # bytes of content that wait for checks: beyond it the client is not read


class Effects:
    """What access results did to the transaction besides permitting or refusing it."""

    __slots__ = ("bcc", "discard", "filter", "hold", "prepend", "redirect")

    def __init__(self) -> None:
        self.filter = ""
        self.hold = False
        self.discard = False
        self.redirect = ""
        self.bcc: list[str] = []
        self.prepend: list[str] = []

    def add(self, effect: Effect) -> None:
        """One more; of FILTER and REDIRECT the last counts."""
        match effect.action:
            case "filter":
                self.filter = effect.argument
            case "hold":
                self.hold = True
            case "discard":
                self.discard = True
            case "redirect":
                self.redirect = effect.argument
            case "bcc":
                self.bcc.append(effect.argument)
            case "prepend":
                self.prepend.append(effect.argument)


@dataclass(slots=True)
class Intake:
    """What a service does with content: made once per service."""

    keeper: Keeper
    content: ContentPolicy
    naming: Naming
    filter: str  # content_filter
    overrides: frozenset[str]  # receive_override_options
    tag: str
    info: Callable[[str], None]  # cleanup's log lines
    warning: Callable[[str], None]


class Message:
    """A message being received."""

    __slots__ = ("_draft", "_failure", "_hold", "_intake", "_pending", "_preparation", "_release", "_task", "envelope",
                 "queue_id")

    def __init__(self, intake: Intake, hold: Callable[[], None], release: Callable[[], None]) -> None:
        self.queue_id = intake.keeper.new_id()
        self.envelope: Envelope | None = None
        self._intake = intake
        self._draft: Draft | None = None
        self._preparation: Preparation | None = None
        self._failure: LookupFailure | None = None
        self._pending: list[bytes] = []
        self._task: asyncio.Future[None] | None = None
        self._hold = hold
        self._release = release

    def begin(self, transaction: Transaction, effects: Effects, origin: Origin, onward: Origin,
              tls: TlsSeen | None) -> None:
        """The envelope is complete; content follows. `origin` is who sent it here, `onward` who is told to be its
        origin (XFORWARD)."""
        intake = self._intake
        self.envelope = envelope = Envelope(
            queue_id=self.queue_id,
            sender=transaction.sender,
            recipients=[Recipient(r.address, "", r.orcpt, r.notify) for r in transaction.recipients],
            arrived=time.time(),
            origin=onward,
            body_type=transaction.body,
            smtputf8=transaction.smtputf8,
            ret=transaction.ret,
            envid=transaction.envid,
            content_filter=effects.filter or intake.filter,
            hold=effects.hold,
            redirect=effects.redirect,
            bcc=effects.bcc,
            overrides=intake.overrides,
            service=intake.tag,
        )
        self._draft = intake.keeper.draft(self.queue_id)
        preparation = self._preparation = intake.content.start(
            envelope, local=intake.content.is_local(origin), info=intake.info, warning=intake.warning)
        own = intake.naming.received(origin, self.queue_id, envelope.recipients, envelope.arrived, tls)
        if effects.prepend:
            prepended = "".join([f"{header}\r\n" for header in effects.prepend])
            own = prepended.encode("utf-8", "surrogateescape") + own
        if preparation.checked:
            self._run(self._checked(preparation.check_begin(own)))
        else:
            self._draft.write(preparation.begin(own))

    def write(self, data: bytes) -> None:
        """The next part of the content."""
        preparation, draft = self._preparation, self._draft
        if preparation is None or draft is None:
            return
        if not preparation.checked:
            draft.write(preparation.feed(data))
        elif self._task is not None:
            self._pending.append(data)
            if sum(map(len, self._pending)) > HELD_BACK:
                self._hold()
        else:
            self._run(self._checked(preparation.check(data)))

    @property
    def checked(self) -> bool:
        """Are there content checks? Then checks() ends the content instead of finish()."""
        return self._preparation is not None and self._preparation.checked

    def finish(self) -> Preparation:
        """The content is whole -> what was found in it."""
        preparation, draft = self._preparation, self._draft
        assert preparation is not None and draft is not None
        draft.write(preparation.finish())
        return preparation

    async def checks(self) -> Preparation:
        """finish, with checks. LookupFailure when one of them could not be made."""
        preparation = self._preparation
        assert preparation is not None
        while self._task is not None:
            await asyncio.shield(self._task)
        if self._failure is None:
            await self._checked(preparation.check_end())
        if self._failure is not None:
            raise self._failure
        return preparation

    @property
    def stored(self) -> int:
        """Bytes of the message as it will be stored, our own headers included."""
        return self._draft.size if self._draft is not None else 0

    def keep(self, then: Settled) -> None:
        """Take responsibility: `then` is called when the message is durable, or with the reason why it cannot be."""
        assert self._draft is not None and self.envelope is not None
        self._intake.keeper.submit(self._draft, self.envelope, then)

    def abandon(self) -> None:
        """Forget it, unless it was kept."""
        if self._draft is not None:
            self._draft.abandon()
        self._preparation = self._draft = None

    async def _checked(self, checking: Coroutine[Any, Any, bytes]) -> None:
        try:
            data = await checking
        except LookupFailure as failure:
            self._failure = self._failure or failure
            return
        if self._draft is not None:
            self._draft.write(data)

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        waiting = eagerly(work)
        if waiting is not None:
            self._task = asyncio.ensure_future(waiting)
            self._task.add_done_callback(self._next)

    def _next(self, _: asyncio.Future[None]) -> None:
        self._task = None
        self._release()
        if self._pending and self._preparation is not None:
            data, self._pending = b"".join(self._pending), []
            self._run(self._checked(self._preparation.check(data)))
