"""Run a coroutine on the spot, as far as it goes without waiting; only the rest, if any, needs a task.

Contract: what the coroutine awaits before its task exists must be a future (lookup/ask.py says the same).
"""

from __future__ import annotations

import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any, TypeVar

T = TypeVar("T")


def eagerly(work: Coroutine[Any, Any, T], then: Callable[[T], None] | None = None) -> Coroutine[Any, Any, None] | None:
    """Run `work`, give its result to `then`. None when all is done, otherwise what must run as a task."""
    try:
        waiting = work.send(None)
    except StopIteration as done:
        if then is not None:
            then(done.value)
        return None
    return _go_on(work, waiting, then)


async def _go_on(work: Coroutine[Any, Any, T], waiting: object, then: Callable[[T], None] | None) -> None:
    result: T = await _rest(work, waiting)
    if then is not None:
        then(result)


@types.coroutine
def _rest(work: Coroutine[Any, Any, T], waiting: object) -> Generator[Any, Any, T]:
    resume: Callable[[Any], Any] = work.send
    while True:
        argument: Any
        try:
            argument = yield waiting
            resume = work.send
        except BaseException as error:
            argument, resume = error, work.throw
        try:
            waiting = resume(argument)
        except StopIteration as done:
            result: T = done.value
            return result
