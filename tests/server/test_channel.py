"""server/channel.py: whatever is said arrives, once and in order, however the bytes are cut; an end is an end."""

from __future__ import annotations

import asyncio
import marshal
import socket
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatepost.server import frames
from gatepost.server.channel import Channel

PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.binary() | \
    st.text(st.characters(codec=None))
VALUES = st.recursive(PLAIN, lambda inner: st.lists(inner) | st.tuples(inner, inner), max_leaves=8)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 -- what is waited for happens in callbacks
            await asyncio.sleep(0.001)


def heard(values: Sequence[Any], cuts: Sequence[int]) -> list[Any]:
    """The values written by hand, cut at these places, and what the channel makes of them."""
    marshalled = [marshal.dumps(value, frames.FORMAT) for value in values]
    raw = b"".join(len(one).to_bytes(4, "little") + one for one in marshalled)
    out: list[Any] = []

    async def run() -> None:
        near, far = socket.socketpair()
        ended: list[bool] = []
        made = Channel(near, asyncio.get_running_loop(), out.append, lambda: ended.append(True))
        at = 0
        for cut in [*sorted(cut % (len(raw) + 1) for cut in cuts), len(raw)]:
            far.sendall(raw[at:cut])
            at = cut
            await asyncio.sleep(0)
        far.close()
        await until(lambda: bool(ended))
        assert ended == [True] and made.closed

    asyncio.run(run())
    return out


@settings(max_examples=60, deadline=None)
@given(st.lists(VALUES, max_size=5), st.lists(st.integers(0, 10_000), max_size=4))
def test_what_is_said_arrives_however_it_is_cut(values: list[Any], cuts: list[int]) -> None:
    assert heard(values, cuts) == values


@pytest.mark.asyncio
async def test_more_than_the_socket_and_the_buffer_hold() -> None:
    """The other end reads late; then everything comes, frames larger than the buffer, too."""
    near, far = socket.socketpair()
    loop = asyncio.get_running_loop()
    got: list[Any] = []
    sender = Channel(near, loop, lambda _: None, lambda: None)
    values = [("small", n) for n in range(50)] + [("large", b"x" * 3 * frames.CAPACITY), ("last", None)]
    for value in values:
        sender.send(value)
    await asyncio.sleep(0.02)
    receiver = Channel(far, loop, got.append, lambda: None)
    await until(lambda: len(got) == len(values))
    assert got == values
    receiver.send("back")
    sender.close()
    await until(lambda: receiver.closed)
    receiver.send("nobody hears that")


@pytest.mark.asyncio
async def test_the_other_end_is_gone_while_much_is_unsent() -> None:
    near, far = socket.socketpair()
    ended: list[bool] = []
    sender = Channel(near, asyncio.get_running_loop(), lambda _: None, lambda: ended.append(True))
    sender.send(b"x" * 4 * frames.CAPACITY)
    far.close()
    await until(lambda: bool(ended))
    sender.send("more")
    await asyncio.sleep(0.01)
    assert ended == [True]


@pytest.mark.asyncio
async def test_who_closes_while_hearing_hears_no_more() -> None:
    near, far = socket.socketpair()
    got: list[Any] = []

    def received(value: Any) -> None:
        got.append(value)
        made.close()

    made = Channel(near, asyncio.get_running_loop(), received, lambda: got.append("ended"))
    frame = marshal.dumps("once", frames.FORMAT)
    far.sendall((len(frame).to_bytes(4, "little") + frame) * 3)
    await until(lambda: made.closed)
    await asyncio.sleep(0.01)
    assert got == ["once"]
    far.close()


@pytest.mark.asyncio
async def test_what_is_not_understood_ends_the_channel_once() -> None:
    near, far = socket.socketpair()
    loop = asyncio.get_running_loop()
    told: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: told.append(context))
    heard_: list[Any] = []

    def received(value: Any) -> None:
        heard_.append(value)
        raise ValueError(value)

    ended: list[str] = []
    Channel(near, loop, received, lambda: ended.append("near"))
    other = Channel(far, loop, heard_.append, lambda: ended.append("far"))
    other.send("nonsense")
    other.send("more")
    await until(lambda: len(ended) == 2)
    assert heard_ == ["nonsense"] and sorted(ended) == ["far", "near"]
    assert [str(context["exception"]) for context in told] == ["nonsense"]
