"""What does this directory configure? main.cf and master.cf, read, checked, and turned into Settings per service.

What cannot be read at all (a missing file, broken syntax) is a ConfigError; what can be read but is wrong is in
`problems`: serve does not start when one of them is an error. Rules about single names and values are in check.py.
"""

from __future__ import annotations

from pathlib import Path

import gatepost.config.parameters as p
from gatepost.config import check, honesty, master, source
from gatepost.config.dms import names
from gatepost.config.located import Located
from gatepost.config.master import MasterCf, Service
from gatepost.config.problem import Problem
from gatepost.config.settings import Settings, Value
from gatepost.config.source import MainCf
from gatepost.span import ConfigError, Span


class Configuration:
    """A configuration directory, read. `main`: the settings of no service in particular; `services`: the entries of
    master.cf that are in force, in order; `main_cf`, `master_cf`: the files as written."""

    def __init__(self, directory: str, main_cf: MainCf, master_cf: MasterCf) -> None:
        self.directory = directory
        self.main_cf = main_cf
        self.master_cf = master_cf
        self._values = {name: Value(entry.value, entry.span) for name, entry in main_cf.last().items()}
        self._settings: dict[tuple[str, str], Settings] = {}
        self.main = Settings(self._values, directory=directory)
        self.problems = [*main_cf.problems, *master_cf.problems]
        self.services = self._in_force()
        self.problems += check.problems(self)

    def _in_force(self) -> list[Service]:
        """The last entry of each name and type, without those that master_service_disable names."""
        last: dict[tuple[str, str], Service] = {}
        for service in self.master_cf.services:
            earlier = last.pop((service.name, service.type), None)
            if earlier is not None:
                message = f'duplicate master.cf entry for service "{service.name}" -- using the last entry'
                self.problems.append(Problem("warning", message, service.span, f"earlier entry: {earlier.span}"))
            last[service.name, service.type] = service
        try:
            disabled = self.main[p.MASTER_SERVICE_DISABLE]
        except ConfigError:
            disabled = ()  # check.py reports the value
        return [service for service in last.values() if not master.is_disabled(service, disabled)]

    def settings(self, service: Service) -> Settings:
        """What is in force for one service: main.cf and its -o overrides, the last of a name winning."""
        key = (service.name, service.type)
        settings = self._settings.get(key)
        if settings is None:
            values = dict(self._values)
            values["process_name"] = Value(Located(service.command))
            for override in service.overrides:
                values[override.name] = Value(override.value, override.span)
            settings = self._settings[key] = Settings(values, service=service.name, directory=self.directory)
        return settings

    def serving(self, service: Service) -> Settings:
        """What is in force for the clients of a service: postscreen's are served with the settings of the smtpd behind
        it."""
        return self.settings(honesty.smtpd_behind(self, service))

    def transport(self, name: str) -> Service | None:
        """The unix service of that name, which a transport stands for; None when there is none."""
        return self.service(name, "unix")

    def service(self, name: str, kind: str) -> Service | None:
        """The service in force of that name and type."""
        for service in self.services:
            if service.name == name and service.type == kind:
                return service
        return None

    def process_limit(self, service: Service) -> int:
        """How many sessions or deliveries of this service may run at a time; 0: no limit."""
        return self.main[p.DEFAULT_PROCESS_LIMIT] if service.maxproc is None else service.maxproc

    def command(self, service: Service) -> list[str]:
        """The words behind the command, options left out, as written (pipe's flags=, user=, argv=): their $names are
        attributes of a delivery."""
        start = 0
        while start < len(service.args) and (option := service.args[start].text).startswith("-"):
            start += 1 + (len(option) == 2 and option[1] in "o" + master.OPTIONS_WITH_ARGUMENT)
        return [word.text for word in service.args[start:]]


def load(directory: str) -> Configuration:
    """Read DIRECTORY/main.cf and DIRECTORY/master.cf, or a docker-mailserver folder. ConfigError: a file is missing,
    unreadable or not in its syntax."""
    if names.recognised(directory):
        from gatepost.config.dms import effective  # only its users pay for it

        return effective.read(directory).configuration
    main_cf = source.parse(*_read(directory, "main.cf"))
    master_cf = master.parse(*_read(directory, "master.cf"))
    return _checked(directory, main_cf, master_cf)


def loads(main_text: str, master_text: str, *, directory: str = "") -> Configuration:
    """The same from texts, as if they stood in DIRECTORY."""
    place = Path(directory)
    return _checked(directory, source.parse(str(place / "main.cf"), main_text),
                    master.parse(str(place / "master.cf"), master_text))


def _read(directory: str, name: str) -> tuple[str, str]:
    path = Path(directory) / name
    try:
        return str(path), path.read_bytes().decode("utf-8", "surrogateescape")
    except OSError as error:
        raise ConfigError(f"cannot open {name}: {error.strerror or error}", Span(str(path), 1)) from None


def _checked(directory: str, main_cf: MainCf, master_cf: MasterCf) -> Configuration:
    for problem in (*main_cf.problems, *master_cf.problems):
        if problem.severity == "error":
            raise problem.as_error()
    return Configuration(directory, main_cf, master_cf)
