"""What may happen in a restriction list? Its items with places, what each may do, and which of them are ever reached.

A list is modelled by what it MAY do, not by which words it has: each item may permit, reject, defer or do nothing, or
do what is not known here. `warn_if_reject` makes the refusals of the item behind it harmless; a restriction that takes
an argument takes the next item, whatever that is (`reject_rbl_client, reject_unauth_destination` has no barrier);
classes are lists inside the list; an unconditional permit, reject or defer ends it. Access tables that are text files
here are read, all others may do anything. What is modelled is what smtpd does, SMTPD_ACCESS_README and access(5). This
file must not know any rule.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from gatepost.audit.table import Table
from gatepost.config.parameter import Word, split_list
from gatepost.policy.restriction import Restriction, Takes
from gatepost.policy.restrictions import RESTRICTIONS
from gatepost.policy.verdict import Outcome
from gatepost.span import Span

WARN = "warn_if_reject"
DEPTH = 20  # of classes in classes


class May(enum.Flag):
    """What an item may come to. UNKNOWN: a table or a policy server that cannot be read here may say anything; PERMIT,
    REJECT and DEFER are then set as well."""

    DUNNO = 0
    PERMIT = enum.auto()
    REJECT = enum.auto()
    DEFER = enum.auto()
    UNKNOWN = enum.auto()


ANYTHING = May.PERMIT | May.REJECT | May.DEFER | May.UNKNOWN


class Kind(enum.Enum):
    """What an item is."""

    RESTRICTION = "restriction"
    TABLE = "table"  # a bare type:table, which stands for the list's own check_..._access
    CLASS = "class"
    UNKNOWN = "unknown"  # no restriction, no class: smtpd answers 451 when it gets there


class Who(enum.Enum):
    """Whom a permit permits."""

    NOBODY = "nobody"  # it does not permit
    NETWORKS = "clients in mynetworks"
    LOGIN = "clients that have logged in"
    CERTIFICATE = "clients with a certificate"
    TABLE = "whom a table lists"
    LISTED = "clients on a DNS allow list"
    DESTINATION = "mail for our own domains"
    SERVER = "whom a policy server permits"
    ANYBODY = "everybody"


WHO = {
    "permit": Who.ANYBODY, "permit_mynetworks": Who.NETWORKS, "permit_inet_interfaces": Who.NETWORKS,
    "permit_sasl_authenticated": Who.LOGIN, "permit_tls_clientcerts": Who.CERTIFICATE,
    "permit_tls_all_clientcerts": Who.CERTIFICATE, "permit_dnswl_client": Who.LISTED, "permit_rhswl_client": Who.LISTED,
    "permit_auth_destination": Who.DESTINATION, "permit_mx_backup": Who.DESTINATION,
    "check_relay_domains": Who.DESTINATION, "check_policy_service": Who.SERVER,
    "permit_naked_ip_address": Who.ANYBODY,
}

BARRIERS = ("reject_unauth_destination", "defer_unauth_destination", "reject", "defer", "defer_if_permit",
            "check_relay_domains")
"""What keeps strangers from relaying when it is reached (smtpd's own start-up check counts the same)."""

DEFAULT_CHECK = {
    "smtpd_client_restrictions": "check_client_access", "smtpd_helo_restrictions": "check_helo_access",
    "smtpd_sender_restrictions": "check_sender_access", "smtpd_relay_restrictions": "check_recipient_access",
    "smtpd_recipient_restrictions": "check_recipient_access", "smtpd_etrn_restrictions": "check_etrn_access",
    "smtpd_data_restrictions": "", "smtpd_end_of_data_restrictions": "",
}
"""Every restriction list, and what a bare type:table in it stands for ("": nothing, smtpd answers 451)."""
LISTS = tuple(DEFAULT_CHECK)


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """One item of a list. `name`: the restriction's canonical name (old spellings resolved), the class's name, or what
    was written when it is neither; `word`: as written; `text`: as written with its argument. `span` is the place of the
    item itself, in its variable's definition when it came from one; `warn`: the place of the warn_if_reject before it.
    `path`: the classes it stands in, outermost first. `missing`: it takes an argument and is the last. `ended_by`: the
    item (of this list or an enclosing one) that ends the list before this one is reached; None: it may be reached."""

    name: str
    word: str
    argument: str | None
    kind: Kind
    span: Span | None
    argument_span: Span | None
    warned: bool
    warn_span: Span | None
    may: May
    ends: bool
    path: tuple[str, ...]
    declared: Restriction | None = None
    table: Table | None = None
    inside: RestrictionList | None = None
    missing: bool = False
    ended_by: Item | None = None

    @property
    def text(self) -> str:
        """As written, argument included."""
        return self.word if self.argument is None else f"{self.word} {self.argument}"

    @property
    def reached(self) -> bool:
        """Can a session get here?"""
        return self.ended_by is None

    @property
    def permits(self) -> bool:
        """May it permit? (warn_if_reject does not keep an item from permitting.)"""
        return bool(self.may & May.PERMIT)

    @property
    def refuses(self) -> bool:
        """May it reject or defer for real, not only as a warning?"""
        return bool(self.may & (May.REJECT | May.DEFER)) and not self.warned

    @property
    def who(self) -> Who:
        """Whom it permits, when it does."""
        if not self.permits:
            return Who.NOBODY
        if self.name in WHO:
            return WHO[self.name]
        return Who.TABLE if self.kind is Kind.TABLE or self.name.startswith("check_") else Who.ANYBODY


@dataclass(frozen=True, eq=False)
class RestrictionList:
    """A restriction list as it stands: `name` of the parameter or class, `items` of its own level, in order. `setting`
    is the place of the setting (the parameter's name), None when it is the default."""

    name: str
    items: tuple[Item, ...]
    setting: Span | None = None
    every: tuple[Item, ...] = field(default=())
    """All items in the order they are met, those inside classes behind their class's item."""

    def __bool__(self) -> bool:
        return bool(self.items)

    @cached_property
    def _at(self) -> dict[int, int]:
        return {id(item): at for at, item in enumerate(self.every)}

    def find(self, *names: str) -> list[Item]:
        """Every item with one of these canonical names, inside classes too, reached or not, warned or not."""
        return [item for item in self.every if item.name in names]

    def working(self, *names: str) -> list[Item]:
        """Those of them that are reached and not behind warn_if_reject."""
        return [item for item in self.find(*names) if item.reached and not item.warned]

    def before(self, item: Item) -> list[Item]:
        """What is met before `item` (one of `every`), classes that hold it left out."""
        return [each for each in self.every[: self._at[id(item)]]
                if each.kind is not Kind.CLASS or each.name not in item.path]

    def behind(self, item: Item) -> list[Item]:
        """What would be met after `item`."""
        return list(self.every[self._at[id(item)] + 1 :])

    def permits_before(self, item: Item) -> list[Item]:
        """The items before `item` that may permit, innermost (not classes, but what in them permits)."""
        return [each for each in self.before(item) if each.permits and each.reached and each.kind is not Kind.CLASS]

    @cached_property
    def barrier(self) -> Item | None:
        """The first item reached that keeps strangers from relaying, not merely as a warning."""
        return next(iter(self.working(*BARRIERS)), None)

    @cached_property
    def may(self) -> May:
        """What the list as a whole may come to."""
        found = May.DUNNO
        for item in self.items:
            if item.reached:
                found |= item.may & May.PERMIT if item.warned else item.may
        return found

    @cached_property
    def lets_in(self) -> frozenset[Who] | None:
        """Who alone gets through: whom it permits before an unconditional reject or defer. None: it has no such end."""
        if not any(item.name in ("reject", "defer") and item.reached and not item.warned for item in self.every):
            return None
        return frozenset(item.who for item in self.every
                         if item.permits and item.reached and item.kind is not Kind.CLASS)

    @cached_property
    def ends(self) -> bool:
        """Is nothing behind it reached when it is a class in a list?"""
        return any(item.ends and item.reached for item in self.items)


Tables = Callable[[str], Table]
Words = Callable[[str], tuple[Word, ...]]
Shared = Callable[[str], RestrictionList | None]


class Reader:
    """Reads restriction lists. `words` gives the expanded items of a parameter or class by name, `tables` a table by
    its spec, `classes` the names in smtpd_restriction_classes; `shared` a list that is the same for several services,
    None when this one has its own."""

    def __init__(self, words: Words, tables: Tables, classes: frozenset[str],
                 shared: Shared = lambda _: None) -> None:
        self._words = words
        self._tables = tables
        self._classes = {name.lower(): name for name in classes}
        self._shared = shared

    def read(self, name: str, setting: Span | None = None) -> RestrictionList:
        """The list of that parameter."""
        shared = self._shared(name)
        if shared is not None:
            return shared
        every: list[Item] = []
        items = self._items(self._words(name), DEFAULT_CHECK.get(name, ""), (), None, every)
        return RestrictionList(name, items, setting, tuple(every))

    def result(self, value: str) -> May:
        """What an access(5) result may do."""
        word = (value.split(None, 1) or [""])[0].rstrip(",").lower()
        if word == "ok" or (word.isdigit() and word.isascii() and value.strip() == word):
            return May.PERMIT
        if re.match(r"4\d\d\b|defer(\b|_if)", word):
            return May.DEFER
        if re.match(r"5\d\d\b|reject$", word):
            return May.REJECT
        if word in SILENT:
            return May.DUNNO
        listed: list[Item] = []
        self._items(tuple(Word(item) for _, item in split_list(value)), "", ("",), None, listed)
        return RestrictionList("", tuple(item for item in listed if item.path == ("",)), None, tuple(listed)).may

    def _items(self, words: tuple[Word, ...], default: str, path: tuple[str, ...], ended_by: Item | None,
               every: list[Item]) -> tuple[Item, ...]:
        items: list[Item] = []
        at, warn = 0, None
        while at < len(words):
            word = words[at]
            at += 1
            if word.text.lower() == WARN:
                warn = word
                continue
            follows = words[at] if at < len(words) else None
            item, taken = self._item(word, follows, warn, default, path, ended_by, every)
            at += taken
            items.append(item)
            warn = None
            if item.ends and ended_by is None:
                ended_by = item
        return tuple(items)

    def _item(self, word: Word, follows: Word | None, warn: Word | None, default: str, path: tuple[str, ...],
              ended_by: Item | None, every: list[Item]) -> tuple[Item, int]:
        """The item at `word`, and how many of the following words it takes."""
        name = word.text.lower()
        warned, warn_span = warn is not None, warn.span if warn else None
        if ":" in word.text:
            bare = self._tables(word.text)
            declared = RESTRICTIONS.get(default)
            item = Item(default or word.text, word.text, None, Kind.TABLE, word.span, None, warned, warn_span,
                        self._table_may(declared, bare), False, path, declared, bare, ended_by=ended_by)
            every.append(item)
            return item, 0
        declared = RESTRICTIONS.get(name)
        if declared is None:
            return self._class_or_unknown(word, warned, warn_span, default, path, ended_by, every), 0
        takes = declared.takes is not Takes.NOTHING
        argument = follows if takes else None
        table = self._tables(argument.text) if argument and declared.takes is Takes.TABLE else None
        missing = takes and argument is None
        ends = declared.ends and (not warned or declared.name == "permit")
        item = Item(declared.name, word.text, argument.text if argument else None, Kind.RESTRICTION, word.span,
                    argument.span if argument else None, warned, warn_span,
                    May.DUNNO if missing else self._table_may(declared, table), ends, path, declared, table,
                    missing=missing, ended_by=ended_by)
        every.append(item)
        return item, int(argument is not None)

    def _class_or_unknown(self, word: Word, warned: bool, warn_span: Span | None, default: str, path: tuple[str, ...],
                          ended_by: Item | None, every: list[Item]) -> Item:
        name = self._classes.get(word.text.lower())
        if name is None or name in path or len(path) >= DEPTH:
            item = Item(word.text, word.text, None, Kind.UNKNOWN, word.span, None, warned, warn_span, May.DEFER, False,
                        path, ended_by=ended_by)
            every.append(item)
            return item
        mine: list[Item] = []
        items = self._items(self._words(name), default, (*path, name), ended_by, mine)
        inside = RestrictionList(name, items, None, tuple(mine))
        item = Item(name, word.text, None, Kind.CLASS, word.span, None, warned, warn_span, inside.may,
                    inside.ends, path, inside=inside, ended_by=ended_by)
        every += [item, *mine]
        return item

    def _table_may(self, declared: Restriction | None, table: Table | None) -> May:
        if declared is None:
            return May.DEFER
        if declared.takes is Takes.SERVER:
            return ANYTHING
        may = May.DUNNO
        for outcome in declared.may:
            may |= OUTCOMES[outcome]
        if declared.name in ("defer", "defer_unauth_destination"):
            may = May.DEFER
        if table is None:
            return may | May.UNKNOWN if declared.takes is Takes.CERTIFICATE_TABLE else may
        if table.rows is None:
            return may | May.UNKNOWN
        found = May.DUNNO
        for value in {row.value for row in table.rows}:
            found |= self.result(value)
        return found & (may | May.UNKNOWN | May.DEFER)


SILENT = frozenset(["bcc", "delay", "discard", "dunno", "filter", "hold", "ignore", "info", "prepend", "redirect",
                    "replace", "warn"])
"""First words of access(5) results that neither permit nor refuse."""

OUTCOMES = {Outcome.OK: May.PERMIT, Outcome.REJECT: May.REJECT, Outcome.DEFER_IF_PERMIT: May.DEFER,
            Outcome.DEFER_IF_REJECT: May.DEFER, Outcome.DUNNO: May.DUNNO}
