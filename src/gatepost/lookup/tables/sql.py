"""What does a database say? `sqlite:`, `pgsql:` and `mysql:` tables.

sqlite_table(5), pgsql_table(5), mysql_table(5): one query with % pieces, quoted for the database; every column of every
row goes through result_format. sqlite is Python's own; the others are extras (psycopg, PyMySQL) loaded at first use.
Each dialect is an entry of DIALECTS. Everything here runs in the table's threads.
"""

from __future__ import annotations

import os
import random
import sqlite3
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from gatepost.lookup.ask import LookupFailure
from gatepost.lookup.tables.clientconfig import ClientConfig, DomainFilter, Results, read_client_config
from gatepost.lookup.tables.table import Opener, Opening, OpenTable
from gatepost.lookup.tables.template import Template
from gatepost.lookup.tables.threaded import ThreadedTable, library
from gatepost.span import ConfigError


@dataclass(frozen=True, slots=True)
class Query:
    """What to ask, and how rows become an answer."""

    template: Template
    results: Results

    @classmethod
    def read(cls, config: ClientConfig) -> Query:
        """`query`, or the older select_field, table, where_field, additional_conditions."""
        text = config.text("query")
        if not text:
            text = (f"SELECT {config.required('select_field')} FROM {config.required('table')} "
                    f"WHERE {config.required('where_field')} = '%s' {config.text('additional_conditions')}")
        return cls(Template.read(text), Results.read(config))


@dataclass(slots=True)
class SqlConnection:
    """A DB-API connection with its way of quoting."""

    handle: Any  # three libraries, one shape (PEP 249)
    query: Query
    quote: Callable[[str], str]

    def ask(self, key: str) -> str | None:
        """Run the query."""
        text = self.query.template.expand(key, quote=self.quote)
        if text is None:
            return None
        cursor = self.handle.cursor()
        try:
            cursor.execute(text)
            rows: Iterable[tuple[object, ...]] = cursor.fetchall() if cursor.description else ()
            return self.query.results.join((_text(value) for row in rows for value in row), key)
        finally:
            cursor.close()

    def close(self) -> None:
        """Closing must not fail."""
        try:
            self.handle.close()
        except Exception:
            return  # it was broken already


def _text(value: object) -> str | None:
    if value is None:
        return None
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes | bytearray) else str(value)


@dataclass(slots=True)
class SqlConnector:
    """Opens connections to one of several hosts; a host that failed is left alone for a while."""

    spec: str
    hosts: list[str]
    open: Callable[[str], SqlConnection]
    retry_interval: float = 60.0  # seconds
    down: dict[str, float] = field(default_factory=dict)

    def connect(self) -> SqlConnection:
        """Sockets first, then the others in random order, as mysql_table(5) has it."""
        hosts = sorted(self.hosts, key=lambda host: (not host.startswith(("unix:", "/")), random.random()))
        reasons = []
        for host in hosts:
            if self.down.get(host, 0.0) > time.monotonic():
                reasons.append(f"{host}: failed a moment ago")
                continue
            try:
                connection = self.open(host)
            except Exception as error:  # every library has its own tree of errors
                self.down[host] = time.monotonic() + self.retry_interval
                reasons.append(f"{host}: {error}")
            else:
                self.down.pop(host, None)
                return connection
        raise LookupFailure(f"{self.spec}: connect failed: {'; '.join(reasons)}")


def _double_quotes(text: str) -> str:
    return text.replace("'", "''")


def prepare_sqlite(config: ClientConfig) -> tuple[list[str], Callable[[str], SqlConnection]]:
    """`dbpath`; opened read-only, so that a missing file stays missing."""
    path, query = config.required("dbpath"), Query.read(config)

    def connect(host: str) -> SqlConnection:
        if not os.path.exists(host):
            raise FileNotFoundError(f"open {host}: No such file or directory")
        # A connection serves one thread at a time, though not always the same one.
        handle = sqlite3.connect(f"file:{_uri(host)}?mode=ro", uri=True, check_same_thread=False, timeout=10)
        return SqlConnection(handle, query, _double_quotes)

    return [path], connect


def _uri(path: str) -> str:
    return path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def prepare_pgsql(config: ClientConfig) -> tuple[list[str], Callable[[str], SqlConnection]]:
    """`hosts` may hold `unix:/dir`, host[:port] and whole `postgresql://` addresses."""
    psycopg = library("psycopg", "pgsql", "pgsql")
    query = Query.read(config)
    options = {"user": config.text("user"), "password": config.text("password"), "dbname": config.text("dbname"),
               "client_encoding": config.text("encoding", "UTF8")}
    options = {name: value for name, value in options.items() if value}

    def connect(host: str) -> SqlConnection:
        where, port = _host(host)
        if host.startswith(("postgresql:", "postgres:")):
            handle = psycopg.connect(host, autocommit=True, connect_timeout=30)
        else:
            extra = {"port": port} if port else {}
            handle = psycopg.connect(host=where, autocommit=True, connect_timeout=30, **extra, **options)
        escaping = psycopg.pq.Escaping(handle.pgconn)

        def quote(text: str) -> str:
            escaped: bytes = escaping.escape_string(text.encode())
            return escaped.decode()

        return SqlConnection(handle, query, quote)

    return config.words("hosts", "localhost"), connect


def prepare_mysql(config: ClientConfig) -> tuple[list[str], Callable[[str], SqlConnection]]:
    """`hosts` may hold `unix:/socket` and host[:port]."""
    pymysql = library("pymysql", "mysql", "mysql")
    query = Query.read(config)
    options: dict[str, Any] = {"user": config.text("user"), "password": config.text("password"),
                               "database": config.text("dbname"), "charset": config.text("charset", "utf8mb4"),
                               "read_default_file": config.text("option_file"),
                               "read_default_group": config.text("option_group", "client"),
                               "ssl_ca": config.text("tls_CAfile"), "ssl_cert": config.text("tls_cert_file"),
                               "ssl_key": config.text("tls_key_file")}
    options = {name: value for name, value in options.items() if value}
    if config.flag("tls_verify_cert", False):
        options["ssl_verify_cert"] = True

    def connect(host: str) -> SqlConnection:
        where, port = _host(host)
        place: dict[str, Any] = {"unix_socket": where} if where.startswith("/") else {"host": where}
        if port:
            place["port"] = int(port)
        handle = pymysql.connect(autocommit=True, connect_timeout=30, read_timeout=60, **place, **options)
        # `escape` knows the server's NO_BACKSLASH_ESCAPES; the operator's text has the quotes already.
        return SqlConnection(handle, query, lambda text: str(handle.escape(text))[1:-1])

    return config.words("hosts", "localhost"), connect


def _host(text: str) -> tuple[str, str]:
    """`unix:/path`, `inet:host:port`, `host:port`, `[v6]:port`, `host` -> (host or absolute path, port or "")."""
    text = text.removeprefix("unix:").removeprefix("inet:")
    if text.startswith("/"):
        return text, ""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or (":" in host and not host.startswith("[")):
        return text.removeprefix("[").removesuffix("]"), ""
    return host.removeprefix("[").removesuffix("]"), port


Prepare = Callable[[ClientConfig], tuple[list[str], Callable[[str], SqlConnection]]]
DIALECTS: dict[str, Prepare] = {"sqlite": prepare_sqlite, "pgsql": prepare_pgsql, "mysql": prepare_mysql}


def open_sql(kind: str, name: str, opening: Opening) -> OpenTable:
    """`kind:/file.cf` or `kind:name`. Connections are opened by lookups."""
    config = read_client_config(kind, name, opening)
    hosts, connect = DIALECTS[kind](config)
    if not hosts:
        raise ConfigError(f"{config.spec}: no hosts", config.span)
    connector = SqlConnector(config.spec, hosts, connect, config.seconds("retry_interval", 60))
    return ThreadedTable(config.spec, connector, DomainFilter.read(config, opening),
                         idle=config.seconds("idle_interval", 60))


OPENERS: dict[str, Opener] = {kind: partial(open_sql, kind) for kind in DIALECTS}
