"""Rules: smtpd_forbid_unauth_pipelining, and hiding PIPELINING. PIPE-09 to PIPE-13."""

from __future__ import annotations

from collections.abc import Iterator

import gatepost.config.parameters as p
from gatepost.audit.change import Change, DropItems, RemoveSetting, SetValue
from gatepost.audit.finding import Confidence, Finding, Fix, Note, Severity
from gatepost.audit.listener import Listener, Role, named
from gatepost.audit.rule import rule
from gatepost.audit.rules.turns import CHECK, DATA, PARAMETER, by_place, is_in_force, spots
from gatepost.audit.subject import Subject, together
from gatepost.audit.version import version
from gatepost.span import Span

ON_BY_DEFAULT = version("3.9")
USERS = (Role.SUBMISSION, Role.SMTPS)


@rule("PIPE-09", Severity.MEDIUM)
def pipelining_is_not_forbidden(subject: Subject) -> Iterator[Finding]:
    """smtpd is told not to hang up on clients that talk out of turn, or not told to where it could.

    What: `smtpd_forbid_unauth_pipelining = no` for a service that strangers can reach; or a version that has the
    parameter, off by default, where it is not set.

    Why: With it smtpd answers 554 at the moment it notices, before the greeting too, and hangs up. It is on by default
    since 3.9 (postconf(5)); only services for users may need it off.

    Bad:
        smtpd_forbid_unauth_pipelining = no

    Good:
        smtpd_forbid_unauth_pipelining = yes

    Fix: Remove the setting (from 3.9 on) or set it to yes. Trusted senders with crude scripts are cut off by it, too:
    it knows no exceptions.
    """
    if not subject.has(PARAMETER):
        return
    off = [listener for listener in subject.public if not is_in_force(listener, subject)]
    for place, listeners in together((listener.place(PARAMETER), listener) for listener in off).items():
        listener = listeners[0]
        bare = not listener.list(DATA).working(CHECK)
        holder = listener.holder(PARAMETER)
        if place is None:
            if bare:
                continue  # PIPE-01's
            message = (f"Postfix {subject.version} can hang up on clients that talk out of turn, and is not told to: "
                       f"{PARAMETER} is off by default")
            yield Finding("", Severity.INFORMATION, message, None, PARAMETER,
                          fix=Fix("forbid it", (SetValue(PARAMETER, "yes"),)))
            continue
        change: Change = SetValue(PARAMETER, "yes", holder)
        if subject.version >= ON_BY_DEFAULT:
            change = RemoveSetting(PARAMETER, holder)
        message = f"{named(listeners)}: {PARAMETER} is switched off for strangers"
        yield Finding("", Severity.HIGH if bare else Severity.MEDIUM, message, place, PARAMETER, holder,
                      fix=Fix("forbid it", (change,)))


@rule("PIPE-10", Severity.MEDIUM)
def parameter_that_this_version_lacks(subject: Subject) -> Iterator[Finding]:
    """smtpd_forbid_unauth_pipelining is set, and this Postfix does not know it.

    What: The parameter came with 3.5.20, 3.6.10, 3.7.6, 3.8.1 and 3.9. An older smtpd ignores it.

    Why: Only postconf warns about a parameter that nobody uses: everything looks protected and nothing is (postconf(5);
    iRedMail's pull request 248).

    Bad:
        mail_version = 3.7.5
        smtpd_forbid_unauth_pipelining = yes

    Good:
        mail_version = 3.7.6
        smtpd_forbid_unauth_pipelining = yes

    Fix: Upgrade, or put `reject_unauth_pipelining` into `smtpd_data_restrictions`, which every version knows.
    """
    if subject.has(PARAMETER):
        return
    places = [(entry.span, "") for entry in subject.main_cf.entries if entry.name == PARAMETER]
    places += [(override.span, str(service)) for service in subject.services for override in service.overrides
               if override.name == PARAMETER]
    for place, service in places:
        yield Finding("", Severity.MEDIUM, f"Postfix {subject.version} does not know {PARAMETER}: it has no effect",
                      place, PARAMETER, service, fix=Fix(f"upgrade Postfix, or rely on {CHECK} in {DATA}"))


@rule("PIPE-11", Severity.INFORMATION)
def pipelining_check_behind_the_parameter(subject: Subject) -> Iterator[Finding]:
    """The check in the data list is a safety net: smtpd has hung up before.

    What: `smtpd_forbid_unauth_pipelining` is in force and `reject_unauth_pipelining` stands in the data list.

    Why: The parameter acts when the early input is noticed, for every client: the list is never reached with the flag
    set, and permits for trusted clients before the check save nobody (smtpd's `smtpd_proto`).

    Bad:
        smtpd_forbid_unauth_pipelining = yes
        smtpd_data_restrictions = permit_mynetworks, reject_unauth_pipelining

    Good:
        smtpd_forbid_unauth_pipelining = no
        smtpd_data_restrictions = permit_mynetworks, reject_unauth_pipelining

    Fix: Keep both. Know that monitoring and scripts that write before they read are cut off with 554.
    """
    for group in by_place(spot for spot in spots(subject) if spot.list.name == DATA and spot.listener.public
                          and spot.item.reached and is_in_force(spot.listener, subject)).values():
        spot = group[0]
        permits = spot.list.permits_before(spot.item)
        void = f"; `{permits[0].text}' before it exempts nobody from that" if permits else ""
        yield Finding("", Severity.INFORMATION, f"{PARAMETER} is in force: {CHECK} here is only a safety net{void}",
                      spot.item.span, DATA, spot.holder)


@rule("PIPE-12", Severity.MEDIUM)
def users_are_cut_off_for_pipelining(subject: Subject) -> Iterator[Finding]:
    """Mail programs and front ends that are known to talk out of turn are cut off.

    What: From 3.9 on, a submission service without `-o smtpd_forbid_unauth_pipelining=no`; or clients in
    `smtpd_authorized_xclient_hosts` while the parameter is in force.

    Why: A mail program's account set-up sends EHLO and QUIT together; Postfix' own master.cf switches the parameter off
    for submission (HISTORY, 20240402). Front ends that write XCLIENT and EHLO together broke with 3.9 (Mailu's pull
    request 3322).

    Bad:
        submission inet n - y - - smtpd
            -o smtpd_tls_security_level=encrypt
            -o smtpd_sasl_auth_enable=yes

    Good:
        submission inet n - y - - smtpd
            -o smtpd_tls_security_level=encrypt
            -o smtpd_sasl_auth_enable=yes
            -o smtpd_forbid_unauth_pipelining=no

    Fix: Switch it off in that service and keep the check in the data list.
    """
    forced = [listener for listener in subject.listeners if is_in_force(listener, subject)]
    sure = Confidence.HIGH if subject.version_from else Confidence.LOW
    severity = Severity.MEDIUM if subject.version_from else Severity.LOW
    for listener in forced:
        if subject.version < ON_BY_DEFAULT or listener.role not in USERS or listener.is_loopback:
            continue
        entry = str(listener.smtpd)
        override = listener.override(PARAMETER)
        message = f"{entry} is for users, and smtpd hangs up on those whose mail program talks out of turn"
        yield Finding("", severity, message, override.span if override else listener.smtpd.span, PARAMETER, entry, sure,
                      Fix("switch it off for this service", (SetValue(PARAMETER, "no", entry),), safe=True))
    yield from _front_ends(forced)


def _front_ends(forced: list[Listener]) -> Iterator[Finding]:
    name = p.SMTPD_AUTHORIZED_XCLIENT_HOSTS.name
    trusting = [listener for listener in forced if listener.text(name).strip()]
    for place, listeners in together((listener.place(name), listener) for listener in trusting).items():
        holder = listeners[0].holder(name)
        message = f"{named(listeners)}: {PARAMETER} cuts off a front end that sends XCLIENT and EHLO together"
        yield Finding("", Severity.MEDIUM, message, place, name, holder,
                      fix=Fix("switch it off where the front end connects", (SetValue(PARAMETER, "no", holder),)))


@rule("PIPE-13", Severity.LOW)
def pipelining_is_only_hidden(subject: Subject) -> Iterator[Finding]:
    """PIPELINING is not announced, which protects from nothing.

    What: `pipelining` in `smtpd_discard_ehlo_keywords` or in a table of `smtpd_discard_ehlo_keyword_address_maps`.

    Why: smtpd judges by HELO or EHLO and by which command it was, not by what it announced: legal groups are accepted
    as before, and what talks out of turn is noticed as before. Hiding the word costs good clients round trips (smtpd's
    pipelining check; RFC 2920).

    Bad:
        smtpd_discard_ehlo_keywords = silent-discard, pipelining

    Good:
        smtpd_discard_ehlo_keywords = silent-discard, chunking

    Fix: Take the word out.
    """
    names = (p.SMTPD_DISCARD_EHLO_KEYWORDS.name, p.SMTPD_DISCARD_EHLO_KEYWORD_ADDRESS_MAPS.name)
    words: dict[Span | None, tuple[Listener, str]] = {}
    for listener in subject.listeners:
        for word in listener.value(p.SMTPD_DISCARD_EHLO_KEYWORDS, ()):
            if word.text.lower() == "pipelining":
                words.setdefault(word.span, (listener, names[0]))
        for table in listener.value(p.SMTPD_DISCARD_EHLO_KEYWORD_ADDRESS_MAPS, ()):
            for row in subject.table(table.text).rows or ():
                if "pipelining" in row.value.lower().replace(",", " ").split():
                    words.setdefault(row.span or table.span, (listener, names[1]))
    for place, (listener, name) in words.items():
        changes = (DropItems(name, ("pipelining",), listener.holder(name)),) if name == names[0] else ()
        yield Finding("", Severity.LOW, "PIPELINING is not announced: that refuses nobody and slows good clients down",
                      place, name, listener.holder(name), fix=Fix("announce it", changes, safe=True),
                      notes=(Note(f"what refuses clients that talk out of turn is {CHECK} in {DATA}"),))
