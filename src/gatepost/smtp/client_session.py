"""Which command comes next when mail is handed over? The client's sequence: events in, actions out.

Contract: `handle` takes the events of smtp/events.py from the driver and gives actions in order. `Ready` means that
`start(mail)` may be called; after `SendContent` the driver writes what `content` makes of each chunk, then
`content_end`, and goes on handling events; `Finished` ends a mail with one Outcome for each recipient. `Failed` is
the end of the session; `outcomes` keeps what was decided before. Steps are named by the verb whose reply is awaited,
so that a driver finds time limits and log texts in tables. This file must not know sockets, clocks, certificates or
configuration.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from gatepost.smtp.actions import StartTls
from gatepost.smtp.client import Client, Heard
from gatepost.smtp.client_content import DotWriter
from gatepost.smtp.client_replies import Malformed
from gatepost.smtp.events import Elapsed, Event, Lost, Received, TlsStarted
from gatepost.smtp.reply import Reply

REQUIRED = "encrypt"
PROBED = "probed"


@dataclass(frozen=True, slots=True)
class Terms:
    """What the operator wants of a session."""

    helo: str
    lmtp: bool = False
    tls: str = "none"  # none, may, encrypt
    credentials: tuple[str, str] | None = None  # user name and password
    plaintext_auth: bool = True  # PLAIN and LOGIN are allowed on this connection
    plaintext_auth_tls: bool = True  # ... inside TLS
    xforward: bool = False
    pipelining: bool = True
    own_names: frozenset[str] = frozenset()  # a server that greets with one of these is us
    line_limit: int = 998  # bytes of a content line (smtp_line_length_limit)


@dataclass(frozen=True, slots=True)
class Target:
    """A recipient to name in RCPT; DSN parameters as received (RFC 3461), "" when absent."""

    address: str
    notify: str = ""
    orcpt: str = ""


@dataclass(frozen=True, slots=True)
class Mail:
    """A message to hand over; the content comes later. `size` in bytes."""

    sender: str
    recipients: Sequence[Target]
    size: int = 0
    body_type: str = ""
    smtputf8: bool = False
    ret: str = ""
    envid: str = ""
    xforward: Mapping[str, str] = field(default_factory=dict)
    probe: str = ""  # "rcpt", "data": ask only, as far as the reply to RCPT or DATA; one recipient


@dataclass(frozen=True, slots=True)
class Outcome:
    """The reply that decided a recipient, and to which step it answered; step "" is our own judgement of the server,
    PROBED a reply that says yes to a probe."""

    step: str
    reply: Reply


@dataclass(slots=True)
class Write:
    """Send these bytes; then replies to `step` and perhaps more are owed."""

    data: bytes
    step: str


@dataclass(slots=True)
class Ready:
    """A mail may be started."""


@dataclass(slots=True)
class SendContent:
    """Stream the content now."""


@dataclass(slots=True)
class Finished:
    """The mail is over. `reusable`: the session is ready for another."""

    outcomes: list[Outcome]
    reusable: bool


@dataclass(slots=True)
class Failed:
    """The session is over. why: refused, lost, timeout, malformed, tls-missing, tls-refused, auth, no-mechanism, loop;
    step: the verb whose reply was awaited; reply: what the server said, if it did."""

    why: str
    step: str
    reply: Reply | None = None
    text: bytes = b""


ClientAction = Write | StartTls | Ready | SendContent | Finished | Failed


class ClientSession:
    """One connection to a server, from its greeting on. `secured`: TLS is already up (wrapper mode)."""

    def __init__(self, terms: Terms, *, secured: bool = False) -> None:
        self.terms = terms
        self.client = Client(lmtp=terms.lmtp)
        self.secured = secured
        self.server_name = ""
        self.outcomes: list[Outcome | None] = []
        self.injected = b""  # plaintext behind the 220 to STARTTLS, thrown away
        self.closed = False
        self._ready = False
        self._streaming = False
        self._upgrading = False  # 220 to STARTTLS was heard: what follows in plaintext is no reply
        self._passwords: list[str] = []
        self._script: deque[Callable[[], bytes]] = deque()
        self._mail: Mail | None = None
        self._refused: Reply | None = None  # the reply that refused MAIL
        self._unclean = False  # the server holds half a transaction
        self._writer = DotWriter()

    @property
    def step(self) -> str:
        """What is going on: the verb whose reply is awaited, BODY while content is sent, "" when idle."""
        return "BODY" if self._streaming else self.client.awaited

    def handle(self, event: Event) -> list[ClientAction]:
        """Take an event."""
        if self.closed:
            return []
        match event:
            case Received(data):
                return self._received(data)
            case TlsStarted():
                self.injected = self.client.tls_started()
                self.secured, self._upgrading = True, False
                return [Write(self.client.hello(self.terms.helo), "EHLO")]
            case Lost():
                return self._fail("lost")
            case Elapsed():
                return self._fail("timeout")
        return []

    def start(self, mail: Mail) -> list[ClientAction]:
        """Begin a mail; only when Ready or after a reusable Finished."""
        assert self._ready and self._mail is None and mail.recipients
        self._mail, self._refused = mail, None
        self.outcomes = [None] * len(mail.recipients)
        unfit = self._unfit(mail)
        if unfit is not None:
            return self._finish(Outcome("", unfit))
        client = self.client
        if self._unclean:
            self._script.append(client.rset)
            self._unclean = False
        if self.terms.xforward and mail.xforward:
            self._script.append(lambda: b"".join(client.xforward(mail.xforward)))
        self._script.append(lambda: client.mail(mail.sender, self._mail_parameters(mail)))
        for number, target in enumerate(mail.recipients):
            self._script.append(lambda number=number, target=target: client.rcpt(  # type: ignore[misc]
                target.address, self._rcpt_parameters(target), number))
        if mail.probe != "rcpt":
            self._script.append(client.data)
        return self._play()

    def content(self, chunk: bytes) -> bytes:
        """The bytes to write for a chunk of the content."""
        return self._writer.feed(chunk)

    def content_end(self) -> bytes:
        """The last bytes, final dot included."""
        self._streaming = False
        self.client.content_sent(self._accepted())
        return self._writer.finish()

    def quit(self) -> bytes:
        """QUIT; nothing more is to be expected of the session."""
        self._ready = False
        return self.client.quit()

    def _received(self, data: bytes) -> list[ClientAction]:
        actions: list[ClientAction] = []
        self.client.feed(data)
        while not self.closed and not self._upgrading and (heard := self.client.hear()) is not None:
            if isinstance(heard.reply, Malformed):
                return actions + self._fail("malformed", step=heard.verb or self.step, text=heard.reply.text)
            actions += _ANSWERS[heard.verb](self, heard, heard.reply)
        return actions

    def _fail(self, why: str, reply: Reply | None = None, *, step: str = "", text: bytes = b"") -> list[ClientAction]:
        self.closed, self._ready = True, False
        return [Failed(why, step or self.step, reply, text)]

    # -- before the first mail

    def _greeted(self, _: Heard, reply: Reply) -> list[ClientAction]:
        if reply.code != 220:
            return self._fail("refused", reply, step="CONNECT")
        return [Write(self.client.hello(self.terms.helo), "EHLO")]

    def _helloed(self, heard: Heard, reply: Reply) -> list[ClientAction]:
        terms = self.terms
        if reply.code >= 500 and heard.verb == "EHLO" and reply.code != 521 and terms.tls != REQUIRED:
            return [Write(self.client.hello(terms.helo, "HELO"), "HELO")]
        if not reply.positive:
            return self._fail("refused", reply, step=heard.verb)
        self.server_name = reply.text.partition("\n")[0].partition(" ")[0].lower()
        if self.server_name in terms.own_names:
            return self._fail("loop", reply, step=heard.verb)
        if terms.tls != "none" and not self.secured and "STARTTLS" in self.client.capabilities:
            return [Write(self.client.starttls(), "STARTTLS")]
        if terms.tls == REQUIRED and not self.secured:
            return self._fail("tls-missing", step=heard.verb)
        return self._authenticate()

    def _tls_answered(self, _: Heard, reply: Reply) -> list[ClientAction]:
        if reply.code == 220:
            self._upgrading = True
            return [StartTls()]
        if self.terms.tls == REQUIRED or reply.hangs_up:
            return self._fail("tls-refused", reply, step="STARTTLS")
        return self._authenticate()

    def _authenticate(self) -> list[ClientAction]:
        terms, offered = self.terms, self.client.capabilities.words("AUTH")
        if terms.credentials is None or not offered:
            return self._now_ready()
        allowed = terms.plaintext_auth_tls if self.secured else terms.plaintext_auth
        username, password = terms.credentials
        if allowed and "PLAIN" in offered:
            return [Write(self.client.auth_plain(username, password), "AUTH")]
        if allowed and "LOGIN" in offered:
            self._passwords = [username, password]
            return [Write(self.client.auth_login(), "AUTH")]
        return self._fail("no-mechanism", step="AUTH")

    def _auth_answered(self, _: Heard, reply: Reply) -> list[ClientAction]:
        if reply.code == 334 and self._passwords:
            return [Write(self.client.auth_response(self._passwords.pop(0)), "AUTH")]
        if reply.code == 235:
            return self._now_ready()
        return self._fail("auth", reply, step="AUTH")

    def _now_ready(self) -> list[ClientAction]:
        self._ready = True
        return [Ready()]

    # -- a mail

    def _unfit(self, mail: Mail) -> Reply | None:
        limit = self.client.capabilities.get("SIZE", "")
        if limit.isascii() and limit.isdigit() and 0 < int(limit) < mail.size:
            return Reply(552, "5.3.4", f"message size {mail.size} exceeds size limit {limit} of server")
        if mail.smtputf8 and "SMTPUTF8" not in self.client.capabilities:
            return Reply(550, "5.6.7", "SMTPUTF8 is required, but was not offered by host")
        return None

    def _mail_parameters(self, mail: Mail) -> list[str]:
        offered = self.client.capabilities
        found: list[str] = []
        if "SIZE" in offered and mail.size:
            found.append(f"SIZE={mail.size}")
        if "8BITMIME" in offered and mail.body_type == "8BITMIME":
            found.append("BODY=8BITMIME")
        if mail.smtputf8:
            found.append("SMTPUTF8")
        if "DSN" in offered:
            found += [f"RET={mail.ret}"] if mail.ret else []
            found += [f"ENVID={mail.envid}"] if mail.envid else []
        return found

    def _rcpt_parameters(self, target: Target) -> list[str]:
        if "DSN" not in self.client.capabilities:
            return []
        found = [f"NOTIFY={target.notify}"] if target.notify else []
        return found + ([f"ORCPT={target.orcpt}"] if target.orcpt else [])

    def _play(self) -> list[ClientAction]:
        """The next command of the script, or with pipelining all of it (RFC 2920): DATA may end the group."""
        grouped = self.terms.pipelining and "PIPELINING" in self.client.capabilities
        out = b""
        while self._script and (grouped or not out):
            out += self._script.popleft()()
        return [Write(out, self.client.awaited)] if out else []

    def _next(self) -> list[ClientAction]:
        return [] if self.client.owed else self._play()

    def _noted(self, heard: Heard, reply: Reply) -> list[ClientAction]:
        """RSET, XFORWARD: the mail goes on whatever the reply, unless the server leaves."""
        return self._fail("refused", reply, step=heard.verb) if reply.hangs_up else self._next()

    def _mail_answered(self, _: Heard, reply: Reply) -> list[ClientAction]:
        if reply.positive:
            return self._next()
        self._refused = reply
        if self._script or reply.hangs_up:
            return self._finish(Outcome("MAIL", reply), clean=not reply.hangs_up)
        return []

    def _rcpt_answered(self, heard: Heard, reply: Reply) -> list[ClientAction]:
        if not reply.positive:
            self.outcomes[heard.number] = Outcome("RCPT", reply)
            if reply.hangs_up:
                return self._finish(Outcome("RCPT", reply), clean=False)
        if self._mail is not None and self._mail.probe == "rcpt":
            self._unclean = True
            return self._finish(Outcome(PROBED, reply))
        if len(self._script) == 1 and not self.client.owed and not self._accepted():
            self._unclean = True
            return self._finish(Outcome("RCPT", reply))
        return self._next()

    def _data_answered(self, _: Heard, reply: Reply) -> list[ClientAction]:
        accepted = self._accepted()
        if reply.code == 354 and accepted and self._mail is not None and self._mail.probe:
            return self._finish(Outcome(PROBED, reply), clean=False)  # no message follows: only closing is left
        if reply.code == 354 and accepted:
            self._streaming = True
            self._writer = DotWriter(self.terms.line_limit)
            return [SendContent()]
        if reply.code == 354:  # a group may end like this: RFC 2920 3.1
            if self.client.lmtp:
                return self._finish(Outcome("DATA", reply), clean=False)
            self.client.content_sent()
            return [Write(b".\r\n", ".")]
        self._unclean = True
        return self._finish(Outcome("DATA", reply), clean=not reply.hangs_up)

    def _dot_answered(self, heard: Heard, reply: Reply) -> list[ClientAction]:
        if self.client.lmtp:
            self.outcomes[heard.number] = Outcome(".", reply)
            if self.client.awaited == "." and not reply.hangs_up:
                return []
        return self._finish(Outcome(".", reply), clean=not reply.hangs_up)

    def _unasked(self, _: Heard, reply: Reply) -> list[ClientAction]:
        """A reply that nothing asked for: the server is leaving, or lost count."""
        if reply.positive:
            return self._fail("malformed", reply, text=str(reply).encode("utf-8", "replace"))
        return self._fail("refused", reply)

    def _ignored(self, _: Heard, __: Reply) -> list[ClientAction]:
        return []

    def _accepted(self) -> list[int]:
        """The recipients that nothing has refused yet."""
        if self._refused is not None:
            return []
        return [number for number, outcome in enumerate(self.outcomes) if outcome is None]

    def _finish(self, rest: Outcome, *, clean: bool = True) -> list[ClientAction]:
        """End the mail; recipients that are still open share `rest`, or the refusal of MAIL."""
        if self._refused is not None:
            rest = Outcome("MAIL", self._refused)
            self.outcomes = [rest for _ in self.outcomes]
        done = [outcome or rest for outcome in self.outcomes]
        self._script.clear()
        self._mail = None
        self.closed = self.closed or not clean
        self._ready = not self.closed
        return [Finished(done, self._ready)]


_ANSWERS: dict[str, Callable[[ClientSession, Heard, Reply], list[ClientAction]]] = {
    "CONNECT": ClientSession._greeted,
    "EHLO": ClientSession._helloed,
    "LHLO": ClientSession._helloed,
    "HELO": ClientSession._helloed,
    "STARTTLS": ClientSession._tls_answered,
    "AUTH": ClientSession._auth_answered,
    "RSET": ClientSession._noted,
    "XFORWARD": ClientSession._noted,
    "MAIL": ClientSession._mail_answered,
    "RCPT": ClientSession._rcpt_answered,
    "DATA": ClientSession._data_answered,
    ".": ClientSession._dot_answered,
    "QUIT": ClientSession._ignored,
    "": ClientSession._unasked,
}
