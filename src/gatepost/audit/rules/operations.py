"""Rules: settings that change what the whole service does, and names that are said twice."""

from __future__ import annotations

from collections.abc import Iterator

from gatepost.audit.finding import Finding, Severity
from gatepost.audit.rule import rule
from gatepost.audit.rules import limits, outdated, twice
from gatepost.audit.subject import Subject


@rule("OPS-01", Severity.HIGH)
def settings_for_tests_and_names_given_twice(subject: Subject) -> Iterator[Finding]:
    """A setting for tests, a limit switched off, a name given twice, a parameter that is outdated.

    What: `soft_bounce = yes`; `smtpd_delay_reject = no` without a comment that says why; limits on clients switched off
    on a service for everybody; an entry of master.cf, or a parameter with another value, that is given twice; a
    parameter that this version warns about or has no longer. Of docker-mailserver: a list in postfix-main.cf that
    throws away what start-up puts into it, a line of postfix-master.cf that nothing reads, a parameter that is dropped,
    a setting that something later replaces.

    Why: `soft_bounce` turns every refusal into "try again": spam is sent again for days, and nobody is told of a wrong
    address. Without delayed refusals nothing is logged of whom the mail was for, and recipient checks in early
    lists say nothing. The limits are what keeps one client from taking all processes (postconf(5)). Of what is given
    twice the last is in force, whatever the first says; parameters that are gone are silently not read
    (DEPRECATION_README). docker-mailserver edits its lists first and reads the overrides then; postfix-master.cf goes
    to `postconf -P` line by line, which takes no blank in a value and makes no service (its start-up scripts).

    Bad:
        soft_bounce = yes
        mydestination = example.org
        mydestination = example.com

    Good:
        mydestination = example.org, example.com

    Fix: Take test settings out; keep one of what is given twice; write the new name.
    """
    yield from limits.found(subject)
    yield from twice.found(subject)
    yield from outdated.found(subject)
    if subject.docker is not None:
        from gatepost.audit.rules import docker  # only its users pay for it

        yield from docker.found(subject)
