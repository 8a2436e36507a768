"""What do the rules about pipelining have in common? Where the check stands, and what is in force besides.

No rule is declared here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import gatepost.config.parameters as p
from gatepost.audit.finding import Note, Severity
from gatepost.audit.flow import LISTS, Item, RestrictionList
from gatepost.audit.listener import Listener
from gatepost.audit.subject import Subject
from gatepost.span import Span

CHECK = "reject_unauth_pipelining"
PARAMETER = "smtpd_forbid_unauth_pipelining"
DATA = "smtpd_data_restrictions"
EARLY = LISTS[:5]
LISTED = f"permit_mynetworks, permit_sasl_authenticated, {CHECK}"
COMMENT = """\
Reject clients that talk out of turn. The check stands at DATA because only there everything that was said before the
message is known, a body sent before the 354 included."""


@dataclass(frozen=True, slots=True, eq=False)
class Spot:
    """The check as it stands in one list of one listener."""

    listener: Listener
    list: RestrictionList
    item: Item

    @property
    def setting(self) -> str:
        """The parameter or class whose value it is an item of."""
        return self.item.path[-1] if self.item.path else self.list.name

    @property
    def holder(self) -> str:
        """The entry of master.cf that sets its list; "" for main.cf."""
        return self.listener.holder(self.list.name)


@lru_cache(maxsize=1)
def spots(subject: Subject) -> tuple[Spot, ...]:
    """Every place of the check, in every list of every listener."""
    return tuple(Spot(listener, listed, item) for listener in subject.listeners for listed in listener.lists
                 for item in listed.find(CHECK))


def by_place(spots: Iterable[Spot]) -> dict[Span | None, list[Spot]]:
    """The same by where it was written: one line of main.cf concerns many services."""
    found: dict[Span | None, list[Spot]] = {}
    for spot in spots:
        found.setdefault(spot.item.span, []).append(spot)
    return found


def is_in_force(listener: Listener, subject: Subject) -> bool:
    """Does smtpd itself hang up on clients that talk out of turn, before any list?"""
    return subject.has(PARAMETER) and listener.value(p.SMTPD_FORBID_UNAUTH_PIPELINING, False)


def at_data(listener: Listener) -> bool:
    """Does the check stand in the data list, whatever becomes of it there?"""
    return bool(listener.list(DATA).find(CHECK))


def weaker(severity: Severity, listener: Listener, subject: Subject) -> Severity:
    """LOW where smtpd itself refuses such clients anyway."""
    return Severity.LOW if is_in_force(listener, subject) else severity


def besides(listener: Listener, subject: Subject) -> tuple[Note, ...]:
    """What is in force besides, for a finding that is therefore less severe."""
    if not is_in_force(listener, subject):
        return ()
    return (Note(f"{PARAMETER} is in force: smtpd hangs up on them before any list", listener.place(PARAMETER)),)


def is_variable(listener: Listener) -> bool:
    """Is the data list written with a $variable?"""
    written = listener.settings.written(DATA)
    return written is not None and "$" in written.text
