"""What is audited? The files of one configuration, read, and what is in force in them: what rules ask.

Contract: nothing here complains. What does not read is left out or empty, and the rules about values tell the operator.
Everything is computed at first use and kept. Files were read before (inputs.py); only tables beside main.cf are read on
demand. This file must not know any rule, nor where its input came from beyond what it is told.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

import gatepost.config.parameters as p
from gatepost.audit import features
from gatepost.audit.flow import Reader, RestrictionList
from gatepost.audit.listener import Listener
from gatepost.audit.table import Table, table
from gatepost.audit.version import NEWEST, Version
from gatepost.config import expand
from gatepost.config.located import Located
from gatepost.config.master import MasterCf, Service, is_disabled
from gatepost.config.settings import Settings, Value
from gatepost.config.source import MainCf
from gatepost.span import ConfigError

if TYPE_CHECKING:
    from gatepost.config.dms.effective import Effective

K = TypeVar("K")

UNKNOWN = {"myhostname": "host.localdomain", "mynetworks": "127.0.0.0/8 [::1]/128"}
"""What a host knows of itself when it is not told, and the auditor, on another one, cannot: a stand-in."""


@dataclass(eq=False)
class Subject:
    """One configuration.

    `files`: name -> text, in the order findings are told; `main_cf`, `master_cf`: as written, every entry; `directory`:
    where tables are looked for ("" = nowhere); `version` with `version_from` (how it was found out; "" = assumed);
    `master_assumed`: there was no master.cf, a stock one stands in; `assumptions`: what could not be known, for the
    reader of the report; `docker`: what is known about docker-mailserver (audit/dms), None for plain Postfix."""

    files: Mapping[str, str]
    main_cf: MainCf
    master_cf: MasterCf
    directory: str = ""
    version: Version = NEWEST
    version_from: str = ""
    master_assumed: bool = False
    assumptions: tuple[str, ...] = ()
    docker: Effective | None = None
    _tables: dict[str, Table] = field(default_factory=dict, repr=False)
    _read: dict[str, tuple[str, str] | None] = field(default_factory=dict, repr=False)

    @property
    def main_files(self) -> tuple[str, ...]:
        """The files that main.cf's settings stand in, the one to add to first."""
        return tuple(dict.fromkeys([self.main_cf.file, *(entry.span.file for entry in self.main_cf.entries)]))

    @cached_property
    def values(self) -> dict[str, Value]:
        """What main.cf sets, and the defaults of this version where they are not those of the newest."""
        found = {name: Value(Located(text)) for name, text in (UNKNOWN | features.defaults(self.version)).items()}
        return found | {name: Value(entry.value, entry.span) for name, entry in self.main_cf.last().items()}

    @cached_property
    def main(self) -> Settings:
        """The settings of no service in particular."""
        return Settings(self.values, directory=self.directory)

    @cached_property
    def services(self) -> tuple[Service, ...]:
        """The entries of master.cf in force: of those with one name and type the last, without those that
        master_service_disable names."""
        last = {(service.name, service.type): service for service in self.master_cf.services}.values()
        try:
            disabled = self.main[p.MASTER_SERVICE_DISABLE]
        except ConfigError:
            disabled = ()
        return tuple(service for service in last if not is_disabled(service, disabled))

    @cached_property
    def _settings(self) -> dict[tuple[str, str], Settings]:
        return {}

    def settings(self, service: Service) -> Settings:
        """What is in force for one service: main.cf and its -o overrides."""
        key = service.name, service.type
        found = self._settings.get(key)
        if found is None:
            values = dict(self.values)
            values["process_name"] = Value(Located(command(service)))
            for override in service.overrides:
                values[override.name] = Value(override.value, override.span)
            found = self._settings[key] = Settings(values, service=service.name, directory=self.directory)
        return found

    def service(self, name: str, kind: str) -> Service | None:
        """The entry in force of that name and type."""
        return next((each for each in self.services if (each.name, each.type) == (name, kind)), None)

    @cached_property
    def listeners(self) -> tuple[Listener, ...]:
        """Every service that speaks SMTP to clients: smtpd, and postscreen with the smtpd behind it. An smtpd of type
        pass that no postscreen hands to is left out."""
        return tuple(listener for service in self.services if (listener := self._listener(service)) is not None)

    def _listener(self, service: Service) -> Listener | None:
        kind = command(service)
        if kind not in ("smtpd", "postscreen") or service.type == "pass":
            return None
        screen = service if kind == "postscreen" else None
        smtpd = service
        if screen is not None:
            try:
                name = self.settings(screen)[p.SMTPD_SERVICE_NAME]
            except ConfigError:
                name = "smtpd"
            smtpd = self.service(name, "pass") or service
        settings = self.settings(smtpd)
        own = {"process_name", "service_name", *(override.name for override in smtpd.overrides)}
        reader = Reader(settings.words, self.table, self._classes(settings),
                        lambda name: None if own & self._names_in(name) else self._main_list(name))
        return Listener(service, smtpd, settings, screen, self.settings(screen) if screen else None, reader)

    def _main_list(self, name: str) -> RestrictionList:
        """A list as main.cf has it: the same for every service that overrides nothing in it."""
        found = self._main_lists.get(name)
        if found is None:
            reader = Reader(self.main.words, self.table, self._classes(self.main))
            found = self._main_lists[name] = reader.read(name, self.main.span(name))
        return found

    @cached_property
    def _main_lists(self) -> dict[str, RestrictionList]:
        return {}

    def _names_in(self, name: str) -> frozenset[str]:
        """Every name that what a list says depends on, itself included: variables, classes."""
        found = self._depends.get(name)
        if found is None:
            names, waiting = {name, "smtpd_restriction_classes"}, [name, "smtpd_restriction_classes"]
            while waiting:
                written = self.main.written(waiting.pop())
                text = written.text if written else ""
                mentioned = {*expand.names(text), *re.findall(r"\w+", text)} - names
                names |= mentioned
                waiting += [each for each in mentioned if each in self.values or "$" in text]
            found = self._depends[name] = frozenset(names)
        return found

    @cached_property
    def _depends(self) -> dict[str, frozenset[str]]:
        return {}

    def _classes(self, settings: Settings) -> frozenset[str]:
        try:
            return frozenset(word.text for word in settings[p.SMTPD_RESTRICTION_CLASSES])
        except ConfigError:
            return frozenset()

    @property
    def public(self) -> tuple[Listener, ...]:
        """The listeners that strangers can talk to without logging in."""
        return tuple(listener for listener in self.listeners if listener.public)

    def table(self, spec: str) -> Table:
        """The table that `type:name` stands for, its rows when it is text beside main.cf."""
        found = self._tables.get(spec)
        if found is None:
            found = self._tables[spec] = table(spec, self.read)
        return found

    def read(self, path: str) -> tuple[str, str] | None:
        """(name, text) of a file that the configuration mentions: one of `files`, or one below `directory`, where
        /etc/postfix/x stands for DIRECTORY/x; any file when `directory` is the one that Postfix here uses. None when it
        is not there."""
        if path not in self._read:
            self._read[path] = self._open(path)
        return self._read[path]

    def _open(self, path: str) -> tuple[str, str] | None:
        if path in self.files:
            return path, self.files[path]
        if self.docker is not None:
            path = self.docker.host_path(path) or path
        if not self.directory:
            return None
        home = (self.main.text("config_directory") or "/etc/postfix").rstrip("/")
        places = [os.path.join(self.directory, os.path.relpath(path, each))
                  for each in (home, "/etc/postfix", self.directory) if path.startswith(each + "/")]
        if os.path.realpath(self.directory) == os.path.realpath(home):
            places.append(path)  # this is the host that it configures
        if not path.startswith("/"):
            places.append(os.path.join(self.directory, path))
        for place in filter(os.path.isfile, places):  # reading a pipe or a device may have no end
            try:
                with open(place, "rb") as file:
                    return place, file.read().decode("utf-8", "surrogateescape")
            except OSError:
                continue
        return None

    def is_set(self, name: str) -> bool:
        """Does main.cf set it?"""
        return self.main.span(name) is not None

    def has(self, name: str) -> bool:
        """Does this version know the parameter or restriction of that name? True when nothing is known about it."""
        return features.has(name, self.version)


def command(service: Service) -> str:
    """The program an entry runs, without its directory."""
    return service.command.rpartition("/")[2]


def together(pairs: Iterable[tuple[K, Listener]]) -> dict[K, list[Listener]]:
    """Listeners by what they have in common, in order: for one finding instead of one per service."""
    found: dict[K, list[Listener]] = {}
    for key, listener in pairs:
        found.setdefault(key, []).append(listener)
    return found


