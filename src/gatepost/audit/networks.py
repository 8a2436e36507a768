"""Which clients does a list of networks take in? mynetworks and its like, read as far as they are text.

A match list of addresses: items in order, the first that matches decides, `!` negates, /file stands for the items in
it, a table matches where it has the key, whatever the value (`0.0.0.0/0 REJECT` in a cidr: table takes in everybody).
`#` behind an item is no comment to Postfix. This file must not know any rule.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from gatepost.audit.listener import Listener
from gatepost.audit.subject import Subject
from gatepost.audit.table import Row, Table
from gatepost.config.parameter import Word, split_list
from gatepost.config.settings import Settings
from gatepost.config.source import is_comment
from gatepost.span import ConfigError, Span

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

EVERYBODY4, EVERYBODY6 = ipaddress.IPv4Network("0.0.0.0/0"), ipaddress.IPv6Network("::/0")
INSIDE = tuple(ipaddress.ip_network(each) for each in (
    "127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10", "::1/128",
    "fc00::/7", "fe80::/10"))
"""Addresses that do not come from the Internet: loopback, private, link-local, carriers' inner ones."""
LOOPBACK = (INSIDE[0], INSIDE[6])
STRANGERS = ("8.8.8.8", "203.0.113.77", "198.51.100.3", "91.220.1.9")
STRANGERS6 = ("2001:db8::77", "2a01:4f8::1")
"""Addresses that nobody has in common: a pattern that fits them all fits everybody."""
WIDE = {4: 16, 6: 32}
"""A public network this long or shorter is more than one organisation's clients."""
DEPTH = 5  # of files in files


@dataclass(frozen=True, slots=True)
class Taken:
    """What one item takes in. `network` None: it is text behind `#` (`comment`). `word` as written in the setting,
    `span` its place there; `inside`: the place in the table or file that it names, None when it says it itself."""

    word: str
    span: Span | None
    network: Network | None
    inside: Span | None = None
    comment: bool = False

    @property
    def size(self) -> int:
        """How many addresses."""
        return self.network.num_addresses if self.network else 0


def taken(words: tuple[Word, ...], subject: Subject) -> list[Taken]:
    """What the items of a list take in, as far as it can be known, without what an earlier `!` item takes out."""
    out: list[Network] = []
    found: list[Taken] = []
    for sense, each in _items(words, subject, True, 0):
        if each.network is None:
            found.append(each)
        elif not any(_within(each.network, denied) for denied in out):
            if sense:
                found.append(each)
            else:
                out.append(each.network)
    return found


def is_inside(network: Network) -> bool:
    """Does it hold only addresses that do not come from the Internet?"""
    return any(_within(network, inside) for inside in INSIDE)


def is_loopback(network: Network) -> bool:
    """Only this host's own?"""
    return any(_within(network, inside) for inside in LOOPBACK)


def is_everybody(network: Network) -> bool:
    """All addresses of a family, or next to all."""
    return network.prefixlen <= (8 if network.version == 4 else 16) and not is_inside(network)


def is_too_wide(network: Network) -> bool:
    """Is it public, and more than one organisation's clients?"""
    return not is_inside(network) and network.prefixlen <= WIDE[network.version]


def network_of(text: str) -> Network | None:
    """NET/BITS or an address, with or without brackets; None for what is a name. Host bits are forgiven here."""
    read = re.fullmatch(r"\[?([0-9A-Fa-f:.]*[0-9:][0-9A-Fa-f:.]*)\]?(?:/([0-9]{1,3}))?", text)
    if read is None:
        return None
    try:
        return ipaddress.ip_network(f"{read[1]}/{read[2]}" if read[2] else read[1], strict=False)
    except ValueError:
        return None


def _within(network: Network, other: Network) -> bool:
    if isinstance(network, ipaddress.IPv4Network):
        return isinstance(other, ipaddress.IPv4Network) and network.subnet_of(other)
    return isinstance(other, ipaddress.IPv6Network) and network.subnet_of(other)


def _items(words: tuple[Word, ...], subject: Subject, sense: bool, depth: int) -> Iterator[tuple[bool, Taken]]:
    for word in words:
        bare = word.text.lstrip("!")
        means = sense if (len(word.text) - len(bare)) % 2 == 0 else not sense
        network = network_of(bare)
        if bare.startswith("#") or ("#" in bare and network_of(bare.partition("#")[0])):
            yield True, Taken(word.text, word.span, None, comment=True)
            return
        if network is not None:
            yield means, Taken(word.text, word.span, network)
        elif bare.startswith("/"):
            for inner, each in _items(_of_file(bare, subject), subject, means, depth + 1) if depth < DEPTH else ():
                yield inner, replace(each, word=word.text, span=word.span, inside=each.inside or each.span)
        elif ":" in bare:
            for key, inside in _of_table(subject.table(bare)):
                yield means, Taken(word.text, word.span, key, inside)


def _of_file(path: str, subject: Subject) -> tuple[Word, ...]:
    read = subject.read(path)
    if read is None:
        return ()
    file, text = read
    return tuple(Word(item, Span(file, number, column + 1, len(item)))
                 for number, line in enumerate(text.split("\n"), 1) if not is_comment(line)
                 for column, item in split_list(line))


def _of_table(table: Table) -> Iterator[tuple[Network, Span | None]]:
    """The networks that a table has as keys."""
    for row in table.rows or ():
        if table.kind == "static":
            yield from ((each, None) for each in (EVERYBODY4, EVERYBODY6))
        elif table.kind in ("regexp", "pcre"):
            yield from ((each, row.span) for each in _fitted(row))
        else:
            network = network_of(row.key)
            if network is not None and (table.kind == "cidr" or network.num_addresses == 1):
                yield network, row.span


def _fitted(row: Row) -> Iterator[Network]:
    """Everybody, when a pattern fits addresses that have nothing in common."""
    negated = row.key.startswith("!")
    delimiter = row.key[negated : negated + 1]
    pattern = row.key[negated + 1 :].rpartition(delimiter)[0] if delimiter else ""
    try:
        compiled = re.compile(pattern)
    except (re.error, OverflowError, RecursionError):
        return
    for addresses, everybody in ((STRANGERS, EVERYBODY4), (STRANGERS6, EVERYBODY6)):
        if all(bool(compiled.search(address)) is not negated for address in addresses):
            yield everybody


@dataclass(frozen=True)
class ListSetting:
    """A match list as one place sets it, and the listeners that it is in force for. `here`: the service whose override
    it is, "" for main.cf."""

    name: str
    place: Span | None
    settings: Settings
    listeners: tuple[Listener, ...]
    here: str

    @property
    def words(self) -> tuple[Word, ...]:
        """The items, none when they do not expand."""
        try:
            return self.settings.words(self.name)
        except ConfigError:
            return ()

    @property
    def is_outside(self) -> bool:
        """Can it concern clients of other hosts?"""
        return not self.listeners or not all(listener.is_loopback for listener in self.listeners)


def set_lists(subject: Subject, name: str) -> list[ListSetting]:
    """Every setting of a match list that is in force for a listener, screening included; main.cf's when there is no
    listener at all. What nobody sets is left out."""
    found: dict[Span, tuple[Settings, list[Listener], str]] = {}
    for listener in subject.listeners:
        for settings in (listener.settings, listener.screen_settings):
            place = settings.span(name) if settings is not None else None
            if settings is None or place is None:
                continue
            owner = str(listener.smtpd) if settings is listener.settings else listener.name
            here = owner if place != subject.main.span(name) else ""
            listeners = found.setdefault(place, (settings, [], here))[1]
            if listener not in listeners:
                listeners.append(listener)
    place = subject.main.span(name)
    if place is not None and not subject.listeners:
        found[place] = (subject.main, [], "")
    return [ListSetting(name, place, settings, tuple(listeners), here)
            for place, (settings, listeners, here) in found.items()]


def by_item(items: Iterable[Taken]) -> Iterator[Taken]:
    """For each item the widest of what it takes in."""
    widest: dict[tuple[str, Span | None], Taken] = {}
    for each in items:
        key = each.word, each.span
        if key not in widest or each.size > widest[key].size:
            widest[key] = each
    yield from widest.values()
