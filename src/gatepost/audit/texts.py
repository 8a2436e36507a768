"""What is being edited? A main.cf and perhaps a master.cf, read, and the place of any value in them.

Immutable: each edit gives Texts anew, so that a change that went wrong half-way leaves nothing behind. This file must
not know how a change is written.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from gatepost.audit import entries, overrides
from gatepost.audit.layout import Placed
from gatepost.config import master, source
from gatepost.config.master import MasterCf
from gatepost.config.source import MainCf


class CannotWrite(Exception):
    """The change cannot be written into these files as they are; the text says why."""


@dataclass(frozen=True, slots=True)
class Home:
    """Where a setting lives: `service` is an entry of master.cf (`name/type`), "" for main.cf."""

    service: str
    name: str

    def __str__(self) -> str:
        return f"{self.name} of {self.service}" if self.service else self.name


@dataclass(frozen=True, slots=True)
class Texts:
    """Both files; `master` None: there is none."""

    main: MainCf
    master: MasterCf | None = None

    @classmethod
    def of(cls, main: str, master_text: str | None = None, *, main_file: str = "main.cf",
           master_file: str = "master.cf") -> Texts:
        """From the files' texts."""
        return cls(source.parse(main_file, main),
                   None if master_text is None else master.parse(master_file, master_text))

    def files(self) -> dict[str, str]:
        """File name -> text."""
        found = {self.main.file: str(self.main)}
        return found if self.master is None else found | {self.master.file: str(self.master)}

    @property
    def some_master(self) -> MasterCf:
        """master.cf. CannotWrite: there is none."""
        if self.master is None:
            raise CannotWrite("there is no master.cf")
        return self.master

    def with_main(self, text: str) -> Texts:
        """The same with another main.cf."""
        return self if text == str(self.main) else replace(self, main=source.parse(self.main.file, text))

    def with_master(self, text: str) -> Texts:
        """The same with another master.cf."""
        return self if text == str(self.master) else replace(
            self, master=master.parse(self.some_master.file, text))

    def with_text(self, home: Home, text: str) -> Texts:
        """The same with another text of the file where a setting lives."""
        return self.with_master(text) if home.service else self.with_main(text)

    def line(self, service: str) -> overrides.Line:
        """The entry of a service. CannotWrite: there is none."""
        line = overrides.find(self.some_master, service)
        if line is None:
            raise CannotWrite(f"master.cf has no service {service}")
        return line

    def placed(self, home: Home) -> Placed | None:
        """The value in force of a setting where it lives; None when it is not set there."""
        if home.service:
            self.line(home.service)
            return overrides.placed(self.some_master, home.service, home.name)
        return entries.placed(self.main, home.name)

    def home(self, service: str, name: str) -> Home | None:
        """Where the value is that is in force for a service: its override, or main.cf; None when it is not set."""
        for home in (Home(service, name), Home("", name)):
            if self.placed(home) is not None:
                return home
        return None

    def values(self) -> Iterator[tuple[Home, str]]:
        """Every setting in force where it lives, unexpanded."""
        for name, entry in self.main.last().items():
            yield Home("", name), entry.value.text
        for service in {str(each): each for each in self.master.services}.values() if self.master else ():
            for override in {each.name: each for each in service.overrides}.values():
                yield Home(str(service), override.name), override.value.text
