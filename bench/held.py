"""What do ten thousand clients cost that are held in screening, and does a polite client notice them?

They connect and say nothing. In probation they were greeted and have all tests before them, and so has the polite
client beside them. In the greeting they had its first line and wait for the last, while the polite client is let in at
once. Each measurement has a server of its own that has just started; the polite client is measured alone before and
after, so that a machine that gets slower meanwhile does not count for the others.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from bench.consumption import memory, settle
from bench.load import idle, teased, transactions
from bench.servers import GREETING, PROBATION, screened

COUNT = 10_000
MEMORY, FACTOR = 200, 2.0  # MiB in all; times as long: the targets
MIB = 1 << 20
PLACES = {"probation": PROBATION, "greeting": GREETING}
STRANGER = "127.9.0.1"


@dataclass(frozen=True, slots=True)
class Held:
    """`before` and `after` in bytes; times in seconds, of a whole session and from its dot to the 250, medians without
    and with the others. `screened`: the service did screen."""

    where: str
    count: int
    screened: bool
    before: int
    after: int
    whole: tuple[float, float]
    dot: tuple[float, float]


def _medians(times: list[tuple[float, float]]) -> tuple[float, float]:
    dots, wholes = zip(*times, strict=True)
    return statistics.median(wholes), statistics.median(dots)


def held(where: str, count: int = COUNT, messages: int = 100, sessions: int = 5) -> Held:
    """Measure, with the others held in `where`: probation or greeting; `sessions` polite clients at a time. OSError or
    RuntimeError when the server does not hold so many."""
    with screened(PLACES[where]) as server:
        screening = teased(server.port, STRANGER)
        transactions(server, 20, sessions)
        settle(server.pid, 5)
        without = transactions(server, messages, sessions)
        before = memory(server.pid)
        with idle(server, count, where == "probation"):
            settle(server.pid, 5)
            after = memory(server.pid)
            beside, dot_beside = _medians(transactions(server, messages, sessions))
        alone, dot_alone = _medians(without + transactions(server, messages, sessions))
    return Held(where, count, screening, before, after, (alone, beside), (dot_alone, dot_beside))


def lines(found: Held) -> list[str]:
    """What was found, in words, against what was set as the aim."""
    total, before = found.after / MIB, found.before / MIB
    where = f"in {found.where}" if found.screened else f"by a service that does not screen, for {found.where}"
    verdict = "reached" if total < MEMORY else "missed"
    size = f"{total:.0f} MiB, {before:.0f} without them (target {MEMORY}: {verdict})"
    out = [f"{found.count} connections held {where}: {size}"]
    for name, (without, with_them) in (("whole session", found.whole), ("dot to 250", found.dot)):
        ratio = with_them / without
        verdict = "reached" if ratio < FACTOR else "missed"
        out.append(
            f"a polite client meanwhile, {name}: {with_them * 1000:.2f} ms, {without * 1000:.2f} without them: "
            f"{ratio:.2f} times as long (target below {FACTOR:g}: {verdict})"
        )
    return out
