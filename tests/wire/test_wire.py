"""Who talks out of turn, on a wire of 40 ms: a small form of `make wire`."""

from __future__ import annotations

import concurrent.futures
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit import needs
from tests.wire import hard, measure, polite, servers
from tests.wire.blasters import MAIL, MISSED, RCPT, REFUSED, Blaster, every, judge, sources
from tests.wire.hosts import SERVER, SERVER6, Host, Wire, joined_or_skipped
from tests.wire.servers import AT_DATA, FORBID, PROXIED, SCREENED, Server
from tests.wire.talk import BODY, Talk

WIRE = Wire(0.04)
CLIENTS = {str(client): client for client in polite.every()}
Hosts = tuple[Host, Host]


@pytest.fixture(scope="module")
def hosts() -> Iterator[Hosts]:
    with joined_or_skipped(WIRE) as pair:
        yield pair


@pytest.fixture(scope="module")
def gatepost(hosts: Hosts) -> Iterator[Server]:
    with servers.gatepost(hosts[1]) as server:
        yield server


@pytest.fixture(scope="module")
def addresses() -> Iterator[str]:
    """Of clients; one iterator, so that no two tests have the same."""
    return sources()


def test_the_wire_has_its_round_trip(hosts: Hosts, gatepost: Server) -> None:
    with hosts[0].inside():
        began = time.monotonic()
        with Talk(SERVER, FORBID):
            took = time.monotonic() - began
    assert took >= WIRE.round_trip


@pytest.mark.parametrize("port", [AT_DATA, FORBID], ids=["reject_unauth_pipelining", "forbid"])
def test_who_never_waits_is_refused(hosts: Hosts, gatepost: Server, port: int, addresses: Iterator[str]) -> None:
    outcomes = judge(hosts[0], gatepost, port, every(), addresses)
    assert [f"{o.blaster}, {o.blaster.spacing}: {o.verdict}" for o in outcomes if o.verdict != REFUSED] == []


def test_who_never_waits_is_caught_by_screening(hosts: Hosts, gatepost: Server, addresses: Iterator[str]) -> None:
    outcomes = judge(hosts[0], gatepost, SCREENED, every(), addresses)
    assert [f"{o.blaster}, {o.blaster.spacing}" for o in outcomes if o.verdict == MISSED] == []


def test_behind_a_proxy_header_and_by_ipv6(hosts: Hosts, gatepost: Server) -> None:
    header = b"PROXY TCP4 192.0.2.99 10.77.0.2 40000 25\r\n"
    for host, port, before in ((SERVER, PROXIED, header), (SERVER6, FORBID, b"")):
        with hosts[0].inside(), Talk(host, port) as talk:
            talk.socket.sendall(before)
            talk.reply()
            for line in (b"EHLO client.example\r\n", MAIL, RCPT):
                talk.say(line)
            talk.blast([b"DATA\r\n", BODY, b"QUIT\r\n"], 0.01)
            talk.rest()
    gatepost.settled()
    assert {"192.0.2.99", "fd77::1"} <= set(gatepost.offences())


@needs("postfix", root=True)
def test_what_postfix_misses() -> None:
    """In one segment Postfix sees it, in segments 20 ms apart it does not."""
    blasters = [Blaster(start, gap) for start in ("after HELO", "after EHLO", "after RCPT") for gap in (None, 0.02)]
    with joined_or_skipped(WIRE) as (client, server), servers.postfix(server) as running:
        outcomes = judge(client, running, AT_DATA, blasters, sources())
    assert [outcome.verdict for outcome in outcomes] == [REFUSED, MISSED] * 3


def test_without_the_evidence_segments_are_missed() -> None:
    """What catches them is the evidence, and nothing else."""
    blasters = [Blaster(start, 0.02) for start in ("after HELO", "after EHLO", "after RCPT")]
    with joined_or_skipped(WIRE) as (client, server), servers.gatepost(server, [measure.BUFFERED]) as running:
        outcomes = judge(client, running, FORBID, blasters, sources())
    assert [outcome.verdict for outcome in outcomes] == [MISSED] * 3


@pytest.mark.parametrize("name", list(CLIENTS))
def test_who_takes_turns_is_not_flagged(hosts: Hosts, gatepost: Server, name: str) -> None:
    client = CLIENTS[name]
    if not client.here:
        pytest.skip(f"not here: {client.needs}")
    row = measure.one(hosts[0], gatepost, client, FORBID, sessions=6, parallel=6)
    assert (row.messages, row.offences) == (6, [])


@needs("swaks", "perl")
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "STARTTLS"])
def test_swaks_forked_says_what_swaks_says(hosts: Hosts, gatepost: Server, tls: bool, tmp_path: Path) -> None:
    job = polite.Job(SERVER, FORBID, 2, 1, tmp_path)
    with hosts[0].inside():
        alone = subprocess.run(polite.swaks(job, tls), capture_output=True, text=True, stdin=subprocess.DEVNULL)
        CLIENTS[f"swaks, {'STARTTLS' if tls else 'plain'}"].run(job)
    varying = re.compile(r"[0-9A-F]{8,}|\d+|\b[A-Z][a-z]{2}\b")  # queue ids, process ids, dates
    said = [varying.sub("#", text) for text in (alone.stdout, (tmp_path / "out").read_text())]
    assert "~> QUIT" in said[0] if tls else " -> QUIT" in said[0]
    assert said[1] == said[0] * 2


@needs("perl")
def test_forked_programs_that_fail_are_noticed() -> None:
    words = ["perl", f"-I{polite.HERE}", "-MSessions=4,2", "-e", "exit(shift)", "3"]
    run = subprocess.run(words, capture_output=True, text=True)
    assert run.returncode == 1
    assert run.stderr.count("ended with status 3, signal 0") == 4


@pytest.fixture(scope="module")
def strangers() -> Iterator[tuple[Host, Server]]:
    """A client whose sessions come from an address each, and the server that they come to."""
    with joined_or_skipped(Wire(0.04, strangers=True)) as (client, host), servers.gatepost(host) as server:
        yield client, server


@pytest.mark.parametrize("name", ["smtplib, plain", "smtplib, STARTTLS", "curl, plain", "Postfix, plain"])
def test_screening_takes_who_takes_turns(strangers: tuple[Host, Server], name: str) -> None:
    """In the first connection, with every test on: also beside others that begin with it."""
    row = measure.one(*strangers, CLIENTS[name], SCREENED, sessions=4, parallel=4)
    assert (row.messages, row.offences, row.tried) == (4, [], 4)


@pytest.fixture(scope="module")
def proxies(hosts: Hosts, gatepost: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with hard.proxies(*hosts, tmp_path_factory.mktemp("proxies")):
        yield


@pytest.mark.parametrize("case", hard.CASES, ids=lambda case: case.name)
def test_hard_circumstances_flag_nobody(hosts: Hosts, gatepost: Server, proxies: None, case: hard.Hard) -> None:
    if case.needs and not polite.found(case.needs):
        pytest.skip(f"not here: {case.needs}")
    since = gatepost.logged
    with hosts[0].inside(), concurrent.futures.ThreadPoolExecutor(6) as pool:
        for future in [pool.submit(case.session) for _ in range(6)]:
            future.result()
    assert servers.offences_in(gatepost.settled(since)) == []


def test_loss_and_reordering_flag_nobody() -> None:
    with joined_or_skipped(Wire(0.02, loss=0.02, reorder=0.1)) as (client, server), servers.gatepost(server) as running:
        rows = [measure.one(client, running, CLIENTS[name], FORBID, sessions=30, parallel=15)
                for name in ("smtplib, plain", "smtplib, STARTTLS", "aiosmtplib, STARTTLS")]  # fmt: skip
    assert [(row.messages, row.offences) for row in rows] == [(30, [])] * 3
