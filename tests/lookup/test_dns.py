"""The resolver against a name server on loopback: answers, their absence, failures, what is kept."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from gatepost.config.parameter import Word
from gatepost.config.settings import Settings
from gatepost.lookup.ask import DnsFailure, DnsStatus, Listing, LookupFailure, MailExchanger
from gatepost.lookup.dns import Resolver, reverse_name, server_address
from gatepost.lookup.fake import FakeLookups
from gatepost.lookup.maps import Maps
from gatepost.span import ConfigError
from tests.lookup.name_server import GARBAGE, SILENT, NameServer, Zone, serving

T = TypeVar("T")

ZONE: Zone = {
    ("mail.test", "A"): ["192.0.2.25"],
    ("mail.test", "AAAA"): ["2001:db8::25"],
    ("four.test", "A"): ["192.0.2.4"],
    ("alias.test", "CNAME"): ["four.test."],
    ("mail.test", "MX"): ["20 second.test.", "10 First.Test."],
    ("null.test", "MX"): ["0 ."],
    ("bad.test", "MX"): ["10 two\\032words.test."],
    ("half.test", "MX"): ["10 two\\032words.test.", "20 good.test."],
    ("25.2.0.192.in-addr.arpa", "PTR"): ["Mail.Test."],
    ("2.0.0.127.bl.test", "A"): ["127.0.0.2", "127.0.0.4"],
    ("2.0.0.127.bl.test", "TXT"): ['"one " "text"', '"another"'],
    ("mail.test", "NS"): ["ns1.test.", "ns2.test."],
    ("broken.test", "A"): "SERVFAIL",
    ("refused.test", "A"): "REFUSED",
    ("silent.test", "A"): SILENT,
    ("garbage.test", "A"): GARBAGE,
    ("loop.test", "CNAME"): ["loop.test."],
    ("partly.test", "A"): "SERVFAIL",
    ("partly.test", "AAAA"): ["2001:db8::1"],
}


def ask(question: Callable[[Resolver], Awaitable[T]], *, truncate: bool = False, types: tuple[str, ...] = ("A", "AAAA"),
        reply_filter: Maps | None = None) -> T:
    async def main() -> T:
        async with serving(NameServer(ZONE, truncate=truncate)) as server:
            return await question(Resolver([("127.0.0.1", server.port)], timeout=0.2, time_limit=0.4, types=types,
                                           reply_filter=reply_filter))

    return asyncio.run(main())


def failure(question: Callable[[Resolver], Awaitable[object]], reply_filter: Maps | None = None) -> DnsFailure:
    with pytest.raises(DnsFailure) as caught:
        ask(question, types=("A",), reply_filter=reply_filter)
    return caught.value


def test_answers() -> None:
    async def all_kinds(dns: Resolver) -> list[object]:
        return [await dns.addresses("Mail.Test."), await dns.addresses("alias.test"), await dns.mx("mail.test"),
                await dns.names("192.0.2.25"), sorted(await dns.a_records("2.0.0.127.bl.test")),
                sorted(await dns.text("2.0.0.127.bl.test")), sorted(await dns.name_servers("mail.test"))]

    assert ask(all_kinds) == [
        ["192.0.2.25", "2001:db8::25"], ["192.0.2.4"],
        [MailExchanger(10, "first.test"), MailExchanger(20, "second.test")],
        ["mail.test"], ["127.0.0.2", "127.0.0.4"], ["another", "one text"], ["ns1.test", "ns2.test"]]


def test_only_enabled_address_families_are_asked() -> None:
    assert ask(lambda dns: dns.addresses("mail.test"), types=("AAAA",)) == ["2001:db8::25"]


def test_a_null_mx_has_no_host() -> None:
    assert ask(lambda dns: dns.mx("null.test")) == [MailExchanger(0, "")]


def test_an_mx_that_is_no_host_name_does_not_count() -> None:
    assert ask(lambda dns: dns.mx("half.test")) == [MailExchanger(20, "good.test")]
    assert failure(lambda dns: dns.mx("bad.test")).status is DnsStatus.MALFORMED


def test_one_address_family_is_enough() -> None:
    assert ask(lambda dns: dns.addresses("partly.test")) == ["2001:db8::1"]


def test_a_truncated_answer_is_asked_for_again_over_tcp() -> None:
    assert ask(lambda dns: dns.a_records("four.test"), truncate=True) == ["192.0.2.4"]


FAILURES = [
    ("nothing.test", DnsStatus.NOT_FOUND, "the name does not exist"),
    ("null.test", DnsStatus.NOT_FOUND, "the name has no address"),
    ("two words.test", DnsStatus.NOT_FOUND, "no name to ask for"),
    ("a..b", DnsStatus.NOT_FOUND, "an empty label"),
    ("x" * 64 + ".test", DnsStatus.NOT_FOUND, "a label that is too long"),
    ("broken.test", DnsStatus.TRY_AGAIN, "SERVFAIL"),
    ("refused.test", DnsStatus.TRY_AGAIN, "REFUSED"),
    ("silent.test", DnsStatus.TRY_AGAIN, "no reply in time"),
    ("garbage.test", DnsStatus.TRY_AGAIN, "a datagram that is no reply may be anybody's"),
    ("loop.test", DnsStatus.MALFORMED, "an alias of itself"),
]


@pytest.mark.parametrize(("name", "status", "why"), FAILURES)
def test_failures(name: str, status: DnsStatus, why: str) -> None:
    assert failure(lambda dns: dns.addresses(name)).status is status, why
    assert failure(lambda dns: dns.a_records(name)).status is status, why


def test_answers_are_kept_for_their_time_to_live_and_failures_are_not() -> None:
    async def main() -> list[int]:
        now = [0.0]
        async with serving(NameServer(ZONE, ttl=300)) as server:
            resolver = Resolver([("127.0.0.1", server.port)], timeout=0.2, time_limit=0.4, clock=lambda: now[0])
            asked: list[int] = []
            for at, name in ((0, "four.test"), (299, "four.test"), (301, "four.test"), (301, "nothing.test"),
                             (330, "nothing.test"), (332, "nothing.test"), (332, "broken.test"), (332, "broken.test")):
                now[0], before = at, len(server.asked)
                with contextlib.suppress(DnsFailure):
                    await resolver.a_records(name)
                asked.append(len(server.asked) - before)
            return asked

    # "no" is kept for the 30 seconds of the zone's SOA, "ask again" not at all
    assert asyncio.run(main()) == [1, 0, 1, 1, 0, 1, 1, 1]


def test_two_who_ask_the_same_wait_for_one_answer_and_one_may_give_up() -> None:
    async def main() -> tuple[object, int]:
        async with serving(NameServer(ZONE)) as server:
            resolver = Resolver([("127.0.0.1", server.port)])
            impatient = asyncio.create_task(resolver.a_records("four.test"))
            patient = asyncio.create_task(resolver.a_records("four.test"))
            await asyncio.sleep(0)
            impatient.cancel()
            return await patient, len(server.asked)

    assert asyncio.run(main()) == (["192.0.2.4"], 1)


def filtered(entries: dict[str, str | LookupFailure]) -> Maps:
    lookups = FakeLookups(tables={"pcre:/filter": entries})
    return Maps.of((Word("pcre:/filter"),), lookups)


def test_the_reply_filter_drops_records() -> None:
    ignoring = filtered({"mail.test. 300 IN MX 10 first.test.": "IGNORE"})
    assert ask(lambda dns: dns.mx("mail.test"), reply_filter=ignoring) == [MailExchanger(20, "second.test")]
    nothing_left = filtered({"four.test. 300 IN A 192.0.2.4": "ignore"})
    assert failure(lambda dns: dns.a_records("four.test"), nothing_left).status is DnsStatus.POLICY
    assert failure(lambda dns: dns.addresses("four.test"), nothing_left).status is DnsStatus.POLICY
    down = filtered({"four.test. 300 IN A 192.0.2.4": LookupFailure("down")})
    assert failure(lambda dns: dns.a_records("four.test"), down).status is DnsStatus.TRY_AGAIN


def test_reverse_names() -> None:
    assert reverse_name("192.0.2.1") == "1.2.0.192.in-addr.arpa"
    assert reverse_name("2001:db8::1") == "1." + "0." * 23 + "8.b.d.0.1.0.0.2.ip6.arpa"


def test_name_servers_from_the_configuration() -> None:
    assert server_address(Word("192.0.2.53")) == ("192.0.2.53", 53)
    assert server_address(Word("192.0.2.53:5353")) == ("192.0.2.53", 5353)
    assert server_address(Word("[2001:db8::53]:5353")) == ("2001:db8::53", 5353)
    assert server_address(Word("2001:db8::53")) == ("2001:db8::53", 53)
    assert server_address(Word("[2001:db8::53]")) == ("2001:db8::53", 53)
    for bad in ("ns.example", "192.0.2.53:0", "192.0.2.53:x", "[192.0.2.53"):
        with pytest.raises(ConfigError):
            server_address(Word(bad))


def test_settings_name_the_server_and_the_families() -> None:
    async def main() -> object:
        async with serving(NameServer(ZONE)) as server:
            settings = Settings.of({"gatepost_dns_servers": f"127.0.0.1:{server.port}", "inet_protocols": "ipv6"})
            return await Resolver.of(settings).addresses("mail.test")

    assert asyncio.run(main()) == ["2001:db8::25"]


def test_a_listing_tells_how_long_it_is_good() -> None:
    async def main() -> list[object]:
        now = [0.0]
        async with serving(NameServer(ZONE, ttl=300)) as server:
            resolver = Resolver([("127.0.0.1", server.port)], clock=lambda: now[0])
            said: list[object] = [await resolver.listing("four.test"), await resolver.listing("alias.test"),
                                  await resolver.listing("nothing.test"), await resolver.listing("null.test"),
                                  await resolver.listing("two words.test")]
            now[0] = 20.5
            said += [await resolver.listing("four.test"), await resolver.listing("nothing.test"), len(server.asked)]
            return said

    # "no" is good for as long as the SOA record, 300, not for its minimum field, 30; what is kept grows older
    assert asyncio.run(main()) == [
        Listing(["192.0.2.4"], 300), Listing(["192.0.2.4"], 300), Listing([], 300), Listing([], 300), Listing([], -1),
        Listing(["192.0.2.4"], 280), Listing([], 280), 4]


@pytest.mark.parametrize(("name", "status"), [
    ("broken.test", DnsStatus.TRY_AGAIN), ("silent.test", DnsStatus.TRY_AGAIN), ("loop.test", DnsStatus.MALFORMED)])
def test_a_listing_that_cannot_be_known(name: str, status: DnsStatus) -> None:
    assert failure(lambda dns: dns.listing(name)).status is status


def test_the_reply_filter_has_no_say_in_listings() -> None:
    everything = filtered({"four.test. 300 IN A 192.0.2.4": "IGNORE"})

    async def both(dns: Resolver) -> tuple[object, object]:
        listing = await dns.listing("four.test")
        with pytest.raises(DnsFailure) as caught:
            await dns.a_records("four.test")
        return listing, caught.value.status

    assert ask(both, reply_filter=everything) == (Listing(["192.0.2.4"], 300), DnsStatus.POLICY)
