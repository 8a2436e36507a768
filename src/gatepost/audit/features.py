"""Which parameters and restrictions does which Postfix know? When they came, went, and what they were by default.

Sources: the release notes and HISTORY of Postfix 2.0 to 3.12, DEPRECATION_README. A name that is not listed came before
2.3 or is not Postfix's: nothing is said about it. Patch levels: a feature that maintained branches got later lists one
version for each of them (Version.has).
"""

from __future__ import annotations

from dataclasses import dataclass

from gatepost.audit.version import Version, version


def _came(text: str) -> tuple[Version, ...]:
    return tuple(version(word) for word in text.split())


_PIPELINING = "3.5.20 3.6.10 3.7.6 3.8.1 3.9"
_BARE_NEWLINE = "3.5.23 3.6.13 3.7.9 3.8.4 3.9"
BARE_NEWLINE_WORDS = _came("3.5.24 3.6.14 3.7.10 3.8.5 3.9")
"""From here on smtpd_forbid_bare_newline knows normalize and reject besides yes and no."""

CAME: dict[str, tuple[Version, ...]] = {
    name: _came(when) for when, names in {
        _PIPELINING: "smtpd_forbid_unauth_pipelining",
        _BARE_NEWLINE: "smtpd_forbid_bare_newline smtpd_forbid_bare_newline_exclusions",
        "3.5.24 3.6.14 3.7.10 3.8.5 3.9": "smtpd_forbid_bare_newline_reject_code cleanup_replace_stray_cr_lf",
    }.items() for name in names.split()}
"""Parameter or restriction -> the releases it came with."""


@dataclass(frozen=True, slots=True)
class Gone:
    """A name that is outdated: from `since` on Postfix warns (or it is removed: `removed`); `instead` says what to use.
    """

    since: Version
    instead: str
    removed: Version | None = None


OUTDATED: dict[str, Gone] = {}

DEFAULTS: dict[str, tuple[tuple[Version, str], ...]] = {
    "smtpd_forbid_unauth_pipelining": ((version("3.9"), "no"),),
    "smtpd_forbid_bare_newline": ((version("3.9"), "no"),),
}
"""Parameter -> (before this version, the default was). The first that applies."""


def has(name: str, of: Version) -> bool:
    """Does this version know the name? True when nothing is known about it."""
    came = CAME.get(name)
    return came is None or of.has(*came)


def defaults(of: Version) -> dict[str, str]:
    """The defaults of that version that differ from today's, as main.cf texts."""
    found: dict[str, str] = {}
    for name, changes in DEFAULTS.items():
        for before, text in changes:
            if of < before:
                found[name] = text
                break
    return found
