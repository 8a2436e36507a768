"""deliver/content_characters.py, and deliver/content_mime.py's offences: the same however the bytes come."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.deliver.content_characters import Characters, unescaped
from gatepost.deliver.content_mime import EIGHT_BIT_BODY, EIGHT_BIT_HEADER, OFFENCES, Structure

ESCAPES = [
    ("octal", r"\0\1\177\377", b"\x00\x01\x7f\xff"),
    ("C's names", r"\a\b\f\n\r\t\v", b"\a\b\f\n\r\t\v"),
    ("anything else is itself", r"\x\\a", b"x\\a"),
    ("a backslash at the end is nothing", "a\\", b"a"),
    ("at most three digits", r"\0011", b"\x011"),
]


@pytest.mark.parametrize(("sentence", "text", "characters"), ESCAPES, ids=[case[0] for case in ESCAPES])
def test_escapes(sentence: str, text: str, characters: bytes) -> None:
    assert unescaped(text) == characters


def read(data: bytes, size: int, refused: str = r"\001", stripped: str = "b") -> tuple[bytes, str]:
    reader = Characters(refused, stripped).reader()
    stored = b""
    for at in range(0, len(data), size):
        now, shown, _ = reader.feed(data[at:at + size])
        stored += now
        if shown:
            return stored, shown
    return stored, ""


@pytest.mark.parametrize("size", [1, 3, 1 << 20])
def test_the_line_is_told_from_its_beginning(size: int) -> None:
    stored, shown = read(b"one\r\ntwo\x01three\r\n", size)
    assert shown.startswith("two\x01") and stored.startswith(b"one\r\n")


@given(st.lists(st.sampled_from([b"a", b"b", b"\r\n", b"xyz"])), st.integers(1, 9))
def test_nothing_else_changes_what_is_stored(pieces: list[bytes], size: int) -> None:
    data = b"".join(pieces)
    assert read(data, size) == (data.replace(b"b", b""), "")


def test_line_ends_are_never_taken_out_nor_refused() -> None:
    assert read(b"a\r\n", 1, r"\r\n", r"\r\n") == (b"a\r\n", "")


def offences(data: bytes, size: int) -> list[tuple[str, bytes]]:
    structure = Structure(wanted=frozenset(OFFENCES))
    for at in range(0, len(data), size):
        list(structure.feed(data[at:at + size]))
    list(structure.finish())
    return structure.offences


@given(st.lists(st.sampled_from([b"Content-Type: multipart/mixed; boundary=b\r\n", b"--b\r\n", b"\r\n", b"--b--\r\n",
                                 b"Content-Transfer-Encoding: 8bit\r\n", b"caf\xe9\r\n", b"Subject: \xe9\r\n"])),
       st.integers(1, 50))
def test_offences_do_not_depend_on_how_the_bytes_come(lines: list[bytes], size: int) -> None:
    data = b"".join(lines)
    assert offences(data, size) == offences(data, 1 << 20)


def test_each_offence_is_noted_once() -> None:
    found = offences(b"A: \xe9\r\nB: \xe9\r\n\r\n\xe9\r\n\xe9\r\n", 1 << 20)
    assert [kind for kind, _ in found] == [EIGHT_BIT_HEADER, EIGHT_BIT_BODY]


@pytest.mark.parametrize("value", [b'"' * 50000, b"(" * 50000, b'"' + b'\\"' * 50000, b"(" + b"\\(" * 50000])
def test_a_hostile_content_type_costs_little(value: bytes) -> None:
    """Linear in its length: with a quadratic search this test would not end within a minute."""
    assert offences(b"Content-Type: " + value + b"\r\n\r\n", 1 << 20) == []
