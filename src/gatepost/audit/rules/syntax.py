"""Rules: what Postfix cannot read in main.cf and master.cf."""

from __future__ import annotations

from collections.abc import Iterator

from gatepost.audit.finding import Finding, Severity
from gatepost.audit.rule import rule
from gatepost.audit.subject import Subject


@rule("SYN-01", Severity.CRITICAL)
def unreadable_line(subject: Subject) -> Iterator[Finding]:
    """A line that Postfix cannot read: it does not start, or answers nobody.

    What: A line of main.cf without `=` or without a name, or an entry of master.cf whose columns do not read.

    Why: Every Postfix program ends with a fatal error when it reads such a main.cf, and the master does not start with
    such a master.cf (postconf(5), master(5)).

    Bad:
        smtpd_helo_required yes

    Good:
        smtpd_helo_required = yes

    Fix: Correct the line. A line that was meant to go on with the one above must begin with white space.
    """
    for name, problems in (("main.cf", subject.main_cf.problems), ("master.cf", subject.master_cf.problems)):
        for problem in problems:
            if problem.severity == "error":
                what = f": {problem.text.strip()[:60]!r}" if problem.text else ""
                message = f"Postfix cannot read this line of {name}: {problem.message}{what}"
                yield Finding("", Severity.CRITICAL, message, problem.span)


@rule("SYN-02", Severity.MEDIUM)
def ignored_line(subject: Subject) -> Iterator[Finding]:
    """A line, or a part of one, that Postfix ignores with a warning.

    What: A continuation line (it begins with white space) before there is anything to continue, or text behind a null
    byte.

    Why: Postfix warns `logical line must not start with whitespace` and reads on without it: what it says is not in
    force (Postfix readlline).

    Bad:
          smtpd_helo_required = yes
        myhostname = mx.example.org

    Good:
        smtpd_helo_required = yes
        myhostname = mx.example.org

    Fix: Begin the line in the first column.
    """
    for problems in (subject.main_cf.problems, subject.master_cf.problems):
        for problem in problems:
            if problem.severity == "warning" and not problem.message.startswith(("overriding", "duplicate")):
                yield Finding("", Severity.MEDIUM, f"Postfix ignores this: {problem.message}", problem.span)
