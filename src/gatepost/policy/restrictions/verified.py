"""Restrictions that ask by a probe whether mail to an address would be accepted (address verification)."""

from __future__ import annotations

from dataclasses import dataclass

import gatepost.config.parameters as p
from gatepost.config.parameter import Parameter
from gatepost.lookup.ask import LookupFailure, Verification
from gatepost.policy.question import Question, Subject
from gatepost.policy.refusal import Refusal
from gatepost.policy.restriction import Answer, Needs, Restriction, restriction
from gatepost.policy.restrictions.domains import temporary
from gatepost.policy.verdict import Outcome

LONGEST_REASON = 250


@dataclass(frozen=True, slots=True)
class Wording:
    """The parameters of one of the two."""

    status: str
    reject_code: Parameter[int]
    defer_code: Parameter[int]
    reason: Parameter[str]
    tempfail: Parameter[str]


SENDER_WORDING = Wording("4.1.7", p.UNVERIFIED_SENDER_REJECT_CODE, p.UNVERIFIED_SENDER_DEFER_CODE,
                         p.UNVERIFIED_SENDER_REJECT_REASON, p.UNVERIFIED_SENDER_TEMPFAIL_ACTION)
RECIPIENT_WORDING = Wording("4.1.1", p.UNVERIFIED_RECIPIENT_REJECT_CODE, p.UNVERIFIED_RECIPIENT_DEFER_CODE,
                            p.UNVERIFIED_RECIPIENT_REJECT_REASON, p.UNVERIFIED_RECIPIENT_TEMPFAIL_ACTION)


async def _verified(question: Question, subject: Subject, wording: Wording, *, sender: bool) -> Answer:
    resolved = await question.resolve(subject.name, sender=sender)
    try:
        found = await question.lookups.verify(resolved.address, sender=sender)
    except LookupFailure as failure:
        found = Verification("broken", failure.reason)
    question.note("verify", resolved.address, f"{found.status}: {found.text}")
    if found.status == "deliverable":
        return Outcome.DUNNO
    if found.status == "broken":
        return Refusal(450, wording.status, subject.rejected("address verification problem"),
                       temporary(question, wording.tempfail))
    settled = found.status == "undeliverable"
    code = question.settings[wording.reject_code if settled else wording.defer_code]
    why = (question.settings[wording.reason] or found.text)[:LONGEST_REASON]
    if code < 400:
        return Outcome.DUNNO
    if code < 500:
        return Refusal(code, wording.status, subject.rejected(f"unverified address: {why}"),
                       temporary(question, wording.tempfail))
    return Refusal(code, wording.status, subject.rejected(f"undeliverable address: {why}"))


@restriction(needs=Needs.NAMED_SENDER, may=(Outcome.REJECT, Outcome.DEFER_IF_PERMIT), subject="sender")
async def reject_unverified_sender(question: Question, _: None) -> Answer:
    """Refuse a sender to whom no mail could be returned (`unverified_sender_reject_code`; while the probe runs
    `unverified_sender_defer_code`). It sends traffic to others: use it with care."""
    return await _verified(question, question.sender, SENDER_WORDING, sender=True)


@restriction(needs=Needs.RECIPIENT, may=(Outcome.REJECT, Outcome.DEFER_IF_PERMIT), subject="recipient")
async def reject_unverified_recipient(question: Question, _: None) -> Answer:
    """Refuse a recipient whom the next server would refuse (`unverified_recipient_reject_code`; while the probe runs
    `unverified_recipient_defer_code`)."""
    return await _verified(question, question.recipient_subject, RECIPIENT_WORDING, sender=False)


VERIFIED: list[Restriction] = [reject_unverified_sender, reject_unverified_recipient]
