"""Source texts: whatever the file holds, reading ends, loses no entry, and agrees with config/source."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gatepost.config import source as main_cf
from gatepost.lookup.tables.source import BadLine, Entry, logical_lines, read_source, split_key

TEXTS = st.text(st.sampled_from('ab# \t\n\r"\\:é\udcff'), max_size=60)
WORDS = st.text(st.sampled_from("abcXYZ@.-é"), min_size=1, max_size=8)


@given(TEXTS)
def test_logical_lines_agree_with_main_cf(text: str) -> None:
    """The lean reader joins the same lines as the one that remembers places."""
    theirs, _ = main_cf.logical_lines("f", main_cf.physical_lines(text))
    assert [line.text for line in logical_lines(text, lambda _: None)] == [line.text for line in theirs]


@given(TEXTS)
def test_every_line_is_an_entry_or_a_warning(text: str) -> None:
    """No text makes the reader fail, and no logical line vanishes without a word."""
    told: list[str] = []
    items = list(read_source(text, told.append))
    spoken = {item.number for item in items if isinstance(item, Entry) or not item.kept}
    assert spoken == {line.number for line in logical_lines(text, lambda _: None)}


@given(st.dictionaries(WORDS.map(str.casefold), WORDS, max_size=8))
def test_entries_come_back(entries: dict[str, str]) -> None:
    """What is written as key and value is read as that."""
    text = "".join(f"{key}\t{value}\n" for key, value in entries.items())
    read = list(read_source(text, lambda _: None))
    assert {item.key: item.value for item in read if isinstance(item, Entry)} == entries
    assert not any(isinstance(item, BadLine) for item in read)


@given(TEXTS)
def test_split_key_keeps_quotes_whole(line: str) -> None:
    """The key ends at a blank outside quotes, so quotes in it are balanced."""
    parts = split_key(line)
    if parts is not None:
        key = parts[0].replace("\\\\", "").replace('\\"', "")
        assert key.count('"') % 2 == 0
