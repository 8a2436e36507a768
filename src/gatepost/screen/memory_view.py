"""What does an operator see of the memory? Passes with their state, what was caught, and both counted.

Reads the store itself, not a running server: what a server learned is there at once. A store that fails is a
StoreFailure. This file must not know how any of it is shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gatepost.screen.memory_store import Catch, Store
from gatepost.screen.trials import NEVER, OFF, TRIALS, Stamps

STATES = ("valid", "expired", "never", "off")


@dataclass(frozen=True, slots=True)
class Pass:
    """One trial of one client. `state`: valid, expired, never (not passed yet), off (the trial was off); `until`: Unix
    time, None for the latter two."""

    trial: str
    state: str
    until: int | None


@dataclass(frozen=True, slots=True)
class Remembered:
    """A client: one Pass a trial, in the order of TRIALS; none when there is no record. `caught`: newest first."""

    address: str
    passes: tuple[Pass, ...]
    caught: Sequence[Catch] = ()


@dataclass(frozen=True, slots=True)
class Statistics:
    """`addresses`: how many have a record; `passes`: trial -> state -> how many; `caught`: (trial, action, evidence) ->
    how many; `offenders`: addresses among these; `oldest`: time of the oldest catch, `cleaned`: of the last full
    cleanup, Unix times, None: there is none."""

    addresses: int
    passes: Mapping[str, Mapping[str, int]]
    caught: Mapping[tuple[str, str, str], int]
    offenders: int
    oldest: float | None
    cleaned: float | None


def passes(record: str, now: float) -> tuple[Pass, ...]:
    """A record, read."""
    return tuple(_pass(trial.name, time, now) for trial, time in zip(TRIALS, Stamps.parse(record).times, strict=True))


def _pass(trial: str, time: int, now: float) -> Pass:
    if time in (NEVER, OFF):
        return Pass(trial, "never" if time == NEVER else "off", None)
    return Pass(trial, "valid" if int(now) <= time else "expired", time)


async def remembered(store: Store, now: float) -> list[Remembered]:
    """Every client with a record, in the order of the addresses' text."""
    found = {address: record async for page in store.pages() for address, record in page}
    return [Remembered(address, passes(record, now)) for address, record in sorted(found.items())]


async def show(store: Store, address: str, now: float, since: float) -> Remembered | None:
    """One client; None: nothing is known of it."""
    record = await store.get(address)
    caught = await store.history(since, address)
    if record is None and not caught:
        return None
    return Remembered(address, () if record is None else passes(record, now), caught)


async def statistics(store: Store, now: float, since: float) -> Statistics:
    """Everything counted."""
    counted = {trial.name: dict.fromkeys(STATES, 0) for trial in TRIALS}
    everybody = await remembered(store, now)
    for client in everybody:
        for found in client.passes:
            counted[found.trial][found.state] += 1
    caught = await store.history(since)
    return Statistics(
        len(everybody), counted, Counter((catch.trial, catch.action, catch.evidence) for catch in caught),
        len({catch.address for catch in caught}), min((catch.time for catch in caught), default=None),
        await store.cleaned() or None)
