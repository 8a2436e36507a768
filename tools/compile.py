"""Compile Gatepost's hot modules for this interpreter, where that can be done: `make fast` (docs/decisions/020).

Never fails: what is in the way is said in one line, and Gatepost runs as Python. A copy of the sources is compiled, and
the result is kept under the hash of that copy (gatepost.compiled), complete and once imported, or not at all.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from gatepost import compiled

ROOT = Path(__file__).resolve().parent.parent
NEEDS = ROOT / "requirements-fast.txt"
# By measurement: where the event loop's thread spends its time on a message.
MODULES = (
    "smtp/*.py",
    "server/answers/asking.py", "server/answers/content.py", "server/answers/envelope.py", "server/answers/greeting.py",
    "server/channel.py", "server/connection.py", "server/frames.py", "server/handover.py", "server/intake.py",
    "server/kernel.py", "server/message.py",
    "server/outbox.py", "server/perform.py", "server/phase.py", "server/queue_manager.py", "server/room.py",
    "server/tell.py", "server/terms.py", "server/wire.py",
    "policy/evaluate.py", "policy/engine.py", "policy/facts.py", "policy/program.py", "policy/question.py",
    "policy/refusal.py", "policy/verdict.py",
    "lookup/bcc.py", "lookup/classes.py", "lookup/kept.py", "lookup/maps.py", "lookup/match.py",
    "lookup/verify_sender.py",
    "deliver/aliases.py", "deliver/content.py", "deliver/content_checks.py", "deliver/content_received.py",
    "deliver/delivery.py", "deliver/envelope.py",
    "deliver/envelope_packed.py",
    "deliver/keeper.py", "deliver/queue.py", "deliver/queue_deferred.py", "deliver/queue_id.py",
    "deliver/queue_message.py", "deliver/queue_reports.py",
    "deliver/queue_rules.py", "deliver/queue_sites.py", "deliver/result.py",
    "deliver/spool.py", "deliver/spool_draft.py", "deliver/spool_store.py", "deliver/spool_writer.py",
    "deliver/transports.py",
    "observe/*.py",
)
LEFT_OUT = ("__init__.py",)
SECONDS = 900
OLD = 3600  # seconds: a build for other sources is removed when it is older; another may be under way


class CannotCompile(Exception):
    """What is in the way, in one line."""


def main() -> None:
    """The program."""
    if os.environ.get(compiled.SWITCH):
        return
    ready = compiled.place()
    if _recipe_of(ready) == _recipe():
        return
    try:
        _check_tools()
        _make()
    except CannotCompile as problem:
        print(f"no compiled modules, Gatepost runs as Python: {problem}", file=sys.stderr)


def _recipe() -> str:
    """What else than the sources a result depends on."""
    return hashlib.sha256(Path(__file__).read_bytes() + NEEDS.read_bytes()).hexdigest()


def _recipe_of(ready: Path) -> str:
    try:
        return (ready / "recipe").read_text()
    except OSError:
        return ""


def _check_tools() -> None:
    compiler = shlex.split(sysconfig.get_config_var("CC") or "cc")[0]
    if shutil.which(compiler) is None:
        raise CannotCompile(f"there is no C compiler ({compiler})")
    headers = sysconfig.get_paths()["include"]
    if not Path(headers, "Python.h").exists():
        raise CannotCompile(f"Python's headers are not installed ({headers})")


def _make() -> None:
    began = time.monotonic()
    print(f"compiling the hot modules, once for these sources: a minute or so ({compiled.SWITCH}=1: not)",
          file=sys.stderr)
    _run("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(NEEDS), what="pip")
    compiled.PLACES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="making-", dir=compiled.PLACES) as below:
        copy, result = Path(below, "copy"), Path(below, "result")
        package = copy / "src" / "gatepost"
        shutil.copytree(ROOT / "src" / "gatepost", package, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", copy)
        _run(__file__, str(result), what="mypyc", below=copy)
        modules = [name for name in compiled.Finder(result).modules if name.startswith("gatepost.")]
        _run("-c", _TRY, str(result), *modules, what="importing the result", below=copy)
        (result / "recipe").write_text(_recipe())
        target = compiled.place(package)
        if target.exists():
            target.rename(Path(below, "replaced"))
        result.rename(target)
    for other in compiled.PLACES.iterdir():
        if other != target and time.time() - other.stat().st_mtime > OLD:
            shutil.rmtree(other, ignore_errors=True)
    print(f"compiled {len(modules)} modules in {time.monotonic() - began:.0f} s", file=sys.stderr)


_TRY = """
import importlib, pathlib, sys
sys.path.insert(0, "src")
from gatepost import compiled
sys.meta_path.insert(0, compiled.Finder(pathlib.Path(sys.argv[1])))
for name in sys.argv[2:]:
    importlib.import_module(name)
"""


def _run(*arguments: str, what: str, below: Path = ROOT) -> None:
    """One step by this interpreter in another process, which may fail as it likes."""
    try:
        step = subprocess.run([sys.executable, *arguments], cwd=below, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise CannotCompile(f"{what} took more than {SECONDS} seconds") from None
    if step.returncode != 0:
        said = [line for line in step.stdout.splitlines() if line and "warning:" not in line]
        errors = [line for line in said if "error" in line.lower()]
        raise CannotCompile(f"{what} failed: {(errors or said or ['no reason given'])[-1].strip()}")


def _compile(result: Path) -> None:
    """In the folder of the copy: extension modules into `result`. -O1: more costs time and wins nothing (020)."""
    from mypyc.build import mypycify
    from setuptools import Distribution
    from setuptools.command.build_ext import build_ext

    class Build(build_ext):
        """One C file for each module, as many at a time as there are processors."""

        def build_extensions(self) -> None:
            compile_all = self.compiler.compile

            def compile_each(sources: list[str], **options: Any) -> list[str]:
                with ThreadPoolExecutor(os.cpu_count()) as pool:
                    made = pool.map(lambda source: compile_all([source], **options), sources)
                    return [file for each in made for file in each]

            self.compiler.compile = compile_each
            super().build_extensions()

    package = Path("src", "gatepost")
    paths = sorted(str(path) for pattern in MODULES for path in package.glob(pattern) if path.name not in LEFT_OUT)
    extensions = mypycify(paths, opt_level="1", debug_level="0", target_dir="c", multi_file=True)
    command = Build(Distribution({"name": "gatepost", "ext_modules": extensions}))
    command.build_lib, command.build_temp = str(result), "objects"
    command.ensure_finalized()
    command.run()


if __name__ == "__main__":
    if len(sys.argv) == 2:
        _compile(Path(sys.argv[1]))
    else:
        main()
