"""deliver/queue_id.py: both formats lead back to the key, and log normalisers know the short one."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.deliver.queue_id import key_of, long_id, short_id


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
