"""What does an indexed file hold? `hash btree lmdb cdb dbm sdbm` and `texthash`, all read from the source text.

Postfix opens the index that postmap(1) made beside the source; we read the source, so nobody runs postmap. The types
differ only in what a duplicate key does: postmap keeps the first with a warning, `texthash:` becomes unusable.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from gatepost.lookup.tables.files import FileTable, Find
from gatepost.lookup.tables.source import BadLine, read_source, stray_line
from gatepost.lookup.tables.table import Opener, Opening, fold
from gatepost.span import ConfigError, Span

POSTMAP_TYPES = ("hash", "btree", "lmdb", "cdb", "dbm", "sdbm")


def open_indexed(kind: str, name: str, opening: Opening) -> FileTable:
    """The file `name` itself, not `name.db`."""
    read = partial(_read, warn=opening.warn, strict=kind == "texthash")
    return FileTable(f"{kind}:{name}", name, read, opening.warn, partial=True)


def _read(path: str, text: str, *, warn: Callable[[str], None], strict: bool) -> Find:
    entries: dict[str, str] = {}
    for item in read_source(text, lambda line: warn(stray_line(path, line))):
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
