"""What did we take responsibility for? A finished transaction: sender, recipients, origin, what is to be done with it.

Values only; the spool stores them, route, remote, local and bounce read them. This file must not know how.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Recipient:
    """One recipient of a message. `address` in internal form; DSN parameters as given (RFC 3461)."""

    address: str
    original: str = ""  # before alias expansion; "" = not expanded yet (a retry must not expand `a: a, b` again)
    orcpt: str = ""  # type;xtext as given, or ""
    notify: str = ""  # comma list of NEVER SUCCESS FAILURE DELAY, or ""

    @property
    def expanded(self) -> bool:
        """Alias expansion is done."""
        return self.original != ""


@dataclass(slots=True)
class Origin:
    """Where a message came from, for Received:, logs and XFORWARD; already the XFORWARD identity if one was given."""

    client_name: str = "unknown"
    client_address: str = ""
    client_port: str = ""
    helo: str = ""
    protocol: str = "SMTP"  # SMTP ESMTP ESMTPS ESMTPSA UTF8SMTP...
    ident: str = ""
    source: str = "REMOTE"  # or LOCAL
    sasl_method: str = ""
    sasl_username: str = ""
    sasl_sender: str = ""


@dataclass(slots=True)
class Envelope:
    """A message's envelope as accepted."""

    queue_id: str
    sender: str  # internal form, "" = null sender
    recipients: list[Recipient]
    arrived: float  # seconds since the epoch
    size: int = 0  # bytes of content, CRLF line ends, our headers included
    origin: Origin = field(default_factory=Origin)
    body_type: str = ""  # 7BIT, 8BITMIME or ""
    smtputf8: bool = False
    ret: str = ""  # FULL, HDRS or ""
    envid: str = ""
    content_filter: str = ""  # transport:nexthop
    hold: bool = False
    redirect: str = ""
    bcc: list[str] = field(default_factory=list)
    overrides: frozenset[str] = frozenset()  # receive_override_options in force
    probe: bool = False  # is it taken? asked only, nothing is delivered (deliver/verify.py); never in the spool
    service: str = "smtpd"  # syslog tag of the service that accepted it
