"""How is a result told? Findings of the auditor as the values that report/ prints: places, excerpts, pages.

What a fix would write and what a proof shows is asked of whom was handed in (`mend`, `prove`): neither is known here.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.metadata import version

from gatepost.audit.finding import Finding
from gatepost.audit.rule import RULES, Rule
from gatepost.audit.run import Result
from gatepost.audit.subject import Subject
from gatepost.report import finding as told

CONTEXT = 1  # lines around the place

Mend = Callable[[Finding], told.Fix | None]
Prove = Callable[[Finding], tuple[str, ...]]


def advice(finding: Finding) -> told.Fix | None:
    """A fix told in words only."""
    return told.Fix(finding.fix.title, finding.fix.safe) if finding.fix else None


def report(subject: Subject, result: Result, *, mend: Mend = advice, prove: Prove = lambda _: ()) -> told.Report:
    """All of one run."""
    pages = {id: page(RULES[id]) for id in dict.fromkeys(finding.rule for finding in result.findings)}
    lines: dict[str, list[str]] = {}
    findings = tuple(_finding(subject, finding, mend, prove, lines) for finding in result.findings)
    return told.Report(findings, tuple(subject.files), pages, remarks(subject), len(result.allowed), os.getcwd(),
                       version("gatepost"))


def remarks(subject: Subject) -> tuple[str, ...]:
    """What was assumed."""
    assumed: list[str] = []
    if not subject.version_from:
        assumed.append(f"nothing says which Postfix this is for: Postfix {subject.version} is assumed "
                       "(--postfix-version)")
    if subject.master_assumed:
        assumed.append("there is no master.cf: a stock one is assumed, with smtpd on port 25")
    return (*assumed, *subject.assumptions)


def page(rule: Rule) -> told.Page:
    """What is known about a rule."""
    return told.Page(rule.id, rule.name, rule.title, rule.severity.label, rule.part("Why"), rule.page)


def _finding(subject: Subject, finding: Finding, mend: Mend, prove: Prove, lines: dict[str, list[str]]) -> told.Finding:
    span = finding.span
    file = span.file if span else subject.main_files[0]
    if file not in lines:
        found = subject.read(file)
        lines[file] = found[1].split("\n") if found else []
    excerpt: tuple[told.Line, ...] = ()
    if span is not None:
        first, last = max(span.line - CONTEXT, 1), min(span.line + CONTEXT, len(lines[file]))
        excerpt = tuple(told.Line(number, lines[file][number - 1].removesuffix("\r"))
                        for number in range(first, last + 1))
        excerpt = excerpt[:-1] if excerpt and excerpt[-1].number != span.line and not excerpt[-1].text else excerpt
    notes = tuple(told.Note(note.text, note.span) for note in finding.notes)
    return told.Finding(finding.rule, finding.severity.label, finding.confidence.label, finding.message, file, span,
                        finding.parameter, finding.service, notes, excerpt, mend(finding), prove(finding))
