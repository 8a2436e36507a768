"""What do main.cf and master.cf say while overrides are applied? Both files, changed as postconf changes them.

main.cf is its entries by name (the last of a name wins); an entry of master.cf is its columns and its options, each a
text with places, so that what the operator wrote keeps pointing at the line it was written in. This file must not know
where changes come from.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gatepost.config import master, source
from gatepost.config.dms.places import at_place, kept
from gatepost.config.located import BLANKS, Located
from gatepost.config.master import MasterCf, Service
from gatepost.config.source import Entry
from gatepost.span import Span

COLUMNS = 8
FIELDS = {"service": 0, "type": 1, "private": 2, "unprivileged": 3, "chroot": 4, "wakeup": 5, "process_limit": 6,
          "command": 7}


@dataclass
class ServiceText:
    """One entry of master.cf: the eight columns, and what follows, an option with its argument together."""

    columns: list[Located]
    options: list[Located] = field(default_factory=list)

    @classmethod
    def of(cls, line: Located) -> ServiceText:
        """From a logical line. BadEntry when it is none."""
        master.entry(line)
        words = master.split_words(line)
        entry = cls(words[:COLUMNS])
        rest = words[COLUMNS:]
        while rest:
            word = rest.pop(0)
            if word.text == "-o" and rest:
                word = Located.join([word, Located(" "), rest.pop(0)])
            entry.options.append(word)
        return entry

    @property
    def key(self) -> tuple[str, str]:
        """Name and type."""
        return self.columns[0].text, self.columns[1].text

    def find(self, name: str) -> int | None:
        """Which option sets that parameter, the last of them; None when none does."""
        for at in reversed(range(len(self.options))):
            text = self.options[at].text
            if text.startswith("-o") and text[2:].lstrip(" \t{").partition("=")[0].rstrip() == name:
                return at
        return None

    def lines(self) -> list[Located]:
        """As docker-mailserver's own file has them: one option a line."""
        return [_spaced(self.columns), *(Located.join([Located("  "), option]) for option in self.options)]

    def read(self) -> Service:
        """The entry, read. BadEntry when a change made it unreadable."""
        return master.entry(_spaced([*self.columns, *self.options]))


def _spaced(words: Sequence[Located]) -> Located:
    parts = [part for word in words for part in (word, Located(" "))]
    return Located.join(parts[:-1])


class State:
    """Both files. `main` by name, `services` by name and type."""

    def __init__(self, main: Sequence[Entry], services: Sequence[Located]) -> None:
        self.main = {entry.name: entry for entry in main}
        self.services: dict[tuple[str, str], ServiceText] = {}
        for line in services:
            self.add(ServiceText.of(line))

    def add(self, entry: ServiceText) -> None:
        """An entry, the last of its name and type winning."""
        self.services[entry.key] = entry

    def written(self, name: str) -> Located:
        """The value of a parameter as written; empty when it is not set."""
        found = self.main.get(name)
        return Located("") if found is None else found.value

    def set(self, name: str, value: Located, span: Span) -> None:
        """`name = value`."""
        self.main[name] = Entry(name, value, span, Located.join([at_place(name, span), Located(" = "), value]))

    def unset(self, name: str) -> None:
        """The parameter is not set any more."""
        self.main.pop(name, None)

    def _matching(self, service: str, kind: str) -> list[ServiceText]:
        return [entry for (name, type_), entry in self.services.items()
                if service in ("*", name) and kind in ("*", type_)]

    def override(self, service: str, kind: str, name: str, value: Located, span: Span | None) -> bool:
        """`-o name=value` of a service; False when there is no such service, or the value has a blank."""
        entries = self._matching(service, kind)
        if not entries or re.search(r"\s", value.text):
            return False
        for entry in entries:
            option = Located.join([Located("-o "), at_place(name, span), Located("="), value])
            at = entry.find(name)
            if at is None:
                entry.options.append(option)
            else:
                entry.options[at] = option
        return True

    def drop_override(self, service: str, kind: str, name: str) -> bool:
        """The service has no such override any more; False when there is no such service."""
        entries = self._matching(service, kind)
        for entry in entries:
            while (at := entry.find(name)) is not None:
                del entry.options[at]
        return bool(entries)

    def entry(self, key: str, line: Located) -> bool:
        """The entry `name/type` is that line. BadEntry when it is none."""
        name, slash, kind = key.partition("/")
        if not slash:
            return False
        new = ServiceText.of(line)
        if (name, kind) != new.key:
            self.services.pop((name, kind), None)
        self.add(new)
        return True

    def drop_service(self, key: str) -> bool:
        """The entry `name/type` is gone; False when it was not there."""
        name, _, kind = key.partition("/")
        return self.services.pop((name, kind), None) is not None

    def field(self, service: str, kind: str, column: str, value: Located) -> bool:
        """A column of a service gets another value."""
        entries = self._matching(service, kind)
        if column not in FIELDS or not entries or not value.text:
            return False
        for entry in entries:
            words = master.split_words(value)
            entry.columns[FIELDS[column]] = words[0]
            if column == "command" and len(words) > 1:
                entry.options = ServiceText.of(_spaced([*entry.columns[:COLUMNS - 1], *words])).options
        return True

    def lines(self, *, main: bool) -> list[str]:
        """The physical lines of one of the files."""
        if main:
            return [f"{entry.name} = {entry.value.text}".rstrip() for entry in self.main.values()]
        return [line.text for entry in self.services.values() for line in entry.lines()]

    def rewrite(self, new: Sequence[Sequence[str]], script: Located, *, main: bool) -> bool:
        """Each line of the file becomes those lines, by what stands at `script`; False when nothing changed."""
        place = script.span() or Span("", 0)
        old = self.lines(main=main)
        if [list(lines) for lines in new] == [[line] for line in old]:
            return False
        if main:
            entries = list(self.main.values())
            located = [Located.join([at_place(entry.name, entry.span), Located(" = " if entry.value.text else " ="),
                                     entry.value]) for entry in entries]
            kept_entries = {id(line): entry for line, entry in zip(located, entries, strict=True)}
            self.main = {}
            self._parse(_changed(located, new, place), kept_entries)
            return True
        lines = [line for entry in self.services.values() for line in entry.lines()]
        services = [ServiceText.of(Located.join(parts)) for parts in _logical(_changed(lines, new, place))]
        self.services = {}
        for service in services:
            self.add(service)
        return True

    def _parse(self, lines: Sequence[Located], known: Mapping[int, Entry]) -> None:
        """Lines of a main.cf, those in `known` as the entries they were."""
        for parts in _logical(lines):
            entry = known.get(id(parts[0])) if len(parts) == 1 else None
            read = entry or source.split_name_value(Located.join(parts))
            if isinstance(read, Entry):
                self.main[read.name] = read

    def append(self, document: Located, *, main: bool) -> None:
        """More text at the end of one of the files."""
        lines: list[Located] = []
        at = 0
        for text in document.text.split("\n"):
            lines.append(document.slice(at, at + len(text)))
            at += len(text) + 1
        if main:
            self._parse(lines, {})
            return
        for parts in _logical(lines):
            self.add(ServiceText.of(Located.join(parts)))

    def master_cf(self, file: str) -> MasterCf:
        """master.cf, read."""
        return MasterCf(file, (), tuple(entry.read() for entry in self.services.values()), ())


def _changed(lines: Sequence[Located], new: Sequence[Sequence[str]], place: Span) -> list[Located]:
    """What the lines became, with places."""
    found: list[Located] = []
    for line, texts in zip(lines, new, strict=True):
        for text in texts:
            if text == line.text:
                found.append(line)
            else:
                found.append(kept(line, text, place) if len(texts) == 1 else at_place(text, place))
    return found


def _logical(lines: Sequence[Located]) -> list[list[Located]]:
    """Lines that belong together, comments left out."""
    found: list[list[Located]] = []
    for line in lines:
        if source.is_comment(line.text):
            continue
        if line.text[0] in BLANKS and found:
            found[-1].append(line)
        else:
            found.append([line])
    return found
