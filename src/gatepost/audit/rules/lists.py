"""Rules: names in restriction lists, and restrictions that cannot act where they stand."""

from __future__ import annotations

from collections.abc import Iterator

from gatepost.audit.finding import Finding, Severity
from gatepost.audit.rule import rule
from gatepost.audit.rules import acting, names
from gatepost.audit.subject import Subject


@rule("LST-01", Severity.HIGH)
def names_that_postfix_does_not_know(subject: Subject) -> Iterator[Finding]:
    """A restriction or a parameter that this Postfix does not know, or soon will not.

    What: A word in a restriction list that is neither a restriction nor a class (most often misspelt), a restriction
    that this version has no longer or not yet, one that it warns about, an old spelling; a parameter that Postfix has
    not, or this version has not yet.

    Why: smtpd answers `451 4.3.5 Server configuration error` to every mail for which it gets to an unknown restriction
    (Postfix smtpd_check). An unknown parameter is only warned about by postconf: what it was to do is not done
    (postconf(5), DEPRECATION_README).

    Bad:
        smtpd_recipient_restrictions = reject_unauth_destination, reject_non_fqdn_recipent
        smtpd_helo_requird = yes

    Good:
        smtpd_recipient_restrictions = reject_unauth_destination, reject_non_fqdn_recipient
        smtpd_helo_required = yes

    Fix: Write the name that was meant. Old spellings are corrected safely, the others change what is refused.
    """
    yield from names.restrictions(subject)
    yield from names.parameters(subject)
    if subject.docker is not None:
        from gatepost.audit.rules import docker  # only its users pay for it

        yield from docker.misspelt(subject)


@rule("LST-02", Severity.MEDIUM)
def restrictions_that_cannot_act(subject: Subject) -> Iterator[Finding]:
    """A restriction that cannot act where it stands.

    What: A check whose subject is not known when its list is looked at (a recipient before RCPT with
    `smtpd_delay_reject = no`, or at DATA, where several may be meant), a bare table in the DATA list, a check without
    the argument it takes, HELO checks where HELO may be left out, anything behind an unconditional `permit`, `reject`
    or `defer`.

    Why: Without its subject a check says nothing and the list goes on; a bare table at DATA and a missing table are
    answered with `451 4.3.5 Server configuration error`; a missing argument takes the next word of the list, a barrier
    perhaps; what is behind the end of a list is never looked at (Postfix smtpd_check, SMTPD_ACCESS_README).

    Bad:
        smtpd_recipient_restrictions = reject_unauth_destination, permit, reject_rbl_client bl.example.net
        smtpd_helo_restrictions = reject_invalid_helo_hostname

    Good:
        smtpd_recipient_restrictions = reject_unauth_destination, reject_rbl_client bl.example.net, permit
        smtpd_helo_restrictions = reject_invalid_helo_hostname
        smtpd_helo_required = yes

    Fix: Move the check to the list where its subject is known, before the end; supply the argument; require HELO.
    """
    yield from acting.found(subject)
