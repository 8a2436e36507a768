"""No file grows past 400 lines and no function past 50: what is longer answers more than one question.

An exception is named here with its reason; one that is no longer needed fails too.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FILE_LINES = 400
FUNCTION_LINES = 50

LONGER: dict[str, str] = {}  # "src/gatepost/x.py" or "src/gatepost/x.py:function" -> why it may be longer

SOURCES = sorted(path for folder in ("src", "tests", "bench") for path in (ROOT / folder).rglob("*.py"))


def too_long(name: str, text: str) -> Iterator[str]:
    """Names of what is too long in one file's text: the file itself, its functions."""
    if text.count("\n") > FILE_LINES:
        yield name
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES:
                yield f"{name}:{node.name}"


def too_long_in(path: Path) -> list[str]:
    return list(too_long(str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_too_long(path: Path) -> None:
    assert [name for name in too_long_in(path) if name not in LONGER] == []


def test_every_exception_is_still_needed() -> None:
    found = {name for path in SOURCES for name in too_long_in(path)}
    assert set(LONGER) - found == set()


def test_one_line_more_than_allowed_is_seen() -> None:
    def function(lines: int) -> str:
        return "def f():\n" + "    pass\n" * (lines - 1)

    assert list(too_long("x", function(FUNCTION_LINES))) == []
    assert list(too_long("x", function(FUNCTION_LINES + 1))) == ["x:f"]
    assert list(too_long("x", "pass\n" * (FILE_LINES + 1))) == ["x"]
