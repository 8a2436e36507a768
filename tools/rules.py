"""Print docs/reference/rules.md from the rules' docstrings.

    python tools/rules.py > docs/reference/rules.md
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from gatepost.audit.rule import PARTS, RULES, Rule
from gatepost.audit.rules import all as declared

INTRODUCTION = """\
# The rules of gatepost audit

Printed by `tools/rules.py` from the rules themselves; `gatepost audit --explain RULE` prints one. How to use the
auditor stands in [audit.md](../audit.md). The severity is the usual one: a finding may be less severe where something
else protects.
"""

FAMILIES = {
    "SYN": "Syntax", "PIPE": "Turns", "SMUG": "Smuggling", "PSC": "Screening", "RLY": "Relaying", "TRU": "Trust",
    "TLS": "TLS", "AUTH": "Login", "LST": "Lists and names", "OPS": "Operation", "DMS": "docker-mailserver",
    "RSV": "Habits", "EXP": "What a careful eye notices", "ALLOW": "Allowing",
}
CODE = ("Bad", "Good")


def family(rule: Rule) -> str:
    """The letters of its id."""
    return rule.id.partition("-")[0]


def ordered() -> list[Rule]:
    """Every rule, families in the order above, then by id."""
    known = list(FAMILIES)
    assert declared
    return sorted(RULES.values(), key=lambda rule: (
        known.index(family(rule)) if family(rule) in known else len(known), rule.id))


def page() -> str:
    """The whole document."""
    return re.sub(r"\n{3,}", "\n\n", "\n".join(_lines())).rstrip("\n") + "\n"


def _lines() -> Iterator[str]:
    yield INTRODUCTION
    yield "| rule | severity | what is wrong |"
    yield "| --- | --- | --- |"
    for rule in ordered():
        yield f"| [{rule.id}](#{rule.id.lower()}) | {rule.severity.label} | {rule.title} |"
    last = ""
    for rule in ordered():
        if family(rule) != last:
            last = family(rule)
            yield f"\n## {FAMILIES.get(last, last)}"
        yield f'\n### <a id="{rule.id.lower()}"></a>{rule.id}: {rule.title}\n'
        for part in PARTS:
            yield from _part(part, rule.part(part))


def _part(name: str, text: str) -> Iterator[str]:
    if name in CODE:
        yield f"{name}:\n"
        yield "```\n" + text.strip("\n") + "\n```\n"
    elif text:
        yield f"**{name}.** " + re.sub(r"\s*\n\s*\n\s*", "\n\n", text).replace("<", "\\<") + "\n"


if __name__ == "__main__":
    print(page(), end="")
