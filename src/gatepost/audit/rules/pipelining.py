"""Rules: clients that talk out of turn, and where the check for them stands."""

from __future__ import annotations

from collections.abc import Iterator

import gatepost.config.parameters as p
from gatepost.audit.change import SetValue
from gatepost.audit.finding import Finding, Fix, Severity
from gatepost.audit.listener import Listener, named
from gatepost.audit.rule import rule
from gatepost.audit.subject import Subject, together

CHECK = "reject_unauth_pipelining"
DATA = "smtpd_data_restrictions"
LISTED = f"permit_mynetworks, permit_sasl_authenticated, {CHECK}"
COMMENT = """\
Reject clients that talk out of turn. The check stands at DATA because only there everything that was said before the
message is known, a body sent before the 354 included."""


def parameter_in_force(listener: Listener, subject: Subject) -> bool:
    """Does smtpd itself hang up on such clients, before any list?"""
    return subject.has("smtpd_forbid_unauth_pipelining") and listener.value(p.SMTPD_FORBID_UNAUTH_PIPELINING, False)


@rule("PIPE-01", Severity.HIGH)
def pipelining_is_never_refused(subject: Subject) -> Iterator[Finding]:
    """Clients that talk out of turn are not refused.

    What: A public service has no reachable `reject_unauth_pipelining` in `smtpd_data_restrictions`, and
    `smtpd_forbid_unauth_pipelining` is off, unknown to this version, or off by default.

    Why: A message that was sent before the 354 is only known at DATA. Spam engines send that way, and smuggled messages
    come that way (Postfix smtpd; RFC 2920).

    Bad:
        smtpd_data_restrictions =

    Good:
        smtpd_data_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_pipelining

    Fix: Put the check into `smtpd_data_restrictions`; where the version has it, `smtpd_forbid_unauth_pipelining = yes`
    does more.
    """
    bare = [listener for listener in subject.public
            if not listener.list(DATA).working(CHECK) and not parameter_in_force(listener, subject)]
    for place, listeners in together((listener.place(DATA), listener) for listener in bare).items():
        here = listeners[0].name if listeners[0].is_set_here(DATA) else ""
        yield Finding("", Severity.HIGH, f"clients of {named(listeners)} may talk out of turn: no {CHECK} is reached "
                      f"at DATA, and smtpd_forbid_unauth_pipelining is not in force", place, DATA, here,
                      fix=Fix("refuse them at DATA", (SetValue(DATA, LISTED, here, COMMENT),), safe=True))
