"""Rules: what a port offers that it cannot do: TLS without a certificate, login that is demanded and not offered."""

from __future__ import annotations

from collections.abc import Iterator

from gatepost.audit.change import SetValue
from gatepost.audit.finding import Finding, Fix, Severity
from gatepost.audit.flow import LISTS, Who
from gatepost.audit.listener import Listener, Role, named
from gatepost.audit.rule import rule
from gatepost.audit.rules.authentication import AUTH, offers_login
from gatepost.audit.rules.tls import LEVEL, OFF, WRAPPER, has_certificate, is_wrapped, level
from gatepost.audit.subject import Subject, together


@rule("EXP-13", Severity.HIGH)
def tls_without_a_certificate(subject: Subject) -> Iterator[Finding]:
    """TLS is on, and there is no certificate.

    What: A security level that offers or requires TLS (or wrapping) on a service without `smtpd_tls_chain_files` and
    without `smtpd_tls_cert_file` or its like.

    Why: smtpd warns `No server certs available. TLS won't be enabled` and offers no STARTTLS; where TLS is required or
    wrapped, nobody can send (TLS_README). `smtpd_tls_cert_file = none` says that none is wanted.

    Bad:
        smtpd_tls_security_level = may

    Good:
        smtpd_tls_security_level = may
        smtpd_tls_chain_files = /etc/postfix/mail.pem

    Fix: Name a certificate with its key.
    """
    bare = [each for each in subject.listeners if not each.is_loopback and (is_wrapped(each) or level(each) != OFF)
            and not has_certificate(each)]
    for place, same in together((each.place(LEVEL) or each.place(WRAPPER), each) for each in bare).items():
        here = str(same[0].smtpd) if same[0].is_set_here(LEVEL) else ""
        yield Finding("", Severity.HIGH, f"TLS on {named(same)} has no certificate: it is not offered", place, LEVEL,
                      here, fix=Fix("set smtpd_tls_chain_files"))


@rule("EXP-14", Severity.HIGH)
def login_that_nobody_can_do(subject: Subject) -> Iterator[Finding]:
    """A service lets in only those who have logged in, and offers no login.

    What: A list of a service permits clients that have logged in and refuses all others, and `smtpd_sasl_auth_enable`
    is no there.

    Why: Without AUTH nobody has logged in: everybody is refused (SASL_README).

    Bad:
        submission inet n - y - - smtpd
          -o smtpd_client_restrictions=permit_sasl_authenticated,reject

    Good:
        submission inet n - y - - smtpd
          -o smtpd_sasl_auth_enable=yes
          -o smtpd_client_restrictions=permit_sasl_authenticated,reject

    Fix: `smtpd_sasl_auth_enable = yes` on that service.
    """
    for listener in subject.listeners:
        if listener.role in (Role.SUBMISSION, Role.SMTPS) and not offers_login(listener) and _only_login(listener):
            place = listener.place(AUTH) if listener.is_set_here(AUTH) else listener.smtpd.span
            yield Finding("", Severity.HIGH, f"{listener.name} lets in only who has logged in, and offers no login",
                          place, AUTH, str(listener.smtpd),
                          fix=Fix("offer login", (SetValue(AUTH, "yes", str(listener.smtpd)),)))


def _only_login(listener: Listener) -> bool:
    """Does a list refuse everybody who has not logged in?"""
    for name in LISTS[:5]:
        listed = listener.list(name)
        ends = [item for item in listed.every if item.name in ("reject", "defer") and item.reached and not item.warned]
        permits = [item for item in listed.every if item.permits and item.reached and item.kind.value != "class"]
        if ends and permits and all(item.who is Who.LOGIN for item in permits):
            return True
    return False
