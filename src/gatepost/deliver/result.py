"""What became of one recipient in one delivery attempt? The value that delivery gives to the queue.

The queue logs it, keeps deferred recipients and bounces or reports the others. `recipient` is the one that was really
tried: when an alias was expanded it is a new Recipient whose `original` is the address that the sender named and whose
`expanded` is True; a queue keeps exactly the recipients of the deferred results and forgets the others. This file must
not know how delivery works.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gatepost.deliver.envelope import Recipient

Status = Literal["sent", "deferred", "bounced"]


@dataclass(slots=True)
class Result:
    """One recipient's fate. `dsn` is an enhanced status code (RFC 3463), `text` what stands in brackets in the log."""

    recipient: Recipient
    status: Status
    dsn: str
    text: str
    relay: str = "none"  # host[address]:port, local, virtual, none
    agent: str = "smtp"  # the delivery agent as Postfix's log tag names it: smtp lmtp local virtual error discard
    remote_mta: str = ""  # host name that said `reply`, for Remote-MTA (RFC 3464 2.3.5)
    reply: str = ""  # what it said, for Diagnostic-Code (RFC 3464 2.3.6)
    waited: float = 0.0  # seconds until a connection was usable: the third number of delays=
    transferred: float = 0.0  # seconds of transmission: the fourth number of delays=

    @property
    def orig_to(self) -> str:
        """The address for orig_to=, "" when it is that of the recipient."""
        original = self.recipient.original
        return original if original and original != self.recipient.address else ""


def sent(recipient: Recipient, text: str, *, dsn: str = "2.0.0", relay: str = "none", agent: str = "smtp") -> Result:
    """Somebody else is responsible now."""
    return Result(recipient, "sent", dsn, text, relay, agent)


def bounced(recipient: Recipient, dsn: str, text: str, *, relay: str = "none", agent: str = "smtp") -> Result:
    """It will never arrive."""
    return Result(recipient, "bounced", dsn, text, relay, agent)


def deferred(recipient: Recipient, dsn: str, text: str, *, relay: str = "none", agent: str = "smtp") -> Result:
    """It may arrive later."""
    return Result(recipient, "deferred", dsn, text, relay, agent)
