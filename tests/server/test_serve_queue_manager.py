"""The queue manager's process (server/queue_process.py, manage.py): when it dies, or is left alone, no mail is lost."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import time
from pathlib import Path

import pytest

from tests.kit import wait_for
from tests.server.house import FROM, MAILDIR, TO, House, house
from tests.server.test_serve_durability import KILLS, SIZES, message, token_of, tokens
from tests.serving import Warm

AWAY = "451 4.3.0 Error: queue file write error"


def alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def kill_manager(running: House) -> int:
    """SIGKILL -> the process id that it had."""
    manager = running.manager
    os.kill(manager, signal.SIGKILL)
    assert wait_for(lambda: not alive(manager), 10)
    return manager


def insist(running: House, token: str, size: int = 600) -> list[str]:
    """Send a message again and again over one connection until it is taken -> the replies."""
    replies: list[str] = []
    until = time.monotonic() + 20
    with running.talk() as client:
        while not replies or (not replies[-1].startswith("250") and time.monotonic() < until):
            replies.append(client.mail(message(token, size)))
            time.sleep(0.3)  # twenty refusals end a session
    return replies


def test_mail_is_deferred_while_there_is_none_and_another_one_is_started(warm: Warm) -> None:
    with house(warm, MAILDIR) as running:
        assert insist(running, "before")[-1].startswith("250 2.0.0")
        first = kill_manager(running)
        replies = insist(running, "after")
        assert replies[-1].startswith("250 2.0.0") and set(replies[:-1]) == {AWAY}
        assert f"error: the queue manager, process {first}, ended by signal 9; mail is deferred" in running.log()
        assert running.manager != first
        new = running.root / "mail" / "box" / "new"
        assert wait_for(lambda: {token_of(path.read_bytes()) for path in new.iterdir()} == {"before", "after"}, 10)
        assert running.reload().startswith("gatepost: reloaded")
        assert insist(running, "later")[-1].startswith("250 2.0.0")
        assert running.stop() == 0


def test_a_message_that_is_being_received_meanwhile_comes_whole(warm: Warm) -> None:
    """Its body lies in a file that belongs to no message yet: the new queue manager must leave that alone."""
    body = message("slow", 300_000)
    with house(warm) as running, running.talk() as slow:
        slow.say(f"MAIL FROM:<{FROM}>", f"RCPT TO:<{TO}>", "DATA")
        slow.send(body[:200_000])
        bodies = running.root / "queue" / "gatepost" / "bodies.0"
        assert wait_for(lambda: any(bodies.iterdir()), 5)
        first = kill_manager(running)
        assert insist(running, "small")[-1].startswith("250 2.0.0")
        assert running.manager != first
        slow.send(body[200_000:] + b".\r\n")
        assert slow.read().startswith("250 2.0.0")
        assert tokens(running.spooled()) == {"slow", "small"}


async def _session(port: int, name: str, acknowledged: set[str], over: asyncio.Event) -> None:
    """Messages until it is over; those that are deferred are forgotten."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def reply() -> str:
        while (line := await reader.readuntil(b"\n"))[3:4] == b"-":
            pass
        return line.decode().rstrip()

    with contextlib.closing(writer):
        assert (await reply()).startswith("220")
        writer.write(b"EHLO client.test\r\n")
        await reply()
        number = 0
        while not over.is_set():
            number += 1
            content = message(f"{name}.{number}", random.choice(SIZES))
            writer.write(f"MAIL FROM:<{FROM}>\r\nRCPT TO:<{TO}>\r\nBDAT {len(content)} LAST\r\n".encode() + content)
            assert [(await reply())[:3] for _ in range(2)] == ["250"] * 2
            last = await reply()
            assert last.startswith("250 2.0.0") or last == AWAY, last
            if last.startswith("250"):
                acknowledged.add(f"{name}.{number}")
            else:
                writer.write(b"RSET\r\n")
                await reply()


def test_no_acknowledged_message_is_missing_after_it_was_killed_under_load(warm: Warm) -> None:
    """Each time the sessions see it through: what is acknowledged before, between and after is there."""
    with house(warm, ["smtpd_hard_error_limit = 100000"]) as running:
        acknowledged: set[str] = set()
        kills = max(2, KILLS // 3)  # each costs the second before the next one is started

        async def run() -> None:
            over = asyncio.Event()
            sessions = [asyncio.create_task(_session(running.port, f"s{n}", acknowledged, over)) for n in range(6)]
            for round_ in range(kills + 1):
                wanted = len(acknowledged) + 20
                while len(acknowledged) < wanted and not any(each.done() for each in sessions):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
                if round_ < kills:
                    await asyncio.sleep(random.uniform(0, 0.1))
                    await asyncio.to_thread(kill_manager, running)
            over.set()
            await asyncio.gather(*sessions)

        asyncio.run(run())
        assert running.stop() == 0
        running.start()
        missing = acknowledged - tokens(running.spooled())
        assert not missing, f"{len(missing)} of {len(acknowledged)}: {sorted(missing)[:5]}"


def test_a_reload_while_another_one_starts_does_not_keep_it_from_starting(warm: Warm) -> None:
    with house(warm) as running:
        first = kill_manager(running)
        for _ in range(60):
            running.signal(signal.SIGHUP)
            time.sleep(0.05)
        assert insist(running, "after")[-1].startswith("250 2.0.0")
        assert running.manager != first


def test_it_ends_by_itself_when_the_server_is_killed(warm: Warm) -> None:
    with house(warm) as running:
        manager = running.manager
        assert insist(running, "kept")[-1].startswith("250")
        running.kill(everything=False)
        assert wait_for(lambda: not alive(manager), 5)
        running.start()
        assert tokens(running.spooled()) == {"kept"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_to_all_processes_are_the_servers_business(warm: Warm, number: signal.Signals) -> None:
    """A terminal's Ctrl-C, or a service manager that signals every process of the service."""
    with house(warm) as running, running.talk() as client:
        manager = running.manager
        assert client.say(f"MAIL FROM:<{FROM}>", f"RCPT TO:<{TO}>", "DATA").startswith("354")
        os.kill(manager, number)
        running.signal(number)
        time.sleep(0.2)
        client.send(message("during", 600) + b".\r\n")
        assert client.read().startswith("250 2.0.0")
        client.say("QUIT")
        client.socket.close()
        if number != signal.SIGHUP:
            assert wait_for(lambda: not alive(manager), 10)
        assert running.stop() == 0
        running.start()
        assert tokens(running.spooled()) == {"during"}


def test_one_that_cannot_start_again_is_tried_until_it_can(warm: Warm) -> None:
    with house(warm) as running:
        main_cf = running.conf / "main.cf"
        right = main_cf.read_text()
        main_cf.write_text(right + "queue_directory = /proc/nowhere\n")
        kill_manager(running)
        assert running.logged("error: cannot start the queue manager: ")
        assert "main.cf:" in running.log() and "cannot use the queue" in running.log()
        with running.talk() as client:
            assert client.mail() == AWAY
        main_cf.write_text(right)
        assert insist(running, "again")[-1].startswith("250 2.0.0")
