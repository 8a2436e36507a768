"""The queue manager as a process: how does it live, and what does it say to the server that it works for?

It begins when it is told to and ends with the channel: told to finish, it gives deliveries time; when the server is
gone without a word it writes what it has received and ends at once. Signals are the server's business.
Messages come by a socket of their own (intake.py). Said over the channel:

    to the manager    begin | keys | reload | flush | finish
    to the server     opened, directory, shard, long ids, first key, count | refused, message, file, line, text
                      begun | keys, first key, count | reloaded, problem

This file must not know who starts it, nor clients.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import sqlite3
from collections.abc import Callable, Coroutine
from typing import Any

from gatepost.config import parameters as p
from gatepost.config.load import Configuration
from gatepost.deliver.spool import Spool
from gatepost.observe.log import Log
from gatepost.server.channel import Channel
from gatepost.server.daemon import drop_privileges, raise_descriptor_limit, run
from gatepost.server.ends import Ends
from gatepost.server.intake import Intake
from gatepost.server.queue_manager import QueueManager
from gatepost.span import ConfigError

Load = Callable[[], Configuration]

IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # also a terminal's, which go to the whole process group


def manage(ends: Ends, load: Load, log: Log, *, clean: bool = True) -> None:
    """Be the queue manager of who holds the other ends of these sockets, until that is gone. `clean`: nobody is
    writing drafts now."""
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    raise_descriptor_limit()
    _step_back()
    run(_Manager(ends, load, log, clean).run())


def _step_back() -> None:
    """When there is something to deliver, no session that is just being served is interrupted for it: on a machine with
    few processors that costs both of them time (sched(7), SCHED_BATCH). Where it is not allowed it is done without."""
    with contextlib.suppress(AttributeError, OSError):
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def _reserved(spool: Spool) -> tuple[int, int]:
    try:
        return spool.reserve_keys()
    except sqlite3.Error as error:
        raise ConfigError(f"cannot use the queue: {error}", None, str(spool.directory)) from None


class _Manager:
    def __init__(self, ends: Ends, load: Load, log: Log, clean: bool) -> None:
        self._ends = ends
        self._load = load
        self._log = log
        self._clean = clean
        self._manager = QueueManager(log)
        self._tasks: set[asyncio.Task[None]] = set()
        self._over = asyncio.Event()
        self._told = False  # to finish
        self._tag = "postfix/qmgr"

    async def run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._channel = Channel(self._ends.channel, self._loop, self._received, self._over.set)
        try:
            configuration = self._load()
            self._tag = f"{configuration.main[p.SYSLOG_NAME]}/qmgr"
            await self._manager.open(configuration, clean=self._clean)
            await self._manager.adopt(configuration)
            drop_privileges(configuration.main[p.GATEPOST_USER], lambda _: None)  # the server tells what is wrong
            spool = self._manager.spool
            keys = _reserved(spool)
        except ConfigError as error:
            span = error.span
            self._channel.send(("refused", error.message, span.file if span else "", span.line if span else 0,
                                error.text))
            await self._over.wait()
            return
        spool.listen(Intake(self._ends.messages, lambda text: self._log.error(self._tag, text)))
        self._channel.send(("opened", str(spool.directory), spool.shard,
                            bool(configuration.main[p.ENABLE_LONG_QUEUE_IDS]), *keys))
        await self._over.wait()
        await self._finish()

    def _received(self, message: Any) -> None:
        verb = message[0]
        if verb == "begin":
            self._spawn(self._begin())
        elif verb == "reload":
            self._spawn(self._reload())
        elif verb == "keys":
            self._give_keys()
        elif verb == "flush":
            self._manager.flush()
        else:
            assert verb == "finish", verb
            self._told = True
            self._over.set()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.add(task := self._loop.create_task(work))
        task.add_done_callback(self._tasks.discard)

    async def _begin(self) -> None:
        await self._manager.begin()
        gc.freeze()  # what the start has made stays
        self._channel.send(("begun",))

    def _give_keys(self) -> None:
        try:
            self._channel.send(("keys", *self._manager.spool.reserve_keys()))
        except sqlite3.Error as error:  # half a million are left; the next id that is made asks again
            self._log.warning(self._tag, f"cannot reserve queue ids: {error}")
            self._loop.call_later(1.0, self._give_keys)

    async def _reload(self) -> None:
        problem = ""
        try:
            self._log.reopen()
            await self._manager.adopt(self._load())
        except Exception as error:  # whatever a reload meets, what runs goes on
            problem = str(error) or repr(error)
        self._channel.send(("reloaded", problem))

    async def _finish(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._told:
            await self._manager.finish()
        else:
            await self._manager.finish(0.0)
        self._channel.close()
