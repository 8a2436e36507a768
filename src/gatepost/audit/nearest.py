"""Which name was meant? The nearest of many, found without comparing with all of them.

Names that are near share most pairs of neighbouring letters: only those that share the most are compared (difflib's
ratio), so that a file with a thousand unknown names is judged at once. This file must not know what is named.
"""

from __future__ import annotations

import difflib
import heapq
import re
from collections import Counter, defaultdict
from collections.abc import Iterable

COMPARED = 8  # candidates that share the most pairs
RAREST = 10  # pairs of a word that are looked up: what shares none of the rarest is not near
NEAR = 0.84
"""How similar a name must be to be what was meant (difflib's ratio)."""


NUMBER = re.compile(r"\d+")


def _pairs(word: str) -> set[str]:
    return {word[at : at + 2] for at in range(len(word) - 1)}


class Names:
    """Names to be found by what is nearly theirs."""

    def __init__(self, names: Iterable[str]) -> None:
        self._by_pair: dict[str, list[str]] = defaultdict(list)
        for name in sorted(set(names)):
            for pair in _pairs(name):
                self._by_pair[pair].append(name)
        self._found: dict[str, str] = {}
        self._far: set[str] = set()  # words with nothing near, their numbers as 0: names in a row are asked about once

    def nearest(self, word: str) -> str:
        """The name that is nearest; "" when none is near."""
        found = self._found.get(word)
        if found is None:
            stem = NUMBER.sub("0", word)
            found = self._found[word] = "" if stem in self._far else self._nearest(word)
            if not found:
                self._far.add(stem)
        return found

    def _nearest(self, word: str) -> str:
        lists = sorted([names for pair in _pairs(word) if (names := self._by_pair.get(pair))], key=len)
        shared: Counter[str] = Counter()
        for names in lists[:RAREST]:
            shared.update(names)
        enough = max(shared.values(), default=0) * 2 // 3
        best = heapq.nlargest(COMPARED, [name for name, count in shared.items() if count >= enough],
                              key=lambda name: shared[name] / (len(name) + len(word)))
        found = difflib.get_close_matches(word, best, n=1, cutoff=NEAR)
        return found[0] if found else ""
