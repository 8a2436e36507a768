"""What is a rule? One function that looks at a subject and gives findings; its docstring is its documentation page.

The page has parts that --explain, the reference and the tests read: the first line says what is wrong, then `What:`,
`Why:` (with its source in parentheses), `Bad:`, `Good:` and `Fix:`, each beginning a paragraph; Bad and Good are
configuration text, indented. A rule must not read files nor print. This file must not know any rule.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gatepost.audit.finding import Finding, Severity
from gatepost.span import ConfigError

if TYPE_CHECKING:
    from gatepost.audit.subject import Subject

Look = Callable[["Subject"], Iterator[Finding]]
PARTS = ("What", "Why", "Bad", "Good", "Fix")

RULES: dict[str, Rule] = {}
"""Every rule by its id, in the order of declaration; filled by importing gatepost.audit.rules.all."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A declared rule. `severity` is its usual one, findings may say another."""

    id: str
    severity: Severity
    look: Look

    @property
    def name(self) -> str:
        """The function's name: a title for machines."""
        return self.look.__name__

    @property
    def title(self) -> str:
        """The first line of the page."""
        return (inspect.getdoc(self.look) or "").partition("\n")[0].rstrip(".")

    @property
    def page(self) -> str:
        """The whole page."""
        return inspect.getdoc(self.look) or ""

    def part(self, name: str) -> str:
        """One part of the page, without its heading and dedented; "" when it is absent."""
        found = re.search(rf"^{name}:[ \t]*(.*?)(?=^(?:{'|'.join(PARTS)}):|\Z)", self.page, re.MULTILINE | re.DOTALL)
        return inspect.cleandoc(found[1]) if found else ""


def rule(id: str, severity: Severity) -> Callable[[Look], Rule]:
    """Declare the function below as rule `id`. Findings may leave `rule` as ""; it is filled in."""

    def declared(look: Look) -> Rule:
        if id in RULES:
            raise AssertionError(f"rule {id} is declared twice")
        RULES[id] = found = Rule(id, severity, look)
        return found

    return declared


def findings(subject: Subject, rules: dict[str, Rule]) -> list[Finding]:
    """All that these rules find, in the order of the files. A value that does not read is for the rule about values
    (LST-01): others skip what they cannot read."""
    found: list[Finding] = []
    for each in rules.values():
        try:
            for finding in each.look(subject):
                found.append(finding if finding.rule else replace(finding, rule=each.id))
        except ConfigError:
            continue
    return in_order(subject, found)


def in_order(subject: Subject, found: list[Finding]) -> list[Finding]:
    """Findings in the order of the subject's files and lines, those without a place last, none twice."""
    order = {file: at for at, file in enumerate(subject.files)}
    return sorted(dict.fromkeys(found), key=lambda finding: (
        order.get(finding.span.file, len(order)) if finding.span else len(order) + 1,
        finding.span.line if finding.span else 0, finding.rule, finding.message))
