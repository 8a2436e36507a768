"""What was found out a moment ago? A bounded memory of answers that are believed for a few seconds.

It spares the hot path asking the same tables about the same address for every message; the price is that a changed
table counts a few seconds later. This file must not know what is remembered.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

KEPT_SECONDS = 5.0
KEPT = 2048


class Kept(Generic[K, V]):
    """Answers by question. `clock` in seconds."""

    __slots__ = ("_answers", "_clock")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._answers: dict[K, tuple[float, V]] = {}
        self._clock = clock

    def get(self, question: K, missing: V) -> V:
        """The answer while it is believed, otherwise `missing`."""
        found = self._answers.get(question)
        return found[1] if found is not None and found[0] > self._clock() else missing

    def keep(self, question: K, answer: V) -> V:
        """Believe this for a while -> it."""
        answers = self._answers
        answers.pop(question, None)
        if len(answers) >= KEPT:
            del answers[next(iter(answers))]
        answers[question] = (self._clock() + KEPT_SECONDS, answer)
        return answer

    def clear(self) -> None:
        """Believe nothing any more."""
        self._answers.clear()
