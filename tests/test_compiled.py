"""Compiled modules do what the sources do, and are never used for other sources than those they were made from."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gatepost import compiled
from tests.kit import ROOT
from tools.compile import MODULES

COMPILED = {pattern.partition("/")[0] for pattern in MODULES}
SHOWN = 4000  # characters of another pytest's output


@pytest.fixture(scope="module")
def made() -> Path:
    """The directory of the modules compiled from the sources as they are; skips where they cannot be."""
    environment = {name: value for name, value in os.environ.items() if name != compiled.SWITCH}
    said = subprocess.run([sys.executable, ROOT / "tools" / "compile.py"], env=environment, capture_output=True,
                          text=True, check=True, timeout=1000).stderr
    directory = compiled.place()
    if not directory.is_dir():
        pytest.skip(said.strip().splitlines()[-1])
    return directory


def program(*, pure: bool) -> str:
    """What `gatepost --version` says."""
    environment = {name: value for name, value in os.environ.items() if name != compiled.SWITCH}
    if pure:
        environment[compiled.SWITCH] = "1"
    return subprocess.run([sys.executable, "-m", "gatepost", "--version"], env=environment, capture_output=True,
                          text=True, check=True, cwd=ROOT / "src").stdout


def test_the_program_uses_them_unless_told_not_to(made: Path) -> None:
    assert f"{len(list(made.rglob('gatepost/**/*' + compiled.SUFFIX)))} modules compiled" in program(pure=False)
    assert "no module compiled" in program(pure=True)


def test_dialogues_and_random_streams(made: Path) -> None:
    environment = {**os.environ, "GATEPOST_TEST_COMPILED": "1", "GATEPOST_FUZZ": "4000", "GATEPOST_TEST_EACH": "4"}
    del environment[compiled.SWITCH]
    tests = ("tests/smtp", "tests/observe", "tests/policy", "tests/deliver", "tests/server/test_connection.py",
             "tests/test_dialogues.py", "-k", "not as_recorded and not only_listed and not every_listed")
    played = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests],
                            cwd=ROOT, env=environment, capture_output=True, text=True, timeout=1500, check=False)
    assert played.returncode == 0, played.stdout[-SHOWN:] + played.stderr[-SHOWN:]


def test_no_bound_of_a_slice_does_anything() -> None:
    """mypyc evaluates the bounds of some slices twice (`view[os.write(file, view):]` writes twice). Looked at are the
    folders that have compiled modules."""
    harmless = {"len", "max", "min", "int", "find", "rfind", "index", "start", "end", "_key"}
    found = []
    for path in (path for folder in COMPILED for path in (Path(compiled.__file__).parent / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Slice):
                calls = {ast.unparse(call.func).rpartition(".")[2] for bound in (node.lower, node.upper) if bound
                         for call in ast.walk(bound) if isinstance(call, ast.Call)}
                walrus = any(isinstance(part, ast.NamedExpr) for part in ast.walk(node))
                found += [f"{path}:{node.lineno}"] if walrus or calls - harmless else []
    assert not found


def test_any_change_of_any_source_is_another_place(tmp_path: Path) -> None:
    sources = tmp_path / "gatepost"
    shutil.copytree(Path(compiled.__file__).parent, sources, ignore=shutil.ignore_patterns("__pycache__"))
    same = compiled.place()
    assert compiled.place(sources) == same
    changed = sources / "span.py"
    text = changed.read_text()
    changed.write_text(text + "\n")
    assert compiled.place(sources) != same
    changed.write_text(text)
    assert compiled.place(sources) == same
    (sources / "new.py").touch()
    assert compiled.place(sources) != same
    (sources / "new.py").unlink()
    changed.rename(sources / "spans.py")
    assert compiled.place(sources) != same


def test_only_modules_that_are_there_are_found(tmp_path: Path) -> None:
    (tmp_path / "gatepost" / "smtp").mkdir(parents=True)
    (tmp_path / "gatepost" / "smtp" / f"session{compiled.SUFFIX}").touch()
    finder = compiled.Finder(tmp_path)
    found = finder.find_spec("gatepost.smtp.session")
    assert found is not None and found.origin == str(tmp_path / "gatepost" / "smtp" / f"session{compiled.SUFFIX}")
    assert finder.find_spec("gatepost.smtp.grammar") is None
