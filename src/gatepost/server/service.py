"""What does one listening service work with? Its settings made concrete, shared by all its sessions until a reload.

Built once per service and configuration; a reload builds new ones and live sessions keep theirs. This file must not
know sockets.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from gatepost.config import parameters as p
from gatepost.config.settings import Settings
from gatepost.lookup.ask import Lookups, Table
from gatepost.lookup.bcc import Copies
from gatepost.lookup.classes import Classes
from gatepost.lookup.match import DomainList
from gatepost.observe.log import Log
from gatepost.policy.evaluate import Policy
from gatepost.policy.facts import Client
from gatepost.policy.options import ClientLists
from gatepost.server.limits import Limits
from gatepost.server.login import Logins
from gatepost.server.message import Intake
from gatepost.server.replies import Wording
from gatepost.server.room import Room
from gatepost.server.terms import Terms
from gatepost.smtp.actions import Stage
from gatepost.smtp.options import Options

NameClient = Callable[[Client], Awaitable[Sequence[str]]]


@dataclass(frozen=True, slots=True)
class Rates:
    """A service's limits per client. 0: none."""

    connections: int
    connection_rate: int
    messages: int
    recipients: int
    auth: int
    new_tls: int

    @classmethod
    def of(cls, settings: Settings) -> Rates:
        """As the settings say."""
        return cls(
            settings[p.SMTPD_CLIENT_CONNECTION_COUNT_LIMIT], settings[p.SMTPD_CLIENT_CONNECTION_RATE_LIMIT],
            settings[p.SMTPD_CLIENT_MESSAGE_RATE_LIMIT], settings[p.SMTPD_CLIENT_RECIPIENT_RATE_LIMIT],
            settings[p.SMTPD_CLIENT_AUTH_RATE_LIMIT], settings[p.SMTPD_CLIENT_NEW_TLS_SESSION_RATE_LIMIT])

    def connection(self, at_once: int, rate: int) -> str:
        """What a new connection exceeds, in Postfix's words, or ""."""
        if self.connections and at_once > self.connections:
            return f"concurrency limit exceeded: {at_once}"
        if self.connection_rate and rate > self.connection_rate:
            return f"rate limit exceeded: {rate}"
        return ""


@dataclass(slots=True)
class Service:
    """One service of master.cf that takes SMTP."""

    name: str  # its master.cf name, for logs of limits
    tag: str  # its tag in the log: postfix/smtpd
    settings: Settings
    options: Options
    terms: Terms
    lists: ClientLists
    rates: Rates
    limits: Limits
    policy: Policy
    lookups: Lookups
    classes: Classes
    copies: Copies
    fast_flush: DomainList
    intake: Intake
    room: Room
    logins: Logins
    wording: Wording
    log: Log
    flush: Callable[[str], None]  # ETRN: try mail for this domain now
    name_client: NameClient | None = None  # None: smtpd_peername_lookup = no
    command_filter: Table | None = None
    greet_pause: float = 0.0  # seconds between accepting a client and greeting it
    asks: frozenset[Stage] = frozenset(Stage)

    def __post_init__(self) -> None:
        # What nobody would answer is not asked.
        if not self.policy.needs("helo"):
            self.asks -= {Stage.HELO, Stage.EHLO}

    @property
    def modern_log(self) -> bool:
        """Log lines of Postfix 3.10 rather than of 3.9 and before."""
        return self.settings[p.GATEPOST_LOG_SESSION_ID]

    @property
    def hopcount_limit(self) -> int:
        """Received: headers that a message may have."""
        return self.settings[p.HOPCOUNT_LIMIT]
