"""Canonical form of addresses: routing operators, what is appended, what is dropped, what is no domain."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.lookup.rewrite import Rules, forms, is_dot_string, literal_address, split, without_extension

RULES = Rules(myorigin="origin.test", mydomain="example.test", myhostname="mx.example.test",
              empty_recipient="MAILER-DAEMON", swap_bangpath=True, percent_hack=True, append_at_myorigin=True,
              append_dot_mydomain=False, dequote=True, null_domain=False, numeric_domain=False, utf8=True)

REWRITTEN = [
    ("user@a.example", "user@a.example", "nothing to do"),
    ("", "", "the null sender"),
    ("@", "@", "a lone @ is refused later"),
    ("user", "user@origin.test", "an address without domain gets ours"),
    ("site!user", "user@site", "a bang path"),
    ("a!b!user", "b!user@a", "only its first site"),
    ("user%site", "user@site", "the percent hack"),
    ("user%b%a", "user%b@a", "only its last site"),
    ("a!user%b", "user%b@a", "the bang comes first"),
    ("a!b@c", "a!b@c", "operators left of an @ are somebody else's"),
    ("user@a.example.", "user@a.example", "one trailing dot is dropped"),
    ("user@a.example..", "user@a.example..", "two are an error"),
    ("user@.", "user@.", "a lone dot is an error"),
    ("user@", "user@", "an empty domain stays to be refused"),
    ("a b!c", "a b!c@origin.test", "operators in quotes are text"),
    ("user@host", "user@host", "append_dot_mydomain is off"),
]


@pytest.mark.parametrize(("address", "expected", "why"), REWRITTEN)
def test_canonical_form(address: str, expected: str, why: str) -> None:
    assert RULES.rewritten(address) == expected, why


def test_a_domain_without_dot_gets_ours_when_asked() -> None:
    rules = replace(RULES, append_dot_mydomain=True)
    assert rules.rewritten("user@host") == "user@host.example.test"
    assert rules.rewritten("user@[1.2.3.4]") == "user@[1.2.3.4]"
    assert rules.rewritten("site!user") == "user@site.example.test"
    assert rules.rewritten("user@") == "user@", "a broken form stays as it is"


def test_operators_mean_nothing_when_switched_off() -> None:
    rules = replace(RULES, swap_bangpath=False, percent_hack=False)
    assert rules.rewritten("a!b") == "a!b@origin.test"
    assert rules.rewritten("a%b") == "a%b@origin.test"
    assert replace(rules, append_at_myorigin=False).rewritten("user") == "user"


REOPENED = [
    ("user", None, "a plain local part is ours"),
    ("user%remote.example", ("user", "remote.example"), "percent"),
    ("remote.example!user", ("user", "remote.example"), "bang"),
    ("user@remote.example", ("user", "remote.example"), "an @ that was quoted"),
    ("two words%remote.example", ("two words", "remote.example"), "percent inside quotes"),
    ("remote.example!two words", ("two words", "remote.example"), "bang inside quotes"),
    ("two words", None, "quotes without operators"),
    ("", None, "an empty local part"),
]


@pytest.mark.parametrize(("local", "expected", "why"), REOPENED)
def test_operators_left_of_a_local_domain(local: str, expected: tuple[str, str] | None, why: str) -> None:
    assert RULES.reopened(local) == expected, why


def test_quotes_are_not_opened_when_forbidden() -> None:
    assert replace(RULES, dequote=False).reopened("user@remote.example") is None


VALID = ["example.com", "a-b.example", "under_score.example", "[192.0.2.1]", "[IPv6:2001:db8::1]", "xn--a.example",
         "exämple.test", "localhost", "1.2.3.4a"]
INVALID = ["", "1.2.3.4", "a..b", ".a", "a.", "-a.example", "a-.example", "a" * 64 + ".example", "[junk]", "[1.2.3]",
           "[2001:db8::1]", "[IPv6:1.2.3.4]", "a b", "a/b", "x." * 127 + "xyz", "\udcff.example", "[1.2.3.4"]


@pytest.mark.parametrize("domain", VALID)
def test_domains_that_mail_can_go_to(domain: str) -> None:
    assert RULES.checked_domain(domain) == domain


@pytest.mark.parametrize("domain", INVALID)
def test_domains_that_it_cannot(domain: str) -> None:
    assert RULES.checked_domain(domain) is None


def test_what_the_parameters_make_valid() -> None:
    assert replace(RULES, numeric_domain=True).checked_domain("1.2.3.4") == "[1.2.3.4]"
    assert replace(RULES, utf8=False).checked_domain("exämple.test") is None


def test_literals() -> None:
    assert literal_address("[1.2.3.4]") == "1.2.3.4"
    assert literal_address("[ipv6:::1]") == "::1"
    assert literal_address("1.2.3.4") is None


EXTENSIONS = [
    ("user+ext", "+", "user"), ("user+a+b", "+", "user"), ("user+", "+", "user"), ("+ext", "+", None),
    ("user", "+", None), ("user+ext", "", None), ("user-ext", "+-", "user"), ("owner-list", "-", None),
    ("list-request", "-", None), ("double-bounce", "-", None), ("mailer-daemon", "-", None),
]


@pytest.mark.parametrize(("local", "delimiters", "expected"), EXTENSIONS)
def test_extensions(local: str, delimiters: str, expected: str | None) -> None:
    assert without_extension(local, delimiters) == expected


def test_forms_are_quoted_first() -> None:
    assert forms("user@x.example") == ("user@x.example",)
    assert forms("a b@x.example") == ('"a b"@x.example', "a b@x.example")


def test_split() -> None:
    assert split("a@b@c") == ("a@b", "c")
    assert split("user") == ("user", "")


@given(st.text(max_size=40))
def test_rewriting_twice_is_rewriting_once(address: str) -> None:
    """With no operator left of an @, nothing is left to rewrite; one more trailing dot would be a broken domain."""
    once = RULES.rewritten(address)
    assert RULES.rewritten(once) == once


@given(st.text(max_size=40))
def test_any_local_part_is_opened_or_left(local: str) -> None:
    opened = RULES.reopened(local)
    if opened is not None:
        assert len(opened[0]) + len(opened[1]) < len(local), "so that following operators comes to an end"
    assert is_dot_string(local) in (True, False)
