"""Aliases: who gets the message in the end."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gatepost.config.settings import Settings
from gatepost.deliver.alias_text import Destination, destinations
from gatepost.deliver.aliases import Aliases
from gatepost.deliver.envelope import Recipient
from gatepost.deliver.result import Result
from gatepost.lookup.ask import LookupFailure
from gatepost.lookup.classes import Classes
from gatepost.lookup.fake import FakeLookups

SETTINGS = {
    "myhostname": "mx.example", "myorigin": "mx.example", "mydestination": "mx.example", "recipient_delimiter": "+",
    "virtual_alias_maps": "hash:virtual", "alias_maps": "hash:aliases", "virtual_alias_domains": "alias.example",
    "inet_interfaces": "loopback-only",
}
VIRTUAL = {
    "info@alias.example": "joe, ann@other.example",
    "copy@a.example": "copy@a.example, archive@b.example",
    "one@a.example": "two@a.example", "two@a.example": "three@a.example",
    "@old.example": "@new.example", "@any.example": "catch@b.example",
    "ext@a.example": "target@b.example",
    "loop1@a.example": "loop2@a.example", "loop2@a.example": "loop1@a.example",
    "local": "elsewhere@b.example",
    "grow@a.example": "grow+x@a.example",
    "fails@a.example": LookupFailure("server is down"),
}
ALIASES = {
    "postmaster": "root", "root": "root, admin@other.example", "list": "joe, postmaster, :include:{include}",
    "prog": '"|/bin/prog -x", /dev/null', "circle": "circle2", "circle2": "circle", "empty": " ",
    "broken": LookupFailure("no table"),
}


def aliases(**settings: str) -> Aliases:
    values = Settings.of({**SETTINGS, **settings})
    lookups = FakeLookups(tables={"hash:virtual": VIRTUAL, "hash:aliases": ALIASES})
    return Aliases(values, lookups, Classes(values, lookups))


VIRTUAL_CASES = [
    ("no alias", "x@else.example", ["x@else.example"]),
    ("a list, completed", "info@alias.example", ["joe@mx.example", "ann@other.example"]),
    ("itself and another", "copy@a.example", ["copy@a.example", "archive@b.example"]),
    ("twice", "one@a.example", ["three@a.example"]),
    ("a domain moved", "who+e@old.example", ["who+e@new.example"]),
    ("a catch-all takes no extension", "who+e@any.example", ["catch@b.example"]),
    ("an extension goes with the address", "ext+list@a.example", ["target+list@b.example"]),
    ("the local part alone in our domain", "local@mx.example", ["elsewhere@b.example"]),
    ("the local part alone elsewhere is no key", "local@a.example", ["local@a.example"]),
]


@pytest.mark.parametrize(("what", "address", "expected"), VIRTUAL_CASES, ids=[case[0] for case in VIRTUAL_CASES])
def test_virtual_aliases(what: str, address: str, expected: list[str]) -> None:
    found = asyncio.run(aliases().expand_virtual([Recipient(address, orcpt="rfc822;o", notify="NEVER")]))
    assert found == [Recipient(one, address, "rfc822;o", "NEVER") for one in expected]


def test_what_is_expanded_is_not_expanded_again() -> None:
    retried = Recipient("copy@a.example", original="copy@a.example")
    assert asyncio.run(aliases().expand_virtual([retried])) == [retried]


def test_no_address_mappings_leaves_recipients_alone() -> None:
    fresh = Recipient("info@alias.example")
    assert asyncio.run(aliases().expand_virtual([fresh], mappings=False)) == [fresh]


@pytest.mark.parametrize(("address", "dsn", "text"), [
    ("fails@a.example", "4.3.0", "virtual_alias_maps lookup failure: server is down"),
    ("grow@a.example", "4.6.0", "alias expansion makes an address that is too long"),
    ("loop1@a.example", "4.6.0", "alias expansion loop"),
])
def test_what_cannot_be_expanded_waits(address: str, dsn: str, text: str) -> None:
    [found] = asyncio.run(aliases(virtual_alias_address_length_limit="40").expand_virtual([Recipient(address)]))
    assert isinstance(found, Result) and (found.status, found.dsn, found.text) == ("deferred", dsn, text)




def local(name: str, **settings: str) -> list[tuple[str, str] | str]:
    found = asyncio.run(aliases(**settings).local.expand(Recipient(f"{name}@mx.example")))
    return [(one.status, one.text) if isinstance(one, Result) else one.address for one in found]


def test_local_aliases(tmp_path: Path) -> None:
    include = tmp_path / "members"
    include.write_text("# members\nmember@c.example,\n  second@c.example\n\n/tmp/file\n")
    ALIASES["list"] = f"joe, postmaster, :include:{include}"
    assert local("nobody-special") == ["nobody-special@mx.example"]
    assert local("postmaster") == ["root@mx.example", "admin@other.example"]
    assert local("postmaster+x") == ["root@mx.example", "admin@other.example"]
    assert local("list") == ["joe@mx.example", "root@mx.example", "admin@other.example", "member@c.example",
                             "second@c.example", ("bounced", "mail to file is restricted")]
    assert local("circle") == ["circle@mx.example"]
    assert local("empty") == [("deferred", "no recipient in alias lookup result for empty")]


def test_commands_are_refused_and_files_where_they_are_not_allowed() -> None:
    assert local("prog") == [("bounced", "mail to command is restricted"), "/dev/null"]
    assert local("prog", allow_mail_to_files="forward")[1] == ("bounced", "mail to file is restricted")


def test_a_failing_alias_table_defers_and_begins_anew() -> None:
    [found] = asyncio.run(aliases().local.expand(Recipient("broken@mx.example", original="x@y")))
    assert isinstance(found, Result) and found.status == "deferred" and not found.recipient.expanded


def test_luser_relay_takes_unknown_users() -> None:
    assert local("no-such+e", luser_relay="$user.$extension@b.example") == ["no-such.e@b.example"]
    assert local("no-such", luser_relay="@b.example") == ["no-such@b.example"]
    assert local("root", luser_relay="@b.example") == ["root@mx.example", "admin@other.example"]


@pytest.mark.parametrize(("text", "expected"), [
    ("a, b@c", [("address", "a"), ("address", "b@c")]),
    ('"|prog a, b", c', [("command", "prog a, b"), ("address", "c")]),
    ("|prog", [("command", "prog")]),
    ('"/var/mail/a b"', [("file", "/var/mail/a b")]),
    (":include:/etc/list", [("include", "/etc/list")]),
    ('"a, b"@c', [("address", "a, b@c")]),
    ("\\root", [("address", "root")]),
    ("@d", [("address", "@d")]),
    ("a@b c@d", [("address", "a@b"), ("address", "c@d")]),
    ("", []),
])
def test_the_text_of_an_alias(text: str, expected: list[tuple[str, str]]) -> None:
    assert [(one.kind, one.text) for one in destinations(text)] == expected
    assert all(isinstance(one, Destination) for one in destinations(text))
