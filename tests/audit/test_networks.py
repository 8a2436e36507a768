"""audit/networks.py: which clients a match list takes in, as Postfix's match lists do (reference: match_list(3))."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.audit.inputs import of_texts
from gatepost.audit.networks import is_everybody, is_inside, network_of, taken
from gatepost.config.parameter import Word, split_list

SUBJECT = of_texts({}, "main.cf", "", "master.cf", "")


def networks(text: str) -> list[str]:
    words = tuple(Word(item) for _, item in split_list(text))
    return [str(each.network) if each.network else "#" for each in taken(words, SUBJECT)]


LISTS = [
    ("addresses and networks", "127.0.0.1 [::1]/128, 10.0.0.0/8", ["127.0.0.1/32", "::1/128", "10.0.0.0/8"]),
    ("names are not networks", "localhost .example.test", []),
    ("host bits are forgiven", "10.1.2.3/8", ["10.0.0.0/8"]),
    ("what is denied first is not taken in", "!10.0.0.0/8 10.1.0.0/16 !!192.0.2.0/24", ["192.0.2.0/24"]),
    ("what is denied later was taken in", "10.1.0.0/16 !10.0.0.0/8", ["10.1.0.0/16"]),
    ("the list ends at #", "10.0.0.0/8 #the 0.0.0.0/0", ["10.0.0.0/8", "#"]),
    ("everybody", "static:all", ["0.0.0.0/0", "::/0"]),
    ("an inline table has addresses as keys", "inline:{192.0.2.1=x, 10.0.0.0/8=y}", ["192.0.2.1/32"]),
    ("a table that is not here", "hash:/nowhere ldap:/nowhere", []),
    ("no address", "1.2.3.400 10.0.0.0/99", []),
]


@pytest.mark.parametrize(("sentence", "text", "found"), LISTS, ids=[case[0] for case in LISTS])
def test_a_list_takes_in(sentence: str, text: str, found: list[str]) -> None:
    assert networks(text) == found


BREADTH = [("0.0.0.0/0", True, False), ("10.0.0.0/8", False, True), ("172.0.0.0/8", True, False), ("::/0", True, False),
           ("2001:db8::/32", False, False), ("fd00::/8", False, True), ("192.0.2.0/24", False, False)]


@pytest.mark.parametrize(("text", "everybody", "inside"), BREADTH, ids=[case[0] for case in BREADTH])
def test_breadth(text: str, everybody: bool, inside: bool) -> None:
    network = network_of(text)
    assert network is not None
    assert (is_everybody(network), is_inside(network)) == (everybody, inside)


@given(st.text(alphabet="0123456789abcdef:./[]!# ,{}/hash", max_size=40))
def test_any_text_reads(text: str) -> None:
    networks(text)
