"""deliver/queue_control.py: an operator's changes, with and without a running server."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gatepost.deliver import queue_control
from gatepost.deliver.spool import Spool
from tests.deliver.queue_house import House, house


@pytest.mark.asyncio
async def test_operators_changes_reach_a_running_server(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        queue_id = await h.give("r@example.org", hold=True)
        assert [queued.state for queued in queue_control.listing(tmp_path)] == ["hold"]
        assert h.queue.sizes == (0, 0, 1)
        assert queue_control.change(tmp_path, "flush", queue_id)
        await asyncio.sleep(0.05)
        assert not h.post.delivered
        assert queue_control.change(tmp_path, "release", queue_id)
        await h.until(lambda: len(h.said("removed")) == 1)
        h.post.fate("d@example.org", "deferred")
        second = await h.give("d@example.org", body=b"x" * 100000)
        await h.quiet()
        assert await h.queue.change("hold", second)
        h.now += 10000
        h.queue.flush()
        await asyncio.sleep(0.05)
        assert len(h.post.delivered) == 2
        assert await h.queue.change("delete", second)
        assert h.queue.sizes == (0, 0, 0)
        assert not await h.queue.change("delete", second)
        assert list((tmp_path / "bodies.0").iterdir()) == []


@pytest.mark.asyncio
async def test_operators_changes_without_a_server_hold_at_the_next_start(tmp_path: Path) -> None:
    spool = Spool.open(tmp_path)
    h = House(tmp_path)
    h.spool = spool
    kept, held, gone = [await h.give(f"{name}@example.org", body=b"y" * 70000) for name in ("kept", "held", "gone")]
    await spool.close()
    assert queue_control.change(tmp_path, "hold", held)
    assert queue_control.change(tmp_path, "delete", gone)
    assert queue_control.change(tmp_path, "flush")
    shown = queue_control.show(tmp_path, kept)
    assert shown is not None
    assert shown[0].queue_id == kept and b"".join(shown[1]) == b"Received: us\r\n" + b"y" * 70000
    await h.open()
    await h.until(lambda: len(h.said("removed")) == 1)
    assert [tried[1] for tried in h.post.delivered] == [("kept@example.org",)]
    assert h.queue.sizes == (0, 0, 1)
    await h.close()


@pytest.mark.parametrize("queue_id", ["", "nonsense", "ABCDE123450", "../../etc"])
def test_what_is_not_there_cannot_be_changed_or_shown(tmp_path: Path, queue_id: str) -> None:
    assert queue_control.show(tmp_path, queue_id) is None
    assert queue_id == "" or not queue_control.change(tmp_path, "delete", queue_id)
