"""How is a change written into main.cf and master.cf? A Change and two texts give two texts.

What the change does not concern stays as it is, byte for byte: comments, order, blank lines, line ends. The last entry
of a name is the one in force and the one that is edited; a removal removes all. Items that come from a $variable are
edited where they stand, unless something else uses the variable too: then the reference is replaced by its items. The
result is read again, and a text that does not say what it should is not given (CannotWrite). This file must not know
rules, nor read or write files.
"""

from __future__ import annotations

from difflib import SequenceMatcher

from gatepost.audit import entries, listing, overrides
from gatepost.audit.change import (
    AddItems,
    AddService,
    Change,
    DropEarlier,
    DropItems,
    RemoveSetting,
    Rename,
    ReplaceItem,
    SetField,
    SetValue,
)
from gatepost.audit.layout import Placed
from gatepost.audit.texts import CannotWrite, Home, Texts
from gatepost.config.located import BLANKS
from gatepost.config.parameter import DECLARED, split_list
from gatepost.config.source import physical_lines
from gatepost.span import Edit, Span

LISTS = ("_restrictions", "_maps", "_classes", "networks", "_domains", "_hosts", "_exclusions")
"""Endings of names of lists, for parameters that are not declared."""


def written(change: Change, texts: Texts) -> Texts:
    """The texts with the change made; the same texts when it is made already. CannotWrite: not possible here."""
    after = _written(change, texts)
    if after is not texts:
        _check(texts, after, change)
    return after


def _written(change: Change, texts: Texts) -> Texts:
    match change:
        case SetValue():
            return _set(change, texts)
        case DropItems() | AddItems() | ReplaceItem():
            after = listing.changed(change, texts)
            if isinstance(change, AddItems) and after is not texts:
                return _commented(after, Home(change.service, change.name), change.comment)
            return after
        case RemoveSetting(name, service):
            return _removed(texts, Home(service, name))
        case DropEarlier(name, service):
            return _removed(texts, Home(service, name), but_last=True)
        case Rename(name, to, service):
            return _renamed(texts, Home(service, name), to)
        case SetField(service, field, value):
            return texts.with_master(overrides.field(texts.line(service), field, value))
        case AddService(service, text):
            return _with_service(texts, service, text)


def _set(change: SetValue, texts: Texts) -> Texts:
    home = Home(change.service, change.name)
    placed = texts.placed(home)
    is_list = _is_list(change.name)
    if placed is None:
        if not change.service:
            return texts.with_main(entries.added(texts.main, change.name, change.value, change.comment))
        value = listing.tight(change.value) if is_list else change.value
        line = texts.line(change.service)
        texts = texts.with_master(overrides.added(texts.some_master, line, change.name, value, change.comment))
        if texts.placed(home) is None:
            raise CannotWrite(f"words behind the options of {change.service} end them: nothing can be added")
        return texts
    if not _says(placed, change.value, is_list):
        words = [word for _, word in split_list(change.value)]
        if is_list and len(placed.tokens) > 1 and not placed.same_line(0, len(placed.value.text) - 1):
            texts = listing.rewritten(texts, home, words)
        else:
            texts = _rewritten(texts, home, placed, ",".join(words) if is_list and placed.tight else change.value)
    return _commented(texts, home, change.comment)


def _rewritten(texts: Texts, home: Home, placed: Placed, value: str) -> Texts:
    if placed.tight and set(value) & set(BLANKS):
        line = texts.line(home.service)
        return texts.with_master(overrides.braced(line, overrides.options(line, home.name)[-1], value))
    return texts.with_text(home, placed.rewritten(value))


def _is_list(name: str) -> bool:
    parameter = DECLARED.get(name)
    return name.endswith(LISTS) if parameter is None else parameter.kind == "words"


def _says(placed: Placed, value: str, is_list: bool) -> bool:
    """Is this the value already?"""
    if is_list:
        return [token.text for token in placed.tokens] == [word for _, word in split_list(value)]
    return placed.value.text.split() == value.split()


def _commented(texts: Texts, home: Home, comment: str) -> Texts:
    """The comment above the entry in force, when it does not stand there."""
    if not comment:
        return texts
    if not home.service:
        entry = texts.main.last()[home.name]
        return texts.with_main(entries.commented(texts.main.lines, entries.lines_of(entry)[0], comment))
    line = texts.line(home.service)
    first = line.tokens[overrides.options(line, home.name)[-1].first]
    indent = line.prefix(first)
    number = line.number(first if indent is not None else line.tokens[0])
    return texts.with_master(entries.commented(texts.some_master.lines, number, comment, indent or ""))


def _removed(texts: Texts, home: Home, *, but_last: bool = False) -> Texts:
    if not home.service:
        return texts.with_main(entries.removed(texts.main, home.name, but_last=but_last))
    while len(found := overrides.options(line := texts.line(home.service), home.name)) > but_last:
        texts = texts.with_master(overrides.removed(line, found[0]))
    return texts


def _renamed(texts: Texts, home: Home, to: str) -> Texts:
    if texts.placed(home) is None:
        return texts
    if texts.placed(Home(home.service, to)) is not None:
        raise CannotWrite(f"{to} is set already")
    if not home.service:
        return texts.with_main(entries.renamed(texts.main, home.name, to))
    while found := overrides.options(line := texts.line(home.service), home.name):
        texts = texts.with_master(overrides.renamed(line, found[0], to))
    return texts


def _with_service(texts: Texts, service: str, text: str) -> Texts:
    master = texts.some_master
    old = overrides.find(master, service)
    if old is None:
        return texts.with_master(overrides.with_service(master, text))
    if [token.text for token in old.tokens] == text.split():
        return texts
    raise CannotWrite(f"master.cf has a service {service} already")


def _check(before: Texts, after: Texts, change: Change) -> None:
    """Nothing is broken, and nothing else says something else. CannotWrite when it does."""
    old, new = dict(before.values()), dict(after.values())
    concerned = _concerned(before, change)
    for home in old.keys() | new.keys():
        if home not in concerned and old.get(home) != new.get(home):
            raise CannotWrite(f"the change would also alter {home}")
    if _errors(after) > _errors(before) or _services(after) < _services(before):
        raise CannotWrite("the result would not read")


def _concerned(texts: Texts, change: Change) -> set[Home]:
    """The settings a change may alter: its own, and the variables that its list comes from."""
    if isinstance(change, SetField | AddService):
        return set()
    names = {change.name} | ({change.to} if isinstance(change, Rename) else set())
    homes = {Home(change.service, name) for name in names}
    if isinstance(change, DropItems | AddItems | ReplaceItem):
        homes |= listing.variables(texts, change.service, change.name)
    return homes


def _errors(texts: Texts) -> int:
    problems = (*texts.main.problems, *(texts.master.problems if texts.master else ()))
    return sum(problem.severity == "error" for problem in problems)


def _services(texts: Texts) -> int:
    return len(texts.master.services) if texts.master else 0


def edits(before: Texts, after: Texts) -> list[Edit]:
    """What is different, as replacements of whole lines: the span's length goes to the end of the last line."""
    found: list[Edit] = []
    new = after.files()
    for file, text in before.files().items():
        old_lines, new_lines = physical_lines(text), physical_lines(new[file])
        for kind, start, end, first, last in SequenceMatcher(None, old_lines, new_lines, autojunk=False).get_opcodes():
            if kind != "equal":
                span = Span(file, start + 1, 1, len("".join(old_lines[start:end])))
                found.append(Edit(span, "".join(new_lines[first:last])))
    return found
