"""Restrictions about the envelope sender. The null sender passes all of them."""

from __future__ import annotations

import gatepost.config.parameters as p
from gatepost.lookup.rewrite import parts
from gatepost.policy.question import Question, Subject
from gatepost.policy.refusal import Refusal
from gatepost.policy.restriction import Answer, Needs, Restriction, restriction
from gatepost.policy.restrictions.domains import Existence, existence, temporary
from gatepost.policy.verdict import Outcome
from gatepost.smtp.grammar import valid_hostname


def non_fqdn(question: Question, subject: Subject) -> Answer:
    """An address without domain, or with one that is no full host name; address literals pass."""
    domain = parts(subject.name)[1] or ""
    name = domain[:-1] if domain.endswith(".") else domain
    if domain.startswith("[") or ("." in name and valid_hostname(name)):
        return Outcome.DUNNO
    return Refusal(question.settings[p.NON_FQDN_REJECT_CODE], "5.5.2",
                   subject.rejected("need fully-qualified address"))


async def unknown_domain(question: Question, subject: Subject, *, status: str, null_mx: tuple[int, str],
                         sender: bool) -> Answer:
    """A domain without MX and address records; our own and literals are not asked for."""
    resolved = await question.resolve(subject.name, sender=sender)
    if resolved.kind in ("local", "virtual-alias", "virtual-mailbox") or resolved.domain.startswith("["):
        return Outcome.DUNNO
    found = await existence(question, resolved.domain)
    if found is Existence.KNOWN:
        return Outcome.DUNNO
    if found is Existence.NULL_MX:
        return Refusal(*null_mx, subject.rejected(f"Domain {resolved.domain} does not accept mail (nullMX)"))
    if found is Existence.TRY_AGAIN:
        return Refusal(450, status, subject.rejected("Domain not found"),
                       temporary(question, p.UNKNOWN_ADDRESS_TEMPFAIL_ACTION))
    why = "Malformed DNS server reply" if found is Existence.MALFORMED else "Domain not found"
    return Refusal(question.settings[p.UNKNOWN_ADDRESS_REJECT_CODE], status, subject.rejected(why))


@restriction(needs=Needs.NAMED_SENDER, subject="sender")
def reject_non_fqdn_sender(question: Question, _: None) -> Answer:
    """Refuse a sender address without a full domain name with `non_fqdn_reject_code`."""
    return non_fqdn(question, question.sender)


@restriction("reject_unknown_address", needs=Needs.NAMED_SENDER, may=(Outcome.REJECT, Outcome.DEFER_IF_PERMIT),
             subject="sender")
async def reject_unknown_sender_domain(question: Question, _: None) -> Answer:
    """Refuse a sender whose domain has neither MX nor address record (`unknown_address_reject_code`), or says that it
    takes no mail (RFC 7505: 550 5.7.27)."""
    return await unknown_domain(question, question.sender, status="4.1.8", null_mx=(550, "5.7.27"), sender=True)


async def _owners(question: Question) -> list[str] | None:
    """The logins that own the sender address; None when nobody is named."""
    resolved = await question.resolve(question.facts.sender or "", sender=True)
    found = await question.lists.sender_logins.find_address(
        resolved.address, question.settings[p.RECIPIENT_DELIMITER], short=resolved.kind == "local")
    question.note("smtpd_sender_login_maps", resolved.address, "not found" if found is None else found)
    return None if found is None else found.lower().replace(",", " ").split()


async def _not_owned(question: Question, *, known: bool) -> Answer:
    owners = await _owners(question)
    user = question.facts.sasl_username
    if (owners is None and known) or user.lower() in (owners or ()):
        return Outcome.DUNNO
    return Refusal(553, "5.7.1", question.sender.rejected(f"not owned by user {user}"))


async def _not_logged_in(question: Question) -> Answer:
    if await _owners(question) is None:
        return Outcome.DUNNO
    return Refusal(553, "5.7.1", question.sender.rejected("not logged in"))


def _asks(question: Question, *names: str) -> bool:
    """Is there somebody to ask about? Without SASL the restrictions do nothing, which is worth a line each."""
    if question.settings[p.SMTPD_SASL_AUTH_ENABLE] or question.facts.sasl_username:
        return bool(question.facts.sender)
    for name in names:
        question.warning(f"restriction `{name}' ignored: no SASL support")
    return False


@restriction(subject="sender")
async def reject_sender_login_mismatch(question: Question, _: None) -> Answer:
    """Refuse a sender address that the login does not own, and an owned one without login. Owners:
    `smtpd_sender_login_maps`; addresses that nobody owns may not be used after login."""
    if not _asks(question, "reject_authenticated_sender_login_mismatch",
                 "reject_unauthenticated_sender_login_mismatch"):
        return Outcome.DUNNO
    return await (_not_owned(question, known=False) if question.facts.sasl_username else _not_logged_in(question))


@restriction(subject="sender")
async def reject_authenticated_sender_login_mismatch(question: Question, _: None) -> Answer:
    """Refuse a sender address that the login does not own; nothing without login."""
    if not _asks(question, "reject_authenticated_sender_login_mismatch") or not question.facts.sasl_username:
        return Outcome.DUNNO
    return await _not_owned(question, known=False)


@restriction(subject="sender")
async def reject_unauthenticated_sender_login_mismatch(question: Question, _: None) -> Answer:
    """Refuse an owned sender address from a client that has not logged in."""
    if not _asks(question, "reject_unauthenticated_sender_login_mismatch") or question.facts.sasl_username:
        return Outcome.DUNNO
    return await _not_logged_in(question)


@restriction(subject="sender")
async def reject_known_sender_login_mismatch(question: Question, _: None) -> Answer:
    """As reject_sender_login_mismatch, but only for addresses that `smtpd_sender_login_maps` knows."""
    if not _asks(question, "reject_known_sender_login_mismatch"):
        return Outcome.DUNNO
    return await (_not_owned(question, known=True) if question.facts.sasl_username else _not_logged_in(question))


SENDER: list[Restriction] = [
    reject_non_fqdn_sender, reject_unknown_sender_domain, reject_sender_login_mismatch,
    reject_authenticated_sender_login_mismatch, reject_unauthenticated_sender_login_mismatch,
    reject_known_sender_login_mismatch]
