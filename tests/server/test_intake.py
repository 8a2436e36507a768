"""server/intake.py with a real spool: what comes by the socket is kept and answered, whatever the event loop does."""

from __future__ import annotations

import asyncio
import marshal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gatepost.deliver.envelope import Envelope, Recipient
from gatepost.deliver.envelope_packed import pack
from gatepost.deliver.keeper import Kept
from gatepost.deliver.queue_id import key_of
from gatepost.deliver.spool import Spool
from gatepost.server import frames
from gatepost.server.intake import Intake


def entry(spool: Spool, content: bytes) -> tuple[Any, ...]:
    queue_id = spool.new_id()
    envelope = Envelope(queue_id, "a@example.org", [Recipient("b@example.com")], 1.5, size=len(content))
    return key_of(queue_id), queue_id, pack(envelope), [content], None


def frame(value: Any) -> bytes:
    return b"".join(frames.packed(value))


class Server:
    """The other end, which waits without an event loop."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        sock.settimeout(10)

    def hear(self) -> Any:
        length = int.from_bytes(self._exactly(frames.HEAD), "little")
        return marshal.loads(self._exactly(length))

    def _exactly(self, count: int) -> bytes:
        data = self.sock.recv(count, socket.MSG_WAITALL)
        if len(data) < count:
            raise EOFError
        return data


@asynccontextmanager
async def listening(directory: Path) -> AsyncIterator[tuple[Spool, Server, list[str]]]:
    spool = Spool.open(directory)
    near, far = socket.socketpair()
    failures: list[str] = []
    spool.listen(Intake(near, failures.append))
    try:
        yield spool, Server(far), failures
    finally:
        await spool.close()
        far.close()


@pytest.mark.asyncio
async def test_who_waits_for_the_disk_does_not_wait_for_the_loop(tmp_path: Path) -> None:
    async with listening(tmp_path) as (spool, server, _):
        arrived: list[Kept] = []
        spool.arrived = arrived.extend
        entries = [entry(spool, b"one\r\n"), entry(spool, b"two\r\n")]
        server.sock.sendall(frame(entries))
        assert server.hear() == ("durable", [entries[0][0], entries[1][0]])  # nothing has been awaited
        assert not arrived
        async with asyncio.timeout(10):
            while not arrived:  # noqa: ASYNC110 -- what is waited for happens in a thread
                await asyncio.sleep(0.001)
        assert [kept.queue_id for kept in arrived] == [entries[0][1], entries[1][1]]
        assert [stored.envelope.sender for stored in await spool.load([entries[0][0]])] == ["a@example.org"]
        assert await spool.content(entries[1][0], 5).read() == b"two\r\n"


@pytest.mark.asyncio
async def test_cut_anywhere_and_beside_what_this_process_keeps(tmp_path: Path) -> None:
    async with listening(tmp_path) as (spool, server, _):
        given = [entry(spool, b"x" * 5000) for _ in range(20)]
        raw = b"".join(frame([one]) for one in given)
        own = [spool.draft(spool.new_id()) for _ in range(3)]
        kept = [spool.keep(draft, Envelope(draft.queue_id, "", [Recipient("b@example.com")], 0.0)) for draft in own]
        for at in range(0, len(raw), 7777):
            server.sock.sendall(raw[at:at + 7777])
            await asyncio.sleep(0.002)
        await asyncio.gather(*kept)
        durable: list[int] = []
        while len(durable) < len(given):
            verb, keys = server.hear()
            assert verb == "durable"
            durable += keys
        assert durable == [one[0] for one in given]  # in order, and none of this process's own
        assert len(await spool.schedule()) == 23


@pytest.mark.asyncio
async def test_a_message_that_cannot_be_kept_pays_for_itself_alone(tmp_path: Path) -> None:
    async with listening(tmp_path) as (spool, server, _):
        first, last = entry(spool, b"a"), entry(spool, b"c")
        server.sock.sendall(frame([first, (first[0], *entry(spool, b"b")[1:]), last]))  # a key that is taken
        answers = dict(sorted((server.hear(), server.hear())))
        assert answers["durable"] == [first[0], last[0]]
        [(key, full, why)] = answers["failed"]
        assert (key, full) == (first[0], False) and "UNIQUE" in why


@pytest.mark.asyncio
@pytest.mark.parametrize("nonsense", [b"\x01\0\0\0?", b"\x01\0\0\0i", frame([("key",)]), frame(7)])
async def test_what_is_not_understood_ends_it(tmp_path: Path, nonsense: bytes) -> None:
    async with listening(tmp_path) as (spool, server, failures):
        server.sock.sendall(nonsense)
        with pytest.raises(EOFError):
            server.hear()
        assert len(failures) == 1 and "not understood" in failures[0]
        draft = spool.draft(spool.new_id())  # the spool itself goes on
        await spool.keep(draft, Envelope(draft.queue_id, "", [Recipient("b@example.com")], 0.0))


@pytest.mark.asyncio
async def test_the_server_is_gone(tmp_path: Path) -> None:
    """What it handed over before is kept."""
    async with listening(tmp_path) as (spool, server, failures):
        given = entry(spool, b"last words")
        server.sock.sendall(frame([given]))
        server.sock.close()
        async with asyncio.timeout(10):
            while not await spool.schedule():  # noqa: ASYNC110 -- what is waited for happens in a thread
                await asyncio.sleep(0.01)
        assert [key for key, _, _ in await spool.schedule()] == [given[0]]
        assert not failures
