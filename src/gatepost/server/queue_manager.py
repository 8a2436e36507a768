"""Who keeps what was accepted, and delivers it? The queue manager: spool, scheduler and deliverer put together.

    await manager.open(configuration)     the spool; ConfigError when it cannot be used
    await manager.adopt(configuration)    deliver under this configuration from now on
    await manager.begin()                 deliver what the spool holds, and what will come
    await manager.finish()                end deliveries, close the spool

It lives in a process of its own (manage.py), so that delivery and disk do not hold up who receives; the gateway may
have one in its own process as well. This file must not know sessions, nor which process it is in.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import time
from collections.abc import Awaitable, Sequence
from pathlib import Path

from gatepost.config import parameters as p
from gatepost.config.load import Configuration
from gatepost.config.settings import Settings
from gatepost.deliver.delivery import Deliverer
from gatepost.deliver.envelope import Envelope, Recipient
from gatepost.deliver.keeper import Keeper
from gatepost.deliver.queue import Queue
from gatepost.deliver.result import Content, Destination, Result
from gatepost.deliver.spool import Spool, SpoolFailure, SpoolInUse
from gatepost.lookup.world import World
from gatepost.observe.log import Log
from gatepost.span import ConfigError

RETIRING = 1.0  # seconds between looks at whether an old configuration still delivers anything
PATIENCE = 5.0  # seconds for a queue manager whose server was killed to let go of the spool


class QueueManager:
    """One spool and its deliveries."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._configuration: Configuration | None = None
        self._spool: Spool | None = None
        self._queue: Queue | None = None
        self._world: World | None = None
        self._deliverer: Deliverer | None = None
        self._retiring: set[asyncio.Task[None]] = set()

    @property
    def keeper(self) -> Keeper:
        """Who takes messages. After open()."""
        return self.spool

    @property
    def spool(self) -> Spool:
        """The spool. After open()."""
        assert self._spool is not None
        return self._spool

    async def open(self, configuration: Configuration, *, clean: bool = True) -> None:
        """Open the spool below queue_directory, once; it becomes the unprivileged user's while we still may. `clean`:
        nobody else may be writing drafts there now. ConfigError."""
        if self._spool is not None:
            return
        settings = configuration.main
        directory = spool_directory(settings)
        until = time.monotonic() + PATIENCE
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            while self._spool is None:
                try:
                    self._spool = Spool.open(directory, long_ids=settings[p.ENABLE_LONG_QUEUE_IDS], clean=clean)
                except SpoolInUse:
                    if time.monotonic() > until:
                        raise
                    await asyncio.sleep(0.02)
            if os.geteuid() == 0 and settings[p.GATEPOST_USER]:
                _give_to(directory, settings[p.GATEPOST_USER])
        except (OSError, SpoolFailure) as error:
            raise ConfigError(f"cannot use the queue: {error}",
                              settings.span(p.QUEUE_DIRECTORY), str(directory)) from None

    async def adopt(self, configuration: Configuration) -> None:
        """From now on this configuration counts; what is under way ends under the old one. ConfigError."""
        settings = configuration.main
        tag = f"{settings[p.SYSLOG_NAME]}/qmgr"
        world = World(settings, warn=lambda text: self._log.warning(tag, text),
                      error=lambda text: self._log.error(tag, text))
        deliverer = Deliverer(configuration, world)
        old_world, old_deliverer = self._world, self._deliverer
        self._configuration, self._world, self._deliverer = configuration, world, deliverer
        if self._queue is not None:
            self._queue.reconfigure(settings)
        if old_world is not None and old_deliverer is not None:
            retiring = asyncio.get_running_loop().create_task(_retire(old_world, old_deliverer))
            self._retiring.add(retiring)
            retiring.add_done_callback(self._retiring.discard)

    async def begin(self) -> None:
        """Deliver what the spool holds, and what will come."""
        assert self._configuration is not None
        self._queue = Queue(self.spool, self._configuration.main, self._deliver, log=self._log, route=self._route)
        await self._queue.start()

    def flush(self) -> None:
        """Try everything that is deferred, now."""
        if self._queue is not None:
            self._queue.flush()

    async def finish(self, grace: float = 5.0) -> None:
        """End deliveries, which have `grace` seconds to end by themselves; close the spool."""
        if self._queue is not None:
            await self._queue.stop(grace)
        if self._deliverer is not None:
            await self._deliverer.close()
        for retiring in self._retiring:
            retiring.cancel()
        await asyncio.gather(*self._retiring, return_exceptions=True)
        if self._world is not None:
            await self._world.close()
        if self._spool is not None:
            await self._spool.close()
        self._log.flush()

    def _deliver(self, envelope: Envelope, recipients: Sequence[Recipient],
                 content: Content) -> Awaitable[list[Result]]:
        assert self._deliverer is not None
        return self._deliverer.deliver(envelope, recipients, content)

    def _route(self, envelope: Envelope, recipient: Recipient) -> Awaitable[Destination]:
        assert self._deliverer is not None
        return self._deliverer.route(envelope, recipient)


async def _retire(world: World, deliverer: Deliverer) -> None:
    """What began under an old configuration keeps its lookups to the end."""
    await deliverer.close()
    try:
        while not deliverer.idle:  # noqa: ASYNC110 -- no hurry, and nobody else asks
            await asyncio.sleep(RETIRING)
    finally:
        await world.close()


def spool_directory(settings: Settings) -> Path:
    """Where accepted messages are kept."""
    return Path(settings[p.QUEUE_DIRECTORY]) / "gatepost"


def _give_to(directory: Path, user: str) -> None:
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        return  # drop_privileges tells that
    for path in (directory, *directory.rglob("*")):
        os.chown(path, entry.pw_uid, entry.pw_gid)
