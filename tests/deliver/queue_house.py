"""A spool, a queue, deliveries and a clock that a test turns: what the queue's tests are played with."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

from gatepost.config.settings import Settings
from gatepost.deliver.envelope import Envelope, Recipient
from gatepost.deliver.queue import Queue
from gatepost.deliver.result import Content, Result
from gatepost.deliver.spool import Spool
from gatepost.observe.log import Line, Log, Shape

SETTINGS = {"myhostname": "mx.example", "mydestination": "", "queue_run_delay": "1s", "minimal_backoff_time": "300s",
            "maximal_backoff_time": "4000s", "process_name": "x"}  # fmt: skip


class Lines:
    """A log sink that keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def write(self, lines: Sequence[Line], shape: Shape) -> None:
        self.said += [f"{line[2]}: {line[3]}" for line in lines]

    def reopen(self) -> None:
        pass

    def close(self) -> None:
        pass


class Post:
    """Deliveries as a test wants them: what happens to an address is a list, used up from the front."""

    def __init__(self) -> None:
        self.fates: dict[str, list[Result]] = {}
        self.delivered: list[tuple[str, tuple[str, ...], bytes]] = []
        self.aliases: dict[str, list[str]] = {}
        self.silent: set[str] = set()  # addresses whose results are forgotten
        self.running = 0
        self.most = 0
        self.gate: asyncio.Event | None = None

    def fate(self, address: str, status: str, dsn: str = "4.2.2", text: str = "mailbox full",
             service: str = "smtp") -> None:
        result = Result(Recipient(address), status, dsn, text, "host[192.0.2.7]:25", service=service)
        self.fates.setdefault(address, []).append(result)

    async def __call__(self, envelope: Envelope, recipients: Sequence[Recipient], content: Content) -> list[Result]:
        body = await content.read()
        assert len(body) == content.size == envelope.size
        self.delivered.append((envelope.sender, tuple(r.address for r in recipients), body))
        self.running += 1
        self.most = max(self.most, self.running)
        if self.gate is not None:
            await self.gate.wait()
        self.running -= 1
        expanded = [Recipient(name, recipient.address) if not recipient.expanded else recipient
                    for recipient in recipients for name in self.aliases.get(recipient.address, [])]
        plain = [r for r in recipients if r.expanded or r.address not in self.aliases]
        return [self._result(recipient) for recipient in [*plain, *expanded] if recipient.address not in self.silent]

    def _result(self, recipient: Recipient) -> Result:
        fates = self.fates.get(recipient.address)
        if not fates:
            return Result(recipient, "sent", "2.0.0", "delivered to maildir", "local", service="local")
        fate = fates.pop(0) if len(fates) > 1 else fates[0]
        return Result(recipient, fate.status, fate.dsn, fate.text, fate.relay, service=fate.service)


class House:
    """A spool, a queue and a clock that a test turns."""

    def __init__(self, directory: Path, **settings: str) -> None:
        self.directory = directory
        self.settings = Settings.of(SETTINGS | settings)
        self.post = Post()
        self.lines = Lines()
        self.log = Log([self.lines])
        self.now = 1000000.0
        self.route: Callable[[Envelope, Recipient], object] | None = None

    async def open(self) -> None:
        self.spool = Spool.open(self.directory)
        self.queue = Queue(self.spool, self.settings, self.post, log=self.log, clock=lambda: self.now,
                           route=self.route)  # type: ignore[arg-type]
        await self.queue.start()

    async def close(self) -> None:
        await self.queue.stop()
        await self.spool.close()

    async def give(self, *recipients: str | Recipient, sender: str = "s@example.net",
                   body: bytes = b"Subject: x\r\n\r\ny\r\n", **more: object) -> str:
        draft = self.spool.draft(self.spool.new_id())
        draft.write(body)
        people = [Recipient(r) if isinstance(r, str) else r for r in recipients]
        envelope = Envelope(draft.queue_id, sender, people, self.now, **more)  # type: ignore[arg-type]
        await self.spool.keep(draft, envelope, b"Received: us\r\n")
        return draft.queue_id

    async def until(self, met: Callable[[], bool]) -> None:
        for _ in range(2000):
            self.log.flush()
            if met():
                return
            await asyncio.sleep(0.005)
        raise AssertionError(f"never came: {self.lines.said}, {self.queue.sizes}")

    async def quiet(self) -> None:
        await self.until(lambda: self.queue.sizes[0] == 0)

    async def later(self, seconds: float) -> None:
        """Time passes and the deferred queue is looked through; what comes of it has ended."""
        self.now += seconds
        tries = len(self.post.delivered)
        self.queue._look.set()
        await self.until(lambda: len(self.post.delivered) > tries)
        await self.quiet()

    def said(self, part: str) -> list[str]:
        self.log.flush()
        return [line for line in self.lines.said if part in line]


@contextlib.asynccontextmanager
async def house(directory: Path, **settings: str) -> AsyncIterator[House]:
    made = House(directory, **settings)
    await made.open()
    yield made
    await made.close()
