"""Servers that a gateway asks, in threads of the test: a policy service, and the name server of tests/lookup."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

from tests.lookup.name_server import NameServer, serving


class PolicyService:
    """Answers each request with what `answer` makes of its attributes; None: closes the connection without a word."""

    def __init__(self, answer: Callable[[dict[str, str]], str | None]) -> None:
        self.answer = answer
        self.asked: list[dict[str, str]] = []

    @contextlib.contextmanager
    def serving(self, address: str | tuple[str, int]) -> Iterator[int]:
        """Serve at a path, or at (host, port), while the block runs -> the port."""
        listener = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
        listener.bind(address)
        listener.listen()
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        try:
            yield 0 if isinstance(address, str) else listener.getsockname()[1]
        finally:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        attributes: dict[str, str] = {}
        with contextlib.suppress(OSError), connection, connection.makefile("rb") as lines:
            for line in lines:
                name, equals, value = line.decode("utf-8", "surrogateescape").rstrip("\n").partition("=")
                if equals:
                    attributes[name] = value
                    continue
                self.asked.append(attributes)
                action = self.answer(attributes)
                if action is None:
                    return
                connection.sendall(f"action={action}\n\n".encode())
                attributes = {}


@contextlib.contextmanager
def name_server(server: NameServer) -> Iterator[int]:
    """A name server in a thread -> its port."""
    ready, over = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        async with serving(server):
            ready.set()
            await over.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield server.port
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(10)
        loop.close()
