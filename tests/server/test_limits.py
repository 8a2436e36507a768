"""Anvil's counters: windows, ranges, concurrency, forgetting, statistics."""

from __future__ import annotations

import re

import pytest

from gatepost.server.limits import Limits, client_range

A, B = "192.0.2.1", "192.0.2.2"


class Clock:
    """Time in the test's hands."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limits(clock: Clock) -> Limits:
    return Limits(60, clock=clock, wall=lambda: 86400.0)


def test_connections_are_counted_at_once_and_per_window(limits: Limits) -> None:
    assert limits.enter("smtp", A) == (1, 1)
    assert limits.enter("smtp", A) == (2, 2)
    limits.leave("smtp", A)
    assert limits.enter("smtp", A) == (2, 3)


def test_services_and_clients_are_apart(limits: Limits) -> None:
    limits.enter("smtp", A)
    assert limits.enter("submission", A) == (1, 1)
    assert limits.enter("smtp", B) == (1, 1)


def test_the_window_is_fixed_and_begins_again_at_zero(limits: Limits, clock: Clock) -> None:
    limits.enter("smtp", A)
    for expected in (1, 2, 3):
        clock.now += 19
        assert limits.message("smtp", A) == expected
    clock.now += 3  # 60 s after the window began, though the last message came 3 s ago
    assert limits.message("smtp", A) == 1


def test_all_rates_share_the_window(limits: Limits, clock: Clock) -> None:
    limits.enter("smtp", A)
    assert [limits.recipient("smtp", A), limits.auth("smtp", A), limits.new_tls("smtp", A)] == [1, 1, 1]
    clock.now += 60
    limits.message("smtp", A)
    assert limits.recipient("smtp", A) == 1


def test_asking_for_new_tls_counts_nothing(limits: Limits, clock: Clock) -> None:
    assert limits.new_tls_so_far("smtp", A) == 0
    assert len(limits) == 0
    limits.new_tls("smtp", A)
    assert [limits.new_tls_so_far("smtp", A) for _ in range(2)] == [1, 1]
    clock.now += 60
    assert limits.new_tls_so_far("smtp", A) == 0


def test_concurrency_outlives_the_window(limits: Limits, clock: Clock) -> None:
    limits.enter("smtp", A)
    clock.now += 1000
    assert limits.enter("smtp", A) == (2, 1)


def test_who_left_is_forgotten_when_the_window_is_over(limits: Limits, clock: Clock) -> None:
    for number in range(1000):
        address = f"198.51.{number // 250}.{number % 250}"
        limits.enter("smtp", address)
        limits.leave("smtp", address)
    limits.enter("smtp", A)
    clock.now += 61
    limits.enter("smtp", B)
    assert len(limits) == 2  # A is still connected


def test_leaving_without_having_come_is_harmless(limits: Limits) -> None:
    limits.leave("smtp", A)
    assert limits.enter("smtp", A) == (1, 1)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.0.2.77", "192.0.2.77"),
        ("2001:db8::1", "2001:db8::/84"),
        ("2001:db8:0:0:0:fabc:ffff:1", "2001:db8::f000:0:0/84"),
        ("unknown", "unknown"),
    ],
)
def test_the_default_ranges(address: str, expected: str) -> None:
    assert client_range(address, 32, 84) == expected


@pytest.mark.parametrize(
    ("address", "prefix4", "prefix6", "expected"),
    [
        ("192.0.2.77", 24, 128, "192.0.2.0/24"),
        ("192.0.2.77", 0, 128, "0.0.0.0/0"),
        ("2001:db8::1", 32, 128, "2001:db8::1"),
        ("2001:db8::1", 32, 0, "::/0"),
    ],
)
def test_other_ranges(address: str, prefix4: int, prefix6: int, expected: str) -> None:
    assert client_range(address, prefix4, prefix6) == expected


def test_neighbours_in_a_range_are_one_client(clock: Clock) -> None:
    limits = Limits(ipv4_prefix=24, clock=clock)
    limits.enter("smtp", A)
    assert limits.enter("smtp", B) == (2, 2)


def test_statistics_tell_the_peaks_once(limits: Limits) -> None:
    limits.enter("smtp", A)
    limits.enter("smtp", A)
    limits.message("smtp", A)
    limits.new_tls("submission", B)
    lines = limits.statistics()
    assert [re.sub(r" at .*", "", line) for line in lines] == [
        "statistics: max connection rate 2/60s for (smtp:192.0.2.1)",
        "statistics: max connection count 2 for (smtp:192.0.2.1)",
        "statistics: max message rate 1/60s for (smtp:192.0.2.1)",
        "statistics: max newtls rate 1/60s for (submission:192.0.2.2)",
        "statistics: max cache size 1",
    ]
    assert all(re.search(r" at [A-Z][a-z]{2} [ 0-9][0-9] \d\d:\d\d:\d\d$", line) for line in lines)
    assert limits.statistics() == []
