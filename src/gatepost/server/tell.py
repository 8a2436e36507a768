"""How is what a session noticed told? Facts and decisions made into Postfix's log lines, with their session's identity.

One object per connection; its attributes follow the session. This file must not decide anything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gatepost.observe import lines
from gatepost.observe.log import Log
from gatepost.policy.facts import Client
from gatepost.policy.verdict import Decision
from gatepost.server.trouble import Broken, ProxyRefused, TlsFailed
from gatepost.smtp import facts
from gatepost.smtp.session import Session


class Teller:
    """Writes one session's log lines."""

    __slots__ = ("client", "log", "modern", "queue_id", "sasl", "session", "tag")

    def __init__(self, log: Log, tag: str, client: Client, session: Session, *, modern: bool) -> None:
        self.log = log
        self.tag = tag
        self.client = client
        self.session = session
        self.queue_id = ""
        self.modern = modern  # the line shapes of Postfix 3.10: queue id in Ended, login in reject lines
        self.sasl: tuple[tuple[str, str], ...] = ()

    def info(self, text: str) -> None:
        """A line of its own."""
        self.log.info(self.tag, text)

    def warning(self, text: str) -> None:
        """A `warning:` line."""
        self.log.warning(self.tag, text)

    def decision(self, decision: Decision, where: str, sender: str | None, recipient: str | None) -> None:
        """The lines that a decision wants written, in order."""
        for action, text in decision.log:
            if action == "warning":
                self.warning(text)
            elif action == "plain":
                self.info(text)
            else:
                self.access(action, where, text, sender, recipient)

    def access(self, action: str, where: str, text: str, sender: str | None, recipient: str | None) -> None:
        """A reject, hold, warn... line."""
        session = self.session
        self.info(lines.access(self.queue_id, action, where, self.client.namaddr, text, sender=sender,
                               recipient=recipient, protocol="ESMTP" if session.esmtp else "SMTP", helo=session.helo,
                               sasl=self.sasl if self.modern else ()))

    def fact(self, fact: object) -> None:
        """Whatever the session or its connection observed."""
        teller = _TELL.get(type(fact))
        if teller is not None:
            teller(self, fact)


def _early(teller: Teller, fact: facts.EarlyTalk) -> None:
    teller.info(lines.pipelining(fact.after, teller.client.namaddr, fact.text))


def _tolerated(teller: Teller, fact: facts.Tolerated) -> None:
    teller.info(lines.tolerated(fact.after, teller.client.namaddr, fact.pattern, fact.evidence, fact.text))


def _non_smtp(teller: Teller, fact: facts.NonSmtpCommand) -> None:
    teller.warning(lines.non_smtp_command(teller.client.namaddr, fact.text))


def _too_long(teller: Teller, fact: facts.RequestTooLong) -> None:
    teller.warning(lines.request_too_long(teller.client.namaddr, fact.limit, fact.text))


def _illegal(teller: Teller, fact: facts.IllegalAddress) -> None:
    teller.warning(lines.illegal_address(teller.client.namaddr, fact.verb, fact.text))


def _notify(teller: Teller, fact: facts.UnknownNotify) -> None:
    teller.warning(f'unknown DSN NOTIFY command value "{fact.word}" in "{fact.text}"')


def _bare(teller: Teller, fact: facts.BareNewline) -> None:
    teller.access("reject", fact.stage, "bare <LF> received", fact.sender, fact.recipient)


def _bdat(teller: Teller, fact: facts.MalformedBdat) -> None:
    teller.warning(f"{_id(teller)}: malformed BDAT command syntax from {teller.client.namaddr}: {fact.text}")


def _null_bdat(teller: Teller, _: facts.NullBdat) -> None:
    teller.warning(f"{_id(teller)}: null BDAT request from {teller.client.namaddr}")


def _size(teller: Teller, fact: facts.ContentLimit) -> None:
    if fact.bdat:
        teller.warning(f"{_id(teller)}: BDAT request from {teller.client.namaddr} exceeds message size limit")
    else:
        teller.warning(f"{_id(teller)}: queue file size limit exceeded")


def _refused(teller: Teller, fact: facts.Refused) -> None:
    teller.access("reject", "MAIL", fact.text, fact.sender, None)


def _data_error(teller: Teller, fact: facts.DataError) -> None:
    teller.info(f"{_id(teller)}: reject: {fact.stage} from {teller.client.namaddr}: {fact.text}")


def _keywords(teller: Teller, fact: facts.KeywordsDiscarded) -> None:
    teller.info(lines.discarding_keywords(fact.keywords))


def _auth(teller: Teller, fact: facts.AuthFailed) -> None:
    namaddr = teller.client.namaddr
    if fact.reason:
        teller.warning(lines.sasl_failed(namaddr, fact.mechanism, fact.reason, fact.username or "(unavailable)"))
    else:
        teller.warning(f"{namaddr}: SASL {fact.mechanism} authentication aborted")


def _dropped(teller: Teller, fact: facts.PlaintextDropped) -> None:
    if not teller.session.options.strict_groups:
        return  # Postfix drops it without a word
    teller.info(f"plaintext dropped behind STARTTLS from {teller.client.namaddr}: {fact.count} bytes: "
                f"{lines.escaped(fact.text)}")


def _ended(teller: Teller, fact: facts.Ended) -> None:
    namaddr = teller.client.namaddr
    if fact.reason:
        where = "END-OF-MESSAGE" if fact.stage == "END-OF-MESSAGE" else fact.stage
        queue_id = teller.queue_id if teller.modern else None
        teller.info(lines.ended(fact.reason, where, namaddr, content=fact.content, queue_id=queue_id))
    teller.info(lines.disconnect(namaddr, fact.counts, "bare_lf" if fact.bare_lf else ""))


def _tls_failed(teller: Teller, fact: TlsFailed) -> None:
    namaddr = teller.client.namaddr
    if fact.reason in ("lost connection", "Connection timed out"):
        teller.info(f"SSL_accept error from {namaddr}: {fact.reason}")
    else:
        teller.info(f"SSL_accept error from {namaddr}: -1")
        teller.warning(f"TLS library problem: {fact.reason}")


def _proxy(teller: Teller, fact: ProxyRefused) -> None:
    teller.warning(f"haproxy read: {fact.reason}")


def _broken(teller: Teller, fact: Broken) -> None:
    """Told as a lost connection by Ended."""


def _id(teller: Teller) -> str:
    return teller.queue_id or "NOQUEUE"


_TELL: dict[type, Callable[[Teller, Any], None]] = {
    facts.EarlyTalk: _early, facts.Tolerated: _tolerated, facts.NonSmtpCommand: _non_smtp,
    facts.RequestTooLong: _too_long, facts.IllegalAddress: _illegal, facts.UnknownNotify: _notify,
    facts.BareNewline: _bare,
    facts.MalformedBdat: _bdat, facts.NullBdat: _null_bdat, facts.ContentLimit: _size, facts.Refused: _refused,
    facts.DataError: _data_error, facts.KeywordsDiscarded: _keywords,
    facts.AuthFailed: _auth, facts.PlaintextDropped: _dropped,
    facts.Ended: _ended, TlsFailed: _tls_failed, ProxyRefused: _proxy, Broken: _broken,
}
