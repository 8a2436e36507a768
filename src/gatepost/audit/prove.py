"""Can it be shown? The dialogue that tells what a finding means, before and after its fix, side by side.

For findings about turns, smuggling, relaying, trust and screening. What is shown is found by trying: of the dialogues
that belong to the rule, by the clients that may meet it, the first that ends differently once the fix is written;
without a fix, the first that ends as it should not. Nothing is told that no rehearsal shows. This file must not know
how findings are printed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce

from gatepost.audit import verdict
from gatepost.audit.behaviour import Behaviour, named, swapped
from gatepost.audit.edits import written
from gatepost.audit.favour import Favour, favour
from gatepost.audit.finding import Finding
from gatepost.audit.guest import GATEWAY, ITSELF, NAMELESS, NEIGHBOUR, NEW, STRANGER, USER, Guest
from gatepost.audit.listener import Listener
from gatepost.audit.listening import Stages, inside, networks
from gatepost.audit.mend import overridden, subject_of, texts_of
from gatepost.audit.rehearse import Played, Rehearsal
from gatepost.audit.subject import Subject
from gatepost.audit.texts import CannotWrite
from gatepost.audit.verdict import Reason
from gatepost.dialogue.format import Send, Step
from gatepost.span import ConfigError

TURNS = ("proofs/body-before-354", "proofs/whole-session-at-once", "proofs/commands-behind-ehlo",
         "proofs/chunk-behind-helo", "proofs/quit-behind-ehlo")
SMUGGLING = ("proofs/smuggled-lf-dot-lf", "proofs/smuggled-lf-dot-crlf", "proofs/smuggled-crlf-dot-lf",
             "proofs/smuggled-chunk")
RELAYING = ("proofs/relay", "proofs/relay-as-ours", "proofs/relay-helo-ours", "proofs/relay-helo-localhost",
            "proofs/relay-percent")
SCREENING = ("proofs/whole-session-at-once", "proofs/polite", "proofs/commands-behind-ehlo")
DIALOGUES = {"PIPE": TURNS, "SMUG": SMUGGLING, "RLY": RELAYING, "TRU": (*RELAYING, *SMUGGLING), "PSC": SCREENING}
"""The beginning of a rule's id -> what may show it, the most telling first."""
OWN: dict[str, tuple[str, ...]] = {
    "PIPE-12": ("proofs/quit-behind-ehlo", *TURNS), "TRU-02": (), "TRU-03": ("proofs/xclient",),
    "PSC-03": ("proofs/polite",)}
"""Rules that something else shows, or nothing: what a PROXY header says comes before SMTP."""
Act = tuple[Behaviour, Favour | None]
PUBLIC = (STRANGER, NAMELESS, GATEWAY)
"""Whose mail nobody has a reason to trust."""
STRANGERS = (STRANGER, NAMELESS, GATEWAY, NEIGHBOUR, ITSELF, USER)
NEAREST = 4  # listeners that are tried
WIDTH = 46  # columns of what the client says
COLUMN = 26  # columns of what it hears


@dataclass(frozen=True, slots=True)
class Row:
    """What the client says, and what it hears before and after ("" when it has left; None: there is no after)."""

    says: str
    before: str
    after: str | None


@dataclass(frozen=True, slots=True)
class Proof:
    """A behaviour played. `verdicts` are how it ends, `reasons` the lines that decide; of two when there is a fix."""

    title: str
    dialogue: str
    client: str
    listener: str
    rows: tuple[Row, ...]
    verdicts: tuple[str, ...]
    reasons: tuple[Reason | None, ...]
    supposed: tuple[str, ...]

    def lines(self) -> Iterator[str]:
        """As text: a table of the conversation, then the verdicts."""
        yield f"proof: {self.title} [{self.dialogue}]"
        yield f"by {self.client}, to {self.listener}"
        if len(self.verdicts) == 2:
            yield _line("", "before", "after the fix")
        for row in self.rows:
            yield _line(row.says, row.before, row.after)
        yield _line("verdict", self.verdicts[0], self.verdicts[1] if len(self.verdicts) == 2 else None)
        for name, reason in zip(("before", "after"), self.reasons, strict=False):
            if reason is not None:
                yield f"{name}: {reason}"
        yield from (f"supposed: {each}" for each in self.supposed)


def _line(says: str, before: str, after: str | None) -> str:
    line = f"  {says:{WIDTH}}  {before}"
    return line.rstrip() if after is None else f"  {says:{WIDTH}}  {before:{COLUMN}}  {after}".rstrip()


class Prover:
    """Proves findings of one subject; its listeners are made ready once."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._stages: Stages | None = None

    def lines(self, finding: Finding) -> Sequence[str]:
        """The proof as text; none where there is none."""
        proof = self.prove(finding)
        return tuple(proof.lines()) if proof is not None else ()

    def prove(self, finding: Finding) -> Proof | None:
        """The conversation that shows the finding; None when no dialogue does."""
        dialogues = _dialogues(finding.rule)
        if not dialogues:
            return None
        after = self._mended(finding)
        favoured = self._favoured(finding)
        if favoured is not None:
            acts = [(named(name), favoured) for name in dialogues]
            found = _shown(finding, acts, Stages(self._subject, favoured),
                           Stages(after, favoured) if after is not None else None)
            if found is not None:
                return found
        if self._stages is None:
            self._stages = Stages(self._subject)
        return _shown(finding, [(named(name), None) for name in dialogues], self._stages,
                      Stages(after) if after is not None else None)

    def _favoured(self, finding: Finding) -> Favour | None:
        """Whom the item that is found permits."""
        for listener in self._subject.listeners:
            for listed in listener.lists:
                for item in listed.every:
                    if item.span is not None and item.span == finding.span:
                        return favour(item)
        return None

    def _mended(self, finding: Finding) -> Subject | None:
        """The subject with the finding's fix written."""
        subject = self._subject
        if finding.fix is None or not finding.fix.changes:
            return None
        changes = finding.fix.changes
        try:
            if subject.docker is not None:
                return subject_of(overridden(subject.docker, changes), subject)
            texts = texts_of(subject)
            return subject_of(reduce(lambda state, change: written(change, state), changes, texts), subject)
        except (CannotWrite, ConfigError):
            return None


def _dialogues(rule: str) -> tuple[str, ...]:
    """What may show a rule, each once."""
    return tuple(dict.fromkeys(OWN.get(rule, DIALOGUES.get(rule.partition("-")[0], ()))))


def _candidates(finding: Finding, ready: Stages, favoured: Favour | None) -> Iterator[tuple[str, Listener, Guest]]:
    """(place, listener, client), the most telling first: the service that is meant, then those that strangers reach."""
    listeners = sorted(ready.listeners.items(), key=lambda pair: (
        pair[1].name != finding.service, not pair[1].public, pair[1].is_loopback))
    for place, listener in listeners[:NEAREST]:
        rehearsal = ready.rehearsal(place)
        if rehearsal is None:
            continue
        guests = [ITSELF] if listener.is_loopback else [*STRANGERS]
        for network in networks(rehearsal.settings):
            guests += inside(network, "in mynetworks")
        if favoured is not None:
            guests = [favoured.guest]
        elif finding.rule.startswith("PSC"):
            guests = [NEW] if rehearsal.screens else []
        for guest in guests:
            yield place, listener, guest


def _shown(finding: Finding, acts: Sequence[Act], before: Stages, after: Stages | None) -> Proof | None:
    """The first act that shows it."""
    for behaviour, favoured in acts:
        for place, listener, guest in _candidates(finding, before, favoured):
            sides = (before.rehearsal(place), *((after.rehearsal(place),) if after is not None else ()))
            rehearsals = [each for each in sides if each is not None]
            if len(rehearsals) < len(sides):
                continue
            if after is None and favoured is None and _may(behaviour, listener, guest):
                continue
            played = [_play(each, behaviour, guest, favoured) for each in rehearsals]
            reasons = _reasons(finding, behaviour, rehearsals, played)
            if reasons is not None:
                return _proof(behaviour, listener, guest, favoured, rehearsals, played, reasons)
    return None


def _may(behaviour: Behaviour, listener: Listener, guest: Guest) -> bool:
    """Is there nothing wrong with it when this client does that?"""
    return behaviour.names[0] in RELAYING if listener.is_loopback else guest not in PUBLIC


def _play(rehearsal: Rehearsal, behaviour: Behaviour, guest: Guest, favoured: Favour | None) -> Played:
    return rehearsal.play(_steps(rehearsal, behaviour, favoured), guest)


def _steps(rehearsal: Rehearsal, behaviour: Behaviour, favoured: Favour | None) -> Sequence[Step]:
    steps = behaviour.addressed(rehearsal.host)
    return steps if favoured is None else swapped(steps, favoured.swaps)


def _reasons(finding: Finding, behaviour: Behaviour, rehearsals: Sequence[Rehearsal],
             played: Sequence[Played]) -> tuple[Reason | None, ...] | None:
    """What decided, when this shows the finding; None when it does not."""
    name, first = behaviour.names[0], played[0]
    if len(played) == 1:
        allowed = 1 if name in SMUGGLING else 0
        if len(first.accepted) > allowed and (allowed or verdict.refusal_of(first) is None):
            return (_permit(name, first, rehearsals[0]),)
        return None
    second = played[1]
    if name in RELAYING and len(first.accepted) <= len(second.accepted):
        return None  # another refusal is no remedy
    if verdict.ending(first) == verdict.ending(second):
        return None
    found = verdict.difference(first, rehearsals[0].settings, second, rehearsals[1].settings, strays=behaviour.strays)
    return found.reasons if found is not None else None


def _proof(behaviour: Behaviour, listener: Listener, guest: Guest, favoured: Favour | None,
           rehearsals: Sequence[Rehearsal], played: Sequence[Played], reasons: tuple[Reason | None, ...]) -> Proof:
    steps = _steps(rehearsals[0], behaviour, favoured)
    heard = [tuple(_heard(steps, each)) for each in played]
    rows = tuple(Row(says, heard[0][at], heard[1][at] if len(heard) > 1 else None)
                 for at, says in enumerate(_says(steps)))
    supposed = dict.fromkeys(each for rehearsal in rehearsals for each in rehearsal.supposed)
    return Proof(behaviour.titled(rehearsals[0].host), behaviour.names[0], guest.label, listener.name, rows,
                 tuple(verdict.ending(each) for each in played), reasons, tuple(supposed))


def _permit(dialogue: str, played: Played, rehearsal: Rehearsal) -> Reason | None:
    """What let through that should not be."""
    if dialogue in SMUGGLING:
        return verdict.of_parameter("smtpd_forbid_bare_newline", rehearsal.settings)
    return verdict.permit(played, "data" if dialogue in TURNS else "rcpt", rehearsal.settings)


def _says(steps: Sequence[Step]) -> Iterator[str]:
    """Each segment in a few words."""
    for step in steps:
        if isinstance(step, Send):
            first, more = step.parts[0][0], len(step.parts) - 1
            behind = f" (+{more} {'line' if more == 1 else 'lines'})" if more else ""
            room = WIDTH - len(behind)
            yield (first if len(first) <= room else first[: room - 3] + "...") + behind


def _heard(steps: Sequence[Step], played: Played) -> Iterator[str]:
    """What was heard to each segment: codes and status codes."""
    sends = [at for at, step in enumerate(steps) if isinstance(step, Send)]
    for number, at in enumerate(sends):
        until = sends[number + 1] if number + 1 < len(sends) else len(steps)
        first = -1 if number == 0 and at == 0 else at
        replies = [said.reply for said in played.said if first <= said.step < until]
        yield ", ".join(f"{reply.code} {reply.status}".rstrip() for reply in replies)
