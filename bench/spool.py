"""How many messages a second does the spool make durable, and what does one cost the event loop's thread?

    python bench/spool.py [--sessions 50] [--messages 20000] [--size 4096] [--directory DIR] [--uvloop]
                          [--remove | --deliver]

Each session keeps one message after another, waiting for each to be durable, as an SMTP session does. `main` is the
processor time of the event loop's thread per message, `calls` what new_id + draft + write + keep take of it; the
other threads are the rest of the process. With --remove a message is forgotten as soon as it is durable; with --deliver
the scheduler stands behind the spool: a route, a delivery that ends at once (`discard:`), three log lines to /dev/null,
removal.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import tempfile
import time
from collections.abc import Sequence

from gatepost.config.settings import Settings
from gatepost.deliver.envelope import Envelope, Origin, Recipient
from gatepost.deliver.queue import Queue
from gatepost.deliver.result import Content, Destination, Result
from gatepost.deliver.spool import Kept, Spool
from gatepost.observe.log import Log, StreamSink


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


async def discard(envelope: Envelope, recipients: Sequence[Recipient], content: Content) -> list[Result]:
    return [Result(recipient, "sent", "2.0.0", "example.org", "none", service="discard") for recipient in recipients]


async def route(envelope: Envelope, recipient: Recipient) -> Destination:
    return Destination("discard", "example.org")


async def scheduler(spool: Spool) -> Queue:
    log = Log([StreamSink(os.open(os.devnull, os.O_WRONLY))])
    queue = Queue(spool, Settings.of({"myhostname": "mx.example"}), discard, log=log, route=route)
    await queue.start()
    return queue


async def measure(options: argparse.Namespace, directory: str) -> None:
    spool = Spool.open(directory)

    def gone(batch: list[Kept]) -> None:
        for kept in batch:
            spool.remove(kept.key, kept.file)

    queue = await scheduler(spool) if options.deliver else None
    if options.remove:
        spool.arrived = gone
    each = options.messages // options.sessions
    body = os.urandom(options.size)
    waits: list[float] = []
    spent = [0.0]
    await asyncio.gather(*(session(spool, 20, body, [], [0.0]) for _ in range(10)))
    wall, main, process = time.perf_counter(), time.thread_time(), time.process_time()
    await asyncio.gather(*(session(spool, each, body, waits, spent) for _ in range(options.sessions)))
    while queue is not None and queue.sizes[0]:  # noqa: ASYNC110  # nobody tells when a queue is empty
        await asyncio.sleep(0.001)
    wall, main, process = time.perf_counter() - wall, time.thread_time() - main, time.process_time() - process
    waits.sort()
    n = len(waits)
    how = ", removed at once" * options.remove + ", delivered" * options.deliver
    print(f"{options.sessions} sessions, {n} messages of {options.size} bytes{how}: {n / wall:.0f}/s;"
          f" main {main / n * 1e6:.1f} us, calls {spent[0] / n * 1e6:.1f} us,"
          f" other threads {(process - main) / n * 1e6:.1f} us;"
          f" wait p50 {waits[n // 2] * 1e3:.2f} p99 {waits[n * 99 // 100] * 1e3:.2f} max {waits[-1] * 1e3:.2f} ms")
    if queue is not None:
        await queue.stop()
    await spool.close()


def run() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=50)
    parser.add_argument("--messages", type=int, default=20000)
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--directory", default=".")
    parser.add_argument("--uvloop", action="store_true")
    parser.add_argument("--remove", action="store_true")
    parser.add_argument("--deliver", action="store_true")
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
