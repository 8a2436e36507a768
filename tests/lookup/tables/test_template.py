"""Query and result templates: pieces of the key, quoting, and what suppresses a query."""

from __future__ import annotations

import pytest

from gatepost.lookup.tables.ldap import quote_dn, quote_filter
from gatepost.lookup.tables.template import Template
from gatepost.span import ConfigError


@pytest.mark.parametrize(("template", "value", "expected"), [
    ("%s", "u@d.example", "u@d.example"),
    ("%u at %d", "u@d.example", "u at d.example"),
    ("%u", "alone", "alone"),
    ("%d", "alone", None),
    ("%u", "@d.example", None),
    ("%u", "a@b@c", "a@b"),
    ("%1.%2", "u@mail.example.com", "com.example"),
    ("%3", "u@example.com", None),
    ("%1", "alone", None),
    ("100%% %s", "x", "100% x"),
    ("%S %U %D", "u@d", "u@d u d"),
    ("plain", "x", "plain"),
])
def test_query(template: str, value: str, expected: str | None) -> None:
    """Upper case means the same as lower case in a query."""
    assert Template.read(template).expand(value) == expected


@pytest.mark.parametrize(("template", "expected"), [
    ("%s", "box@host.example"), ("%S", "u@d.com"), ("%u/%U", "box/u"), ("%d/%D", "host.example/d.com"), ("%1", "com")])
def test_result(template: str, expected: str) -> None:
    """In a result template upper case and digits are taken from the key."""
    assert Template.read(template).expand("box@host.example", "u@d.com") == expected


@pytest.mark.parametrize("template", ["%x", "%", "100%"])
def test_unknown_piece(template: str) -> None:
    """A % that means nothing is the operator's mistake."""
    with pytest.raises(ConfigError):
        Template.read(template)


def test_quoting_is_per_piece() -> None:
    """The template itself is never quoted."""
    assert Template.read("'%s' '%u'").expand("o'x@d", quote=lambda piece: piece.replace("'", "''")) == "'o''x@d' 'o''x'"


def test_ldap_quoting() -> None:
    """RFC 4515 in filters, RFC 4514 in names."""
    assert quote_filter("a*(b)\\\0") == "a\\2a\\28b\\29\\5c\\00"
    assert quote_dn("#a, b=c ") == "\\23a\\2C b\\3Dc\\20"
