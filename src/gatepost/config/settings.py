"""What is in force for one service? Typed values of parameters, with the place that set each.

Immutable, made once per service; every value is computed at first use and kept, so `settings[P]` is a dictionary hit
from then on. A value that does not read is a ConfigError with its place. Values are stored as written and expanded on
use, against the same names: a service's -o overrides and the user's own variables included.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import gatepost.config.parameters as parameters
from gatepost.config.computed import COMPUTED
from gatepost.config.expand import expand
from gatepost.config.located import Located
from gatepost.config.parameter import DECLARED, BadValue, Parameter, Word, split_list
from gatepost.config.unsupported import UNSUPPORTED
from gatepost.span import ConfigError, Span

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Value:
    """What was written for a name, unexpanded. `span` is the place of the setting (the name), None: built in."""

    text: Located
    span: Span | None = None


def _name(parameter: Parameter[Any] | str) -> str:
    return parameter if isinstance(parameter, str) else parameter.name


class Settings:
    """Effective values of one service. `service` is its master.cf name ("" = none: the daemon as a whole)."""

    __slots__ = ("_computing", "_texts", "_typed", "_values", "directory", "service")

    def __init__(self, values: Mapping[str, Value], *, service: str = "", directory: str = "") -> None:
        self.service = service
        self.directory = directory
        self._values = dict(values)
        self._typed: dict[Parameter[Any], Any] = {}
        self._texts: dict[str, Located | None] = {}
        self._computing: set[str] = set()

    @classmethod
    def of(cls, values: Mapping[str, str], *, service: str = "", directory: str = "") -> Settings:
        """Settings from plain texts in main.cf syntax; the values have no place."""
        return cls({name: Value(Located(text)) for name, text in values.items()},
                   service=service, directory=directory)

    def replace(self, values: Mapping[str, str]) -> Settings:
        """The same settings with some values replaced (`{"stress": "yes"}`)."""
        return Settings(self._values | {name: Value(Located(text)) for name, text in values.items()},
                        service=self.service, directory=self.directory)

    def __getitem__(self, parameter: Parameter[T]) -> T:
        try:
            return self._typed[parameter]  # type: ignore[no-any-return]  # the table forgets T
        except KeyError:
            value = self._typed[parameter] = self._read(parameter)
            return value

    def _read(self, parameter: Parameter[T]) -> T:
        if parameter.raw:
            located = self._template(parameter)
        else:
            located = self._expanded(parameter.name) or Located("")
        if parameter.kind == "words":
            return _words(located)  # type: ignore[return-value]  # T of a words parameter
        try:
            return parameter.read(parameter, located.text)
        except BadValue as problem:
            raise ConfigError(str(problem), self.span(parameter)) from None

    def span(self, parameter: Parameter[Any] | str) -> Span | None:
        """Where it was set; None when the default is in force or the value is built in."""
        value = self._values.get(_name(parameter))
        return value.span if value else None

    def is_set(self, parameter: Parameter[Any] | str) -> bool:
        """Did the operator set it, in main.cf or for this service?"""
        return _name(parameter) in self._values

    def written(self, parameter: Parameter[Any] | str) -> Located | None:
        """The unexpanded text in force, set or default, with places; None for a name that is neither set nor known."""
        return self._written(_name(parameter))

    def text(self, name: str) -> str | None:
        """The expanded text of any name: parameter (its default included), user variable, restriction class,
        NAME_query of a table. None when it is neither set nor known to Postfix."""
        located = self._expanded(name)
        return None if located is None else located.text

    def words(self, name: str) -> tuple[Word, ...]:
        """The list items of any name with their places; empty when it is unset."""
        return _words(self._expanded(name) or Located(""))

    def expand(self, text: str) -> str:
        """`text` with its $names filled in from these settings."""
        return expand(Located(text), self._written).text

    def names(self) -> list[str]:
        """Every name the operator set for this service, in the order of the file."""
        return list(self._values)

    def of_transport(self, parameter: Parameter[T], transport: str) -> T:
        """The value of a `default_...` (or `initial_...`) delivery parameter for one transport: what
        `TRANSPORT_rest` says when it is set or declared, else the parameter itself."""
        name = f"{transport}_{parameter.name.removeprefix('default_')}"
        located = self._expanded(name)
        if located is None:
            return self[parameter]
        try:
            return parameter.read(parameter, located.text)
        except BadValue as problem:
            raise ConfigError(str(problem).replace(parameter.name, name, 1), self.span(name)) from None

    def _written(self, name: str) -> Located | None:
        value = self._values.get(name)
        if value is not None:
            return value.text
        if name in COMPUTED:
            return self._computed(name)
        parameter = DECLARED.get(name)
        default = UNSUPPORTED.get(name) if parameter is None else parameter.default
        return None if default is None else Located(default)

    def _computed(self, name: str) -> Located:
        """A default that is found out. One that is needed to find out itself (`myhostname = mail.$mydomain` without
        mydomain) is empty there, as in Postfix, which has not found it yet."""
        if name in self._computing:
            return Located("")
        self._computing.add(name)
        try:
            return Located(COMPUTED[name](self))
        finally:
            self._computing.discard(name)

    def _template(self, parameter: Parameter[T]) -> Located:
        """The text of a template; one that only names another template stands for that."""
        located = self._written(parameter.name) or Located("")
        other = re.fullmatch(r"\$(?:(\w+)|\{(\w+)\})", located.text)
        target = DECLARED.get(other[1] or other[2]) if other else None
        return self._template(target) if target is not None and target.raw else located

    def _expanded(self, name: str) -> Located | None:
        if name not in self._texts:
            written = self._written(name)
            self._texts[name] = None if written is None else expand(written, self._written, 1)
        return self._texts[name]


def _words(located: Located) -> tuple[Word, ...]:
    return tuple(Word(item, located.span(offset, offset + len(item))) for offset, item in split_list(located.text))


assert parameters.DECLARED is DECLARED, "every parameter is declared once Settings can be used"
