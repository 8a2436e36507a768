"""What did the operator write, setting by setting? Entries of main.cf and overrides of master.cf alike, for rules.

This file must not know any rule.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass

import gatepost.config.parameters as p
from gatepost.audit import features
from gatepost.audit.flow import RestrictionList
from gatepost.audit.listener import Listener
from gatepost.audit.subject import Subject, command
from gatepost.config import check, expand
from gatepost.config.located import Located
from gatepost.config.master import Service
from gatepost.config.parameter import DECLARED, Parameter, split_list
from gatepost.config.unsupported import UNSUPPORTED
from gatepost.span import ConfigError, Span


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting in force where it stands: `value` as written, `span` the place of its name, `service` `name/type`
    ("" for main.cf), `program` what that service runs, `entry` the service itself."""

    name: str
    value: Located
    span: Span
    service: str = ""
    program: str = ""
    entry: Service | None = None

    def words(self) -> list[tuple[str, Span]]:
        """The words of the value with their places."""
        return [(word, self.value.span(at, at + len(word)) or self.span) for at, word in split_list(self.value.text)]

    @property
    def where(self) -> str:
        """For messages: "" or ` of submission/inet`."""
        return f" of {self.service}" if self.service else ""


def settings(subject: Subject) -> Iterator[Setting]:
    """Every setting in force: main.cf's, then those of each service. Nothing of a master.cf that was assumed."""
    for entry in subject.main_cf.last().values():
        yield Setting(entry.name, entry.value, entry.span)
    for service in () if subject.master_assumed else subject.services:
        name, program = str(service), command(service)
        for override in {each.name: each for each in service.overrides}.values():
            yield Setting(override.name, override.value, override.span, name, program, service)


def lists(subject: Subject) -> list[tuple[RestrictionList, list[Listener]]]:
    """Every restriction list with the listeners it is in force for; what main.cf says for many of them comes once."""
    found: dict[int, tuple[RestrictionList, list[Listener]]] = {}
    for listener in subject.listeners:
        for listed in listener.lists:
            if listed:
                found.setdefault(id(listed), (listed, []))[1].append(listener)
    return list(found.values())


PROGRAM_NAMES = frozenset(["process_name", "process_id", "service_name", "stress"])
"""Names that Postfix defines itself."""


@functools.cache
def postfix_names() -> frozenset[str]:
    """Every parameter that Postfix knows or knew, and ours."""
    return (frozenset(features.parameters()) | DECLARED.keys() | UNSUPPORTED.keys() | features.OUTDATED.keys()
            | PROGRAM_NAMES | check.OF_NO_CONCERN)


def own_names(subject: Subject) -> tuple[set[str], tuple[str, ...]]:
    """(names that mean something in this configuration only: referred to as $name, restriction classes, limits of a
    transport; beginnings of names of tables that are configured in main.cf)."""
    known: set[str] = set()
    tables: set[str] = set()
    for setting in settings(subject):
        known |= expand.names(setting.value.text)
        tables |= set(check.TABLE_IN_MAIN_CF.findall(setting.value.text))
    for service in subject.services:
        known |= {f"{service.name}_{rest}"
                  for rest in (*check.HONOURED_PER_TRANSPORT, *check.IGNORED_PER_TRANSPORT)}
    for each in (subject.main, *(listener.settings for listener in subject.listeners)):
        try:
            known |= {word.text for word in each[p.SMTPD_RESTRICTION_CLASSES]}
        except ConfigError:
            continue
    return known, tuple(f"{table}_" for table in tables)


def kind(name: str) -> str:
    """What a parameter's value is: yes_no, number, duration, words, text, one_of ...; "" when nothing is known. Of
    parameters that are not declared here the default tells."""
    declared: Parameter[object] | None = DECLARED.get(name)
    if declared is not None:
        return declared.kind.partition(":")[0]
    default = UNSUPPORTED.get(name)
    if default in ("yes", "no"):
        return "" if name.endswith("_directory") else "yes_no"
    if default and re.fullmatch(r"\d+[smhdw]", default):
        return "duration"
    return "number" if default and default.isdigit() else ""
