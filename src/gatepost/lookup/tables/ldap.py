"""What does the directory say? `ldap:` tables.

ldap_table(5): a search whose filter (and base) have % pieces, quoted after RFC 4515 (and RFC 4514); the values of
result_attribute go through result_format; a value of special_result_attribute is a DN whose entry is read in turn.
Attributes: leaf_result_attribute counts only in entries that lead nowhere further, terminal_result_attribute hides all
others. The library (ldap3) is an extra, loaded at first use. Everything here runs in the table's threads.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from gatepost.lookup.ask import LookupFailure
from gatepost.lookup.tables.clientconfig import ClientConfig, DomainFilter, Results, read_client_config
from gatepost.lookup.tables.table import Opener, Opening, OpenTable
from gatepost.lookup.tables.template import Template
from gatepost.lookup.tables.threaded import ThreadedTable, library
from gatepost.span import ConfigError

SCOPES = {"sub": "SUBTREE", "base": "BASE", "one": "LEVEL"}
SEARCHED_TO_NOTHING = (0, 32)  # success, noSuchObject: no answer rather than a failure (RFC 4511 4.1.9)


def quote_filter(text: str) -> str:
    """RFC 4515 3: * ( ) backslash and NUL as \\XX."""
    return "".join(f"\\{ord(char):02x}" if char in "*()\\\0" else char for char in text)


def quote_dn(text: str) -> str:
    """RFC 4514 2.4: what has a meaning in a distinguished name, as \\XX; blanks and # only at the ends."""
    last = len(text) - 1
    return "".join(
        f"\\{ord(char):02X}" if char in ' \t"#+,;<>\\=\0' and (char not in " #" or at in (0, last)) else char
        for at, char in enumerate(text))


@dataclass(frozen=True, slots=True)
class Search:
    """What to look for, and which attributes of what is found make the answer."""

    base: Template
    filter: Template
    scope: str
    plain: tuple[str, ...]
    special: tuple[str, ...]
    leaf: tuple[str, ...]
    terminal: tuple[str, ...]
    deepest: int
    size_limit: int
    results: Results

    @classmethod
    def read(cls, config: ClientConfig) -> Search:
        """ConfigError for what does not read."""
        scope = config.text("scope", "sub").strip()
        if scope not in SCOPES:
            raise ConfigError(f"{config.spec}: bad value for scope: {scope}", config.span)

        def names(parameter: str, default: str = "") -> tuple[str, ...]:
            return tuple(config.words(parameter, default))

        results = Results.read(config, "result_format" if config.text("result_format") else "result_filter")
        return cls(Template.read(config.text("search_base")),
                   Template.read(config.text("query_filter", "(mailacceptinggeneralid=%s)")),
                   SCOPES[scope], names("result_attribute", "maildrop"), names("special_result_attribute"),
                   names("leaf_result_attribute"), names("terminal_result_attribute"),
                   config.number("recursion_limit", 1000, 1), config.number("size_limit", results.limit), results)


@dataclass(slots=True)
class LdapConnection:
    """A bound connection of ldap3."""

    handle: Any
    search: Search

    def ask(self, key: str) -> str | None:
        """Search, follow, collect."""
        search = self.search
        base = search.base.expand(key, quote=quote_dn)
        wanted = search.filter.expand(key, quote=quote_filter)
        if base is None or wanted is None:
            return None
        # The filter may stand without its outer parentheses.
        wanted = wanted.strip() if wanted.lstrip().startswith("(") else f"({wanted.strip()})"
        return search.results.join(self._values(base, wanted, search.scope, 1), key)

    def _values(self, base: str, wanted: str, scope: str, depth: int) -> Iterator[str]:
        search = self.search
        if depth > search.deepest:
            raise LookupFailure(f"{search.results.spec}: recursion limit exceeded at {base}")
        names = list(dict.fromkeys((*search.terminal, *search.plain, *search.special, *search.leaf)))
        for entry in self._entries(base, wanted, scope, names):
            terminal = list(_of(entry, search.terminal))
            if terminal:
                yield from terminal
                continue
            onward = list(_of(entry, search.special))
            yield from _of(entry, search.plain)
            if not onward:
                yield from _of(entry, search.leaf)
            for name in onward:
                yield from self._values(name, "(objectclass=*)", "BASE", depth + 1)

    def _entries(self, base: str, wanted: str, scope: str, names: list[str]) -> list[dict[str, list[bytes]]]:
        self.handle.search(base, wanted, search_scope=scope, attributes=names, size_limit=self.search.size_limit)
        result = self.handle.result or {}
        if result.get("result", 0) not in SEARCHED_TO_NOTHING:
            raise LookupFailure(f"{self.search.results.spec}: search error: {result.get('description')}")
        found = self.handle.response or []
        return [entry["raw_attributes"] for entry in found if entry.get("type") == "searchResEntry"]

    def close(self) -> None:
        """Closing must not fail."""
        try:
            self.handle.unbind()
        except Exception:
            return  # it was broken already


def _of(entry: dict[str, list[bytes]], names: tuple[str, ...]) -> Iterator[str]:
    """All values of these attributes; attribute names are written in any case."""
    by_name = {name.lower(): values for name, values in entry.items()}
    for name in names:
        for value in by_name.get(name.lower(), ()):
            yield value.decode("utf-8", "surrogateescape")


@dataclass(slots=True)
class LdapConnector:
    """Binds to the first server that answers. `strategy` of ldap3 is replaced by its mock where there is no server."""

    config: ClientConfig
    search: Search
    ldap3: ModuleType

    def connect(self) -> LdapConnection:
        """A bound connection, encrypted first when start_tls says so."""
        reasons = []
        for host in self.config.words("server_host", "localhost"):
            try:
                return LdapConnection(self._bind(host), self.search)
            except self.ldap3.core.exceptions.LDAPException as error:
                reasons.append(f"{host}: {error}")
        raise LookupFailure(f"{self.config.spec}: unable to bind: {'; '.join(reasons)}")

    def _bind(self, host: str) -> Any:
        config, timeout = self.config, self.config.seconds("timeout", 10)
        server = self.ldap3.Server(host, port=None if "://" in host else config.number("server_port", 389),
                                   use_ssl=host.startswith("ldaps:"), tls=self._tls(), connect_timeout=timeout,
                                   get_info=self.ldap3.NONE)
        start_tls = config.flag("start_tls", False)
        bind = config.text("bind", "yes").strip()
        if bind not in ("yes", "no", "simple", "none"):
            raise LookupFailure(f"{config.spec}: bind = {bind} is not supported", temporary=False)
        name = config.text("bind_dn") if bind in ("yes", "simple") else ""
        handle = self.ldap3.Connection(
            server, user=name or None, password=config.text("bind_pw") or None,
            authentication=self.ldap3.SIMPLE if name else self.ldap3.ANONYMOUS, read_only=True,
            auto_bind=self.ldap3.AUTO_BIND_TLS_BEFORE_BIND if start_tls else self.ldap3.AUTO_BIND_NO_TLS,
            auto_referrals=config.flag("chase_referrals", False), receive_timeout=timeout,
            check_names=False)
        return handle

    def _tls(self) -> Any:
        config = self.config
        demand = config.flag("tls_require_cert", False)
        return self.ldap3.Tls(validate=ssl.CERT_REQUIRED if demand else ssl.CERT_NONE,
                              ca_certs_file=config.text("tls_ca_cert_file") or None,
                              ca_certs_path=config.text("tls_ca_cert_dir") or None,
                              local_certificate_file=config.text("tls_cert") or None,
                              local_private_key_file=config.text("tls_key") or None)


def open_ldap(name: str, opening: Opening) -> OpenTable:
    """`ldap:/file.cf` or `ldap:name`. Connections are opened by lookups."""
    ldap3 = library("ldap3", "ldap", "ldap")
    config = read_client_config("ldap", name, opening)
    connector = LdapConnector(config, Search.read(config), ldap3)
    return ThreadedTable(config.spec, connector, DomainFilter.read(config, opening))


OPENERS: dict[str, Opener] = {"ldap": open_ldap}
