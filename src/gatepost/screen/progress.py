"""How far has this session come? Which trials are due, passed, failed, forgiven; what was learned at the end.

Sets of trials are ints, one bit a trial. The stamps are the client's: parallel sessions share them, so that a pass in
one is a pass in all. This file must not know bytes, commands nor waits.
"""

from __future__ import annotations

from typing import Protocol

from gatepost.screen import facts
from gatepost.screen.rules import Rules
from gatepost.screen.trials import ALL, DEEP, DNSBL, OFF, TRIALS, Penalty, Stamps, Trial
from gatepost.smtp.reply import Reply

PUT_OFF = Reply(450, "4.3.2", "Service currently unavailable")
PROTOCOL_ERROR = Reply(550, "5.5.1", "Protocol error")


class Shared(Protocol):
    """What the sessions of one client share, as far as screening itself needs it."""

    pass_new_count: int


class Progress:
    """One session's standing in its trials. `held`: it must not go on to the real session; `refusal`: the answer to its
    recipients; `denied`, `vetoed`: failures that are no trials."""

    __slots__ = ("before", "client", "denied", "done", "failed", "forgiven", "held", "new", "passed", "refusal",
                 "rules", "skipped", "stamps", "todo", "vetoed")

    def __init__(self, rules: Rules, client: Shared, stamps: Stamps, todo: int, new: bool) -> None:
        self.rules = rules
        self.client = client
        self.stamps = stamps
        self.before = tuple(stamps.times)  # as it was when this session began
        self.todo = todo
        self.new = new
        self.passed = 0
        self.failed = 0
        self.forgiven = 0  # failed, and the action is ignore
        self.done = 0  # early trials whose result is final
        self.skipped = 0  # deep trials that are not looked at any more
        self.held = False
        self.denied = False
        self.vetoed = False
        self.refusal = PUT_OFF

    @property
    def bad(self) -> bool:
        """Has it failed anything that was not forgiven?"""
        return bool(self.failed or self.denied or self.vetoed)

    @property
    def deep_due(self) -> int:
        """Deep trials that have still to be made."""
        return self.todo & DEEP & ~self.passed

    @property
    def worthy(self) -> bool:
        """Did it pass all that was due, but for what is forgiven?"""
        return not (self.bad or self.held or self.todo & ~(self.passed | self.forgiven))

    def grant(self, trial: Trial, until: int) -> None:
        """It passed this one."""
        self.passed |= trial.bit
        self.stamps.grant(trial, until)

    def fail(self, trial: Trial) -> Penalty:
        """It failed this one -> what that costs; of a deep trial the pass is taken back."""
        penalty = self.rules.penalty(trial)
        self.passed &= ~trial.bit
        if trial.deep:
            self.skipped |= trial.bit
            self.stamps.revoke(trial)
        if penalty is Penalty.IGNORE:
            self.forgiven |= trial.bit
        else:
            self.failed |= trial.bit
        return penalty

    def hold(self, refusal: Reply | None) -> None:
        """It is not served in this session; None leaves the answer to recipients as it is."""
        self.held = True
        if refusal is not None:
            self.refusal = refusal

    def grant_deep(self, now: int) -> None:
        """The deep trials that are due and were not failed are passed."""
        for trial in TRIALS:
            if trial.bit & self.todo & DEEP & ~(self.passed | self.failed | self.forgiven):
                self.grant(trial, now + self.rules.ttls[trial.index])

    def forgive_deep(self, trial: Trial, now: int) -> None:
        """A deep trial was failed and ignored: it is not made again for a little while."""
        self.grant(trial, now + self.rules.ignored_ttl)

    def shorten(self, trial: Trial, now: int) -> None:
        """A trial that was passed is failed and ignored: what a first failure would have left remains of the pass."""
        if trial.deep:
            self.forgive_deep(trial, now)
        else:
            self.stamps.revoke(trial)

    def exempt(self, until: int) -> None:
        """A DNS list vouches for it: whatever else is due is passed, and no other pass ends before this one."""
        for trial in TRIALS:
            if trial is DNSBL:
                continue
            if trial.bit & self.todo & ~self.passed:
                self.passed |= trial.bit
                self.done |= trial.bit
            self.stamps.raise_to(trial, until)

    def conclude(self) -> tuple[object | None, str | None]:
        """The end of the trials -> (PassNew, PassOld or None; the record to write or None). Nothing is learned of a
        session that failed."""
        if self.bad:
            self.passed = 0
        verdict: object | None = None
        if self.passed and self.passed == self.todo:
            first = self.new and self.client.pass_new_count == 0
            self.client.pass_new_count += self.new
            verdict = facts.PassNew() if first else facts.PassOld()
        return verdict, self.stamps.render(self.rules.enabled) if self.passed else None

    def take_back(self) -> str | None:
        """What this session learned is unlearned -> the record as it was, less what was failed since; None when no pass
        is left."""
        self.stamps.times[:] = self.before
        self.passed = 0
        for trial in TRIALS:
            if trial.bit & self.failed:
                self.stamps.revoke(trial)
        known = any(time > OFF for time in self.stamps.times)
        return self.stamps.render(self.rules.enabled) if known else None

    def armed(self) -> int:
        """The deep trials that are looked for: what is due; all of them once something was failed, for what they tell
        of a client that is refused anyway."""
        return DEEP & ALL if self.bad else self.todo & DEEP
