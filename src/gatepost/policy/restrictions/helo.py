"""Restrictions about the HELO or EHLO name. Without one they are skipped."""

from __future__ import annotations

import gatepost.config.parameters as p
from gatepost.lookup.patterns import address_number
from gatepost.lookup.rewrite import literal_address
from gatepost.policy.question import Question, Subject
from gatepost.policy.refusal import Refusal
from gatepost.policy.restriction import Answer, Needs, Restriction, restriction
from gatepost.policy.restrictions.domains import Existence, existence, temporary
from gatepost.policy.verdict import Outcome
from gatepost.smtp.grammar import valid_hostname

CLASS = "Helo command"


def _refused(question: Question, code: int, status: str, why: str, stored: Outcome = Outcome.REJECT) -> Refusal:
    return Refusal(code, status, Subject(question.helo, CLASS).rejected(why), stored)


def _bad_literal(question: Question) -> Answer:
    """`[1.2.3.4]` or `[IPv6:...]` (RFC 5321 4.1.3)."""
    if literal_address(question.helo) is not None:
        return Outcome.DUNNO
    return _refused(question, question.settings[p.INVALID_HOSTNAME_REJECT_CODE], "5.5.2", "invalid ip address")


def _without_dot(name: str) -> str:
    return name[:-1] if name.endswith(".") and len(name) > 1 else name


def _valid(name: str) -> bool:
    return name.isascii() and valid_hostname(name)


@restriction("reject_invalid_hostname", needs=Needs.HELO, subject="helo")
def reject_invalid_helo_hostname(question: Question, _: None) -> Answer:
    """Refuse a malformed HELO name or address literal with `invalid_hostname_reject_code`. A bare IP address passes."""
    if question.helo.startswith("["):
        return _bad_literal(question)
    name = _without_dot(question.helo)
    if address_number(name)[0] or _valid(name):
        return Outcome.DUNNO
    return _refused(question, question.settings[p.INVALID_HOSTNAME_REJECT_CODE], "5.5.2", "Invalid name")


@restriction("reject_non_fqdn_hostname", needs=Needs.HELO, subject="helo")
def reject_non_fqdn_helo_hostname(question: Question, _: None) -> Answer:
    """Refuse a HELO name without a domain with `non_fqdn_reject_code`. An address literal has to be a right one."""
    if question.helo.startswith("["):
        return _bad_literal(question)
    name = _without_dot(question.helo)
    if _valid(name) and "." in name:
        return Outcome.DUNNO
    return _refused(question, question.settings[p.NON_FQDN_REJECT_CODE], "5.5.2", "need fully-qualified hostname")


@restriction("reject_unknown_hostname", needs=Needs.HELO, may=(Outcome.REJECT, Outcome.DEFER_IF_PERMIT), subject="helo")
async def reject_unknown_helo_hostname(question: Question, _: None) -> Answer:
    """Refuse a HELO name that has neither address nor MX record, with `unknown_hostname_reject_code`."""
    if question.helo.startswith("["):
        return _bad_literal(question)
    found = await existence(question, _without_dot(question.helo))
    if found in (Existence.KNOWN, Existence.NULL_MX):
        return Outcome.DUNNO
    if found is Existence.TRY_AGAIN:
        return _refused(question, 450, "4.7.1", "Host not found",
                        temporary(question, p.UNKNOWN_HELO_HOSTNAME_TEMPFAIL_ACTION))
    why = "Malformed DNS server reply" if found is Existence.MALFORMED else "Host not found"
    return _refused(question, question.settings[p.UNKNOWN_HOSTNAME_REJECT_CODE], "4.7.1", why)


@restriction(needs=Needs.HELO, may=(Outcome.OK, Outcome.REJECT), subject="helo",
             removed="use permit_mynetworks or permit_sasl_authenticated instead")
def permit_naked_ip_address(question: Question, _: None) -> Answer:
    """Permit a HELO name that is an IPv4 address without brackets; one that only looks so is refused. Gone since
    Postfix 3.9."""
    question.warning("restriction permit_naked_ip_address is deprecated. "
                     "Use permit_mynetworks or permit_sasl_authenticated instead")
    helo = question.helo
    if not helo or set(helo) - set("0123456789.:"):
        return Outcome.DUNNO
    if ":" not in helo and address_number(helo)[0]:
        return Outcome.OK
    return _refused(question, question.settings[p.INVALID_HOSTNAME_REJECT_CODE], "5.5.2", "invalid ip address")


HELO: list[Restriction] = [reject_invalid_helo_hostname, reject_non_fqdn_helo_hostname, reject_unknown_helo_hostname,
                           permit_naked_ip_address]
