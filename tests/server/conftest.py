"""Every asynchronous test of the server runs on both event loops it is made for; one warm process forks the servers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping

import pytest
import uvloop

from tests.serving import Warm


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loops, by the name that stands in the test's id."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session")
def warm() -> Iterator[Warm]:
    """The process that forks servers."""
    with Warm() as process:
        yield process
