"""How does a small client of our own talk: each command after the reply to the one before, or without ever waiting?

Blocking sockets. A Talk that is asked for a reply waits for all of it. This file must not know servers or verdicts.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Sequence
from types import TracebackType

TIMEOUT = 60.0  # seconds; a wire that loses packets is slow at times
BODY = b"Subject: wire\r\n\r\nbody\r\n.\r\n"


def trusting() -> ssl.SSLContext:
    """TLS without a question about certificates."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Talk:
    """One connection. Closed at the end of a with block."""

    def __init__(self, host: str, port: int, source: str = "", options: Sequence[tuple[int, int, int]] = ()) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.socket: socket.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.settimeout(TIMEOUT)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for option in options:
            self.socket.setsockopt(*option)
        if source:
            self.socket.bind((source, 0))
        self.socket.connect((host, port))
        self.piece = 4096  # bytes read at once
        self.pause = 0.0  # seconds before each read
        self._heard = b""

    def __enter__(self) -> Talk:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.socket.close()

    def reply(self) -> bytes:
        """The next reply, whole. ConnectionError when the connection ends before."""
        while True:
            at = 0
            while (end := self._heard.find(b"\n", at)) >= 0:
                if self._heard[at + 3 : at + 4] != b"-":
                    reply, self._heard = self._heard[: end + 1], self._heard[end + 1 :]
                    return reply
                at = end + 1
            if self.pause:
                time.sleep(self.pause)
            part = self.socket.recv(self.piece)
            if not part:
                raise ConnectionError(f"the connection ended after {self._heard!r}")
            self._heard += part

    def say(self, data: bytes) -> bytes:
        """Say it, wait -> the reply."""
        self.socket.sendall(data)
        return self.reply()

    def start_tls(self, session: ssl.SSLSession | None = None, context: ssl.SSLContext | None = None) -> None:
        """STARTTLS and the handshake, in turn."""
        self.say(b"STARTTLS\r\n")
        self.socket = (context or trusting()).wrap_socket(self.socket, session=session)

    def blast(self, pieces: Sequence[bytes], gap: float | None) -> None:
        """Say all pieces without waiting: each in a segment of its own, `gap` seconds apart; None: all in one."""
        with contextlib.suppress(OSError):  # the server may have hung up: that is its answer
            if gap is None:
                self.socket.sendall(b"".join(pieces))
                return
            due = time.monotonic()
            for piece in pieces:
                self.socket.sendall(piece)
                due += gap
                time.sleep(max(0.0, due - time.monotonic()))

    def rest(self) -> bytes:
        """Everything that still comes."""
        heard = self._heard
        with contextlib.suppress(OSError):
            while part := self.socket.recv(4096):
                heard += part
        return heard
