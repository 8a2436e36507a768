"""Which commands a script runs for certain, and what their words are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.config.dms.shell import commands


def words(text: str) -> list[tuple[list[str], bool]]:
    return [([word.text.text for word in command.words], command.certain) for command in commands("x.sh", text)]


@pytest.mark.parametrize(("text", "expected"), [
    ("postconf -e 'a = b'", [(["postconf", "-e", "a = b"], True)]),
    ('postconf "a = b" # note\n', [(["postconf", "a = b"], True)]),
    ("a 1; b 2 && c 3", [(["a", "1"], True), (["b", "2"], True), (["c", "3"], True)]),
    ("a || b", [(["a"], False), (["b"], False)]),
    ("a \\\n  b", [(["a", "b"], True)]),
    ("a b\\ c", [(["a", "b c"], True)]),
    ("a 'x'\"y\"z", [(["a", "xyz"], True)]),
    ('a "x\\$y"', [(["a", "x$y"], True)]),
    ("if x; then\n  a\nfi\nb", [(["x"], False), (["a"], False), (["b"], True)]),
    ("for i in 1 2; do a; done; b", [(["i", "in", "1", "2"], False), (["a"], False), (["b"], True)]),
    ("f() {\n a\n}\nb", [(["a"], False), (["b"], True)]),
    ("a ''", [(["a", ""], True)]),
    ("#!/bin/bash\n# only\n", []),
    ("a\r\nb\r\n", [(["a"], True), (["b"], True)]),
])
def test_commands(text: str, expected: list[tuple[list[str], bool]]) -> None:
    assert words(text) == expected


@pytest.mark.parametrize(("text", "plain"), [
    ("a ${X:-y}", False), ('a "$1"', False), ("a $X", True), ("a '$X'", True), ("a *", False), ("a '*'", True),
    ("a `x`", False),
    ('a "b"', True)])
def test_what_the_shell_expands_is_marked(text: str, plain: bool) -> None:
    [command] = commands("x.sh", text)
    assert command.words[1].plain is plain


def test_a_substitution_is_kept() -> None:
    [command] = commands("x.sh", "postconf \"a = $(postconf -h a | sed 's/)//') b\"")
    word = command.words[1]
    [(start, end)] = word.substitutions
    assert word.plain and word.text.text.endswith(" b")
    assert word.text.text[start:end] == "$(postconf -h a | sed 's/)//')"


@pytest.mark.parametrize(("text", "kept"), [("a $X", ["$X"]), ('a "x${Y}z$Z"', ["${Y}", "$Z"]), ("a '$X'", []),
                                            ('a "\\$X"', [])])
def test_variables_are_kept(text: str, kept: list[str]) -> None:
    [command] = commands("x.sh", text)
    word = command.words[1]
    assert [word.text.text[start:end] for start, end in word.substitutions] == kept


def test_places() -> None:
    [_, command] = commands("x.sh", "a\npostconf -e \\\n  'b = c'\n")
    span = command.words[2].text.span(4)
    assert span is not None and (span.line, span.column) == (3, 8)
    assert command.span.line == 2


def test_a_here_document() -> None:
    [command, behind] = commands("x.sh", "cat >>main.cf <<'EOF'\na = b\nEOF\nnext")
    assert command.document is not None and command.document.text == "\na = b\n"[1:]
    place = command.document.span()
    assert place is not None and place.line == 2
    assert behind.words[0].text.text == "next"


@given(st.text(alphabet="ab'\"\\$(){};&|<>\n #=`!if fi do") | st.text())
def test_any_script_reads(text: str) -> None:
    for command in commands("x.sh", text):
        assert command.words and command.span.line >= 1
