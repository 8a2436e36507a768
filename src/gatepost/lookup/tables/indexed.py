"""What does an indexed file hold? `hash btree lmdb cdb dbm sdbm` and `texthash`, all read from the source text.

Postfix opens the index that postmap(1) made beside the source; we read the source, so nobody runs postmap. The types
differ only in what a duplicate key does: postmap keeps the first with a warning, `texthash:` becomes unusable. A table
that `alias_maps` or `alias_database` names is indexed by postalias(1), so its source is an alias file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from gatepost.config.parameter import split_list
from gatepost.lookup.tables.files import FileTable, Find
from gatepost.lookup.tables.source import BadLine, Entry, read_aliases, read_source, stray_line
from gatepost.lookup.tables.table import Opener, Opening, fold
from gatepost.span import ConfigError, Span

ReadSource = Callable[[str, Callable[[str], None]], Iterator[Entry | BadLine]]

POSTMAP_TYPES = ("hash", "btree", "lmdb", "cdb", "dbm", "sdbm")


def open_indexed(kind: str, name: str, opening: Opening) -> FileTable:
    """The file `name` itself, not `name.db`."""
    spec = f"{kind}:{name}"
    source = read_aliases if kind in POSTMAP_TYPES and _holds_aliases(spec, opening) else read_source
    read = partial(_read, source=source, warn=opening.warn, strict=kind == "texthash")
    return FileTable(spec, name, read, opening.warn, partial=True, error=opening.error)


def _holds_aliases(spec: str, opening: Opening) -> bool:
    named = " ".join(opening.parameter(parameter) or "" for parameter in ("alias_maps", "alias_database"))
    return any(item.removeprefix("proxy:") == spec for _, item in split_list(named))


def _read(path: str, text: str, *, source: ReadSource, warn: Callable[[str], None], strict: bool) -> Find:
    entries: dict[str, str] = {}
    for item in source(text, lambda line: warn(stray_line(path, line))):
        if isinstance(item, BadLine):
            warn(f"{path}, line {item.number}: {item.reason}")
        elif item.key not in entries:
            entries[item.key] = item.value
        elif strict:
            raise ConfigError(f'{path}, line {item.number}: duplicate entry: "{item.written}"', Span(path, item.number))
        else:
            warn(f'{path}, line {item.number}: duplicate entry: "{item.written}"')
    return partial(_find, entries)


def _find(entries: dict[str, str], key: str) -> str | None:
    return entries.get(fold(key))


OPENERS: dict[str, Opener] = {kind: partial(open_indexed, kind) for kind in ("texthash", *POSTMAP_TYPES)}
