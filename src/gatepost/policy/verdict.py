"""What was decided, and why? Outcome of one restriction, decision of a stage, and the trace that explains both.

The trace is what the log prints, what `explain` shows and what tests compare: every decision has one. This file must
not know any restriction by name.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from gatepost.smtp.reply import Reply
from gatepost.span import Span


class Outcome(enum.Enum):
    """What one restriction, or a whole list, came to."""

    DUNNO = "DUNNO"
    OK = "OK"
    REJECT = "REJECT"
    DEFER_IF_PERMIT = "DEFER_IF_PERMIT"
    DEFER_IF_REJECT = "DEFER_IF_REJECT"


@dataclass(slots=True)
class Step:
    """One restriction that was run."""

    list_name: str  # smtpd_recipient_restrictions, or the class it stood in
    token: str  # as the operator wrote it, argument included
    span: Span | None
    outcome: Outcome
    reply: Reply | None = None
    lookups: list[tuple[str, str, str]] = field(default_factory=list)  # (table or DNS question, key, result)


@dataclass(slots=True)
class Effect:
    """What an access(5) result does to the message or the log besides the verdict.

    action: filter hold discard redirect bcc prepend warn info permit hangup; argument: what stands behind it.
    """

    action: str
    argument: str
    log_text: str = ""  # the TEXT of Postfix's log line for it; "" for none


@dataclass(slots=True)
class Decision:
    """The end of a stage. `reply` is None when nothing was refused. `log` holds the lines to write, in order, as
    (action, text): action "reject", "reject_warning", "warn", "info", "filter", ..., or "warning" (no QID prefix, a
    `warning: TEXT` line) and "plain" (an info line of its own)."""

    reply: Reply | None = None
    effects: list[Effect] = field(default_factory=list)
    log: list[tuple[str, str]] = field(default_factory=list)
    trace: list[Step] = field(default_factory=list)
    hangup_silently: bool = False  # access(5) HANGUP


PERMITTED = Decision()
