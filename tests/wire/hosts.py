"""Two hosts joined by a wire: how is one made for a test, and how does a thread get to one of them?

A network namespace belongs to a thread (setns(2)): sockets, threads and processes made inside() a host are that
host's, and stay so. Names are unique to the run. This file must not know what runs on the hosts.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.wire.wire import UNAVAILABLE, enter

PROGRAM = Path(__file__).with_name("wire.py")
SERVER, SERVER6 = "10.77.0.2", "fd77::2"
_numbers = itertools.count()


class Unavailable(Exception):
    """Namespaces cannot be made here; says why."""


@dataclass(frozen=True, slots=True)
class Wire:
    """What a wire does to packets. `round_trip` is in seconds, `loss` and `reorder` are shares of all packets.
    `strangers`: to the server each TCP connection over IPv4 comes from an address of its own."""

    round_trip: float = 0.04
    loss: float = 0.0
    reorder: float = 0.0
    seed: int = 1
    mtu: int = 1500
    strangers: bool = False

    def __str__(self) -> str:
        text = f"{self.round_trip * 1000:g} ms"
        if self.loss:
            text += f", {self.loss:.0%} lost"
        if self.reorder:
            text += f", {self.reorder:.0%} reordered"
        return text


@dataclass(frozen=True, slots=True)
class Host:
    """One end: a network namespace."""

    name: str

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """The calling thread is on this host; not to be nested."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        there = os.open(f"/var/run/netns/{self.name}", os.O_RDONLY)
        try:
            enter(there)
            yield
        finally:
            enter(home)
            os.close(home)
            os.close(there)


@contextlib.contextmanager
def joined(wire: Wire) -> Iterator[tuple[Host, Host]]:
    """Two hosts and the wire between them -> (client, server). Unavailable where that cannot be had."""
    number = f"{os.getpid()}-{next(_numbers)}"
    names = f"gatepost-{number}-client", f"gatepost-{number}-server"
    command = [sys.executable, str(PROGRAM), *names, "--delay", str(wire.round_trip / 2), "--loss", str(wire.loss)]
    command += ["--reorder", str(wire.reorder), "--seed", str(wire.seed), "--mtu", str(wire.mtu)]
    command += ["--strangers"] if wire.strangers else []
    # The wire ends when its standard input does: also when whoever started it is killed.
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        if process.stdout.readline() != "ready\n":
            said = process.stderr.read().strip()
            if process.wait(10) == UNAVAILABLE:
                raise Unavailable(said)
            raise RuntimeError(said)
        yield Host(names[0]), Host(names[1])
    finally:
        with process:
            process.terminate()


@contextlib.contextmanager
def joined_or_skipped(wire: Wire) -> Iterator[tuple[Host, Host]]:
    """joined() for a test, which is skipped with the reason where there are no namespaces."""
    with contextlib.ExitStack() as stack:
        try:
            hosts = stack.enter_context(joined(wire))
        except Unavailable as why:
            pytest.skip(f"not here: network namespaces ({why})")
        yield hosts
