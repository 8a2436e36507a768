"""Where does the memory of screening lie? What every place can do: a file, a server on the network, a fake.

A record is the text of five expiry times, `a;b;c;d;e`, as Postfix keeps it under the client's address
(POSTSCREEN_README, postscreen_cache_map); a Catch is one entry of the history. Contract of a Store: no method blocks
the event loop, and what goes wrong with the place is a StoreFailure whose text names it; the next call tries again. A
store must not know what the five times mean, nor remember anything itself: that is memory.py's work.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Protocol


class StoreFailure(Exception):
    """The store cannot do it now. The text is for the operator and names the place."""


@dataclass(frozen=True, slots=True)
class Catch:
    """A client was caught. `time`: seconds since the epoch; `trial`: the trial's verbose name ("pregreet"); `action`:
    ignore, enforce, drop; `evidence`: how it is known ("buffered", "unacknowledged", ...; "" where there is but one
    way); `text`: the log line."""

    time: float
    address: str
    port: int
    trial: str
    action: str
    evidence: str
    text: str

    def dump(self) -> str:
        """As a JSON array."""
        return json.dumps(astuple(self))

    @classmethod
    def load(cls, text: str | bytes) -> Catch:
        """The reverse of dump. ValueError for anything else."""
        value = json.loads(text)
        if not isinstance(value, list) or len(value) != 7:
            raise ValueError("not a Catch")
        time, address, port, trial, action, evidence, line = value
        return cls(float(time), str(address), int(port), str(trial), str(action), str(evidence), str(line))


@dataclass(frozen=True, slots=True)
class HistoryBounds:
    """How much is kept of what was caught: the newest `limit` entries, none older than `seconds`."""

    limit: int = 10_000
    seconds: int = 30 * 86400


class Store(Protocol):
    """A place that outlives the process."""

    @property
    def place(self) -> str:
        """What the operator knows it by: a path, `redis:...`."""

    async def get(self, address: str) -> str | None:
        """The record of an address."""

    async def offended(self, address: str, since: float) -> bool:
        """Was this address caught after that time (seconds since the epoch)?"""

    async def write(self, records: Mapping[str, str | None], catches: Sequence[Catch], now: float) -> None:
        """Enter records (None: remove it) and catches, all or nothing where the place can; bound the history."""

    def pages(self) -> AsyncIterator[Sequence[tuple[str, str]]]:
        """Every address with its record, in portions. Others may write meanwhile."""

    async def drop(self, records: Sequence[tuple[str, str]]) -> int:
        """Remove the addresses whose record still is this one -> how many were."""

    async def forget(self, address: str) -> bool:
        """Remove the record and the history of an address. False: there was neither."""

    async def history(self, since: float, address: str = "") -> Sequence[Catch]:
        """What was caught after that time, newest first: all, or one address."""

    async def cleaned(self) -> float:
        """When the last full cleanup ended, in seconds since the epoch; 0: never."""

    async def set_cleaned(self, when: float) -> None:
        """A full cleanup ended; the history is bounded at this occasion too."""

    async def close(self) -> None:
        """Give back the file or the connections. Never fails."""
