"""kill -9 under load: what got its 250 is there after the restart, and whole. Duplicates are allowed, loss is not.

GATEPOST_TEST_KILLS says how often each server is killed (8 in a normal run).
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import os
import random
import re
import signal
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field

import pytest

from gatepost.deliver import queue_control
from tests.kit import wait_for
from tests.lab import directory
from tests.server.house import FROM, MAILDIR, TO, House
from tests.serving import Warm

KILLS = int(os.environ.get("GATEPOST_TEST_KILLS", "8"))
SESSIONS = 6
SIZES = [600] * 6 + [5_000] * 2 + [70_000, 300_000]  # some are above what the spool keeps in its database


def message(token: str, size: int) -> bytes:
    """A message that can prove it is whole: its checksum is in its header."""
    body = base64.encodebytes(random.randbytes(size * 3 // 4)).replace(b"\n", b"\r\n")
    checksum = hashlib.sha256(body.replace(b"\r", b"")).hexdigest()
    return f"Subject: {token}\r\nX-Sum: {checksum}\r\n\r\n".encode() + body


def token_of(content: bytes) -> str:
    """The token of a message that is whole; fails for a torn one."""
    head, _, body = content.replace(b"\r\n", b"\n").partition(b"\n\n")
    token = re.search(rb"^Subject: (\S+)$", head, re.MULTILINE)
    wanted = re.search(rb"^X-Sum: (\S+)$", head, re.MULTILINE)
    assert token and wanted, f"torn header: {head!r}"
    assert hashlib.sha256(body).hexdigest() == wanted[1].decode(), f"torn: {token[1]!r}, {len(content)} bytes"
    return token[1].decode()


@dataclass
class Load:
    """Sessions that send until the server is gone, and what they were promised."""

    port: int
    sent: int = 0
    acknowledged: set[str] = field(default_factory=set)
    _first: asyncio.Event = field(default_factory=asyncio.Event)

    async def session(self, name: str) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)

            async def reply() -> bytes:
                while (line := await reader.readuntil(b"\n"))[3:4] == b"-":
                    pass
                return line

            await reply()
            writer.write(b"EHLO client.test\r\n")
            await reply()
            for number in range(1_000_000):
                content = message(f"{name}.{number}", random.choice(SIZES))
                group = f"MAIL FROM:<{FROM}>\r\nRCPT TO:<{TO}>\r\n".encode()
                if number % 2:
                    writer.write(group + b"BDAT %d LAST\r\n" % len(content) + content)
                    replies = [await reply(), await reply()]
                else:
                    writer.write(group + b"DATA\r\n")
                    replies = [await reply(), await reply(), await reply()]
                    writer.write(content + b".\r\n")
                self.sent += 1
                last = await reply()
                if last.startswith(b"421 4.3.2"):
                    return
                assert last.startswith(b"250"), [*replies, last]
                self.acknowledged.add(f"{name}.{number}")
                self._first.set()

    async def until(self, end: Callable[[], Awaitable[None]], name: str = "") -> None:
        """Run, and end the server at some moment after the first acknowledgement."""
        sessions = [asyncio.create_task(self.session(f"{name}s{n}")) for n in range(SESSIONS)]
        await self._first.wait()
        await asyncio.sleep(random.uniform(0, 0.25))
        await end()
        await asyncio.gather(*sessions)


def killed(house: House) -> Iterator[Load]:
    """Load and kill, KILLS times; the server runs again when the load is handed out."""
    async def kill() -> None:
        house.kill(everything=random.random() < 0.7)

    house.start()
    total, cut = 0, 0
    for round_ in range(KILLS):
        load = Load(house.port)
        asyncio.run(load.until(kill, f"r{round_}"))
        total, cut = total + len(load.acknowledged), cut + load.sent - len(load.acknowledged)
        house.start()
        yield load
    print(f"{KILLS} kills: {total} messages acknowledged, {cut} cut off unacknowledged")
    assert total >= KILLS
    assert house.stop() == 0


def tokens(contents: Iterable[bytes]) -> set[str]:
    return {token_of(content) for content in contents}


def test_no_acknowledged_message_is_missing_from_the_spool(warm: Warm) -> None:
    with directory("gatepost-house-") as root:
        house = House(warm, root)
        spool = root / "queue" / "gatepost"
        for load in killed(house):
            missing = load.acknowledged - tokens(house.spooled())
            assert not missing, f"{len(missing)} of {len(load.acknowledged)}: {sorted(missing)[:5]}"
            for queued in list(queue_control.listing(spool)):
                assert queue_control.change(spool, "delete", queued.queue_id)


def test_no_acknowledged_message_is_missing_from_the_mailbox(warm: Warm) -> None:
    with directory("gatepost-house-") as root:
        house = House(warm, root, MAILDIR)
        spool = root / "queue" / "gatepost"
        found: set[str] = set()

        def delivered() -> bool:
            return not list(queue_control.listing(spool))

        for load in killed(house):
            assert wait_for(delivered, 60), "the queue does not become empty"
            for path in (root / "mail" / "box" / "new").iterdir():
                found.add(token_of(path.read_bytes()))
                path.unlink()
            missing = load.acknowledged - found
            assert not missing, f"{len(missing)} of {len(load.acknowledged)}: {sorted(missing)[:5]}"


@pytest.mark.parametrize("signals", [[signal.SIGTERM] * 2, [signal.SIGHUP, *[signal.SIGTERM] * 2]], ids=["term", "hup"])
def test_no_acknowledged_message_is_missing_after_sigterm(warm: Warm, signals: list[signal.Signals]) -> None:
    """The second SIGTERM ends the patience with sessions that go on sending."""
    with directory("gatepost-house-") as root:
        house = House(warm, root)
        house.start()
        load = Load(house.port)
        server = house.server
        assert server is not None

        async def end() -> None:
            for number in signals:
                house.signal(number)
                await asyncio.sleep(0.1)

        asyncio.run(load.until(end))
        assert wait_for(lambda: not server.alive, 15)
        assert house.stop() == 0
        house.start()
        missing = load.acknowledged - tokens(house.spooled())
        assert not missing, f"{len(missing)} of {len(load.acknowledged)}: {sorted(missing)[:5]}"
        assert house.stop() == 0


@pytest.mark.parametrize("whole", [True, False])
def test_the_check_itself_sees_a_torn_message(whole: bool) -> None:
    content = message("t.1", 5000)
    if whole:
        assert token_of(b"Received: x\r\n" + content) == "t.1"
    else:
        with pytest.raises(AssertionError, match="torn"):
            token_of(content[:-100])
