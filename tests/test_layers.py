"""Imports go one way. The arrows stand in pyproject.toml ([tool.importlinter]); what they cannot say stands here."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "gatepost"
FORBIDDEN_NAMES = {"utils", "util", "common", "helpers", "helper", "base", "core", "misc"}


def imported(path: Path) -> Iterator[str]:
    """Top-level names of the modules that a file imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield node.module or ""


def test_the_arrows_of_pyproject_hold() -> None:
    program = Path(sys.executable).parent / "lint-imports"
    if not program.exists():
        pytest.skip("lint-imports is not installed")
    run = subprocess.run([program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("path", sorted((PACKAGE / "smtp").glob("*.py")), ids=lambda path: path.name)
def test_smtp_needs_the_standard_library_only(path: Path) -> None:
    strangers = [
        name
        for name in imported(path)
        if not name.startswith("gatepost.smtp") and name.split(".")[0] not in sys.stdlib_module_names
    ]
    assert strangers == []


def test_nothing_has_a_name_that_says_nothing() -> None:
    folders = (PACKAGE, ROOT / "tests", ROOT / "bench")
    assert [str(p) for folder in folders for p in folder.rglob("*") if p.stem in FORBIDDEN_NAMES] == []


def documented(path: Path) -> bool:
    return bool(ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))))


def test_every_file_says_what_it_is_for() -> None:
    """An `__init__` that is empty needs no words."""
    files = [p for p in PACKAGE.rglob("*.py") if p.stat().st_size]
    assert [str(p.relative_to(ROOT)) for p in files if not documented(p)] == []
