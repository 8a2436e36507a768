"""docs/reference/rules.md is what the rules say now; the pages are whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from gatepost.audit.rule import RULES
from gatepost.audit.rules import all as declared
from gatepost.config import source
from tools.rules import FAMILIES, family, page

assert declared

ROOT = Path(__file__).resolve().parents[2]


def test_the_reference_is_current() -> None:
    written = (ROOT / "docs" / "reference" / "rules.md").read_text(encoding="utf-8")
    assert written == page(), "run: python tools/rules.py > docs/reference/rules.md"


@pytest.mark.parametrize("id", RULES)
def test_a_page_is_whole(id: str) -> None:
    rule = RULES[id]
    assert family(rule) in FAMILIES, "give its family a heading in tools/rules.py"
    assert not rule.title.endswith(".") and len(rule.title) < 110
    assert "(" in rule.part("Why"), "the reason has a source in parentheses"
    for part in ("Bad", "Good"):
        text = rule.part(part)
        assert text and source.parse("page", text).lines, part
