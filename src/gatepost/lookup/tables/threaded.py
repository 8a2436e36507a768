"""How does a library that blocks answer without stopping the others? A table whose lookups run in threads.

Each table has its own few threads, so a server that hangs delays only its own lookups. Idle connections are kept for
the next lookup; one that turns out dead is replaced once. Contract: `get` awaits a future of the running loop. This
file must not know any database.
"""

from __future__ import annotations

import asyncio
import importlib
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Protocol

from gatepost.lookup.ask import LookupFailure
from gatepost.lookup.tables.clientconfig import DomainFilter
from gatepost.lookup.tables.table import fold
from gatepost.span import ConfigError

THREADS = 4
"""Lookups of one table that may wait at the same time."""


class Connection(Protocol):
    """One connection, used by one thread at a time."""

    def ask(self, key: str) -> str | None:
        """The answer. LookupFailure is final; any other error means that the connection is of no more use."""

    def close(self) -> None:
        """Give it back. Must not raise."""


class Connector(Protocol):
    """Opens connections; knows which hosts are down."""

    def connect(self) -> Connection:
        """A new connection. LookupFailure when there is none to be had."""


class ThreadedTable:
    """A fixed-string table behind a blocking library."""

    immediate = False
    partial = True

    def __init__(self, spec: str, connector: Connector, domains: DomainFilter, *, idle: float = 60.0) -> None:
        self.spec = spec
        self.problem: ConfigError | None = None
        self._connector = connector
        self._domains = domains
        self._idle = idle
        self._free: deque[tuple[Connection, float]] = deque()  # append and pop of a deque are atomic
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix=spec.partition(":")[0])

    async def get(self, key: str) -> str | None:
        """Ask in a thread; keys are folded."""
        key = fold(key)
        if self._domains.words and not await self._domains.admits(key):
            return None
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._ask, key)

    def _ask(self, key: str) -> str | None:
        connection = self._take()
        if connection is not None:
            try:
                return self._ask_with(connection, key)
            except LookupFailure:
                raise
            except Exception:
                connection = None  # it died while idle: once more with a new one
        connection = self._connector.connect()
        try:
            return self._ask_with(connection, key)
        except LookupFailure:
            raise
        except Exception as error:  # every library has its own tree of errors
            raise LookupFailure(f"{self.spec}: {error}") from error

    def _ask_with(self, connection: Connection, key: str) -> str | None:
        try:
            found = connection.ask(key)
        except LookupFailure:
            self._free.append((connection, time.monotonic()))
            raise
        except BaseException:
            connection.close()
            raise
        self._free.append((connection, time.monotonic()))
        return found

    def _take(self) -> Connection | None:
        while self._free:
            try:
                connection, since = self._free.pop()
            except IndexError:
                return None
            if time.monotonic() - since <= self._idle:
                return connection
            connection.close()
        return None

    async def close(self) -> None:
        """Close idle connections; a lookup under way ends in its thread."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        while self._free:
            self._free.pop()[0].close()


def library(module: str, kind: str, extra: str) -> ModuleType:
    """Import the library of an optional extra. ConfigError naming the extra when it is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError:
        raise ConfigError(f'unsupported dictionary type: {kind} (needs {module}: pip install "gatepost[{extra}]")',
                          text=kind) from None
