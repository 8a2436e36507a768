"""ldap tables over ldap3's own mock directory; skipped by name when the extra is not installed."""

from __future__ import annotations

import pytest

from gatepost.lookup.ask import LookupFailure
from gatepost.lookup.tables.clientconfig import ClientConfig
from gatepost.lookup.tables.ldap import LdapConnection, Search

ldap3 = pytest.importorskip("ldap3")

BASE = "ou=people,dc=example,dc=com"


def connection(**extra: str) -> LdapConnection:
    values = {"search_base": BASE, "query_filter": "(&(mail=%s)(objectClass=person))", "result_attribute": "uid",
              **extra}
    handle = ldap3.Connection(ldap3.Server("x", get_info=ldap3.NONE), client_strategy=ldap3.MOCK_SYNC,
                              check_names=False)
    person = {"objectClass": "person", "sn": "x"}
    handle.strategy.add_entry(BASE, {"objectClass": "organizationalUnit", "ou": "people"})
    handle.strategy.add_entry(f"uid=u,{BASE}", {**person, "uid": "u", "mail": "u@example.com"})
    handle.strategy.add_entry(f"uid=g,{BASE}", {**person, "uid": "g", "mail": "g@example.com",
                                                "member": [f"uid=u,{BASE}"]})
    handle.strategy.add_entry(f"uid=l,{BASE}", {**person, "uid": "l", "mail": "l@example.com",
                                                "member": [f"uid=l,{BASE}"]})
    handle.bind()
    return LdapConnection(handle, Search.read(ClientConfig("ldap:x", values.get, None)))


@pytest.mark.parametrize(("extra", "key", "expected"), [
    ({}, "u@example.com", "u"),
    ({}, "nobody@example.com", None),
    ({}, "*", None),
    ({"result_format": "%s@%D"}, "u@example.com", "u@example.com"),
    ({"special_result_attribute": "member"}, "g@example.com", "g,u"),
    ({"special_result_attribute": "member", "leaf_result_attribute": "mail"}, "g@example.com", "g,u,u@example.com"),
    ({"terminal_result_attribute": "mail"}, "u@example.com", "u@example.com"),
    ({"search_base": "ou=absent,dc=example,dc=com"}, "u@example.com", None),
])
def test_search(extra: dict[str, str], key: str, expected: str | None) -> None:
    """Values, recursion, leaf and terminal attributes; the key is quoted."""
    assert connection(**extra).ask(key) == expected


def test_recursion_ends() -> None:
    """An entry that leads to itself is a failed lookup."""
    with pytest.raises(LookupFailure, match="recursion limit"):
        connection(special_result_attribute="member", recursion_limit="5").ask("l@example.com")
