"""Rules: what keeps strangers from sending mail through this server to others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from gatepost.audit.change import AddItems, Change, DropItems, SetValue
from gatepost.audit.finding import Confidence, Finding, Fix, Note, Severity
from gatepost.audit.flow import BARRIERS, SILENT, Item, Kind, RestrictionList, Who
from gatepost.audit.listener import Listener, Role, named
from gatepost.audit.rule import rule
from gatepost.audit.subject import Subject, together
from gatepost.audit.version import Version
from gatepost.policy.restriction import Needs, Takes
from gatepost.span import Span

RELAY, RECIPIENT = "smtpd_relay_restrictions", "smtpd_recipient_restrictions"
DEFAULT = "permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination"
RELAY_LIST = Version(2, 10)
PROVEN = (Who.NETWORKS, Who.LOGIN, Who.DESTINATION, Who.NOBODY)
"""Whom a list may permit before its barrier without harm."""


def works(listed: RestrictionList, item: Item) -> bool:
    """Is the item reached, and do its refusals count?"""
    outer = {each.name for each in listed.every if each.kind is Kind.CLASS and each.warned}
    return item.reached and not item.warned and outer.isdisjoint(item.path)


def barrier(listed: RestrictionList) -> Item | None:
    """The first item that stops strangers from relaying."""
    return next((item for item in listed.find(*BARRIERS) if works(listed, item)), None)


def smtpds(subject: Subject) -> list[Listener]:
    """The listeners whose lists are known: not a postscreen without an smtpd behind it (PSC-01)."""
    return [each for each in subject.listeners if each.screen is None or each.smtpd is not each.service]


def owner(listener: Listener, name: str) -> str:
    """The entry of master.cf that sets it for this listener; "" when main.cf does."""
    return str(listener.smtpd) if listener.is_set_here(name) else ""


@dataclass(frozen=True, slots=True)
class Gap:
    """Why nothing stops relaying: where, in which list, and in words. `opens`: smtpd starts nevertheless."""

    span: Span | None
    name: str
    why: str
    opens: bool = False


@rule("RLY-02", Severity.CRITICAL)
def nothing_stops_relaying(subject: Subject) -> Iterator[Finding]:
    """Nothing stops strangers from relaying.

    What: Neither `smtpd_relay_restrictions` nor `smtpd_recipient_restrictions` has a `reject_unauth_destination`,
    `defer_unauth_destination`, `reject`, `defer` or `defer_if_permit` that is reached and that refuses. One behind
    `warn_if_reject` only warns; one behind `reject_rbl_client` without a domain is taken for that domain.

    Why: smtpd does not start without a barrier; where its check is deceived, as by the swallowed argument, it is an
    open relay (postconf(5), smtpd_relay_restrictions).

    Bad:
        smtpd_relay_restrictions = permit_mynetworks, reject_rbl_client, reject_unauth_destination

    Good:
        smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination

    Fix: Put `reject_unauth_destination` behind the permits of the relay list.
    """
    open_ = [(gap, listener) for listener in smtpds(subject) if (gap := _gap(listener)) is not None]
    for gap, listeners in together(open_).items():
        here = owner(listeners[0], gap.name)
        outcome = "strangers can relay" if gap.opens else "smtpd does not start"
        severity = Severity.HIGH if all(listener.is_loopback for listener in listeners) else Severity.CRITICAL
        yield Finding("", severity, f"nothing stops relaying at {named(listeners)}: {gap.why}; {outcome}", gap.span,
                      gap.name, here, fix=Fix("refuse what is not for this server", _barred(listeners[0], here)))


def _gap(listener: Listener) -> Gap | None:
    lists = [listener.list(RELAY), listener.list(RECIPIENT)]
    if any(barrier(listed) for listed in lists) or not (listener.is_set(RELAY) or listener.is_set(RECIPIENT)):
        return None
    for listed in lists:
        for item in listed.every:
            if item.argument is not None and item.argument.lower() in BARRIERS and item.reached:
                opens = item.declared is not None and item.declared.takes is Takes.DOMAIN
                why = f"{item.word} takes {item.argument} for its argument"
                return Gap(item.argument_span, listed.name, why, opens)
    for listed in lists:
        for item in listed.find(*BARRIERS):
            why = (f"{item.word} is not reached behind {item.ended_by.text}" if item.ended_by
                   else f"{item.word} only warns behind warn_if_reject")
            return Gap(item.span, listed.name, why)
    name = RELAY if lists[0] or not listener.is_set(RECIPIENT) else RECIPIENT
    return Gap(listener.place(name), name, f"no list has one of {', '.join(BARRIERS[:5])}")


def _barred(listener: Listener, here: str) -> tuple[Change, ...]:
    """The relay list with a barrier."""
    listed = listener.list(RELAY)
    service = here or owner(listener, RELAY)
    unreached = [item for item in listed.find(*BARRIERS) if not item.warned and not item.path and item.ended_by]
    if unreached and unreached[0].ended_by and not unreached[0].ended_by.path:
        return (DropItems(RELAY, (unreached[0].ended_by.text,), service),)
    if not listed or listed.find(*BARRIERS):
        return (SetValue(RELAY, DEFAULT, service),)
    end = next((item.word for item in listed.items if item.ends), None)
    return (AddItems(RELAY, ("reject_unauth_destination",), end, service),)


@rule("RLY-03", Severity.HIGH)
def relay_list_is_empty(subject: Subject) -> Iterator[Finding]:
    """The list that stops relaying is empty.

    What: `smtpd_relay_restrictions` is set to nothing (2.10 or newer). A service whose own recipient list lets in only
    trusted or logged-in clients may do so: that is how the stock submission service is written.

    Why: Without a relay list the barrier stands among the checks for spam, where one permit too early opens the relay:
    that is what the separate list was made against. Without `compatibility_level` it is empty by default (postconf(5)).

    Bad:
        smtpd_relay_restrictions =

    Good:
        smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination

    Fix: Take the line out, or set it as above.
    """
    if subject.version < RELAY_LIST:
        return
    empty = [listener for listener in smtpds(subject) if not listener.list(RELAY)
             and not (listener.needs_login or listener.is_locked or listener.is_loopback)]
    for place, listeners in together((listener.place(RELAY), listener) for listener in empty).items():
        here = owner(listeners[0], RELAY)
        guarded = all(barrier(listener.list(RECIPIENT)) for listener in listeners)
        fix = Fix("set it to its default", (SetValue(RELAY, DEFAULT, here),))
        if place is not None:
            message = f"{RELAY} is empty for {named(listeners)}: only {RECIPIENT} can stop relaying"
            severity = Severity.MEDIUM if guarded else Severity.HIGH
            yield Finding("", severity, message, place, RELAY, here, fix=fix)
        elif guarded:
            yield Finding("", Severity.INFORMATION, f"without compatibility_level {RELAY} is empty by default: only "
                          f"{RECIPIENT} stops relaying", None, RELAY, fix=fix)


SPOKEN = {
    "check_helo_access": "a HELO name, which clients choose",
    "check_sender_access": "a sender address, which clients choose",
    "check_recipient_access": "a recipient",
}
IDENTITY = ("check_sasl_access", "check_ccert_access", "permit_tls_clientcerts")
HARMLESS = ("permit_dnswl_client", "permit_rhswl_client")  # ignored where they would override the barrier
REFUSING = frozenset(["reject", "defer", "defer_if_reject", "defer_if_permit", *SILENT])
RISKY_WORDS = ("ok", "permit", "permit_dnswl_client", "permit_rhswl_client", "permit_tls_all_clientcerts")


@dataclass(frozen=True, slots=True)
class Early:
    """A permit before the barrier of its list."""

    item: Item
    stop: Item
    name: str
    sure: Confidence


def early(listed: RestrictionList) -> list[Early]:
    """The items before the list's barrier that may permit clients which have proved nothing."""
    stop = next((item for item in listed.find(*BARRIERS) if not item.warned), None)
    if stop is None:
        return []
    return [Early(item, stop, listed.name, sure) for item in listed.permits_before(stop)
            if item.who not in PROVEN and item.name not in IDENTITY and (sure := _sure(item)) is not None]


def _sure(item: Item) -> Confidence | None:
    """How sure it is that the item permits strangers; None when its table shows that it does not."""
    if item.who in (Who.SERVER, Who.CERTIFICATE):
        return Confidence.MEDIUM
    if item.table is None:
        return Confidence.HIGH
    if item.table.rows is None:
        return Confidence.LOW
    for words in (row.value.lower().replace(",", " ").split() for row in item.table.rows):
        refuses_or_notes = not words or words[0] in REFUSING or re.match(r"[45]\d\d\b", words[0])
        if not refuses_or_notes and any(word in RISKY_WORDS or re.match(r"check_|\d+$", word) for word in words):
            return Confidence.HIGH
    return None


@rule("RLY-04", Severity.CRITICAL)
def permit_before_the_barrier(subject: Subject) -> Iterator[Finding]:
    """A client that has proved nothing may be permitted before relaying is refused.

    What: An access table that says OK, a policy service, a DNS allow list, `permit_tls_all_clientcerts` or `permit`
    stands before `reject_unauth_destination` in the relay or recipient list.

    Why: The first permit ends the list. In smtpd_client_restrictions it ends only that list; before the barrier of the
    relay list it permits relaying, to whoever chooses the right HELO name or sender (SMTPD_ACCESS_README, Dangerous use
    of smtpd_recipient_restrictions). `permit_dnswl_client` and `permit_rhswl_client` are ignored by Postfix where they
    would override the barrier (postconf(5)): there they are only out of place, which is told with low severity.

    Bad:
        smtpd_relay_restrictions = check_helo_access hash:/etc/postfix/helo, reject_unauth_destination

    Good:
        smtpd_relay_restrictions = reject_unauth_destination
        smtpd_helo_restrictions = check_helo_access hash:/etc/postfix/helo

    Fix: Move the check behind the barrier, or into the list of its own stage.
    """
    found: dict[Span | None, list[tuple[Early, Listener, bool]]] = {}
    for listener in smtpds(subject):
        if listener.needs_login or listener.is_locked:
            continue
        lists = {name: listener.list(name) for name in (RELAY, RECIPIENT)}
        for name, other in ((RELAY, RECIPIENT), (RECIPIENT, RELAY)):
            guarded = barrier(lists[other]) is not None and not any(
                each.sure is Confidence.HIGH and each.item.name not in HARMLESS for each in early(lists[other]))
            for each in early(lists[name]):
                found.setdefault(each.item.span, []).append((each, listener, guarded))
    for cases in found.values():
        yield _told(cases)


def _out_of_place(case: Early, listeners: list[Listener]) -> Finding:
    """A permit that Postfix passes over where it would open the relay: it only misleads."""
    here = owner(listeners[0], case.name)
    message = (f"{case.item.text} before {case.stop.word} at {named(listeners)} permits nobody to relay, for Postfix "
               "ignores it there; nor does it do what its place suggests")
    fix = Fix(f"move it behind {case.stop.word}", _moved(case, listeners[0], here))
    return Finding("", Severity.LOW, message, case.item.span, case.name, here, Confidence.HIGH, fix,
                   (Note("the barrier", case.stop.span),))


def _moved(case: Early, listener: Listener, here: str) -> tuple[Change, ...]:
    """The item behind its barrier; no change where either stands in a class."""
    item = case.item
    if item.path or case.stop.path or not case.stop.reached:
        return ()
    return (DropItems(case.name, (item.text,), here),
            AddItems(case.name, (item.text,), _behind(listener.list(case.name), case.stop), here))


def _told(cases: list[tuple[Early, Listener, bool]]) -> Finding:
    case = cases[0][0]
    guarded = all(guarded for _, _, guarded in cases)
    listeners = list(dict.fromkeys(listener for _, listener, _ in cases))
    other = RECIPIENT if case.name == RELAY else RELAY
    item, here = case.item, owner(listeners[0], case.name)
    by = f" by {SPOKEN[item.name]}" if item.name in SPOKEN else ""
    may = "permits" if case.sure is Confidence.HIGH else "may permit"
    rest = f"only {other} still stops relaying" if guarded else "nothing else stops relaying"
    if item.name in HARMLESS:
        return _out_of_place(case, listeners)
    notes = [Note("the barrier", case.stop.span)]
    if case.sure is Confidence.LOW and item.table is not None:
        notes.append(Note(f"{item.table.spec} cannot be read here: it is assumed that it may say OK"))
    changes = _moved(case, listeners[0], here)
    return Finding("", Severity.MEDIUM if guarded else Severity.CRITICAL,
                   f"{item.text} {may} clients{by} before {case.stop.word} at {named(listeners)}: {rest}", item.span,
                   case.name, here, case.sure, Fix(f"move it behind {case.stop.word}", changes), tuple(notes))


def _behind(listed: RestrictionList, stop: Item) -> str | None:
    """The item that follows the barrier, None when it is the last."""
    return next((item.text for item in listed.behind(stop) if not item.path), None)


EARLY_LISTS = ("smtpd_client_restrictions", "smtpd_helo_restrictions", "smtpd_sender_restrictions")


@rule("RLY-05", Severity.MEDIUM)
def recipient_test_without_recipient(subject: Subject) -> Iterator[Finding]:
    """A check of the recipient stands in a list of an earlier stage.

    What: `reject_unauth_destination` or another test of the recipient is in the client, HELO or sender list. With
    `smtpd_delay_reject = no` it has no effect there; with `yes` it has, and this is told for information.

    Why: At the stage of these lists no recipient is known, and the test passes over everything. Only the delay to RCPT
    TO gives it one (Postfix smtpd; docker-mailserver relies on that in its client list).

    Bad:
        smtpd_delay_reject = no
        smtpd_client_restrictions = permit_mynetworks, reject_unauth_destination

    Good:
        smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination

    Fix: Keep the relay list as the barrier, and move the check to `smtpd_recipient_restrictions`.
    """
    found = [((item, listener.delays_reject), listener, listed.name)
             for listener in smtpds(subject) if listener.role is not Role.REINJECTION
             for listed in map(listener.list, EARLY_LISTS) for item in listed.every
             if item.declared is not None and item.declared.needs & Needs.RECIPIENT and item.reached]
    places: dict[Span | None, list[tuple[Item, bool, Listener, str]]] = {}
    for (item, delays), listener, name in found:
        places.setdefault(item.span, []).append((item, delays, listener, name))
    for cases in places.values():
        void = [case for case in cases if not case[1]]
        item, _, listener, name = (void or cases)[0]
        who = named([case[2] for case in void or cases])
        if void:
            message = f"{item.text} in {name} has no effect at {who}: there is no recipient yet (no delay)"
        else:
            message = f"{item.text} in {name} works only because smtpd_delay_reject = yes puts this list off to RCPT TO"
        yield Finding("", Severity.MEDIUM if void else Severity.INFORMATION, message, item.span, name,
                      owner(listener, name),
                      fix=Fix("leave it to smtpd_relay_restrictions, move other tests to smtpd_recipient_restrictions"))
