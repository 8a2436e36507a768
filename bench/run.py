"""`make bench`: Postfix, Gatepost and smtp-sink side by side, in one run on this machine. About three minutes.

Throughput rounds alternate between the servers and the median counts, so that a machine that gets slower or faster
meanwhile does so for all. Every printed number was measured in this run; "-" was not measured.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from bench import auditing
from bench.consumption import memory, settle
from bench.held import PLACES, held, lines
from bench.load import MESSAGE, Scenario, idle, send, transactions
from bench.servers import ALL, Server
from tests.kit import program
from tests.serving import GATEPOST

SCENARIOS = tuple(Scenario(keep, sessions) for keep in (True, False) for sessions in (20, 100))
TARGETS = {True: 5, False: 3}  # times Postfix's messages a second: many messages a connection, one
WARM_UP = 400  # messages
IDLE = {"Postfix": (1000,), "Gatepost": (1000, 10_000), "smtp-sink": (1000, 10_000)}
"""Postfix has one process a connection: ten thousand are not tried."""

Rates = dict[tuple[str, Scenario], list[float]]


def throughput(servers: Sequence[Server], rounds: int, seconds: float) -> tuple[Rates, Rates]:
    """Messages a second, and CPU seconds a message, of each round."""
    rates: Rates = {}
    costs: Rates = {}
    for scenario in SCENARIOS:
        counts = dict.fromkeys(servers, WARM_UP)
        for turn in range(rounds + 1):  # the first finds out how many messages are enough
            for server in servers:
                before = settle(server.pid)
                took = send(server, scenario, counts[server])
                if turn:
                    rates.setdefault((server.name, scenario), []).append(counts[server] / took)
                    cost = (settle(server.pid) - before) / counts[server]
                    costs.setdefault((server.name, scenario), []).append(cost)
                else:
                    counts[server] = max(WARM_UP, int(counts[server] / took * seconds))
    return rates, costs


def percentiles(values: Sequence[float]) -> tuple[float, float]:
    """p50 and p99."""
    cut = statistics.quantiles(values, n=100, method="inclusive")
    return cut[49], cut[98]


def waiting_times(servers: Sequence[Server], count: int) -> dict[tuple[str, int], tuple[float, ...]]:
    """(server, sessions) -> p50 and p99 of dot to 250, then of the whole session; seconds."""
    out: dict[tuple[str, int], tuple[float, ...]] = {}
    for sessions in (1, 20):
        for server in servers:
            transactions(server, 20, sessions)
            dots, wholes = zip(*transactions(server, count, sessions), strict=True)
            out[server.name, sessions] = (*percentiles(dots), *percentiles(wholes))
    return out


def idle_memory(names: Sequence[str]) -> dict[tuple[str, int], float]:
    """(server, connections) -> bytes a connection. Each on a server that has just started and answered a few: one that
    has been busy has memory to spare, and would look smaller."""
    out = {}
    for name in names:
        for count in IDLE[name]:
            try:
                with ALL[name]() as server:
                    transactions(server, 5, 1)
                    settle(server.pid, 5)
                    before = memory(server.pid)
                    with idle(server, count):
                        settle(server.pid, 5)
                        out[name, count] = (memory(server.pid) - before) / count
            except (OSError, RuntimeError) as failure:
                print(f"{count} idle connections to {name}: {failure}", file=sys.stderr)
    return out


def show(console: Console, title: str, names: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]]) -> None:
    table = Table("", *names, title=title, title_justify="left")
    for label, cells in rows:
        table.add_row(label, *cells)
    console.print(table)


def _numbers(values: Rates, names: Sequence[str], scenario: Scenario, shape: str, factor: float = 1) -> list[str]:
    found = [values.get((name, scenario)) for name in names]
    return [format(statistics.median(v) * factor, shape) if v else "-" for v in found]


def _cells(values: dict[tuple[str, int], tuple[float, ...]], names: Sequence[str], key: int, first: int) -> list[str]:
    found = [values.get((name, key)) for name in names]
    return [f"{v[first] * 1000:.2f} / {v[first + 1] * 1000:.2f}" if v else "-" for v in found]


def report(console: Console, names: Sequence[str], servers: Sequence[Server], options: argparse.Namespace) -> None:
    rates, costs = throughput(servers, options.rounds, options.seconds)
    rows = [(str(scenario), _numbers(rates, names, scenario, ".0f")) for scenario in SCENARIOS]
    show(console, f"Accepted messages a second ({MESSAGE} bytes, median of {options.rounds} rounds)", names, rows)
    rows = [(str(scenario), _numbers(costs, names, scenario, ".3f", 1000)) for scenario in SCENARIOS]
    show(console, "CPU milliseconds a message, delivery to discard: included", names, rows)
    ratios(console, rates)
    times = waiting_times(servers, options.transactions)
    rows = [(f"dot to 250, {sessions} at a time", _cells(times, names, sessions, 0)) for sessions in (1, 20)]
    rows += [(f"whole session, {sessions} at a time", _cells(times, names, sessions, 2)) for sessions in (1, 20)]
    show(console, f"Milliseconds, p50 / p99 of {options.transactions}", names, rows)
    sizes = idle_memory(names)
    cells = {n: [f"{sizes[x, n] / 1024:.1f}" if (x, n) in sizes else "-" for x in names] for n in (1000, 10_000)}
    show(console, "KiB of memory an idle connection", names, [(f"{n} connections", cells[n]) for n in cells])
    if "Gatepost" in names:
        screening(console)
        console.print(auditing.line())


def screening(console: Console) -> None:
    """Ten thousand connections held, and a polite client beside them."""
    for where in PLACES:
        try:
            for line in lines(held(where)):
                console.print(line)
        except (OSError, RuntimeError) as failure:
            print(f"connections held in {where}: {failure}", file=sys.stderr)


def ratios(console: Console, rates: Rates) -> None:
    """Gatepost to Postfix, against what was set as the aim."""
    for scenario in SCENARIOS:
        ours, theirs = rates.get(("Gatepost", scenario)), rates.get(("Postfix", scenario))
        if ours and theirs:
            ratio = statistics.median(ours) / statistics.median(theirs)
            target = TARGETS[scenario.keep]
            verdict = "reached" if ratio >= target else "missed"
            console.print(f"{scenario}: {ratio:.2f} times Postfix (target {target}: {verdict})")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.5, help="about so long is one throughput round")
    parser.add_argument("--transactions", type=int, default=400)
    parser.add_argument("--only", action="append", choices=list(ALL), help="measure only these")
    options = parser.parse_args()
    if os.geteuid() != 0 or not program("smtp-source"):
        print("make bench needs root and Debian's postfix: it starts Postfix and uses its smtp-source", file=sys.stderr)
        return 2
    console = Console(width=120)
    said = subprocess.run([GATEPOST, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    console.print(f"{os.cpu_count()} processors, Linux {platform.release()}, {said}")
    with contextlib.ExitStack() as stack:
        servers = []
        for name in options.only or ALL:
            try:
                servers.append(stack.enter_context(ALL[name]()))
            except Exception as failure:
                print(f"{name} did not start: {failure}", file=sys.stderr)
        report(console, [server.name for server in servers], servers, options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
