"""Match lists: what is on them, what ends a search, what a malformed item says."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.config.parameter import Word, split_list
from gatepost.lookup.ask import LookupFailure, Table
from gatepost.lookup.fake import FakeLookups
from gatepost.lookup.match import AddressList, DomainList, NameAddrList, StringList, matches_subdomains
from gatepost.span import ConfigError, Span


def words(text: str) -> tuple[Word, ...]:
    return tuple(Word(item, Span("main.cf", 7, offset + 1, len(item))) for offset, item in split_list(text))


ADDRESSES = [
    ("127.0.0.0/8", "127.0.0.9", True, "inside a block"),
    ("127.0.0.0/8", "128.0.0.9", False, "outside a block"),
    ("192.0.2.1", "192.0.2.1", True, "a single address"),
    ("[192.0.2.1]", "192.0.2.1", True, "brackets mean nothing for IPv4"),
    ("[2001:db8::]/32", "2001:db8:1::5", True, "an IPv6 block"),
    ("[::1]", "0:0:0:0:0:0:0:1", True, "an address is a number, not a spelling"),
    ("[::1]", "::1", True, "one IPv6 address"),
    ("0.0.0.0/0", "::1", False, "an IPv4 pattern never matches an IPv6 client"),
    ("[::]/0", "192.0.2.1", False, "an IPv6 pattern never matches an IPv4 client"),
    ("!192.0.2.1, 192.0.2.0/24", "192.0.2.1", False, "the first match decides"),
    ("!192.0.2.1, 192.0.2.0/24", "192.0.2.2", True, "what is not excluded is in"),
    ("192.0.2.0/24, !192.0.2.1", "192.0.2.1", True, "an exclusion behind the match is too late"),
    ("!!192.0.2.1", "192.0.2.1", True, "two negations are none"),
    ("0.0.0.0/0", "unknown", False, "what is no address is in no block"),
    ("static:all", "192.0.2.1", True, "static: matches everything"),
    ("inline:{192.0.2.1=x}", "192.0.2.1", True, "a table is asked for the address"),
    ("!inline:{192.0.2.1=x} 192.0.2.0/24", "192.0.2.1", False, "a table can be negated"),
    ("", "192.0.2.1", False, "an empty list has nobody on it"),
]


@pytest.mark.parametrize(("text", "address", "expected", "why"), ADDRESSES)
def test_addresses(text: str, address: str, expected: bool, why: str) -> None:
    listed = AddressList.of(words(text), FakeLookups())
    assert listed.static
    assert listed.matches_now(address) is expected, why
    assert listed.matches_now(address) is expected, f"{why} (asked again)"
    assert asyncio.run(listed.matches(address)) is expected, why


DOMAINS = [
    ("example.com", "example.com", True, True, "the domain itself"),
    ("example.com", "EXAMPLE.Com", True, True, "letter case does not count"),
    ("Example.com", "example.com", True, True, "on neither side"),
    ("example.com", "a.b.example.com", True, True, "a sub-domain, when parents match"),
    ("example.com", "a.example.com", False, False, "a sub-domain, when they do not"),
    (".example.com", "a.example.com", False, True, "the dot form covers sub-domains"),
    (".example.com", "example.com", False, False, "and not the bare domain"),
    (".example.com", "a.example.com", True, False, "the dot form means nothing when parents match"),
    ("example.com", "notexample.com", True, False, "a label is whole"),
    ("inline:{example.com=x}", "a.b.example.com", True, True, "a table is asked for parents"),
    ("inline:{example.com=x}", "a.b.example.com", False, False, "with their dot"),
    ("inline:{.example.com=x}", "a.b.example.com", False, True, "with their dot, if parents do not match"),
]


@pytest.mark.parametrize(("text", "name", "parents", "expected", "why"), DOMAINS)
def test_domains(text: str, name: str, parents: bool, expected: bool, why: str) -> None:
    assert DomainList.of(words(text), parents, FakeLookups()).matches_now(name) is expected, why


def test_a_pattern_table_sees_only_the_whole_name() -> None:
    lookups = FakeLookups(tables={"regexp:/x": {}})
    DomainList.of(words("regexp:/x"), True, lookups).matches_now("a.example.com")
    assert [question.key for question in lookups.asked] == ["a.example.com"]


def test_a_client_is_tried_by_name_then_by_address() -> None:
    lookups = FakeLookups(tables={"hash:/clients": {}})
    clients = NameAddrList.of(words("hash:/clients friend.example 192.0.2.0/24"), False, lookups)
    assert clients.matches_now("friend.example", "203.0.113.1")
    assert clients.matches_now("unknown", "192.0.2.7")
    assert not clients.matches_now("unknown", "203.0.113.1")
    assert [question.key for question in lookups.asked[:3]] == ["friend.example", ".example", "203.0.113.1"]


def test_items_of_a_file_stand_where_the_file_is_named(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.write_text("192.0.2.9\n")
    outer = tmp_path / "outer"
    outer.write_text(f"# comment\n192.0.2.1, 192.0.2.2\n  # indented comment\n{inner}\n")
    excluded = AddressList.of(words(f"!{outer} 192.0.2.0/24"))
    assert [excluded.matches_now(f"192.0.2.{last}") for last in (1, 2, 9, 10)] == [False, False, False, True]


def test_an_error_in_a_file_has_its_place_in_that_file(tmp_path: Path) -> None:
    file = tmp_path / "networks"
    file.write_text("192.0.2.1\n10.0.0.0/8, 10.1.0.0/8\n")
    with pytest.raises(ConfigError) as caught:
        AddressList.of(words(str(file)))
    assert caught.value.span == Span(str(file), 2, 13, 10)
    assert caught.value.message == ('non-null host address bits in "10.1.0.0/8", '
                                    'perhaps you should use "10.0.0.0/8" instead')


MALFORMED = [
    ("192.0.2.1/24", "host bits are set"),
    ("[2001:db8::1]/32", "host bits are set, IPv6"),
    ("192.0.2.0/33", "more bits than an address has"),
    ("192.0.2.0/", "no bits"),
    ("192.0.2/24", "three octets"),
    ("[junk]", "brackets around no address"),
    ("2001:db8::1", "an IPv6 address without brackets would be a table of type 2001"),
    ("!", "nothing to negate"),
    ("#comment", "a comment behind other text"),
    ("/nonexistent/file", "a file that cannot be read"),
]


@pytest.mark.parametrize(("text", "why"), MALFORMED)
def test_a_malformed_item_is_an_error_with_its_place(text: str, why: str) -> None:
    with pytest.raises(ConfigError) as caught:
        NameAddrList.of(words(f"10.0.0.0/8 {text}"), False, FakeLookups())
    assert caught.value.span == Span("main.cf", 7, 12, len(text)), why


@pytest.mark.parametrize(("text", "why"), MALFORMED)
def test_or_fails_each_search_that_comes_to_it(text: str, why: str) -> None:
    listed = NameAddrList.of(words(f"10.0.0.0/8 {text}"), False, FakeLookups(), strict=False)
    assert listed.matches_now("", "10.0.0.1"), "the search ended before it"
    with pytest.raises(LookupFailure):
        listed.matches_now("", "192.0.2.1")


def test_a_failing_table_ends_the_search() -> None:
    lookups = FakeLookups(tables={"hash:/t": LookupFailure("disk on fire")})
    listed = StringList.of(words("first hash:/t last"), lookups)
    assert asyncio.run(listed.matches("first"))
    with pytest.raises(LookupFailure, match="disk on fire"):
        asyncio.run(listed.matches("last"))


class SlowTable:
    """A table that has to wait."""

    spec = "tcp:slow"
    partial = False

    async def get(self, key: str) -> str | None:
        await asyncio.sleep(0)
        return "yes" if key == "known" else None


class SlowLookups(FakeLookups):
    """Lookups whose tables have to wait."""

    def table(self, spec: str) -> Table:
        return SlowTable()


def test_a_list_with_a_table_that_waits_is_not_static() -> None:
    listed = StringList.of(words("plain tcp:slow"), SlowLookups())
    assert not listed.static
    assert asyncio.run(listed.matches("known"))
    assert asyncio.run(listed.matches("plain"))
    assert not asyncio.run(listed.matches("other"))


def test_whole_texts_may_look_like_address_literals() -> None:
    assert StringList.of(words("[mail.example.com] $x"), FakeLookups()).matches_now("[Mail.Example.com]")


def test_which_parameters_match_subdomains() -> None:
    assert matches_subdomains(words("mynetworks,relay_domains"), "relay_domains")
    assert not matches_subdomains(words("mynetworks"), "relay_domains")
    assert matches_subdomains(words("static:all"), "relay_domains")


@given(st.integers(0, 2**32 - 1), st.integers(0, 32), st.integers(0, 2**32 - 1))
def test_blocks_hold_exactly_the_addresses_that_share_their_first_bits(network: int, bits: int, client: int) -> None:
    def dotted(number: int) -> str:
        return ".".join(str(byte) for byte in number.to_bytes(4, "big"))

    free = 32 - bits
    listed = AddressList.of((Word(f"{dotted(network >> free << free)}/{bits}"),))
    assert listed.matches_now(dotted(client)) is (client >> free == network >> free)


@given(st.text(max_size=30))
def test_no_text_breaks_a_search(text: str) -> None:
    listed = NameAddrList.of(words("10.0.0.0/8 .example.com [::1]"), False)
    assert listed.matches_now(text, text) in (True, False)


@given(st.text(alphabet="0123456789abcdef.:/[]!x", min_size=1, max_size=20))
def test_any_item_reads_or_is_an_error(text: str) -> None:
    with contextlib.suppress(ConfigError):
        AddressList.of((Word(text),), FakeLookups())
