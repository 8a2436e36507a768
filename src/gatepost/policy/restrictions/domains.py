"""Does a mail domain exist? The DNS question that restrictions about HELO, sender and recipient share."""

from __future__ import annotations

import enum

from gatepost.config.parameter import Parameter
from gatepost.lookup.ask import DnsFailure, DnsStatus
from gatepost.policy.question import Question
from gatepost.policy.verdict import Outcome


class Existence(enum.Enum):
    """What the DNS knows of a domain."""

    KNOWN = "known"
    NULL_MX = "null MX"  # it says that it takes no mail (RFC 7505)
    NOT_FOUND = "not found"
    MALFORMED = "malformed"
    TRY_AGAIN = "try again"


async def existence(question: Question, domain: str) -> Existence:
    """MX records, then addresses. A failure of either leaves the answer open unless the other settles it."""
    statuses = set()
    try:
        records = await question.lookups.mx(domain)
        question.dns("MX", domain, ", ".join(record.host or "." for record in records))
        return Existence.NULL_MX if len(records) == 1 and not records[0].host else Existence.KNOWN
    except DnsFailure as failure:
        question.dns("MX", domain, failure)
        statuses.add(failure.status)
    try:
        question.dns("A", domain, ", ".join(await question.lookups.addresses(domain)))
        return Existence.KNOWN
    except DnsFailure as failure:
        question.dns("A", domain, failure)
        statuses.add(failure.status)
    if DnsStatus.TRY_AGAIN in statuses:
        return Existence.TRY_AGAIN
    return Existence.MALFORMED if DnsStatus.MALFORMED in statuses else Existence.NOT_FOUND


def temporary(question: Question, action: Parameter[str]) -> Outcome:
    """When to answer a failure of the DNS, as a `..._tempfail_action` parameter says: at the end unless something
    refuses, or at once (`defer`)."""
    return Outcome.DEFER_IF_PERMIT if question.settings[action] == "defer_if_permit" else Outcome.REJECT
