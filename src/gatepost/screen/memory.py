"""What is remembered of a client? Postfix's record of passed trials, and what it was caught at.

    memory = Memory.of(settings, warn=..., info=...)     one per postscreen_cache_map, shared by services and reloads
    found = memory.get_now(address)                      a record, None, or NOT_KNOWN: then `await memory.get(address)`
    memory.put(address, record); memory.delete(address); memory.caught(Catch(...))
    await memory.close()

Contract: nothing here blocks, and nothing raises for what a disk or a server does. What was put is what is got, by this
process at once, by others when it is written, which is begun at once. While the store fails there is one warning, what
this process knows still counts, and what it learns waits and is written when the store works again. What came from the
store is believed for FRESH seconds, because other processes and the operator change it too. With postscreen_cache_map
empty nothing is remembered at all, as in Postfix. This file must not know what the record means, nor how it is stored.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from enum import Enum

from gatepost.config.settings import Settings
from gatepost.observe.log import printable
from gatepost.screen.memory_places import bounds_of, open_store
from gatepost.screen.memory_store import Catch, HistoryBounds, Store, StoreFailure

__all__ = ["NOT_KNOWN", "Catch", "Memory", "NotKnown"]

FRESH = 2.0  # seconds that an answer of the store is believed
KEPT = 10_000  # answers kept for the time when the store fails
UNWRITTEN = 50_000  # records that wait for the store at most; the oldest is given up
RETRY = 10.0  # seconds before a store that failed is asked again
READ_LIMIT = 3.0  # seconds that a session waits for the store
CLOSE_LIMIT = 5.0  # seconds that closing waits for the store


class NotKnown(Enum):
    """The answer of get_now that is none: the store must be asked."""

    NOT_KNOWN = 0


NOT_KNOWN = NotKnown.NOT_KNOWN


class Memory:
    """The memory of the processes that share one postscreen_cache_map. `clock`: seconds since the epoch."""

    def __init__(self, store: Store | None, bounds: HistoryBounds, *, warn: Callable[[str], None],
                 info: Callable[[str], None], clock: Callable[[], float] = time.time, retry: float = RETRY) -> None:
        self.store = store
        self.bounds = bounds
        self._warn = warn
        self._info = info
        self._clock = clock
        self._retry = retry
        self._answers: dict[str, tuple[str, float]] = {}  # record, and until when it is fresh (monotonic)
        self._waiting: dict[str, str | None] = {}
        self._writing: dict[str, str | None] = {}
        self._catches: deque[Catch] = deque(maxlen=bounds.limit)
        self._catching: list[Catch] = []
        self._offenders: set[str] = set()  # whom these two are about
        self._failing: set[str] = set()  # "read", "write", "cleanup"
        self._read_again = 0.0  # monotonic
        self._closing = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None

    @classmethod
    def of(cls, settings: Settings, *, warn: Callable[[str], None], info: Callable[[str], None],
           clock: Callable[[], float] = time.time) -> Memory:
        """What the settings ask for. Opens nothing yet: by the first use the process is the user that it stays.
        ConfigError for a postscreen_cache_map that cannot be one."""
        return cls(open_store(settings, warn), bounds_of(settings), warn=warn, info=info, clock=clock)

    @property
    def configured(self) -> bool:
        """Is there a postscreen_cache_map?"""
        return self.store is not None

    # -- for a session ----------------------------------------------------------------------------------------------

    def get_now(self, address: str) -> str | NotKnown | None:
        """The record, None (there is none), or NOT_KNOWN."""
        if self.store is None:
            return None
        for unwritten in (self._waiting, self._writing):
            if address in unwritten:
                return unwritten[address]
        found = self._answers.get(address)
        now = time.monotonic()
        if found is not None and (found[1] > now or self._read_again > now):
            return found[0]
        return None if self._read_again > now else NOT_KNOWN

    async def get(self, address: str) -> str | None:
        """The record, or None: there is none, or it cannot be known."""
        found = self.get_now(address)
        if found is not NOT_KNOWN:
            return found
        assert self.store is not None
        try:
            async with asyncio.timeout(READ_LIMIT):
                record = await self.store.get(address)
        except (StoreFailure, TimeoutError) as failure:
            self._read_failed(failure)
            known = self.get_now(address)
            return None if known is NOT_KNOWN else known
        self.works("read")
        for unwritten in (self._waiting, self._writing):
            if address in unwritten:  # put while we were asking
                return unwritten[address]
        if record is None:
            self._answers.pop(address, None)
        else:
            self._believe(address, record)
        return record

    async def offended(self, address: str) -> bool:
        """Was the client caught at anything that the history still holds? False when that cannot be known."""
        if address in self._offenders:
            return True
        if self.store is None or self._read_again > time.monotonic():
            return False
        try:
            async with asyncio.timeout(READ_LIMIT):
                found = await self.store.offended(address, self._since())
        except (StoreFailure, TimeoutError) as failure:
            self._read_failed(failure)
            return False
        self.works("read")
        return found

    def put(self, address: str, record: str) -> None:
        """Remember the record of an address (no brackets: `192.0.2.1`, `2001:db8::1`)."""
        if self.store is not None:
            self._believe(address, record)
            self._change(address, record)

    def delete(self, address: str) -> None:
        """Forget the record of an address; its history stays."""
        if self.store is not None:
            self._answers.pop(address, None)
            self._change(address, None)

    def caught(self, catch: Catch) -> None:
        """Add to the history."""
        if self.store is not None and self.bounds.limit:
            self._catches.append(Catch(catch.time, catch.address, catch.port, catch.trial, catch.action,
                                       printable(catch.evidence), printable(catch.text)))
            self._offenders.add(catch.address)
            self._wake()

    # -- for the cleanup and for whoever looks on -------------------------------------------------------------------

    async def records(self) -> AsyncIterator[Sequence[tuple[str, str]]]:
        """Everything that the store holds, in portions. StoreFailure."""
        if self.store is not None:
            async for page in self.store.pages():
                yield page

    async def drop(self, records: Sequence[tuple[str, str]]) -> int:
        """Remove records that have not changed since they were read -> how many were removed. StoreFailure."""
        if self.store is None or not records:
            return 0
        for address, record in records:
            if self._answers.get(address, ("", 0.0))[0] == record:
                del self._answers[address]
        return await self.store.drop(records)

    async def history(self, address: str = "") -> Sequence[Catch]:
        """What was caught, newest first: all, or one address. StoreFailure."""
        if self.store is None:
            return []
        unwritten = [catch for catch in reversed([*self._catching, *self._catches])
                     if not address or catch.address == address]
        return [*unwritten, *await self.store.history(self._since(), address)][: self.bounds.limit]

    async def cleaned(self) -> float:
        """When the last full cleanup ended, in seconds since the epoch; 0: never. StoreFailure."""
        return await self.store.cleaned() if self.store is not None else 0.0

    async def cleaned_now(self) -> None:
        """A full cleanup ended. StoreFailure."""
        if self.store is not None:
            await self.store.set_cleaned(self._clock())

    async def settled(self) -> None:
        """Wait until nothing waits to be written, however long that takes."""
        while self._writer is not None and not self._writer.done():
            await asyncio.wait([self._writer])

    async def close(self) -> None:
        """Write what waits, give it up when the store does not take it, close the store."""
        if self.store is None:
            return
        self._closing.set()
        if self._writer is not None:
            await asyncio.wait([self._writer], timeout=CLOSE_LIMIT)
            if not self._writer.done():
                self._writer.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await self._writer
        lost = len(self._waiting | self._writing)
        if lost:
            self._warn(f"cache {self.store.place}: {lost} record{'s' * (lost != 1)} could not be written and are lost")
        await self.store.close()

    # -- writing ----------------------------------------------------------------------------------------------------

    def _believe(self, address: str, record: str) -> None:
        self._answers.pop(address, None)
        if len(self._answers) >= KEPT:
            del self._answers[next(iter(self._answers))]
        self._answers[address] = (record, time.monotonic() + FRESH)

    def _change(self, address: str, record: str | None) -> None:
        self._waiting.pop(address, None)
        if len(self._waiting) >= UNWRITTEN:
            del self._waiting[next(iter(self._waiting))]
        self._waiting[address] = record
        self._wake()

    def _wake(self) -> None:
        if self._writer is None or self._writer.done():
            self._writer = asyncio.get_running_loop().create_task(self._write())

    async def _write(self) -> None:
        """Write until nothing waits; what comes during one write is the next one."""
        assert self.store is not None
        while self._waiting or self._catches:
            self._writing, self._waiting = self._waiting, {}
            self._catching = list(self._catches)
            self._catches.clear()
            try:
                await self.store.write(self._writing, self._catching, self._clock())
            except StoreFailure as failure:
                self._keep_waiting()
                self.failed("write", failure)
                if self._closing.is_set():
                    return
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._retry):
                        await self._closing.wait()
            except BaseException:
                self._keep_waiting()
                raise
            else:
                self._writing, self._catching = {}, []
                self._offenders = {catch.address for catch in self._catches}
                self.works("write")

    def _keep_waiting(self) -> None:
        self._waiting = {address: record for address, record in self._writing.items()
                         if address not in self._waiting} | self._waiting
        for catch in reversed(self._catching):
            if len(self._catches) < self.bounds.limit:
                self._catches.appendleft(catch)
        self._writing, self._catching = {}, []

    # -- a store that fails -----------------------------------------------------------------------------------------

    def failed(self, what: str, failure: Exception) -> None:
        """The store could not `what`: one warning until everything works again."""
        assert self.store is not None
        if not self._failing:
            reason = str(failure) or f"cache {self.store.place}: no answer within {READ_LIMIT:g} seconds"
            self._warn(f"{reason}; going on with what this process remembers")
        self._failing.add(what)

    def works(self, what: str) -> None:
        """The store could `what`."""
        assert self.store is not None
        if what == "read":
            self._read_again = 0.0
        if what in self._failing:
            self._failing.discard(what)
            if not self._failing:
                self._info(f"cache {self.store.place}: usable again")

    def _read_failed(self, failure: Exception) -> None:
        self._read_again = time.monotonic() + self._retry
        self.failed("read", failure)

    def _since(self) -> float:
        return self._clock() - self.bounds.seconds
