"""server/seats.py: places, and who waits for one."""

from __future__ import annotations

import asyncio

from gatepost.server.seats import Seats


async def _turn() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


def test_without_a_limit_there_is_always_a_place() -> None:
    seats = Seats()
    for _ in range(1000):
        assert seats.free
        seats.take()


def test_who_waits_longest_gets_the_place() -> None:
    async def scene() -> None:
        seats = Seats(1)
        came: list[str] = []
        seats.take()

        async def wait(name: str) -> None:
            await seats.wait()
            came.append(name)

        waiting = [asyncio.create_task(wait(name)) for name in ("first", "second")]
        await _turn()
        seats.leave()
        await _turn()
        assert came == ["first"]
        seats.leave()
        await asyncio.gather(*waiting)
        assert seats.taken == 1
        assert came == ["first", "second"]
        seats.leave()
        assert seats.free and seats.taken == 0

    asyncio.run(scene())


def test_who_gives_up_takes_no_place() -> None:
    async def scene() -> None:
        seats = Seats(1)
        seats.take()
        patient, hasty = asyncio.create_task(seats.wait()), asyncio.create_task(seats.wait())
        await _turn()
        hasty.cancel()
        await _turn()
        seats.leave()
        patient.cancel()  # in the moment in which it gets its place
        await asyncio.gather(patient, hasty, return_exceptions=True)
        assert seats.free and seats.taken == 0

    asyncio.run(scene())


def test_a_reload_brings_places() -> None:
    async def scene() -> None:
        seats = Seats(1)
        seats.take()
        waiting = asyncio.create_task(seats.wait())
        await _turn()
        seats.change(2)
        await waiting
        assert seats.taken == 2

    asyncio.run(scene())
