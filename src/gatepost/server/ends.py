"""What joins the server and its queue manager? Two sockets: one for what they say, one for messages and their answers.

This file must not know which end it holds.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ends:
    """One process's ends."""

    channel: socket.socket
    messages: socket.socket

    @classmethod
    def pair(cls) -> tuple[Ends, Ends]:
        """Both ends of a new connection. OSError."""
        channel = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        messages = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        return cls(channel[0], messages[0]), cls(channel[1], messages[1])

    @classmethod
    def of(cls, numbers: Sequence[int]) -> Ends:
        """Descriptors that were inherited."""
        channel, messages = numbers
        return cls(socket.socket(fileno=channel), socket.socket(fileno=messages))

    @property
    def numbers(self) -> tuple[int, int]:
        """Their descriptors."""
        return self.channel.fileno(), self.messages.fileno()

    def close(self) -> None:
        """Both."""
        self.channel.close()
        self.messages.close()
