"""What does an item of a match list mean? Items read and compiled: negation, files, tables, address blocks, text.

Postfix match_list(3), reference section 5.2: `!` negates, `/file` stands for the items in it, `type:table` matches keys
that exist, everything else is text. Contract: a malformed item is a ConfigError with its place (`strict`), or, as in
Postfix, an item at which every search fails. This file must not know how a list is searched.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gatepost.config.parameter import Word, split_list
from gatepost.lookup.ask import Lookups, Table
from gatepost.span import ConfigError, Span

DEEPEST = 20  # /file in /file


@dataclass(frozen=True, slots=True)
class Network:
    """An address block: IP version, network as a number, how many low bits are free."""

    version: int
    number: int
    free: int


@dataclass(frozen=True, slots=True)
class Item:
    """One item, compiled. Exactly one of `text`, `table`, `broken` says what it is; `network` is extra for text."""

    word: Word
    sense: bool  # what the list says when this item matches: False behind an odd number of "!"
    text: str = ""  # in lower case
    network: Network | None = None
    table: Table | None = None
    broken: str = ""


def fold(text: str) -> str:
    """Letter case does not count (ASCII takes the fast path)."""
    return text.lower() if text.isascii() else text.casefold()


def address_number(text: str) -> tuple[int, int]:
    """(4 or 6, the address as a number); (0, 0) when the text is no address."""
    version, family = (6, socket.AF_INET6) if ":" in text else (4, socket.AF_INET)
    try:
        return version, int.from_bytes(socket.inet_pton(family, text), "big")
    except (OSError, ValueError):
        return 0, 0


def compiled(words: Sequence[Word], lookups: Lookups | None, *, strict: bool, blocks: bool) -> tuple[Item, ...]:
    """Compile the items of a list, files inserted. `blocks`: it is a list of addresses, so NET/BITS means a block."""
    return tuple(Reader(lookups, strict, blocks).items(words))


@dataclass(frozen=True, slots=True)
class Reader:
    """How the items of one list are read."""

    lookups: Lookups | None  # None: no tables
    strict: bool
    blocks: bool

    def items(self, words: Sequence[Word], sense: bool = True, depth: int = 0) -> Iterator[Item]:
        """The items, those of files in their place."""
        for word in words:
            bare = word.text.lstrip("!")
            means = sense if (len(word.text) - len(bare)) % 2 == 0 else not sense
            try:
                if bare.startswith("/"):
                    yield from self.items(_from_file(bare, word, depth), means, depth + 1)
                else:
                    yield self.item(word, bare, means)
            except ConfigError as problem:
                if self.strict:
                    raise
                yield Item(word, means, broken=problem.message)

    def item(self, word: Word, bare: str, sense: bool) -> Item:
        """One item, its "!" removed."""
        if not bare:
            raise ConfigError("a match list item is empty behind '!'", word.span, word.text)
        if bare.startswith("#"):
            raise ConfigError("#comment after other text is not allowed", word.span, word.text)
        if ":" in bare and not bare.startswith("["):
            if address_number(bare.partition("/")[0])[0]:
                raise ConfigError("an IPv6 address in a list stands in []", word.span, word.text)
            if self.lookups is None:
                raise ConfigError("a table is not possible here", word.span, word.text)
            return Item(word, sense, table=self.lookups.table(bare))
        return Item(word, sense, text=fold(bare), network=_network(word, bare) if self.blocks else None)


def _from_file(path: str, word: Word, depth: int) -> list[Word]:
    """The items of /file; lines that begin with # are comments."""
    if depth >= DEEPEST:
        raise ConfigError("files in match lists are nested too deeply", word.span, path)
    try:
        text = Path(path).read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as problem:
        raise ConfigError(f"open file {path}: {problem.strerror}", word.span, word.text) from None
    return [Word(item, Span(path, number, column + 1, len(item)))
            for number, line in enumerate(text.split("\n"), start=1) if not line.lstrip().startswith("#")
            for column, item in split_list(line)]


_BLOCK = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9]+(?:\.[0-9]+){3}))(?:/([0-9]*))?")
_BLOCK_LIKE = re.compile(r"\[?[0-9A-Fa-f:.]*[0-9:][0-9A-Fa-f:.]*\]?/.*|\[.*\]?")


def _network(word: Word, text: str) -> Network | None:
    """Read ADDRESS, [ADDRESS], NET/BITS or [NET]/BITS; None for what can only be a name."""
    read = _BLOCK.fullmatch(text)
    if not read:
        if _BLOCK_LIKE.fullmatch(text):
            raise ConfigError("bad net/mask pattern", word.span, word.text)
        return None
    address = read[1] or read[2]
    version, number = address_number(address)
    bits = 128 if version == 6 else 32
    if not version:
        if read[3] is None and read[2]:
            return None  # 1.2.3.400: nobody's address, and harmless
        raise ConfigError("bad net/mask pattern", word.span, word.text)
    if read[3] is None:
        return Network(version, number, 0)
    if not read[3] or int(read[3]) > bits:
        raise ConfigError("bad net/mask pattern", word.span, word.text)
    free = bits - int(read[3])
    if number >> free << free != number:
        fixed = socket.inet_ntop(socket.AF_INET6 if version == 6 else socket.AF_INET,
                                 (number >> free << free).to_bytes(bits // 8, "big"))
        fixed = f"[{fixed}]" if read[1] else fixed
        raise ConfigError(f'non-null host address bits in "{text}", perhaps you should use "{fixed}/{read[3]}" instead',
                          word.span, word.text)
    return Network(version, number >> free, free)
