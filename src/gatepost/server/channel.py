"""How do two processes of ours talk? Values in frames (frames.py) over a stream socket, in order, without waiting.

What the socket does not take at once waits in memory. This file must not know what is said.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from typing import Any

from gatepost.server.frames import Frames, packed


class Channel:
    """One end. `received` takes each value, `ended` is called once, when the other end is gone."""

    def __init__(self, sock: socket.socket, loop: asyncio.AbstractEventLoop, received: Callable[[Any], None],
                 ended: Callable[[], None]) -> None:
        sock.setblocking(False)
        self._socket = sock
        self._loop = loop
        self._received = received
        self._ended = ended
        self._frames = Frames()
        self._unsent: deque[memoryview] = deque()
        self.closed = False
        loop.add_reader(sock.fileno(), self._readable)

    def send(self, value: Any) -> None:
        """Say this. Nothing happens when the channel is closed."""
        if self.closed:
            return
        head, data = packed(value)
        if self._unsent:
            self._unsent.append(memoryview(head + data))
            return
        try:
            sent = self._socket.sendmsg((head, data))
        except BlockingIOError:
            sent = 0
        except OSError:
            self._break()
            return
        if sent < len(head) + len(data):
            self._unsent.append(memoryview(head + data)[sent:])
            self._loop.add_writer(self._socket.fileno(), self._writable)

    def _writable(self) -> None:
        unsent = self._unsent
        try:
            while unsent:
                part = unsent[0]
                sent = self._socket.send(part)
                if sent < len(part):
                    unsent[0] = part[sent:]
                    return
                unsent.popleft()
        except BlockingIOError:
            return
        except OSError:
            self._break()
            return
        self._loop.remove_writer(self._socket.fileno())

    def _readable(self) -> None:
        more = self._frames.read(self._socket)
        try:
            for value in self._frames.take():
                if self.closed:
                    return
                self._received(value)
        except Exception as error:  # a bug: both ends begin anew, so that nobody waits for an answer for ever
            self._loop.call_exception_handler({"message": "what a process of ours said was not understood",
                                               "exception": error})
            more = False
        if not more:
            self._break()

    def _break(self) -> None:
        if not self.closed:
            self.close()
            self._ended()

    def close(self) -> None:
        """Say and hear no more. What waits to be sent is lost."""
        if not self.closed:
            self.closed = True
            self._loop.remove_reader(self._socket.fileno())
            self._loop.remove_writer(self._socket.fileno())
            self._socket.close()
            self._unsent.clear()
