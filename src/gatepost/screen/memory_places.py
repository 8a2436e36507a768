"""Which store does postscreen_cache_map name?

    empty                                     none: nothing is remembered
    btree: hash: lmdb: cdb: dbm: sdbm: NAME   the SQLite file NAME.sqlite, which any number of processes may share; so
                                              does proxy: before one of these, which needs no proxy here
    redis: FILE or NAME                       Valkey or Redis (memory_redis.py)
    memcache: FILE or NAME                    memcached (memory_memcache.py)

Postfix's own file is not read: Berkeley DB and LMDB are no formats of ours. Nothing is opened here.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from gatepost.config import parameters as p
from gatepost.config.settings import Settings
from gatepost.lookup.tables.table import Opening
from gatepost.screen.memory_redis import RedisStore
from gatepost.screen.memory_sqlite import SqliteStore
from gatepost.screen.memory_store import HistoryBounds, Store
from gatepost.span import ConfigError

FILES = ("btree", "hash", "lmdb", "cdb", "dbm", "sdbm")


def bounds_of(settings: Settings) -> HistoryBounds:
    """How much of the history is kept."""
    return HistoryBounds(settings[p.GATEPOST_SCREEN_HISTORY_LIMIT], settings[p.GATEPOST_SCREEN_HISTORY_TIME])


def open_store(settings: Settings, warn: Callable[[str], None], *, create: bool = True) -> Store | None:
    """The store; None when nothing is to be remembered. ConfigError for what cannot be one. `create` False: a file
    that is not there is a failure of the store."""
    spec = settings[p.POSTSCREEN_CACHE_MAP].strip()
    if not spec:
        return None
    try:
        return _of(spec, settings, warn, create)
    except ConfigError as error:
        raise ConfigError(f"postscreen_cache_map: {error.message}", error.span or
                          settings.span(p.POSTSCREEN_CACHE_MAP), error.text or spec) from None


def _of(spec: str, settings: Settings, warn: Callable[[str], None], create: bool) -> Store:
    bounds = bounds_of(settings)
    kind, _, name = spec.removeprefix("proxy:").partition(":")
    if not name or any(letter.isspace() for letter in spec):
        raise ConfigError('expecting one table in "type:name" form', text=spec)
    if kind in FILES:
        return SqliteStore(Path(settings[p.QUEUE_DIRECTORY], name + ".sqlite"), bounds, warn, create=create)
    if kind == "redis" and spec.startswith("redis:"):
        retention = settings[p.POSTSCREEN_CACHE_RETENTION_TIME]
        return RedisStore.of(name, Opening(_no_member, settings.text, warn, warn), bounds, retention)
    raise ConfigError(f"unsupported dictionary type: {kind}", text=spec)


def _no_member(spec: str) -> NoReturn:
    raise ConfigError("a cache has no other table behind it", text=spec)
