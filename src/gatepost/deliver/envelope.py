"""What did we take responsibility for? A finished transaction: sender, recipients, origin, what is to be done with it.

Values only; the spool stores them, route, remote, local and bounce read them. Each message makes some of them:
their __init__ is written out, because a compiled class would still run a generated one as Python. This file must not
know how.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True, init=False)
class Recipient:
    """One recipient of a message. `address` in internal form; DSN parameters as given (RFC 3461)."""

    address: str
    original: str  # before alias expansion; "" = not expanded yet (a retry must not expand `a: a, b` again)
    orcpt: str  # type;xtext as given, or ""
    notify: str  # comma list of NEVER SUCCESS FAILURE DELAY, or ""

    def __init__(self, address: str, original: str = "", orcpt: str = "", notify: str = "") -> None:
        self.address = address
        self.original = original
        self.orcpt = orcpt
        self.notify = notify

    @property
    def expanded(self) -> bool:
        """Alias expansion is done."""
        return self.original != ""


@dataclass(slots=True, init=False)
class Origin:
    """Where a message came from, for Received:, logs and XFORWARD; already the XFORWARD identity if one was given."""

    client_name: str
    client_address: str
    client_port: str
    helo: str
    protocol: str  # SMTP ESMTP ESMTPS ESMTPSA UTF8SMTP...
    ident: str
    source: str  # REMOTE or LOCAL
    sasl_method: str
    sasl_username: str
    sasl_sender: str

    def __init__(
        self, client_name: str = "unknown", client_address: str = "", client_port: str = "", helo: str = "",
        protocol: str = "SMTP", ident: str = "", source: str = "REMOTE", sasl_method: str = "",
        sasl_username: str = "", sasl_sender: str = "",
    ) -> None:  # fmt: skip
        self.client_name = client_name
        self.client_address = client_address
        self.client_port = client_port
        self.helo = helo
        self.protocol = protocol
        self.ident = ident
        self.source = source
        self.sasl_method = sasl_method
        self.sasl_username = sasl_username
        self.sasl_sender = sasl_sender


@dataclass(slots=True, init=False)
class Envelope:
    """A message's envelope as accepted."""

    queue_id: str
    sender: str  # internal form, "" = null sender
    recipients: list[Recipient]
    arrived: float  # seconds since the epoch
    size: int  # bytes of content, CRLF line ends, our headers included
    origin: Origin
    body_type: str  # 7BIT, 8BITMIME or ""
    smtputf8: bool
    ret: str  # FULL, HDRS or ""
    envid: str
    content_filter: str  # transport:nexthop
    hold: bool
    redirect: str
    bcc: list[str]
    overrides: frozenset[str]  # receive_override_options in force
    probe: bool  # is it taken? asked only, nothing is delivered (deliver/verify.py); never in the spool
    service: str  # syslog tag of the service that accepted it

    def __init__(
        self, queue_id: str, sender: str, recipients: list[Recipient], arrived: float, size: int = 0,
        origin: Origin | None = None, body_type: str = "", smtputf8: bool = False, ret: str = "", envid: str = "",
        content_filter: str = "", hold: bool = False, redirect: str = "", bcc: list[str] | None = None,
        overrides: frozenset[str] = frozenset(), probe: bool = False, service: str = "smtpd",
    ) -> None:  # fmt: skip
        self.queue_id = queue_id
        self.sender = sender
        self.recipients = recipients
        self.arrived = arrived
        self.size = size
        self.origin = Origin() if origin is None else origin
        self.body_type = body_type
        self.smtputf8 = smtputf8
        self.ret = ret
        self.envid = envid
        self.content_filter = content_filter
        self.hold = hold
        self.redirect = redirect
        self.bcc = [] if bcc is None else bcc
        self.overrides = overrides
        self.probe = probe
        self.service = service
