"""Are the hot modules compiled, and may they be used? Only when they were made from exactly these sources.

tools/compile.py (`make fast`) puts extension modules into a directory of the virtual environment that is named by a
hash of all of Gatepost's sources and of the interpreter. The program looks for the directory with the name that its own
sources have now: one changed byte and there is none, so that the change runs, as Python. Only the program calls `use`;
whoever imports gatepost otherwise (tests, tools) runs the sources. This file must not know which modules are compiled.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Sequence
from importlib.machinery import EXTENSION_SUFFIXES, ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType

SWITCH = "GATEPOST_PURE"  # this environment variable with any value: run the sources
PLACES = Path(sys.prefix, "lib", "gatepost-compiled")
SUFFIX = EXTENSION_SUFFIXES[0]


class Finder:
    """Finds the modules of one directory before the import system looks for sources."""

    def __init__(self, directory: Path) -> None:
        self.modules = {".".join(path.relative_to(directory).parts).removesuffix(SUFFIX): path
                        for path in directory.rglob("*" + SUFFIX)}

    def find_spec(self, name: str, path: Sequence[str] | None = None,
                  target: ModuleType | None = None) -> ModuleSpec | None:
        """As the import system asks (importlib.abc.MetaPathFinder)."""
        found = self.modules.get(name)
        return None if found is None else spec_from_file_location(name, found)


def place(sources: Path = Path(__file__).parent) -> Path:
    """Where extension modules made from these sources (the package's folder) by this interpreter are, if anywhere."""
    digest = hashlib.sha256(f"{sys.version}\0{SUFFIX}".encode())
    for path in sorted(sources.rglob("*.py")):
        text = path.read_bytes()
        digest.update(f"\0{path.relative_to(sources)}\0{len(text)}\0".encode())
        digest.update(text)
    return PLACES / digest.hexdigest()[:32]


def use() -> bool:
    """Import compiled modules from now on, where there are some for these sources -> whether there are."""
    if os.environ.get(SWITCH) or not PLACES.is_dir():
        return False
    finder = Finder(place())
    if finder.modules:
        sys.meta_path.insert(0, finder)
    return bool(finder.modules)


def count() -> int:
    """How many of Gatepost's modules are imported compiled."""
    return sum(name.startswith("gatepost.") for finder in sys.meta_path if isinstance(finder, Finder)
               for name in finder.modules)
