"""May this name, sender, recipient, domain? HELO, MAIL, RCPT, VRFY and ETRN, and their rates."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from gatepost.lookup.ask import LookupFailure
from gatepost.observe import lines
from gatepost.policy.facts import Instance
from gatepost.server.answers.asking import Answer, facts, listed, told
from gatepost.server.message import Effects, Message
from gatepost.smtp.facts import IllegalAddress
from gatepost.smtp.reply import Reply
from gatepost.smtp.sentences import BAD_RECIPIENT, BAD_SENDER
from gatepost.smtp.transaction import RecipientRequest, Transaction

if TYPE_CHECKING:
    from gatepost.server.perform import Performer

NO_ROOM = Reply(452, "4.3.1", "Insufficient system storage")


async def hello(on: Performer, name: str) -> Answer:
    """HELO and EHLO restrictions where they are not delayed."""
    known = facts(on)
    known.helo = known.helo_raw = name
    decision = await on.service.policy.decide("helo", known)
    before, on.session.helo = on.session.helo, name  # a refused name is logged as it was sent
    accepted = on.session.transaction.recipients[:1] if on.session.transaction else ()
    reply = told(on, decision, accepted[0].address if accepted else None)
    on.session.helo = before
    return reply


def mail_rate(on: Performer, _: object) -> Answer:
    """smtpd_client_message_rate_limit."""
    service, address = on.service, on.client.address
    count = service.limits.message(service.name, address) if on.limited else 0
    return too_often(on, count, service.rates.messages, "Message delivery request", "too much mail")


def rcpt_rate(on: Performer, _: object) -> Answer:
    """smtpd_client_recipient_rate_limit."""
    service, address = on.service, on.client.address
    count = service.limits.recipient(service.name, address) if on.limited else 0
    return too_often(on, count, service.rates.recipients, "Recipient address", "too many recipients")


def too_often(on: Performer, count: int, limit: int, what: str, text: str) -> Reply | None:
    if not limit or count <= limit:
        return None
    on.teller.warning(f"{what} rate limit exceeded: {count} from {on.client.namaddr} for service {on.service.name}")
    return Reply(450, "4.7.1", f"Error: {text} from {on.client.address}")


def _known_routable(on: Performer, address: str, *, sender: bool = False) -> bool:
    """Is it known without asking that _routable() would say yes? Addresses in UTF-8 are looked at there."""
    if not address.isascii():
        return False
    resolved = on.service.classes.resolved_now(address, sender=sender)
    return resolved is not None and resolved.valid


async def _routable(on: Performer, address: str, *, sender: bool = False, declared: bool = True) -> bool:
    """Is it an address after rewriting? Where a table does not answer the restriction that needs to know refuses. A
    domain in UTF-8 has to be `declared` (SMTPUTF8)."""
    if not declared and not address.rpartition("@")[2].isascii() and "@" in address:
        return False
    try:
        return (await on.service.classes.resolve(address, sender=sender)).valid
    except LookupFailure:
        return True


def mail(on: Performer, transaction: Transaction) -> Answer | Coroutine[Any, Any, Answer]:
    """May this sender begin a transaction, and is there room?"""
    service = on.service
    on.effects = Effects()
    on.instance = Instance()
    sender = transaction.sender
    if not service.policy.needs("sender") and (not sender or _known_routable(on, sender, sender=True)):
        return _room(on)
    return _judged(on, transaction)


async def _judged(on: Performer, transaction: Transaction) -> Answer:
    service = on.service
    if transaction.sender and not await _routable(
            on, transaction.sender, sender=True, declared=transaction.smtputf8):
        on.teller.fact(IllegalAddress("MAIL", transaction.given))
        return BAD_SENDER
    if service.policy.needs("sender"):
        known = facts(on, sender=transaction.sender)
        known.size, known.smtputf8 = transaction.declared_size, transaction.smtputf8
        refusal = told(on, await service.policy.decide("sender", known), None, transaction.sender)
        if refusal is not None:
            return refusal
    return _room(on)


def _room(on: Performer) -> Reply | None:
    free = on.service.room.lacking()
    if free is not None:
        on.teller.access("reject", "MAIL", str(NO_ROOM), None, None)
        on.teller.warning(f"not enough free space in mail queue: {free} bytes < 1.5*message size limit")
        return NO_ROOM
    return None


async def rcpt(on: Performer, request: RecipientRequest) -> Answer:
    """The restrictions; with the first recipient that passes, the message gets its queue id."""
    service, transaction = on.service, on.session.transaction
    declared = transaction is not None and transaction.smtputf8
    if not on.effects.discard:
        if not _known_routable(on, request.address) and not await _routable(on, request.address, declared=declared):
            on.teller.fact(IllegalAddress("RCPT", request.given))
            return BAD_RECIPIENT
        decision = await service.policy.decide("rcpt", facts(on, recipient=request.address))
        if decision.log or decision.effects or decision.reply or decision.hangup_silently:
            refusal = told(on, decision, request.address)
            if refusal is not None:
                return refusal
    if on.message is None:
        open_message(on)
    return None


def open_message(on: Performer) -> None:
    """A message with its queue id: from now on log lines carry it."""
    on.message = message = Message(on.service.intake, on.connection.pause_reading, on.connection.resume_reading)
    on.teller.queue_id = message.queue_id
    origin, sasl, transaction = ("", ""), on.teller.sasl, on.session.transaction
    if sasl and transaction is not None and transaction.auth_sender:
        sasl = (*sasl, ("sasl_sender", transaction.auth_sender))
    if on.forwarded is not None:
        origin = (on.forwarded.ident, f"{on.forwarded.name}[{on.forwarded.address}]")
    on.teller.info(lines.client(message.queue_id, on.client.namaddr, sasl=sasl, origin=origin))


async def vrfy(on: Performer, request: RecipientRequest) -> Answer:
    """The whole chain of restrictions, as for RCPT."""
    if not await _routable(on, request.address):
        on.teller.fact(IllegalAddress("VRFY", request.given))
        return BAD_RECIPIENT
    decision = await on.service.policy.decide("vrfy", facts(on, recipient=request.address))
    return told(on, decision, request.address)


async def etrn(on: Performer, domain: str) -> Answer:
    """The restrictions; then try the domain's mail, if we would for anybody."""
    known = facts(on)
    known.etrn_domain = domain
    refusal = told(on, await on.service.policy.decide("etrn", known), None)
    if refusal is not None:
        return refusal
    if not await listed(on, on.service.fast_flush.matches(domain)):
        on.teller.warning(f"reject: ETRN {domain}... from {on.client.namaddr}")
        return Reply(459, "", f"<{domain}>: service unavailable")
    on.service.flush(domain)
    return None
