"""config/source.py: main.cf is read as Postfix reads it, and nothing of it is lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.config import source
from gatepost.config.parameter import split_list
from gatepost.span import Span

ANYTHING = st.text(st.sampled_from("ab=# \t\r\n,{}$\0\x0b\x85\u2028é"), max_size=60)


def at(text: str, span: Span) -> str:
    """What stands at a place of a text."""
    return source.physical_lines(text)[span.line - 1][span.column - 1 : span.column - 1 + span.length]


@given(ANYTHING)
def test_nothing_is_lost(text: str) -> None:
    assert str(source.parse("main.cf", text)) == text


@given(ANYTHING)
def test_every_name_and_list_item_stands_where_it_is_said_to(text: str) -> None:
    for entry in source.parse("main.cf", text).entries:
        assert at(text, entry.span) == entry.name
        for offset, item in split_list(entry.value.text):
            span = entry.value.span(offset, offset + len(item))
            assert span is not None
            assert item.startswith(at(text, span)) and span.length


@pytest.mark.parametrize(("text", "values"), [
    ("a = b\n", {"a": "b"}),
    ("a=b", {"a": "b"}),  # no end of line at the end
    ("a =\n", {"a": ""}),
    ("a = b = c\n", {"a": "b = c"}),
    ("a = b # c\n", {"a": "b # c"}),  # no comments behind values
    ("a = b,\n  c\n", {"a": "b,  c"}),  # the blanks of a continuation stay
    ("a = b,\n\n# x\n  # y\n\tc\n", {"a": "b,\tc"}),  # comments and empty lines inside a value
    ("a =\n b\n", {"a": "b"}),
    ("a\n = b\n", {"a": "b"}),
    ("a = b\na = c\n", {"a": "c"}),  # the last one wins
    ("a = b \\\nc = d\n", {"a": "b \\", "c": "d"}),  # backslash is no continuation
    ("a = b\r\n", {"a": "b"}),
    ("a\u2028b = c\n", {"a\u2028b": "c"}),  # only LF ends a line
    ("", {}),
])
def test_reading(text: str, values: dict[str, str]) -> None:
    parsed = source.parse("main.cf", text)
    assert {name: entry.value.text for name, entry in parsed.last().items()} == values


def test_items_are_found_on_continuation_lines() -> None:
    text = "list = one,\n# a comment\n   two\n\tthree\n"
    value = source.parse("main.cf", text).entries[0].value
    spans = [value.span(offset, offset + len(item)) for offset, item in split_list(value.text)]
    assert spans == [Span("main.cf", 1, 8, 3), Span("main.cf", 3, 4, 3), Span("main.cf", 4, 2, 5)]


@pytest.mark.parametrize(("text", "problem"), [
    ("a b\n", "main.cf:1: error: missing '=' after attribute name: 'a b'"),
    ("x = y\nword\n", "main.cf:2: error: missing '=' after attribute name: 'word'"),
    ("= b\n", "main.cf:1: error: missing attribute name: '= b'"),
    ("  a = b\n", "main.cf:1: warning: logical line must not start with whitespace: 'a = b'"),
    ("a = 1\na = 2\n", "main.cf:2: warning: overriding earlier entry (line 1): 'a=1'"),
    ("a = \0b\n", "main.cf:1: warning: text after null byte may be ignored"),
])
def test_problems(text: str, problem: str) -> None:
    assert [str(found) for found in source.parse("main.cf", text).problems] == [problem]
