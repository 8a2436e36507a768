"""Which tables are made of others? `pipemap:`, `unionmap:`, `randmap:`, `proxy:` and `debug:`.

Postfix DATABASE_README. A combination is asked for partial keys when one of its members is, answers at once when all of
them do, and has a problem as long as one of them has. Members belong to whoever opened them: they are not closed here.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import partial

from gatepost.config.parameter import split_list
from gatepost.lookup.ask import is_immediate
from gatepost.lookup.tables.table import MemoryTable, Opener, Opening, OpenTable, strip_braces
from gatepost.span import ConfigError


class Combination:
    """Members in order. Subclasses define how one answer comes of theirs, twice: at once, and waiting."""

    __slots__ = ("immediate", "members", "spec")

    def __init__(self, spec: str, members: Sequence[OpenTable]) -> None:
        self.spec = spec
        self.members = tuple(members)
        self.immediate = all(is_immediate(member) for member in members)

    @property
    def partial(self) -> bool:
        """True when a member is a fixed-string table."""
        return any(member.partial for member in self.members)

    @property
    def problem(self) -> ConfigError | None:
        """The first member's that has one."""
        return next((member.problem for member in self.members if member.problem), None)

    async def close(self) -> None:
        """Members are closed by whoever opened them."""


class PipeTable(Combination):
    """The result of one member is the key of the next; no result anywhere is no result."""

    __slots__ = ()

    def get_now(self, key: str) -> str | None:
        """All members in memory."""
        found: str | None = key
        for member in self.members:
            if found is None or not is_immediate(member):
                return None
            found = member.get_now(found)
        return found

    async def get(self, key: str) -> str | None:
        """Ask one after the other."""
        found: str | None = key
        for member in self.members:
            if found is None:
                return None
            found = await member.get(found)
        return found


class UnionTable(Combination):
    """All results in the order of the members, joined with commas."""

    __slots__ = ()

    def get_now(self, key: str) -> str | None:
        """All members in memory."""
        return _join([member.get_now(key) for member in self.members if is_immediate(member)])

    async def get(self, key: str) -> str | None:
        """Ask one after the other."""
        return _join([await member.get(key) for member in self.members])


def _join(results: list[str | None]) -> str | None:
    found = [result for result in results if result is not None]
    return ",".join(found) if found else None


class WrappedTable(Combination):
    """Another table under the name the operator gave it; `watch` sees every answer (`debug:`)."""

    __slots__ = ("_watch",)

    def __init__(self, spec: str, member: OpenTable, watch: Callable[[str, str | None], None] | None = None) -> None:
        super().__init__(spec, (member,))
        self._watch = watch

    def get_now(self, key: str) -> str | None:
        """What the wrapped table says at once."""
        member = self.members[0]
        found = member.get_now(key) if is_immediate(member) else None
        if self._watch:
            self._watch(key, found)
        return found

    async def get(self, key: str) -> str | None:
        """What the wrapped table says."""
        found = await self.members[0].get(key)
        if self._watch:
            self._watch(key, found)
        return found


class RandomTable(MemoryTable):
    """One of the values, whatever the key."""

    __slots__ = ("_values",)

    def __init__(self, spec: str, values: Sequence[str]) -> None:
        super().__init__(spec, partial=False)
        self._values = tuple(values)

    def get_now(self, key: str) -> str | None:
        """A random pick."""
        return random.choice(self._values)


def _items(kind: str, name: str, what: str) -> list[str]:
    inside = strip_braces(name)
    items = [item for _, item in split_list(inside)] if inside else []
    if not items or (":" in what and not all(":" in item for item in items)):
        raise ConfigError(f'bad syntax: "{kind}:{name}"; need "{kind}:{{{what}...}}"', text=name)
    return items


def open_combination(kind: str, table: type[Combination], name: str, opening: Opening) -> OpenTable:
    """`kind:{type:name, type:name}`; braces protect blanks and commas inside a member's name."""
    members = [opening.open(item) for item in _items(kind, name, "type:name")]
    return table(f"{kind}:{name}", members)  # type: ignore[return-value]  # both subclasses have get


def open_random(name: str, _: Opening) -> RandomTable:
    """`randmap:{a, b, c}`."""
    return RandomTable(f"randmap:{name}", _items("randmap", name, "value"))


def open_proxy(name: str, opening: Opening) -> WrappedTable:
    """`proxy:type:name`: we have no proxymap server, the table is opened as what it wraps."""
    return WrappedTable(f"proxy:{name}", _member("proxy", name, opening))


def open_debug(name: str, opening: Opening) -> WrappedTable:
    """`debug:type:name`: every answer is told."""

    def tell(key: str, found: str | None) -> None:
        opening.warn(f'debug:{name} lookup: "{key}" = ' + ("not found" if found is None else f'"{found}"'))

    return WrappedTable(f"debug:{name}", _member("debug", name, opening), tell)


def _member(kind: str, name: str, opening: Opening) -> OpenTable:
    if ":" not in name:
        raise ConfigError(f'bad syntax: "{kind}:{name}"; need "{kind}:type:name"', text=name)
    return opening.open(name)


OPENERS: dict[str, Opener] = {
    "pipemap": partial(open_combination, "pipemap", PipeTable),
    "unionmap": partial(open_combination, "unionmap", UnionTable),
    "randmap": open_random,
    "proxy": open_proxy,
    "debug": open_debug,
}
