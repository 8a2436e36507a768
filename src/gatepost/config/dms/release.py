"""Which docker-mailserver is it? Its releases, the Postfix in each, and what its image configures before it starts.

The image's values are data (image_*.txt): each line begins with the releases it holds for, `12.0-13.1` (both included),
`13.2-`, `-11.3`, `-` for all. This file must not know what start-up makes of them.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from pathlib import Path

from gatepost.span import ConfigError

RANGE_WIDTH = 10
"""Columns of a line of data before its text."""


@dataclass(frozen=True, slots=True)
class Release:
    """One release, as far as its configuration differs from others: patch releases of a minor one are the same.
    `postfix` is the version in its image (the last image of that release)."""

    name: str
    tag: str
    postfix: str

    def __str__(self) -> str:
        return self.tag

    def since(self, name: str) -> bool:
        """Is it the release of that name, or a later one?"""
        return ORDER[self.name] >= ORDER[name]


RELEASES = (
    Release("11.0", "v11.0.0", "3.5.13"),
    Release("11.1", "v11.1.0", "3.5.13"),
    Release("11.2", "v11.2.0", "3.5.13"),
    Release("11.3", "v11.3.1", "3.5.13"),
    Release("12.0", "v12.0.0", "3.5.17"),
    Release("12.1", "v12.1.0", "3.5.18"),
    Release("13.0", "v13.0.1", "3.5.18"),
    Release("13.1", "v13.1.0", "3.5.18"),
    Release("13.2", "v13.2.0", "3.5.23"),
    Release("13.3", "v13.3.1", "3.5.23"),
    Release("14.0", "v14.0.0", "3.7.10"),
    Release("15.0", "v15.0.2", "3.7.11"),
    Release("15.1", "v15.1.0", "3.7.11"),
    Release("edge", "edge", "3.10.5"),
)
ORDER = {release.name: at for at, release in enumerate(RELEASES)}
NEWEST = RELEASES[-2]
"""The newest release: what the tag `latest` is, and what is assumed when nothing tells."""


def release(text: str) -> Release:
    """The release that a tag means: `v13.1.0`, `13.1`, `13` (the last of them), `latest`, `edge`. ConfigError for
    others."""
    word = text.strip().lower()
    if word == "latest":
        return NEWEST
    if word == "edge":
        return RELEASES[-1]
    read = re.fullmatch(r"v?(\d+)(?:\.(\d+))?(?:\.\d+)?", word)
    if read is not None:
        wanted = read[1] if read[2] is None else f"{read[1]}.{read[2]}"
        for each in reversed(RELEASES):
            if wanted in (each.name, each.name.partition(".")[0]):
                return each
    raise ConfigError(f"not a docker-mailserver release that is known (v11 to {NEWEST}, latest, edge)", None, text)


@functools.cache
def image(part: str, release: Release) -> tuple[str, ...]:
    """The lines of one part ("main", "master", "amavis") in the image of that release; `name = value`, or lines of a
    master.cf."""
    text = Path(__file__).with_name(f"image_{part}.txt").read_text(encoding="utf-8")
    return tuple(line[RANGE_WIDTH:] for line in text.splitlines() if _holds(line[:RANGE_WIDTH].strip(), release))


def _holds(span: str, release: Release) -> bool:
    first, dash, last = span.partition("-")
    lowest = ORDER[first] if first else 0
    highest = (ORDER[last] if last else len(RELEASES)) if dash else lowest
    return lowest <= ORDER[release.name] <= highest
