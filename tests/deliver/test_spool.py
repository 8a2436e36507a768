"""deliver/spool.py: nothing kept is lost or torn, nothing abandoned stays, a full disk costs only the message that did
not fit."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from gatepost.deliver import spool_store as store
from gatepost.deliver.envelope import Envelope, Origin, Recipient
from gatepost.deliver.queue_id import key_of
from gatepost.deliver.spool import Kept, Spool, SpoolFailure, SpoolFull

HEADERS = b"Received: from x\r\n\tby y; now\r\n"


def envelope(queue_id: str) -> Envelope:
    return Envelope(
        queue_id, "sender@example.net", [Recipient("a@example.org", "b@example.org", "rfc822;b", "NEVER"),
                                         Recipient("\udcff@example.org")],
        1000.5, origin=Origin("host", "192.0.2.1", "25", "he\udce9lo", "ESMTPS"), body_type="8BITMIME", ret="HDRS",
        envid="x+41", content_filter="smtp:[127.0.0.1]:10024", bcc=["c@example.org"],
        overrides=frozenset({"no_milters"}),
    )


def give(spool: Spool, body: bytes, headers: bytes = HEADERS) -> tuple[str, asyncio.Future[None]]:
    draft = spool.draft(spool.new_id())
    for at in range(0, len(body), 50000):
        draft.write(body[at:at + 50000])
    return draft.queue_id, spool.keep(draft, envelope(draft.queue_id), headers)


def key(queue_id: str) -> int:
    found = key_of(queue_id)
    assert found is not None
    return found


@pytest.mark.asyncio
@pytest.mark.parametrize("size", [0, 1, 65000, 65536, 65537, 70000, 300001])
async def test_content_and_envelope_come_back_whole_after_reopening(tmp_path: Path, size: int) -> None:
    body = os.urandom(size)
    spool = Spool.open(tmp_path)
    queue_id, done = give(spool, body)
    await done
    await spool.close()
    spool = Spool.open(tmp_path)
    [stored] = await spool.load([key(queue_id)])
    expected = envelope(queue_id)
    expected.size = len(HEADERS) + size
    assert stored.envelope == expected
    assert await spool.content(stored.key, stored.envelope.size).read() == HEADERS + body
    await spool.close()


@pytest.mark.asyncio
async def test_arrived_tells_each_message_once_and_after_its_future(tmp_path: Path) -> None:
    spool = Spool.open(tmp_path)
    told: list[str] = []

    def arrived(batch: list[Kept]) -> None:
        done = {queue_id for queue_id, future in given if future.done()}
        assert done.issuperset(kept.queue_id for kept in batch)
        told.extend(kept.queue_id for kept in batch)

    spool.arrived = arrived
    given = [give(spool, b"x" * 100 * i) for i in range(200)]
    await asyncio.gather(*(done for _, done in given))
    assert sorted(told) == sorted(queue_id for queue_id, _ in given)
    assert len(set(told)) == 200
    await spool.close()


@pytest.mark.asyncio
async def test_removed_messages_are_gone_with_their_body_files(tmp_path: Path) -> None:
    spool = Spool.open(tmp_path)
    small, first = give(spool, b"small")
    large, second = give(spool, b"l" * 200000)
    kept, third = give(spool, b"k" * 200000)
    await asyncio.gather(first, second, third)
    spool.progress(key(large), False, 5.0, "state")
    spool.remove(key(small))
    spool.remove(key(large), large)
    await spool.close()
    assert [path.name for path in (tmp_path / "bodies.0").iterdir()] == [kept]
    spool = Spool.open(tmp_path)
    assert await spool.schedule() == [(key(kept), False, 0)]
    await spool.close()


@pytest.mark.asyncio
async def test_progress_is_kept_and_an_operators_hold_survives_it(tmp_path: Path) -> None:
    spool = Spool.open(tmp_path)
    queue_id, done = give(spool, b"x")
    await done
    spool.progress(key(queue_id), False, 77.0, '{"tries": 1}')
    await spool.close()
    operator = store.connect(store.database(tmp_path, 0), create=False)
    operator.execute("UPDATE progress SET held = 1")
    operator.close()
    spool = Spool.open(tmp_path)
    spool.progress(key(queue_id), False, 99.0, '{"tries": 2}')
    await spool.close()
    spool = Spool.open(tmp_path)
    [stored] = await spool.load([key(queue_id)])
    assert (stored.held, stored.due, stored.state) == (True, 99.0, '{"tries": 2}')
    await spool.close()


@pytest.mark.asyncio
async def test_abandoned_drafts_and_orphans_leave_nothing(tmp_path: Path) -> None:
    spool = Spool.open(tmp_path)
    draft = spool.draft(spool.new_id())
    draft.write(b"x" * 200000)
    draft.abandon()
    draft.abandon()
    assert list((tmp_path / "bodies.0").iterdir()) == []
    (tmp_path / "bodies.0" / "ABCDE12345").write_bytes(b"left by a crash")
    await spool.close()
    spool = Spool.open(tmp_path)
    assert list((tmp_path / "bodies.0").iterdir()) == []
    await spool.close()


@pytest.mark.asyncio
async def test_abandoning_after_keep_does_not_touch_the_message(tmp_path: Path) -> None:
    spool = Spool.open(tmp_path)
    draft = spool.draft(spool.new_id())
    draft.write(b"x" * 200000)
    done = spool.keep(draft, envelope(draft.queue_id))
    draft.abandon()
    await done
    assert len(await spool.content(key(draft.queue_id), 0).read()) == 200000
    await spool.close()


@pytest.mark.asyncio
async def test_queue_ids_are_never_given_twice_even_when_the_spool_was_emptied(tmp_path: Path) -> None:
    keys: list[int] = []
    for _ in range(3):
        spool = Spool.open(tmp_path)
        keys += [key(spool.new_id()) for _ in range(100)]
        await spool.close()
    assert len(set(keys)) == 300


@pytest.mark.asyncio
async def test_a_shard_has_one_owner_and_shards_do_not_share_keys(tmp_path: Path) -> None:
    spool = Spool.open(tmp_path)
    with pytest.raises(SpoolFailure, match="in use by another process"):
        Spool.open(tmp_path)
    other = Spool.open(tmp_path, shard=3, long_ids=True)
    assert key(spool.new_id()) % 16 == 0
    assert key(other.new_id()) % 16 == 3
    await spool.close()
    await other.close()


@pytest.mark.asyncio
async def test_a_large_message_costs_little_memory(tmp_path: Path) -> None:
    spool = Spool.open(tmp_path)
    chunk = os.urandom(65536)
    draft = spool.draft(spool.new_id())
    tracemalloc.start()
    for _ in range(800):  # 50 MiB
        draft.write(bytes(chunk))
    await spool.keep(draft, envelope(draft.queue_id), HEADERS)
    async for piece in spool.content(key(draft.queue_id), 0).chunks():
        assert len(piece) <= 65536
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 << 20
    await spool.close()


@pytest.mark.asyncio
async def test_a_message_that_cannot_be_written_fails_alone(tmp_path: Path) -> None:
    spool = Spool.open(tmp_path)
    bad = spool.draft(spool.new_id())
    bad.write(b"x")
    broken = envelope(bad.queue_id)
    broken.bcc = [b"no JSON"]  # type: ignore[list-item]
    futures = [give(spool, b"x")[1] for _ in range(20)]
    futures.insert(10, spool.keep(bad, broken))
    results = await asyncio.gather(*futures, return_exceptions=True)
    assert [isinstance(result, SpoolFailure) for result in results] == [i == 10 for i in range(21)]
    await spool.close()


@pytest.mark.asyncio
async def test_a_database_that_breaks_gives_failure_and_never_a_hung_future(tmp_path: Path) -> None:
    spool = Spool.open(tmp_path)
    await give(spool, b"x")[1]
    with sqlite3.connect(tmp_path / "spool.0.db") as breaker:
        breaker.execute("ALTER TABLE message RENAME TO elsewhere")
    breaker.close()
    with pytest.raises(SpoolFailure):
        await give(spool, b"x")[1]
    with sqlite3.connect(tmp_path / "spool.0.db") as breaker:
        breaker.execute("ALTER TABLE elsewhere RENAME TO message")
    breaker.close()
    await give(spool, b"x")[1]
    await spool.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MiB."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("small_disk: needs root to mount a small tmpfs")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.asyncio
@pytest.mark.parametrize("size", [20000, 300000])
async def test_a_full_disk_refuses_loses_nothing_and_recovers(small_disk: Path, size: int) -> None:
    spool = Spool.open(small_disk)
    kept: list[str] = []
    refused = 0
    for _ in range(8 << 20):
        queue_id, done = give(spool, b"b" * size)
        try:
            await done
            kept.append(queue_id)
        except SpoolFull:
            refused += 1
            if refused == 20:
                break
    assert kept and refused == 20
    for queue_id in kept:
        content = await spool.content(key(queue_id), 0).read()
        assert content == HEADERS + b"b" * size
    for queue_id in kept[1:]:
        spool.remove(key(queue_id), queue_id if size > 65536 else None)
    for _ in range(1000):
        await asyncio.sleep(0.01)
        if len(await spool.schedule()) == 1:
            break
    await give(spool, b"b" * size)[1]
    assert len(await spool.schedule()) == 2
    await spool.close()


KILLED = """
import asyncio, sys
from gatepost.deliver.envelope import Envelope, Recipient
from gatepost.deliver.spool import Spool

async def session(spool, nth):
    for i in range(1000000):
        draft = spool.draft(spool.new_id())
        size = 100000 if i % 7 == nth % 7 else 1000
        draft.write(draft.queue_id.encode() * (size // len(draft.queue_id)))
        await spool.keep(draft, Envelope(draft.queue_id, "s", [Recipient("r")], 1.0))
        sys.stdout.write(draft.queue_id + "\\n")
        sys.stdout.flush()
        if i % 3 == 0:
            spool.progress(int(draft.queue_id[5:], 16), False, 9.0, "s")

async def main():
    spool = Spool.open(sys.argv[1])
    await asyncio.gather(*(session(spool, nth) for nth in range(20)))

asyncio.run(main())
"""


@pytest.mark.parametrize("lines", [1, 100, 1500])
def test_kill_9_loses_and_tears_nothing_that_was_kept(tmp_path: Path, lines: int) -> None:
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    told = [process.stdout.readline().strip() for _ in range(lines)]
    process.send_signal(signal.SIGKILL)
    told += [line.strip() for line in process.stdout.readlines() if line.endswith("\n")]
    process.wait()
    process.stdout.close()

    async def check() -> None:
        spool = Spool.open(tmp_path)
        found = {stored.envelope.queue_id: stored for stored in
                 await spool.load([entry[0] for entry in await spool.schedule()])}
        assert set(told) <= set(found)
        for queue_id, stored in found.items():
            content = await spool.content(stored.key, stored.envelope.size).read()
            assert len(content) == stored.envelope.size
            assert content == queue_id.encode() * (len(content) // len(queue_id))
        files = {path.name for path in (tmp_path / "bodies.0").iterdir()}
        assert files == {stored.file for stored in found.values() if stored.file}
        await spool.close()

    asyncio.run(check())
