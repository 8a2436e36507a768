"""How does an item come into a list, leave it, or change, wherever it stands?

The list may be an -o override, main.cf's, or partly in a $variable that it names. This file must not know restrictions,
apart from the prefix warn_if_reject, which belongs to the check behind it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

from gatepost.audit import entries, overrides
from gatepost.audit.change import AddItems, DropItems, ReplaceItem
from gatepost.audit.layout import WITH_ARGUMENT, Placed, is_word, words
from gatepost.audit.texts import CannotWrite, Home, Texts
from gatepost.config.parameter import DECLARED, split_list
from gatepost.config.unsupported import UNSUPPORTED

VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)\}|\((\w+)\))")
PREFIX = "warn_if_reject"
STEPS = 200
"""More steps than any change of a list takes: a bug stops here."""

ListChange = DropItems | AddItems | ReplaceItem


def changed(change: ListChange, texts: Texts) -> Texts:
    """The texts with the list changed."""
    start = texts
    home = Home(change.service, change.name)
    if texts.placed(home) is None:
        texts = _of_its_own(change, texts, home)
        if texts is start:
            return start
    before = effective(texts, home)
    for _ in range(STEPS):
        after = _step(change, texts, home)
        if after is None:
            return start if effective(texts, home) == before else texts
        texts = after
    raise CannotWrite(f"{home} does not come to rest")


def _of_its_own(change: ListChange, texts: Texts, home: Home) -> Texts:
    """A list that is not set here: the inherited or the default value is written down, to be changed then."""
    inherited = texts.placed(Home("", change.name)) if change.service else None
    if inherited is not None:
        items = grouped([token.text for token in inherited.tokens])
    else:
        parameter = DECLARED.get(change.name)
        default = UNSUPPORTED.get(change.name) if parameter is None else parameter.default
        items = grouped([word for _, word in split_list(default or "")])
    if not items and not isinstance(change, AddItems):
        return texts
    if not change.service:
        return texts.with_main(entries.added(texts.main, change.name, ", ".join(items)))
    line = texts.line(change.service)
    return texts.with_master(overrides.added(texts.some_master, line, change.name, tight(", ".join(items))))


def tight(value: str) -> str:
    """A list without blanks between its items."""
    return ",".join(word for _, word in split_list(value))


def grouped(tokens: Sequence[str]) -> list[str]:
    """The words of a list as items: checks with their arguments."""
    items: list[str] = []
    open_item = False
    for token in tokens:
        if open_item and items:
            items[-1] += f" {token}"
        else:
            items.append(token)
        open_item = token.lower().startswith(WITH_ARGUMENT)
    return items


def effective(texts: Texts, home: Home) -> list[str]:
    """The words of a list with the $variables it consists of filled in."""
    return list(_effective(texts, home, ()))


def _effective(texts: Texts, home: Home, above: tuple[str, ...]) -> Iterator[str]:
    placed = texts.placed(home)
    for token in placed.tokens if placed else ():
        variable = _variable(texts, home, token.text)
        if variable is None or variable.name in above:
            yield token.text
        else:
            yield from _effective(texts, variable, (*above, variable.name))


def variables(texts: Texts, service: str, name: str) -> set[Home]:
    """The $variables that a list consists of, and those they consist of."""
    found: set[Home] = set()
    ahead = [home for home in [texts.home(service, name)] if home]
    while ahead:
        home = ahead.pop()
        placed = texts.placed(home)
        for token in placed.tokens if placed else ():
            variable = _variable(texts, Home(service, home.name), token.text)
            if variable is not None and variable not in found:
                found.add(variable)
                ahead.append(variable)
    return found


def _variable(texts: Texts, home: Home, token: str) -> Home | None:
    """Where the variable is set that a word consists of; None when it is no such word."""
    found = VARIABLE.fullmatch(token)
    return texts.home(home.service, found[found.lastindex or 0]) if found else None


def _step(change: ListChange, texts: Texts, home: Home) -> Texts | None:
    """One step towards the change; None when it is made."""
    match change:
        case DropItems(items=items):
            for item in items:
                if words(item) and (after := _without(texts, home, words(item))) is not None:
                    return after
            return None
        case ReplaceItem(item=item, by=by):
            return None if words(item) == words(by) else _replaced(texts, home, words(item), words(by))
        case AddItems(items=items, before=before):
            return _added(texts, home, items, before)


def _words(items: Sequence[str]) -> list[str]:
    return [word for item in items for word in words(item)]


def _edited(texts: Texts, home: Home, placed: Placed, text: str, start: int, end: int,
            by: Sequence[str] = ()) -> Texts:
    """The texts with `text` for the file of `home`, in which the words from `start` to `end` are others. CannotWrite:
    they are not (what stood behind them begins with # and has become a comment)."""
    now = [token.text for token in placed.tokens]
    after = texts.with_text(home, text)
    found = after.placed(home)
    if found is None or [token.text for token in found.tokens] != [*now[:start], *by, *now[end:]]:
        raise CannotWrite(f"{home} cannot be edited where it stands")
    return after


def _cut(texts: Texts, home: Home, at: int, count: int) -> Texts:
    placed = texts.placed(home)
    assert placed is not None, "it was there"
    return _edited(texts, home, placed, placed.without(at, count), at, at + count)


def _without(texts: Texts, home: Home, item: tuple[str, ...]) -> Texts | None:
    found = _stand(texts, home, item)
    if found is None:
        return None
    texts, home, placed, at = found
    start = at
    while start and is_word(placed.tokens[start - 1].text, PREFIX) and item[0].lower() != PREFIX:
        start -= 1
    return _edited(texts, home, placed, placed.without(start, at + len(item) - start), start, at + len(item))


def _replaced(texts: Texts, home: Home, item: tuple[str, ...], by: tuple[str, ...]) -> Texts | None:
    for occurrence in range(STEPS):
        found = _stand(texts, home, item, occurrence)
        if found is None:
            return None
        texts_here, home_here, placed, at = found
        if _is_so_already(placed, at, item, by):
            continue
        after = placed.replaced(at, len(item), by)
        if after is not None:
            return _edited(texts_here, home_here, placed, after, at, at + len(item), by)
        texts_here = _edited(texts_here, home_here, placed, placed.with_items([" ".join(by)], at), at, at, by)
        return _cut(texts_here, home_here, at + len(by), len(item))
    return None


def _is_so_already(placed: Placed, at: int, item: tuple[str, ...], by: tuple[str, ...]) -> bool:
    """Does the item at `at` stand inside what it is to become?"""
    for shift in range(len(by) - len(item) + 1):
        if by[shift:shift + len(item)] == item and at >= shift:
            around = tuple(token.text for token in placed.tokens[at - shift:at - shift + len(by)])
            if around == by:
                return True
    return False


def _added(texts: Texts, home: Home, items: Sequence[str], before: str | None) -> Texts | None:
    now = effective(texts, home)
    limit = len(now) if before is None else where(now, words(before))
    if limit < 0:
        raise CannotWrite(f"{home} has no {before} to put anything before")
    missing = [item for item in items if item != before and where(now[:limit], words(item)) < 0]
    if not missing:
        return None
    if before is None:
        placed = texts.placed(home)
        assert placed is not None, "it was made"
        end = len(placed.tokens)
        return _edited(texts, home, placed, placed.with_items(missing), end, end, _words(missing))
    found = _stand(texts, home, words(before), keep_first=True)
    assert found is not None, "it was found among all words"
    texts, home, placed, at = found
    while at and is_word(placed.tokens[at - 1].text, PREFIX):
        at -= 1
    return _edited(texts, home, placed, placed.with_items(missing, at), at, at, _words(missing))


def where(tokens: Sequence[str], item: Sequence[str]) -> int:
    """The first place of these words in a list; -1: nowhere."""
    for at in range(len(tokens) - len(item) + 1):
        if all(is_word(one, two) for one, two in zip(tokens[at:], item, strict=False)):
            return at
    return -1


def _stand(texts: Texts, home: Home, item: tuple[str, ...], occurrence: int = 0, *,
           keep_first: bool = False) -> tuple[Texts, Home, Placed, int] | None:
    """Where the item stands and may be edited: a list of its own, or a variable that nothing else uses. A variable in
    use elsewhere is replaced by its items first. `keep_first`: the variable's name will do when the item is its first.
    """
    for _ in range(STEPS):
        placed = texts.placed(home)
        if placed is None:
            return None
        at = -1
        for _ in range(occurrence + 1):
            at = placed.find(item, at + 1)
            if at < 0:
                break
        if at >= 0:
            return texts, home, placed, at
        for at_variable, token in enumerate(placed.tokens):
            variable = _variable(texts, home, token.text)
            if variable is None or where(now := effective(texts, variable), item) < 0:
                continue
            if not _is_shared(texts, variable):
                return _stand(texts, variable, item, occurrence, keep_first=keep_first)
            if keep_first and where(now, item) == 0:
                return texts, home, placed, at_variable
            texts = _inlined(texts, home, placed, at_variable, variable)
            break
        else:
            return None
    raise CannotWrite(f"{home}: variables do not come to an end")


def _is_shared(texts: Texts, variable: Home) -> bool:
    """Does more than one setting, or Postfix itself, use the variable?"""
    if variable.name in DECLARED or variable.name in UNSUPPORTED:
        return True
    uses = sum(1 for _, value in texts.values() for found in VARIABLE.finditer(value)
               if found[found.lastindex or 0] == variable.name)
    return uses != 1 or len(re.findall(rf"\b{variable.name}\b", "".join(value for _, value in texts.values()))) > 1


def _inlined(texts: Texts, home: Home, placed: Placed, at: int, variable: Home) -> Texts:
    """A word that is a $variable becomes the variable's items."""
    inside = texts.placed(variable)
    assert inside is not None, "variables are set"
    items = grouped([token.text for token in inside.tokens])
    texts = _edited(texts, home, placed, placed.with_items(items, at), at, at, _words(items))
    return _cut(texts, home, at + len(inside.tokens), 1)


def rewritten(texts: Texts, home: Home, wanted: Sequence[str]) -> Texts:
    """A list of several lines gets other words; those that stay, stay where they are."""
    for _ in range(STEPS):
        placed = texts.placed(home)
        assert placed is not None, "it was there"
        now = [token.text for token in placed.tokens]
        opcodes = SequenceMatcher(None, now, wanted, autojunk=False).get_opcodes()
        steps = [step for step in opcodes if step[0] != "equal"]
        if not steps:
            return texts
        kind, start, end, first, last = steps[-1]
        if kind == "delete":
            texts = _cut(texts, home, start, end - start)
        else:
            new = placed.with_items(grouped(wanted[first:last]), start)
            texts = _edited(texts, home, placed, new, start, start, wanted[first:last])
    raise CannotWrite(f"{home} does not come to rest")
