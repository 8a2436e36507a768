"""server/handover.py: what is handed over in one turn goes together, and everybody who waits gets one answer."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gatepost.deliver.envelope import Envelope, Origin, Recipient
from gatepost.deliver.envelope_packed import unpack
from gatepost.deliver.queue_id import QueueIds
from gatepost.deliver.spool_draft import SpoolFailure, SpoolFull
from gatepost.server.handover import GONE, Entry, Handover


def handover(bodies: Path) -> tuple[Handover, list[list[Entry]]]:
    made = Handover(QueueIds(0, False, lambda: None), bodies, asyncio.get_running_loop())
    made.ids.add(0x10000, 100)
    told: list[list[Entry]] = []
    made.tell = told.append
    return made, told


def give(to: Handover, body: bytes) -> tuple[Envelope, asyncio.Future[None]]:
    envelope = Envelope(to.new_id(), "s@example.net", [Recipient("r@example.org", notify="NEVER")], 1.5,
                        origin=Origin("mail.example", "192.0.2.1"), overrides=frozenset({"no_milters"}))
    draft = to.draft(envelope.queue_id)
    draft.write(body)
    return envelope, to.keep(draft, envelope, b"Received: x\r\n")


@pytest.mark.asyncio
async def test_one_turn_is_one_batch_and_an_envelope_arrives_as_it_was(tmp_path: Path) -> None:
    to, told = handover(tmp_path)
    sent = [give(to, b"one\r\n"), give(to, b"two\r\n")]
    assert told == []
    await asyncio.sleep(0)
    [batch] = told
    for (envelope, _), (key, queue_id, packed, parts, file), body in zip(sent, batch, (b"one", b"two"), strict=True):
        assert (queue_id, b"".join(parts), file) == (envelope.queue_id, b"Received: x\r\n" + body + b"\r\n", None)
        assert unpack(queue_id, packed) == envelope
        to.answered(("durable", [key]))
    await asyncio.gather(*(future for _, future in sent))


@pytest.mark.asyncio
async def test_failures_are_told_to_those_who_failed(tmp_path: Path) -> None:
    to, told = handover(tmp_path)
    futures = [give(to, b"x")[1] for _ in range(3)]
    await asyncio.sleep(0)
    first, second, third = (entry[0] for entry in told[0])
    to.answered(("failed", [(first, True, "no room"), (second, False, "bad disk")]))
    to.answered(("durable", [third]))
    found = await asyncio.gather(*futures, return_exceptions=True)
    assert [type(each) for each in found] == [SpoolFull, SpoolFailure, type(None)]
    assert [str(each) for each in found[:2]] == ["no room", "bad disk"]


@pytest.mark.asyncio
async def test_a_large_body_is_on_disk_before_it_is_handed_over(tmp_path: Path) -> None:
    to, told = handover(tmp_path)
    envelope, future = give(to, b"x" * 100_000)
    async with asyncio.timeout(5):
        while not told:  # noqa: ASYNC110 -- it comes from a thread
            await asyncio.sleep(0.001)
    [[(key, _, _, parts, file)]] = told
    assert (file, b"".join(parts)) == (envelope.queue_id, b"Received: x\r\n")
    assert (tmp_path / envelope.queue_id).read_bytes() == b"x" * 100_000
    to.answered(("durable", [key]))
    await future


@pytest.mark.asyncio
async def test_when_nobody_is_there_any_more(tmp_path: Path) -> None:
    """What was handed over or waits for it fails, and its body stays: it may have been committed all the same."""
    to, told = handover(tmp_path)
    _, answered = give(to, b"a")
    await asyncio.sleep(0)
    _, waiting = give(to, b"b")
    large, filed = give(to, b"c" * 100_000)
    async with asyncio.timeout(5):
        while len(told) < 3:  # noqa: ASYNC110 -- it comes from a thread
            await asyncio.sleep(0.001)
    to.lost()
    to.lost()
    _, late = give(to, b"d")
    found = await asyncio.gather(answered, waiting, filed, late, return_exceptions=True)
    assert [str(each) for each in found] == [GONE] * 4 and all(isinstance(each, SpoolFailure) for each in found)
    assert (tmp_path / large.queue_id).exists()
