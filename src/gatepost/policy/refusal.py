"""How is a refusal worded? Reply code, enhanced status code and text, checked and cut as RFC 5321 and Postfix want it.

A Refusal is what a restriction answers when it does not permit; a deferral that waits for the final verdict is one too
(`stored`). `worded` makes the reply and says what was wrong with the operator's codes. This file must not know which
restriction refused, nor what becomes of the reply.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gatepost.policy.verdict import Outcome
from gatepost.smtp.reply import Reply

LONGEST = 510  # bytes of a reply line without CRLF (RFC 5321 4.5.3.1.5)
STATUS = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}(?![0-9.])")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")
_REPLACEMENT = Reply(450, "4.7.1", "Service unavailable")


@dataclass(frozen=True, slots=True)
class Refusal:
    """No. `stored` says when: REJECT now, DEFER_IF_PERMIT or DEFER_IF_REJECT at the end. `stern`: about ourselves
    (broken configuration, table or server), so warn_if_reject does not soften it."""

    code: int
    status: str
    text: str
    stored: Outcome = Outcome.REJECT
    stern: bool = False


SERVER_ERROR = Refusal(451, "4.3.5", "Server configuration error", stern=True)


def worded(refusal: Refusal, soft: bool) -> tuple[Reply, str | None]:
    """The reply, and a warning about the codes (None when they are right). The reply code decides the first digit of
    the status; `soft` (soft_bounce) makes 5xx 4xx."""
    code, status = refusal.code, refusal.status
    text = refusal.text
    if not text.isprintable() and _UNPRINTABLE.search(text):
        text = _UNPRINTABLE.sub(" ", text)
    warning = None
    if not 400 <= code <= 599:
        warning = f"SMTP reply code configuration error: {code} {status} {text}"
        return _REPLACEMENT, warning
    if not STATUS.fullmatch(status):
        warning = f"DSN detail code configuration error: {code} {status} {text}"
        return _REPLACEMENT, warning
    if soft and code >= 500:
        code -= 100
    digit = "4" if code < 500 else "5"
    return Reply(code, digit + status[1:], _cut(text, LONGEST - 5 - len(status))), None


def _cut(text: str, room: int) -> str:
    if len(text) * 4 <= room:
        return text
    return text.encode("utf-8", "surrogateescape")[:room].decode("utf-8", "surrogateescape")


def split_status(text: str, default: str) -> tuple[str, str]:
    """`5.7.9 go away` -> ("5.7.9", "go away"); without a status code in front (default, text)."""
    found = STATUS.match(text)
    if not found or text[found.end() : found.end() + 1] not in ("", " ", "\t"):
        return default, text
    return found[0], text[found.end() :].lstrip(" \t")


_SENDER = {"1": "7", "2": "8", "3": "7", "4": "7", "5": "0", "6": "7", "7": "7", "8": "8"}
_RECIPIENT = {"1": "1", "2": "2", "3": "3", "4": "4", "5": "5", "6": "6", "7": "3", "8": "2"}


def fitting_status(status: str, subject_class: str) -> str:
    """An address status (x.1.y, RFC 3463 3.2) that fits what is being refused: a sender is no recipient, and a client
    is no address at all."""
    class_, subject, detail = status.split(".")
    if subject != "1":
        return status
    if subject_class == "Sender address":
        return f"{class_}.1.{_SENDER.get(detail, '0')}"
    if subject_class == "Recipient address":
        return f"{class_}.1.{_RECIPIENT.get(detail, '0')}"
    return f"{class_}.0.0"
