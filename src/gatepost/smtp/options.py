"""What was the session told? The settings of one service and the rights of one client, as the protocol needs them.

Built by policy/options.py from the operator's configuration; the core reads no parameter itself.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Protocol

from gatepost.smtp.actions import Stage

EVERY_EVIDENCE = frozenset({"buffered", "waiting", "unacknowledged"})


class CommandTable(Protocol):
    """A table of commands that no SMTP client sends."""

    def get_now(self, key: str) -> str | None:
        """Something when the command is forbidden."""


class NotALetter:
    """Postfix's default: a command that does not begin with a letter."""

    def get_now(self, key: str) -> str | None:
        """Something when it does not."""
        return None if key[:1].isascii() and key[:1].isalpha() else "not a letter"


class BareLf(enum.Enum):
    """smtpd_forbid_bare_newline."""

    NO = "no"
    NORMALIZE = "normalize"
    NOTE = "note"
    REJECT = "reject"


@dataclass(slots=True)
class Options:
    """One service's protocol settings; shared by all its sessions, never changed. Sizes in bytes, times in seconds."""

    hostname: str = "localhost"
    banner: str = "localhost ESMTP"
    helo_required: bool = False
    message_size_limit: int = 10240000
    line_length_limit: int = 2048
    refuse_long_commands: bool = False
    soft_bounce: bool = False  # only for what the log is told; replies are softened on their way out
    keep_refused: bool = False  # a refusal by end-of-data restrictions leaves the transaction open
    error_sleep_time: int = 1
    soft_error_limit: int = 10
    hard_error_limit: int = 20
    junk_command_limit: int = 100
    recipient_limit: int = 1000
    recipient_overshoot_limit: int = 1000
    forbid_pipelining: bool = True
    evidence: frozenset[str] = EVERY_EVIDENCE
    tolerated: frozenset[str] = frozenset()  # patterns of early talk (tolerance.PATTERNS) that are not held against it
    strict_groups: bool = True  # STARTTLS AUTH QUIT and unknown commands end a group too
    bare_lf_reject_code: int = 550
    replace_stray_cr_lf: bool = True
    noop_commands: frozenset[str] = frozenset()
    forbidden_words: frozenset[str] = frozenset({"CONNECT", "GET", "POST"})
    forbidden: tuple[CommandTable, ...] = (NotALetter(),)
    smtputf8: bool = True
    strict_smtputf8: bool = False
    strict_envelopes: bool = False
    vrfy_disabled: bool = False
    unknown_commands: frozenset[str] = frozenset()  # verbs that are treated as unknown
    tls_offered: bool = False
    tls_ready: bool = True  # a certificate could be loaded
    tls_enforced: bool = False
    tls_auth_only: bool = False
    sasl_enabled: bool = False
    sasl_response_limit: int = 12288
    broken_sasl_clients: bool = False
    command_filter: bool = False
    rate_limits: frozenset[Stage] = frozenset()  # MAIL_RATE, RCPT_RATE, AUTH_RATE, NEW_TLS where limited

    def no_smtp(self, line: str, word: str) -> bool:
        """Does an unknown command show that the client speaks something else: a message header, or a forbidden word?"""
        label, colon, _ = line.strip(" \t").partition(":")
        if colon and not any(char in " \t" for char in label):
            return True
        return word.upper() in self.forbidden_words or any(table.get_now(word) is not None for table in self.forbidden)


@dataclass(slots=True)
class Rights:
    """What this client may do and see; set before Connected and again by XCLIENT."""

    namaddr: str = "unknown[unknown]"
    discarded: frozenset[str] = frozenset()  # EHLO keywords in lower case
    silent_discard: bool = False
    features_unknown: bool = False  # a table about EHLO keywords or rights failed: EHLO is answered 421
    bare_lf: BareLf = BareLf.NORMALIZE
    turn_exempt: bool = False  # nothing that it says out of turn is held against it
    mechanisms: tuple[str, ...] = ()  # SASL mechanisms on offer; empty hides AUTH in EHLO
    mechanisms_tls: tuple[str, ...] = ()  # the same once TLS is active
    xclient: bool = False
    xforward: bool = False
    verp: bool = False
    asks: frozenset[Stage] = field(default_factory=lambda: frozenset(Stage))  # questions somebody wants to answer
