"""One mail transaction: what MAIL and RCPT said so far. Reset means: drop the object (RFC 5321 3.3).

Values only; __init__ is written out as in events.py. This file must not know how a command is parsed.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass


class State(enum.Enum):
    """Where a session stands; the rows of commands.OUT_OF_ORDER."""

    READY = "no transaction"
    MAIL = "MAIL given, no recipient accepted"
    RCPT = "a recipient accepted"
    BDAT = "chunks are coming"
    BDAT_FAILED = "a chunk was refused, the transaction is open"
    BDAT_LOST = "a chunk was refused, the transaction is gone"

    __hash__ = object.__hash__  # looked up with every command; Enum's own is written in Python


@dataclass(slots=True, init=False)
class RecipientRequest:
    """One RCPT: address in internal form, its DSN parameters (RFC 3461 4)."""

    address: str
    notify: str
    orcpt: str
    given: str  # the address token as typed

    def __init__(self, address: str, notify: str = "", orcpt: str = "", given: str = "") -> None:
        self.address = address
        self.notify = notify
        self.orcpt = orcpt
        self.given = given


@dataclass(slots=True, init=False)
class Transaction:
    """MAIL and its parameters, the accepted recipients, the size of the content so far (bytes)."""

    sender: str
    given: str  # the address token as typed
    declared_size: int
    body: str
    smtputf8: bool
    ret: str
    envid: str
    auth_sender: str
    verp: str
    recipients: list[RecipientRequest]
    overshoot: int
    size: int

    def __init__(self, sender: str, given: str = "") -> None:
        self.sender = sender
        self.given = given
        self.declared_size = self.overshoot = self.size = 0
        self.smtputf8 = False
        self.body = self.ret = self.envid = self.auth_sender = self.verp = ""
        self.recipients = []
