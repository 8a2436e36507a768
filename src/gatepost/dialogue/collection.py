"""Where are the project's dialogues? Beside the package in an installation, in the repository while it is worked on.

GROUP/NAME.gold is a recording, GROUP/NAME.client the client's side alone: what it would like to hear stands in its S
lines. This file must not know what dialogues are played against.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

from gatepost.dialogue.format import Dialogue, parse

SUFFIXES = (".client", ".gold")


@cache
def home() -> Path:
    """The folder. FileNotFoundError when the installation has none."""
    package = Path(__file__).resolve().parent.parent
    for place in (package / "dialogues", package.parent.parent / "dialogues"):
        if place.is_dir():
            return place
    raise FileNotFoundError("this installation has no dialogues")


def names(*groups: str) -> list[str]:
    """GROUP/NAME of every dialogue of these groups, in order."""
    return [f"{group}/{path.stem}" for group in groups for path in sorted((home() / group).iterdir())
            if path.suffix in SUFFIXES]


@cache
def dialogue(name: str) -> Dialogue:
    """The dialogue GROUP/NAME. KeyError when there is none; ConfigError when it does not read."""
    for suffix in SUFFIXES:
        path = home() / f"{name}{suffix}"
        if path.is_file():
            return parse(path.read_text(encoding="utf-8"), name)
    raise KeyError(name)


def dialogues(*groups: str) -> Iterator[tuple[str, Dialogue]]:
    """Every dialogue of these groups, with its name."""
    for name in names(*groups):
        yield name, dialogue(name)
