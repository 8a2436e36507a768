"""What do these tables say about that key? Ordered tables (`*_maps`), and the keys of a mail address.

Postfix maps(3) and mail_addr_find(3), reference sections 4.8 and 5.4: tables in order, the first result wins, an empty
result is an error; pattern tables see only the full key. Contract: no waiting when every table asked is in memory;
LookupFailure when a table cannot answer. This file must not know what results mean.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

from gatepost.config.parameter import Word
from gatepost.lookup.ask import LookupFailure, Lookups, Table, is_immediate
from gatepost.lookup.rewrite import forms, parts, without_extension


class Maps:
    """The tables of one parameter, in order. False when there are none."""

    __slots__ = ("tables",)

    def __init__(self, tables: Sequence[Table]) -> None:
        self.tables = tuple(tables)

    @classmethod
    def of(cls, words: tuple[Word, ...], lookups: Lookups) -> Maps:
        """Open what the parameter lists."""
        return cls([lookups.table(word.text) for word in words])

    def __bool__(self) -> bool:
        return bool(self.tables)

    async def find(self, key: str, *, partial: bool = False) -> str | None:
        """The first result; with `partial`, pattern tables are left out."""
        for table in self.tables:
            if partial and not table.partial:
                continue
            value = table.get_now(key) if is_immediate(table) else await table.get(key)
            if value is None:
                continue
            if not value:
                raise LookupFailure(f"{table.spec} lookup of {key} returns an empty string result", temporary=False)
            return value
        return None

    async def find_first(self, keys: Iterator[tuple[str, bool]]) -> str | None:
        """The first result over (key, partial) pairs."""
        for key, partial in keys:
            value = await self.find(key, partial=partial)
            if value is not None:
                return value
        return None

    async def find_address(self, address: str, delimiters: str, *, short: bool) -> str | None:
        """The result for an address: in full, without extension, local part alone when `short` (its domain is ours),
        then `@domain`."""
        if not self.tables:
            return None
        return await self.find_first(chain(full_keys(address, delimiters), rest_keys(address, delimiters, short=short)))


def full_keys(address: str, delimiters: str) -> Iterator[tuple[str, bool]]:
    """(key, partial) of `user+ext@domain` and `user@domain`."""
    for form in forms(address):
        yield form, False
    local, domain = parts(address)
    user = without_extension(local, delimiters)
    if user is not None:
        for form in forms(user if domain is None else f"{user}@{domain}"):
            yield form, True


def rest_keys(address: str, delimiters: str, *, short: bool) -> Iterator[tuple[str, bool]]:
    """(key, partial) of `user+ext` and `user` when `short`, and of `@domain`."""
    local, domain = parts(address)
    if domain is None:
        return
    if short:
        for name in (local, without_extension(local, delimiters)):
            if name is not None:
                for form in forms(f"{name}@"):
                    yield form[:-1], True
    yield f"@{domain}", True
