"""What would clients notice? Two configurations, every behaviour of the dialogues against both: what ends differently.

Listeners are compared by address and port. Strangers show every behaviour; other clients (the host itself, containers,
a user, addresses that one configuration trusts and the other does not) those that say what an operator wants to know.
Differences are grouped by what changes and by what decided it. This file must not know how a comparison is printed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from gatepost.audit import verdict
from gatepost.audit.behaviour import Behaviour, behaviours
from gatepost.audit.guest import GATEWAY, ITSELF, NAMELESS, NEIGHBOUR, NEW, SECURED, STRANGER, USER, Guest
from gatepost.audit.listener import Listener
from gatepost.audit.listening import Stages, inside, networks
from gatepost.audit.rehearse import Played, Rehearsal
from gatepost.audit.subject import Subject
from gatepost.audit.verdict import Reason
from gatepost.config.settings import Settings
from gatepost.span import ConfigError

TELLING = "proofs/"  # the dialogues that every kind of client plays
AT_THE_GATE = (TELLING, "postscreen/pregreet", "postscreen/deep")  # those that screening is about
UNNOTICED = frozenset(("syslog_name", "process_name", "service_name"))
NETWORKS = 4  # addresses that are looked at because only one side trusts them


@dataclass(frozen=True, slots=True)
class Side:
    """What one configuration does: how the behaviour ends, and why."""

    ending: str
    reason: Reason | None


@dataclass(slots=True)
class Group:
    """Behaviours that change in the same way, and by the same lines. `title`: what changes, in words; `opens`: the
    second configuration takes messages that the first does not. Endings are "" where the title tells more."""

    title: str
    before: Side
    after: Side
    opens: bool
    listeners: dict[str, None] = field(default_factory=dict)
    behaviours: dict[str, str] = field(default_factory=dict)  # title -> dialogue
    clients: dict[str, None] = field(default_factory=dict)


@dataclass(slots=True)
class Comparison:
    """All that differs. `only_before`, `only_after`: listeners that the other does not have; `left_out`: those that
    could not be played, and why; `supposed`: what was assumed; `played`: how many conversations were compared."""

    groups: list[Group] = field(default_factory=list)
    only_before: list[str] = field(default_factory=list)
    only_after: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    supposed: tuple[str, ...] = ()
    played: int = 0

    @property
    def same(self) -> bool:
        """Would no client notice anything?"""
        return not (self.groups or self.only_before or self.only_after)


def compare(before: Subject, after: Subject) -> Comparison:
    """Play everything against both."""
    found, left, right = Comparison(), Stages(before), Stages(after)
    found.only_before = [one.name for place, one in left.listeners.items() if place not in right.listeners]
    found.only_after = [one.name for place, one in right.listeners.items() if place not in left.listeners]
    supposed: dict[str, None] = {}
    groups: dict[object, Group] = {}
    for listeners, first, second in _pairs(before, left, after, right):
        _compare(found, groups, listeners, first, second)
        supposed |= dict.fromkeys((*first.supposed, *second.supposed))
    for side, broken in (("before", left.broken), ("after", right.broken)):
        found.left_out += [f"{place} ({side}): {problem}" for place, problem in broken.items()]
    found.supposed = tuple(supposed)
    found.groups = sorted(groups.values(), key=lambda group: (not group.opens, -len(group.behaviours)))
    return found


def _pairs(before: Subject, left: Stages, after: Subject,
           right: Stages) -> Iterator[tuple[list[Listener], Rehearsal, Rehearsal]]:
    """Listeners that both have and that are not the same; those that are the same among themselves together."""
    pairs: dict[object, tuple[list[Listener], Rehearsal, Rehearsal]] = {}
    for place, listener in left.listeners.items():
        first, second = left.rehearsal(place), right.rehearsal(place)
        if first is None or second is None or (_same(before, first.settings, after, second.settings)
                                               and _same_gate(before, first, after, second)):
            continue
        key = listener.is_loopback, *(_said(each) for each in (first, second))
        pairs.setdefault(key, ([], first, second))[0].append(listener)
    yield from pairs.values()


def _said(rehearsal: Rehearsal) -> tuple[object, ...]:
    """What is in force, but for what clients do not notice."""
    every = (rehearsal.settings,) if rehearsal.gate is None else (rehearsal.settings, rehearsal.gate.settings)
    return tuple(frozenset((name, _text(settings, name)) for name in settings.names() if name not in UNNOTICED)
                 for settings in every)


def _text(settings: Settings, name: str) -> str:
    try:
        return settings.text(name) or ""
    except ConfigError as problem:
        return str(problem)


def _compare(found: Comparison, groups: dict[object, Group], listeners: Sequence[Listener], before: Rehearsal,
             after: Rehearsal) -> None:
    for guest, behaviour in _performances(listeners[0], before, after):
        first = before.play(behaviour.addressed(before.host), guest)
        second = after.play(behaviour.addressed(after.host), guest)
        found.played += 1
        change = _differ(behaviour, before, first, after, second)
        if change is None:
            continue
        group = groups.setdefault((change.title, change.before, change.after, change.opens), change)
        group.behaviours.setdefault(behaviour.titled(after.host), behaviour.names[0])
        group.listeners |= dict.fromkeys(listener.name for listener in listeners)
        group.clients[guest.label] = None


def _differ(behaviour: Behaviour, before: Rehearsal, first: Played, after: Rehearsal, second: Played) -> Group | None:
    """What changes for one behaviour of one client; None when nothing does."""
    found = verdict.difference(first, before.settings, second, after.settings, strays=behaviour.strays)
    if found is None:
        return None
    endings = found.endings or ("", "")
    sides = Side(endings[0], found.reasons[0]), Side(endings[1], found.reasons[1])
    return Group(found.change, *sides, len(second.accepted) > len(first.accepted))


def _performances(listener: Listener, before: Rehearsal, after: Rehearsal) -> Iterator[tuple[Guest, Behaviour]]:
    """Who does what."""
    every = behaviours()
    telling = [one for one in every if any(name.startswith(TELLING) for name in one.names)]
    logs_in = before.offers_login or after.offers_login
    guests: list[tuple[Guest, Sequence[Behaviour]]] = []
    if listener.is_loopback:
        guests = [(ITSELF, every)]
    else:
        guests = [(STRANGER, every), (USER, every if logs_in else ()), (NAMELESS, telling), (ITSELF, telling),
                  (GATEWAY, telling), (NEIGHBOUR, telling)]
        guests += [(guest, telling) for guest in _trusted_by_one(before.settings, after.settings)]
        if before.offers_tls or after.offers_tls:
            guests.append((SECURED, telling))
        if before.screens or after.screens:
            guests.append((NEW, [one for one in every if any(name.startswith(AT_THE_GATE) for name in one.names)]))
    for guest, some in guests:
        for one in some:
            yield guest, one


def _trusted_by_one(before: Settings, after: Settings) -> Iterator[Guest]:
    """Clients in networks that only one side trusts."""
    left, right = networks(before), networks(after)
    only = [each for each in (*left, *right) if (each in left) != (each in right)]
    for network in only[:NETWORKS]:
        yield from inside(network, "only one side's mynetworks has it")


def _same_gate(before: Subject, left: Rehearsal, after: Subject, right: Rehearsal) -> bool:
    """Is the screening in front the same?"""
    if left.gate is None or right.gate is None:
        return left.gate is right.gate
    return _same(before, left.gate.settings, after, right.gate.settings)


def _same(before: Subject, left: Settings, after: Subject, right: Settings) -> bool:
    """Are these the same settings over the same tables?"""
    names = dict.fromkeys((*left.names(), *right.names()))
    for name in names:
        try:
            texts = left.text(name), right.text(name)
        except ConfigError:
            return False
        if texts[0] != texts[1]:
            return False
        for word in left.words(name):
            path = word.text.rpartition(":")[2]
            if path.startswith("/") and _texts(before, path) != _texts(after, path):
                return False
    return True


def _texts(subject: Subject, path: str) -> str:
    found = subject.read(path)
    return found[1] if found is not None else ""
