"""Rule: comments that allow what is not there."""

from __future__ import annotations

from collections.abc import Iterator

from gatepost.audit.allow import Allow, allows
from gatepost.audit.finding import Finding, Severity
from gatepost.audit.rule import RULES, rule
from gatepost.audit.subject import Subject


@rule("ALLOW-01", Severity.LOW)
def allow_silences_nothing(subject: Subject) -> Iterator[Finding]:
    """A comment allows something that is not found, names no rule, or gives no reason.

    What: `# gatepost: allow RULE reason` silences what RULE finds at the entry below it. This one silences nothing, or
    nobody will know why it is there.

    Why: An allow that outlives its cause hides the next finding of that rule at that place, and looks like a decision
    that somebody made (Gatepost, docs/audit.md).

    Bad:
        # gatepost: allow PIPE-01 the scanner in the lab blasts
        smtpd_data_restrictions = reject_unauth_pipelining

    Good:
        # gatepost: allow PIPE-01 the scanner in the lab blasts
        smtpd_data_restrictions =

    Fix: Remove the comment, correct the rule's name, or say why.
    """
    for each in allows(subject):
        if each.rule not in RULES:
            yield Finding("", Severity.LOW, f"there is no rule {each.rule or '(none named)'} to allow", each.span)
        elif not each.reason:
            yield Finding("", Severity.LOW, f"{each.rule} is allowed without a reason", each.span)


def unused(each: Allow) -> Finding:
    """The finding about an allow that silenced nothing."""
    return Finding("ALLOW-01", Severity.LOW, f"{each.rule} is allowed here, but it finds nothing here", each.span)
