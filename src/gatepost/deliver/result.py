"""What became of a recipient? The result of one delivery attempt, and the content that a delivery may read.

The scheduler (deliver/queue.py) hands envelope, recipients and content to an injected `Deliver`; what delivers answers
with one Result per recipient. Values and protocols only. This file must not know how anything is delivered.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from gatepost.deliver.envelope import Envelope, Recipient

SENT = "sent"
DEFERRED = "deferred"
BOUNCED = "bounced"
RELAYED = "relayed"  # handed on to a system that does not promise DSNs (RFC 3464 2.3.3)


@dataclass(slots=True, init=False)
class Result:
    """One recipient's outcome. `dsn` is the enhanced status code (RFC 3463); `text` what stands in the log's
    parentheses without them; `relay` NAME[ADDR]:PORT, `local`, `virtual`, ... or `none`; `delays` are seconds spent in
    connection set-up and in transmission (Postfix's c and d; a and b are the scheduler's)."""

    recipient: Recipient
    status: str  # sent deferred bounced relayed
    dsn: str
    text: str
    relay: str
    delays: tuple[float, float]
    remote_mta: str  # host that answered, for Remote-MTA (RFC 3464 2.3.5); "" = none
    diagnostic: str  # its SMTP reply, for Diagnostic-Code (RFC 3464 2.3.6); "" = none
    service: str  # syslog tag of the delivering service (smtp, lmtp, local, virtual, error, discard)

    def __init__(
        self, recipient: Recipient, status: str, dsn: str, text: str, relay: str = "none",
        delays: tuple[float, float] = (0.0, 0.0), remote_mta: str = "", diagnostic: str = "", service: str = "",
    ) -> None:  # fmt: skip
        self.recipient = recipient
        self.status = status
        self.dsn = dsn
        self.text = text
        self.relay = relay
        self.delays = delays
        self.remote_mta = remote_mta
        self.diagnostic = diagnostic
        self.service = service


class Destination(NamedTuple):
    """Where a recipient goes, as far as the scheduler cares: it limits concurrency by transport and by next hop.
    A tuple, because it is a key for every message."""

    transport: str = ""  # "" = unknown
    nexthop: str = ""


class Content(Protocol):
    """A message's content: CRLF line ends, headers first, our Received: included."""

    @property
    def size(self) -> int:
        """Bytes in total."""

    async def read(self) -> bytes:
        """All of it. For messages larger than memory should hold, use chunks()."""

    def chunks(self, size: int = 65536) -> AsyncIterator[bytes]:
        """All of it in order, in pieces of at most about `size` bytes; can be called again."""


class Deliver(Protocol):
    """One delivery attempt. Never raises for what a message or peer may cause; an exception defers all recipients."""

    def __call__(
        self, envelope: Envelope, recipients: Sequence[Recipient], content: Content
    ) -> Awaitable[Sequence[Result]]: ...


class Route(Protocol):
    """Where does this recipient go? Used for concurrency limits and defer_transports only."""

    def __call__(self, envelope: Envelope, recipient: Recipient) -> Awaitable[Destination]: ...
