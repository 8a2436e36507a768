"""Rules: who may log in where, and whose name may stand in front of a message."""

from __future__ import annotations

from collections.abc import Iterator

import gatepost.config.parameters as p
from gatepost.audit.change import SetValue
from gatepost.audit.finding import Finding, Fix, Severity
from gatepost.audit.flow import Item, RestrictionList, Who
from gatepost.audit.listener import Listener, Role, named
from gatepost.audit.rule import rule
from gatepost.audit.rules.tls import OFF, OPTIONAL, is_wrapped, level
from gatepost.audit.rules.written import lists
from gatepost.audit.subject import Subject, together
from gatepost.span import Span

AUTH = "smtpd_sasl_auth_enable"
ONLY = "smtpd_tls_auth_only"
MISMATCH = "reject_sender_login_mismatch"
AUTHENTICATED = "reject_authenticated_sender_login_mismatch"
KNOWN = "reject_known_sender_login_mismatch"
UNAUTHENTICATED = "reject_unauthenticated_sender_login_mismatch"
CHECKS = (MISMATCH, AUTHENTICATED, KNOWN, UNAUTHENTICATED)


def offers_login(listener: Listener) -> bool:
    """Is AUTH on?"""
    return listener.value(p.SMTPD_SASL_AUTH_ENABLE, False)


@rule("AUTH-01", Severity.HIGH)
def login_where_it_should_not_be(subject: Subject) -> Iterator[Finding]:
    """Login is offered on port 25, or without TLS.

    What: `smtpd_sasl_auth_enable = yes` in force on the port for mail from strangers; a service that offers AUTH before
    or without TLS.

    Why: On port 25 login only serves those who guess passwords: users have 465 and 587 (RFC 8314), and postscreen's own
    engine offers no AUTH. Without TLS the password crosses the network in the clear (postconf(5),
    smtpd_tls_auth_only).

    Bad:
        smtpd_sasl_auth_enable = yes

    Good:
        smtpd_tls_auth_only = yes
        (master.cf)
        submission inet n - y - - smtpd -o smtpd_tls_security_level=encrypt -o smtpd_sasl_auth_enable=yes

    Fix: Off on 25, on by an override of the submission services; `smtpd_tls_auth_only = yes`.
    """
    strangers = [each for each in subject.public if each.role is Role.MX and offers_login(each)]
    for place, same in together((each.place(AUTH), each) for each in strangers).items():
        here = str(same[0].smtpd) if same[0].is_set_here(AUTH) else ""
        others = [each for each in subject.listeners
                  if each not in same and offers_login(each) and not each.is_set_here(AUTH)]
        clear = ", without TLS too" if any(map(_in_the_clear, same)) else ""
        deep = (", while clients in postscreen's tests after the greeting are offered none"
                if any(map(_has_deep_tests, same)) else "")
        yield Finding("", Severity.HIGH, f"{named(same)} offers login to everybody on port 25{clear}{deep}", place,
                      AUTH, here, fix=Fix("no login on port 25", (
                          SetValue(AUTH, "no", here or (str(same[0].smtpd) if others else "")),)))
    exposed = [each for each in subject.listeners if each not in strangers and not each.is_loopback
               and offers_login(each) and _in_the_clear(each) and not _without_certificate(subject, each)]
    for place, same in together((each.place(ONLY) or each.place(AUTH), each) for each in exposed).items():
        here = str(same[0].smtpd) if same[0].is_set_here(ONLY) or not same[0].is_set(ONLY) else ""
        where = here if same[0].is_set_here(ONLY) or (not same[0].is_set(ONLY) and same[0].is_set_here(AUTH)) else ""
        yield Finding("", Severity.HIGH, f"{named(same)} takes passwords in the clear: AUTH is offered without TLS",
                      place, ONLY, where, fix=Fix("login within TLS only", (SetValue(ONLY, "yes", where),)))


def _without_certificate(subject: Subject, listener: Listener) -> bool:
    """Has docker-mailserver switched TLS off because it was given no SSL_TYPE? TLS-01 says so: one cause, one rule."""
    return (subject.docker is not None and not subject.docker.folder.environment.is_set("SSL_TYPE")
            and level(listener) == OFF)


def _in_the_clear(listener: Listener) -> bool:
    """May a password be sent without TLS?"""
    if is_wrapped(listener) or listener.value(p.SMTPD_TLS_AUTH_ONLY, False) or level(listener) not in (OFF, OPTIONAL):
        return False
    return "noplaintext" not in {word.text.lower() for word in listener.value(p.SMTPD_SASL_SECURITY_OPTIONS, ())}


def _has_deep_tests(listener: Listener) -> bool:
    if listener.screen_settings is None:
        return False
    names = ("pipelining", "non_smtp_command", "bare_newline")
    return any((listener.screen_settings.text(f"postscreen_{name}_enable") or "").lower() == "yes" for name in names)


@rule("AUTH-02", Severity.HIGH)
def senders_that_users_do_not_own(subject: Subject) -> Iterator[Finding]:
    """The check of senders against logins has no effect, the wrong one, or is missing.

    What: `reject_..._sender_login_mismatch` where AUTH is off; without `smtpd_sender_login_maps`; behind
    `permit_sasl_authenticated` or `permit_mynetworks`; on no submission service (information).

    Why: Without AUTH smtpd logs `ignored: no SASL support`. Without maps nobody owns a sender: the authenticated and
    the plain check then refuse every user with 553, the other two do nothing. Behind a permit those who are permitted
    never get to it (Postfix smtpd_check).

    Bad:
        smtpd_sender_restrictions = permit_sasl_authenticated, reject_sender_login_mismatch

    Good:
        smtpd_sender_login_maps = texthash:/etc/postfix/logins
        smtpd_sender_restrictions = reject_authenticated_sender_login_mismatch, permit_sasl_authenticated

    Fix: First in the sender list of the submission services, with maps; docker-mailserver: SPOOF_PROTECTION=1.
    """
    checks: dict[Span, list[tuple[Listener, RestrictionList, Item]]] = {}
    for listed, listeners in lists(subject):
        for item in listed.find(*CHECKS):
            if item.span is not None and item.reached:
                checks.setdefault(item.span, []).extend((listener, listed, item) for listener in listeners)
    for found in checks.values():
        yield from _check(found)
    users = [each for each in subject.listeners if each.role in (Role.SUBMISSION, Role.SMTPS) and not each.is_loopback
             and offers_login(each) and not any(listed.find(*CHECKS[:3]) for listed in each.lists)]
    if users:
        yield Finding("", Severity.INFORMATION, f"users of {named(users)} may send with any sender: nothing compares "
                      "senders with logins", users[0].smtpd.span, "smtpd_sender_restrictions", str(users[0].smtpd),
                      fix=Fix(f"{AUTHENTICATED} first in smtpd_sender_restrictions, with smtpd_sender_login_maps"))


def _check(found: list[tuple[Listener, RestrictionList, Item]]) -> Iterator[Finding]:
    """What is wrong with one check, wherever it is in force."""
    listener, listed, item = found[0]
    here = str(listener.smtpd) if listener.is_set_here(listed.name) and not item.path else ""
    off = [each for each, _, _ in found if not offers_login(each)]
    working = [each for each in found if offers_login(each[0])]
    if off:
        severity = Severity.HIGH if not working else Severity.INFORMATION
        yield Finding("", severity, f"{item.word} is ignored on {named(off)}: AUTH is off there", item.span,
                      listed.name, here, fix=Fix("move it to the sender list of the submission services"))
    bare = [each for each, _, _ in working if not each.text("smtpd_sender_login_maps").strip()]
    if bare:
        what = ("every user who logs in is refused with 553" if item.name in (MISMATCH, AUTHENTICATED)
                else "it does nothing")
        yield Finding("", Severity.HIGH, f"{item.word} on {named(bare)} has no smtpd_sender_login_maps: {what}",
                      item.span, listed.name, here, fix=Fix("set smtpd_sender_login_maps"))
        return
    if item.name == UNAUTHENTICATED:
        return
    late = [(each, before) for each, listed, item in working if (before := _permit_before(listed, item, each))]
    if late:
        by = late[0][1]
        severity = Severity.HIGH if by.who is Who.LOGIN else Severity.MEDIUM
        where = named([each for each, _ in late])
        yield Finding("", severity, f"{item.word} comes behind {by.text} on {where}: whom that permits is not checked",
                      item.span, listed.name, here, fix=Fix(f"move it before {by.text}"))


def _permit_before(listed: RestrictionList, item: Item, listener: Listener) -> Item | None:
    """The permit that lets those through whom the check is for."""
    ways = (Who.LOGIN, Who.ANYBODY) if listener.role is Role.MX else (Who.LOGIN, Who.NETWORKS, Who.ANYBODY)
    return next((each for way in ways for each in listed.permits_before(item) if each.who is way), None)
