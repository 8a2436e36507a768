"""Is this name or address on that list? Match lists: mynetworks, mydestination, relay_domains and their like.

Postfix match_list(3), reference section 5.2: items in order, the first match decides; how items read is patterns.py.
A list is compiled once; without tables an answer is a dictionary hit after the first time. Contract: a table that
cannot answer, and an item that could not be compiled, end the search with LookupFailure. This file must not know which
parameters exist.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from gatepost.config.parameter import Word
from gatepost.lookup.ask import LookupFailure, Lookups, Table, is_immediate
from gatepost.lookup.patterns import Item, address_number, compiled, fold

CACHED = 1024  # answers kept for each list without tables; clients and domains repeat


@dataclass(frozen=True, slots=True)
class Subject:
    """What is looked for: folded text, and its meaning as an address (version 0: none)."""

    text: str
    version: int = 0
    number: int = 0


class Kind(Protocol):
    """How one kind of subject meets an item."""

    def subject(self, text: str) -> Subject:
        """Prepare once what each item needs."""

    def meets(self, item: Item, subject: Subject) -> bool:
        """Does a text item match?"""

    def keys(self, table: Table, subject: Subject) -> Iterator[str]:
        """What a table is asked, in order, until it answers."""


class ExactText:
    """string_list: the whole text."""

    __slots__ = ()

    def subject(self, text: str) -> Subject:
        """The folded text."""
        return Subject(fold(text))

    def meets(self, item: Item, subject: Subject) -> bool:
        """Equal."""
        return item.text == subject.text

    def keys(self, table: Table, subject: Subject) -> Iterator[str]:
        """The text."""
        yield subject.text


class HostName:
    """domain_list: the name, or a parent domain of it."""

    __slots__ = ("parents",)

    def __init__(self, parents: bool) -> None:
        self.parents = parents  # example.com covers sub-domains; otherwise only .example.com does

    def subject(self, text: str) -> Subject:
        """The folded name."""
        return Subject(fold(text))

    def meets(self, item: Item, subject: Subject) -> bool:
        """Equal, or below the domain."""
        if item.text == subject.text:
            return True
        if item.text.startswith("."):
            return not self.parents and len(subject.text) > len(item.text) and subject.text.endswith(item.text)
        return self.parents and subject.text.endswith("." + item.text)

    def keys(self, table: Table, subject: Subject) -> Iterator[str]:
        """The name, then its parents, with the leading dot unless parents cover sub-domains."""
        key = subject.text
        yield key
        while table.partial and (dot := key.find(".", 1)) >= 0:
            key = key[dot + 1 :] if self.parents else key[dot:]
            if not key:
                break
            yield key


class Address:
    """addr_match_list: an IP address; blocks in CIDR form."""

    __slots__ = ()

    def subject(self, text: str) -> Subject:
        """The address as a number; a text that is none matches nothing."""
        version, number = address_number(text)
        return Subject(fold(text), version, number)

    def meets(self, item: Item, subject: Subject) -> bool:
        """The same address, or inside the block."""
        network = item.network
        if network is None:
            return False
        return network.version == subject.version and network.number == subject.number >> network.free

    def keys(self, table: Table, subject: Subject) -> Iterator[str]:
        """The address."""
        if subject.version:
            yield subject.text


class Search:
    """A compiled list with the kinds of subject it is asked about, in order (name, then address)."""

    __slots__ = ("_answers", "_kinds", "items", "plain", "static")

    def __init__(self, items: tuple[Item, ...], *kinds: Kind) -> None:
        self.items = items
        self._kinds = kinds
        self.plain = plain = all(item.table is None for item in items)
        self.static = plain or all(item.table is None or is_immediate(item.table) for item in items)
        # Tables may be read again: only a list of plain text gives the same answer for ever.
        self._answers: dict[tuple[str, ...], bool] | None = {} if plain else None

    def now(self, *texts: str) -> bool:
        """The answer of a static list."""
        if self._answers is not None and (known := self._answers.get(texts)) is not None:
            return known
        answer = self._search_now(texts)
        if self._answers is not None:
            if len(self._answers) >= CACHED:
                self._answers.clear()
            self._answers[texts] = answer
        return answer

    def _search_now(self, texts: tuple[str, ...]) -> bool:
        subjects = [(kind, kind.subject(text)) for kind, text in zip(self._kinds, texts, strict=True) if text]
        for item in self.items:
            for kind, subject in subjects:
                if item.table is None:
                    if _meets(kind, item, subject):
                        return item.sense
                    continue
                assert is_immediate(item.table), f"{item.word} has to wait: ask `matches`"
                for key in kind.keys(item.table, subject):
                    if item.table.get_now(key) is not None:
                        return item.sense
        return False

    async def ask(self, *texts: str) -> bool:
        """The answer of any list."""
        if self.static:
            return self.now(*texts)
        subjects = [(kind, kind.subject(text)) for kind, text in zip(self._kinds, texts, strict=True) if text]
        for item in self.items:
            for kind, subject in subjects:
                if item.table is None:
                    if _meets(kind, item, subject):
                        return item.sense
                    continue
                for key in kind.keys(item.table, subject):
                    if await item.table.get(key) is not None:
                        return item.sense
        return False


def _meets(kind: Kind, item: Item, subject: Subject) -> bool:
    if item.broken:
        raise LookupFailure(item.broken, temporary=False)
    return kind.meets(item, subject)


class StringList:
    """Whole texts: mydestination, virtual_mailbox_domains, sets of words."""

    __slots__ = ("_search", "static")

    def __init__(self, search: Search) -> None:
        self._search = search
        self.static = search.static

    @classmethod
    def of(cls, words: tuple[Word, ...], lookups: Lookups | None = None, *, strict: bool = True) -> StringList:
        """Compile; ConfigError for a malformed item when `strict`."""
        return cls(Search(compiled(words, lookups, strict=strict, blocks=False), ExactText()))

    def matches_now(self, key: str) -> bool:
        """Without waiting; only when `static`."""
        return self._search.now(key)

    async def matches(self, key: str) -> bool:
        """Is it on the list? LookupFailure when a table fails."""
        return await self._search.ask(key)


class DomainList:
    """Domains and, as `parent_subdomains` says, what is below them: relay_domains."""

    __slots__ = ("_search", "static")

    def __init__(self, search: Search) -> None:
        self._search = search
        self.static = search.static

    @classmethod
    def of(cls, words: tuple[Word, ...], parent_subdomains: bool, lookups: Lookups | None = None, *,
           strict: bool = True) -> DomainList:
        """Compile; ConfigError for a malformed item when `strict`."""
        return cls(Search(compiled(words, lookups, strict=strict, blocks=False), HostName(parent_subdomains)))

    def matches_now(self, key: str) -> bool:
        """Without waiting; only when `static`."""
        return self._search.now(key)

    async def matches(self, key: str) -> bool:
        """Is the domain on the list? LookupFailure when a table fails."""
        return await self._search.ask(key)


class AddressList:
    """IP addresses and blocks: postscreen_access_list's networks, smtpd_forbid_bare_newline_exclusions."""

    __slots__ = ("_search", "plain", "static")

    def __init__(self, search: Search) -> None:
        self._search = search
        self.static = search.static
        self.plain = search.plain  # no tables at all: the answer never changes

    @classmethod
    def of(cls, words: tuple[Word, ...], lookups: Lookups | None = None, *, strict: bool = True) -> AddressList:
        """Compile; ConfigError for a malformed item when `strict`."""
        return cls(Search(compiled(words, lookups, strict=strict, blocks=True), Address()))

    def matches_now(self, key: str) -> bool:
        """Without waiting; only when `static`."""
        return self._search.now(key)

    async def matches(self, key: str) -> bool:
        """Is the address on the list? LookupFailure when a table fails."""
        return await self._search.ask(key)


class NameAddrList:
    """A client's name, then its address, against each item: mynetworks, smtpd_authorized_xclient_hosts."""

    __slots__ = ("_search", "plain", "static")

    def __init__(self, search: Search) -> None:
        self._search = search
        self.static = search.static
        self.plain = search.plain  # no tables at all: the answer never changes

    @classmethod
    def of(cls, words: tuple[Word, ...], parent_subdomains: bool, lookups: Lookups | None = None, *,
           strict: bool = True) -> NameAddrList:
        """Compile; ConfigError for a malformed item when `strict`."""
        items = compiled(words, lookups, strict=strict, blocks=True)
        return cls(Search(items, HostName(parent_subdomains), Address()))

    def matches_now(self, name: str, address: str) -> bool:
        """Without waiting; only when `static`."""
        return self._search.now(name, address)

    async def matches(self, name: str, address: str) -> bool:
        """Is the client on the list? LookupFailure when a table fails."""
        return await self._search.ask(name, address)


def matches_subdomains(parents: tuple[Word, ...], parameter: str) -> bool:
    """Is `parameter` in parent_domain_matches_subdomains, so that example.com covers its sub-domains?"""
    return any(word.text.lower() in (parameter, "static:all") for word in parents)
