"""What do we tell the sender? Non-delivery report, delay warning, success report: one multipart/report.

RFC 3462 (multipart/report), RFC 3464 (message/delivery-status), RFC 3461 5 and 6 (who is told what, RET, ENVID,
ORCPT). A report goes to the sender's address from the null sender; about a message from the null sender there is none.
The original is returned whole in a non-delivery report unless RET=HDRS or it exceeds bounce_size_limit, else its
headers are. This file must not know the queue, nor how a report is sent.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass

from gatepost.deliver.content_received import mail_date
from gatepost.deliver.envelope import Envelope, Recipient
from gatepost.deliver.result import BOUNCED, DEFERRED, RELAYED, Content, Result
from gatepost.observe.lines import external

FAILURE = "failure"
DELAY = "delay"
SUCCESS = "success"

_ACTIONS = {BOUNCED: "failed", DEFERRED: "delayed", RELAYED: "relayed"}
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]")
_XTEXT = re.compile(r"\+([0-9A-F]{2})")
HEADER_LIMIT = 65536  # bytes of headers that are returned at most
WIDTH = 78

SUBJECTS = {
    FAILURE: "Undelivered Mail Returned to Sender",
    DELAY: "Delayed Mail (still being retried)",
    SUCCESS: "Successful Mail Delivery Report",
}
LOGGED = {
    FAILURE: "sender non-delivery notification",
    DELAY: "sender delay notification",
    SUCCESS: "sender delivery status notification",
}
TEXTS = {
    FAILURE: "Your message could not be delivered to the recipients named below. It will not be tried again.",
    DELAY: "Your message could not yet be delivered to the recipients named below. It is still being tried: there is"
           " nothing that you need to do, and you will be told if it has to be given up.",
    SUCCESS: "Your message was delivered to the recipients named below. If it was handed on to a system that does not"
             " report deliveries, no further report will follow.",
}  # fmt: skip


def wanted(recipient: Recipient, kind: str) -> bool:
    """Did the sender ask to be told this about the recipient (RFC 3461 4.1)? Without NOTIFY: failures and delays."""
    if not recipient.notify:
        return kind != SUCCESS
    return kind.upper() in recipient.notify.upper().split(",")


@dataclass(frozen=True, slots=True)
class Report:
    """A report to write. `results` are those that the sender is to be told."""

    kind: str  # FAILURE DELAY SUCCESS
    queue_id: str  # of the report itself
    original: Envelope
    results: Sequence[Result]
    hostname: str
    mail_name: str
    size_limit: int  # bounce_size_limit
    at: float  # seconds since the epoch
    retry_until: float = 0.0  # for DELAY

    async def write(self, content: Content) -> bytes:
        """The whole report, CRLF line ends."""
        original = self.original
        full = (self.kind == FAILURE and original.ret != "HDRS" and original.size <= self.size_limit)
        returned = await content.read() if full else await _headers(content)
        unicode = original.smtputf8
        boundary = f"{self.queue_id}.{int(self.at)}/{self.hostname}"
        parts = [
            self._head(boundary),
            f"\r\n--{boundary}\r\nContent-Description: Notification\r\n"
            "Content-Type: text/plain; charset=us-ascii\r\n\r\n",
            self._notification(),
            f"\r\n--{boundary}\r\nContent-Description: Delivery report\r\n"
            f"Content-Type: message/{'global-' if unicode else ''}delivery-status\r\n\r\n",
            self._status(),
            f"\r\n--{boundary}\r\nContent-Description: Undelivered Message{'' if full else ' Headers'}\r\n"
            f"Content-Type: {_returned_type(full, unicode)}\r\n{_encoding(returned)}\r\n",
        ]
        text = "".join(parts).encode("utf-8", "surrogateescape")
        return text + returned + f"\r\n--{boundary}--\r\n".encode()

    def _head(self, boundary: str) -> str:
        daemon = f"MAILER-DAEMON@{self.hostname}"
        return (
            f"Received: by {self.hostname} ({self.mail_name})\r\n\tid {self.queue_id}; {mail_date(self.at)}\r\n"
            f"Date: {mail_date(self.at)}\r\n"
            f"From: {daemon} (Mail Delivery System)\r\nSubject: {SUBJECTS[self.kind]}\r\n"
            f"To: {external(self.original.sender)}\r\nAuto-Submitted: auto-replied\r\n"
            f"MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status;\r\n"
            f'\tboundary="{boundary}"\r\nMessage-Id: <{_stamp(self.at)}.{self.queue_id}@{self.hostname}>\r\n'
            "\r\nThis is a MIME-encapsulated message.\r\n"
        )

    def _notification(self) -> str:
        lines = [f"This is the mail system at host {self.hostname}.", "", *_wrapped(TEXTS[self.kind]), ""]
        for result in self.results:
            why = f"<{external(result.recipient.address)}>: {result.text}"
            lines += [*_wrapped(_UNPRINTABLE.sub("?", why), indent="    "), ""]
        return "\r\n".join(lines) + "\r\n"

    def _status(self) -> str:
        original = self.original
        out = f"Reporting-MTA: dns; {self.hostname}\r\n"
        if original.envid:
            out += f"Original-Envelope-Id: {_from_xtext(original.envid)}\r\n"
        out += f"X-Gatepost-Queue-ID: {original.queue_id}\r\n"
        out += f"X-Gatepost-Sender: rfc822; {external(original.sender)}\r\n"
        out += f"Arrival-Date: {mail_date(original.arrived)}\r\n"
        return out + "".join(self._recipient(result) for result in self.results)

    def _recipient(self, result: Result) -> str:
        recipient = result.recipient
        kind = "utf-8" if not recipient.address.isascii() else "rfc822"
        out = f"\r\nFinal-Recipient: {kind}; {external(recipient.address)}\r\n"
        if recipient.orcpt:
            type_, _, address = recipient.orcpt.partition(";")
            out += f"Original-Recipient: {type_};{_from_xtext(address)}\r\n"
        elif recipient.original and recipient.original != recipient.address:
            out += f"Original-Recipient: rfc822;{external(recipient.original)}\r\n"
        out += f"Action: {_ACTIONS.get(result.status, 'delivered')}\r\nStatus: {result.dsn}\r\n"
        if result.remote_mta:
            out += f"Remote-MTA: dns; {result.remote_mta}\r\n"
        diagnostic = f"smtp; {result.diagnostic}" if result.diagnostic else f"X-Gatepost; {result.text}"
        out += "\r\n".join(_wrapped(f"Diagnostic-Code: {_UNPRINTABLE.sub('?', diagnostic)}", indent="    ")) + "\r\n"
        if self.kind == DELAY and self.retry_until:
            out += f"Will-Retry-Until: {mail_date(self.retry_until)}\r\n"
        return out


async def _headers(content: Content) -> bytes:
    """The header block, as far as HEADER_LIMIT."""
    held = b""
    async for piece in content.chunks():
        held += piece
        end = held.find(b"\r\n\r\n")
        if end >= 0:
            return held[:end + 2]
        if len(held) > HEADER_LIMIT:
            return held[:held.rfind(b"\n", 0, HEADER_LIMIT) + 1]
    return held


def _returned_type(full: bool, unicode: bool) -> str:
    if full:
        return "message/global" if unicode else "message/rfc822"
    return "message/global-headers" if unicode else "text/rfc822-headers"


def _encoding(returned: bytes) -> str:
    return "" if returned.isascii() else "Content-Transfer-Encoding: 8bit\r\n"


def _stamp(at: float) -> str:
    return time.strftime("%Y%m%d%H%M%S", time.gmtime(at))


def _from_xtext(text: str) -> str:
    """xtext decoded for the report, unprintable characters as they were written (RFC 3461 4)."""
    decoded = _XTEXT.sub(lambda found: chr(int(found[1], 16)), text)
    return decoded if not _UNPRINTABLE.search(decoded) else text


def _wrapped(text: str, indent: str = "") -> list[str]:
    """Lines of at most WIDTH characters where blanks allow; those behind the first begin with `indent`."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > WIDTH:
            lines.append(line)
            line = indent + word
        else:
            line = f"{line} {word}" if line else word
    return [*lines, line]
