"""server/outbox.py: what is to be sent leaves once, in order, before the turn is over; a full burst at once."""

from __future__ import annotations

import asyncio

import pytest

from gatepost.server.outbox import BURST, Outbox


class Sender:
    def __init__(self, number: int, sent: list[int]) -> None:
        self._number = number
        self._sent = sent

    def send_late(self) -> None:
        self._sent.append(self._number)


@pytest.mark.asyncio
@pytest.mark.parametrize("count", [1, BURST - 1, BURST, BURST + 1, 3 * BURST, 3 * BURST + 2])
async def test_full_bursts_leave_at_once_and_the_rest_at_the_end_of_the_turn(count: int) -> None:
    sent: list[int] = []
    outbox = Outbox(asyncio.get_running_loop())
    for turn in range(2):
        for number in range(count):
            outbox.add(Sender(turn * count + number, sent))
        assert len(sent) == turn * count + count // BURST * BURST
        await asyncio.sleep(0)
        assert sent == list(range((turn + 1) * count))


@pytest.mark.asyncio
async def test_who_adds_while_others_send_is_not_forgotten() -> None:
    sent: list[int] = []
    outbox = Outbox(asyncio.get_running_loop())

    class Again(Sender):
        def send_late(self) -> None:
            super().send_late()
            outbox.add(Sender(2, sent))

    outbox.add(Again(1, sent))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert sent == [1, 2]
