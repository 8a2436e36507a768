"""Rules: what weakens the check for clients that talk out of turn where it stands. PIPE-05 to PIPE-08, PIPE-14."""

from __future__ import annotations

from collections.abc import Iterator

import gatepost.config.parameters as p
from gatepost.audit.broad import is_wide, whom
from gatepost.audit.change import AddItems, Change, DropItems, RemoveSetting, ReplaceItem, SetValue
from gatepost.audit.finding import Confidence, Finding, Fix, Note, Severity
from gatepost.audit.flow import Item, May, Who
from gatepost.audit.listener import Listener, Role, named
from gatepost.audit.networks import taken
from gatepost.audit.rule import rule
from gatepost.audit.rules.turns import (
    CHECK,
    DATA,
    EARLY,
    PARAMETER,
    Spot,
    besides,
    by_place,
    is_in_force,
    is_variable,
    spots,
    weaker,
)
from gatepost.audit.subject import Subject, together
from gatepost.span import Span


@rule("PIPE-05", Severity.MEDIUM)
def pipelining_check_stands_behind_a_broad_permit(subject: Subject) -> Iterator[Finding]:
    """Strangers are permitted before the check for clients that talk out of turn.

    What: In `smtpd_data_restrictions` something that may permit strangers stands before `reject_unauth_pipelining`: an
    access table with OK for what a client only says, `permit_dnswl_client`, `permit_tls_all_clientcerts`,
    `permit_auth_destination`, or `permit_mynetworks` while `mynetworks` holds everybody.

    Why: The first match ends the list (SMTPD_ACCESS_README, access(5)). Who is permitted before the check may talk out
    of turn. `permit_mynetworks` and `permit_sasl_authenticated` for clients you trust are fine.

    Bad:
        smtpd_data_restrictions = check_sender_access hash:/etc/postfix/senders, reject_unauth_pipelining

    Good:
        smtpd_data_restrictions = permit_mynetworks, reject_unauth_pipelining

    Fix: Put the check first, or narrow the permit.
    """
    found: dict[Span | None, list[tuple[Spot, Item, str]]] = {}
    for spot in spots(subject):
        if spot.list.name == DATA and spot.listener.public and spot.item.reached and not spot.item.warned:
            for item in spot.list.permits_before(spot.item):
                strangers = _strangers(subject, spot.listener, item)
                if strangers:
                    found.setdefault(item.span, []).append((spot, item, strangers))
    for group in found.values():
        spot, item, strangers = group[0]
        guess = bool(item.may & May.UNKNOWN)
        everybody = item.who in (Who.ANYBODY, Who.NETWORKS, Who.DESTINATION) or strangers.startswith("everybody who")
        severity = weaker(Severity.HIGH if everybody and not guess else Severity.MEDIUM, spot.listener, subject)
        changes: tuple[Change, ...] = ()
        if not spot.item.path and not item.path:
            changes = (DropItems(DATA, (CHECK,), spot.holder), AddItems(DATA, (CHECK,), item.text, spot.holder))
        message = f"`{item.text}' may permit {strangers} before {CHECK}"
        yield Finding("", severity, message, item.span, DATA, spot.holder,
                      Confidence.LOW if guess else Confidence.HIGH, Fix("put the check before it", changes),
                      (Note("the check", spot.item.span), *besides(spot.listener, subject)))


def _strangers(subject: Subject, listener: Listener, item: Item) -> str:
    if item.name == "permit_mynetworks":
        wide = [each.word for each in taken(listener.value(p.MYNETWORKS, ()), subject)
                if each.network is not None and is_wide(each.network)]
        return f"everybody ({wide[0]} is in mynetworks)" if wide else ""
    return whom(item, listener.reader)


@rule("PIPE-06", Severity.MEDIUM)
def pipelining_check_only_warns(subject: Subject) -> Iterator[Finding]:
    """Clients that talk out of turn are logged, not refused.

    What: `warn_if_reject` stands before `reject_unauth_pipelining`.

    Why: With it smtpd logs `reject_warning` and goes on (postconf(5), warn_if_reject): it is for trying a check out.

    Bad:
        smtpd_data_restrictions = warn_if_reject reject_unauth_pipelining

    Good:
        smtpd_data_restrictions = reject_unauth_pipelining

    Fix: Take `warn_if_reject` out once the log shows nobody you know.
    """
    for group in by_place(spot for spot in spots(subject) if spot.item.warned and spot.item.reached).values():
        spot = group[0]
        holder = spot.listener.holder(spot.setting)
        change = ReplaceItem(spot.setting, f"warn_if_reject {spot.item.word}", CHECK, holder)
        yield Finding("", weaker(Severity.MEDIUM, spot.listener, subject), f"warn_if_reject: {CHECK} refuses nobody in "
                      f"{spot.list.name}", spot.item.warn_span or spot.item.span, spot.list.name, spot.holder,
                      fix=Fix("end the trial: take warn_if_reject out", (change,)),
                      notes=besides(spot.listener, subject))


@rule("PIPE-07", Severity.HIGH)
def override_drops_the_pipelining_check(subject: Subject) -> Iterator[Finding]:
    """A service that strangers can reach has lost the check for clients that talk out of turn.

    What: An `-o smtpd_data_restrictions=...` in master.cf without `reject_unauth_pipelining`, on a service that
    strangers can reach, or a data list written with a variable that is empty.

    Why: An override replaces the value of main.cf, it never adds to it (master(5)). A variable that is not defined is
    empty (postconf(5)). The stock recipe for submission empties the list on purpose: that is fine, its clients log in.

    Bad:
        smtp inet n - y - - smtpd
            -o smtpd_data_restrictions=

    Good:
        smtp inet n - y - - smtpd
            -o smtpd_data_restrictions=permit_mynetworks,reject_unauth_pipelining

    Fix: Take the override out, or repeat the check in it.
    """
    lost = [listener for listener in subject.public if not listener.list(DATA).find(CHECK)
            and (listener.is_set_here(DATA) or (is_variable(listener) and not listener.list(DATA).items))]
    main = [spot for spot in spots(subject) if spot.list.name == DATA and not spot.holder and not spot.item.warned]
    for place, listeners in together((listener.place(DATA), listener) for listener in lost).items():
        listener = listeners[0]
        if is_in_force(listener, subject) and not _main_has_it(subject) and not is_variable(listener):
            continue  # nothing is lost
        holder = listener.holder(DATA)
        empty = "is empty" if not listener.list(DATA).items else f"has no {CHECK}"
        what = "its override of" if holder else "the variable in"
        change: Change = RemoveSetting(DATA, holder) if holder and _main_has_it(subject) else SetValue(
            DATA, f"permit_mynetworks,permit_sasl_authenticated,{CHECK}", holder)
        may = "" if is_in_force(listener, subject) else ": clients may talk out of turn"
        message = f"{named(listeners)}: {what} {DATA} {empty}{may}"
        yield Finding("", weaker(Severity.HIGH, listener, subject), message, place, DATA, holder,
                      fix=Fix("let the check be in force here", (change,)),
                      notes=(*(Note("the check in main.cf", spot.item.span) for spot in main[:1]),
                             *besides(listener, subject)))


def _main_has_it(subject: Subject) -> bool:
    """Does main.cf's own list have the check?"""
    return any(word.text.lower() == CHECK for word in subject.main.words(DATA))


@rule("PIPE-08", Severity.LOW)
def reinjection_without_its_own_data_list(subject: Subject) -> Iterator[Finding]:
    """The way back from the content filter says nothing of its own about clients that talk out of turn.

    What: A re-injection service has no `-o smtpd_data_restrictions=...`, or permits before the check in it.

    Why: What main.cf says would hold here too, with the permits that are meant for others: the filter is in
    `mynetworks`, and inherited restrictions hide what was meant. Amavis' recipe and docker-mailserver (#3741) keep the
    check explicit.

    Bad:
        127.0.0.1:10025 inet n - n - - smtpd
            -o content_filter=

    Good:
        127.0.0.1:10025 inet n - n - - smtpd
            -o content_filter=
            -o smtpd_data_restrictions=reject_unauth_pipelining

    Fix: Say it in the service.
    """
    if subject.master_assumed:
        return
    for listener in subject.listeners:
        if listener.role is not Role.REINJECTION:
            continue
        fix = Fix("say it in the service", (SetValue(DATA, CHECK, str(listener.smtpd)),), safe=True)
        if not listener.is_set_here(DATA):
            message = f"{listener.name} takes mail back from a content filter and inherits {DATA}"
            yield Finding("", Severity.LOW, message, listener.smtpd.span, DATA, listener.name, fix=fix)
            continue
        listed = listener.list(DATA)
        for item in listed.working(CHECK)[:1]:
            for permit in listed.permits_before(item)[:1]:
                message = (f"{listener.name} takes mail back from a content filter: `{permit.text}' permits it before "
                           f"{CHECK}")
                yield Finding("", Severity.LOW, message, permit.span, DATA, listener.name, fix=fix)


@rule("PIPE-14", Severity.LOW)
def pipelining_check_before_the_greeting(subject: Subject) -> Iterator[Finding]:
    """The check for clients that talk out of turn is made before the client can have done so.

    What: `smtpd_delay_reject = no` with `reject_unauth_pipelining` in `smtpd_client_restrictions`, or the recipe
    `sleep 1, reject_unauth_pipelining`.

    Why: smtpd looks for early input before it runs the client list, and only since 3.5.20, 3.6.10, 3.7.6 and 3.8.1;
    what a client sends during the sleep is not looked at again (smtpd's `smtpd_proto`). The recipe worked before 2.6.

    Bad:
        smtpd_delay_reject = no
        smtpd_client_restrictions = sleep 1, reject_unauth_pipelining

    Good:
        smtpd_data_restrictions = reject_unauth_pipelining

    Fix: Use postscreen's greet test for clients that talk before the greeting, the data list for all others.
    """
    early = [(spot, _sleep(spot)) for spot in spots(subject) if spot.item.reached]
    early = [(spot, sleep) for spot, sleep in early
             if sleep is not None or (spot.list.name == EARLY[0] and not spot.listener.delays_reject)]
    sleeps = {spot.item.span: sleep for spot, sleep in early}
    for place, group in by_place(spot for spot, _ in early).items():
        spot = group[0]
        sleep = sleeps[place]
        why = ("behind a sleep it sees only what lay there before the sleep" if sleep is not None else
               f"with smtpd_delay_reject = no it is made before the greeting, and {CHECK} knows little then")
        changes = (DropItems(spot.setting, (CHECK,), spot.listener.holder(spot.setting)),)
        has_it = any(item is not spot.item for item in spot.listener.list(DATA).working(CHECK))
        notes = () if subject.has(PARAMETER) else (Note(f"Postfix {subject.version} never looks before the greeting"),)
        yield Finding("", Severity.LOW, f"{spot.list.name}: {why}", place, spot.list.name, spot.holder,
                      fix=Fix("take it out here, the one at DATA sees more" if has_it else "make the check at DATA",
                              changes if has_it else (), safe=True), notes=notes)


def _sleep(spot: Spot) -> Item | None:
    """The sleep just before it."""
    before = spot.list.before(spot.item)
    return before[-1] if before and before[-1].name == "sleep" else None
