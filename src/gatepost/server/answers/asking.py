"""What is known when something is asked, and how is a decision taken over? Shared by all answers."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING

from gatepost.lookup.ask import LookupFailure
from gatepost.lookup.match import NameAddrList
from gatepost.policy.facts import Facts
from gatepost.policy.verdict import Decision
from gatepost.server.login import offered
from gatepost.smtp.events import Answered
from gatepost.smtp.options import Rights
from gatepost.smtp.reply import Reply

if TYPE_CHECKING:
    from gatepost.server.perform import Performer

Answer = Reply | Answered | None

LATER = Answered()  # no answer yet: whoever gives this calls Performer.answer when the time has come
SILENT = Reply(421, "", "")  # the end of the session, without a word (access(5) HANGUP)


def facts(on: Performer, where: str = "", *, sender: str | None = None, recipient: str | None = None) -> Facts:
    """What is known now, for the restrictions."""
    session, client = on.session, on.client
    transaction = session.transaction
    accepted = transaction.recipients if transaction else ()
    if transaction is not None and sender is None:
        sender = transaction.sender
    if recipient is None and len(accepted) == 1 and session.where in ("DATA", "BDAT", "END-OF-MESSAGE"):
        recipient = accepted[0].address
    return Facts(
        where=where or session.where,
        client=client,
        protocol="ESMTP" if session.esmtp else "SMTP",
        helo=session.helo,
        helo_raw=session.helo_raw,
        sender=sender,
        recipient=recipient,
        recipient_count=len(accepted),
        size=(transaction.size if session.where == "END-OF-MESSAGE" else transaction.declared_size)
        if transaction else 0,
        queue_id=on.message.queue_id if on.message else "",
        instance=on.instance,
        sasl_method=on.login.mechanism if on.login else "",
        sasl_username=session.authenticated,
        sasl_sender=transaction.auth_sender if transaction else "",
        tls=on.connection.secured,
        early=session.turn.early,
        smtputf8=transaction.smtputf8 if transaction else False,
        carried=on.carried,
    )


def told(on: Performer, decision: Decision, recipient: str | None, sender: str | None = None,
          where: str = "") -> Reply | Answered | None:
    """A decision's lines written and its effects taken over -> its reply."""
    transaction = on.session.transaction
    if decision.log:
        if sender is None and transaction is not None:
            sender = transaction.sender
        on.teller.decision(decision, where or on.session.where, sender, recipient)
    for effect in decision.effects:
        on.effects.add(effect)
    if decision.hangup_silently:
        return SILENT
    return decision.reply


def matches_client(on: Performer, clients: NameAddrList) -> bool | Awaitable[bool]:
    """Is the client on this list? At once when no table has to be asked."""
    client = on.client
    if clients.static:
        try:
            return clients.matches_now(client.name, client.address)
        except LookupFailure as failure:
            on.teller.warning(failure.reason)
            return False
    return listed(on, clients.matches(client.name, client.address))


async def listed(on: Performer, matching: Awaitable[bool]) -> bool:
    try:
        return await matching
    except LookupFailure as failure:
        on.teller.warning(failure.reason)
        return False


async def find_rights(on: Performer) -> None:
    """What this client may do and see; when a table that says so fails, EHLO will be answered 421."""
    service = on.service
    try:
        on.session.rights = await service.lists.rights(on.client, await offered(on), service.asks)
    except LookupFailure as failure:
        namaddr = on.client.namaddr
        on.teller.warning(failure.reason)
        on.teller.warning(f"don't know what EHLO features to announce to {namaddr}")
        on.session.rights = Rights(namaddr=namaddr, asks=service.asks, features_unknown=True)
