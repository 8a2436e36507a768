"""Where a client stands when it connects: postscreen's steps in their order, sessions side by side, the memory."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from gatepost.config.settings import Settings
from gatepost.lookup.fake import FakeLookups
from gatepost.lookup.tolerance import ExemptClients
from gatepost.screen import facts, standing
from gatepost.screen.access import AccessList, Interfaces
from gatepost.screen.clients import ClientRecord, Clients
from gatepost.screen.memory import NOT_KNOWN, NotKnown
from gatepost.screen.rules import Promotion, Rules
from gatepost.screen.standing import Grounds, Remembers, Standing
from gatepost.screen.trials import ALL, BARE_NEWLINE, DNSBL, NEVER, NON_SMTP, PIPELINING, PREGREET, Penalty
from tests.screen.remembering import catch, memory, settings

NOW = 1_000_000
CLIENT, OTHER, SERVER = "192.0.2.1", "192.0.2.2", "198.51.100.1"
VALID = "1000000;1000001;1000001;1000001;1000001"
DENY = f"inline:{{{CLIENT}=reject}}"


class Notes:
    """A memory in a dictionary. `slow`: it has to be asked, and answers when `answer` is set."""

    def __init__(self, records: Mapping[str, str] | None = None, *, slow: bool = False, configured: bool = True,
                 offenders: frozenset[str] = frozenset()) -> None:
        self.records = dict(records or {})
        self.configured = configured
        self.slow = slow
        self.offenders = offenders
        self.answer = asyncio.Event()
        self.asking = asyncio.Event()
        self.asked: list[str] = []

    def get_now(self, address: str) -> str | NotKnown | None:
        if self.slow:
            return NOT_KNOWN
        self.asked.append(address)
        return self.records.get(address)

    async def get(self, address: str) -> str | None:
        self.asked.append(address)
        self.asking.set()
        await self.answer.wait()
        return self.records.get(address)

    async def offended(self, address: str) -> bool:
        return address in self.offenders


@dataclass
class Place:
    """One postscreen service to come to."""

    rules: Rules = field(default_factory=lambda: Rules(enabled=ALL))
    access: str = "permit_mynetworks"
    interfaces: str = "static:all"
    memory: Remembers = field(default_factory=Notes)
    told: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        found = Settings.of({"postscreen_access_list": self.access, "mynetworks": "127.0.0.0/8",
                             "postscreen_allowlist_interfaces": self.interfaces})
        lookups, warn = FakeLookups(), self.told.append
        self.clients = Clients(self.rules.pre_queue_limit, warn)
        self.grounds = Grounds(self.rules, AccessList.of(found, lookups, info=warn, warn=warn),
                               Interfaces.of(found, lookups, warn=warn), self.clients, self.memory,
                               ExemptClients(Settings.of({"gatepost_turn_exempt_clients": "192.0.2.66"}), lookups))

    def now(self, client: ClientRecord, server: str = SERVER) -> Standing:
        """Where that client stands; without waiting."""
        begun = standing.standing(self.grounds, client, server, NOW)
        try:
            begun.send(None)
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]
        raise AssertionError("it waits")

    def come(self, address: str = CLIENT, server: str = SERVER) -> Standing:
        """A client connects."""
        return self.now(self.clients.enter(address), server)


def said(found: Standing) -> list[str]:
    return [type(fact).__name__ for fact in found.facts]


def test_a_new_client_has_everything_to_do() -> None:
    place = Place(Rules(enabled=PREGREET.bit | PIPELINING.bit))
    found = place.come()
    assert found == Standing(found.stamps, todo=PREGREET.bit | PIPELINING.bit, new=True)


def test_who_may_talk_out_of_turn_is_tried_all_the_same() -> None:
    place = Place(Rules(enabled=ALL))
    assert [(found.exempt, found.todo) for found in map(place.come, ("192.0.2.66", "192.0.2.67"))] == [
        (True, ALL), (False, ALL)]


def test_without_trials_nothing_is_due_and_nothing_is_said() -> None:
    found = Place(Rules(enabled=0)).come()
    assert (found.todo, found.facts, found.done_old, found.allowlisted) == (0, (), False, False)


def test_the_connection_limit_comes_before_the_access_list() -> None:
    place = Place(Rules(enabled=ALL, client_connection_count_limit=2))
    assert [place.come("127.0.0.1").refusal for _ in range(2)] == [None, None]
    third = place.come("127.0.0.1")
    assert (said(third), str(third.refusal)) == (["TooManyConnections"], "421 4.7.0 Error: too many connections")
    assert place.come("127.0.0.2").allowlisted
    unlimited = Place(Rules(enabled=ALL, client_connection_count_limit=0))
    assert all(unlimited.come("127.0.0.1").refusal is None for _ in range(200))


def test_the_post_queue_comes_before_the_access_list() -> None:
    place = Place(Rules(enabled=ALL, post_queue_limit=5))
    place.clients.post_queue = 4
    assert place.come("127.0.0.1").allowlisted
    place.clients.post_queue = 5
    busy = place.come("127.0.0.1")
    assert (said(busy), str(busy.refusal)) == (["ServerPortsBusy"], "421 4.3.2 All server ports are busy")


def test_who_is_permitted_is_not_looked_up() -> None:
    memory = Notes({"127.0.0.1": VALID})
    found = Place(memory=memory, interfaces=f"!{SERVER}").come("127.0.0.1")
    assert (said(found), found.allowlisted, found.todo, memory.asked) == (["Allowlisted"], True, 0, [])


def test_who_is_denied_and_dropped() -> None:
    found = Place(Rules(enabled=ALL, denylist_penalty=Penalty.DROP), DENY).come()
    assert (said(found), str(found.refusal)) == (["Denylisted"], "521 5.3.2 Service currently unavailable")


def test_who_is_denied_and_held_has_all_trials_whatever_is_remembered() -> None:
    memory = Notes({CLIENT: VALID})
    place = Place(Rules(enabled=ALL, denylist_penalty=Penalty.ENFORCE), DENY, memory=memory)
    found = place.come()
    assert (said(found), found.denied, found.refusal, found.todo, found.new, memory.asked) == (
        ["Denylisted"], True, None, ALL, True, [])
    assert str(standing.DENIED_ENFORCE) == "550 5.3.2 Service currently unavailable"


def test_who_is_denied_and_forgiven_goes_on() -> None:
    found = Place(Rules(enabled=ALL), DENY, memory=Notes({CLIENT: VALID})).come()
    assert (said(found), found.denied, found.done_old) == (["Denylisted", "PassOld"], False, True)


@pytest.mark.parametrize(("record", "enabled", "todo", "new"), [
    ("1000000;1000001;1000001;1;1", PREGREET.bit | DNSBL.bit | PIPELINING.bit, 0, False),
    ("999999;1000001;1000001;1;1", PREGREET.bit | DNSBL.bit | PIPELINING.bit, PREGREET.bit, False),
    ("1000001;1000001;0;0;0", PREGREET.bit | DNSBL.bit | PIPELINING.bit, PIPELINING.bit, True),
    ("1000001;1000001", PREGREET.bit | DNSBL.bit | PIPELINING.bit, PIPELINING.bit, False),
    ("x;1000001;1000001;1;1", PREGREET.bit | DNSBL.bit | PIPELINING.bit, PREGREET.bit | DNSBL.bit | PIPELINING.bit,
     False),
    ("1000001;;1000001;1;1", PREGREET.bit | DNSBL.bit | PIPELINING.bit, DNSBL.bit, True),
    (VALID, ALL, 0, False),
])
def test_what_is_remembered_decides_what_is_due(record: str, enabled: int, todo: int, new: bool) -> None:
    found = Place(Rules(enabled=enabled), memory=Notes({CLIENT: record})).come()
    assert found.todo == todo
    assert found.done_old == (not todo)
    assert said(found) == ["PassOld"] * (not todo)
    assert found.new == (new if todo else False)


@pytest.mark.parametrize(("promotion", "line"), [(Promotion.PROMOTE, ["PassOld"]), (Promotion.OBSERVE, ["PassOld"]),
                                                 (Promotion.DEFER, [])])
def test_a_second_session_goes_by_the_shared_stamps(promotion: Promotion, line: list[str]) -> None:
    """Postfix serves it without a word."""
    memory = Notes({CLIENT: VALID})
    place = Place(Rules(enabled=ALL, promotion=promotion), memory=memory)
    assert place.come().done_old
    second = place.come()
    assert (second.todo, said(second), second.done_old, memory.asked) == (0, line, False, [CLIENT])
    second.stamps.grant(NON_SMTP, NEVER)
    third = place.come()
    assert (third.todo, third.new, third.stamps) == (NON_SMTP.bit, True, second.stamps)


def test_a_session_after_the_others_left_asks_the_memory_again() -> None:
    memory = Notes({CLIENT: VALID})
    place = Place(memory=memory)
    for _ in range(2):
        record = place.clients.enter(CLIENT)
        assert place.now(record).done_old
        place.clients.leave(record)
    assert memory.asked == [CLIENT, CLIENT]


def test_a_veto() -> None:
    place = Place(interfaces=f"!{SERVER}, static:all")
    found = place.come()
    assert (said(found), found.veto, found.todo) == (["Veto"], True, ALL)
    assert not place.come(OTHER, "198.51.100.2").veto
    passed = Place(interfaces=f"!{SERVER}, static:all", memory=Notes({CLIENT: VALID}))
    assert said(passed.come()) == ["PassOld"]
    assert said(passed.come()) == ["Veto"], "beside another session it has passed, and meets the veto"
    observed = Place(Rules(enabled=ALL, promotion=Promotion.OBSERVE), interfaces=f"!{SERVER}",
                     memory=Notes({CLIENT: VALID}))
    assert [said(observed.come()) for _ in range(2)] == [["PassOld"], ["Veto", "PassOld"]]


def test_who_is_denied_beside_a_session_that_passed_has_no_pass() -> None:
    place = Place(Rules(enabled=ALL, denylist_penalty=Penalty.ENFORCE), DENY, memory=Notes({CLIENT: VALID}))
    client = place.clients.enter(CLIENT)
    client.known = True
    client.stamps.times[:] = [NOW + 1] * 5
    found = place.come()
    assert (said(found), found.todo, found.denied) == (["Denylisted"], 0, True)


def test_a_veto_is_only_told_where_nothing_is_punished() -> None:
    found = Place(Rules(enabled=ALL, promotion=Promotion.OBSERVE), interfaces="!static:all").come()
    assert (said(found), found.veto) == (["Veto"], False)


def test_the_tenth_in_screening_is_refused_when_the_limit_is_ten() -> None:
    place = Place(Rules(enabled=ALL, pre_queue_limit=10), memory=Notes({"192.0.2.99": VALID}), interfaces="!static:all")
    assert all(place.come(f"10.0.0.{last}").refusal is None for last in range(9))
    refused = place.come("10.0.0.10")
    assert (said(refused), str(refused.refusal)) == (
        ["Veto", "ScreeningPortsBusy"], "421 4.3.2 All screening ports are busy")
    assert place.come("127.0.0.1").allowlisted
    assert place.come("192.0.2.99").done_old
    place.clients.post_queue = 4
    assert place.come("10.0.0.11").refusal is None
    assert place.told == ["entering STRESS mode with 9 connections"]


@pytest.mark.asyncio
async def test_only_who_came_before_counts_against_a_session_that_waited() -> None:
    memory = Notes(slow=True)
    place = Place(Rules(enabled=ALL, pre_queue_limit=10), memory=memory)
    waiting = [asyncio.create_task(standing.standing(place.grounds, place.clients.enter(f"10.0.0.{last}"), SERVER, NOW))
               for last in range(9)]
    await asyncio.sleep(0)
    place.clients.enter("10.0.0.99")
    memory.answer.set()
    assert [found.refusal for found in await asyncio.gather(*waiting)] == [None] * 9


@pytest.mark.asyncio
async def test_sessions_beside_the_first_wait_for_what_it_finds() -> None:
    memory = Notes({CLIENT: VALID}, slow=True)
    place = Place(memory=memory)
    tasks = [asyncio.create_task(standing.standing(place.grounds, place.clients.enter(CLIENT), SERVER, NOW))
             for _ in range(3)]
    await memory.asking.wait()
    memory.answer.set()
    found = await asyncio.gather(*tasks)
    assert [said(one) for one in found] == [["PassOld"]] * 3
    assert [one.todo for one in found] == [0, 0, 0]
    assert memory.asked == [CLIENT]


@pytest.mark.asyncio
async def test_another_asks_when_the_first_gives_up() -> None:
    memory = Notes({CLIENT: VALID}, slow=True)
    place = Place(memory=memory)
    first, second = (asyncio.create_task(standing.standing(place.grounds, place.clients.enter(CLIENT), SERVER, NOW))
                     for _ in range(2))
    await memory.asking.wait()
    first.cancel()
    memory.answer.set()
    assert said(await second) == ["PassOld"]
    assert first.cancelled()
    assert memory.asked == [CLIENT, CLIENT]


@pytest.mark.asyncio
async def test_a_remembered_offence_makes_suspect_where_the_greeting_is_adaptive(tmp_path: Path) -> None:
    async with memory(settings(f"btree:{tmp_path}/cache")) as remembered:
        remembered.caught(catch(CLIENT))
        remembered.put(OTHER, f"{NOW};1;1;1;1")
        adaptive = Place(Rules(enabled=PREGREET.bit | BARE_NEWLINE.bit, adaptive=True), memory=remembered)
        client, other = adaptive.clients.enter(CLIENT), adaptive.clients.enter("192.0.2.77")
        assert (await standing.standing(adaptive.grounds, client, SERVER, NOW)).suspect
        assert not (await standing.standing(adaptive.grounds, other, SERVER, NOW)).suspect
        full = replace(adaptive.grounds, rules=Rules(enabled=PREGREET.bit))
        assert not (await standing.standing(full, client, SERVER, NOW)).suspect
        deep_only = await standing.standing(adaptive.grounds, adaptive.clients.enter(OTHER), SERVER, NOW)
        assert (deep_only.todo, deep_only.suspect) == (BARE_NEWLINE.bit, False)


def test_without_a_memory_everybody_is_new_and_nobody_waits() -> None:
    found = Place(Rules(enabled=ALL, adaptive=True), memory=Notes(configured=False)).come()
    assert (found.todo, found.new, found.suspect) == (ALL, True, False)


def test_the_facts_are_screenings_own() -> None:
    assert all(isinstance(fact, facts.ScreenFact) for fact in Place(interfaces="!static:all").come().facts)
