"""May the message come, and is it ours? DATA and the end of data: restrictions, content, the spool."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from gatepost.deliver.spool import SpoolFailure, SpoolFull
from gatepost.lookup.ask import LookupFailure
from gatepost.observe import lines
from gatepost.server.answers.asking import LATER, Answer, facts, told
from gatepost.server.answers.envelope import NO_ROOM, open_message
from gatepost.smtp.events import Answered
from gatepost.smtp.reply import Reply
from gatepost.smtp.sentences import MESSAGE_TOO_BIG

if TYPE_CHECKING:
    from gatepost.deliver.content import Preparation
    from gatepost.deliver.envelope import Envelope
    from gatepost.server.message import Message
    from gatepost.server.perform import Performer

WRITE_ERROR = Reply(451, "4.3.0", "Error: queue file write error")
CHECK_FAILED = Reply(451, "4.7.1", "Error: service unavailable")
ENVELOPE = 512  # bytes that message_size_limit allots to what surrounds a message, as Postfix's queue files have it


def data(on: Performer, _: object) -> Answer | Coroutine[Any, Any, Answer]:
    """Data restrictions; then content begins."""
    if on.service.policy.needs("data") and not on.effects.discard:
        return _judged_data(on)
    _begin(on)
    return None


async def _judged_data(on: Performer) -> Answer:
    refusal = told(on, await on.service.policy.decide("data", facts(on)), _only_recipient(on))
    if refusal is None:
        _begin(on)
    return refusal


def _begin(on: Performer) -> None:
    transaction = on.session.transaction
    if on.message is None:  # an earlier message of this transaction was refused at its end
        open_message(on)
    if on.message is not None and transaction is not None and not on.effects.discard:
        origin = on.origin()
        on.message.begin(transaction, on.effects, origin, on.onward(origin), on.tls_seen())


def _only_recipient(on: Performer) -> str | None:
    """Log lines of the DATA stages name the recipient when there is one."""
    transaction = on.session.transaction
    return transaction.recipients[0].address if transaction and len(transaction.recipients) == 1 else None


def end_of_message(on: Performer, size: int) -> Answer | Coroutine[Any, Any, Answer]:
    """End-of-data restrictions; then the message is made durable, and only then acknowledged."""
    if on.effects.discard:
        return _accepted(on, size)
    early, policy = on.session.turn.early, on.service.policy
    if policy.needs("end_of_data") or (early is not None and early.after == "DATA" and policy.needs("data")):
        return _judged_end(on, size)
    return _finish(on, size)


async def _judged_end(on: Performer, size: int) -> Answer:
    early, policy = on.session.turn.early, on.service.policy
    # Content that came before the client can have had the 354 shows itself after DATA was judged: judged again.
    stages = ("data", "end_of_data") if early is not None and early.after == "DATA" else ("end_of_data",)
    for stage in stages:
        if policy.needs(stage) and not on.effects.discard:
            refusal = told(on, await policy.decide(stage, facts(on)), _only_recipient(on))
            if refusal is not None:
                return Answered(refusal, "restrictions") if isinstance(refusal, Reply) else refusal
    if on.effects.discard:
        return _accepted(on, size)
    answer = _finish(on, size)
    return await answer if isinstance(answer, Coroutine) else answer


def _finish(on: Performer, size: int) -> Answer | Coroutine[Any, Any, Answer]:
    """Nothing was refused: what does the content say?"""
    message, effects = on.message, on.effects
    assert message is not None, "a message without recipients"
    envelope = message.envelope
    assert envelope is not None
    envelope.hold, envelope.redirect = effects.hold, effects.redirect
    envelope.bcc = list(effects.bcc)
    envelope.content_filter = effects.filter or envelope.content_filter
    if message.checked or on.service.copies:
        return _checked(on, message, envelope, size)
    return _take(on, message, message.finish(), size)


async def _checked(on: Performer, message: Message, envelope: Envelope, size: int) -> Answer:
    """Content checks and automatic copies may have to wait for tables."""
    service = on.service
    try:
        found = await message.checks() if message.checked else message.finish()
        if service.copies:
            envelope.bcc += await service.copies.of(envelope.sender, [one.address for one in envelope.recipients])
    except LookupFailure as failure:
        service.intake.warning(f"{message.queue_id}: {failure.reason}")
        return CHECK_FAILED
    return _take(on, message, found, size)


def _take(on: Performer, message: Message, found: Preparation, size: int) -> Answer:
    """Take the message, unless its content forbids it. The answer comes when it is durable."""
    service, envelope = on.service, message.envelope
    assert envelope is not None
    service.intake.info(lines.message_id(message.queue_id, found.message_id))
    if found.refusal is not None:
        if found.hops > service.hopcount_limit:
            service.intake.warning(f"{message.queue_id}: message rejected: hopcount exceeded")
        return found.refusal
    limit = service.options.message_size_limit
    if limit and size + ENVELOPE > limit and message.stored + ENVELOPE > limit:
        service.intake.warning(f"{message.queue_id}: queue file size limit exceeded")
        return MESSAGE_TOO_BIG
    found.findings.apply(envelope)
    if found.findings.discard:
        return _accepted(on, size)

    def then(failure: SpoolFull | SpoolFailure | None) -> None:
        if on.message is message:  # otherwise the connection was closed meanwhile
            on.answer(_accepted(on, size) if failure is None else _not_kept(on, message, failure))

    message.keep(then)
    return LATER


def _not_kept(on: Performer, message: Message, failure: SpoolFull | SpoolFailure) -> Reply:
    on.teller.warning(f"{message.queue_id}: {failure}")
    return NO_ROOM if isinstance(failure, SpoolFull) else WRITE_ERROR


def _accepted(on: Performer, size: int) -> Reply:
    """The message is ours (or was to be dropped): the connection forgets it."""
    message = on.message
    assert message is not None
    on.forget()
    if on.session.chunks is not None:
        return Reply(250, "2.0.0", f"Ok: {size} bytes queued as {message.queue_id}")
    return Reply(250, "2.0.0", f"Ok: queued as {message.queue_id}")
