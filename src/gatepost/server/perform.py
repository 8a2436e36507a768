"""What becomes of a session's actions? Each is performed: a reply written, content spooled, a question answered.

One Performer per connection. A question is a function in answers/: what it knows at once is its value, otherwise it is
a coroutine, which is run on the spot, and only what really waits becomes a task. This file must not know SMTP commands
nor restrictions.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gatepost.deliver.content_received import TlsSeen
from gatepost.deliver.envelope import Origin
from gatepost.policy.facts import forget_transaction
from gatepost.server.answers import content, envelope, greeting, identification
from gatepost.server.answers.asking import LATER, SILENT, Answer
from gatepost.server.eagerly import eagerly
from gatepost.server.message import Effects, Message
from gatepost.server.tell import Teller
from gatepost.smtp.actions import Abandon, Ask, Content, HangUp, Observed, Send, Stage, StartTls
from gatepost.smtp.events import Answered
from gatepost.smtp.reply import Reply
from gatepost.smtp.session import Session

if TYPE_CHECKING:
    from gatepost.policy.facts import Client, Instance
    from gatepost.policy.identity import Forwarded
    from gatepost.server.connection import Connection
    from gatepost.server.login import Login
    from gatepost.server.service import Service

Handler = Callable[["Performer", Any], "Answer | Coroutine[Any, Any, Answer]"]
GO_ON = Answered()  # events are not changed: one is enough for all


class Performer:
    """Performs one session's actions."""

    __slots__ = ("_wording", "admitted", "carried", "client", "connection", "effects", "forwarded", "instance",
                 "last_login", "limited", "login", "message", "service", "session", "teller", "waiting_for_client")

    def __init__(self, connection: Connection, service: Service, session: Session, client: Client) -> None:
        self.connection = connection
        self.service = service
        self.session = session
        self.client = client
        self.teller = Teller(service.log, service.tag, client, session, modern=service.modern_log)
        self.message: Message | None = None
        self.effects = Effects()
        self.carried: dict[str, object] = {}  # what policy keeps from stage to stage
        self.instance: Instance | None = None
        self.last_login = ""  # the user name that the last failed login named, for the log
        self.forwarded: Forwarded | None = None
        self.login: Login | None = None
        self.limited = True  # no exception from the limits
        self.admitted = ""  # the address that the limits counted, to be given back
        self.waiting_for_client: greeting.Pause | None = None
        self._wording = service.wording or None

    # ------------------------------------------------------------------ for server/connection.py

    def act(self, actions: list[Any]) -> Awaitable[None] | None:
        """Perform them in order; what waits is returned."""
        for action in actions:
            kind = type(action)
            if kind is Send:
                assert isinstance(action, Send)
                self._send(action.reply)
            elif kind is Ask:
                assert isinstance(action, Ask)
                return self._ask(action)
            else:
                _PERFORM[kind](self, action)
        return None

    def gone(self) -> None:
        """The client left: nobody waits for the end of a pause."""
        if self.waiting_for_client is not None:
            self.waiting_for_client.cut_short()

    def closed(self) -> None:
        """The connection is closed."""
        self._abandon()
        if self.admitted:
            self.service.limits.leave(self.service.name, self.admitted)

    # ------------------------------------------------------------------ actions

    def _send(self, reply: Reply) -> None:
        if reply is SILENT:
            return
        if self._wording is not None and reply.code >= 400:
            reply = self._wording.apply(reply, self)
        self.connection.send(reply.render())

    def _ask(self, ask: Ask) -> Awaitable[None] | None:
        answer = _STAGES[ask.stage](self, ask.subject)
        if answer is None:
            self.connection.feed(GO_ON)
        elif isinstance(answer, (Answered, Reply)):  # a tuple: `Answered | Reply` would be made anew for each question
            self.answer(answer)
        else:
            return eagerly(answer, self.answer)
        return None

    def answer(self, answer: Answer) -> None:
        """The answer to the open question, unless it comes later by itself."""
        if answer is not LATER:
            self.connection.feed(answer if isinstance(answer, Answered) else Answered(answer))

    def _content(self, action: Content) -> None:
        if self.message is not None:
            self.message.write(action.data)

    def _observed(self, action: Observed) -> None:
        self.teller.fact(action.fact)

    def _abandon(self, _: object = None) -> None:
        if self.message is not None:
            self.message.abandon()
        self.forget()

    def forget(self) -> None:
        """The transaction is over."""
        self.message = None
        self.teller.queue_id = ""
        self.forwarded = None
        self.effects = Effects()
        forget_transaction(self.carried)

    def _start_tls(self, _: StartTls) -> None:
        self.login = None
        self.teller.sasl = ()
        self.connection.start_tls()

    def _hang_up(self, _: HangUp) -> None:
        self.connection.hang_up()

    # ------------------------------------------------------------------ what an envelope says of the client

    def origin(self) -> Origin:
        """Who the message came from."""
        session, client, login = self.session, self.client, self.login
        transaction = session.transaction
        protocol = "SMTP"
        if session.esmtp:
            protocol = "ESMTP" + ("S" if session.tls else "") + ("A" if session.authenticated else "")
        if transaction is not None and transaction.smtputf8:
            protocol = "UTF8SMTP" + protocol[5:]
        return Origin(
            client_name=client.name,
            client_address=client.address,
            client_port=client.port,
            helo=session.helo or "",
            protocol=protocol,
            sasl_method=login.mechanism if login else "",
            sasl_username=session.authenticated,
            sasl_sender=transaction.auth_sender if transaction else "",
        )

    def onward(self, origin: Origin) -> Origin:
        """Who the next hop is told to be the origin: the XFORWARD identity where one was given."""
        told = self.forwarded
        if told is None:
            return origin
        return replace(origin, client_name=told.name, client_address=told.address, client_port=told.port,
                       helo=told.helo, protocol=told.protocol or origin.protocol, ident=told.ident,
                       source=told.source or origin.source)

    def tls_seen(self) -> TlsSeen | None:
        """What the Received: header may tell about TLS."""
        tls = self.connection.secured
        if tls is None:
            return None
        return TlsSeen(tls.protocol, tls.cipher, tls.keysize, tls.keysize, "", tls.peer_present,
                       tls.peer_subject_cn if tls.peer_present else None, tls.peer_issuer_cn, tls.peer_trusted)


_PERFORM: dict[type, Callable[[Performer, Any], None]] = {
    Content: Performer._content, Observed: Performer._observed, Abandon: Performer._abandon,
    StartTls: Performer._start_tls, HangUp: Performer._hang_up,
}

_STAGES: dict[Stage, Handler] = {
    Stage.PEER: greeting.peer, Stage.CONNECT: greeting.connect, Stage.HELO: envelope.hello, Stage.EHLO: envelope.hello,
    Stage.MAIL: envelope.mail, Stage.MAIL_RATE: envelope.mail_rate, Stage.RCPT: envelope.rcpt,
    Stage.RCPT_RATE: envelope.rcpt_rate, Stage.DATA: content.data, Stage.END_OF_MESSAGE: content.end_of_message,
    Stage.VRFY: envelope.vrfy, Stage.ETRN: envelope.etrn, Stage.AUTH: identification.auth,
    Stage.AUTH_RATE: identification.auth_rate, Stage.STARTTLS: identification.starttls,
    Stage.NEW_TLS: identification.new_tls,
    Stage.XCLIENT: identification.xclient, Stage.XFORWARD: identification.xforward, Stage.PAUSE: greeting.pause,
    Stage.COMMAND: identification.command,
}
