"""config/parameter.py: lists are cut at blanks and commas, and braces hold together what is inside."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import gatepost.config.parameters as p
from gatepost.config.parameter import declare, split_list


@pytest.mark.parametrize(("text", "items"), [
    ("", []),
    (" ,, \t\n", []),
    ("a, b,c  d", ["a", "b", "c", "d"]),
    ("inline:{a=b, c=d} e", ["inline:{a=b, c=d}", "e"]),
    ("{ { a, b } c }, d", ["{ { a, b } c }", "d"]),
    ("regexp:{{/^[^A-Z]/ Bogus}}", ["regexp:{{/^[^A-Z]/ Bogus}}"]),
    ("{a b", ["{a b"]),  # what does not close reaches to the end
    ("a} b", ["a}", "b"]),
])
def test_lists(text: str, items: list[str]) -> None:
    assert [item for _, item in split_list(text)] == items


@given(st.text(st.sampled_from("ab,{} \t\n"), max_size=30))
def test_items_stand_where_they_are_said_to(text: str) -> None:
    end = 0
    for offset, item in split_list(text):
        assert item and text[offset : offset + len(item)] == item
        assert not text[end:offset].strip(", \t\n")
        end = offset + len(item)
    assert not text[end:].strip(", \t\n")


def test_a_parameter_is_declared_once() -> None:
    with pytest.raises(AssertionError, match="smtpd_banner is declared twice"):
        declare(p.SMTPD_BANNER)
