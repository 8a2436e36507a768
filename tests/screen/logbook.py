"""A log whose lines tests read, and wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from gatepost.observe.log import Line, Log, Shape


class Logbook:
    """A sink that keeps "tag: text" of every line; `log` writes into it."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._more = asyncio.Event()
        self.log = Log([self], host="mx.test", pid=1)

    def write(self, lines: Sequence[Line], shape: Shape) -> None:
        self.lines += [f"{line[2].removeprefix('postfix/')}: {line[3]}" for line in lines]
        self._more.set()

    def reopen(self) -> None: ...

    def close(self) -> None: ...

    async def until(self, count: int) -> list[str]:
        """Wait for so many lines in all -> them."""
        async with asyncio.timeout(10):
            while len(self.lines) < count:
                self._more.clear()
                await self._more.wait()
        return self.lines
