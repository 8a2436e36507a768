"""What is a database table told? Its `.cf` file, or main.cf parameters that begin with the table's name.

`type:/file` (or `type:./file`) reads `name = value` logical lines from the file; `type:name` reads `name_query` and so
on from main.cf (pgsql_table(5), BACKWARDS COMPATIBILITY). Values of files are not expanded. Common to all such tables:
result_format, domain, expansion_limit. This file must not know any database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from gatepost.config.parameter import split_list
from gatepost.config.source import parse
from gatepost.lookup.ask import LookupFailure
from gatepost.lookup.tables.table import Opening, OpenTable, fold
from gatepost.lookup.tables.template import Template, split_address
from gatepost.span import ConfigError, Span


@dataclass(frozen=True, slots=True)
class ClientConfig:
    """The settings of one database table."""

    spec: str
    find: Callable[[str], str | None]
    span: Span | None

    def text(self, name: str, default: str = "") -> str:
        """A value, or the default when it is not set."""
        value = self.find(name)
        return default if value is None else value

    def required(self, name: str) -> str:
        """A value that must be set and not be empty."""
        value = self.text(name)
        if not value:
            raise ConfigError(f"{self.spec}: no '{name}' parameter", self.span)
        return value

    def number(self, name: str, default: int, low: int = 0) -> int:
        """A decimal integer."""
        text = self.text(name, str(default)).strip()
        if not (text.isascii() and text.isdigit()) or int(text) < low:
            raise ConfigError(f"{self.spec}: bad numerical configuration: {name} = {text}", self.span)
        return int(text)

    def seconds(self, name: str, default: int) -> int:
        """A number of seconds; a unit letter (s m h d) may follow."""
        text = self.text(name, str(default)).strip().lower()
        factor = {"s": 1, "m": 60, "h": 3600, "d": 86400}.get(text[-1:])
        digits = text[:-1] if factor else text
        if not (digits.isascii() and digits.isdigit()):
            raise ConfigError(f"{self.spec}: bad time value configuration: {name} = {text}", self.span)
        return int(digits) * (factor or 1)

    def flag(self, name: str, default: bool) -> bool:
        """yes or no."""
        text = self.text(name, "yes" if default else "no").strip().lower()
        if text not in ("yes", "no"):
            raise ConfigError(f"{self.spec}: bad boolean configuration: {name} = {text}", self.span)
        return text == "yes"

    def words(self, name: str, default: str = "") -> list[str]:
        """A list."""
        return [item for _, item in split_list(self.text(name, default))]


def read_client_config(kind: str, name: str, opening: Opening) -> ClientConfig:
    """The settings of `kind:name`. ConfigError when the file cannot be read or has broken lines."""
    spec = f"{kind}:{name}"
    if not name.startswith(("/", ".")):
        return ClientConfig(spec, lambda parameter: opening.parameter(f"{name}_{parameter}"), None)
    try:
        with open(name, encoding="utf-8", errors="surrogateescape") as file:
            source = parse(name, file.read())
    except OSError as error:
        raise ConfigError(f"open {name}: {error.strerror}", Span(name, 1)) from error
    for problem in source.problems:
        if problem.severity == "error":
            raise problem.as_error()
        opening.warn(str(problem))
    values = {name: entry.value.text for name, entry in source.last().items()}
    return ClientConfig(spec, values.get, Span(name, 1))


@dataclass(frozen=True, slots=True)
class DomainFilter:
    """`domain = LIST`: only user@domain keys of these domains are asked for. No list: every key is."""

    words: tuple[str, ...]
    tables: tuple[tuple[int, OpenTable], ...]

    @classmethod
    def read(cls, config: ClientConfig, opening: Opening) -> DomainFilter:
        """Items are names, `!name`, `type:table` or `/file`."""
        words: list[str] = []
        for word in config.words("domain"):
            words += _from_file(word, config.spec) if word.startswith("/") else [word]
        tables = [(at, opening.open(word.lstrip("!"))) for at, word in enumerate(words) if ":" in word]
        return cls(tuple(words), tuple(tables))

    async def admits(self, key: str) -> bool:
        """Is this key to be asked for? The first item that matches decides."""
        if not self.words:
            return True
        local, domain = split_address(key)
        if not domain or not local:
            return False
        tables = dict(self.tables)
        for at, word in enumerate(self.words):
            bare = word.lstrip("!")
            if at in tables:
                matches = await tables[at].get(domain) is not None
            else:
                matches = fold(bare) == fold(domain)
            if matches:
                return (len(word) - len(bare)) % 2 == 0
        return False


def _from_file(path: str, spec: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            lines = [line for line in file if not line.lstrip().startswith("#")]
    except OSError as error:
        raise ConfigError(f"{spec}: domain: open {path}: {error.strerror}", Span(path, 1)) from error
    return [item for line in lines for _, item in split_list(line)]


@dataclass(frozen=True, slots=True)
class Results:
    """How rows become one answer: result_format, commas, expansion_limit."""

    spec: str
    format: Template
    limit: int

    @classmethod
    def read(cls, config: ClientConfig, name: str = "result_format") -> Results:
        """The parameters common to all databases."""
        return cls(config.spec, Template.read(config.text(name, "%s")), config.number("expansion_limit", 0))

    def join(self, values: Iterable[str | None], key: str) -> str | None:
        """The answer; None when no row gives anything. LookupFailure above the limit."""
        texts: list[str] = []
        for value in values:
            text = self.format.expand(value, key) if value else None
            if text is None:
                continue
            texts.append(text)
            if self.limit and len(texts) > self.limit:
                raise LookupFailure(f"{self.spec}: expansion limit exceeded for key: '{key}'")
        return ",".join(texts) if texts else None
