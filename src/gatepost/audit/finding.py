"""What did the auditor find? The value that rules give and reports print.

Severity says how bad it is if it is so, confidence how sure the rule is that it is so: what cannot be decided from the
text alone is told with low confidence, not hidden. This file must not know any rule.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from gatepost.audit.change import Change
from gatepost.span import Span


class Severity(enum.IntEnum):
    """How bad, least first. The label is the name in lower case."""

    INFORMATION = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4

    @property
    def label(self) -> str:
        """The word in reports."""
        return self.name.lower()


class Confidence(enum.IntEnum):
    """How sure."""

    LOW = 0
    MEDIUM = 1
    HIGH = 2

    @property
    def label(self) -> str:
        """The word in reports."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Note:
    """Something else to look at: another place that belongs to the finding, or an assumption it makes."""

    text: str
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Fix:
    """What would mend it: a title in the imperative, and changes in order. `safe`: no mail that is legitimate is
    treated differently, so that --fix may do it unasked. No changes: `title` is advice for the operator."""

    title: str
    changes: tuple[Change, ...] = ()
    safe: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding of one rule. `span` is the place to look at; None when it is what is absent that is wrong (reports
    then show the parameter's file). `service` is the master.cf entry as `name/type`, "" when main.cf itself is meant.
    """

    rule: str
    severity: Severity
    message: str
    span: Span | None = None
    parameter: str = ""
    service: str = ""
    confidence: Confidence = Confidence.HIGH
    fix: Fix | None = None
    notes: tuple[Note, ...] = field(default=())
