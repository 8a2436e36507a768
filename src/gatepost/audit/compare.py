"""What would clients notice? Two configurations, every behaviour of the dialogues against both: what ends differently.

Listeners are compared by address and port. Strangers show every behaviour; other clients (the host itself, containers,
a user, addresses that one configuration trusts and the other does not) those that say what an operator wants to know.
Differences are grouped by what changes and by what decided it. This file must not know how a comparison is printed.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import gatepost.config.parameters as p
from gatepost.audit import verdict
from gatepost.audit.behaviour import Behaviour, behaviours
from gatepost.audit.guest import GATEWAY, ITSELF, NAMELESS, NEIGHBOUR, SECURED, STRANGER, USER, Guest, at
from gatepost.audit.listener import Listener
from gatepost.audit.listening import stages
from gatepost.audit.rehearse import Played, Rehearsal
from gatepost.audit.subject import Subject
from gatepost.audit.verdict import Reason
from gatepost.config.settings import Settings
from gatepost.span import ConfigError

TELLING = "proofs/"  # the dialogues that every kind of client plays
NETWORKS = 4  # addresses that are looked at because only one side trusts them


@dataclass(frozen=True, slots=True)
class Side:
    """What one configuration does: how the behaviour ends, and why."""

    ending: str
    reason: Reason | None


@dataclass(slots=True)
class Group:
    """Behaviours that change in the same way, and by the same lines. `parting`: the first reply that differs, where
    that says more than how the conversations end; "" otherwise."""

    before: Side
    after: Side
    parting: str = ""
    opens: bool = False  # the second configuration takes messages that the first does not
    listeners: dict[str, None] = field(default_factory=dict)
    behaviours: dict[str, str] = field(default_factory=dict)  # title -> dialogue
    clients: dict[str, None] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """What changes, in words."""
        return self.parting or f"{self.before.ending} -> {self.after.ending}"


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
    found, left, right = Comparison(), stages(before), stages(after)
    for side, broken in (("before", left.broken), ("after", right.broken)):
        found.left_out += [f"{place} ({side}): {problem}" for place, problem in broken.items()]
    known = left.ready.keys() | left.broken.keys(), right.ready.keys() | right.broken.keys()
    found.only_before = [listener.name for place, (listener, _) in left.ready.items() if place not in known[1]]
    found.only_after = [listener.name for place, (listener, _) in right.ready.items() if place not in known[0]]
    supposed: dict[str, None] = {}
    groups: dict[object, Group] = {}
    for place, (listener, rehearsal) in left.ready.items():
        if place not in right.ready:
            continue
        other = right.ready[place][1]
        if not _same(before, rehearsal.settings, after, other.settings):
            _compare(found, groups, listener, rehearsal, other)
        supposed |= dict.fromkeys((*rehearsal.supposed, *other.supposed))
    found.supposed = tuple(supposed)
    found.groups = sorted(groups.values(), key=lambda group: (not group.opens, -len(group.behaviours)))
    return found


def _compare(found: Comparison, groups: dict[object, Group], listener: Listener, before: Rehearsal,
             after: Rehearsal) -> None:
    for guest, behaviour in _performances(listener, before, after):
        first = before.play(behaviour.addressed(before.host), guest)
        second = after.play(behaviour.addressed(after.host), guest)
        found.played += 1
        change = _differ(behaviour, before, first, after, second)
        if change is None:
            continue
        group = groups.setdefault((change.title, change.before, change.after, change.opens), change)
        group.behaviours.setdefault(behaviour.titled(after.host), behaviour.names[0])
        group.listeners[listener.name] = None
        group.clients[guest.label] = None


def _differ(behaviour: Behaviour, before: Rehearsal, first: Played, after: Rehearsal, second: Played) -> Group | None:
    """What changes for one behaviour of one client; None when nothing does."""
    parted = verdict.parting(first, second)
    if parted is None:
        return None
    left, right = parted
    tells = verdict.tells(first, left, second, right)
    if tells:  # a check that only moved refuses later
        left, right = verdict.refusal_of(first) or left, verdict.refusal_of(second) or right
    reasons = (verdict.reason(left, before.settings, right), verdict.reason(right, after.settings, left))
    if not any(reason is not None and reason.token for reason in reasons):
        reasons = _of_session(behaviour, before.settings, after.settings) or reasons
    opens = len(second.accepted) > len(first.accepted)
    if tells:
        return Group(Side(verdict.ending(first), reasons[0]), Side(verdict.ending(second), reasons[1]), "", opens)
    words = verdict.turning(left, right)
    return Group(Side("", reasons[0]), Side("", reasons[1]), words, opens)


def _of_session(behaviour: Behaviour, before: Settings, after: Settings) -> tuple[Reason, Reason] | None:
    """No list decided: then a parameter of the session that is not the same."""
    names = list(verdict.differing(before, after))
    if not behaviour.strays:
        names = [name for name in names if "bare_newline" not in name]
    if not names:
        return None
    return verdict.of_parameter(names[0], before), verdict.of_parameter(names[0], after)


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
    for guest, some in guests:
        for one in some:
            yield guest, one


def _trusted_by_one(before: Settings, after: Settings) -> Iterator[Guest]:
    """Clients in networks that only one side trusts."""
    left, right = _networks(before), _networks(after)
    for item in [each for each in (*left, *right) if (each in left) != (each in right)][:NETWORKS]:
        try:
            network = ipaddress.ip_network(item.replace("[", "").replace("]", ""), strict=False)
        except ValueError:
            continue
        address = network.network_address + (1 if network.num_addresses > 2 else 0)
        if network.prefixlen:
            yield at(str(address), "only one side's mynetworks has it")


def _networks(settings: Settings) -> list[str]:
    try:
        return [word.text for word in settings[p.MYNETWORKS]]
    except ConfigError:
        return []


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
