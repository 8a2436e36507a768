"""What is there to report? Findings as printed: texts and places, nothing that would have to be looked up.

Who found something (the auditor, the prober) turns it into these values; every format prints them and decides nothing.
All texts may come from an operator's files and are hostile until a format has escaped them (shown.py). This file must
not know rules, configurations or SMTP.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from gatepost.span import Span

Severity = Literal["critical", "high", "medium", "low", "information"]
Confidence = Literal["high", "medium", "low"]

SEVERITIES: tuple[Severity, ...] = ("critical", "high", "medium", "low", "information")
"""The worst first."""


@dataclass(frozen=True, slots=True)
class Page:
    """What is known about a rule. `name`: a word for machines; `title`: one line; `summary`: one paragraph, why it
    matters; `text`: the whole page, plain text."""

    id: str
    name: str
    title: str
    severity: Severity
    summary: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a file without its end."""

    number: int
    text: str


@dataclass(frozen=True, slots=True)
class Note:
    """Something else to look at. `place` None: nowhere in particular."""

    text: str
    place: Span | None = None


@dataclass(frozen=True, slots=True)
class Replacement:
    """The characters from (line, column) up to but not at (end_line, end_column), all from 1, become `text`."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int
    text: str


@dataclass(frozen=True, slots=True)
class Fix:
    """What would mend it. `safe`: may be written unasked. `diff`: unified, "" when the fix is advice only."""

    title: str
    safe: bool = False
    diff: str = ""
    replacements: tuple[Replacement, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding. `file` is where to look, also when something is absent there and `place` is None. `service` is an
    entry of master.cf as `name/type`, "" for main.cf. `excerpt`: the lines around the place. `evidence`: lines of a
    proof or a transcript, printed as they are."""

    rule: str
    severity: Severity
    confidence: Confidence
    message: str
    file: str
    place: Span | None = None
    parameter: str = ""
    service: str = ""
    notes: tuple[Note, ...] = ()
    excerpt: tuple[Line, ...] = ()
    fix: Fix | None = None
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """All of one run. `files`: what was read; `pages`: by rule id, at least those of the findings; `remarks`: what was
    assumed or could not be known; `silenced`: how many findings the operator allowed; `root`: the absolute directory
    that relative file names start at, "" when unknown; `version`: Gatepost's."""

    findings: tuple[Finding, ...]
    files: tuple[str, ...] = ()
    pages: dict[str, Page] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    silenced: int = 0
    root: str = ""
    version: str = "0"

    def page(self, finding: Finding) -> Page:
        """The page of a finding's rule; one without words when nobody gave it."""
        return self.pages.get(finding.rule) or Page(finding.rule, finding.rule, finding.message, finding.severity)


def merged(reports: Sequence[Report]) -> Report:
    """Several reports of one run as one (at least one)."""
    first = reports[0]
    return replace(first, findings=tuple(finding for each in reports for finding in each.findings),
                   files=tuple(dict.fromkeys(file for each in reports for file in each.files)),
                   pages={id: page for each in reports for id, page in each.pages.items()},
                   remarks=tuple(dict.fromkeys(remark for each in reports for remark in each.remarks)),
                   silenced=sum(each.silenced for each in reports))


def counts(findings: Iterable[Finding]) -> dict[Severity, int]:
    """How many there are of each severity, all five named, the worst first."""
    found = dict.fromkeys(SEVERITIES, 0)
    for finding in findings:
        found[finding.severity] += 1
    return found
