"""deliver/queue_id.py: both formats lead back to the key, and log normalisers know the short one."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.deliver.queue_id import QueueIds, key_of, long_id, short_id


@given(st.integers(min_value=0x100000, max_value=0xFFFFFFFFF))
def test_short_id_reads_back_and_matches_the_normalisers(key: int) -> None:
    queue_id = short_id(key)
    assert re.fullmatch(r"[0-9A-F]{9,14}", queue_id)
    assert key_of(queue_id) == key


@given(st.integers(min_value=0, max_value=1 << 60))
def test_long_id_reads_back(key: int) -> None:
    queue_id = long_id(key)
    assert re.fullmatch(r"[0-9B-DF-HJ-NP-TV-Zb-df-hj-np-tv-z]{6,}z[0-9B-DF-HJ-NP-TV-Zb-df-hj-np-ty]*[^z]*", queue_id)
    assert key_of(queue_id) == key


@pytest.mark.parametrize("text", ["", "12345", "hello", "4z", "ABCDEz", "0123456789z", "../etc/passwd", "12345abc"])
def test_what_is_not_a_queue_id_is_refused(text: str) -> None:
    assert key_of(text) is None


@pytest.mark.parametrize("long_ids", [False, True])
@pytest.mark.parametrize("ranges", [[10], [4, 4, 2], [1, 8, 1]])
def test_ids_are_made_of_all_keys_given_and_no_others(ranges: list[int], long_ids: bool) -> None:
    asked: list[int] = []
    ids = QueueIds(3, long_ids, lambda: asked.append(1))
    first = 0x10000
    for count in ranges:
        ids.add(first, count)
        first += count
    keys = [key_of(ids.new()) for _ in range(10)]
    assert keys == [(0x10000 + n) << 4 | 3 for n in range(10)]
    assert len(asked) == len(ranges), "another range is asked for in the middle of each"
    with pytest.raises(RuntimeError, match="no keys are left"):
        ids.new()


def test_more_keys_come_before_they_are_needed() -> None:
    def more() -> None:
        ids.add(ids_given[-1], 100)
        ids_given.append(ids_given[-1] + 100)

    ids_given = [1]
    ids = QueueIds(0, False, more)
    more()
    assert [key_of(ids.new()) for _ in range(1000)] == [n << 4 for n in range(1, 1001)]
