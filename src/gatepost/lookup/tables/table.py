"""What does every table type share? The opened table, the two ways it can be broken, and what an opener is given.

Contract: an opener gets a name (the text behind `type:`) and an Opening, and returns an OpenTable or raises
ConfigError. A table whose text lies in memory answers in `get_now`; a lookup that cannot be answered raises
LookupFailure. This file must not know any table type.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from gatepost.lookup.ask import LookupFailure
from gatepost.span import ConfigError


class OpenTable(Protocol):
    """What an opener returns: an ask.Table that can be closed and that says whether it is broken."""

    @property
    def spec(self) -> str:
        """The `type:name` that the operator wrote."""

    @property
    def partial(self) -> bool:
        """Asked for partial keys too (fixed-string table)."""

    @property
    def immediate(self) -> bool:
        """It is an ask.ImmediateTable."""

    @property
    def problem(self) -> ConfigError | None:
        """Why its lookups fail at present, None while it works."""

    async def get(self, key: str) -> str | None:
        """See ask.Table."""

    async def close(self) -> None:
        """Give back connections; afterwards the table is not used."""


@dataclass(frozen=True, slots=True)
class Opening:
    """What an opener may use: how members are opened, how a parameter is read, where warnings go."""

    open: Callable[[str], OpenTable]  # a member table; never raises, a broken one fails its lookups
    parameter: Callable[[str], str | None]  # expanded main.cf text of NAME_query and the like, None = unset
    warn: Callable[[str], None]
    error: Callable[[str], None]  # a table that cannot be opened


Opener = Callable[[str, Opening], OpenTable]


class MemoryTable:
    """A table that answers at once. Subclasses define `get_now`."""

    __slots__ = ("partial", "problem", "spec")
    immediate = True

    def __init__(self, spec: str, *, partial: bool = True) -> None:
        self.spec = spec
        self.partial = partial
        self.problem: ConfigError | None = None

    def get_now(self, key: str) -> str | None:
        """The value, None when there is none. LookupFailure when it cannot be known."""
        raise NotImplementedError

    async def get(self, key: str) -> str | None:
        """The same as a coroutine; it never suspends."""
        return self.get_now(key)

    async def close(self) -> None:
        """Nothing to give back."""


class DictTable(MemoryTable):
    """A fixed-string table whose entries are at hand. Keys of `entries` are folded already."""

    __slots__ = ("_entries",)

    def __init__(self, spec: str, entries: dict[str, str]) -> None:
        super().__init__(spec)
        self._entries = entries

    def get_now(self, key: str) -> str | None:
        """One dictionary access."""
        return self._entries.get(fold(key))


class BrokenTable(MemoryTable):
    """Stands for a table that cannot be opened: every lookup fails, as with Postfix's surrogate table."""

    __slots__ = ()

    def __init__(self, spec: str, problem: ConfigError) -> None:
        super().__init__(spec, partial=False)
        self.problem = problem

    def get_now(self, key: str) -> str | None:
        """Always LookupFailure."""
        raise unavailable(self)


def unavailable(table: OpenTable) -> LookupFailure:
    """The failure of every lookup in a table that has a problem."""
    reason = table.problem.message if table.problem else "closed"
    return LookupFailure(f"{table.spec} is unavailable. {reason}", temporary=False)


def fold(key: str) -> str:
    """The key of a fixed-string table: letter case does not count (ASCII keys take the fast path)."""
    return key.lower() if key.isascii() else key.casefold()


def strip_braces(text: str) -> str | None:
    """`{ text }` without the outer braces and the blanks inside them; None when it is not one braced text."""
    if not text.startswith("{"):
        return None
    depth = 0
    for at, char in enumerate(text):
        depth += (char == "{") - (char == "}")
        if depth == 0:
            return text[1:at].strip() if not text[at + 1 :].strip() else None
    return None
