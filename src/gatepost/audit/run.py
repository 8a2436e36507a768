"""What is wrong with this subject? Every rule looks; without what is allowed, in the order of the files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gatepost.audit import allow
from gatepost.audit.finding import Finding
from gatepost.audit.rule import RULES, Rule, findings, in_order
from gatepost.audit.rules import all as declared
from gatepost.audit.rules.allowing import unused
from gatepost.audit.subject import Subject

assert declared, "importing the list of rules declares them"


@dataclass(frozen=True, slots=True)
class Result:
    """What was found, in the order of the files; `allowed`: what comments in the files silence."""

    findings: tuple[Finding, ...]
    allowed: tuple[Finding, ...] = ()


def chosen(select: Iterable[str] = (), ignore: Iterable[str] = ()) -> dict[str, Rule]:
    """The rules to run: ids or beginnings of ids (PIPE) to select and to leave out, in any case. KeyError with the word
    that no rule begins with."""
    selected, ignored = (tuple(word.upper() for word in words) for words in (select, ignore))
    for word in (*selected, *ignored):
        if not any(id.startswith(word) for id in RULES):
            raise KeyError(word)
    return {id: rule for id, rule in RULES.items()
            if (not selected or id.startswith(selected)) and not (ignored and id.startswith(ignored))}


def audit(subject: Subject, rules: dict[str, Rule] | None = None) -> Result:
    """Run the rules (None: all) on a subject."""
    rules = RULES if rules is None else rules
    stay, silenced, idle = allow.apart(findings(subject, rules), subject)
    if "ALLOW-01" in rules:
        stay += [unused(each) for each in idle if each.rule in rules and each.reason]
    return Result(tuple(in_order(subject, stay)), tuple(silenced))
