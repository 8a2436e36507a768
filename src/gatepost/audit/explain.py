"""Why did it go like that? A conversation, decision by decision, each with the file and line that made it.

The same rehearsal that proves and compares, told in full: what the client said, which lists were run for it, what every
check came to and what it asked, and the reply. This file must not know how that is printed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gatepost.audit import verdict
from gatepost.audit.guest import Guest
from gatepost.audit.listener import Listener
from gatepost.audit.listening import Stages
from gatepost.audit.rehearse import MESSAGE, Played, Rehearsal, Said
from gatepost.audit.subject import Subject
from gatepost.audit.verdict import Reason
from gatepost.config.settings import Settings
from gatepost.dialogue.format import Act, Send, Step, step_lines
from gatepost.policy import verdict as policy
from gatepost.smtp.reply import Reply
from gatepost.span import ConfigError


@dataclass(frozen=True, slots=True)
class Check:
    """One check that was run. `came_to`: OK, REJECT, DUNNO, DEFER_IF_PERMIT or DEFER_IF_REJECT; `asked`: what it looked
    up, as (table or question, key, answer)."""

    list: str
    token: str
    came_to: str
    place: str
    asked: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class Answered:
    """A reply. `command`: what it answers; `checks` led to it, in order; `reason`: what decided, when it refuses."""

    command: str
    checks: tuple[Check, ...]
    reply: Reply
    reason: Reason | None


@dataclass(frozen=True, slots=True)
class Moment:
    """What the client did, as the lines of a dialogue (none: it had only connected), and what it heard."""

    says: tuple[str, ...]
    answers: tuple[Answered, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """A conversation explained. `early`: how the client talked out of turn, "" when it did not."""

    listener: str
    client: str
    moments: tuple[Moment, ...]
    early: str
    ending: str
    supposed: tuple[str, ...]


def chosen(subject: Subject, service: str = "") -> tuple[Listener, Rehearsal]:
    """The listener of that name (`smtp`, `smtp/inet` or a port), or the first that strangers reach. ConfigError when
    there is none, or when its settings do not read."""
    ready = Stages(subject)
    wanted = [place for place, listener in ready.listeners.items() if (
        service in (listener.name, listener.service.name, place) if service else listener.public)]
    for place in wanted or ([] if service else ready.listeners):
        rehearsal = ready.rehearsal(place)
        if rehearsal is None:
            raise ready.broken[place]
        return ready.listeners[place], rehearsal
    raise ConfigError("no such service takes SMTP here", None, service or subject.master_cf.file)


def explain(listener: Listener, rehearsal: Rehearsal, steps: Sequence[Step], guest: Guest) -> Explanation:
    """The conversation that comes of these steps."""
    played = rehearsal.play(steps, guest)
    early = played.early
    told = "" if early is None else f"behind {early.after} ({early.evidence}): {early.text.decode('latin-1')!r}"
    client = guest.client()
    moments = tuple(_moments(played, steps, rehearsal))
    return Explanation(listener.name, f"{guest.label}, {client.namaddr}", moments, told, verdict.ending(played),
                       rehearsal.supposed)


def _moments(played: Played, steps: Sequence[Step], rehearsal: Rehearsal) -> Iterator[Moment]:
    settings = rehearsal.settings
    first = tuple(said for said in played.said if said.step < 0)
    opening = [at for at, step in enumerate(steps) if isinstance(step, Send)][:1]
    if opening != [0]:
        yield Moment((), tuple(_answered(said, settings) for said in first))
        first = ()
    for at, step in enumerate(steps):
        heard = (*first, *(said for said in played.said if said.step == at))
        if isinstance(step, Send | Act):
            yield Moment(tuple(step_lines(step)), tuple(_answered(said, settings) for said in heard))
            first = ()
        elif heard:  # it did what the dialogue does not have
            yield Moment(("C: QUIT",) if played.gave_up else tuple(step_lines(MESSAGE)),
                         tuple(_answered(said, settings) for said in heard))
            if played.gave_up:
                return


def _answered(said: Said, settings: Settings) -> Answered:
    checks = tuple(_check(step) for judged in said.judged for step in judged.decision.trace)
    return Answered(said.where, checks, said.reply,
                    None if said.reply.positive else verdict.reason(said, settings))


def _check(step: policy.Step) -> Check:
    place = str(step.span) if step.span else ""
    return Check(step.list_name, step.token, step.outcome.value, place, tuple(step.lookups))
