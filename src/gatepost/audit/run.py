"""What is wrong with this subject? Every rule looks, without what is allowed, in the order of the files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gatepost.audit.finding import Finding
from gatepost.audit.rule import RULES, Rule, findings
from gatepost.audit.rules import all as declared
from gatepost.audit.subject import Subject

assert declared, "importing the list of rules declares them"


@dataclass(frozen=True, slots=True)
class Result:
    """What was found, in the order of the files; `allowed`: what comments in the files silence."""

    findings: tuple[Finding, ...]
    allowed: tuple[Finding, ...] = ()


def chosen(select: Iterable[str] = (), ignore: Iterable[str] = ()) -> dict[str, Rule]:
    """The rules to run: ids or beginnings of ids (PIPE) to select and to leave out."""
    select, ignore = tuple(select), tuple(ignore)
    return {id: rule for id, rule in RULES.items()
            if (not select or id.startswith(select)) and not (ignore and id.startswith(ignore))}


def audit(subject: Subject, rules: dict[str, Rule] | None = None) -> Result:
    """Run the rules (None: all) on a subject."""
    return Result(tuple(findings(subject, RULES if rules is None else rules)))
