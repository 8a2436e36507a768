"""Restrictions about nothing in particular: verdicts, talking out of turn, encryption, pauses.

They speak of what their list is about (`<X>: CLASS rejected`).
"""

from __future__ import annotations

import gatepost.config.parameters as p
from gatepost.policy.question import Question
from gatepost.policy.refusal import Refusal
from gatepost.policy.restriction import Answer, Restriction, Takes, restriction
from gatepost.policy.verdict import Outcome


@restriction(may=(Outcome.OK,), subject="generic", ends=True)
def permit(question: Question, _: None) -> Answer:
    """Permit, and look at nothing else in this list. It says nothing about the lists that follow."""
    return Outcome.OK


@restriction(subject="generic", ends=True)
def reject(question: Question, _: None) -> Answer:
    """Refuse with `reject_code`: Access denied."""
    return question.refuse(question.settings[p.REJECT_CODE], "5.7.1", "Access denied")


@restriction(subject="generic", ends=True)
def defer(question: Question, _: None) -> Answer:
    """Refuse for now with `defer_code`: Try again later."""
    return question.refuse(question.settings[p.DEFER_CODE], "4.3.2", "Try again later")


@restriction(may=(Outcome.DEFER_IF_PERMIT,), subject="generic")
def defer_if_permit(question: Question, _: None) -> Answer:
    """Refuse for now unless something later refuses for good."""
    return question.refuse(450, "4.7.0", "defer_if_permit requested", stored=Outcome.DEFER_IF_PERMIT)


@restriction(may=(Outcome.DEFER_IF_REJECT,), subject="generic")
def defer_if_reject(question: Question, _: None) -> Answer:
    """Turn a later refusal of this stage into one for now."""
    return question.refuse(450, "4.7.0", "defer_if_reject requested", stored=Outcome.DEFER_IF_REJECT)


@restriction(subject="generic")
def reject_unauth_pipelining(question: Question, _: None) -> Answer:
    """Refuse a client that talked out of turn at any time in this session (RFC 2920 3.1).

    Only in `smtpd_data_restrictions` does it see everything said before the message, the message itself included.
    """
    early = question.facts.early
    if early is None:
        return Outcome.DUNNO
    question.note("early talk", early.after, f"{early.evidence}: {early.text!r}")
    return question.refuse(503, "5.5.0", "Improper use of SMTP command pipelining")


@restriction(subject="generic")
def reject_plaintext_session(question: Question, _: None) -> Answer:
    """Refuse a session without TLS, with `plaintext_reject_code`."""
    if question.facts.tls is not None:
        return Outcome.DUNNO
    return Refusal(question.settings[p.PLAINTEXT_REJECT_CODE], "4.7.1", "Session encryption is required")


@restriction(may=(), takes=Takes.NUMBER, subject="generic")
async def sleep(question: Question, seconds: int) -> Answer:
    """Pause that many seconds. What plays a dialogue without an event loop does not wait."""
    if seconds > 0:
        import asyncio  # late: who only reads the declaration never sleeps

        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return Outcome.DUNNO
        await loop.create_task(asyncio.sleep(seconds))
    return Outcome.DUNNO


GENERIC: list[Restriction] = [permit, reject, defer, defer_if_permit, defer_if_reject, reject_unauth_pipelining,
                              reject_plaintext_session, sleep]
