"""Every rule finds what its fixtures show, at the line they say, and nothing in those that are as they should be.

fixtures/RULE/bad*/expect lists `file:line` for each finding, `file` alone where it is an absence that is wrong. A
folder without master.cf is audited with the stock one. `options` may hold `postfix-version 3.7.11`. `fixed*` is what
the fixer makes of `bad*` of the same ending, to be clean of the rule as well.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from gatepost.audit.finding import Finding
from gatepost.audit.inputs import subject
from gatepost.audit.rule import PARTS, RULES
from gatepost.audit.run import audit

FIXTURES = Path(__file__).parent / "fixtures"
FOLDERS = sorted(folder for folder in FIXTURES.glob("*/*") if folder.is_dir())


def options(folder: Path) -> dict[str, str]:
    """The command line's options for that fixture."""
    file = folder / "options"
    lines = file.read_text().split("\n") if file.exists() else []
    return dict(line.split(None, 1) for line in lines if line)  # type: ignore[misc]


def place(finding: Finding, folder: Path) -> str:
    """`file:line`, the file as seen from the fixture."""
    if finding.span is None:
        return "main.cf"
    file = finding.span.file.removeprefix(f"{folder}/")
    return f"{file}:{finding.span.line}"


def found(folder: Path) -> list[Finding]:
    rule = folder.parent.name
    said = options(folder)
    read = subject(str(folder), postfix_version=said.get("postfix-version", ""),
                   dms_release=said.get("dms-release", ""))
    return [finding for finding in audit(read).findings if finding.rule == rule]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: f"{folder.parent.name}/{folder.name}")
def test_a_fixture(folder: Path) -> None:
    said = found(folder)
    expected = (folder / "expect").read_text().split() if folder.name.startswith("bad") else []
    assert sorted(place(finding, folder) for finding in said) == sorted(expected), "\n".join(
        f"{finding.span}: {finding.message}" for finding in said)
    assert not folder.name.startswith("bad") or expected, "expect is empty"


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_has_fixtures_and_a_page(rule: str) -> None:
    names = [folder.name for folder in (FIXTURES / rule).glob("*")]
    assert any(name.startswith("bad") for name in names), f"{rule} has no bad fixture"
    assert any(name.startswith("good") for name in names), f"{rule} has no good fixture"
    assert [part for part in PARTS if not RULES[rule].part(part)] == []
    assert RULES[rule].title


def test_every_fixture_belongs_to_a_rule() -> None:
    assert {folder.parent.name for folder in FOLDERS} - RULES.keys() == set()
