"""Which parameters of Postfix have no effect here, and what does Postfix take them for when they are not set?

unsupported.txt: a name a line, ` = ` and the default behind it where one can be said in main.cf. An operator who sets
such a parameter to something else is told so at start-up (check.py); `$name` of one that is not set is its default, as
in Postfix. This file must not know which problems follow.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources


def _read() -> dict[str, str | None]:
    listed = resources.files("gatepost.config").joinpath("unsupported.txt").read_text("ascii")
    found: dict[str, str | None] = {}
    for line in listed.splitlines():
        if line and not line.startswith("#"):
            name, equals, default = line.partition(" =")
            found[name] = default.strip() if equals else None
    return found


UNSUPPORTED: Mapping[str, str | None] = _read()
"""Name -> default; None where none is known: then any value is worth a warning."""
