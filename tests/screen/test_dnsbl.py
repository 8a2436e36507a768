"""DNS lists of screening: scores, their time to live, what sessions share, what is said, and lists that are dead."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from gatepost.config.parameter import Word, split_list
from gatepost.config.settings import Settings
from gatepost.lookup.ask import DnsFailure, DnsStatus, Listing, LookupFailure
from gatepost.lookup.dns import Resolver
from gatepost.lookup.fake import Failure, FakeLookups
from gatepost.lookup.world import World
from gatepost.screen.dnsbl import Dnsbl, Score
from gatepost.screen.dnsbl_sites import Site, read_sites
from gatepost.span import ConfigError
from tests.lookup.name_server import SILENT, NameServer, Zone, serving
from tests.screen.logbook import Logbook

CLIENT = "192.0.2.1"
PREFIX = "1.2.0.192."
ANSWER = ["127.0.0.2", "127.0.0.4", "127.0.0.10"]
LIMIT = 10.0  # seconds that a test waits for what must happen


def sites(text: str) -> tuple[Site, ...]:
    return read_sites(tuple(Word(item) for _, item in split_list(text)))


def world(answers: Mapping[str, list[str] | Failure], ttls: Mapping[str, int] | None = None) -> FakeLookups:
    """A world in which these lists say this of CLIENT."""
    return FakeLookups(a_records={PREFIX + domain: said for domain, said in answers.items()},
                       ttls={PREFIX + domain: ttl for domain, ttl in (ttls or {}).items()})


async def ask(text: str, lookups: FakeLookups, book: Logbook | None = None, *, address: str = CLIENT) -> Score:
    dnsbl = Dnsbl(sites(text), lookups, (book or Logbook()).log)
    lookup = dnsbl.begin(address)
    async with asyncio.timeout(LIMIT):
        await lookup.wait()
    score = lookup.score()
    lookup.release()
    return score


class Slow(FakeLookups):
    """A world in which lists answer when the test says so. `open`: the domains that do; `asked_for`: in order."""

    def __init__(self, answers: Mapping[str, list[str] | Failure]) -> None:
        super().__init__(a_records=answers)
        self.gates: dict[str, asyncio.Event] = {}
        self.asked_for: list[str] = []
        self.most = self.now = 0

    async def listing(self, name: str) -> Listing:
        self.asked_for.append(name)
        self.now += 1
        self.most = max(self.most, self.now)
        await self.gate(name).wait()
        self.now -= 1
        return await super().listing(name)

    def gate(self, name: str) -> asyncio.Event:
        return self.gates.setdefault(name, asyncio.Event())


async def turns(count: int = 20) -> None:
    """Let whatever can run do so."""
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.mark.parametrize(("entries", "points"), [
    ("z", 1), ("z, z", 2), ("z*3, z", 4), ("z, z=127.0.0.10*3", 4), ("unlisted", 0), ("unlisted*-5, z", 1),
    ("z=127.0.0.3", 0), ("z*-2", -2)])
@pytest.mark.asyncio
async def test_the_weights_of_matching_entries_are_added(entries: str, points: int) -> None:
    assert (await ask(entries, world({"z": ANSWER}))).points == points


@pytest.mark.parametrize(("answer", "points"), [(["127.0.0.3", "127.0.0.10"], 2), (["127.0.0.10"], 3)])
@pytest.mark.asyncio
async def test_an_entry_counts_once_however_many_answers_match(answer: list[str], points: int) -> None:
    assert (await ask("z=127.0.0.[1..255]*3, z=127.0.0.3*-1", world({"z": answer}))).points == points


@pytest.mark.asyncio
async def test_one_question_for_each_domain() -> None:
    lookups = world({"z": ANSWER})
    await ask("z, z=127.0.0.10*3, y, z*2", lookups)
    assert sorted(question.about for question in lookups.asked) == [PREFIX + "y", PREFIX + "z"]


@pytest.mark.asyncio
async def test_reversed_addresses() -> None:
    lookups = world({})
    await ask("d.example", lookups, address="2001:db8::25")
    nibbles = "5.2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2"
    assert [question.about for question in lookups.asked] == [f"{nibbles}.d.example"]


@pytest.mark.asyncio
async def test_without_lists_or_address_there_is_nothing_to_wait_for() -> None:
    assert await ask("", world({})) == Score(0, "", 60)
    lookups = world({})
    assert await ask("z", lookups, address="unknown") == Score(0, "", 60)
    assert lookups.asked == []


@pytest.mark.parametrize(("entries", "worst"), [
    ("y, z*3, x", "z"), ("y*2, z*2", "y"), ("z*2, y*2", "z"), ("unlisted*9, x", "x"), ("z*-3, y*-1", "y"),
    ("unlisted", "")])
@pytest.mark.asyncio
async def test_the_list_with_the_largest_weight_is_named(entries: str, worst: str) -> None:
    """Of equal ones the first in the operator's order, whoever answers first."""
    assert (await ask(entries, world({"x": ANSWER, "y": ANSWER, "z": ANSWER}))).worst_list == worst


@pytest.mark.parametrize(("entries", "listed", "ttls", "ttl"), [
    ("z", ["z"], {"z": 300}, 300),
    ("z", ["z"], {"z": 5}, 60),
    ("z", [], {"z": 86400}, 3600),
    ("z", [], {}, 60),
    ("z", ["z"], {"z": 0}, 60),
    ("y, z", ["y"], {"y": 61, "z": 62}, 61),
    ("y, z", ["y", "z"], {"y": 300, "z": 200}, 200),
    ("y*2, w*-1", ["y", "w"], {"y": 500, "w": 100}, 500),  # bad: what speaks for it does not matter
    ("y*2, w*-1", ["y"], {"y": 500, "w": 100}, 100),  # bad until it is perhaps vouched for
    ("y, w*-1", ["w"], {"y": 500, "w": 100}, 100),  # good while it is vouched for and not listed
    ("y, w*-1", ["y", "w"], {"y": 200, "w": 300}, 300),  # no points: the good word's time
    ("y=127.0.0.99, z", ["y"], {"y": 70, "z": 80}, 80),  # the filter has no part in it: listed is listed
])
@pytest.mark.asyncio
async def test_how_long_a_score_is_good(entries: str, listed: list[str], ttls: dict[str, int], ttl: int) -> None:
    assert (await ask(entries, world(dict.fromkeys(listed, ANSWER), ttls))).ttl == ttl


@pytest.mark.asyncio
async def test_what_dnsblog_says() -> None:
    book = Logbook()
    broken = DnsFailure(DnsStatus.TRY_AGAIN, "",
                        "Name service error for name=1.2.0.192.y type=A: Host not found, try again")
    score = await ask("z, y*4", world({"z": ANSWER[:2], "y": broken}), book)
    assert score == Score(1, "z", 60)
    assert sorted(await book.until(3)) == [
        "dnsblog: addr 192.0.2.1 listed by domain z as 127.0.0.2",
        "dnsblog: addr 192.0.2.1 listed by domain z as 127.0.0.4",
        "dnsblog: warning: dnsblog_query: lookup error for DNS query 1.2.0.192.y: Host or domain name not found. "
        "Name service error for name=1.2.0.192.y type=A: Host not found, try again",
    ]


@pytest.mark.asyncio
async def test_answers_that_are_no_ipv4_addresses_are_ignored() -> None:
    book = Logbook()
    assert (await ask("z", world({"z": ["::2"]}), book)).points == 0
    assert (await book.until(2))[1] == "postscreen: warning: address conversion error for ::2 -- ignoring this reply"
    assert (await ask("z", world({"z": ["::2", "127.0.0.2"]}))).points == 1


@pytest.mark.asyncio
async def test_sessions_of_one_address_share_questions_and_score() -> None:
    lookups = Slow({PREFIX + "z": ANSWER, PREFIX + "y": ANSWER})
    dnsbl = Dnsbl(sites("z*2, y"), lookups, Logbook().log)
    first, second = dnsbl.begin(CLIENT), dnsbl.begin(CLIENT)
    called: list[str] = []
    first.when_complete(lambda: called.append("replaced"))
    first.when_complete(lambda: called.append("first"))
    lookups.gate(PREFIX + "z").set()
    await turns()
    assert (first.complete, first.score().points, called) == (False, 2, [])
    waiting = asyncio.create_task(second.wait())
    lookups.gate(PREFIX + "y").set()
    await waiting
    assert (first.complete, first.score(), called) == (True, second.score(), ["first"])
    first.release()
    third = dnsbl.begin(CLIENT)
    assert third.complete and third.score() == Score(3, "z", 60)
    second.release()
    second.release()  # once more changes nothing
    third.release()
    assert not dnsbl.begin(CLIENT).complete
    assert len(lookups.asked_for) == 2


@pytest.mark.asyncio
async def test_answers_to_an_older_question_do_not_reach_a_newer_one() -> None:
    lookups = Slow({PREFIX + "z": ANSWER})
    dnsbl = Dnsbl(sites("z"), lookups, Logbook().log)
    gone = dnsbl.begin(CLIENT)
    await turns()
    old_gate = lookups.gates.pop(PREFIX + "z")
    gone.release()
    new = dnsbl.begin(CLIENT)
    await turns()
    assert len(lookups.asked_for) == 2
    old_gate.set()
    await turns()
    assert (new.complete, new.score().points) == (False, 0)
    lookups.gate(PREFIX + "z").set()
    await new.wait()
    assert new.score().points == 1


@pytest.mark.asyncio
async def test_released_sessions_are_not_called() -> None:
    lookups = Slow({PREFIX + "z": ANSWER})
    dnsbl = Dnsbl(sites("z"), lookups, Logbook().log)
    called: list[int] = []
    gone, there = dnsbl.begin(CLIENT), dnsbl.begin(CLIENT)
    gone.when_complete(lambda: called.append(1))
    there.when_complete(lambda: called.append(2))
    gone.release()
    lookups.gate(PREFIX + "z").set()
    await turns()
    assert called == [2]


@pytest.mark.asyncio
async def test_a_score_that_is_held_for_long_is_asked_anew_for_others() -> None:
    now = [0.0]
    lookups = world({"z": ANSWER})
    dnsbl = Dnsbl(sites("z"), lookups, Logbook().log, clock=lambda: now[0])
    held = dnsbl.begin(CLIENT)
    await held.wait()
    now[0] = 59.9
    assert dnsbl.begin(CLIENT).complete
    now[0] = 60.0
    other = dnsbl.begin(CLIENT)
    assert not other.complete
    await other.wait()
    held.release()
    assert dnsbl.begin(CLIENT).complete


@pytest.mark.asyncio
async def test_a_list_that_does_not_answer_leaves_a_partial_score_and_one_warning_a_minute() -> None:
    now = [0.0]
    book = Logbook()
    lookups = Slow({"3.3.3.3.z": ANSWER})
    dnsbl = Dnsbl(sites("z*2, dead*5"), lookups, book.log, timeout=0, clock=lambda: now[0])
    for digit in "123":
        lookups.gate(".".join(digit * 4) + ".z").set()
    warning = "postscreen: warning: dnsblog reply timeout 0s for dead"

    async def warnings(address: str) -> int:
        before = book.lines.count(warning)
        lookup = dnsbl.begin(address)
        await turns()
        assert f"{address[::-1]}.dead" in lookups.asked_for
        assert not lookup.complete
        lookup.release()
        return book.lines.count(warning) - before

    assert await warnings("1.1.1.1") == 1
    assert await warnings("2.2.2.2") == 0
    now[0] = 61.0
    assert await warnings("3.3.3.3") == 1


@pytest.mark.asyncio
async def test_what_comes_too_late_is_told_and_does_not_count() -> None:
    book = Logbook()
    lookups = Slow({PREFIX + "z": ANSWER[:1]})
    dnsbl = Dnsbl(sites("z"), lookups, book.log, timeout=0)
    lookup = dnsbl.begin(CLIENT)
    assert await book.until(1) == ["postscreen: warning: dnsblog reply timeout 0s for z"]
    lookups.gate(PREFIX + "z").set()
    assert (await book.until(2))[1] == "dnsblog: addr 192.0.2.1 listed by domain z as 127.0.0.2"
    assert (lookup.complete, lookup.score().points) == (False, 0)
    assert not dnsbl.begin(CLIENT).complete  # asked anew: this one's time is over
    await turns()
    assert len(lookups.asked_for) == 2


@pytest.mark.asyncio
async def test_in_postfix_mode_every_warning_is_written() -> None:
    for mode, count in (("postfix", 2), ("gatepost", 1)):
        book = Logbook()
        broken = DnsFailure(DnsStatus.TRY_AGAIN, "", "down")
        settings = Settings.of({"gatepost_compatibility": mode, "postscreen_dnsbl_sites": "z"})
        dnsbl = Dnsbl.of(settings, world({"z": broken}), book.log)
        for _ in range(2):
            lookup = dnsbl.begin(CLIENT)
            await lookup.wait()
            lookup.release()
        await turns()
        assert book.lines == ["dnsblog: warning: dnsblog_query: lookup error for DNS query 1.2.0.192.z: down"] * count


@pytest.mark.asyncio
async def test_questions_are_bounded_and_a_dead_list_takes_nothing_from_the_others() -> None:
    clients = [f"10.0.0.{last}" for last in range(1, 41)]
    names = [f"{client.rsplit('.', 1)[1]}.0.0.10" for client in clients]
    lookups = Slow({f"{name}.z": ANSWER for name in names})
    dnsbl = Dnsbl(sites("dead, z"), lookups, Logbook().log, most=8)
    begun = [dnsbl.begin(client) for client in clients]
    for name in names:
        lookups.gate(f"{name}.z").set()
    await turns(200)
    assert [lookup.score().points for lookup in begun] == [1] * 40
    assert lookups.most <= 8
    assert len([name for name in lookups.asked_for if name.endswith("dead")]) == 4
    for lookup in begun[4:]:
        lookup.release()  # what they still wanted is not asked any more
    for name in names:
        lookups.gate(f"{name}.dead").set()
    async with asyncio.timeout(LIMIT):
        for lookup in begun[:4]:
            await lookup.wait()
    await turns()
    assert len([name for name in lookups.asked_for if name.endswith("dead")]) == 4
    dnsbl.close()


@pytest.mark.asyncio
async def test_the_reply_map_hides_names_and_the_log_does_not() -> None:
    book = Logbook()
    lookups = FakeLookups(a_records={f"{PREFIX}key.secret.example": ANSWER[:1]},
                          tables={"texthash:/map": {"key.secret.example": "a DNS list"}})
    settings = Settings.of({"postscreen_dnsbl_sites": "key.secret.example=127.0.0.2*2",
                            "postscreen_dnsbl_reply_map": "texthash:/map", "postscreen_dnsbl_min_ttl": "5m"})
    dnsbl = Dnsbl.of(settings, lookups, book.log)
    assert [question.key for question in lookups.asked] == ["key.secret.example"]
    for _ in range(2):
        lookup = dnsbl.begin(CLIENT)
        await lookup.wait()
        assert lookup.score() == Score(2, "a DNS list", 300)
    assert await book.until(1) == ["dnsblog: addr 192.0.2.1 listed by domain key.secret.example as 127.0.0.2"]
    assert [question.kind for question in lookups.asked] == ["table", "listing"]


@pytest.mark.parametrize("table", [LookupFailure("gone"), {"z": LookupFailure("gone")}])
def test_a_reply_map_that_cannot_be_asked_ends_the_start(table: LookupFailure | dict[str, LookupFailure]) -> None:
    settings = Settings.of({"postscreen_dnsbl_sites": "z", "postscreen_dnsbl_reply_map": "texthash:/map"})
    with pytest.raises(ConfigError, match="texthash:/map: lookup error: gone"):
        Dnsbl.of(settings, FakeLookups(tables={"texthash:/map": table}), Logbook().log)


@pytest.mark.asyncio
async def test_over_a_real_resolver() -> None:
    """TTLs as name servers send them; a list that is silent costs nothing but the wait."""
    zone: Zone = {("2.0.0.127.bl.test", "A"): ["127.0.0.2", "127.0.0.4"], ("2.0.0.127.silent.test", "A"): SILENT,
                  ("2.0.0.127.broken.test", "A"): "SERVFAIL"}
    async with serving(NameServer(zone, ttl=200)) as server:
        settings = Settings.of({"gatepost_dns_servers": f"127.0.0.1:{server.port}"})
        book = Logbook()
        opened = World(settings, Resolver([("127.0.0.1", server.port)], timeout=0.2, time_limit=0.4))
        dnsbl = Dnsbl(sites("bl.test*2 wl.test*-1 broken.test*3"), opened, book.log)
        for _ in range(2):
            lookup = dnsbl.begin("127.0.0.2")
            async with asyncio.timeout(LIMIT):
                await lookup.wait()
            assert (lookup.score().points, lookup.score().worst_list) == (2, "bl.test")
            assert 195 <= lookup.score().ttl <= 200  # bl.test's A records, wl.test's SOA record
            lookup.release()
        assert sorted(server.asked).count("2.0.0.127.bl.test A udp") == 1, "kept by the resolver"
        silent = Dnsbl(sites("silent.test bl.test"), opened, book.log, timeout=0)
        lookup = silent.begin("127.0.0.2")
        lines = [line for line in await book.until(len(book.lines) + 1) if "timeout" in line]
        assert "postscreen: warning: dnsblog reply timeout 0s for silent.test" in lines
        assert not lookup.complete
        silent.close()
        await opened.close()
