"""What does a key-value store say? `memcache:`, `redis:` and `mongodb:` tables.

memcache_table(5): a cache, with another table (`backup`) behind it; what the backup finds is put into the cache for
`ttl` seconds. mongodb_table(5): a JSON filter with % pieces. redis: has no Postfix page; its file has hosts, port,
password, dbname and key_format, and the value of the key goes through result_format. The libraries (pymemcache, redis,
pymongo) are extras, loaded at first use. Everything but the backup's lookup runs in the table's threads.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gatepost.lookup.ask import LookupFailure
from gatepost.lookup.tables.clientconfig import ClientConfig, DomainFilter, Results, read_client_config
from gatepost.lookup.tables.table import Opener, Opening, OpenTable
from gatepost.lookup.tables.template import Template
from gatepost.lookup.tables.threaded import Connection, ThreadedTable, library
from gatepost.span import ConfigError


@dataclass(slots=True)
class KeyConnection:
    """A client of memcache or redis: the value of the formatted key."""

    handle: Any
    key_format: Template
    results: Results

    def ask(self, key: str) -> str | None:
        """One GET."""
        name = self.key_format.expand(key)
        found = None if name is None else self.handle.get(name)
        if found is None:
            return None
        return self.results.join([found.decode("utf-8", "surrogateescape")], key)

    def close(self) -> None:
        """Closing must not fail."""
        try:
            self.handle.close()
        except Exception:
            return  # it was broken already


@dataclass(slots=True)
class MongoConnection:
    """A client of mongodb: the attributes of the documents that the filter finds."""

    handle: Any
    collection: Any
    filter: Template
    projection: dict[str, Any] | None
    attributes: tuple[str, ...]
    results: Results

    def ask(self, key: str) -> str | None:
        """One find."""
        text = self.filter.expand(key, quote=lambda piece: json.dumps(piece)[1:-1])
        if text is None:
            return None
        documents = self.collection.find(json.loads(text), self.projection)
        return self.results.join((value for document in documents for value in self._values(document)), key)

    def _values(self, document: dict[str, Any]) -> Iterator[str]:
        names = self.attributes or tuple(name for name in document if name != "_id")
        for name in names:
            value = document.get(name)
            for item in value if isinstance(value, list) else [value]:
                if item is not None:
                    yield str(item)

    def close(self) -> None:
        """The client is shared by all connections and closes with the process."""


@dataclass(slots=True)
class KeyConnector:
    """Opens clients by a function of the library."""

    spec: str
    open: Any

    def connect(self) -> Connection:
        """LookupFailure when the server is not there."""
        try:
            connection: Connection = self.open()
        except Exception as error:  # every library has its own tree of errors
            raise LookupFailure(f"{self.spec}: {error}") from error
        return connection


class CachedTable(ThreadedTable):
    """memcache in front of another table. A cache that fails is as good as empty when there is a backup."""

    def __init__(self, config: ClientConfig, connector: KeyConnector, domains: DomainFilter, backup: OpenTable | None,
                 key_format: Template) -> None:
        super().__init__(config.spec, connector, domains)
        self._backup = backup
        self._key_format = key_format
        self._ttl = config.seconds("ttl", 3600)
        self._size = config.number("data_size_limit", 10240)

    async def get(self, key: str) -> str | None:
        """The cache, then the backup, then into the cache."""
        if self._backup is None:
            return await super().get(key)
        try:
            found = await super().get(key)
        except LookupFailure:
            return await self._backup.get(key)
        if found is not None or (self._domains.words and not await self._domains.admits(key)):
            return found
        found = await self._backup.get(key)
        if found is not None and len(found.encode("utf-8", "surrogateescape")) <= self._size:
            await asyncio.get_running_loop().run_in_executor(self._threads, self._store, key, found)
        return found

    def _store(self, key: str, value: str) -> None:
        name = self._key_format.expand(key)
        connection = self._take() or self._connector.connect()
        if name is None or not isinstance(connection, KeyConnection):
            return
        try:
            connection.handle.set(name, value.encode("utf-8", "surrogateescape"), expire=self._ttl)
        except Exception:
            return  # the answer is known already; the next lookup finds out that the cache is gone
        finally:
            connection.close()


def open_memcache(name: str, opening: Opening) -> OpenTable:
    """`memcache = inet:host:port` or `unix:/path`."""
    base = library("pymemcache.client.base", "memcache", "memcache")
    config = read_client_config("memcache", name, opening)
    kind, _, place = config.text("memcache", "inet:localhost:11211").partition(":")
    host, _, port = place.rpartition(":")
    if kind not in ("inet", "unix") or not place or (kind == "inet" and not port.isdigit()):
        raise ConfigError(f"{config.spec}: bad memcache address: {config.text('memcache')}", config.span)
    server = place if kind == "unix" else (host, int(port))
    key_format, results = Template.read(config.text("key_format", "%s")), Results.read(config)
    timeout = config.seconds("timeout", 2)
    backup = config.text("backup").strip()

    def connect() -> KeyConnection:
        return KeyConnection(base.Client(server, timeout=timeout, connect_timeout=timeout), key_format, results)

    return CachedTable(config, KeyConnector(config.spec, connect), DomainFilter.read(config, opening),
                       opening.open(backup) if backup else None, key_format)


def open_redis(name: str, opening: Opening) -> OpenTable:
    """`hosts` (the first is used), `port`, `password`, `dbname`, `key_format`."""
    redis = library("redis", "redis", "redis")
    config = read_client_config("redis", name, opening)
    key_format, results = Template.read(config.text("key_format", "%s")), Results.read(config)
    host = (config.words("hosts") or config.words("host", "localhost"))[0]
    port, database = config.number("port", 6379), config.number("dbname", 0)
    timeout = config.seconds("timeout", 10)

    def connect() -> KeyConnection:
        client = redis.Redis(host=host, port=port, db=database, username=config.text("user") or None,
                             password=config.text("password") or None, socket_timeout=timeout,
                             socket_connect_timeout=timeout)
        return KeyConnection(client, key_format, results)

    return ThreadedTable(config.spec, KeyConnector(config.spec, connect), DomainFilter.read(config, opening))


def open_mongodb(name: str, opening: Opening) -> OpenTable:
    """`uri`, `dbname`, `collection`, `query_filter`, `projection` or `result_attribute`."""
    pymongo = library("pymongo", "mongodb", "mongodb")
    config = read_client_config("mongodb", name, opening)
    uri, database, collection = (config.required(word) for word in ("uri", "dbname", "collection"))
    wanted, results = Template.read(config.required("query_filter")), Results.read(config)
    attributes = tuple(config.words("result_attribute"))
    try:
        projection = json.loads(config.text("projection") or "null")
    except ValueError as error:
        raise ConfigError(f"{config.spec}: projection: {error}", config.span) from None
    client: list[Any] = []  # it pools connections itself, so one is enough; made by the first lookup

    def connect() -> MongoConnection:
        if not client:
            client.append(pymongo.MongoClient(uri, serverSelectionTimeoutMS=10_000))
        return MongoConnection(client[0], client[0][database][collection], wanted, projection, attributes, results)

    return ThreadedTable(config.spec, KeyConnector(config.spec, connect), DomainFilter.read(config, opening))


OPENERS: dict[str, Opener] = {"memcache": open_memcache, "redis": open_redis, "mongodb": open_mongodb}
