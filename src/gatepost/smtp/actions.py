"""What may a session want done? The actions that Session.handle returns, in order.

`Ask` is always the last of its list: while it is open the session parses nothing. What would be logged is an
`Observed(fact)`, so that a test can say which byte caused it. This file must not know who performs an action.
The __init__ of what is made with every message is written out, as in events.py.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

from gatepost.smtp.reply import Reply


class Stage(enum.Enum):
    """What is asked. The value is Postfix's name of the protocol stage in logs."""

    PEER = "PEER"  # who is it? The name is looked up; asked once, before anything is judged
    CONNECT = "CONNECT"
    HELO = "HELO"
    EHLO = "EHLO"
    MAIL = "MAIL"
    MAIL_RATE = "MAIL rate"  # may this client send mail so often?
    RCPT = "RCPT"
    RCPT_RATE = "RCPT rate"  # may this client name recipients so often?
    DATA = "DATA"
    END_OF_MESSAGE = "END-OF-MESSAGE"
    VRFY = "VRFY"
    ETRN = "ETRN"
    AUTH = "AUTH"
    AUTH_RATE = "AUTH rate"  # may this client try to log in so often?
    STARTTLS = "STARTTLS"
    NEW_TLS = "new TLS session"  # may this client begin TLS sessions so often? Asked after the handshake
    XCLIENT = "XCLIENT"
    XFORWARD = "XFORWARD"
    PAUSE = "PAUSE"  # tarpit: answer after `subject` seconds
    COMMAND = "COMMAND"  # smtpd_command_filter: answer context = the command to use
    SCREEN = "SCREEN"  # is it known already, allowed, denied? Answer context = its standing
    GREET_WAIT = "GREET WAIT"  # wait before the greeting: see screen/actions.py

    __hash__ = object.__hash__  # a dozen look-ups a message; Enum's own is written in Python


@dataclass(slots=True, init=False)
class Send:
    """Write this reply. A reply that hangs up is followed by HangUp."""

    reply: Reply

    def __init__(self, reply: Reply) -> None:
        self.reply = reply


@dataclass(slots=True, init=False)
class Ask:
    """Decide, then feed Answered. `subject` depends on the stage (see session.py)."""

    stage: Stage
    subject: Any

    def __init__(self, stage: Stage, subject: object = None) -> None:
        self.stage = stage
        self.subject = subject


@dataclass(slots=True, init=False)
class Content:
    """The next part of the message: lines end in CRLF, dots are unstuffed."""

    data: bytes

    def __init__(self, data: bytes) -> None:
        self.data = data


@dataclass(slots=True)
class Abandon:
    """The transaction is over without an accepted message: drop what Content gave."""


@dataclass(slots=True)
class StartTls:
    """The 220 is the last plaintext; begin the handshake, drop bytes not yet handed over."""


@dataclass(slots=True, init=False)
class Observed:
    """Something worth a log line or a verdict: one of the facts in facts.py."""

    fact: Any

    def __init__(self, fact: object) -> None:
        self.fact = fact


@dataclass(slots=True)
class HangUp:
    """Flush and close the connection."""


Action = Send | Ask | Content | Abandon | StartTls | Observed | HangUp
