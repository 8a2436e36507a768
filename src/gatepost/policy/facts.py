"""What is known when a question is asked? Facts about client, session and transaction, as restrictions see them.

Built by server/perform from the session; by `explain` from a dialogue. Addresses are in internal (unquoted) form, "" is
the null sender and None means that there is none yet. This file must not know where facts come from.
"""

from __future__ import annotations

import enum
import itertools
import os
import time
from dataclasses import dataclass

from gatepost.smtp.turn import EarlyTalk


class NameStatus(enum.IntEnum):
    """How looking up the client's name ended (Postfix's codes)."""

    OK = 2
    TEMP = 4
    PERM = 5
    FORGED = 6


@dataclass(slots=True)
class Client:
    """Who is connected."""

    address: str
    port: str = "unknown"
    name: str = "unknown"
    reverse_name: str = "unknown"
    name_status: NameStatus = NameStatus.PERM
    reverse_name_status: NameStatus = NameStatus.PERM
    server_address: str = "unknown"
    server_port: str = "unknown"
    namaddr: str = ""  # NAME[ADDR], with :PORT when smtpd_client_port_logging

    def __post_init__(self) -> None:
        self.namaddr = self.namaddr or f"{self.name}[{self.address}]"


@dataclass(slots=True)
class Tls:
    """The TLS session, once there is one."""

    protocol: str = ""
    cipher: str = ""
    keysize: int = 0
    peer_subject_cn: str = ""
    peer_issuer_cn: str = ""
    peer_fingerprint: str = ""
    peer_pubkey_fingerprint: str = ""
    peer_trusted: bool = False
    peer_present: bool = False
    sni: str = ""


_numbers = itertools.count()


class Instance:
    """The policy attribute `instance`: the same for all requests of one message, and never again. Most messages are
    judged without it: it is worded when somebody asks."""

    __slots__ = ("_at", "_number")

    def __init__(self) -> None:
        self._at = time.time_ns()
        self._number = next(_numbers)

    def __str__(self) -> str:
        return f"{os.getpid():x}.{self._at // 10**9:x}.{self._at % 10**9 // 1000:x}.{self._number:x}"


@dataclass(slots=True, init=False)
class Facts:
    """Everything a restriction may look at."""

    where: str  # Postfix's stage name for logs: CONNECT EHLO HELO MAIL RCPT DATA BDAT VRFY ETRN END-OF-MESSAGE
    client: Client
    protocol: str  # SMTP or ESMTP
    helo: str | None  # as logged: cleaned
    helo_raw: str | None  # as sent, for smtpd_delay_reject = no at HELO
    sender: str | None
    recipient: str | None
    recipient_count: int
    size: int  # bytes: SIZE= until the end of data, then the real size
    queue_id: str
    instance: Instance | str | None
    etrn_domain: str | None
    sasl_method: str
    sasl_username: str
    sasl_sender: str
    tls: Tls | None
    early: EarlyTalk | None  # the session's one fact about talking out of turn
    smtputf8: bool
    through_screen: bool
    # owned by policy/evaluate; the caller hands the same dictionary to every stage of a session and calls
    # `forget_transaction` when a transaction ends
    carried: dict[str, object]

    def __init__(
        self, where: str, client: Client, protocol: str = "SMTP", helo: str | None = None,
        helo_raw: str | None = None, sender: str | None = None, recipient: str | None = None,
        recipient_count: int = 0, size: int = 0, queue_id: str = "", instance: Instance | str | None = None,
        etrn_domain: str | None = None, sasl_method: str = "", sasl_username: str = "", sasl_sender: str = "",
        tls: Tls | None = None, early: EarlyTalk | None = None, smtputf8: bool = False, through_screen: bool = False,
        carried: dict[str, object] | None = None,
    ) -> None:  # fmt: skip
        self.where = where
        self.client = client
        self.protocol = protocol
        self.helo = helo
        self.helo_raw = helo_raw
        self.sender = sender
        self.recipient = recipient
        self.recipient_count = recipient_count
        self.size = size
        self.queue_id = queue_id
        self.instance = instance
        self.etrn_domain = etrn_domain
        self.sasl_method = sasl_method
        self.sasl_username = sasl_username
        self.sasl_sender = sasl_sender
        self.tls = tls
        self.early = early
        self.smtputf8 = smtputf8
        self.through_screen = through_screen
        self.carried = {} if carried is None else carried


def forget_transaction(carried: dict[str, object]) -> None:
    """A transaction has ended: what its stages left for later ones is void. What client and HELO left stays."""
    carried.pop("sender", None)
    carried.pop("discard", None)
    carried.pop("held", None)
