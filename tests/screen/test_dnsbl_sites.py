"""The syntax of postscreen_dnsbl_sites: what an entry means, and what is said of one that does not read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.config import parameters as p
from gatepost.config.located import Located
from gatepost.config.parameter import Word
from gatepost.config.settings import Settings, Value
from gatepost.screen.dnsbl_sites import BadFilter, Site, read_filter, read_sites
from gatepost.span import ConfigError


def site(text: str) -> Site:
    [read] = read_sites((Word(text),))
    return read


def packed(*addresses: str) -> list[bytes]:
    return [bytes(map(int, address.split("."))) for address in addresses]


def test_domain_filter_and_weight() -> None:
    assert site("zen.example") == Site("zen.example", 1, None)
    assert site("zen.example*-4").weight == -4
    assert site("zen.example*+2").weight == 2
    only = frozenset
    assert site("z=127.0.[1..3].[2;14;10..11]*3") == Site(
        "z", 3, (only({127}), only({0}), only({1, 2, 3}), only({2, 14, 10, 11})))
    assert site("z=127.[0..255].[0..255].1*-4").weight == -4


@pytest.mark.parametrize(("entry", "answers", "match"), [
    ("z", ["127.0.0.2"], True),
    ("z", [], False),
    ("z=127.0.0.[2..11]", ["127.255.255.254"], False),
    ("z=127.0.0.[2..11]", ["127.255.255.254", "127.0.0.11"], True),
    ("z=127.0.0.[2..11]", ["127.0.0.12"], False),
    ("z=[126;127].0.0.007", ["126.0.0.7"], True),
])
def test_a_filter_looks_at_every_answer(entry: str, answers: list[str], match: bool) -> None:
    assert site(entry).matches(packed(*answers)) is match


@pytest.mark.parametrize(("text", "problem"), [
    ("z=1.2.[3.4]", 'bad DNSBL filter syntax: numeric range error at "1.2.[3.>4<]"'),
    ("z=1.2.3.3[6..9]", 'bad DNSBL filter syntax: garbage after pattern at "1.2.3.3>[<6..9]"'),
    ("z=127.0.0.[9..2]", 'bad DNSBL filter syntax: numeric range error at "127.0.0.[9..>2<]"'),
    ("z=127.0.0.256", 'bad DNSBL filter syntax: need decimal number 0..255 or "[" at "127.0.0.>256<"'),
    ("z=127.0.0.[1-3]", 'bad DNSBL filter syntax: need ";" or "]" at "127.0.0.[1>-<3]"'),
    ("z=127.0.0.[]", 'bad DNSBL filter syntax: need decimal number 0..255 at "127.0.0.[>]<"'),
    ("z=127.0.0", 'bad DNSBL filter syntax: need "." at "127.0.0><"'),
    ("z=127.0.0.", 'bad DNSBL filter syntax: need decimal number 0..255 or "[" at "127.0.0.><"'),
    ("z=", "bad DNSBL filter syntax: empty address pattern"),
    ("z*1.5", 'bad DNSBL weight factor "1.5" in "z*1.5"'),
    ("z*", 'bad DNSBL weight factor "" in "z*"'),
    ("z*2*3", 'bad DNSBL weight factor "2*3" in "z*2*3"'),
    ("z*2=127.0.0.1", 'bad DNSBL weight factor "2=127.0.0.1" in "z*2=127.0.0.1"'),
    ("=127.0.0.1", 'bad DNSBL domain name "" in "=127.0.0.1"'),
    ("z..example*2", 'bad DNSBL domain name "z..example" in "z..example*2"'),
])
def test_what_does_not_read(text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        site(text)
    assert caught.value.message == problem


def test_the_place_is_told() -> None:
    settings = Settings({"postscreen_dnsbl_sites": Value(Located.at("a.example, b.example*x", "main.cf", 9, 26))})
    with pytest.raises(ConfigError) as caught:
        read_sites(settings[p.POSTSCREEN_DNSBL_SITES])
    assert str(caught.value) == 'main.cf:9: bad DNSBL weight factor "x" in "b.example*x"'


NUMBERS = st.integers(0, 255)
RANGES = st.tuples(NUMBERS, NUMBERS).map(sorted)
FIELDS = st.one_of(
    NUMBERS.map(lambda number: (str(number), {number})),
    st.lists(st.one_of(NUMBERS.map(lambda number: [number, number]), RANGES), min_size=1, max_size=4).map(
        lambda members: ("[" + ";".join(str(low) if low == high else f"{low}..{high}" for low, high in members) + "]",
                         {value for low, high in members for value in range(low, high + 1)})))


@given(st.tuples(FIELDS, FIELDS, FIELDS, FIELDS))
def test_every_pattern_of_the_grammar_is_read_as_meant(fields: tuple[tuple[str, set[int]], ...]) -> None:
    assert read_filter(".".join(text for text, _ in fields)) == tuple(frozenset(values) for _, values in fields)


@given(st.text(alphabet="0123456789.[];-x²", max_size=24))
def test_any_text_is_read_or_refused_with_its_place(text: str) -> None:
    try:
        read = read_filter(text)
    except BadFilter as problem:
        what, at, place = str(problem).partition(' at "')
        assert not at or place.replace(">", "").replace("<", "").removesuffix('"') == text
        assert what
    else:
        assert all(field and field <= set(range(256)) for field in read)


@given(st.text(alphabet="az-.=*[]127;", max_size=20))
def test_any_entry_is_read_or_refused(text: str) -> None:
    try:
        read = site(text)
    except ConfigError as problem:
        assert problem.message.startswith("bad DNSBL ")
    else:
        assert text.startswith(read.domain)
