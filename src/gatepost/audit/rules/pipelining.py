"""Rules: is the check for clients that talk out of turn where it sees everything? PIPE-01 to PIPE-04."""

from __future__ import annotations

from collections.abc import Iterator

from gatepost.audit.change import AddItems, Change, DropItems, SetValue
from gatepost.audit.finding import Finding, Fix, Note, Severity
from gatepost.audit.flow import RestrictionList
from gatepost.audit.listener import Listener, named
from gatepost.audit.rule import rule
from gatepost.audit.rules.turns import (
    CHECK,
    COMMENT,
    DATA,
    EARLY,
    LISTED,
    PARAMETER,
    Spot,
    at_data,
    besides,
    by_place,
    is_in_force,
    is_variable,
    spots,
    weaker,
)
from gatepost.audit.subject import Subject, together


def placed_at_data(listener: Listener) -> tuple[Change, ...]:
    """What puts the check into the data list of a listener, commented; () when it stands in it already."""
    listed = listener.list(DATA)
    if listed.working(CHECK):
        return ()
    holder = listener.holder(DATA)
    if not listed.items:
        return (SetValue(DATA, LISTED, holder, COMMENT),)
    end = next((item for item in listed.items if item.ends), None)
    return (AddItems(DATA, (CHECK,), end.word if end else None, holder, COMMENT),)


def dropped(spot: Spot) -> DropItems:
    """What takes the check out of where it stands."""
    return DropItems(spot.setting, (CHECK,), spot.listener.holder(spot.setting))


@rule("PIPE-01", Severity.HIGH)
def pipelining_is_never_refused(subject: Subject) -> Iterator[Finding]:
    """Clients that talk out of turn are not refused.

    What: A service that strangers can reach has no `reject_unauth_pipelining` in `smtpd_data_restrictions`, nor in any
    other list, and `smtpd_forbid_unauth_pipelining` is off, unknown to this version, or off by default (before 3.9).

    Why: A message that was sent before the 354 is only known at DATA. Spam engines send that way, and the smuggled
    second message comes that way (RFC 2920; smtpd's pipelining check, which only raises a flag).

    Bad:
        smtpd_data_restrictions =

    Good:
        smtpd_data_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_pipelining

    Fix: Put the check into `smtpd_data_restrictions`, behind permits for clients you trust; where the version has it,
    `smtpd_forbid_unauth_pipelining = yes` goes further and makes no exceptions.
    """
    bare = [listener for listener in subject.public if not is_in_force(listener, subject)
            and not listener.list(DATA).find(CHECK) and not listener.is_set_here(DATA)
            and not _names_nothing(listener)
            and not any(spot.item.reached for spot in spots(subject) if spot.listener is listener)]
    for place, listeners in together((listener.place(DATA), listener) for listener in bare).items():
        message = (f"clients of {named(listeners)} may talk out of turn: {CHECK} stands in no list, and {PARAMETER} is "
                   "not in force")
        yield Finding("", Severity.HIGH, message, place, DATA,
                      fix=Fix("refuse them at DATA", placed_at_data(listeners[0]), safe=True))


def _names_nothing(listener: Listener) -> bool:
    """Is the data list a variable that is empty?"""
    return is_variable(listener) and not listener.list(DATA).items


@rule("PIPE-02", Severity.MEDIUM)
def pipelining_check_stands_too_early(subject: Subject) -> Iterator[Finding]:
    """The check for clients that talk out of turn stands only where it misses the worst of it.

    What: `reject_unauth_pipelining` stands in a list that is run at RCPT or earlier (or only at the end of the
    message), and not in `smtpd_data_restrictions`.

    Why: The check looks at a flag of the session. A body that was sent before the 354 raises it at DATA, after RCPT was
    answered; only a list that runs at DATA can refuse that message (smtpd's `smtpd_check.c` and pipelining flag;
    docker-mailserver #3741, #3744). In `smtpd_end_of_data_restrictions` it refuses, but after the message was received.

    Bad:
        smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination, reject_unauth_pipelining

    Good:
        smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination
        smtpd_data_restrictions = permit_mynetworks, reject_unauth_pipelining

    Fix: Move the check into `smtpd_data_restrictions`. It then runs after policy services (SPF, greylisting) that stand
    in the recipient list.
    """
    told: set[Listener] = set()
    for group in by_place(spot for spot in spots(subject) if spot.listener.public and spot.item.reached
                          and not spot.item.warned and spot.list.name != DATA).values():
        concerned = [spot for spot in group if not at_data(spot.listener) and spot.listener not in told]
        if not concerned:
            continue
        told |= {spot.listener for spot in concerned}
        first = concerned[0]
        late = first.list.name == "smtpd_end_of_data_restrictions"
        severity = Severity.LOW if late else weaker(Severity.MEDIUM, first.listener, subject)
        when = ("it refuses a message only after it was received" if late else
                "a message that is sent before the 354 is not seen there")
        mine = dict.fromkeys(dropped(spot) for spot in spots(subject) if spot.listener is first.listener
                             and spot.list.name in (*EARLY, first.list.name) and spot.item.span is not None)
        yield Finding("", severity, f"{CHECK} stands in {first.list.name} and not in {DATA}: {when}", first.item.span,
                      first.list.name, first.holder,
                      fix=Fix("move the check to DATA", (*placed_at_data(first.listener), *mine), safe=True),
                      notes=besides(first.listener, subject))


@rule("PIPE-03", Severity.LOW)
def pipelining_check_is_made_twice(subject: Subject) -> Iterator[Finding]:
    """The check for clients that talk out of turn is made twice.

    What: `reject_unauth_pipelining` stands in `smtpd_data_restrictions` and in an earlier list, or in two lists that
    both run at RCPT.

    Why: It tests one flag of the session. With `smtpd_delay_reject = yes` the client, helo, sender, relay and recipient
    lists run for the same RCPT: the second copy can never find what the first did not (smtpd's `smtpd_check.c`;
    docker-mailserver #3741). A copy before DATA only answers one step earlier.

    Bad:
        smtpd_client_restrictions = permit_mynetworks, reject_unauth_pipelining
        smtpd_data_restrictions = permit_mynetworks, reject_unauth_pipelining

    Good:
        smtpd_client_restrictions = permit_mynetworks
        smtpd_data_restrictions = permit_mynetworks, reject_unauth_pipelining

    Fix: Keep the one at DATA. Policy services in earlier lists are then asked about such clients, too.
    """
    copies = [spot for spot in spots(subject) if spot.listener.public and spot.list.name in EARLY
              and spot.item.reached and not spot.item.warned]
    for group in by_place(copies).values():
        spot = next((spot for spot in group if _other(spot, copies)), None)
        if spot is None:
            continue
        other = _other(spot, copies)
        assert other is not None, "it was found before"
        yield Finding("", Severity.LOW, f"{CHECK} stands in {other.name}, too: this copy finds nothing that the other "
                      "does not", spot.item.span, spot.list.name, spot.holder,
                      fix=Fix("take this copy out", (dropped(spot),), safe=True),
                      notes=(Note("the other copy", other.find(CHECK)[0].span),))


def _other(spot: Spot, copies: list[Spot]) -> RestrictionList | None:
    """The list that makes this copy needless; None when there is none."""
    listener = spot.listener
    if spot.list.name == EARLY[0] and not listener.delays_reject:
        return None  # PIPE-14's
    if listener.list(DATA).working(CHECK):
        return listener.list(DATA)
    at_rcpt = EARLY if listener.delays_reject else ("smtpd_relay_restrictions", "smtpd_recipient_restrictions")
    if spot.list.name not in at_rcpt:
        return None
    earlier = at_rcpt[: at_rcpt.index(spot.list.name)]
    return next((each.list for each in copies if each.listener is listener and each.list.name in earlier), None)


@rule("PIPE-04", Severity.HIGH)
def pipelining_check_is_not_reached(subject: Subject) -> Iterator[Finding]:
    """The check for clients that talk out of turn stands behind the end of its list.

    What: `reject_unauth_pipelining` stands behind an unconditional `permit`, `reject` or `defer`, or behind a
    restriction class that ends with one.

    Why: The list ends there; Postfix itself logs that what follows is ignored (smtpd's `generic_checks`).

    Bad:
        smtpd_data_restrictions = permit_mynetworks, permit, reject_unauth_pipelining

    Good:
        smtpd_data_restrictions = permit_mynetworks, reject_unauth_pipelining, permit

    Fix: Put the check before it.
    """
    for group in by_place(spots(subject)).values():
        if any(spot.item.reached for spot in group):
            continue
        spot = group[0]
        end = spot.item.ended_by
        assert end is not None, "it is not reached"
        changes: tuple[Change, ...] = ()
        if spot.list.name == DATA and not spot.item.path and not end.path:
            changes = (dropped(spot), AddItems(DATA, (CHECK,), end.word, spot.holder, COMMENT))
        yield Finding("", weaker(Severity.HIGH, spot.listener, subject), f"{CHECK} is never reached: "
                      f"`{end.word}' ends {spot.list.name}", spot.item.span, spot.list.name, spot.holder,
                      fix=Fix(f"put it before `{end.word}'", changes, safe=True),
                      notes=(Note(f"`{end.word}'", end.span), *besides(spot.listener, subject)))
