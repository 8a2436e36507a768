"""What is wrong with a name? Restrictions and parameters that Postfix, or this version of it, does not know.

The findings are those of LST-01 (lists.py). Settings that were swallowed by the line above, comments behind values and
quotes are other rules' findings: words that come from them are left out here.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from itertools import pairwise

from gatepost.audit import features
from gatepost.audit.change import Rename, ReplaceItem
from gatepost.audit.finding import Confidence, Finding, Fix, Severity
from gatepost.audit.flow import WARN, Item, Kind, RestrictionList
from gatepost.audit.listener import Listener, named
from gatepost.audit.nearest import Names
from gatepost.audit.rules.written import Setting, lists, own_names, postfix_names, settings
from gatepost.audit.subject import Subject
from gatepost.policy.restriction import Takes
from gatepost.policy.restrictions import RESTRICTIONS
from gatepost.span import Span

ELSEWHERE = re.compile(r"smtpd_forbid_unauth_pipelining$|smtpd_forbid_bare_newline|postscreen_")
"""Parameters whose version other rules judge."""
WORD = re.compile(r"[A-Za-z][A-Za-z0-9_]*$")


def restrictions(subject: Subject) -> Iterator[Finding]:
    """Words in restriction lists that are no restriction, or none any more."""
    groups: dict[tuple[Span | None, str], list[tuple[Item, list[Listener]]]] = {}
    for listed, listeners in lists(subject):
        strange = {(item.span.file, item.span.line): "=" in item.word or item.span.column
                   for item in listed.every if item.span is not None and item.word in ("=", "#")}
        taken = arguments_of_unknown(listed)
        for item in listed.every:
            if item.span is not None and id(item) not in taken and not _of_another_rule(item, strange):
                groups.setdefault((item.span, listed.name), []).append((item, listeners))
    told: set[Span | None] = set()
    for (span, name), pairs in groups.items():
        if span not in told:
            item = next((item for item, _ in pairs if item.reached), pairs[0][0])
            for finding in _restriction(subject, item, name, [each for _, listeners in pairs for each in listeners]):
                told.add(span)
                yield finding


def arguments_of_unknown(listed: RestrictionList) -> set[int]:
    """The items (by id) that would be arguments, were the word before them spelt as it was meant."""
    found: set[int] = set()
    for item, behind in pairwise(listed.every):
        if item.kind is Kind.UNKNOWN and behind.kind in (Kind.UNKNOWN, Kind.TABLE) and id(item) not in found:
            meant = RESTRICTIONS.get(_restriction_names().nearest(item.word.lower()))
            if meant is not None and meant.takes is not Takes.NOTHING:
                found.add(id(behind))
    return found


def _of_another_rule(item: Item, strange: dict[tuple[str, int], bool | int]) -> bool:
    """Does a word stand in a swallowed line, behind a comment sign, in quotes? `strange`: lines with a word that is `=`
    (True) or `#` (its column)."""
    column = strange.get((item.span.file, item.span.line)) if item.span else None
    if item.span and column and (column is True or item.span.column > column):
        return True
    return bool({"=", '"', "'", "#", "\\"} & set(item.word)) or item.word.startswith(("{", "}", "$"))


def _restriction(subject: Subject, item: Item, name: str, listeners: list[Listener]) -> Iterator[Finding]:
    service = listeners[0].name if listeners[0].is_set_here(name) and not item.path else ""
    home = item.path[-1] if item.path else name
    place = f"in {name}" + (f" (class {home})" if item.path else "")
    where = f"{place} of {named(listeners)}" if service else place
    if item.kind is Kind.UNKNOWN:
        yield _unknown(subject, item, where, home, service)
        return
    if item.kind is not Kind.RESTRICTION:
        return
    word = item.word.lower()
    gone = features.OUTDATED.get(word)
    if gone is not None and subject.version >= gone.since:
        if gone.removed is not None and subject.version >= gone.removed:
            yield Finding("", Severity.HIGH, f"{word} {where} is gone from Postfix {gone.removed}: smtpd answers 451; "
                          f"use {gone.instead}", item.span, name, service, fix=Fix(f"use {gone.instead}"))
        else:
            yield Finding("", Severity.MEDIUM, f"{word} {where} is outdated since Postfix {gone.since}, smtpd warns; "
                          f"use {gone.instead}", item.span, name, service, fix=Fix(f"use {gone.instead}"))
    elif not subject.has(item.name):
        yield Finding("", Severity.HIGH, f"Postfix {subject.version} does not know {word} {where}: smtpd answers 451",
                      item.span, name, service, fix=Fix("take it out, or upgrade Postfix"))
    elif word != item.name:
        yield Finding("", Severity.LOW, f"{word} {where} is an old spelling of {item.name}", item.span, name, service,
                      fix=Fix(f"write {item.name}", (ReplaceItem(home, item.word, item.name, service),), safe=True))


def _unknown(subject: Subject, item: Item, where: str, home: str, service: str) -> Finding:
    near = _restriction_names().nearest(item.word.lower())
    message = f"{item.word} {where} is no restriction"
    fix = None
    if item.word in subject.main_cf.last():
        message += ", and smtpd_restriction_classes does not name it as a class"
        fix = Fix("name it in smtpd_restriction_classes")
    elif near:
        message += f": did you mean {near}?"
        fix = Fix(f"write {near}", (ReplaceItem(home, item.word, near, service),))
    if item.reached:
        message += " smtpd answers 451 for every mail that gets there" if message.endswith("?") else (
            ": smtpd answers 451 for every mail that gets there")
    severity = Severity.HIGH if item.reached else Severity.MEDIUM
    return Finding("", severity, message, item.span, home, service, fix=fix)


@functools.cache
def _restriction_names() -> Names:
    return Names([*RESTRICTIONS, WARN])


def parameters(subject: Subject) -> Iterator[Finding]:
    """Parameters that are none, or not yet in this version."""
    known, tables = own_names(subject)
    known |= {item.word for listed, _ in lists(subject)  # restrictions() tells about them
              for item in listed.every if item.kind is Kind.UNKNOWN}
    reported: set[str] = set()
    for setting in settings(subject):
        name = setting.name
        if name in postfix_names():
            if not subject.has(name) and name not in features.OUTDATED and not ELSEWHERE.match(name):
                came = ", ".join(map(str, features.came(name)))
                yield Finding("", Severity.MEDIUM, f"Postfix {subject.version} does not know {name}{setting.where}, "
                              f"which came with {came}: it has no effect", setting.span, name, setting.service,
                              fix=Fix("take it out, or upgrade Postfix"))
        elif name not in known and not (tables and name.startswith(tables)) and name not in reported:
            reported.add(name)
            yield _misspelt(subject, setting)


def _misspelt(subject: Subject, setting: Setting) -> Finding:
    name = setting.name
    near = near_parameter(name) or _transport_names(subject).nearest(name)
    if not near:
        confidence = Confidence.HIGH if WORD.match(name) else Confidence.MEDIUM
        return Finding("", Severity.LOW, f"Postfix has no parameter {name}, and nothing refers to ${name}: it has no "
                       "effect", setting.span, name, setting.service, confidence)
    fix = Fix(f"write {near}", (Rename(name, near, setting.service),))
    return Finding("", Severity.MEDIUM, f"Postfix has no parameter {name}: it has no effect; did you mean {near}?",
                   setting.span, name, setting.service, fix=fix)


def near_parameter(name: str) -> str:
    """The parameter of Postfix that was meant; "" when none is near."""
    lower = name.lower().replace("-", "_")
    return lower if lower in postfix_names() else _parameter_names().nearest(name)


@functools.cache
def _parameter_names() -> Names:
    return Names(postfix_names() - features.OUTDATED.keys())


@functools.lru_cache(maxsize=1)
def _transport_names(subject: Subject) -> Names:
    return Names(f"{service.name}_{rest}" for service in subject.services
                 for rest in ("destination_concurrency_limit", "destination_recipient_limit", "time_limit"))


