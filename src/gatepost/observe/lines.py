"""What does a log line say? Postfix's sentences, each a pure function from values to the text behind `tag[pid]: `.

fail2ban, pflogsumm and years of operators' scripts read these shapes, so they are Postfix's to the character
(smtpd(8), cleanup(8), qmgr(8), the delivery agents). Mail addresses come in internal form and are shown in external
form, as with `info_log_address_format = external`. `namaddr` is NAME[ADDR]. A queue id "" is shown as NOQUEUE. Severity
prefixes ("warning: ") are the Log's. This file must not know who logs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

SHOWN = 100  # bytes of an offence that a line shows
COMMANDS = ("helo", "ehlo", "xclient", "xforward", "starttls", "auth", "mail", "rcpt", "data", "bdat", "rset", "noop",
            "vrfy", "etrn", "quit", "help", "unknown")  # fmt: skip
"""The order of the counters in a disconnect line."""

_DOT_ATOM = re.compile(r"[^\s\x00-\x1f\x7f()<>@,;:\\\".\[\]]+(\.[^\s\x00-\x1f\x7f()<>@,;:\\\".\[\]]+)*")
_C_NAMES = {7: "\\a", 8: "\\b", 9: "\\t", 10: "\\n", 11: "\\v", 12: "\\f", 13: "\\r", 92: "\\\\"}
_HUNDREDTHS = [f"{at / 100:.2f}".rstrip("0").rstrip(".") for at in range(100)]  # delays below a second
_ESCAPED = [_C_NAMES.get(b) or (chr(b) if 32 <= b < 127 else f"\\{b:03o}") for b in range(256)]


def escaped(data: bytes, limit: int = SHOWN) -> str:
    """The first `limit` bytes as C would write them: CR LF as \\r\\n, what is not printable as \\ooo."""
    return "".join([_ESCAPED[byte] for byte in data[:limit]])


@lru_cache(maxsize=1024)  # a message names the same few addresses in several lines
def external(address: str) -> str:
    """An address in the form that SMTP uses: the local part quoted where it must be (RFC 5321 4.1.2)."""
    local, at, domain = address.rpartition("@")
    if not at:
        local, domain = address, ""
    if not local or _DOT_ATOM.fullmatch(local):
        return address
    quoted = local.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}"{at}{domain}'


def _queue_id(queue_id: str) -> str:
    return queue_id or "NOQUEUE"


# The session, smtpd


def connect(namaddr: str) -> str:
    return f"connect from {namaddr}"


def disconnect(namaddr: str, counts: Mapping[str, Sequence[int]], notes: str = "") -> str:
    """`counts`: command name, any case -> (successes, total). Only commands that were seen are shown."""
    seen = {name.lower(): (pair[0], pair[1]) for name, pair in counts.items()}
    parts = [f"{name}={_ratio(*seen[name])}" for name in COMMANDS if seen.get(name, (0, 0))[1]]
    good = sum(pair[0] for pair in seen.values())
    total = sum(pair[1] for pair in seen.values())
    parts.append(f"commands={_ratio(good, total)}" if total else "commands=0/0")
    if notes:
        parts.append(f"notes={notes}")
    return f"disconnect from {namaddr} {' '.join(parts)}"


def _ratio(good: int, total: int) -> str:
    return str(good) if good == total else f"{good}/{total}"


def ended(reason: str, where: str, namaddr: str, *, content: int | None = None, queue_id: str | None = None) -> str:
    """`reason`: "lost connection", "timeout" or "too many errors". `content`: bytes of the message that was under way.

    `queue_id` None leaves the field out, as Postfix did up to 3.9; "" and an id show it, as 3.10 does.
    """
    prefix = "" if queue_id is None else _queue_id(queue_id) + ": "
    size = "" if content is None else f" ({content} bytes)"
    return f"{prefix}{reason} after {where}{size} from {namaddr}"


def access(
    queue_id: str,
    action: str,
    where: str,
    namaddr: str,
    text: str,
    *,
    sender: str | None = None,
    recipient: str | None = None,
    protocol: str | None = None,
    helo: str | None = None,
    sasl: Sequence[tuple[str, str]] = (),
) -> str:
    """A decision: `action` is reject, reject_warning, hold, warn, ... What is None is not known yet and left out.

    `sasl` holds pairs such as ("sasl_username", "joe"), which Postfix shows since 3.10.
    """
    line = f"{_queue_id(queue_id)}: {action}: {where} from {namaddr}: {text};"
    if sender is not None:
        line += f" from=<{external(sender)}>"
    if recipient is not None:
        line += f" to=<{external(recipient)}>"
    if protocol:
        line += f" proto={protocol}"
    if helo is not None:
        line += f" helo=<{helo}>"
    return line + "".join(f" {name}={value}" for name, value in sasl if value)


def client(
    queue_id: str, namaddr: str, *, sasl: Sequence[tuple[str, str]] = (), origin: tuple[str, str] = ("", "")
) -> str:
    """The line that begins a message. `origin`: queue id and client as XFORWARD gave them, "" for none."""
    line = f"{_queue_id(queue_id)}: client={namaddr}"
    line += "".join(f", {name}={value}" for name, value in sasl if value)
    line += f", orig_queue_id={origin[0]}" if origin[0] else ""
    return line + (f", orig_client={origin[1]}" if origin[1] else "")


def pipelining(after: str, namaddr: str, data: bytes) -> str:
    return f"improper command pipelining after {after} from {namaddr}: {escaped(data)}"


def tolerated(after: str, namaddr: str, pattern: str, evidence: str, data: bytes) -> str:
    """Ours: Postfix tolerates nobody. No filter of fail2ban's takes it for an offence."""
    return f"talk out of turn tolerated after {after} from {namaddr}: {pattern} ({evidence}): {escaped(data)}"


def non_smtp_command(namaddr: str, text: str) -> str:
    """`text` as the client sent it, in UTF-8 with surrogates for other bytes; shown as C would write it."""
    return f"non-SMTP command from {namaddr}: {escaped(text.encode('utf-8', 'surrogateescape'))}"


def illegal_address(namaddr: str, verb: str, text: str) -> str:
    return f"Illegal address syntax from {namaddr} in {verb} command: {text}"


def request_too_long(namaddr: str, limit: int, text: str) -> str:
    """`text` is the request as far as it was kept; 30 characters of it are shown."""
    return f"{namaddr}: request longer than {limit}: {text[:30]}..."


def sasl_failed(namaddr: str, method: str, reason: str, username: str = "") -> str:
    user = f", sasl_username={username}" if username else ""
    return f"{namaddr}: SASL {method} authentication failed: {reason}{user}"


def discarding_keywords(keywords: str) -> str:
    return f"discarding EHLO keywords: {keywords}"


# The message, cleanup and qmgr


def message_id(queue_id: str, value: str) -> str:
    """`value` is the Message-ID header's text with its angle brackets; "" when there is none."""
    return f"{queue_id}: message-id={value or '<>'}"


def active(queue_id: str, sender: str, size: int, recipients: int) -> str:
    """The message went into the active queue. `size` in bytes."""
    return f"{queue_id}: from=<{external(sender)}>, size={size}, nrcpt={recipients} (queue active)"


def expired(queue_id: str, sender: str) -> str:
    return f"{queue_id}: from=<{external(sender)}>, status=expired, returned to sender"


def removed(queue_id: str) -> str:
    return f"{queue_id}: removed"


# The delivery agents


def delivery(
    queue_id: str,
    recipient: str,
    status: str,
    dsn: str,
    text: str,
    *,
    original: str = "",
    relay: str = "none",
    delays: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0),
) -> str:
    """One recipient's result. `delays` in seconds: before the queue manager, in it, connecting, transmitting."""
    before = f", orig_to=<{external(original)}>" if original and original != recipient else ""
    a, b, c, d = delays
    whole = a + b + c + d
    stages = f"{seconds(a)}/{seconds(b)}/{seconds(c)}/{seconds(d)}"
    return (
        f"{queue_id}: to=<{external(recipient)}>{before}, relay={relay}, delay={seconds(whole)}, "
        f"delays={stages}, dsn={dsn}, status={status} ({text})"
    )


def seconds(value: float) -> str:
    """A delay with two significant digits, at most two decimals (`delay_logging_resolution_limit = 2`)."""
    if value < 0.01:
        return "0"
    if value < 0.99:
        return _HUNDREDTHS[int(value * 100 + 0.5)]
    if value >= 10:
        return str(round(value))
    text = f"{value:.2f}" if value < 1 else f"{value:.1f}"
    return text.rstrip("0").rstrip(".")


def bounce_created(queue_id: str, bounce_id: str) -> str:
    return f"{queue_id}: sender non-delivery notification: {bounce_id}"
