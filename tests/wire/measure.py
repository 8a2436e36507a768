"""`make wire`: who talks out of turn, by Gatepost and by a real Postfix, on wires with delay, loss and reordering.

Three tables. Clients that never wait meet both servers, on one configuration, in one run: all are to be caught. Polite
clients, programs of others, meet Gatepost on every wire: none is to be flagged. Polite clients in hard circumstances do
so too. Every number was measured in this run, and every verdict is the server's own log. Exit status 1 when Gatepost
let somebody pass or flagged somebody, or a message did not come through; 77 where network namespaces cannot be made.

Polite clients share a time: each holds its sessions in parts, until it has held all or its share of what is left is
over; what it does not use is the next one's. The table says how many there were. The default is meant to be
enough for all of them on two processors that have nothing else to do.

To the screened service each session of a polite client comes from an address of its own. Sessions of one client that
are there together share what it has passed, so that some would have nothing left to pass. The log must say of each that
it had.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import importlib.metadata
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.kit import program
from tests.wire import hard, polite, servers
from tests.wire.blasters import GAPS, MISSED, NOTED, Blaster, Outcome, every, judge, sources
from tests.wire.hosts import SERVER, Host, Unavailable, Wire, joined
from tests.wire.servers import AT_DATA, FORBID, SCREENED, Server
from tests.wire.talk import Talk
from tests.wire.wire import UNAVAILABLE

LOSS, REORDER = 0.01, 0.05
BLASTED = Wire(0.04)
PORTS = (AT_DATA, FORBID, SCREENED)
BUFFERED = "gatepost_turn_evidence = buffered"
PARTS = 2  # in which a client holds its sessions
PROGRAMS = (
    ("Postfix", "postconf", "-hd", "mail_version"),
    ("swaks", "swaks", "--version"),
    ("curl", "curl", "--version"),
    ("msmtp", "msmtp", "--version"),
    ("HAProxy", "haproxy", "-v"),
)


@dataclass(slots=True)
class Row:
    """What a server said about one client's sessions."""

    name: str
    messages: int
    offences: list[str]
    sessions: int = 0
    tried: int = 0  # sessions that had every trial of screening to make, and passed
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{len(self.offences)} of {self.messages}"


# Clients that never wait


def blasted(ports: Sequence[int], repeats: int, say: Callable[[str], None]) -> dict[str, list[Outcome]]:
    """Every blaster, so many times, against every service of both servers -> outcomes by column."""
    columns: dict[str, list[Outcome]] = {}
    with joined(BLASTED) as (client, host):
        for name, server, served in (
            ("Gatepost", servers.gatepost(host), ports),
            ("Gatepost, buffered", servers.gatepost(host, [BUFFERED]), (FORBID,)),
            ("Postfix", servers.postfix(host), ports),
        ):
            if name == "Postfix" and program("postfix") is None:
                continue
            with server as running:
                addresses = sources()
                for port in served:
                    if port == SCREENED and not screens(client):
                        say(f"{name} does not screen: its {servers.SERVICES[port]} are left out")
                        continue
                    began = time.monotonic()
                    found = judge(client, running, port, every() * repeats, addresses)
                    columns[f"{name}: {servers.SERVICES[port]}"] = found
                    say(f"{name}, port {port}: {time.monotonic() - began:.0f} s")
    return columns


def screens(client: Host) -> bool:
    """Does the screened service screen? It says the first line of its greeting alone."""
    with client.inside(), Talk(SERVER, SCREENED) as talk:
        return talk.socket.recv(512).startswith(b"220-")


def starts() -> list[Blaster]:
    """One of each start, in the order of the table."""
    return every([GAPS[0]])


def counts(outcomes: Sequence[Outcome], row: Blaster, wanted: Callable[[str], bool]) -> str:
    """How many of each gap had such a verdict: five numbers."""
    cells = []
    for gap in GAPS:
        same = [o for o in outcomes if (str(o.blaster), o.blaster.gap) == (str(row), gap)]
        cells.append(sum(wanted(o.verdict) for o in same))
    return " ".join(map(str, cells))


# Clients that take their turns


@contextlib.contextmanager
def _scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="gatepost-wire-") as below:
        os.chmod(below, 0o755)
        yield Path(below)


def _heard(server: Server, name: str, since: int, sessions: int) -> Row:
    log = server.settled(since)
    return Row(name, servers.messages_in(log), servers.offences_in(log), sessions, servers.tried_in(log))


@dataclass(frozen=True, slots=True)
class Meeting:
    """Polite clients meet a service of Gatepost's over a wire. `crowd`: how many times as many sessions at a time as
    elsewhere, because each of them mostly waits."""

    wire: Wire
    port: int
    crowd: int = 1

    def __str__(self) -> str:
        delay = f"{self.wire.round_trip * 1000:g} ms"
        return delay if self.port == FORBID else f"{delay}, {servers.SERVICES[self.port]}"


MEETINGS = (
    *(Meeting(Wire(delay, LOSS, REORDER), FORBID) for delay in (0, 0.001, 0.04)),
    Meeting(Wire(0.2, LOSS, REORDER), FORBID, crowd=4),
    Meeting(Wire(0.04, LOSS, REORDER, strangers=True), SCREENED, crowd=4),
)


def meet(meeting: Meeting, names: Sequence[str], sessions: int, parallel: int, seconds: float) -> list[Row]:
    """Each client of such a name holds its sessions with Gatepost, as many as fit -> what the server says of each."""
    rows: list[Row] = []
    until = time.monotonic() + seconds
    clients = [client for client in polite.every() if str(client) in names]
    with joined(meeting.wire) as (near, host), servers.gatepost(host) as server:
        for number, client in enumerate(clients):
            began = time.monotonic()
            share = (until - began) / (len(clients) - number)
            rows.append(_meet(near, server, client, meeting.port, sessions, parallel * meeting.crowd, began + share))
            _say(f"{meeting}: {client}: {rows[-1]} flagged, {time.monotonic() - began:.0f} s")
    return rows


def _meet(near: Host, server: Server, client: polite.Client, port: int, sessions: int, parallel: int,
          until: float) -> Row:
    whole = Row(str(client), 0, [])
    size = -(-sessions // PARTS)
    while whole.sessions < sessions and (not whole.sessions or time.monotonic() < until):
        part = one(near, server, client, port, min(size, sessions - whole.sessions), parallel)
        whole.messages += part.messages
        whole.sessions += part.sessions
        whole.offences += part.offences
        whole.tried += part.tried
    if whole.messages < whole.sessions:
        whole.problems.append(f"only {whole.messages} of {whole.sessions} messages came through")
    if port == SCREENED and whole.tried < whole.sessions:
        whole.problems.append(f"only {whole.tried} of {whole.sessions} sessions had every trial to make")
    return whole


def one(near: Host, server: Server, client: polite.Client, port: int, sessions: int, parallel: int) -> Row:
    """One client on its host holds its sessions with one server -> what that says."""
    since = server.logged
    with _scratch() as scratch, near.inside():
        client.run(polite.Job(SERVER, port, sessions, parallel, scratch))
    return _heard(server, str(client), since, sessions)


def endure(wire: Wire, sessions: int, parallel: int, cases: Sequence[hard.Hard] = hard.CASES) -> list[Row]:
    """Each hard case, so many sessions -> what Gatepost says of each."""
    rows = []
    with contextlib.ExitStack() as stack:
        client, host = stack.enter_context(joined(wire))
        server = stack.enter_context(servers.gatepost(host))
        stack.enter_context(hard.proxies(client, host, stack.enter_context(_scratch())))
        for case in cases:
            if case.needs and not polite.found(case.needs):
                continue
            since = server.logged
            problems = _together(client, case, sessions, parallel)
            rows.append(_heard(server, case.name, since, sessions))
            rows[-1].problems = problems
    return rows


def _together(client: Host, case: hard.Hard, sessions: int, parallel: int) -> list[str]:
    with client.inside(), concurrent.futures.ThreadPoolExecutor(parallel) as pool:
        futures = [pool.submit(case.session) for _ in range(sessions)]
        return [repr(error) for future in futures if (error := future.exception()) is not None]


# What is printed


def table(title: str, columns: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]]) -> str:
    """A table in Markdown."""
    lines = [("", *columns), *((name, *cells) for name, cells in rows)]
    widths = [max(3, *(len(line[at]) for line in lines)) for at in range(len(lines[0]))]
    texts = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
             for line in lines]  # fmt: skip
    rule = "| " + " | ".join("-" * width for width in widths) + " |"
    return "\n".join([title, "", texts[0], rule, *texts[1:], ""])


def versions() -> str:
    """What took part."""
    parts = [f"{os.cpu_count()} processors", f"Linux {platform.release().partition('-')[0]}"]
    parts += [f"Python {platform.python_version()}", f"aiosmtplib {importlib.metadata.version('aiosmtplib')}"]
    parts += [f"Exim {polite.exim_version() or 'absent'}"]
    for name, *words in PROGRAMS:
        path = polite.found(words[0])
        if path is None:
            parts.append(f"no {name}")
            continue
        run = subprocess.run([path, *words[1:]], capture_output=True, text=True, env=polite.environment(), check=False)
        number = re.search(r"\d+(\.\d+)+|\d{8}\.\d", run.stdout)
        parts.append(f"{name} {number[0] if number else ''}".rstrip())
    return ", ".join(parts)


def show_blasted(columns: dict[str, list[Outcome]], repeats: int) -> str:
    def rows(wanted: Callable[[str], bool]) -> list[tuple[str, list[str]]]:
        return [(str(row), [counts(found, row, wanted) for found in columns.values()]) for row in starts()]

    gaps = ", ".join(Blaster("", gap).spacing for gap in GAPS)
    title = f"Clients that never wait, over {BLASTED}: caught, of {repeats} each; segments: {gaps} apart"
    caught = table(title, list(columns), rows(lambda verdict: verdict != MISSED))
    if not any(outcome.verdict == NOTED for found in columns.values() for outcome in found):
        return caught
    taken = table("Of these, only logged: the message was taken", list(columns), rows(lambda verdict: verdict == NOTED))
    return caught + "\n" + taken


def show_met(met: dict[Meeting, list[Row]], sessions: int) -> str:
    names = [row.name for row in next(iter(met.values()))]
    cells = {name: [str(next(r for r in rows if r.name == name)) for rows in met.values()] for name in names}
    whole = all(row.sessions == sessions for rows in met.values() for row in rows)
    title = (f"Polite clients, {sessions if whole else f'up to {sessions}'} sessions each, over wires that lose "
             f"{LOSS:.0%} of all packets and reorder {REORDER:.0%}: flagged, of messages accepted; by round trip")
    return table(title, [str(meeting) for meeting in met], list(cells.items()))


def show_hard(rows: Sequence[Row], wire: Wire) -> str:
    title = f"Polite clients in hard circumstances, over {wire}: flagged, of messages accepted"
    return table(title, ["flagged"], [(row.name, [str(row)]) for row in rows])


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=1000, help="of each polite client on each wire")
    parser.add_argument("--repeats", type=int, default=5, help="of each client that never waits")
    parser.add_argument("--parallel", type=int, default=25, help="sessions at a time; more where they are long")
    parser.add_argument("--minutes", type=float, default=25, help="that polite clients have, but for their last parts")
    parser.add_argument("--only", action="append", help="polite clients whose name holds this")
    parser.add_argument("--skip", action="append", choices=("blasters", "polite", "hard"), default=[])
    return parser.parse_args()


def main() -> int:
    options = _options()
    clients = [c for c in polite.every() if not options.only or any(word in str(c) for word in options.only)]
    for absent in {client.needs for client in clients if not client.here}:
        _say(f"not here: {absent}")
    clients = [client for client in clients if client.here]
    wrong = False
    print(versions(), end="\n\n", flush=True)
    try:
        if "blasters" not in options.skip:
            columns = blasted(PORTS, options.repeats, _say)
            print(show_blasted(columns, options.repeats), flush=True)
            ours = [o for name, found in columns.items() if name.startswith("Gatepost:") for o in found]
            wrong |= any(outcome.verdict == MISSED for outcome in ours)
        rows: list[Row] = []
        if "polite" not in options.skip:
            work = (list(map(str, clients)), options.sessions, options.parallel, options.minutes * 60)
            with concurrent.futures.ProcessPoolExecutor(len(MEETINGS)) as pool:
                futures = {meeting: pool.submit(meet, meeting, *work) for meeting in MEETINGS}
                met = {meeting: future.result() for meeting, future in futures.items()}
            print(show_met(met, options.sessions), flush=True)
            rows += [row for found in met.values() for row in found]
        if "hard" not in options.skip:
            endured = endure(BLASTED, max(10, options.sessions // 10), 20)
            print(show_hard(endured, BLASTED), flush=True)
            rows += endured
    except Unavailable as why:
        _say(f"make wire needs network namespaces: {why}")
        return UNAVAILABLE
    for row in rows:
        for line in [*row.offences, *row.problems]:
            _say(f"{row.name}: {line}")
    return int(wrong or any(row.offences or row.problems for row in rows))


if __name__ == "__main__":
    sys.exit(main())
