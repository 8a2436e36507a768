"""How are values cut out of a stream of bytes between two processes of ours? Frames: a length, and one value.

A frame is four bytes of length (little-endian) and one value, marshalled: numbers, text, bytes, None, and tuples and
lists of them. Both ends are the same program, so no version is negotiated. This file must not know what is said, nor
who waits for it.
"""

from __future__ import annotations

import marshal
import socket
from typing import Any, Final

CAPACITY: Final = 1 << 20  # bytes read at a time; a larger frame makes the buffer grow
FORMAT: Final = 2  # of marshal: without references between objects, which cost time to find
HEAD: Final = 4


def packed(value: Any) -> tuple[bytes, bytes]:
    """The two parts of a frame."""
    data = marshal.dumps(value, FORMAT)
    return len(data).to_bytes(HEAD, "little"), data


class Frames:
    """What has been read of a socket and is not a whole frame yet."""

    __slots__ = ("_buffer", "_have", "_view")

    def __init__(self) -> None:
        self._buffer = bytearray(CAPACITY)
        self._view = memoryview(self._buffer)
        self._have = 0  # bytes in the buffer

    def read(self, sock: socket.socket) -> bool:
        """Read what has come, without waiting -> False at the end of the stream."""
        try:
            count = sock.recv_into(self._view[self._have :], 0, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self._have += count
        return count > 0

    def take(self) -> list[Any]:
        """The values that are whole. ValueError, EOFError, TypeError for what is none."""
        values = []
        at, have, needed = 0, self._have, 0
        while have - at >= HEAD:
            end = at + HEAD + int.from_bytes(self._view[at : at + HEAD], "little")
            if end > have:
                needed = end - at
                break
            values.append(marshal.loads(self._view[at + HEAD : end]))
            at = end
        rest = bytes(self._view[at:have])
        if needed > len(self._buffer):
            self._buffer = bytearray(needed)
            self._view = memoryview(self._buffer)
        self._view[: len(rest)] = rest
        self._have = len(rest)
        return values
