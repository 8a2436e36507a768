"""Which tables are written where they are named? `inline:{ key = value, ... }` and `static:value`.

Postfix DATABASE_README; both are fixed-string tables. An inline key named twice silently keeps its last value. This
file must not read files.
"""

from __future__ import annotations

from gatepost.config.parameter import split_list
from gatepost.lookup.tables.table import DictTable, MemoryTable, Opener, Opening, fold, strip_braces
from gatepost.span import ConfigError


class StaticTable(MemoryTable):
    """Every key has the same value."""

    __slots__ = ("_value",)

    def __init__(self, spec: str, value: str) -> None:
        super().__init__(spec)
        self._value = value

    def get_now(self, key: str) -> str | None:
        """The value, whatever the key."""
        return self._value


def open_static(name: str, _: Opening) -> StaticTable:
    """`static:value` or `static:{ value with blanks }`."""
    value = name
    if name.startswith("{"):
        inside = strip_braces(name)
        if inside is None:
            raise ConfigError(f'bad static:name syntax: syntax error after \'}}\' in "{name}"', text=name)
        value = inside
    return StaticTable(f"static:{name}", value)


def open_inline(name: str, _: Opening) -> DictTable:
    """`inline:{ a=b, { c = d e } }`: braces allow blanks around the equals sign and in the value."""
    spec = f"inline:{name}"
    inside = strip_braces(name)
    if not inside:
        raise ConfigError(f'bad syntax: "{spec}"; need "inline:{{name=value...}}"', text=name)
    entries: dict[str, str] = {}
    for _offset, item in split_list(inside):
        key, value = _split_entry(item, spec)
        entries[fold(key)] = value
    return DictTable(spec, entries)


def _split_entry(item: str, spec: str) -> tuple[str, str]:
    """`key=value` or `{ key = value }`; an equals sign inside double quotes belongs to the key."""
    text: str | None = item
    if item.startswith("{"):
        text = strip_braces(item)
    if text is None:
        raise ConfigError(f'syntax error after \'}}\' in "{item}"; need "inline:{{name=value...}}"', text=spec)
    quoted = False
    for at, char in enumerate(text):
        if char == '"':
            quoted = not quoted
        elif char == "=" and not quoted:
            return text[:at].rstrip(), text[at + 1 :].strip()
    raise ConfigError(f'missing \'=\' after attribute name: "{spec}"; need "inline:{{name=value...}}"', text=item)


OPENERS: dict[str, Opener] = {"inline": open_inline, "static": open_static}
