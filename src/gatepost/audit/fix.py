"""Which fixes are made, in which order, and when is it enough?

In rounds: all fixes that do not concern the same settings, then the audit again, until nothing changes. A round after
which the configuration does not read, or has findings worse than those it mends, is taken back and its fixes are tried
one by one; what still does harm is left, and said. What is fixed may be texts of a Postfix directory or the override
files of something else: `write` knows how a change is written there. This file must not know files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from gatepost.audit.change import AddService, Change, SetField
from gatepost.audit.edits import written
from gatepost.audit.finding import Finding
from gatepost.audit.texts import CannotWrite, Texts
from gatepost.span import ConfigError

T = TypeVar("T")

ROUNDS = 50
"""More rounds than any configuration takes: rules that undo each other stop here."""


@dataclass(frozen=True, slots=True)
class Fixed(Generic[T]):
    """What came of it. `made`: findings whose fix is in `after`; `left`: those that could not be mended, and why;
    `findings`: what an audit of `after` finds."""

    before: T
    after: T
    made: tuple[Finding, ...]
    left: tuple[tuple[Finding, str], ...]
    findings: tuple[Finding, ...]


class _Work(Generic[T]):
    """The rounds."""

    def __init__(self, state: T, look: Callable[[T], list[Finding]], write: Callable[[Change, T], T],
                 unsafe: bool) -> None:
        self.state = state
        self.look = look
        self.write = write
        self.unsafe = unsafe
        self.findings = look(state)
        self.made: list[Finding] = []
        self.left: dict[tuple[str, ...], tuple[Finding, str]] = {}

    def run(self) -> None:
        seen = [self.state]
        tried = None
        for _ in range(ROUNDS):
            ready = self._ready()
            if ready and (self._round(ready) or self._one_by_one(ready)):
                if self.state in seen:
                    return
                seen.append(self.state)
            elif self.left and tried != len(seen):  # what could not be made before the others were may be now
                tried = len(seen)
                self.left.clear()
            else:
                return

    def _one_by_one(self, ready: list[Finding]) -> bool:
        """Make those of these fixes that do no harm; False: none."""
        made = False
        for finding in ready:
            now = next((each for each in self._ready() if _key(each) == _key(finding)), None)
            made |= now is not None and self._round([now])
        return made

    def _ready(self) -> list[Finding]:
        return [finding for finding in self.findings
                if finding.fix is not None and finding.fix.changes and (finding.fix.safe or self.unsafe)
                and _key(finding) not in self.left]

    def _round(self, ready: list[Finding]) -> bool:
        """Make these fixes, as far as they do not meet. False: nothing was made, or it was taken back."""
        state, touched, made = self.state, set[tuple[str, str]](), list[Finding]()
        for finding in ready:
            assert finding.fix is not None, "it is ready"
            concerned = {_concern(change) for change in finding.fix.changes}
            if concerned & touched or _key(finding) in self.left:
                continue  # the next round sees whether it is still needed
            try:
                after = self._write_all(finding.fix.changes, state)
            except CannotWrite as cannot:
                self.left[_key(finding)] = finding, str(cannot)
                continue
            if after == state:
                self.left[_key(finding)] = finding, "it is written like that already"
                continue
            state, touched = after, touched | concerned
            made.append(finding)
        return bool(made) and self._accept(state, made)

    def _write_all(self, changes: Iterable[Change], state: T) -> T:
        for change in changes:
            state = self.write(change, state)
        return state

    def _accept(self, state: T, made: list[Finding]) -> bool:
        try:
            findings = self.look(state)
        except ConfigError as error:
            return self._refuse(made, f"the result would not read: {error}")
        known = {_key(finding)[:3] for finding in self.findings}
        worst = max(finding.severity for finding in made)
        for finding in findings:
            if finding.severity > worst and _key(finding)[:3] not in known:
                return self._refuse(made, f"it would lead to {finding.rule}: {finding.message}")
        self.state, self.findings = state, findings
        self.made += made
        return True

    def _refuse(self, made: list[Finding], why: str) -> bool:
        if len(made) == 1:
            self.left[_key(made[0])] = made[0], why
        return False


def _key(finding: Finding) -> tuple[str, ...]:
    """The same finding with the same fix in two audits, wherever its line is by now."""
    return finding.rule, finding.parameter, finding.service, finding.message, repr(finding.fix)


def _concern(change: Change) -> tuple[str, str]:
    """What a change is about: two changes about the same do not go into one round."""
    match change:
        case SetField(service=service, field=name):
            return service, f"({name})"
        case AddService(service=service):
            return service, ""
        case _:
            return change.service, change.name


def fixed(state: T, look: Callable[[T], list[Finding]], write: Callable[[Change, T], T], *,
          unsafe: bool = False) -> Fixed[T]:
    """Fix `state` until the audit (`look`; it may raise ConfigError for what does not read) has no fix left that may
    be made: the safe ones, with `unsafe` the others too. `write` makes one change, or raises CannotWrite."""
    work = _Work(state, look, write, unsafe)
    work.run()
    found = {_key(finding) for finding in work.findings}
    left = tuple(value for key, value in work.left.items() if key in found)
    return Fixed(state, work.state, tuple(work.made), left, tuple(work.findings))


def fixed_texts(texts: Texts, look: Callable[[Texts], list[Finding]], *, unsafe: bool = False) -> Fixed[Texts]:
    """The same for main.cf and master.cf."""
    return fixed(texts, look, written, unsafe=unsafe)
