"""A translated POSIX expression matches what the C library's regexec matches; skipped by name without glibc."""

from __future__ import annotations

import ctypes
import ctypes.util

import pcre2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatepost.lookup.tables.ere import BadPattern, translate

try:
    LIBC = ctypes.CDLL("libc.so.6")
    assert LIBC.gnu_get_libc_version
except (OSError, AttributeError):
    pytest.skip("glibc is not here", allow_module_level=True)

EXTENDED, NEWLINE, NOSUB = 1, 4, 8


def libc_matches(pattern: bytes, subject: bytes, flags: int) -> bool | None:
    """None when regcomp refuses the pattern."""
    compiled = ctypes.create_string_buffer(256)  # larger than any regex_t
    if LIBC.regcomp(compiled, pattern, flags | NOSUB):
        return None
    try:
        return bool(LIBC.regexec(compiled, subject, 0, None, 0) == 0)
    finally:
        LIBC.regfree(compiled)


def ours_matches(pattern: str, subject: bytes, *, extended: bool, multiline: bool) -> bool | None:
    try:
        translated = translate(pattern, extended=extended, multiline=multiline)
    except BadPattern:
        return None
    return pcre2.compile(translated.encode("latin-1"), pcre2.DOTALL).search(subject) is not None


# Pieces rather than characters, so that most patterns compile. A back-reference needs a group: not among them.
ERE_PIECES = ["a", "b", "-", ".", "*", "+", "?", "|", "(", ")", "^", "$", "[ab]", "[^a]", "[]a]", "[a-]", "[\\]",
              "[[:alpha:]]", "[[:digit:]b]", "[^[:space:]]", "{1,2}", "{2}", "{0,}", "\\.", "\\*", "\\w", "\\W", "\\s",
              "\\b", "\\<", "\\>", "\\`", "\\'", " ", "1"]
BRE_PIECES = ["a", "b", ".", "*", "+", "?", "|", "(", ")", "\\(", "\\)", "\\|", "\\+", "\\?", "^", "$", "[ab]", "[^a]",
              "\\{1,2\\}", "\\.", "{", "}"]
SUBJECTS = st.text(st.sampled_from("ab1.*- ()\\"), max_size=6).map(str.encode)


@settings(max_examples=600, deadline=None)
@given(st.lists(st.sampled_from(ERE_PIECES), min_size=1, max_size=7).map("".join), SUBJECTS)
def test_extended(pattern: str, subject: bytes) -> None:
    """Accepted, refused and matched alike."""
    expected = libc_matches(pattern.encode(), subject, EXTENDED)
    assert ours_matches(pattern, subject, extended=True, multiline=False) == expected


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(BRE_PIECES), min_size=1, max_size=6).map("".join), SUBJECTS)
def test_basic(pattern: str, subject: bytes) -> None:
    """The same without REG_EXTENDED."""
    expected = libc_matches(pattern.encode(), subject, 0)
    assert ours_matches(pattern, subject, extended=False, multiline=False) == expected


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(["a", "b", ".", "^", "$", "[^a]", "\\W", "|"]), min_size=1, max_size=5).map("".join),
       st.text(st.sampled_from("ab\n"), max_size=6).map(str.encode))
def test_newlines(pattern: str, subject: bytes) -> None:
    """REG_NEWLINE: anchors at line ends, no newline in `.` and `[^a]`."""
    expected = libc_matches(pattern.encode(), subject, EXTENDED | NEWLINE)
    assert ours_matches(pattern, subject, extended=True, multiline=True) == expected
