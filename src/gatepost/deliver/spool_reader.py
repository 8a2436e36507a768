"""How is a message read back from the spool? Rows and body files, in threads of their own, never on the event loop.

This file must not know who writes.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from gatepost.deliver import spool_store as store
from gatepost.deliver.spool_draft import SpoolFailure

T = TypeVar("T")

THREADS = 2


class Reader:
    """The reading threads of one shard, each with its own connection to the database."""

    def __init__(self, directory: Path, shard: int, loop: asyncio.AbstractEventLoop) -> None:
        self._database = store.database(directory, shard)
        self._bodies = store.bodies(directory, shard)
        self._loop = loop
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="spool-read")
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []

    async def ask(self, question: Callable[[], T]) -> T:
        """Answer a question about the disk in a reading thread."""
        return await self._loop.run_in_executor(self._threads, question)

    def connection(self) -> sqlite3.Connection:
        """This reading thread's connection."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = store.connect(self._database, create=False)
            self._local.connection = connection
            self._connections.append(connection)
        return connection

    def row(self, key: int) -> tuple[bytes, str | None]:
        """What the message's row holds of its content, and the name of its body file. In a reading thread."""
        found = store.content(self.connection(), key)
        if found is None:
            raise SpoolFailure("the message is no longer in the spool")
        return found

    def body(self, file: str) -> Path:
        """Where the body file with this name lies."""
        return self._bodies / file

    def close(self) -> None:
        """End the threads. Blocks."""
        self._threads.shutdown()
        for connection in self._connections:
            connection.close()


class SpooledContent:
    """The content of one message (deliver/result.py: Content); `parts` when what its row holds is still in memory.
    SpoolFailure when it cannot be read."""

    __slots__ = ("_file", "_key", "_parts", "_reader", "size")

    def __init__(self, reader: Reader, key: int, size: int, parts: Sequence[bytes] | None, file: str | None) -> None:
        self.size = size
        self._reader = reader
        self._key = key
        self._parts = parts
        self._file = file

    async def read(self) -> bytes:
        """All of it at once."""
        if self._parts is not None and self._file is None:
            return b"".join(self._parts)
        return b"".join([piece async for piece in self.chunks()])

    async def chunks(self, size: int = 65536) -> AsyncIterator[bytes]:
        """All of it in pieces; a file is read in a thread."""
        reader = self._reader
        parts = self._parts
        if parts is None:
            row, self._file = await self._ask(lambda: reader.row(self._key))
            parts = (row,)
        for part in parts:
            if part:
                yield part
        if self._file is None:
            return
        path = reader.body(self._file)
        body = await self._ask(lambda: path.open("rb", buffering=0))
        try:
            while piece := await self._ask(lambda: body.read(size)):
                yield piece
        finally:
            body.close()

    async def _ask(self, question: Callable[[], T]) -> T:
        try:
            return await self._reader.ask(question)
        except (OSError, sqlite3.Error) as error:
            raise SpoolFailure(str(error)) from error
