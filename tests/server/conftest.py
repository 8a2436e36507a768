"""Every asynchronous test of the server runs on both event loops it is made for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import uvloop


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loops, by the name that stands in the test's id."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
