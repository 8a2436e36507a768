"""What can happen to a session? The events that the driver (server/connection.py) feeds to Session.handle.

The driver's contract: hand over every byte as it arrives, also while a question is open; read until the kernel has no
more before answering; never write a reply before what was read earlier is handed over; after a StartTls action feed
nothing until TlsStarted; what belongs to another layer (TLS records, a PROXY header) is never Received.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gatepost.smtp.reply import Reply


@dataclass(slots=True)
class Connected:
    """The connection is open, with TLS in wrapper mode; the server speaks first."""

    tls: bool = False


@dataclass(slots=True, init=False)
class Received:
    """Bytes from the client. `unacknowledged`: when they had been read, the client's TCP had not yet acknowledged
    everything that we had sent before (Linux SIOCOUTQ not zero, measured after the read)."""

    data: bytes
    unacknowledged: bool

    def __init__(self, data: bytes, unacknowledged: bool = False) -> None:
        self.data = data
        self.unacknowledged = unacknowledged


@dataclass(slots=True, init=False)
class Answered:
    """The answer to the one open question. None: go on with the session's own positive reply; a Reply is sent instead
    (a negative one refuses). `context` carries what a particular question's answer needs besides (see actions.Ask)."""

    reply: Reply | None
    context: Any

    def __init__(self, reply: Reply | None = None, context: object = None) -> None:
        self.reply = reply
        self.context = context


@dataclass(slots=True)
class TlsStarted:
    """The TLS handshake that StartTls asked for is done."""


@dataclass(slots=True)
class Elapsed:
    """The time limit for the client's next bytes is over."""


@dataclass(slots=True)
class Lost:
    """The client closed the connection or it broke."""


Event = Connected | Received | Answered | TlsStarted | Elapsed | Lost
