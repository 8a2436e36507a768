"""What the tests of the memory share: a memory in a directory, what it said, and catches."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from gatepost.config.settings import Settings
from gatepost.screen.memory import Memory
from gatepost.screen.memory_places import bounds_of, open_store
from gatepost.screen.memory_store import Catch

RETRY = 0.01  # seconds between attempts at a store that fails


@dataclass
class Heard:
    """Log lines of a memory."""

    warnings: list[str] = field(default_factory=list)
    infos: list[str] = field(default_factory=list)


def settings(cache: str, **more: str) -> Settings:
    return Settings.of({"postscreen_cache_map": cache} | more)


def file(directory: Path, name: str = "cache") -> Path:
    return directory / f"{name}.sqlite"


def open_memory(found: Settings, heard: Heard) -> Memory:
    """Memory.of with a retry that tests can wait for."""
    return Memory(open_store(found, heard.warnings.append), bounds_of(found), warn=heard.warnings.append,
                  info=heard.infos.append, retry=RETRY)


@asynccontextmanager
async def memory(found: Settings, heard: Heard | None = None) -> AsyncIterator[Memory]:
    """Closed at the end; without `heard` it must have nothing to complain about."""
    own = heard or Heard()
    opened = open_memory(found, own)
    try:
        yield opened
    finally:
        await opened.close()
    if heard is None:
        assert own.warnings == []


def catch(address: str = "192.0.2.7", *, age: float = 0, text: str = "PREGREET 1 after 0 from [192.0.2.7]:4711: x",
          trial: str = "pregreet") -> Catch:
    """A catch that many seconds ago."""
    return Catch(time.time() - age, address, 4711, trial, "enforce", "buffered", text)
