"""The shared record of a client, the queues, and stress."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gatepost.screen.clients import ClientRecord, Clients
from gatepost.screen.trials import PREGREET


def clients(limit: int = 100) -> tuple[Clients, list[str]]:
    told: list[str] = []
    return Clients(limit, told.append), told


def test_sessions_of_one_address_share_a_record_while_one_is_here() -> None:
    here, _ = clients()
    first, second, other = here.enter("192.0.2.1"), here.enter("192.0.2.1"), here.enter("2001:db8::1")
    assert first is second and first is not other
    assert (first.concurrency, other.concurrency, here.check_queue, len(here)) == (2, 1, 3, 2)
    first.stamps.grant(PREGREET, 4711)
    here.leave(first)
    assert here.enter("192.0.2.1").stamps.times[PREGREET.index] == 4711
    here.leave(second)
    here.leave(first)
    assert len(here) == 1
    assert here.enter("192.0.2.1") is not first


def test_stress_begins_at_nine_tenths_and_ends_at_seven() -> None:
    here, told = clients(10)
    records = [here.enter(f"192.0.2.{last}") for last in range(8)]
    assert (here.stressed, told) == (False, [])
    records.append(here.enter("192.0.2.99"))
    records.append(here.enter("192.0.2.100"))
    assert (here.stressed, told) == (True, ["entering STRESS mode with 9 connections"])
    for _ in range(2):
        here.leave(records.pop())
    assert here.stressed
    here.leave(records.pop())
    assert (here.stressed, told[1:]) == (False, ["leaving STRESS mode with 7 connections"])
    here.leave(records.pop())
    assert len(told) == 2


def test_who_waits_to_be_served_is_not_in_screening() -> None:
    here, _ = clients()
    here.enter("192.0.2.1")
    here.enter("192.0.2.2")
    here.post_queue += 1
    assert (here.check_queue, here.screening) == (2, 1)


@given(st.integers(10, 40), st.lists(st.tuples(st.booleans(), st.integers(0, 5)), max_size=120))
def test_counts_follow_whoever_comes_and_goes(limit: int, steps: list[tuple[bool, int]]) -> None:
    here, told = clients(limit)
    inside: list[ClientRecord] = []
    for comes, which in steps:
        before = here.stressed
        if comes:
            inside.append(here.enter(f"192.0.2.{which}"))
        elif inside:
            here.leave(inside.pop(which % len(inside)))
        assert here.check_queue == len(inside)
        assert len(here) == len({record.address for record in inside})
        assert all(record.concurrency == inside.count(record) for record in inside)
        assert (here.stressed != before) == (len(told) > 0)
        assert here.stressed or len(inside) < limit * 9 // 10
        assert not here.stressed or len(inside) > limit * 7 // 10
        told.clear()
