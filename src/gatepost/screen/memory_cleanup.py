"""Which records are old, and when are they removed?

Postfix's rule (postscreen_cache_retention_time): a record goes when any trial that is on has been due for longer than
the retention time; a trial that never was passed counts as due since ever, so that partial records go too. The comment
in Postfix's manual reads as if all trials had to be due, and with gatepost_screen_retention = all they have: then a
pass of 30 days lives for 30 days beside one of an hour. Cleanup comes every postscreen_cache_cleanup_interval, first
that long after the one that the store remembers. This file must not know where records lie.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gatepost.config import parameters as p
from gatepost.config.settings import Settings
from gatepost.screen.memory import Memory
from gatepost.screen.memory_store import StoreFailure
from gatepost.screen.trials import Stamps

TRY_AGAIN = 600.0  # seconds after a cleanup that the store did not let end


@dataclass(frozen=True, slots=True)
class Retention:
    """One service's rule. `enabled`: its trials (Rules.enabled); `seconds`; `every`: all trials must be due."""

    enabled: int
    seconds: int
    every: bool

    @classmethod
    def of(cls, settings: Settings, enabled: int) -> Retention:
        """What the settings say."""
        return cls(enabled, settings[p.POSTSCREEN_CACHE_RETENTION_TIME],
                   settings[p.GATEPOST_SCREEN_RETENTION] == "all")

    def keeps(self, record: str, now: float) -> bool:
        """Is the record to be kept? With no trial on, every record is, as in Postfix."""
        due = Stamps.parse(record).due(int(now) - self.seconds, self.enabled)
        return not due or (self.every and due != self.enabled)


class Cleanup:
    """Cleans one memory for the services that share it: what one of them keeps is kept."""

    def __init__(self, memory: Memory, name: str, retentions: Sequence[Retention], *, info: Callable[[str], None],
                 clock: Callable[[], float] = time.time) -> None:
        """`name`: postscreen_cache_map as it was written, for the log."""
        self._memory = memory
        self._name = name
        self._retentions = tuple(retentions)
        self._info = info
        self._clock = clock

    async def once(self) -> bool:
        """Remove what is old -> was that possible to the end? Tells it as Postfix does."""
        retained = dropped = 0
        how = ""
        try:
            async for page in self._memory.records():
                now = self._clock()
                old = [(address, record) for address, record in page
                       if not any(retention.keeps(record, now) for retention in self._retentions)]
                removed = await self._memory.drop(old)
                dropped += removed
                retained += len(page) - removed
                how = "partial"
            await self._memory.cleaned_now()
            how = "full"
            self._memory.works("cleanup")
        except StoreFailure as failure:
            self._memory.failed("cleanup", failure)
        finally:
            if how:
                self._info(f"cache {self._name} {how} cleanup: retained={retained} dropped={dropped} entries")
        return how == "full"

    async def every(self, interval: float) -> None:
        """Until cancelled: clean whenever `interval` seconds (above 0) have passed since the last time, anybody's."""
        while True:
            try:
                wait = await self._memory.cleaned() + interval - self._clock()
            except StoreFailure:  # told by the sessions that need the store
                await asyncio.sleep(min(TRY_AGAIN, interval))
                continue
            if wait > 0:
                await asyncio.sleep(min(wait, interval))
            elif not await self.once():
                await asyncio.sleep(min(TRY_AGAIN, interval))
