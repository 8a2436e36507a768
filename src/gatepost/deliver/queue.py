"""What is delivered when? The scheduler: active, deferred and held messages, tries, limits, results.

    queue = Queue(spool, settings, deliver, log=log, route=route)
    await queue.start()      recover what the spool holds; new messages come from Spool.arrived
    await queue.stop()       end deliveries that end soon; the rest is tried again at the next start

A message is in the spool until every recipient is done; a crash repeats a try but loses nothing. In memory are the
active messages, and of deferred ones key and time. Workers are few tasks that take work from one line: deliveries that
end without waiting share one task, each one that really waits calls another task to the line. `deliver` and `route`
are injected (deliver/result.py). Log lines are those of qmgr(8) and the delivery agents. This file must not know how
anything is delivered.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Coroutine, Sequence

from gatepost.config.settings import Settings
from gatepost.deliver import queue_control
from gatepost.deliver.envelope import Recipient
from gatepost.deliver.queue_deferred import Deferred
from gatepost.deliver.queue_id import key_of
from gatepost.deliver.queue_message import Message, complete, read_state, state_of, still_open, targets
from gatepost.deliver.queue_reports import Reporter
from gatepost.deliver.queue_rules import QueueRules
from gatepost.deliver.queue_sites import Job, Sites
from gatepost.deliver.result import BOUNCED, DEFERRED, RELAYED, SENT, Deliver, Destination, Result, Route
from gatepost.deliver.spool import Kept, Spool, SpooledContent
from gatepost.deliver.spool_store import Stored
from gatepost.observe import lines
from gatepost.observe.log import Log

TURN = 0.002  # seconds that a worker keeps the event loop when nothing waits
LOAD = 200  # messages read back at a time
CACHED = 32 << 20  # bytes of active messages' content in memory
WORKERS = 1000  # deliveries that wait at the same time


class Queue:
    """The scheduler of one spool."""

    def __init__(self, spool: Spool, settings: Settings, deliver: Deliver, *, log: Log, route: Route | None = None,
                 clock: Callable[[], float] = time.time) -> None:
        self.rules = QueueRules(settings)
        self._spool = spool
        self._deliver = deliver
        self._route = route
        self._log = log
        self._clock = clock
        self._tag = f"{self.rules.syslog_name}/qmgr"
        self._reporter = Reporter(spool, self.rules, log, clock)
        self._sites = Sites(self.rules)
        self._active: dict[int, Message] = {}
        self._deferred = Deferred()
        self._line: deque[Message | Job] = deque()  # work for the workers
        self._cached = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._idle: list[asyncio.Future[None]] = []
        self._called = False  # a worker is on its way to the line
        self._workers = 0
        self._look = asyncio.Event()
        self._ear: socket.socket | None = None
        self._stopping = False

    async def start(self) -> None:
        """Begin; messages from before a restart are tried when they are due. sqlite3.Error when the spool is broken."""
        loop = asyncio.get_running_loop()
        self._spool.arrived = self._arrived
        with contextlib.suppress(OSError):  # then changes by other processes are seen at the next start only
            self._ear = queue_control.listen(self._spool.directory, self._spool.shard)
            loop.add_reader(self._ear, self._hear)
        for key, held, due in await self._spool.schedule():
            if held:
                self._deferred.hold(key)
            elif key not in self._active and key not in self._deferred:
                self._deferred.put(key, due)
        self._spawn(self._scan())
        self._look.set()

    async def stop(self, grace: float = 5.0) -> None:
        """End. Deliveries have `grace` seconds to end by themselves."""
        self._stopping = True
        self._spool.arrived = None
        if self._ear is not None:
            asyncio.get_running_loop().remove_reader(self._ear)
            self._ear.close()
        self._line.clear()
        self._look.set()
        for waiting in self._idle:
            if not waiting.done():
                waiting.set_result(None)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def flush(self) -> None:
        """Try everything that is deferred, now."""
        self._sites.forgive()
        self._deferred.hurry_all(self._clock())
        self._look.set()

    def reconfigure(self, settings: Settings) -> None:
        """Go on under new settings; what is under way ends under the old ones."""
        self.rules = QueueRules(settings)
        self._tag = f"{self.rules.syslog_name}/qmgr"
        self._reporter = Reporter(self._spool, self.rules, self._log, self._clock)
        self._sites.rules = self.rules

    async def change(self, verb: str, queue_id: str) -> bool:
        """Flush, hold, release or delete one message (queue_control.change). False when there is none."""
        directory = self._spool.directory
        done = await asyncio.get_running_loop().run_in_executor(
            None, queue_control.change, directory, verb, queue_id)
        key = key_of(queue_id)
        if done and key is not None:
            self._changed(verb, key)
        return done

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Messages that are active, deferred, held."""
        return len(self._active), len(self._deferred), len(self._deferred.held)

    def _hear(self) -> None:
        assert self._ear is not None
        with contextlib.suppress(BlockingIOError):
            while True:
                verb, _, key = self._ear.recv(256).decode("ascii", "replace").partition(" ")
                if key.isdecimal():
                    self._changed(verb, int(key))
                elif verb == "flush":
                    self.flush()

    def _changed(self, verb: str, key: int) -> None:
        """The spool says something new about a message."""
        message = self._active.get(key)
        if verb == "hold":
            self._deferred.hold(key)
        elif verb == "delete":
            self._deferred.forget(key)
            if message is not None:
                message.deleted = True
        else:
            if verb == "release":
                self._deferred.held.discard(key)
            self._sites.forgive()
            if message is None:
                self._deferred.hurry(key, self._clock())
                self._look.set()

    def _arrived(self, batch: list[Kept]) -> None:
        now = self._clock()
        for kept in batch:
            envelope = kept.envelope()
            if envelope.hold:
                self._deferred.hold(kept.key)
            elif len(self._active) >= self.rules.active_limit:
                self._deferred.put(kept.key, now)
            else:
                parts = kept.parts if self._cached < CACHED else None
                self._activate(Message(kept.key, envelope, kept.file, parts, now, targets(envelope)))
        self._call()

    def _reload(self, stored: Stored, now: float) -> None:
        if stored.held:
            self._deferred.hold(stored.key)
            return
        message = Message(stored.key, stored.envelope, stored.file, None, now)
        if stored.state:
            message.open, message.delayed, message.warned = read_state(stored.state)
        else:
            message.open = targets(stored.envelope)
        message.flushed = self._deferred.hurried(stored.key)
        self._activate(message)

    def _activate(self, message: Message) -> None:
        self._active[message.key] = message
        if message.parts is not None:
            self._cached += message.envelope.size
        envelope = message.envelope
        self._log.info(self._tag, lines.active(envelope.queue_id, envelope.sender, envelope.size, len(message.open)))
        self._line.append(message)

    async def _scan(self) -> None:
        """Bring deferred messages back when they are due: every queue_run_delay, and when somebody says so."""
        while not self._stopping:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.rules.run_delay):
                    await self._look.wait()
            self._look.clear()
            while (keys := self._take_due()) and not self._stopping:
                try:
                    found = await self._spool.load(keys)
                except sqlite3.Error as error:
                    self._log.warning(self._tag, f"cannot read the spool: {error}")
                    for key in keys:
                        self._deferred.put(key, self._clock() + self.rules.minimal_backoff)
                    break
                now = self._clock()
                for stored in found:
                    self._reload(stored, now)
                self._call()

    def _take_due(self) -> list[int]:
        room = min(LOAD, self.rules.active_limit - len(self._active))
        return [key for key in self._deferred.take(self._clock(), room) if key not in self._active]

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        self._tasks.add(task := asyncio.get_running_loop().create_task(work))
        task.add_done_callback(self._tasks.discard)

    def _call(self) -> None:
        """See to it that somebody takes what stands in the line."""
        if self._called or not self._line or self._stopping:
            return
        if self._idle:
            self._called = True
            self._idle.pop().set_result(None)
        elif self._workers < WORKERS:
            self._called = True
            self._workers += 1
            self._spawn(self._work())

    async def _work(self) -> None:
        """Take work from the line for ever; alone as long as nothing really waits."""
        loop = asyncio.get_running_loop()
        while not self._stopping:
            self._called = False
            until = loop.time() + TURN
            while self._line and not self._stopping:
                work = self._line.popleft()
                if self._line:
                    self._call()
                if isinstance(work, Message):
                    await self._dispatch(work)
                else:
                    await self._try(work)
                if loop.time() > until:
                    await asyncio.sleep(0)
                    until = loop.time() + TURN
            idle = loop.create_future()
            self._idle.append(idle)
            if not self._stopping:
                await idle

    async def _dispatch(self, message: Message) -> None:
        """Cut a message into deliveries; what may not begin now waits at its destination."""
        if message.deleted or message.key in self._deferred.held:
            self._store(message)
            return
        message.delayed = []
        if len(message.open) == 1:  # nearly every message
            job = Job(message, message.open, self._sites.site(await self._destination(message, message.open[0])))
            message.under_way = 1
            if not self._refused(job) and self._sites.begin(job):
                await self._try(job)
            return
        groups: dict[Destination, list[Recipient]] = {}
        for recipient in message.open:
            destination = await self._destination(message, recipient)
            groups.setdefault(destination, []).append(recipient)
        jobs = self._sites.jobs(message, groups)
        message.under_way = len(jobs) + 1
        last: Job | None = None
        for job in jobs:
            if self._refused(job):
                continue
            if self._sites.begin(job):
                if last is not None:
                    self._line.append(last)
                last = job
        self._call()
        self._ended(message)
        if last is not None:
            await self._try(last)

    async def _destination(self, message: Message, recipient: Recipient) -> Destination:
        """The place whose limits count for this recipient."""
        if self._route is None:
            return Destination("", recipient.address.rpartition("@")[2].lower())
        try:
            found = await self._route(message.envelope, recipient)
        except Exception as error:  # the delivery itself will find out, and say what it means
            self._log.warning(self._tag, f"{message.envelope.queue_id}: no route for {recipient.address}: {error}")
            return Destination()
        if self.rules.recipients(found.transport) == 1:  # each recipient is a destination of its own (qmgr(8))
            return Destination(found.transport, recipient.address)
        return found

    def _refused(self, job: Job) -> bool:
        """Nothing is to be tried there now: then the recipients are deferred."""
        destination = job.site.destination
        why = self._sites.suspended(destination, self._clock())
        if destination.transport in self.rules.defer_transports and not job.message.flushed:
            why = ("4.3.2", "deferred transport")
        if why is None:
            return False
        results = [Result(recipient, DEFERRED, why[0], why[1], service="error") for recipient in job.recipients]
        self._record(job, results, self._clock())
        return True

    async def _try(self, job: Job) -> None:
        message, begun = job.message, self._clock()
        results: Sequence[Result] = ()
        try:
            if not message.deleted and message.key not in self._deferred.held:
                results = await self._deliver(message.envelope, job.recipients, self._content(message))
                results = complete(job.recipients, results)
        except Exception as error:  # a bug or a lost disk: the mail waits, the operator hears of it
            self._log.warning(self._tag, f"{message.envelope.queue_id}: delivery failed: {error!r}")
            results = [Result(r, DEFERRED, "4.3.0", "internal error", service="error") for r in job.recipients]
        following = self._sites.end(job)
        if following is not None:
            self._line.append(following)
            self._call()
        self._sites.learn(job.site.destination, results, self._clock())
        self._record(job, results, begun)

    def _content(self, message: Message) -> SpooledContent:
        return self._spool.content(message.key, message.envelope.size, message.parts, message.file)

    def _record(self, job: Job, results: Sequence[Result], begun: float) -> None:
        message = job.message
        for result in results:
            self._tell(message, result, begun)
            if result.status == DEFERRED:
                message.delayed.append(result)
            elif result.status == BOUNCED:
                message.failed.append(result)
            else:
                self._reporter.note_success(message, result)
        message.open = still_open(message, job.recipients, results)
        self._ended(message)

    def _tell(self, message: Message, result: Result, begun: float) -> None:
        envelope, recipient = message.envelope, result.recipient
        delays = (max(0.0, message.activated - envelope.arrived), max(0.0, begun - message.activated), *result.delays)
        status = SENT if result.status == RELAYED else result.status
        self._log.info(f"{self.rules.syslog_name}/{result.service or 'error'}", lines.delivery(
            envelope.queue_id, recipient.address, status, result.dsn, result.text,
            original=recipient.original, relay=result.relay, delays=delays))

    def _ended(self, message: Message) -> None:
        """One delivery less is under way; after the last one, what next?"""
        message.under_way -= 1
        if message.under_way:
            return
        if not (message.open or message.delayed or message.failed or message.succeeded):
            self._store(message)
            return
        now, envelope = self._clock(), message.envelope
        expired = now >= self.rules.expires(envelope.arrived, bounce=not envelope.sender)
        if expired and message.delayed and not message.deleted:
            self._log.info(self._tag, lines.expired(envelope.queue_id, envelope.sender))
            for result in message.delayed:
                result.status = BOUNCED
                result.dsn = "5" + result.dsn[1:]
                message.failed.append(result)
            message.open, message.delayed = [], []
        warning = self._reporter.due_warning(message, now)
        if message.deleted or not (message.failed or message.succeeded or warning):
            self._store(message)
        else:
            self._spawn(self._report(message, warning))

    async def _report(self, message: Message, warning: Sequence[Result]) -> None:
        told = False
        try:
            told = await self._reporter.tell(message, self._content(message), warning)
        except Exception as error:  # the message must not be forgotten, whatever it was
            self._log.warning(self._tag, f"{message.envelope.queue_id}: report failed: {error!r}")
        if not told:  # the recipients that failed are tried, and fail, again
            message.open = message.open + [result.recipient for result in message.failed]
        self._store(message)

    def _store(self, message: Message) -> None:
        """The try is over: forget the message or note when it is tried again."""
        key, envelope = message.key, message.envelope
        del self._active[key]
        if message.parts is not None:
            self._cached -= envelope.size
        if message.deleted or not message.open:
            self._deferred.forget(key)
            self._log.info(self._tag, lines.removed(envelope.queue_id))
            self._spool.remove(key, message.file)
        else:
            due = self.rules.next_try(envelope.arrived, self._clock())
            self._spool.progress(key, False, due, state_of(message))
            self._deferred.put(key, due)
        if not self._look.is_set() and len(self._active) < self.rules.active_limit \
                and self._deferred.any_due(self._clock()):
            self._look.set()
