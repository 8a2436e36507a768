"""The load: Postfix's smtp-source for throughput, small clients of our own for waiting times and idle connections."""

from __future__ import annotations

import concurrent.futures
import contextlib
import re
import resource
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass

from bench.servers import DESCRIPTORS, Server
from tests.kit import program

MESSAGE = 4096  # bytes
SENDER, RECIPIENT = "a@client.example", "user@example.test"
CLIENTS_AN_ADDRESS = 1000


@dataclass(frozen=True, slots=True)
class Scenario:
    """How smtp-source sends: many messages over each connection or one, and in how many sessions at once."""

    keep: bool
    sessions: int

    def __str__(self) -> str:
        return f"{'many messages' if self.keep else 'one message'} a connection, {self.sessions} sessions"


def send(server: Server, scenario: Scenario, messages: int) -> float:
    """Send so many messages -> seconds that it took. RuntimeError when not all were accepted."""
    command = [program("smtp-source") or "smtp-source", *(["-d"] if scenario.keep else [])]
    command += ["-s", str(scenario.sessions), "-m", str(messages), "-l", str(MESSAGE), "-f", SENDER, "-t", RECIPIENT]
    began = time.perf_counter()
    run = subprocess.run([*command, f"127.0.0.1:{server.port}"], capture_output=True, text=True, timeout=120)
    took = time.perf_counter() - began
    if run.returncode != 0:
        raise RuntimeError(f"smtp-source to {server.name}: {run.stderr.strip()[-300:]}")
    return took


# How long a client waits

_CONTENT = (b"Subject: bench\r\n\r\n" + (b"x" * 70 + b"\r\n") * (MESSAGE // 72))[:MESSAGE] + b"\r\n.\r\n"


class Client:
    """A client that takes its turns: each command after the reply to the one before."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), 30)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.expect(b"220")

    def expect(self, code: bytes) -> None:
        heard = b""
        while not (heard.endswith(b"\r\n") and heard.rstrip(b"\r\n").rpartition(b"\n")[2][3:4] == b" "):
            part = self._socket.recv(4096)
            if not part:
                raise RuntimeError(f"the connection ended after {heard!r}")
            heard += part
        if not heard.startswith(code):
            raise RuntimeError(f"expected {code!r}: {heard!r}")

    def say(self, line: bytes, code: bytes) -> None:
        self._socket.sendall(line)
        self.expect(code)

    def close(self) -> None:
        self._socket.close()


def teased(port: int, source: str) -> bool:
    """Does a client at that address get the first line of a greeting alone, as screening says it?"""
    with socket.create_connection(("127.0.0.1", port), 30, (source, 0)) as connection:
        return connection.recv(512).startswith(b"220-")


def transaction(port: int) -> tuple[float, float]:
    """One message over a connection of its own -> seconds from its final dot to the 250, and of the whole session."""
    began = time.perf_counter()
    client = Client(port)
    client.say(b"EHLO client.example\r\n", b"250")
    client.say(f"MAIL FROM:<{SENDER}>\r\n".encode(), b"250")
    client.say(f"RCPT TO:<{RECIPIENT}>\r\n".encode(), b"250")
    client.say(b"DATA\r\n", b"354")
    dot = time.perf_counter()
    client.say(_CONTENT, b"250")
    accepted = time.perf_counter()
    client.say(b"QUIT\r\n", b"221")
    ended = time.perf_counter()
    client.close()
    return accepted - dot, ended - began


def transactions(server: Server, count: int, sessions: int) -> list[tuple[float, float]]:
    """So many transactions, `sessions` at a time."""
    with concurrent.futures.ThreadPoolExecutor(sessions) as pool:
        return list(pool.map(lambda _: transaction(server.port), range(count)))


# Connections that wait


@contextlib.contextmanager
def idle(server: Server, count: int, whole: bool = True) -> Iterator[None]:
    """So many connections that were greeted and say nothing, from several addresses of 127/8. Not `whole`: they wait
    for the last line of their greeting."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, max(hard, DESCRIPTORS)))
    connections: list[socket.socket] = []
    try:
        while len(connections) < count:
            batch = [_connect(server, at) for at in range(len(connections), min(count, len(connections) + 100))]
            connections += batch
            for connection in batch:
                if not _greeted(connection, whole):
                    raise RuntimeError(f"{server.name} greets no more after {len(connections)} connections")
        yield
    finally:
        for connection in connections:
            connection.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, max(hard, DESCRIPTORS)))


def _greeted(connection: socket.socket, whole: bool) -> bool:
    """The whole greeting has come, or any of it (screening says its first line alone)."""
    heard = b""
    while not re.search(rb"^220 .*\r\n" if whole else rb"^220", heard, re.MULTILINE):
        part = connection.recv(512)
        if not part:
            return False
        heard += part
    return True


def _connect(server: Server, number: int) -> socket.socket:
    address = f"127.9.0.{1 + number // CLIENTS_AN_ADDRESS}"
    return socket.create_connection(("127.0.0.1", server.port), 30, (address, 0))
