"""How do two processes of ours talk? Values in frames over a stream socket, in order, without waiting.

A frame is four bytes of length (little-endian) and one value, marshalled: numbers, text, bytes, None, and tuples and
lists of them. Both ends are the same program, so no version is negotiated. What the socket does not take at once waits
in memory. This file must not know what is said.
"""

from __future__ import annotations

import asyncio
import marshal
import socket
from collections import deque
from collections.abc import Callable
from typing import Any

CAPACITY = 1 << 20  # bytes read at a time; a larger frame makes the buffer grow
FORMAT = 2  # of marshal: without references between objects, which cost time to find
HEAD = 4


class Channel:
    """One end. `received` takes each value, `ended` is called once, when the other end is gone."""

    def __init__(self, sock: socket.socket, loop: asyncio.AbstractEventLoop, received: Callable[[Any], None],
                 ended: Callable[[], None]) -> None:
        sock.setblocking(False)
        self._socket = sock
        self._loop = loop
        self._received = received
        self._ended = ended
        self._buffer = bytearray(CAPACITY)
        self._view = memoryview(self._buffer)
        self._have = 0  # bytes in the buffer
        self._unsent: deque[memoryview] = deque()
        self.closed = False
        loop.add_reader(sock.fileno(), self._readable)

    def send(self, value: Any) -> None:
        """Say this. Nothing happens when the channel is closed."""
        if self.closed:
            return
        data = marshal.dumps(value, FORMAT)
        head = len(data).to_bytes(HEAD, "little")
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
        if sent < HEAD + len(data):
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
        try:
            count = self._socket.recv_into(self._view[self._have :])
        except BlockingIOError:
            return
        except OSError:
            count = 0
        if not count:
            self._break()
            return
        self._have += count
        self._take_frames()

    def _take_frames(self) -> None:
        at, have, needed = 0, self._have, 0
        while not self.closed and have - at >= HEAD:
            end = at + HEAD + int.from_bytes(self._view[at : at + HEAD], "little")
            if end > have:
                needed = end - at
                break
            value = marshal.loads(self._view[at + HEAD : end])
            at = end
            try:
                self._received(value)
            except Exception as error:  # a bug: both ends begin anew, so that nobody waits for an answer for ever
                self._loop.call_exception_handler({"message": "what a process of ours said was not understood",
                                                   "exception": error})
                self._break()
        rest = bytes(self._view[at:have])
        if needed > len(self._buffer):
            self._buffer = bytearray(needed)
            self._view = memoryview(self._buffer)
        self._view[: len(rest)] = rest
        self._have = len(rest)

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
