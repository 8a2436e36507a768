"""What did the session notice? The facts behind log lines and verdicts, as values in Observed.

A fact says what happened, never what it costs: policy, screening, log and probe judge. This file must not know them.
"""

from __future__ import annotations

from dataclasses import dataclass

from gatepost.smtp.turn import EarlyTalk, Tolerated

__all__ = ["AuthFailed", "BareNewline", "ContentLimit", "DataError", "EarlyTalk", "Ended", "IllegalAddress",
           "KeywordsDiscarded", "MalformedBdat", "NonSmtpCommand", "NullBdat", "PlaintextDropped", "Refused",
           "RequestTooLong", "Tolerated", "UnknownNotify"]


@dataclass(slots=True)
class NonSmtpCommand:
    """A command that no SMTP client sends; the session ends."""

    text: str


@dataclass(slots=True)
class RequestTooLong:
    """A command line longer than line_length_limit (bytes); `text` is its beginning."""

    limit: int
    text: str


@dataclass(slots=True)
class IllegalAddress:
    """An address that does not read, in a MAIL, RCPT or VRFY command."""

    verb: str
    text: str


@dataclass(slots=True)
class UnknownNotify:
    """A word in NOTIFY= that RFC 3461 4.1 does not know."""

    word: str
    text: str


@dataclass(slots=True)
class BareNewline:
    """A line ended in a bare LF where that is refused; `stage` as Postfix logs it, with the transaction's sender and
    first recipient, None when there are none. `line`: the command line, b"" in content."""

    stage: str
    sender: str | None = None
    recipient: str | None = None
    line: bytes = b""


@dataclass(slots=True)
class MalformedBdat:
    """A BDAT command that does not read (RFC 3030 2)."""

    text: str


@dataclass(slots=True)
class NullBdat:
    """BDAT 0 without LAST."""


@dataclass(slots=True)
class ContentLimit:
    """The message grew beyond message_size_limit; `bdat` says which of Postfix's two warnings applies."""

    bdat: bool


@dataclass(slots=True)
class Refused:
    """A refusal of MAIL by the core itself that Postfix logs as a reject line (SIZE= beyond the limit)."""

    text: str
    sender: str


@dataclass(slots=True)
class DataError:
    """A table that the session itself depends on failed; `text` is the reply."""

    stage: str
    text: str


@dataclass(slots=True)
class KeywordsDiscarded:
    """EHLO keywords that were not announced."""

    keywords: str


@dataclass(slots=True)
class AuthFailed:
    """An AUTH exchange that failed or was aborted; reason "" means aborted by the client."""

    mechanism: str
    reason: str
    username: str


@dataclass(slots=True)
class PlaintextDropped:
    """Plaintext that lay behind STARTTLS was thrown away: how many bytes, and how it began (RFC 3207 4.2)."""

    count: int
    text: bytes


@dataclass(slots=True)
class Ended:
    """The session is over. `reason` is "", "lost connection", "timeout" or "too many errors"; `stage` as Postfix logs
    it; `content` counts bytes of an unfinished message, None outside content; `counts` verb -> [successes, total]."""

    reason: str
    stage: str
    content: int | None
    counts: dict[str, list[int]]
    bare_lf: bool = False
