"""How many messages a second does the spool make durable, and what does one cost the event loop's thread?

    python bench/spool.py [--sessions 50] [--messages 20000] [--size 4096] [--directory DIR] [--uvloop] [--remove]

Each session keeps one message after another, waiting for each to be durable, as an SMTP session does. `main` is the
processor time of the event loop's thread per message, `calls` what new_id + draft + write + keep take of it; the
other threads are the rest of the process.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import tempfile
import time

from gatepost.deliver.envelope import Envelope, Origin, Recipient
from gatepost.deliver.spool import Spool


def envelope(queue_id: str) -> Envelope:
    origin = Origin("mail.example.net", "192.0.2.25", "40000", "mail.example.net", "ESMTP")
    return Envelope(queue_id, "sender@example.net", [Recipient("someone@example.org")], time.time(), origin=origin)


async def session(spool: Spool, count: int, body: bytes, waits: list[float], spent: list[float]) -> None:
    clock = time.perf_counter
    for _ in range(count):
        begun = clock()
        draft = spool.draft(spool.new_id())
        draft.write(body)
        future = spool.keep(draft, envelope(draft.queue_id), b"Received: from somewhere\r\n\tby here; now\r\n")
        spent[0] += clock() - begun
        await future
        waits.append(clock() - begun)


async def measure(options: argparse.Namespace, directory: str) -> None:
    spool = Spool.open(directory)
    if options.remove:
        def gone(batch):  # type: ignore[no-untyped-def]
            for kept in batch:
                spool.remove(kept.key, kept.file)
        spool.arrived = gone
    each = options.messages // options.sessions
    body = os.urandom(options.size)
    waits: list[float] = []
    spent = [0.0]
    await asyncio.gather(*(session(spool, 20, body, [], [0.0]) for _ in range(10)))
    wall, main, process = time.perf_counter(), time.thread_time(), time.process_time()
    await asyncio.gather(*(session(spool, each, body, waits, spent) for _ in range(options.sessions)))
    wall, main, process = time.perf_counter() - wall, time.thread_time() - main, time.process_time() - process
    waits.sort()
    n = len(waits)
    print(f"{options.sessions} sessions, {n} messages of {options.size} bytes{', removed at once' * options.remove}:"
          f" {n / wall:.0f}/s; main {main / n * 1e6:.1f} us, calls {spent[0] / n * 1e6:.1f} us, other threads"
          f" {(process - main) / n * 1e6:.1f} us; wait p50 {waits[n // 2] * 1e3:.2f}"
          f" p99 {waits[n * 99 // 100] * 1e3:.2f} max {waits[-1] * 1e3:.2f} ms")
    await spool.close()


def run() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=50)
    parser.add_argument("--messages", type=int, default=20000)
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--directory", default=".")
    parser.add_argument("--uvloop", action="store_true")
    parser.add_argument("--remove", action="store_true")
    options = parser.parse_args()
    directory = tempfile.mkdtemp(prefix="spool-bench-", dir=options.directory)
    try:
        if options.uvloop:
            import uvloop

            uvloop.run(measure(options, directory))
        else:
            asyncio.run(measure(options, directory))
    finally:
        shutil.rmtree(directory)


if __name__ == "__main__":
    run()
