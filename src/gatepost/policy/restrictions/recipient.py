"""Restrictions about the envelope recipient and relaying, and addresses that nobody has."""

from __future__ import annotations

from collections.abc import Awaitable

import gatepost.config.parameters as p
from gatepost.lookup.ask import DnsFailure
from gatepost.lookup.classes import Resolved, Unlisted
from gatepost.lookup.patterns import address_number
from gatepost.policy.question import Question, Subject
from gatepost.policy.refusal import Refusal, fitting_status
from gatepost.policy.restriction import Answer, Needs, Restriction, restriction
from gatepost.policy.restrictions.sender import non_fqdn, unknown_domain
from gatepost.policy.verdict import Outcome


async def authorised(question: Question) -> bool:
    """Is the recipient's domain one we take mail for from anybody?"""
    resolved = await question.resolve(question.recipient or "")
    if not question.classes.authorised(resolved):
        return False
    if resolved.kind == "relay" and question.lists.relay_domains_by_default:
        question.log.append(("plain", "using backwards-compatible default setting relay_domains=$mydestination "
                                      f'to accept mail for domain "{resolved.domain}"'))
    return True


def _relay_denied(question: Question, code: int, status: str) -> Refusal:
    return Refusal(code, status, f"<{question.recipient}>: Relay access denied")


@restriction(needs=Needs.RECIPIENT, may=(Outcome.OK,), subject="recipient")
async def permit_auth_destination(question: Question, _: None) -> Answer:
    """Permit recipients in our own domains: mydestination, virtual domains, relay_domains. Not when the local part asks
    for more routing (`a%b@c`)."""
    return Outcome.OK if await authorised(question) else Outcome.DUNNO


@restriction(needs=Needs.RECIPIENT, subject="recipient")
async def reject_unauth_destination(question: Question, _: None) -> Answer:
    """Refuse recipients that are not in our own domains with `relay_domains_reject_code`: Relay access denied."""
    if await authorised(question):
        return Outcome.DUNNO
    return _relay_denied(question, question.settings[p.RELAY_DOMAINS_REJECT_CODE], "5.7.1")


@restriction(needs=Needs.RECIPIENT, subject="recipient")
async def defer_unauth_destination(question: Question, _: None) -> Answer:
    """The same for now: `relay_domains_reject_code` less 100."""
    if await authorised(question):
        return Outcome.DUNNO
    return _relay_denied(question, question.settings[p.RELAY_DOMAINS_REJECT_CODE] - 100, "4.7.1")


@restriction(needs=Needs.RECIPIENT, may=(Outcome.OK, Outcome.REJECT), subject="recipient", ends=True,
             removed="use reject_unauth_destination instead",
             warns='support for restriction "check_relay_domains" will be removed from Postfix; '
                   'use "reject_unauth_destination" instead')
async def check_relay_domains(question: Question, _: None) -> Answer:
    """Permit our own domains, refuse others. Gone since Postfix 3.9."""
    if await authorised(question):
        return Outcome.OK
    return Refusal(question.settings[p.RELAY_DOMAINS_REJECT_CODE], "5.7.1",
                   question.recipient_subject.rejected("Relay access denied"))


@restriction(needs=Needs.RECIPIENT, may=(Outcome.OK,), subject="recipient")
async def permit_mx_backup(question: Question, _: None) -> Answer:
    """Permit recipients whose domain names this machine among its MX hosts, but not as the best one. With
    `permit_mx_backup_networks`, a best one must be there. Outdated: list such domains in relay_domains."""
    resolved = await question.resolve(question.recipient or "")
    if await authorised(question):
        return Outcome.OK
    if resolved.domain.startswith("[") or resolved.routed:
        return Outcome.DUNNO
    return Outcome.OK if await _is_backup(question, resolved) else Outcome.DUNNO


async def _is_backup(question: Question, resolved: Resolved) -> bool:
    try:
        records = await question.lookups.mx(resolved.domain)
    except DnsFailure as failure:
        question.dns("MX", resolved.domain, failure)
        return False
    question.dns("MX", resolved.domain, ", ".join(record.host for record in records))
    best = min(record.preference for record in records)
    primaries: list[str] = []
    ours = False
    for record in records:
        try:
            addresses = await question.lookups.addresses(record.host) if record.host else ()
        except DnsFailure:
            continue
        own = any(address_number(address) in question.lists.own_addresses for address in addresses)
        if record.preference == best:
            if own:
                return False
            primaries.extend(addresses)
        ours = ours or own
    networks = question.lists.mx_backup_networks
    if ours and networks is not None:
        return any([await networks.matches(address) for address in primaries])
    return ours


@restriction(needs=Needs.RECIPIENT, subject="recipient")
def reject_non_fqdn_recipient(question: Question, _: None) -> Answer:
    """Refuse a recipient address without a full domain name with `non_fqdn_reject_code`."""
    return non_fqdn(question, question.recipient_subject)


@restriction(needs=Needs.RECIPIENT, may=(Outcome.REJECT, Outcome.DEFER_IF_PERMIT), subject="recipient")
async def reject_unknown_recipient_domain(question: Question, _: None) -> Answer:
    """Refuse a recipient whose domain has neither MX nor address record, or says that it takes no mail (RFC 7505)."""
    return await unknown_domain(question, question.recipient_subject, status="4.1.2", null_mx=(556, "5.1.10"),
                                sender=False)


@restriction(subject="recipient")
def reject_multi_recipient_bounce(question: Question, _: None) -> Answer:
    """Refuse the null sender with more than one recipient (`multi_recipient_bounce_reject_code`): bounces go to one.

    At RCPT it sees the recipients accepted so far; in `smtpd_data_restrictions` all of them.
    """
    facts = question.facts
    more = facts.recipient_count > (0 if facts.where == "RCPT" else 1)
    if facts.sender != "" or not more:
        return Outcome.DUNNO
    return question.refuse(question.settings[p.MULTI_RECIPIENT_BOUNCE_REJECT_CODE], "5.5.3", "Multi-recipient bounce")


def unlisted(question: Question, subject: Subject, *, sender: bool) -> Answer | Awaitable[Answer]:
    """An address of ours that the tables of its class do not hold. What was found a moment ago is said at once."""
    if not question.lists.checks_listing:
        return Outcome.DUNNO
    resolved = question.resolved_now(subject.name, sender=sender)
    if resolved is not None:
        known = question.classes.unlisted_now(resolved, sender=sender)
        if known is not None:
            return _judged(question, subject, known[0])
    return _find_unlisted(question, subject, sender)


async def _find_unlisted(question: Question, subject: Subject, sender: bool) -> Answer:
    resolved = await question.resolve(subject.name, sender=sender)
    return _judged(question, subject, await question.classes.unlisted(resolved, sender=sender))


def _judged(question: Question, subject: Subject, missing: Unlisted | None) -> Answer:
    if missing is None:
        return Outcome.DUNNO
    status = missing.dsn
    if missing.adjust:
        status = fitting_status(status, subject.class_)
        if status != missing.dsn:
            question.log.append(("plain", f"mapping DSN status {missing.dsn} into {subject.class_} status {status}"))
    return Refusal(missing.code, status, subject.rejected(missing.text))


@restriction(needs=Needs.NAMED_SENDER, subject="sender")
def reject_unlisted_sender(question: Question, _: None) -> Answer | Awaitable[Answer]:
    """Refuse a sender in one of our domains that does not exist there. See `smtpd_reject_unlisted_sender`."""
    question.sender_checked = True
    return unlisted(question, question.sender, sender=True)


@restriction("check_recipient_maps", needs=Needs.RECIPIENT, subject="recipient")
def reject_unlisted_recipient(question: Question, _: None) -> Answer | Awaitable[Answer]:
    """Refuse a recipient in one of our domains that does not exist there. See `smtpd_reject_unlisted_recipient`."""
    question.recipient_checked = True
    return unlisted(question, question.recipient_subject, sender=False)


RECIPIENT: list[Restriction] = [
    permit_auth_destination, reject_unauth_destination, defer_unauth_destination, check_relay_domains, permit_mx_backup,
    reject_non_fqdn_recipient, reject_unknown_recipient_domain, reject_multi_recipient_bounce, reject_unlisted_sender,
    reject_unlisted_recipient]
