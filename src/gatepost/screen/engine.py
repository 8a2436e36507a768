"""Does it keep to the rules of the language? The built-in engine: what a client talks to after the greeting until it
has passed, and where one that must not be served stays.

Pure, and nothing it says depends on how the bytes were cut. It has no questions, so the replies are immediate; three
detectors look at each line in Postfix's order: bare newline while reading, then non-SMTP command, then pipelining
(postscreen(8)). Commands are in engine_commands.py. This file must not know what becomes of the client afterwards.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any

from gatepost.lookup.ask import LookupFailure
from gatepost.screen import facts
from gatepost.screen.actions import Caught
from gatepost.screen.detect import Line, is_foreign, parse, read
from gatepost.screen.early import DROPPED, answer_pregreet
from gatepost.screen.engine_commands import COMMANDS, PROMOTE, TLS, UNKNOWN, Command
from gatepost.screen.progress import PROTOCOL_ERROR, Progress
from gatepost.screen.trials import BARE_NEWLINE, DEEP, NON_SMTP, PIPELINING, PREGREET, Penalty, Trial
from gatepost.smtp import sentences
from gatepost.smtp.actions import Observed, Send, StartTls
from gatepost.smtp.reply import Reply
from gatepost.smtp.session import Session
from gatepost.smtp.tolerance import without_negotiation
from gatepost.smtp.turn import SHOWN, EarlyTalk, Turn

GOODBYE = Reply(521, "5.7.0", "Error: I can break rules, too. Goodbye.")
_NAMED = ("8BITMIME", "AUTH", "ETRN", "PIPELINING", "SIZE", "VERP", "VRFY", "XCLIENT", "XFORWARD", "STARTTLS", "DSN",
          "SMTPUTF8", "CHUNKING", "REQUIRETLS")  # the order in which Postfix names keywords
_LOGGED = {"SMTPUTF8": "EHLO_MASK_SMTPUTF8"}  # sic


class Outcome(enum.Enum):
    """Why the engine stopped reading."""

    MORE = "it waits for bytes"
    END = "the session is over: `last` is to be said"
    TLS = "the handshake comes first"
    PROMOTE = "the client has earned the real session, and this recipient is for it"


class Engine:
    """One session's engine. Attributes without underscore are for its commands and for whoever goes on from here."""

    __slots__ = ("_address", "_buffer", "_count", "_free", "_now", "_out", "_unannounced", "armed", "discarded",
                 "early", "esmtp", "helo", "helo_line", "last", "line", "mail_line", "progress", "rules", "sender",
                 "tls", "turn", "verb")

    def __init__(self, progress: Progress, address: str, now: Callable[[], int], free: Callable[[], bool],
                 turn: Turn, *, tls: bool) -> None:
        """`now`: Unix time; `free`: is there a place in the real session's service? `turn`: with what is in doubt."""
        self.progress = progress
        self.rules = progress.rules
        self.armed = progress.armed()
        self.turn = turn
        self.early: EarlyTalk | None = None  # the first offence against turn-taking, for the real session
        self.tls = tls
        self.verb = "CONNECT"  # the last command, as lines name it
        self.last: Reply | None = None  # with Outcome.END
        self.line = b""  # the command line under way, without its end
        self.helo: str | None = None
        self.helo_line = b""
        self.mail_line: bytes | None = None
        self.sender: str | None = None
        self.esmtp = False
        self._address = address
        self._now = now
        self._free = free
        self._buffer = b""
        self._count = 0
        self._out: list[Any] = []
        self._unannounced = ""  # keywords whose absence is logged at each EHLO
        self.discarded = self._find_discarded()

    # ------------------------------------------------------------------ for Screened

    def collect(self) -> list[Any]:
        """The actions since the last time."""
        out, self._out = self._out, []
        return out

    def __len__(self) -> int:
        """Bytes that are not read yet."""
        return len(self._buffer)

    def greet(self, early: bytes) -> None:
        """Complete the greeting, unless the client that could not wait for it is refused anyway. `early`: what it said
        before, which was judged."""
        progress = self.progress
        if not progress.failed & PREGREET.bit:
            self._out.append(Send(sentences.greeting(self.rules.banner)))
        if self.turn.in_doubt or not (early or (progress.forgiven | progress.failed) & PREGREET.bit):
            self.turn.take("CONNECT", True, b"")
            self.turn.give()
        self._buffer = early

    def hear(self, data: bytes, unacknowledged: bool) -> bool:
        """Bytes came -> False when that ends the session."""
        news = self.turn.listen(data, unacknowledged)
        self._buffer += data
        if not news:
            return True
        offence = self.turn.early
        if offence is None:
            self.tolerated()
            return True
        return self._offended(offence, max(offence.text, data, key=len))

    def resume(self, line: bytes, rest: bytes, session: Session) -> None:
        """Go on after the real session was taken away: `line` is the command that it did not answer, with its end,
        `rest` what lies behind it."""
        transaction = session.transaction
        self.helo, self.esmtp = session.helo, session.esmtp
        self.sender = transaction.sender if transaction is not None else self.sender
        self._buffer = line + rest

    def take_rest(self) -> bytes:
        """What was not read, for whoever goes on."""
        rest, self._buffer = self._buffer, b""
        return rest

    def tls_started(self) -> None:
        """The handshake is done: names are forgotten, trials and counters are not (RFC 3207 4.2)."""
        self.tls = True
        self.turn.forget()
        self.helo = self.mail_line = self.sender = None
        self.helo_line = b""

    def run(self) -> Outcome:
        """Read and answer as many lines as there are."""
        while True:
            end = self._buffer.find(b"\n") + 1
            content = self._buffer[:end - 1] if end else self._buffer
            if len(content.removesuffix(b"\r")) >= self.rules.line_length_limit:
                self.observe(facts.LengthLimit(self.verb))
                return self._end(self._unavailable())
            if not end:
                return Outcome.MORE
            raw, self._buffer = self._buffer[:end], self._buffer[end:]
            if not self._count and "telnet" in self.rules.tolerated:
                raw = without_negotiation(raw)
            outcome = self._handle(read(raw))
            if outcome is not Outcome.MORE:
                return outcome

    # ------------------------------------------------------------------ for Promoted

    def watches(self, trial: Trial) -> bool:
        """Are offences against a deep trial still looked for?"""
        return bool(trial.bit & self.armed & DEEP & ~self.progress.skipped)

    @property
    def watching(self) -> bool:
        """Is any still looked for?"""
        return bool(self.armed & DEEP & ~self.progress.skipped)

    def forgives(self, trial: Trial) -> bool:
        """Does such an offence cost nothing?"""
        return self.rules.penalty(trial) is Penalty.IGNORE

    def offends(self, raw: bytes, rest: bytes) -> bool:
        """Is a line (with its end; `rest` lies behind it) an offence that costs something? It is not judged yet."""
        line = read(raw)
        seen = (
            (BARE_NEWLINE, line.bare),
            (NON_SMTP, line.verb not in COMMANDS and is_foreign(line, self.rules)),
            (PIPELINING, line.verb != "BDAT" and self.turn.condemns(line.typed, rest)),
        )
        return any(found and self.watches(trial) and not self.forgives(trial) for trial, found in seen)

    def overhear(self, raw: bytes, rest: bytes) -> str:
        """The real session gets this line: tell what is forgiven -> its verb."""
        line = read(raw)
        before, self.verb = self.verb, line.verb if line.verb in COMMANDS else "UNIMPLEMENTED"
        if line.bare:
            self._judge(BARE_NEWLINE, facts.BareNewline(line.text), "", DROPPED)
        self._judge_line(line, before, rest)
        return line.verb

    # ------------------------------------------------------------------ for the commands

    def observe(self, fact: object) -> None:
        """Tell the outside a fact."""
        self._out.append(Observed(fact))

    def hello(self, name: str, *, esmtp: bool) -> None:
        """HELO or EHLO was said. HELO does not take ESMTP back."""
        self.helo = name
        self.helo_line = self.line
        self.esmtp = self.esmtp or esmtp
        if esmtp and self._unannounced:
            self.observe(facts.KeywordsDiscarded(self._unannounced))
        self.sender = self.mail_line = None

    @property
    def promotable(self) -> bool:
        """Has it earned the real session, and is there one to be had? Who is here only because of a doubt about its
        early talk has, once that is over: no trial put it off."""
        rules, progress = self.rules, self.progress
        serves = rules.promotes or not progress.todo & DEEP
        return serves and progress.worthy and (self.tls or not rules.tls_required) and self._free()

    # ------------------------------------------------------------------ a line

    def _handle(self, line: Line) -> Outcome:
        if line.bare and not self._judge(BARE_NEWLINE, facts.BareNewline(line.text), "", DROPPED):
            return Outcome.END
        line = self._filtered(line)
        command = COMMANDS.get(line.verb)
        before, self.verb = self.verb, line.verb if command else "UNIMPLEMENTED"
        self.line = line.text
        if not self._judge_line(line, before, self._buffer):
            return Outcome.END
        if line.verb == "RCPT":
            self.progress.grant_deep(self._now())
        self._count += 1
        if self._count > self.rules.command_count_limit and line.verb != "QUIT":
            self.observe(facts.CountLimit(before))
            return self._end(self._unavailable())
        return self._answer(command, line)

    def _judge_line(self, line: Line, before: str, behind: bytes) -> bool:
        """The second and the third trial of a line; `before`: the last command -> False when the session is over."""
        if line.verb not in COMMANDS and is_foreign(line, self.rules):
            fact = facts.NonSmtp(before, line.typed, line.rest[:SHOWN])
            if not self._judge(NON_SMTP, fact, "", GOODBYE):
                return False
        if self.turn.take(line.typed, line.verb != "BDAT", behind[:SHOWN]):
            if self.turn.early is None:
                self.tolerated()
                return True
            self.early = self.early or self.turn.early
            return self.pipelined(self.turn.early)
        return True

    def _answer(self, command: Command | None, line: Line) -> Outcome:
        if command is None or command.handle is None:
            reply = UNKNOWN
        elif self.rules.tls_required and not self.tls and not command.before_tls:
            reply = sentences.STARTTLS_FIRST
        else:
            reply = command.handle(self, line.rest.decode("utf-8", "surrogateescape"))
            if command.last:
                return self._end(reply)
        if reply is PROMOTE:
            return Outcome.PROMOTE
        self._out.append(Send(reply))
        self.turn.give()
        return self._start_tls() if reply is TLS else Outcome.MORE

    def _start_tls(self) -> Outcome:
        dropped = self.take_rest()
        if dropped and len(self.rules.evidence) > 1:  # Postfix drops it without a word
            self.observe(facts.PlaintextDropped(len(dropped), dropped[:SHOWN]))
        self.observe(facts.TlsBegun())
        self._out.append(StartTls())
        return Outcome.TLS

    def _end(self, reply: Reply) -> Outcome:
        self.last = reply
        return Outcome.END

    def _unavailable(self) -> Reply:
        return Reply(421, "", f"{self.rules.hostname} Service unavailable - try again later")

    def _filtered(self, line: Line) -> Line:
        """postscreen_command_filter."""
        table = self.rules.command_filter
        if table is None:
            return line
        shown = line.text.partition(b"\0")[0].lstrip(b" ")
        try:
            key = shown.decode()
        except UnicodeDecodeError:
            if self.rules.smtputf8:
                return line
            key = shown.decode("utf-8", "surrogateescape")
        try:
            new = table.get_now(key)
        except LookupFailure:
            return line
        if new is None:
            return line
        self.observe(facts.CommandReplaced(key, new))
        return parse(new.encode("utf-8", "surrogateescape"), line.bare)

    # ------------------------------------------------------------------ offences

    def tolerated(self) -> None:
        """The client talked out of turn, and that is not held against it: no pass is lost, none is won."""
        assert self.turn.tolerated is not None
        fact = facts.Tolerated.of(self.turn.tolerated)
        self.observe(fact)
        if fact.after == "CONNECT":
            self.progress.forgiven |= PREGREET.bit & self.progress.todo & ~self.progress.passed

    def settle(self) -> None:
        """The session is over, and with it a doubt about what was said out of turn."""
        if isinstance(fact := self.turn.conclude(), EarlyTalk):
            self._offended(fact, fact.text)
        elif fact is not None:
            self.tolerated()

    def pipelined(self, offence: EarlyTalk) -> bool:
        """The client talked out of turn -> False when that ends the session."""
        fact = facts.Pipelining(offence.after, offence.text, offence.evidence)
        return self._judge(PIPELINING, fact, offence.evidence, DROPPED)

    def _offended(self, offence: EarlyTalk, data: bytes) -> bool:
        """Against which trial? -> False when that ends the session."""
        self.early = self.early or offence
        if offence.after != "CONNECT" or not PREGREET.bit & self.progress.todo:
            return self.pipelined(offence)
        self.turn = self.turn.renewed()
        return self._pregreeted(offence, data)

    def _judge(self, trial: Trial, fact: object, evidence: str, goodbye: Reply) -> bool:
        """An offence against a deep trial; only the first of each counts -> False when the session is over."""
        progress = self.progress
        if not self.watches(trial):
            return True
        penalty = progress.fail(trial)
        self._out += [Observed(fact), Caught(trial, penalty, evidence, fact)]
        if penalty is Penalty.DROP:
            self._end(goodbye)
            return False
        if penalty is Penalty.ENFORCE:
            progress.hold(PROTOCOL_ERROR)
        else:
            progress.forgive_deep(trial, self._now())
        return True

    def _pregreeted(self, offence: EarlyTalk, data: bytes) -> bool:
        """It cannot have had the greeting when it said that."""
        progress = self.progress
        penalty = progress.fail(PREGREET)
        progress.stamps.times[PREGREET.index] = progress.before[PREGREET.index]
        fact = facts.Pregreet(len(data), 0.0, data, offence.evidence)
        self._out += [Observed(fact), Caught(PREGREET, penalty, offence.evidence, fact)]
        dropped = answer_pregreet(progress)
        self.armed = progress.armed()
        if dropped is not None:
            self._end(dropped)
        return dropped is None

    def _find_discarded(self) -> frozenset[str]:
        """EHLO keywords that this client is not told of: the table's, if it has any for it, else those of all."""
        common = self.rules.discarded
        for table in self.rules.discard_maps:
            try:
                found = table.get_now(self._address)
            except LookupFailure:
                continue
            if found is not None:
                words = frozenset(found.replace(",", " ").lower().split())
                names = [_LOGGED.get(name, name) for name in _NAMED if name.lower() in words]
                if names and words != frozenset(common) and "silent-discard" not in words:
                    self._unannounced = " ".join(names)
                return words
        return frozenset(common)
