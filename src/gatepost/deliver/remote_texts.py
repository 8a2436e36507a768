"""How is a failed hand-over told? Postfix's sentences for replies, lost connections, time limits and TLS trouble.

These texts stand in the log, in bounces and in the queue listing; tools read them (pflogsumm). Each function gives a
Verdict: sent, deferred or bounced, with an enhanced status code. This file must not know how it came to it.
"""

from __future__ import annotations

from dataclasses import dataclass

from gatepost.deliver.wire import Endpoint
from gatepost.smtp.client_session import PROBED, Failed, Outcome
from gatepost.smtp.reply import Reply

DOING = {
    "CONNECT": "receiving the initial server greeting",
    "EHLO": "performing the EHLO handshake",
    "HELO": "performing the HELO handshake",
    "LHLO": "performing the LHLO handshake",
    "STARTTLS": "performing the STARTTLS handshake",
    "AUTH": "performing the SASL handshake",
    "XFORWARD": "sending XFORWARD name/address",
    "MAIL": "sending MAIL FROM",
    "RCPT": "sending RCPT TO",
    "DATA": "sending DATA command",
    "BODY": "sending message body",
    ".": "sending end of data -- message may be sent more than once",
    "RSET": "sending RSET",
    "QUIT": "sending QUIT",
}
COMMAND = {
    "MAIL": "MAIL FROM command",
    "RCPT": "RCPT TO command",
    "DATA": "DATA command",
    "BODY": "end of DATA command",
    ".": "end of DATA command",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What happened to a recipient at one server. `reply` is what the server said, "" when it was not heard."""

    status: str  # sent deferred bounced
    dsn: str
    text: str
    reply: str = ""
    stale: bool = False  # the connection was gone before the server took anything: harmless on a kept one


def one_line(reply: Reply) -> str:
    """A reply as a log quotes it: its lines joined by blanks."""
    return " ".join(part for part in str(reply).split("\n") if part)


def dsn_of(reply: Reply) -> str:
    """Its enhanced status code, made up from the code's class when it has none."""
    return reply.status or f"{reply.code // 100}.0.0"


def judged(server: Endpoint, outcome: Outcome) -> Verdict:
    """The verdict on a recipient whose mail ended."""
    reply = outcome.reply
    if outcome.step == PROBED or (outcome.step == "." and 200 <= reply.code < 300):
        return Verdict("sent", dsn_of(reply), one_line(reply), one_line(reply))
    if outcome.step == "":
        return Verdict("bounced", reply.status, f"{reply.text} {server.namaddr}")
    return _refusal(server, outcome.step, reply)


def _refusal(server: Endpoint, step: str, reply: Reply) -> Verdict:
    said = one_line(reply)
    text = f"host {server.namaddr} said: {said} (in reply to {COMMAND.get(step, step + ' command')})"
    if reply.code < 400:  # 354 or 2xx where it decides nothing: the server lost count
        return Verdict("deferred", "4.5.0", f"unexpected reply from {server.namaddr}: {said}", said)
    if reply.code == 552 and step == "RCPT":  # RFC 5321 4.5.3.1.10: too many recipients, said wrongly
        return Verdict("deferred", "4.5.3", text, said)
    status = "bounced" if reply.code >= 500 else "deferred"
    stale = reply.code == 421 and step == "MAIL"
    return Verdict(status, _of_class(dsn_of(reply), reply.code // 100), text, said, stale)


def _of_class(dsn: str, digit: int) -> str:
    return f"{digit}{dsn[1:]}"


def failed(server: Endpoint, failure: Failed) -> Verdict:
    """The verdict on all recipients that were still open when the session ended."""
    name, step, reply = server.namaddr, failure.step, failure.reply
    said = one_line(reply) if reply is not None else ""
    doing = DOING.get(step, "waiting for the server")
    match failure.why:
        case "timeout":
            return Verdict("deferred", "4.4.2", f"conversation with {name} timed out while {doing}")
        case "lost":
            text = f"lost connection with {name} while {doing}"
            return Verdict("deferred", "4.4.2", text, stale=step in ("RSET", "XFORWARD", "MAIL"))
        case "malformed":
            shown = "".join(char if char.isprintable() else "?" for char in failure.text.decode("utf-8", "replace"))
            return Verdict("deferred", "4.5.0", f"non-SMTP response from {name} while {doing}: {shown}")
        case "loop":
            return Verdict("bounced", "5.4.6", f"host {name} greeted me with my own name: mail loops back to myself")
        case "tls-missing":
            return Verdict("deferred", "4.7.4", f"TLS is required, but was not offered by host {name}")
        case "tls-refused":
            return Verdict("deferred", "4.7.4", f"TLS is required, but host {name} refused to start TLS: {said}", said)
        case "no-mechanism":
            return Verdict("deferred", "4.7.0", "SASL authentication failed; cannot authenticate to server "
                                                f"{name}: no mechanism available")
        case "auth":
            return Verdict("deferred", "4.7.8", f"SASL authentication failed; server {name} said: {said}", said)
    assert reply is not None
    if step in COMMAND:
        return _refusal(server, step, reply)
    text = f"host {name} refused to talk to me: {said}"
    if step in ("RSET", "XFORWARD"):
        return Verdict("deferred", "4.4.2", text, said, stale=True)
    if reply.code >= 500 and step != "CONNECT":
        return Verdict("bounced", _of_class(dsn_of(reply), 5), text, said)
    return Verdict("deferred", _of_class(dsn_of(reply), 4), text, said)  # smtp_skip_5xx_greeting
