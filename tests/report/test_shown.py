"""report/shown.py: nothing that an operator's file holds acts on a terminal, and what is shown keeps its width."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.report.shown import block, code, encodable, escaped, width

SAID = [
    ("plain text", "mynetworks = ::1", "mynetworks = ::1"),
    ("a colour", "\x1b[31mred", "\\x1b[31mred"),
    ("a byte that is no UTF-8", b"caf\xe9".decode("utf-8", "surrogateescape"), "caf\\xe9"),
    ("a change of writing direction", "a\u202eb", "a\\u202eb"),
    ("an eight-bit control", "\x9b2J", "\\x9b2J"),
    ("letters of the world", "bücher 日本", "bücher 日本"),
    ("no line ends", "a\nb\u2028c", "a\\x0ab\\u2028c"),
    ("beyond the basic plane", "\U000e0041", "\\U000e0041"),
]


@pytest.mark.parametrize(("sentence", "text", "said"), SAID, ids=[case[0] for case in SAID])
def test_escaped(sentence: str, text: str, said: str) -> None:
    assert escaped(text) == said


@given(st.text())
def test_nothing_escaped_can_act(text: str) -> None:
    assert escaped(text).isprintable()
    assert block(text).replace("\n", "").isprintable()
    assert block(text).count("\n") == text.count("\n")


@given(st.text(alphabet=st.characters(codec=None, exclude_categories=())))
def test_everything_is_encodable(text: str) -> None:
    assert encodable(text).encode("utf-8").decode("utf-8") == encodable(text)


def test_code_shows_a_tab_as_blanks_and_drops_the_line_end() -> None:
    assert code("\ta\r") == "    a"


def test_width_counts_columns() -> None:
    assert [width("abc"), width("日本"), width("e\u0301")] == [3, 4, 1]
