"""How does the server come by a queue manager? One process, started before the first client, started again if it dies.

The server's side of manage.py: the same four steps as a QueueManager in this process. `start` makes a process that
speaks over the given sockets, and gives its id; the first one is forked while nothing runs yet, later ones are programs
of their own. While there is none, clients are told to come again (451). This file must not know what the manager does.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from gatepost.config.load import Configuration
from gatepost.deliver import spool_store as store
from gatepost.deliver.keeper import Keeper
from gatepost.deliver.queue_id import QueueIds
from gatepost.observe.log import Log
from gatepost.server.channel import Channel
from gatepost.server.ends import Ends
from gatepost.server.handover import Handover
from gatepost.span import ConfigError, Span

Start = Callable[[Ends, Ends], int]
"""Its ends, and ours, which must not stay open in it -> process id."""

AGAIN = 1.0  # seconds before a queue manager that ended is started again; twice as long after each failure
SELDOM = 10.0  # but no longer than that
LONGEST = 12.0  # seconds that it may take to finish; it gives deliveries five


class QueueProcess:
    """A queue manager in a process of its own, and the keeper that hands messages to it."""

    def __init__(self, first: Start, again: Start, log: Log, tag: str) -> None:
        """Starts the first one, now: no thread and no event loop may be running that it would inherit."""
        self._again = again
        self._log = log
        self._tag = tag
        self._ends, self._pid = _started(first)
        self._channel: Channel | None = None
        self._messages: Channel | None = None
        self._keeper: Handover | None = None
        self._begun = False  # whoever comes after it is to begin, too
        self._waiting: asyncio.Future[Any] | None = None  # for an answer other than those about messages
        self._finishing = False
        self._restarting: asyncio.Task[None] | None = None

    @property
    def keeper(self) -> Keeper:
        """Who takes messages. After open()."""
        assert self._keeper is not None
        return self._keeper

    async def open(self, configuration: Configuration) -> None:
        """Wait until it has opened the spool. ConfigError when it cannot."""
        if self._keeper is None:
            await self._first(self._open())

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        self._channel = channel = Channel(self._ends.channel, loop, self._received, lambda: self._ended(channel))
        self._messages = Channel(self._ends.messages, loop, self._answered, lambda: self._ended(channel))
        verb, *values = await self._answer()
        if verb == "refused":
            message, file, line, text = values
            raise ConfigError(message, Span(file, line) if file else None, text)
        directory, shard, long_ids, first, count = values
        if self._keeper is None:
            ids = QueueIds(shard, long_ids, lambda: self._say("keys"))
            self._keeper = Handover(ids, store.bodies(Path(directory), shard), loop)
        self._keeper.ids.add(first, count)

    async def adopt(self, configuration: Configuration) -> None:
        """It reads the configuration again, once it has begun; one that is just being started reads it in any case."""
        starting = not self._begun or (self._restarting is not None and not self._restarting.done())
        if not starting and self._channel is not None and not self._channel.closed:
            _, problem = await self._ask("reload")
            if problem:
                self._log.warning(self._tag, f"the queue manager goes on as before: {problem}")

    async def begin(self) -> None:
        """It delivers what the spool holds, and messages are handed to it. ConfigError when it ended."""
        await self._first(self._begin())

    async def _first(self, step: Awaitable[None]) -> None:
        """A step of the start, which fails when the first queue manager does."""
        try:
            await step
        except ConnectionError:
            status = await asyncio.get_running_loop().run_in_executor(None, self._reap)
            raise ConfigError(f"the queue manager ended{_means(status)} before it was ready") from None

    async def _begin(self) -> None:
        await self._ask("begin")
        self._begun = True
        assert self._keeper is not None and self._messages is not None
        self._keeper.tell = self._messages.send

    def flush(self) -> None:
        """It tries everything that is deferred, now."""
        self._say("flush")

    async def finish(self) -> None:
        """It finishes what it has, and ends."""
        self._finishing = True
        if self._restarting is not None:
            self._restarting.cancel()
            await asyncio.gather(self._restarting, return_exceptions=True)
        if self._keeper is not None:
            await asyncio.get_running_loop().run_in_executor(None, self._keeper.end_syncing)
        if self._channel is None:
            self._ends.close()
        elif not self._channel.closed:
            self._say("finish")
            with contextlib.suppress(TimeoutError, ConnectionError):
                async with asyncio.timeout(LONGEST):
                    await self._answer()  # there is none but the end of the channel
            self._hang_up()
        await asyncio.get_running_loop().run_in_executor(None, self._reap)

    # ------------------------------------------------------------------ the channel

    def _say(self, verb: str, *values: object) -> None:
        if self._channel is not None:
            self._channel.send((verb, *values))

    async def _ask(self, verb: str) -> Any:
        self._say(verb)
        return await self._answer()

    async def _answer(self) -> Any:
        """The next answer. ConnectionError when it ends instead."""
        assert self._channel is not None
        if self._channel.closed:
            raise ConnectionError("the queue manager ended")
        self._waiting = asyncio.get_running_loop().create_future()
        return await self._waiting

    def _received(self, message: Any) -> None:
        verb, keeper = message[0], self._keeper
        if keeper is not None and verb == "keys":
            keeper.ids.add(message[1], message[2])
        elif self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(message)

    def _answered(self, answer: Any) -> None:
        if self._keeper is not None:
            self._keeper.answered(answer)

    def _hang_up(self) -> None:
        if self._channel is not None and self._messages is not None:
            self._channel.close()
            self._messages.close()

    def _ended(self, channel: Channel) -> None:
        """One of the other ends is gone."""
        if channel is not self._channel or (channel.closed and self._messages is not None and self._messages.closed):
            return
        self._hang_up()
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(ConnectionError("the queue manager ended"))
        if self._keeper is not None:
            self._keeper.lost()
        if self._begun and not self._finishing and (self._restarting is None or self._restarting.done()):
            self._restarting = asyncio.get_running_loop().create_task(self._restart())

    # ------------------------------------------------------------------ the process

    async def _restart(self) -> None:
        pause = AGAIN
        while True:
            status = await asyncio.get_running_loop().run_in_executor(None, self._reap)
            self._log.error(self._tag, f"the queue manager, process {self._pid}, ended{_means(status)}; mail is "
                                       f"deferred until another one has started")
            await asyncio.sleep(pause)
            pause = min(2 * pause, SELDOM)
            try:
                self._ends, self._pid = _started(self._again)
                await self._open()
                await self._begin()
                return
            except (ConfigError, ConnectionError, OSError) as error:
                self._log.error(self._tag, f"cannot start the queue manager: {error}")
                self._hang_up()

    def _reap(self) -> int | None:
        """Wait for the end of the process, not for ever -> its status, None when somebody else has it. Blocks."""
        try:
            descriptor = os.pidfd_open(self._pid)
        except OSError:
            descriptor = -1
        try:
            if descriptor >= 0 and not _readable(descriptor, LONGEST):
                os.kill(self._pid, signal.SIGKILL)
            return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
        except (ChildProcessError, ProcessLookupError):
            return None
        finally:
            if descriptor >= 0:
                os.close(descriptor)


def _started(start: Start) -> tuple[Ends, int]:
    ours, theirs = Ends.pair()
    try:
        return ours, start(theirs, ours)
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()


def _readable(descriptor: int, seconds: float) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def _means(status: int | None) -> str:
    if status is None:
        return ""
    return f" by signal {-status}" if status < 0 else f" with status {status}"
