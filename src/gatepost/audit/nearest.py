"""Which name was meant? The nearest of many, found without comparing with all of them.

Names that are near share most pairs of neighbouring letters: only those that share the most are compared (difflib's
ratio), so that a file with a thousand unknown names is judged at once. This file must not know what is named.
"""

from __future__ import annotations

import difflib
import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable

COMPARED = 8  # candidates that share the most pairs
RAREST = 10  # pairs of a word that are looked up: what shares none of the rarest is not near
NEAR = 0.84
"""How similar a name must be to be what was meant (difflib's ratio)."""


def _pairs(word: str) -> set[str]:
    return {word[at : at + 2] for at in range(len(word) - 1)}


class Names:
    """Names to be found by what is nearly theirs."""

    def __init__(self, names: Iterable[str]) -> None:
        self._by_pair: dict[str, list[str]] = defaultdict(list)
        for name in sorted(set(names)):
            for pair in _pairs(name):
                self._by_pair[pair].append(name)

    def nearest(self, word: str) -> str:
        """The name that is nearest; "" when none is near."""
        lists = sorted([names for pair in _pairs(word) if (names := self._by_pair.get(pair))], key=len)
        shared: Counter[str] = Counter()
        for names in lists[:RAREST]:
            shared.update(names)
        best = heapq.nlargest(COMPARED, shared, key=lambda name: 2 * shared[name] / (len(name) + len(word)))
        found = difflib.get_close_matches(word, best, n=1, cutoff=NEAR)
        return found[0] if found else ""
