"""config/located.py: cutting and joining keep the place of every character."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gatepost.config.located import Located
from gatepost.span import Span

TEXTS = st.text("abc ", max_size=6)
PARTS = st.lists(st.tuples(TEXTS, st.booleans()), max_size=5)


def places(located: Located) -> list[Span | None]:
    """The place of each character."""
    return [located.span(at, at + 1) for at in range(len(located.text))]


def built(parts: list[tuple[str, bool]]) -> Located:
    return Located.join(Located.at(text, "f", line, 3) if written else Located(text)
                        for line, (text, written) in enumerate(parts, 1))


@given(PARTS)
def test_joining_keeps_every_place(parts: list[tuple[str, bool]]) -> None:
    joined = built(parts)
    expected = [Span("f", line, 3 + at, 1) if written else None
                for line, (text, written) in enumerate(parts, 1) for at in range(len(text))]
    assert joined.text == "".join(text for text, _ in parts)
    assert places(joined) == expected


@given(PARTS, st.integers(0, 20), st.integers(0, 20))
def test_a_slice_has_the_places_of_its_characters(parts: list[tuple[str, bool]], start: int, length: int) -> None:
    joined = built(parts)
    cut = joined.slice(start, start + length)
    assert cut.text == joined.text[start : start + length]
    assert places(cut) == places(joined)[start : start + length]


@given(PARTS)
def test_strip_is_a_slice(parts: list[tuple[str, bool]]) -> None:
    joined = built(parts)
    assert joined.strip().text == joined.text.strip()
    assert len(places(joined.strip())) == len(joined.text.strip())


def test_a_span_ends_where_its_run_ends() -> None:
    """An item whose end came from elsewhere is shown by its beginning only."""
    joined = Located.join([Located.at("abc", "f", 1), Located.at("def", "f", 9)])
    assert joined.span(1, 5) == Span("f", 1, 2, 2)


def test_nothing_has_a_place_too() -> None:
    """An empty value can still be pointed at."""
    assert Located.at("x =  ", "f", 4).slice(3).strip().span() == Span("f", 4, 6, 0)
