"""Which restrictions cannot act where they stand, and why? The findings of LST-02 (lists.py)."""

from __future__ import annotations

from collections.abc import Iterator

import gatepost.config.parameters as p
from gatepost.audit.change import SetValue
from gatepost.audit.finding import Finding, Fix, Severity
from gatepost.audit.flow import BARRIERS, Item, Kind, RestrictionList
from gatepost.audit.listener import Listener, named
from gatepost.audit.rules.names import arguments_of_unknown
from gatepost.audit.rules.written import lists
from gatepost.audit.subject import Subject
from gatepost.policy.restriction import Needs, Takes
from gatepost.policy.restrictions import RESTRICTIONS

EARLY = {"smtpd_client_restrictions": Needs.HELO | Needs.SENDER | Needs.NAMED_SENDER | Needs.RECIPIENT,
         "smtpd_helo_restrictions": Needs.SENDER | Needs.NAMED_SENDER | Needs.RECIPIENT,
         "smtpd_sender_restrictions": Needs.RECIPIENT}
"""What is not known yet when a list is looked at at its own command."""
LATE = ("smtpd_data_restrictions", "smtpd_end_of_data_restrictions")
ETRN = "smtpd_etrn_restrictions"
WHAT = {Needs.HELO: "HELO name", Needs.SENDER: "sender", Needs.NAMED_SENDER: "sender", Needs.RECIPIENT: "recipient"}
PIPELINING = "reject_unauth_pipelining"  # PIPE-04 says where it is not reached
RELAY_CHECKS = ("reject_unauth_destination", "defer_unauth_destination")  # RLY-05 says where they know no recipient

def found(subject: Subject) -> Iterator[Finding]:
    """Every finding, one for each place in the files."""
    seen: dict[tuple[object, str], Finding] = {}
    for listed, listeners in lists(subject):
        for listener in {each.delays_reject: each for each in reversed(listeners)}.values():
            for finding in _in_list(listener, listed):
                seen.setdefault((finding.span, finding.message), finding)
    yield from seen.values()
    yield from _without_helo(subject)


def _in_list(listener: Listener, listed: RestrictionList) -> Iterator[Finding]:
    unreached = False
    here = listener.name if listener.is_set_here(listed.name) else ""
    taken = arguments_of_unknown(listed)
    for item in listed.every:
        service = "" if item.path else here
        if id(item) in taken:
            continue
        if item.span is None:
            continue
        if item.ended_by is not None:
            if not unreached and item.name != PIPELINING:
                unreached = True
                yield Finding("", Severity.MEDIUM, f"{item.text} in {listed.name} is never reached: the list ends at "
                              f"{item.ended_by.text}", item.span, listed.name, service,
                              fix=Fix(f"move it before {item.ended_by.text}, or take it out"))
            continue
        for severity, message, advice in _item(listener, listed, item):
            yield Finding("", severity, message, item.span, listed.name, service, fix=Fix(advice))


Told = tuple[Severity, str, str]


def _item(listener: Listener, listed: RestrictionList, item: Item) -> Iterator[Told]:
    if item.kind is Kind.TABLE and item.declared is None:
        yield (Severity.HIGH, f"a table alone ({item.word}) means nothing in {listed.name}: smtpd answers 451",
               "say what is to be looked up in it: check_client_access, check_sender_access")
        return
    if item.kind is not Kind.RESTRICTION or item.declared is None:
        return
    if problem := _argument(item):
        yield Severity.HIGH, f"{problem} in {listed.name}", f"give {item.name} its argument"
        return
    yield from _stage(listener, listed, item, item.declared.needs)


def _argument(item: Item) -> str:
    """What is wrong with the argument of a restriction; "" when nothing is."""
    takes = item.declared.takes if item.declared else Takes.NOTHING
    if item.missing:
        return f"{item.word} has no argument ({takes.value}): it is the last word"
    argument = item.argument or ""
    if takes is Takes.NOTHING or argument.startswith("{"):
        return ""
    if argument.lower() in RESTRICTIONS:
        lost = ", a barrier against relaying," if argument.lower() in BARRIERS else ""
        return f"{item.word} takes the next word as its argument: {argument}{lost} is not a check here"
    if takes in (Takes.TABLE, Takes.CERTIFICATE_TABLE) and ":" not in argument:
        return f"{item.text}: a table is written type:name, smtpd answers 451"
    if takes is Takes.SERVER and not argument.startswith(("inet:", "unix:")):
        return f"{item.text}: a policy server is inet:host:port or unix:path, smtpd answers 451"
    if takes is Takes.NUMBER and not argument.isdigit():
        return f"{item.text}: a number of seconds is wanted"
    if takes is Takes.DOMAIN and (":" in argument or "/" in argument):
        return f"{item.text}: the domain of a DNS list is wanted"
    return ""


def _stage(listener: Listener, listed: RestrictionList, item: Item, needs: Needs) -> Iterator[Told]:
    if needs & Needs.ETRN and listed.name != ETRN:
        yield (Severity.MEDIUM, f"{item.word} in {listed.name} never acts: only ETRN has what it looks at",
               f"move it to {ETRN}")
    missing = needs & EARLY.get(listed.name, Needs.NOTHING)
    if missing and not listener.delays_reject and item.name not in RELAY_CHECKS:
        what = next(word for need, word in WHAT.items() if need & missing)
        yield (Severity.MEDIUM, f"{item.word} in {listed.name} never acts: with smtpd_delay_reject = no the list is "
               f"looked at before a {what} is known", "move it to the list of its own stage")
    if needs & Needs.RECIPIENT and listed.name in LATE:
        yield (Severity.MEDIUM, f"{item.word} in {listed.name} acts only on mail with one recipient: with several, "
               "none is known at that stage", "move it to smtpd_recipient_restrictions")


def _without_helo(subject: Subject) -> Iterator[Finding]:
    """HELO checks that a client gets around by not saying HELO: the first of each service."""
    seen: dict[object, tuple[Item, RestrictionList, list[Listener]]] = {}
    told: list[Listener] = []
    for listed, every in sorted(lists(subject), key=lambda pair: pair[0].name != "smtpd_helo_restrictions"):
        free = [each for each in every
                if each.public and each not in told and not each.value(p.SMTPD_HELO_REQUIRED, False)]
        item = next((item for item in listed.every if item.declared and item.declared.needs & Needs.HELO
                     and item.refuses and item.reached and item.span), None)
        if free and item:
            seen.setdefault(item.span, (item, listed, []))[2].extend(free)
            told += free
    for item, listed, listeners in seen.values():
        yield Finding("", Severity.MEDIUM, f"{item.word} in {listed.name} is got around by not saying HELO: "
                      f"smtpd_helo_required is no for {named(listeners)}", item.span, listed.name,
                      listeners[0].name if listeners[0].is_set_here(listed.name) and not item.path else "",
                      fix=Fix("require HELO", (SetValue("smtpd_helo_required", "yes"),)))
