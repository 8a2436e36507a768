"""Which Postfix is it? A release number that compares, and what one word of a version string means.

Maintained branches get features at different patch levels (`smtpd_forbid_bare_newline` came with 3.5.23, 3.6.13, 3.7.9
and 3.8.4), so that "has it" is a question about branches, not one comparison. This file must not know any parameter.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gatepost.span import ConfigError


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """A release: 3.7.11. Snapshots (3.12-20260821) count as the release they lead to, patch level 0."""

    major: int
    minor: int
    patch: int = 0

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}" + (f".{self.patch}" if self.patch else "")

    @property
    def branch(self) -> tuple[int, int]:
        """The maintained branch: (3, 7)."""
        return self.major, self.minor

    def has(self, *introduced: Version) -> bool:
        """Is a feature in this release that was `introduced` at these patch levels of their branches, and is in every
        branch after the newest of them?"""
        newest = max(introduced)
        if self.branch > newest.branch:
            return True
        return any(self.branch == each.branch and self >= each for each in introduced)


def version(text: str) -> Version:
    """Read `3.7.11`, `3.7`, `3.12-20260821`. ConfigError when it is no version."""
    read = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?(?:-[0-9A-Za-z.-]+)?$", text.strip())
    if read is None:
        raise ConfigError("not a Postfix version", None, text)
    return Version(int(read[1]), int(read[2]), int(read[3] or 0))


NEWEST = Version(3, 11, 0)
"""What is assumed when nothing tells: the newest stable release."""
