"""From a next hop to the servers in the order of trying."""

from __future__ import annotations

import asyncio

import pytest

from gatepost.deliver.nexthop import Finder, Unreachable
from gatepost.deliver.wire import Endpoint
from gatepost.lookup.ask import DnsFailure, DnsStatus
from gatepost.lookup.fake import FakeLookups

LOOKUPS = FakeLookups(
    mx={"two.example": [(20, "b.example"), (10, "a.example"), (10, "c.example")], "null.example": [(0, "")],
        "backup.example": [(10, "a.example"), (20, "me.example"), (30, "b.example")],
        "ours.example": [(10, "me.example"), (20, "b.example")],
        "half.example": [(10, "dead.example"), (20, "b.example")],
        "slow.example": DnsFailure(DnsStatus.TRY_AGAIN, "slow.example")},
    addresses={"a.example": ["192.0.2.1"], "b.example": ["192.0.2.2", "2001:db8::2"], "c.example": ["192.0.2.3"],
               "me.example": ["198.51.100.1"], "plain.example": ["192.0.2.9"]})


def find(nexthop: str, **options: object) -> list[str] | Unreachable:
    finder = Finder(LOOKUPS, is_own=lambda address: address == "198.51.100.1", myhostname="me.example",
                    unix_directory="/queue", **options)  # type: ignore[arg-type]
    found = asyncio.run(finder.find(nexthop))
    return found if isinstance(found, Unreachable) else [server.relay for server in found]


@pytest.mark.parametrize(("nexthop", "relays"), [
    ("[127.0.0.1]:10024", ["127.0.0.1[127.0.0.1]:10024"]),
    ("[::1]:26", ["::1[::1]:26"]),
    ("[ipv6:::1]", ["::1[::1]:25"]),
    ("192.0.2.77", ["192.0.2.77[192.0.2.77]:25"]),
    ("[A.example.]:submission", ["a.example[192.0.2.1]:587"]),
    ("plain.example", ["plain.example[192.0.2.9]:25"]),
    ("plain.example:2525", ["plain.example[192.0.2.9]:2525"]),
    ("inet:a.example:24", ["a.example[192.0.2.1]:24"]),
    ("unix:/run/lmtp", ["me.example[/run/lmtp]"]),
    ("unix:private/lmtp", ["me.example[/queue/private/lmtp]"]),
    ("[a.example], [c.example]", ["a.example[192.0.2.1]:25", "c.example[192.0.2.3]:25"]),
    ("backup.example", ["a.example[192.0.2.1]:25"]),
])
def test_servers(nexthop: str, relays: list[str]) -> None:
    assert find(nexthop) == relays


def test_mx_order_is_by_preference_and_random_among_equals() -> None:
    orders = {tuple(find("two.example")) for _ in range(60)}  # type: ignore[arg-type]
    assert {order[:2] for order in orders} == {("a.example[192.0.2.1]:25", "c.example[192.0.2.3]:25"),
                                               ("c.example[192.0.2.3]:25", "a.example[192.0.2.1]:25")}
    assert all(order[2:] in (("b.example[192.0.2.2]:25", "b.example[2001:db8::2]:25"),
                             ("b.example[2001:db8::2]:25", "b.example[192.0.2.2]:25")) for order in orders)


def test_a_server_without_address_is_passed_over() -> None:
    assert find("half.example", shuffle=False) == ["b.example[192.0.2.2]:25", "b.example[2001:db8::2]:25"]


@pytest.mark.parametrize(("nexthop", "dsn", "text"), [
    ("null.example", "5.1.10", "does not accept mail (nullMX)"),
    ("ours.example", "5.4.6", "mail for ours.example loops back to myself"),
    ("slow.example", "4.4.3", "type=MX: Host not found, try again"),
    ("[none.example]", "5.4.4", "type=A: Host not found"),
    ("none.example", "5.4.4", "Host not found"),
    ("[a.example]:99999", "4.3.5", "bad next hop"),
    ("[a.example]:no-such-port", "4.3.5", "bad next hop"),
    ("", "4.3.5", "bad next hop"),
])
def test_nowhere(nexthop: str, dsn: str, text: str) -> None:
    found = find(nexthop)
    assert isinstance(found, Unreachable) and found.dsn == dsn and text in found.text


def test_without_dns_the_system_is_asked() -> None:
    assert "localhost[127.0.0.1]:25" in find("localhost", mx=False, native=True)  # type: ignore[operator]


def test_endpoints_name_themselves() -> None:
    assert Endpoint("h", "/run/x").relay == "h[/run/x]" and Endpoint("h", "1.2.3.4", 25).namaddr == "h[1.2.3.4]"
