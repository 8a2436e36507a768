"""What is a client tried for, and what is remembered of it? The five trials, declared once, and the record of their
passes.

A set of trials is an int, one bit a trial (`Trial.bit`). The record is Postfix's, to the character: five Unix times,
`;` between them, in the order of TRIALS (POSTSCREEN_README). This file must not know how a trial is made.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

NEVER = 0  # a stamp: the trial was on and never passed
OFF = 1  # a stamp: the trial was off when the record was written


class Penalty(enum.StrEnum):
    """What a failed trial costs (postscreen_greet_action and its kin). `continue` is an older word for `ignore`."""

    IGNORE = "ignore"
    ENFORCE = "enforce"
    DROP = "drop"

    @classmethod
    def read(cls, word: str) -> Penalty:
        """The word of a parameter, lower case. ValueError for another."""
        return cls.IGNORE if word == "continue" else cls(word)


@dataclass(frozen=True, slots=True)
class Trial:
    """One trial. `index`: its place in records; `short`: how lists show it; `name`: in Postfix's words; `deep`: made
    after the greeting; `parameters`: the stem of its parameters' names."""

    index: int
    short: str
    name: str
    deep: bool
    parameters: str

    @property
    def bit(self) -> int:
        """The set of this trial alone."""
        return 1 << self.index


PREGREET = Trial(0, "PREGR", "pregreet", False, "postscreen_greet")
DNSBL = Trial(1, "DNSBL", "dnsbl", False, "postscreen_dnsbl")
PIPELINING = Trial(2, "PIPEL", "pipelining", True, "postscreen_pipelining")
NON_SMTP = Trial(3, "NSMTP", "non-smtp command", True, "postscreen_non_smtp_command")
BARE_NEWLINE = Trial(4, "BARLF", "bare newline", True, "postscreen_bare_newline")
TRIALS = (PREGREET, DNSBL, PIPELINING, NON_SMTP, BARE_NEWLINE)

EARLY = PREGREET.bit | DNSBL.bit
DEEP = PIPELINING.bit | NON_SMTP.bit | BARE_NEWLINE.bit
ALL = EARLY | DEEP


class Stamps:
    """Until when each trial's pass is good: five Unix times in whole seconds, in the order of TRIALS; NEVER and OFF are
    not times. Shared by the sessions of one client, which change `times` in place."""

    __slots__ = ("times",)

    def __init__(self, times: list[int] | None = None) -> None:
        """Without times: a client that nothing is known of."""
        self.times = [NEVER] * len(TRIALS) if times is None else times

    @classmethod
    def parse(cls, text: str) -> Stamps:
        """A record. What is missing, and everything from a field that does not read, is OFF; an empty field is NEVER;
        what follows the fifth field is ignored."""
        times = [OFF] * len(TRIALS)
        fields = text.split(";")
        if fields[-1] == "":
            fields.pop()  # nothing behind the last separator: missing, not empty
        for trial, field in zip(TRIALS, fields, strict=False):
            if field and not (field.isascii() and field.isdigit()):
                break
            times[trial.index] = int(field or "0")
        return cls(times)

    def render(self, enabled: int) -> str:
        """The record as it is written. A trial that never was passed and is off now is marked OFF."""
        return ";".join(
            str(OFF if time == NEVER and not enabled & 1 << index else time) for index, time in enumerate(self.times)
        )

    def due(self, now: int, enabled: int) -> int:
        """The trials that have to be made: those that are on and whose pass is over. It is good up to its last second.
        """
        due = 0
        for index, time in enumerate(self.times):
            if now > time:
                due |= 1 << index
        return due & enabled

    @property
    def new(self) -> bool:
        """Is there a trial that never was passed? (PASS NEW, not PASS OLD.)"""
        return NEVER in self.times

    def grant(self, trial: Trial, until: int) -> None:
        """It passed; the pass is good until then."""
        self.times[trial.index] = until

    def revoke(self, trial: Trial) -> None:
        """It failed."""
        self.times[trial.index] = OFF

    def raise_to(self, trial: Trial, until: int) -> None:
        """The pass is good at least until then."""
        self.times[trial.index] = max(self.times[trial.index], until)

    def copy(self) -> Stamps:
        """The same times, on their own."""
        return Stamps(list(self.times))

    def become(self, other: Stamps) -> None:
        """Take over the other's times, in place."""
        self.times[:] = other.times
