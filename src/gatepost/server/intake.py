"""How do messages come into the queue manager's process, and how is the server told that they are durable?

The spool's writer thread itself reads them from the socket and answers (deliver/spool_writer.py, Source): who waits for
a 250 waits for the disk, and not for the event loop, which may be busy with deliveries. Said over the socket:

    to the manager    [(key, queue id, packed envelope, parts of the row's content, name of the body file), ...]
    to the server     ("durable", keys) | ("failed", [(key, is it for want of room, why), ...])

This file must not know the spool, nor who handed the messages over.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable

from gatepost.deliver.keeper import Kept
from gatepost.deliver.spool_draft import SpoolFull
from gatepost.server.frames import Frames, packed


class Intake:
    """The manager's end. `fail` is told what was not understood: a bug, after which both ends begin anew."""

    def __init__(self, sock: socket.socket, fail: Callable[[str], None]) -> None:
        self._socket = sock
        self._fail = fail
        self._frames = Frames()

    def fileno(self) -> int:
        """To wait for."""
        return self._socket.fileno()

    def receive(self) -> list[Kept] | None:
        """What has come, without waiting; None when nothing will come any more."""
        out: list[Kept] = []
        more = self._frames.read(self._socket)
        try:
            for batch in self._frames.take():
                for key, queue_id, envelope, parts, file in batch:
                    out.append(Kept(key, queue_id, envelope, parts, file))
        except Exception as error:  # whatever it is, nobody may wait for an answer for ever
            self._fail(f"what the server handed over was not understood: {error!r}")
            self.close()
            return None
        return out if more or out else None

    def answer(self, batch: list[Kept]) -> None:
        """It is known of these whether they are durable. Those that have a `then` are not the server's."""
        durable = [message.key for message in batch if message.error is None and message.then is None]
        if durable:
            self._send(("durable", durable))
        failed = [(message.key, isinstance(message.error, SpoolFull), str(message.error))
                  for message in batch if message.error is not None and message.then is None]
        if failed:
            self._send(("failed", failed))

    def _send(self, value: object) -> None:
        """The socket waits for its reader: answers are short, and who does not read them does not hand over either."""
        with contextlib.suppress(OSError):  # the server is gone
            self._socket.sendall(b"".join(packed(value)))

    def close(self) -> None:
        """Neither hear nor say any more."""
        self._socket.close()
