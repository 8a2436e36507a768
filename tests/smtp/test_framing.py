"""Where content ends, by mode; the tables of SMTP smuggling, each row in every cutting."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.smtp.framing import Chunks, DotData, stuffed

END = b"\r\n.\r\n"


def read(data: bytes, *, strict: bool, size: int = 10**6) -> tuple[bytes, bytes, bool]:
    """-> (content, what follows the end of data, whether a bare LF was seen)."""
    frame = DotData(strict=strict, replace_stray=True)
    out, waiting = b"", b""
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    for number, piece in enumerate(pieces):
        waiting += piece
        while not frame.done:
            content, used = frame.feed(waiting)
            out, waiting = out + content, waiting[used:]
            if not used:
                break
        if frame.done:
            return out, waiting + b"".join(pieces[number + 1 :]), frame.bare_lf
    raise AssertionError(f"no end of data in {data!r}")


@pytest.mark.parametrize("size", [1, 2, 3, 5, 10**6])
@pytest.mark.parametrize(
    ("middle", "loose_ends", "strict_ends"),
    [
        (b"\r\n.\r\n", True, True),
        (b"\n.\n", True, False),
        (b"\n.\r\n", True, False),
        (b"\r\n.\n", True, False),
        (b"\r\n.\r\r\n", True, False),
        (b"\r\r\n.\r\n", True, True),
        (b"\r.\r\n", False, False),
        (b"\r.\r", False, False),
        (b"\r\n..\r\n", False, False),
        (b"\r\n. \r\n", False, False),
        (b"\n\n.\n", True, False),
        (b"\r\n.\0\r\n", False, False),
    ],
)
def test_end_of_data(middle: bytes, loose_ends: bool, strict_ends: bool, size: int) -> None:
    data = b"a" + middle + b"b" + END
    for strict, ends in ((False, loose_ends), (True, strict_ends)):
        _, rest, _ = read(data, strict=strict, size=size)
        assert (rest == b"b" + END) is ends
        assert (rest == b"") is not ends


@given(
    st.lists(st.sampled_from([b"\r", b"\n", b".", b"a", b"\r\n", b"x" * 2050]), max_size=14),
    st.booleans(),
    st.integers(1, 9),
)
def test_cutting_changes_nothing(parts: list[bytes], strict: bool, size: int) -> None:
    data = b"".join(parts) + b"\r\n" + END
    assert read(data, strict=strict, size=size) == read(data, strict=strict)
    content = read(data, strict=strict, size=size)[0]
    assert content.count(b"\r") == content.count(b"\n") == content.count(b"\r\n"), "content has stray CR or LF"


@given(st.lists(st.binary(max_size=20).filter(lambda line: b"\r" not in line and b"\n" not in line)))
def test_stuffing_is_undone(lines: list[bytes]) -> None:
    content = b"".join(line + b"\r\n" for line in lines)
    assert read(stuffed(content) + b".\r\n", strict=True) == (content, b"", False)


def test_stray_carriage_returns_become_blanks() -> None:
    assert read(b"a\rb\r\n.\r\n", strict=True)[0] == b"a b\r\n"


def test_a_dropped_dot_line_is_no_content() -> None:
    content, _, bare = read(b"a\n.\nb\r\n.\r\n", strict=True)
    assert (content, bare) == (b"a\r\nb\r\n", True)


def test_nothing_but_the_dot() -> None:
    assert read(b".\r\n", strict=True) == (b"", b"", False)


@given(st.lists(st.sampled_from([b"\r", b"\n", b"a", b"\r\n", b"."]), max_size=14), st.booleans(), st.integers(1, 5))
def test_chunks_in_any_cutting(parts: list[bytes], strict: bool, size: int) -> None:
    data = b"".join(parts)
    whole = Chunks(strict=strict, replace_stray=True)
    expected = whole.feed(data) + whole.finish()
    cut = Chunks(strict=strict, replace_stray=True)
    got = b"".join(cut.feed(data[at : at + size]) for at in range(0, len(data), size)) + cut.finish()
    assert (got, cut.bare_lf) == (expected, whole.bare_lf)
    assert not got or got.endswith(b"\r\n")
    assert got.count(b"\r") == got.count(b"\n") == got.count(b"\r\n")


def test_a_last_line_without_end_gets_one() -> None:
    chunks = Chunks(strict=True, replace_stray=True)
    assert chunks.feed(b"abc") + chunks.finish() == b"abc\r\n"
