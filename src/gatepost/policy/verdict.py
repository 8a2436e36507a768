"""What was decided, and why? Outcome of one restriction, decision of a stage, and the trace that explains both.

The trace is what the log prints, what `explain` shows and what tests compare: every decision has one. This file must
not know any restriction by name.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from gatepost.smtp.reply import Reply
from gatepost.span import Span


class Outcome(enum.Enum):
    """What one restriction, or a whole list, came to."""

    DUNNO = "DUNNO"
    OK = "OK"
    REJECT = "REJECT"
    DEFER_IF_PERMIT = "DEFER_IF_PERMIT"
    DEFER_IF_REJECT = "DEFER_IF_REJECT"


@dataclass(slots=True, init=False)
class Step:
    """One restriction that was run."""

    list_name: str  # smtpd_recipient_restrictions, or the class it stood in
    token: str  # as the operator wrote it, argument included
    span: Span | None
    outcome: Outcome
    reply: Reply | None
    lookups: list[tuple[str, str, str]]  # (table or DNS question, key, result)

    def __init__(self, list_name: str, token: str, span: Span | None, outcome: Outcome, reply: Reply | None = None,
                 lookups: list[tuple[str, str, str]] | None = None) -> None:
        self.list_name = list_name
        self.token = token
        self.span = span
        self.outcome = outcome
        self.reply = reply
        self.lookups = [] if lookups is None else lookups


@dataclass(slots=True)
class Effect:
    """What an access(5) result does to the message or the log besides the verdict.

    action: filter hold discard redirect bcc prepend warn info permit hangup; argument: what stands behind it.
    """

    action: str
    argument: str
    log_text: str = ""  # the TEXT of Postfix's log line for it; "" for none


@dataclass(slots=True, init=False)
class Decision:
    """The end of a stage. `reply` is None when nothing was refused. `log` holds the lines to write, in order, as
    (action, text): action "reject", "reject_warning", "warn", "info", "filter", ..., or "warning" (no QID prefix, a
    `warning: TEXT` line) and "plain" (an info line of its own)."""

    reply: Reply | None
    effects: list[Effect]
    log: list[tuple[str, str]]
    trace: list[Step]
    hangup_silently: bool  # access(5) HANGUP

    def __init__(self, reply: Reply | None = None, effects: list[Effect] | None = None,
                 log: list[tuple[str, str]] | None = None, trace: list[Step] | None = None,
                 hangup_silently: bool = False) -> None:
        self.reply = reply
        self.effects = [] if effects is None else effects
        self.log = [] if log is None else log
        self.trace = [] if trace is None else trace
        self.hangup_silently = hangup_silently


PERMITTED = Decision()
