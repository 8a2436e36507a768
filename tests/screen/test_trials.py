"""The record of passes: Postfix's five times, read and written to the character."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.screen.trials import ALL, BARE_NEWLINE, DNSBL, NON_SMTP, PIPELINING, PREGREET, Penalty, Stamps

NOW = 1_000_000
SOME = PREGREET.bit | DNSBL.bit | PIPELINING.bit


@pytest.mark.parametrize(("record", "due", "new"), [
    ("1000000;1000001;1000001;1;1", 0, False),
    ("999999;1000001;1000001;1;1", PREGREET.bit, False),
    ("1000001;1000001;0;0;0", PIPELINING.bit, True),
    ("1000001;1000001", PIPELINING.bit, False),
    ("x;1000001;1000001;1;1", SOME, False),
    ("1000001;;1000001;1;1", DNSBL.bit, True),
    ("1000001;1000001;1000001;1;1;7", 0, False),
    ("", SOME, False),
])
def test_reading(record: str, due: int, new: bool) -> None:
    found = Stamps.parse(record)
    assert (found.due(NOW, SOME), found.new) == (due, new)


def test_writing() -> None:
    stamps = Stamps()
    stamps.grant(PREGREET, 5)
    stamps.grant(DNSBL, 6)
    assert stamps.render(PREGREET.bit | DNSBL.bit) == "5;6;1;1;1"
    assert stamps.render(SOME) == "5;6;0;1;1"
    assert stamps.render(ALL) == "5;6;0;0;0"


@given(st.lists(st.integers(0, 2**40), min_size=5, max_size=5))
def test_what_is_written_is_read(times: list[int]) -> None:
    assert Stamps.parse(Stamps(list(times)).render(ALL)).times == times


@given(st.text(alphabet="0123456789;x -", max_size=40))
def test_no_record_breaks_it(record: str) -> None:
    assert len(Stamps.parse(record).times) == 5


def test_a_pass_is_taken_back_or_prolonged() -> None:
    stamps = Stamps([9, 9, 9, 9, 9])
    stamps.revoke(NON_SMTP)
    stamps.raise_to(BARE_NEWLINE, 5)
    stamps.raise_to(PREGREET, 12)
    assert stamps.times == [12, 9, 9, 1, 9]


def test_actions() -> None:
    assert Penalty.read("continue") is Penalty.IGNORE and Penalty.read("drop") is Penalty.DROP
    with pytest.raises(ValueError, match="frob"):
        Penalty.read("frob")
