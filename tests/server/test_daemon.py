"""The life of the server: ready, reload, graceful end, privileges, service manager."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from gatepost.server.connection import Connection
from gatepost.server.connections import Connections
from gatepost.server.daemon import Daemon, Manner, notify
from gatepost.server.endpoints import Endpoint
from gatepost.server.listener import Door
from gatepost.server.terms import Terms
from gatepost.smtp.events import Answered
from gatepost.span import ConfigError, Span
from tests.server.echo import EchoPerformer, EchoSession


class EchoWork:
    """Serves the echo core, at one door that `wrong` makes impossible."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.wrong = False
        self.performers: list[EchoPerformer] = []

    def attend(self, connection: Connection) -> tuple[EchoSession, EchoPerformer]:
        self.performers.append(EchoPerformer(connection))
        return EchoSession(), self.performers[-1]

    async def doors(self, connections: Connections) -> Sequence[Door]:
        self.steps.append("doors")
        if self.wrong:
            raise ConfigError("wrong", Span("main.cf", 3))
        return [Door(Endpoint(socket.AF_INET, "127.0.0.1", 0), Terms(), self.attend)]

    async def adopt(self) -> None:
        self.steps.append("adopt")

    async def begin(self) -> None:
        self.steps.append("begin")

    async def finish(self) -> None:
        self.steps.append("finish")


class Running:
    """A daemon in this loop, started and ended by `async with`."""

    def __init__(self, work: EchoWork, grace: float = 0.0) -> None:
        self.said: list[str] = []
        self.failures: list[str] = []
        self.ready = asyncio.Event()
        manner = Manner(self.failures.append, self.failures.append, self.announce, grace=grace)
        self.daemon = Daemon(work, manner)

    def announce(self, text: str) -> None:
        self.said.append(text)
        self.ready.set()

    async def __aenter__(self) -> Running:
        self.task = asyncio.create_task(self.daemon.run())
        await asyncio.wait_for(self.ready.wait(), 5)
        self.ready.clear()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.daemon.stop()
        await asyncio.wait_for(self.task, 20)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        port = int(self.daemon.listeners.names[0].rpartition(":")[2])
        streams = await asyncio.open_connection("127.0.0.1", port)
        assert await streams[0].readline() == b"220 echo\r\n"
        return streams


@pytest.mark.asyncio
async def test_start_and_end_in_order() -> None:
    work = EchoWork()
    async with Running(work) as running:
        assert running.said == [f"gatepost: ready on {running.daemon.listeners.names[0]}"]
        assert work.steps == ["doors", "adopt", "begin"]
    assert work.steps == ["doors", "adopt", "begin", "finish"]
    assert running.daemon.listeners.names == []


@pytest.mark.asyncio
async def test_a_broken_configuration_does_not_start() -> None:
    work = EchoWork()
    work.wrong = True
    daemon = Daemon(work, Manner(print, print, print))
    with pytest.raises(ConfigError):
        await daemon.run()
    assert work.steps == ["doors", "finish"]


@pytest.mark.asyncio
async def test_sessions_that_do_not_end_are_told_421() -> None:
    async with Running(EchoWork()) as running:
        reader, writer = await running.connect()
        running.daemon.stop()
        assert await reader.read() == b"421 4.3.2 Service shutting down\r\n"
        writer.close()


@pytest.mark.asyncio
async def test_sessions_that_end_in_time_are_left_alone() -> None:
    async with Running(EchoWork(), grace=10) as running:
        reader, writer = await running.connect()
        running.daemon.stop()
        writer.write(b"one more\r\nQUIT\r\n")
        assert await reader.read() == b"250 one more\r\n221 bye\r\n"
        writer.close()


@pytest.mark.asyncio
async def test_a_second_signal_ends_the_patience() -> None:
    async with Running(EchoWork(), grace=1000) as running:
        reader, writer = await running.connect()
        running.daemon.stop()
        running.daemon.stop()
        assert await reader.read() == b"421 4.3.2 Service shutting down\r\n"
        writer.close()


@pytest.mark.asyncio
async def test_an_open_question_is_answered_before_the_end() -> None:
    work = EchoWork()
    async with Running(work) as running:
        reader, writer = await running.connect()
        writer.write(b"ASK x\r\n")
        (performer,) = work.performers
        while not performer.connection.asked:  # noqa: ASYNC110  -- the loop is what must turn
            await asyncio.sleep(0)
        running.daemon.stop()
        for _ in range(5):
            await asyncio.sleep(0)
        performer.connection.feed(Answered())
        assert await reader.read() == b"250 answered\r\n421 4.3.2 Service shutting down\r\n"
        writer.close()


@pytest.mark.asyncio
async def test_reload_reads_again_and_a_wrong_one_changes_nothing() -> None:
    work = EchoWork()
    async with Running(work) as running:
        before = running.daemon.listeners.names
        running.daemon.reload()
        await asyncio.wait_for(running.ready.wait(), 5)
        assert work.steps == ["doors", "adopt", "begin", "doors", "adopt"]
        assert running.daemon.listeners.names == before
        work.wrong = True
        running.daemon.reload()
        while not running.failures:  # noqa: ASYNC110  -- the loop is what must turn
            await asyncio.sleep(0)
        assert running.failures == ["configuration not reloaded: main.cf:3: wrong"]
        await running.connect()


def test_the_service_manager_is_told(tmp_path: Path) -> None:
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        manager.settimeout(5)
        notify("READY=1", path)
        assert manager.recv(100) == b"READY=1"
    notify("READY=1", path)  # nobody listens any more: no matter
    notify("READY=1", "")


PRIVILEGES = """
import os
from gatepost.server.daemon import drop_privileges
drop_privileges({user!r}, print)
print(os.getuid(), os.geteuid(), os.getgid(), len(set(os.getgroups())))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize(
    ("user", "first", "uid"), [("nobody", "", "65534"), ("no-such-user", "user no-such-user", "0")]
)
def test_privileges(user: str, first: str, uid: str) -> None:
    command = [sys.executable, "-c", PRIVILEGES.format(user=user)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert lines[0].startswith(first)
    assert lines[-1].split()[:2] == [uid, uid]
