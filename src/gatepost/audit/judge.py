"""What is answered to a session's questions in a rehearsal? Policy's verdicts, each kept with what led to it.

The same questions that a server answers (smtp/actions.py), with policy's own judgement of connection, HELO, MAIL, RCPT,
VRFY, ETRN, DATA and the end of data. What depends on time, disk or other clients (rates, room in the queue, filters) is
granted. Nothing waits. This file must not know sockets, threads or files.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from gatepost.deliver.content import ContentPolicy
from gatepost.deliver.envelope import Envelope, Origin, Recipient
from gatepost.lookup.ask import LookupFailure, Table
from gatepost.lookup.classes import Classes
from gatepost.lookup.match import DomainList
from gatepost.policy import identity
from gatepost.policy.evaluate import Policy
from gatepost.policy.facts import Client, Facts, Tls, forget_transaction
from gatepost.policy.options import ClientLists
from gatepost.policy.verdict import PERMITTED, Decision
from gatepost.smtp.actions import Ask, Stage
from gatepost.smtp.events import Answered
from gatepost.smtp.options import Rights
from gatepost.smtp.reply import Reply
from gatepost.smtp.sasl import AuthStep
from gatepost.smtp.sentences import AUTHENTICATED, BAD_RECIPIENT, BAD_SENDER, MESSAGE_TOO_BIG, NOT_AUTHORISED, OK
from gatepost.smtp.session import Session
from gatepost.smtp.transaction import RecipientRequest, Transaction

T = TypeVar("T")
Answer = Reply | Answered | None

QUEUED = Reply(250, "2.0.0", "Ok: queued as REHEARSAL")
CHECK_FAILED = Reply(451, "4.7.1", "Error: service unavailable")
RECORDS = 512  # bytes that message_size_limit allots to what surrounds a message
PASSWORDS = ("secret",)  # what the dialogues say
NO_MECHANISMS: tuple[str, ...] = ()
MECHANISMS = ("PLAIN", "LOGIN")
BAD_LOGIN = Reply(535, "5.7.8", "Error: authentication failed: ")
BAD_BASE64 = Reply(535, "5.7.8", "Error: authentication failed: Invalid base64 data")


@dataclass(frozen=True, slots=True)
class Judged:
    """A decision of policy: the list stage that was asked (client, helo, sender, rcpt, vrfy, data, end_of_data, etrn),
    behind which command, about which address ("" = none)."""

    stage: str
    where: str
    about: str
    decision: Decision


@dataclass(frozen=True, slots=True)
class Accepted:
    """A message that was taken responsibility for, or only seemed to be (`discarded`)."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes
    discarded: bool = False


@dataclass(slots=True)
class House:
    """What a service's sessions share: compiled once, asked by many rehearsals. `login`: who can log in."""

    policy: Policy
    classes: Classes
    lists: ClientLists
    fast_flush: DomainList
    command_filter: Table | None
    content: ContentPolicy
    overrides: frozenset[str]  # receive_override_options
    message_size_limit: int
    sasl_enabled: bool
    tls_auth_only: bool
    login: str
    hostname: str


class Judge:
    """Answers one session's questions. `judged` grows."""

    def __init__(self, house: House, session: Session, client: Client) -> None:
        self.house = house
        self.session = session
        self.client = client
        self.judged: list[Judged] = []
        self.accepted: list[Accepted] = []
        self.content = bytearray()
        self._carried: dict[str, object] = {}
        self._discard = False
        self._user: str | None = None  # LOGIN: the name came, the password has not
        self._method = ""

    def answer(self, ask: Ask) -> Answered:
        """The answer to a question."""
        handler = _STAGES.get(ask.stage)
        found = handler(self, ask.subject) if handler is not None else None
        return found if isinstance(found, Answered) else Answered(found)

    def forget(self) -> None:
        """The transaction is over."""
        self.content.clear()
        self._discard = False
        forget_transaction(self._carried)

    # ------------------------------------------------------------------ who it is

    def find_rights(self) -> None:
        """What this client may do and see."""
        house = self.house
        over_tls = MECHANISMS if house.sasl_enabled else NO_MECHANISMS
        in_the_clear = NO_MECHANISMS if house.tls_auth_only else over_tls
        try:
            asked = house.lists.rights(self.client, {False: in_the_clear, True: over_tls}, frozenset(Stage))
            self.session.rights = at_once(asked)
        except LookupFailure:
            self.session.rights = Rights(namaddr=self.client.namaddr, features_unknown=True)

    def _peer(self, _: object) -> Answer:
        self.find_rights()
        return None

    def _xclient(self, attributes: list[tuple[str, str]]) -> Answer:
        found = identity.xclient(self.client, attributes)
        if isinstance(found, Reply):
            return found
        self.client, presented = found
        self.find_rights()
        return Answered(None, {"helo": presented.helo, "protocol": presented.protocol, "login": presented.login})

    def _xforward(self, attributes: list[tuple[str, str]]) -> Answer:
        if not self.session.rights.xforward:
            return NOT_AUTHORISED
        found = identity.xforward(None, attributes)
        return found if isinstance(found, Reply) else OK

    def _auth(self, step: AuthStep) -> Answer:
        mechanism = step.mechanism.upper()
        if step.first:
            self._user = None
            if mechanism not in MECHANISMS:
                return Reply(535, "5.7.8", "Error: authentication failed: Invalid authentication mechanism")
        if step.response is None:
            return Reply(334, "", "" if mechanism == "PLAIN" else "VXNlcm5hbWU6")
        try:
            text = base64.b64decode(step.response, validate=True).decode()
        except (binascii.Error, ValueError):
            return BAD_BASE64
        if mechanism == "PLAIN":
            parts = text.split("\0")
            return self._login(mechanism, parts[1], parts[2]) if len(parts) == 3 else BAD_LOGIN
        if self._user is None:
            self._user = text
            return Reply(334, "", "UGFzc3dvcmQ6")
        return self._login(mechanism, self._user, text)

    def _login(self, mechanism: str, user: str, password: str) -> Answer:
        if password not in PASSWORDS or not user.startswith("user"):
            return BAD_LOGIN
        self.log_in(mechanism)
        return Answered(AUTHENTICATED, self.house.login)

    def log_in(self, mechanism: str) -> None:
        """The login's method, for policy."""
        self._method = mechanism

    # ------------------------------------------------------------------ policy

    def _facts(self, *, sender: str | None = None, recipient: str | None = None) -> Facts:
        session = self.session
        transaction = session.transaction
        accepted = transaction.recipients if transaction else []
        if sender is None and transaction is not None:
            sender = transaction.sender
        if recipient is None and len(accepted) == 1 and session.where in ("DATA", "BDAT", "END-OF-MESSAGE"):
            recipient = accepted[0].address
        size = 0
        if transaction is not None:
            size = transaction.size if session.where == "END-OF-MESSAGE" else transaction.declared_size
        return Facts(
            where=session.where, client=self.client, protocol="ESMTP" if session.esmtp else "SMTP", helo=session.helo,
            helo_raw=session.helo_raw, sender=sender, recipient=recipient, recipient_count=len(accepted), size=size,
            instance="rehearsal", sasl_method=self._method if session.authenticated else "",
            sasl_username=session.authenticated, sasl_sender=transaction.auth_sender if transaction else "",
            tls=Tls("TLSv1.3", "TLS_AES_256_GCM_SHA384", 256) if session.tls else None, early=session.turn.early,
            smtputf8=transaction.smtputf8 if transaction else False, carried=self._carried)

    def _decide(self, stage: str, facts: Facts, about: str = "") -> Reply | None:
        if not self.house.policy.needs(stage) or self._discard:
            decision = PERMITTED
        else:
            decision = at_once(self.house.policy.decide(stage, facts))
        self.judged.append(Judged(stage, self.session.where, about, decision))
        self._discard = self._discard or any(effect.action == "discard" for effect in decision.effects)
        return Reply(421, "", "") if decision.hangup_silently else decision.reply

    def _connect(self, _: object) -> Answer:
        return self._decide("client", self._facts())

    def _hello(self, name: str) -> Answer:
        facts = self._facts()
        facts.helo = facts.helo_raw = name
        return self._decide("helo", facts)

    def _routable(self, address: str, *, sender: bool = False, declared: bool = True) -> bool:
        if not declared and not address.rpartition("@")[2].isascii() and "@" in address:
            return False
        try:
            return at_once(self.house.classes.resolve(address, sender=sender)).valid
        except LookupFailure:
            return True

    def _mail(self, transaction: Transaction) -> Answer:
        sender = transaction.sender
        if sender and not self._routable(sender, sender=True, declared=transaction.smtputf8):
            return BAD_SENDER
        facts = self._facts(sender=sender)
        facts.size, facts.smtputf8 = transaction.declared_size, transaction.smtputf8
        return self._decide("sender", facts, sender)

    def _rcpt(self, request: RecipientRequest) -> Answer:
        transaction = self.session.transaction
        declared = transaction is not None and transaction.smtputf8
        if not self._discard and not self._routable(request.address, declared=declared):
            return BAD_RECIPIENT
        return self._decide("rcpt", self._facts(recipient=request.address), request.address)

    def _vrfy(self, request: RecipientRequest) -> Answer:
        if not self._routable(request.address):
            return BAD_RECIPIENT
        return self._decide("vrfy", self._facts(recipient=request.address), request.address)

    def _etrn(self, domain: str) -> Answer:
        facts = self._facts()
        facts.etrn_domain = domain
        refusal = self._decide("etrn", facts, domain)
        if refusal is None and not at_once(self.house.fast_flush.matches(domain)):
            return Reply(459, "", f"<{domain}>: service unavailable")
        return refusal

    def _data(self, _: object) -> Answer:
        return self._decide("data", self._facts())

    def _end(self, _: int) -> Answer:
        early = self.session.turn.early
        stages = ("data", "end_of_data") if early is not None and early.after == "DATA" else ("end_of_data",)
        for stage in stages:
            refusal = self._decide(stage, self._facts())
            if refusal is not None:
                return Answered(refusal, "restrictions")
        transaction = self.session.transaction
        assert transaction is not None
        content, discarded = bytes(self.content), self._discard
        refusal = None if discarded else self._content(transaction, content)
        if refusal is not None:
            return refusal
        recipients = tuple(recipient.address for recipient in transaction.recipients)
        chunked, size = self.session.chunks is not None, transaction.size
        self.accepted.append(Accepted(transaction.sender, recipients, content, discarded))
        self.forget()
        return Reply(250, "2.0.0", f"Ok: {size} bytes queued as REHEARSAL") if chunked else QUEUED

    def _content(self, transaction: Transaction, content: bytes) -> Reply | None:
        """What the content costs the client: header and body checks, hops, size with our own header."""
        house = self.house
        envelope = Envelope(
            "REHEARSAL", transaction.sender, [Recipient(each.address) for each in transaction.recipients], 0.0,
            origin=Origin(self.client.name, self.client.address), body_type=transaction.body,
            smtputf8=transaction.smtputf8, overrides=house.overrides)
        found = house.content.start(envelope, local=False, info=_unheard, warning=_unheard)
        own = f"Received: from {self.client.namaddr} by {house.hostname} with SMTP id REHEARSAL\r\n".encode()
        try:
            if found.checked:
                parts = [at_once(found.check_begin(own)), at_once(found.check(content)), at_once(found.check_end())]
            else:
                parts = [found.begin(own), found.feed(content), found.finish()]
        except LookupFailure:
            return CHECK_FAILED
        limit = house.message_size_limit
        if found.refusal is None and limit and sum(map(len, parts)) + RECORDS > limit:
            return MESSAGE_TOO_BIG
        return found.refusal

    def _command(self, text: str) -> Answer:
        table = self.house.command_filter
        assert table is not None
        try:
            found = at_once(table.get(text.lstrip()))
        except LookupFailure:
            return Reply(421, "4.3.0", f"{self.house.hostname} Server local data error")
        return Answered(None, text if found is None else found)


_STAGES: dict[Stage, Callable[[Judge, Any], Answer]] = {
    Stage.PEER: Judge._peer, Stage.CONNECT: Judge._connect, Stage.HELO: Judge._hello, Stage.EHLO: Judge._hello,
    Stage.MAIL: Judge._mail, Stage.RCPT: Judge._rcpt, Stage.DATA: Judge._data, Stage.END_OF_MESSAGE: Judge._end,
    Stage.VRFY: Judge._vrfy, Stage.ETRN: Judge._etrn, Stage.AUTH: Judge._auth, Stage.XCLIENT: Judge._xclient,
    Stage.XFORWARD: Judge._xforward, Stage.COMMAND: Judge._command,
}
"""What is not here is granted: rates, pauses, STARTTLS."""


def _unheard(_: str) -> None:
    """Log lines that nobody reads."""


def at_once(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that has nothing to wait for (lookup/ask.py)."""
    try:
        work.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    work.close()
    raise AssertionError("a rehearsal has nothing to wait for")
