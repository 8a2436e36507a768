"""What does an SMTP server do next? The server's machine: events in, actions out; no socket, clock, DNS or log.

`handle(event)` returns the actions to perform in order. A decision from outside is an Ask, always the last action;
while it is open nothing is parsed, pipelined input waits in this object's own buffer, and that buffer dies at STARTTLS.
Verbs and their order are data in commands.py, whose handlers live in mail.py, bdat.py, hello.py, identity.py and
sasl.py; what is no command is in unknown.py, content in content.py. Order of work for a command line: RFC 5321 4.1.4
and Postfix's smtpd command loop.
"""

from __future__ import annotations

from collections.abc import Callable

from gatepost.smtp import events, sentences, unknown
from gatepost.smtp.actions import Abandon, Action, Ask, HangUp, Observed, Send, Stage
from gatepost.smtp.commands import COMMANDS, OUT_OF_ORDER, Command
from gatepost.smtp.facts import BareNewline, Ended, RequestTooLong
from gatepost.smtp.grammar import fast_tokens, tokenise
from gatepost.smtp.inbox import Inbox
from gatepost.smtp.options import BareLf, Options, Rights
from gatepost.smtp.reply import Reply
from gatepost.smtp.tolerance import without_negotiation
from gatepost.smtp.transaction import State, Transaction
from gatepost.smtp.turn import SHOWN, Turn

Answer = Callable[[events.Answered], None]


class Session:
    """One conversation. Attributes without underscore may be read by whoever performs its actions."""

    __slots__ = (
        "_answer", "_awaiting", "_closed", "_eof", "_held", "_mode", "_out", "_refused_turn", "access_denied",
        "authenticated", "chunks", "content", "counts", "errors", "esmtp", "helo", "helo_raw", "in_content", "inbox",
        "junk", "noted_bare_lf", "options", "rights", "state", "tls", "transaction", "turn", "verb", "where",
    )

    def __init__(self, options: Options, rights: Rights | None = None) -> None:
        self.options = options
        self.rights = rights or Rights()
        self.turn = Turn(options.evidence, options.tolerated)
        self.state = State.READY
        self.transaction: Transaction | None = None
        self.where = "CONNECT"
        self.verb = ""  # the command being handled, as counted
        self.helo: str | None = None  # as logged: cleaned
        self.helo_raw: str | None = None
        self.esmtp = False
        self.tls = False
        self.authenticated = ""
        self.errors = 0
        self.junk = 0
        self.counts: dict[str, list[int]] = {}
        self.access_denied: Reply | None = None
        self.noted_bare_lf = False
        self.in_content = False  # the driver grants time by the byte
        self.content: object = None  # content.Data or content.Chunk while one is being read
        self.chunks: object = None  # framing.Chunks of the message that BDAT brings
        self.inbox = Inbox()
        self._mode: Callable[[], bool] = _wait  # the server speaks first
        self._answer: Answer | None = None
        self._awaiting: Stage | None = None
        self._refused_turn = False
        self._held: tuple[Reply, bool, bool] | None = None
        self._eof = False
        self._closed = False
        self._out: list[Action] = []

    def handle(self, event: events.Event) -> list[Action]:
        """Feed one event -> the actions it leads to. After HangUp every event leads to none."""
        out = self._out = []
        if self._closed:
            return out
        if isinstance(event, events.Received):
            self._received(event)
        elif isinstance(event, events.Answered):
            self._answered(event)
        elif isinstance(event, events.Connected):
            self._connected(event)
        elif isinstance(event, events.TlsStarted):
            self._tls_started()
        elif isinstance(event, events.Elapsed):
            self._elapsed()
        else:
            self._lost()
        return out

    @property
    def asked(self) -> Stage | None:
        """The stage of the open question, if one is."""
        return self._awaiting if self._answer is not None else None

    @property
    def backlog(self) -> int:
        """Bytes that were handed over and wait to be parsed."""
        return len(self.inbox)

    @property
    def wants_evidence(self) -> bool:
        """May Received.unacknowledged matter for the next bytes?"""
        return self.turn.undecided

    def _connected(self, event: events.Connected) -> None:
        self.tls = event.tls
        self.ask(Stage.PEER, None, lambda answer: self.greet("CONNECT"))

    def greet(self, where: str) -> None:
        """Begin at the greeting: at the connection, and again after XCLIENT."""
        self.where = where
        exempt = self.rights.turn_exempt
        self.turn.exempt = exempt or self.turn.exempt  # what lies behind XCLIENT was said by whoever sent that
        if self.overheard(where, ends_group=True):
            return
        self.turn.exempt = exempt
        self.ask(Stage.CONNECT, None, self._greeted)

    def _greeted(self, answer: events.Answered) -> None:
        self._mode = self._read_command
        reply = answer.reply or sentences.greeting(self.options.banner)
        if not reply.positive and not reply.hangs_up:
            self.access_denied = reply
            self.errors += 1
        self.say(reply)

    def _received(self, event: events.Received) -> None:
        data = event.data
        if self.turn.listen(data, event.unacknowledged) and self._early():
            return
        self.inbox.add(data)
        if self._answer is None:
            self._run()

    def _answered(self, event: events.Answered) -> None:
        answer = self._answer
        self._answer = None
        if answer is None:
            raise AssertionError("answered, but nothing was asked")
        if self._refused_turn:
            self._refuse_turn()
            return
        answer(event)
        self._run()

    def _tls_started(self) -> None:
        self.tls = True
        self.turn.forget()
        if self.verb == "starttls":
            self.count_success()
            self.verb = ""
        self._mode = self._read_command
        if Stage.NEW_TLS in self.options.rate_limits:
            self.ask(Stage.NEW_TLS, None, self._tls_judged)

    def _tls_judged(self, answer: events.Answered) -> None:
        if answer.context == "next command":  # after the handshake the client has the first word
            self.access_denied = answer.reply
        elif answer.reply is not None:
            self.say(answer.reply)

    def _elapsed(self) -> None:
        if self._answer is not None:
            return
        self._out.append(Send(sentences.timeout(self.options.hostname)))
        self.end("timeout")

    def _lost(self) -> None:
        self._eof = True
        if self._answer is None:
            self._run()

    def ask(self, stage: Stage, subject: object, then: Answer) -> None:
        """Ask; when nobody wants to answer this stage, go on at once."""
        if stage in self.rights.asks:
            self._answer = then
            self._awaiting = stage
            self._out.append(Ask(stage, subject))
        else:
            then(events.Answered())

    def observe(self, fact: object) -> None:
        """Tell the outside a fact."""
        self._out.append(Observed(fact))

    def act(self, action: Action) -> None:
        """One more action."""
        self._out.append(action)

    def say(self, reply: Reply, failed: bool = False, last: bool = False) -> None:
        """Give the final reply to what was said; `failed` counts an error, `last` ends the session (a client that
        erred too often waits first: Postfix's tarpit)."""
        if self.errors >= self.options.soft_error_limit and self._held is None and self.options.error_sleep_time:
            self._held = (reply, failed, last)
            self._answer = self._pause_over
            self._awaiting = Stage.PAUSE
            self._out.append(Ask(Stage.PAUSE, self.options.error_sleep_time * (reply.text.count("\n") + 1)))
            return
        self._out.append(Send(reply))
        self.turn.give()
        if failed:
            self.errors += 1
        if last or (reply.code >= 400 and reply.hangs_up):
            self.end("")

    def _pause_over(self, _: events.Answered) -> None:
        assert self._held is not None
        self.say(*self._held)
        self._held = None

    def finish(self, reply: Reply, last: bool = False) -> None:
        """End the command being handled: a positive reply counts as a success, a negative one as an error."""
        if reply.code < 400:
            self.counts[self.verb][0] += 1
            self.say(reply, False, last)
        else:
            self.say(reply, True)

    def count_success(self) -> None:
        """The command being handled succeeded."""
        self.counts[self.verb][0] += 1

    def reset(self) -> None:
        """Drop the transaction (RSET, HELO, EHLO, STARTTLS, a failed message)."""
        if self.transaction is not None:
            self._out.append(Abandon())
        self.transaction = None
        self.chunks = None
        self.state = State.READY

    def mode(self, read: Callable[[], bool] | None) -> None:
        """How the next bytes are read; None: as commands. `read` returns False when it needs more bytes."""
        self._mode = read or self._read_command

    def end(self, reason: str) -> None:
        """The session is over."""
        if self._closed:
            return
        if self.turn.in_doubt:
            self.observe(self.turn.conclude())
        content = getattr(self.content, "size", None) if self.in_content else None
        self.observe(Ended(reason, self.where, content, self.counts, self.noted_bare_lf))
        self.reset()
        self._out.append(HangUp())
        self._closed, self._mode = True, _wait  # a session that refers to itself would wait for the collector
        self.inbox.drop()

    def overheard(self, verb: str, ends_group: bool, skip: int = 0) -> bool:
        """A command was read; what lies behind it (past `skip` bytes that belong to it) may be early. True: refused."""
        if self.turn.take(verb, ends_group, self.inbox.peek(skip, SHOWN)):
            return self._early()
        return False

    def _early(self) -> bool:
        """The client talked out of turn for the first time, or that was tolerated -> True when it ends the session."""
        early = self.turn.early
        self.observe(early or self.turn.tolerated)
        if early is None or not self.options.forbid_pipelining:
            return False
        if self._answer is not None:
            self._refused_turn = True
            return False
        self._refuse_turn()
        return True

    def _refuse_turn(self) -> None:
        self._out.append(Send(sentences.OUT_OF_TURN))
        self.end("")

    def _run(self) -> None:
        while self._answer is None and not self._closed:
            if not self._mode():
                break
        if self._eof and self._answer is None and not self._closed:
            self.end("" if self.where == "END-OF-MESSAGE" else "lost connection")

    def read_line(self, limit: int) -> bytes | None:
        """The next line without its LF, cut at `limit` bytes; None when it has not ended yet."""
        line = self.inbox.line(limit)
        return line if line is None or not self.inbox.cut else self._cut(line, limit)

    def _cut(self, line: bytes, limit: int) -> bytes:
        shown = line[:30].decode("utf-8", "replace")
        self.observe(RequestTooLong(limit, "".join(char if char.isprintable() else "?" for char in shown)))
        return line + b"\r"  # where the line was cut its end is not bare

    def _read_command(self) -> bool:
        options = self.options
        if self.errors >= options.hard_error_limit:
            self._out.append(Send(sentences.too_many_errors(options.hostname)))
            self.end("too many errors")
            return False
        line = self.inbox.line(options.line_length_limit)
        if line is None:
            return False
        if self.inbox.cut:
            line = self._cut(line, options.line_length_limit)
            if options.refuse_long_commands:
                self.say(sentences.too_long(options.hostname))
                return True
        if line.startswith(b"\xff") and not self.counts and "telnet" in options.tolerated:
            line = without_negotiation(line)
        mode = self.rights.bare_lf
        if line.endswith(b"\r"):
            line = line.rstrip(b"\r") if mode is BareLf.NO else line[:-1]
        elif mode is BareLf.REJECT:
            transaction = self.transaction
            recipient = transaction.recipients[0].address if transaction and transaction.recipients else None
            self.observe(BareNewline(self.where, transaction.sender if transaction else None, recipient, line))
            self._out.append(Send(sentences.bare_lf(options.bare_lf_reject_code, options.hostname)))
            self.end("")
            return False
        elif mode is BareLf.NOTE:
            self.noted_bare_lf = True
        try:
            text = line.decode()
        except UnicodeDecodeError:
            if options.smtputf8:
                self._unreadable(sentences.BAD_UTF8)
                return True
            text = line.decode("utf-8", "surrogateescape")
        if "\0" in text:
            text = text.partition("\0")[0]  # what reads lines as C strings reads no further
        if options.command_filter:
            self.ask(Stage.COMMAND, text, self._filtered)
        else:
            self._command(text)
        return True

    def _filtered(self, answer: events.Answered) -> None:
        if answer.reply is not None:
            self.say(answer.reply)
        else:
            self._command(str(answer.context))

    def _unreadable(self, reply: Reply) -> None:
        self.where = "UNKNOWN"  # and counted nowhere
        self.say(reply, failed=True)

    def _command(self, text: str) -> None:
        words = fast_tokens(text) or tokenise(text)
        if not words:
            self._unreadable(sentences.BAD_SYNTAX)
            return
        options, name = self.options, words[0].text.upper()
        if name in options.noop_commands:
            self.count_junk()
            self.say(sentences.OK)
            return
        command = COMMANDS.get(name) if name not in options.unknown_commands else None
        self.verb = verb = command.counted if command else "unknown"
        counted = self.counts.get(verb)
        if counted is None:
            counted = self.counts[verb] = [0, 0]
        counted[1] += 1
        if command is None:
            self.where = "UNKNOWN"
            unknown.answer(self, text, words[0].text)
            return
        if self.access_denied is not None and name != "QUIT":
            self.say(sentences.denied(self.access_denied, self.rights.namaddr), failed=True)
            return
        if options.tls_enforced and not self.tls and not command.before_tls:
            self.say(sentences.STARTTLS_FIRST, failed=True)
            return
        self.where = name
        if self._ends_group(command) and self.overheard(name, True):
            return
        refusal = command.needs_helo if self.helo is None and options.helo_required else None
        if refusal is None and command.available is not None:
            refusal = command.available(self)
        if refusal is None:
            refusal = OUT_OF_ORDER[self.state].get(name)
        if refusal is not None:
            self.finish(refusal)
        else:
            command.handle(self, words)
        if command.junk and not self._closed:
            self.count_junk()

    def _ends_group(self, command: Command) -> bool:
        if not self.esmtp:
            # The chunk behind BDAT belongs to it; Postfix counts it as early where nothing may be pipelined.
            if command.chunk and self.options.strict_groups:
                self.turn.take(command.counted, False, b"")
                return False
            return True
        if command.ends_group or (command.ends_strict_group and self.options.strict_groups):
            return True
        self.turn.take(command.counted, False, b"")
        return False

    def count_junk(self) -> None:
        """One more command that does not bring a message nearer."""
        self.junk += 1
        if self.junk > self.options.junk_command_limit + 1:
            self.errors += 1


def _wait() -> bool:
    return False
