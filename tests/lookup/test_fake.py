"""The fake that ships: answers at once, scripted failures, and a record of what was asked."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest

from gatepost.lookup.ask import (
    Delegation,
    DnsFailure,
    DnsStatus,
    Listing,
    LookupFailure,
    Lookups,
    MailExchanger,
    Verification,
    is_immediate,
)
from gatepost.lookup.fake import FakeLookups, Question

T = TypeVar("T")


def now(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never suspends."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        value: T = stop.value
        return value
    coroutine.close()
    raise AssertionError("it suspended")


def test_tables_by_spec() -> None:
    """Scripted tables fold keys like fixed-string tables; others are opened for real."""
    lookups: Lookups = FakeLookups(tables={"hash:/x": {"Key": "value", "bad": LookupFailure("down")},
                                           "hash:/down": LookupFailure("all down")})
    table = lookups.table("hash:/x")
    assert now(table.get("KEY")) == "value"
    assert now(table.get("other")) is None
    with pytest.raises(LookupFailure, match="down"):
        now(table.get("bad"))
    with pytest.raises(LookupFailure, match="all down"):
        now(lookups.table("hash:/down").get("any"))
    assert now(lookups.table("inline:{a=b}").get("a")) == "b"
    assert now(lookups.table("pipemap:{hash:/x,inline:{value=end}}").get("key")) == "end"
    assert is_immediate(table) and table.get_now("key") == "value"


def test_pattern_tables_are_not_partial() -> None:
    """The type in the spec decides which keys a table is asked for."""
    lookups = FakeLookups(tables={"pcre:/x": {"Key": "v"}, "hash:/x": {}})
    assert not lookups.table("pcre:/x").partial
    assert lookups.table("hash:/x").partial
    assert now(lookups.table("pcre:/x").get("key")) is None


def test_dns() -> None:
    """Names lose case and final dot; what is not scripted does not exist."""
    lookups = FakeLookups(mx={"Example.com.": [(20, "b.example"), MailExchanger(10, "a.example")]},
                          addresses={"a.example": ["192.0.2.1"]}, names={"192.0.2.1": ["A.Example."]},
                          a_records={"1.2.0.192.bl.example": DnsFailure(DnsStatus.TRY_AGAIN, "x")})
    assert now(lookups.mx("example.COM")) == [MailExchanger(10, "a.example"), MailExchanger(20, "b.example")]
    assert now(lookups.addresses("a.example")) == ["192.0.2.1"]
    assert now(lookups.names("192.0.2.1")) == ["a.example"]
    with pytest.raises(DnsFailure) as again:
        now(lookups.a_records("1.2.0.192.bl.example"))
    assert again.value.status is DnsStatus.TRY_AGAIN
    with pytest.raises(DnsFailure) as missing:
        now(lookups.text("nowhere.example"))
    assert missing.value.status is DnsStatus.NOT_FOUND
    assert lookups.asked[0] == Question("mx", "example.com")


def test_policy_answers_in_turn() -> None:
    """A list is used up to its last answer, which stays."""
    lookups = FakeLookups(policy={"inet:p:1": ["DUNNO", LookupFailure("gone"), "REJECT"], "inet:q:1": "OK"})
    service = Delegation("inet:p:1")
    assert now(lookups.delegate(service, {"sender": "a"})) == "DUNNO"
    with pytest.raises(LookupFailure):
        now(lookups.delegate(service, {}))
    assert [now(lookups.delegate(service, {})) for _ in range(2)] == ["REJECT", "REJECT"]
    assert lookups.asked[0].attributes == {"sender": "a"}
    with pytest.raises(LookupFailure):
        now(lookups.delegate(Delegation("inet:nobody:1"), {}))


def test_verification() -> None:
    """Unknown unless scripted."""
    lookups = FakeLookups(verified={"a@x": Verification("undeliverable", "no such user", "5.1.1")})
    assert now(lookups.verify("a@x", sender=True)).status == "undeliverable"
    assert asyncio.run(lookups.verify("b@x", sender=False)).status == "unknown"


def test_listings_are_scripted_with_the_a_records() -> None:
    down = DnsFailure(DnsStatus.TRY_AGAIN, "")
    lookups: Lookups = FakeLookups(a_records={"X.test": ["127.0.0.2"], "down.test": down},
                                   ttls={"x.test.": 300, "none.test": 60})
    assert now(lookups.listing("x.TEST")) == Listing(("127.0.0.2",), 300)
    assert now(lookups.listing("none.test")) == Listing((), 60)
    assert now(lookups.listing("other.test")) == Listing((), -1)
    with pytest.raises(DnsFailure):
        now(lookups.listing("down.test"))
