"""server/queue_process.py at the start: a queue manager that ends too early is one clear error, not a traceback."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from gatepost.config.builtin import configuration
from gatepost.observe.log import Log
from gatepost.server.ends import Ends
from gatepost.server.queue_process import QueueProcess, Start
from gatepost.span import ConfigError

OPENS_AND_DIES = """
import os, signal, socket, sys
from gatepost.server.frames import packed
channel = socket.socket(fileno=int(sys.argv[1]))
channel.sendall(b"".join(packed(("opened", sys.argv[2], 0, False, 1 << 16, 1 << 10))))
channel.recv(1)
os.kill(os.getpid(), signal.SIGKILL)
"""


def exits(theirs: Ends, _: Ends) -> int:
    return subprocess.Popen(["/bin/sh", "-c", "exit 3"]).pid


def opens_and_dies(directory: Path) -> Start:
    def start(theirs: Ends, _: Ends) -> int:
        words = [str(theirs.channel.fileno()), str(directory)]
        return subprocess.Popen([sys.executable, "-c", OPENS_AND_DIES, *words], pass_fds=theirs.numbers).pid

    return start


async def begun(start: Start, directory: Path) -> None:
    found = configuration(str(directory), "127.0.0.1:0")
    manager = QueueProcess(start, start, Log([]), "postfix/smtpd")
    try:
        await manager.open(found)
        await manager.adopt(found)
        await manager.begin()
    finally:
        await manager.finish()


@pytest.mark.parametrize("late", [False, True])
def test_it_ends_before_it_is_ready(tmp_path: Path, late: bool) -> None:
    start, how = (opens_and_dies(tmp_path), "by signal 9") if late else (exits, "with status 3")
    with pytest.raises(ConfigError, match=f"the queue manager ended {how} before it was ready"):
        asyncio.run(begun(start, tmp_path))
