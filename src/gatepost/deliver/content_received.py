"""Who gave it to us, when, and how? The text of our Received: header (RFC 5321 4.4; Postfix's layout).

The naming is read from the settings once; a header then costs a few string operations. This file must not know what a
client may do.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass

import gatepost.config.parameters as p
from gatepost.config.settings import Settings
from gatepost.deliver.envelope import Origin, Recipient
from gatepost.observe.lines import external

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_UNSAFE = re.compile(r"[^ -~]|\\")


class _Clock:
    """The date of the current second; making it costs more than the rest of the header."""

    __slots__ = ("second", "text")

    def __init__(self) -> None:
        self.second = -1
        self.text = ""


_clock = _Clock()


def mail_date(at: float) -> str:
    """`Thu, 21 Aug 2026 09:05:07 +0200 (CEST)` in local time (RFC 5322 3.3)."""
    second = int(at)
    if second != _clock.second:
        when = time.localtime(second)
        day = f"{_DAYS[when.tm_wday]}, {when.tm_mday:02} {_MONTHS[when.tm_mon - 1]} {when.tm_year}"
        _clock.text = day + time.strftime(" %H:%M:%S %z (%Z)", when)
        _clock.second = second
    return _clock.text


@dataclass(frozen=True, slots=True)
class TlsSeen:
    """What a Received: header tells about TLS. `extra`: key exchange and signature as OpenSSL names them, or "".
    `asked`: a client certificate was requested; `subject` is None when none was presented."""

    protocol: str
    cipher: str
    used_bits: int = 0
    bits: int = 0
    extra: str = ""
    asked: bool = False
    subject: str | None = None
    issuer: str = ""
    trusted: bool = False

    def comment(self) -> str:
        """The lines of the header."""
        text = f"\r\n\t(using {self.protocol} with cipher {self.cipher} ({self.used_bits}/{self.bits} bits)"
        if self.extra:
            text += f"\r\n\t {self.extra}"
        if not self.asked:
            return text + ")\r\n\t(No client certificate requested)"
        if self.subject is None:
            return text + ")\r\n\t(Client did not present a certificate)"
        verified = "verified OK" if self.trusted else "not verified"
        return text + f')\r\n\t(Client CN "{_comment(self.subject)}", Issuer "{_comment(self.issuer)}" ({verified}))'


def _comment(text: str) -> str:
    """Text that is safe inside a header comment: no control or 8-bit characters, parentheses balanced."""
    out: list[str] = []
    depth = 0
    for char in _UNSAFE.sub("?", text):
        if char == ")" and depth == 0:
            out.append("?")
            continue
        depth += (char == "(") - (char == ")")
        out.append(char)
    return "".join(out) + ")" * depth


@dataclass(frozen=True, slots=True)
class Naming:
    """What the settings say about our Received: header."""

    hostname: str
    mail_name: str
    show_tls: bool = False
    show_login: bool = False
    hide_client: bool = False

    @classmethod
    def of(cls, settings: Settings) -> Naming:
        """Read them once per service."""
        return cls(settings[p.MYHOSTNAME], settings[p.MAIL_NAME], settings[p.SMTPD_TLS_RECEIVED_HEADER],
                   settings[p.SMTPD_SASL_AUTHENTICATED_HEADER], settings[p.SMTPD_HIDE_CLIENT_SESSION])

    def received(self, origin: Origin, queue_id: str, recipients: Sequence[Recipient], at: float,
                 tls: TlsSeen | None = None) -> bytes:
        """The header with its final CRLF. `queue_id` "" leaves the id out (a before-queue filter gets it so)."""
        within = f" id {queue_id}" if queue_id else ""
        if len(recipients) == 1:
            recipient = recipients[0]
            end = f"{within}\r\n\tfor <{external(recipient.original or recipient.address)}>; {mail_date(at)}\r\n"
        else:
            end = f"{within};\r\n\t{mail_date(at)}\r\n"
        if self.hide_client:
            text = f"Received: by {self.hostname} ({self.mail_name}){end}"
        else:
            name, address = origin.client_name, origin.client_address
            if ":" in address:
                address = f"IPv6:{address}"
            seen = tls.comment() if tls is not None and self.show_tls else ""
            if self.show_login and origin.sasl_username:
                seen += f"\r\n\t(Authenticated sender: {_comment(origin.sasl_username)})"
            text = (f"Received: from {origin.helo or name} ({name} [{address}]){seen}"
                    f"\r\n\tby {self.hostname} ({self.mail_name}) with {origin.protocol}{end}")
        return text.encode("utf-8", "surrogateescape")
