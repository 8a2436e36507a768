"""Rules: TLS, by what a port is for; versions of TLS, and TLS parameters that do nothing or will not for long."""

from __future__ import annotations

from collections.abc import Iterator

import gatepost.config.parameters as p
from gatepost.audit.change import SetValue
from gatepost.audit.finding import Finding, Fix, Severity
from gatepost.audit.listener import Listener, Role, named
from gatepost.audit.rule import rule
from gatepost.audit.rules import tls_settings
from gatepost.audit.subject import Subject, together
from gatepost.span import Span

LEVEL = "smtpd_tls_security_level"
WRAPPER = "smtpd_tls_wrappermode"
OFF, OPTIONAL, REQUIRED = "none", "may", "encrypt"
CERTIFICATES = ("smtpd_tls_chain_files", "smtpd_tls_cert_file", "smtpd_tls_eccert_file", "smtpd_tls_dcert_file")


def level(listener: Listener) -> str:
    """none, may, encrypt, or a level above: what is in force, the older parameters included."""
    written = listener.value(p.SMTPD_TLS_SECURITY_LEVEL, "")
    if written:
        return written
    if listener.value(p.SMTPD_ENFORCE_TLS, False):
        return REQUIRED
    return OPTIONAL if listener.value(p.SMTPD_USE_TLS, False) else OFF


def has_certificate(listener: Listener) -> bool:
    """Is there anything to do TLS with? (`none` is something: TLS without a certificate.)"""
    return any(listener.text(name).strip() for name in CERTIFICATES)


def is_wrapped(listener: Listener) -> bool:
    """Does TLS begin with the first byte? The level does not matter then."""
    return listener.value(p.SMTPD_TLS_WRAPPERMODE, False)


@rule("TLS-01", Severity.HIGH)
def tls_level_does_not_suit_the_port(subject: Subject) -> Iterator[Finding]:
    """TLS is not what the port needs.

    What: Port 25 for everybody with no TLS, with TLS required, or wrapped in TLS; a submission service where TLS is
    neither required nor wrapped around the session; port 465 without wrapping, port 587 with it.

    Why: On port 25 mail comes from servers of all ages: `none` lets it cross the network in the clear, `encrypt`
    refuses those without STARTTLS (RFC 3207 4 forbids it on a public port). On submission ports passwords and users'
    mail come: there TLS has to be required (RFC 8314). 465 speaks TLS from the first byte, 587 does not (postconf(5)).

    Bad:
        smtpd_tls_security_level = encrypt

    Good:
        smtpd_tls_security_level = may
        (master.cf)
        submission inet n - y - - smtpd -o smtpd_tls_security_level=encrypt
        submissions inet n - y - - smtpd -o smtpd_tls_wrappermode=yes

    Fix: `may` in main.cf, `encrypt` as an override of submission, `smtpd_tls_wrappermode=yes` on 465 only.
    """
    yield from _from_strangers([each for each in subject.public if each.role is Role.MX], subject)
    for listener in subject.listeners:
        if listener.role in (Role.SUBMISSION, Role.SMTPS) and not listener.is_loopback:
            yield from _from_users(listener)


def _from_strangers(listeners: list[Listener], subject: Subject) -> Iterator[Finding]:
    for place, wrapped in together((each.place(WRAPPER), each) for each in listeners if is_wrapped(each)).items():
        here = str(wrapped[0].smtpd) if wrapped[0].is_set_here(WRAPPER) else ""
        yield Finding("", Severity.HIGH, f"no server can talk to {named(wrapped)}: {WRAPPER} wants TLS from the first "
                      "byte, which port 25 does not have", place, WRAPPER, here,
                      fix=Fix("no wrapping on port 25", (SetValue(WRAPPER, "no", str(wrapped[0].smtpd)),)))
    plain = [each for each in listeners if not is_wrapped(each) and level(each) != OPTIONAL]
    for (place, now), same in together(((_place(each), level(each)), each) for each in plain).items():
        here = str(same[0].smtpd) if same[0].is_set_here(LEVEL) else ""
        if now == OFF:
            severity = Severity.HIGH if place else Severity.LOW
            message = f"{named(same)} offers no TLS: mail crosses the network in the clear"
        else:
            severity = Severity.HIGH
            message = f"{named(same)} refuses mail from every server that has no STARTTLS: TLS is required on port 25"
        yield Finding("", severity, message, place, LEVEL, here, fix=_set(
            same[0], "offer TLS, do not require it", SetValue(LEVEL, OPTIONAL, here or _only(subject, same))))


def _set(listener: Listener, title: str, change: SetValue) -> Fix:
    """A fix that needs a certificate."""
    if has_certificate(listener):
        return Fix(title, (change,))
    return Fix(f"{title}: set smtpd_tls_chain_files and {change.name} = {change.value}")


def _place(listener: Listener) -> Span | None:
    """Where the level comes from."""
    names = (LEVEL, "smtpd_enforce_tls", "smtpd_use_tls")
    return next((place for name in names if (place := listener.place(name))), None)


def _only(subject: Subject, same: list[Listener]) -> str:
    """Where the level is to be set: the service when others need what main.cf says, "" for main.cf."""
    users = [each for each in subject.listeners if each not in same and not each.is_set_here(LEVEL)
             and each.role in (Role.SUBMISSION, Role.SMTPS) and not is_wrapped(each)]
    return str(same[0].smtpd) if users and level(users[0]) == REQUIRED else ""


def _from_users(listener: Listener) -> Iterator[Finding]:
    name = str(listener.smtpd)
    if is_wrapped(listener):
        if listener.port == 587:
            yield Finding("", Severity.HIGH, f"clients of {listener.name} expect STARTTLS on port 587, {WRAPPER} wants "
                          "TLS from the first byte", listener.place(WRAPPER), WRAPPER,
                          name if listener.is_set_here(WRAPPER) else "",
                          fix=Fix("no wrapping on port 587", (SetValue(WRAPPER, "no", name),
                                                             SetValue(LEVEL, REQUIRED, name))))
        return
    if listener.port == 465:
        place = listener.place(WRAPPER) if listener.is_set_here(WRAPPER) else listener.smtpd.span
        yield Finding("", Severity.HIGH, f"clients of {listener.name} begin with TLS on port 465, and {WRAPPER} is no: "
                      "nobody can talk to it", place, WRAPPER, name,
                      fix=Fix("wrap port 465 in TLS", (SetValue(WRAPPER, "yes", name),)))
        return
    now = level(listener)
    if now in (OFF, OPTIONAL):
        place = listener.place(LEVEL) if listener.is_set_here(LEVEL) else listener.smtpd.span
        yield Finding("", Severity.HIGH, f"{listener.name} takes users' mail without TLS: {LEVEL} is {now}, not "
                      f"{REQUIRED}", place, LEVEL, name,
                      fix=_set(listener, "require TLS", SetValue(LEVEL, REQUIRED, name)))


@rule("TLS-02", Severity.MEDIUM)
def tls_settings_that_are_old(subject: Subject) -> Iterator[Finding]:
    """Old TLS versions are allowed, or a TLS parameter is outdated or of no effect where it stands.

    What: A protocol list that allows SSLv2, SSLv3, TLS 1.0 or 1.1, or that this version cannot read; ciphers of grade
    export, low or null; `..._use_tls`,
    `..._enforce_tls` and other TLS parameters that are outdated; a parameter of the TLS client on a server's service,
    or the other way round.

    Why: TLS 1.0 and 1.1 are deprecated (RFC 8996). The old parameters are warned about since Postfix 3.9 and will go;
    until then they work where no security level is set, and are silently ignored where one is, in main.cf too
    (DEPRECATION_README). An smtpd reads no `smtp_tls_...`.

    Bad:
        smtpd_tls_mandatory_protocols = !SSLv2, !SSLv3
        smtpd_use_tls = yes

    Good:
        smtpd_tls_mandatory_protocols = >=TLSv1.2
        smtpd_tls_security_level = may

    Fix: `>=TLSv1.2` (before 3.6: `!SSLv2, !SSLv3, !TLSv1, !TLSv1.1`); the security level that the old parameters stood
    for, before they are taken out; nothing in place of what has no effect.
    """
    yield from tls_settings.protocols(subject)
    yield from tls_settings.ciphers(subject)
    yield from tls_settings.outdated(subject)
    yield from tls_settings.of_the_other_side(subject)
