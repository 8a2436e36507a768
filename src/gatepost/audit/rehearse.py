"""How would this conversation go under that configuration? A dialogue played on our own engine, without a server.

No socket, thread, clock or network: the SMTP core (smtp/session.py) asks, policy answers (judge.py), the world is
supposed (supposed.py). The client does what the dialogue says; where it `reacts`, it does what a program would do that
hears another answer than the one in the dialogue: it sends no message after a refused DATA, and sends one when it is
told to go ahead. This file must not know what a verdict is worth.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import gatepost.config.parameters as p
from gatepost.audit.gate import Gate, Screen
from gatepost.audit.guest import STRANGER, Guest
from gatepost.audit.host import Host, host
from gatepost.audit.judge import Accepted, House, Judge, Judged
from gatepost.audit.supposed import Read, nothing
from gatepost.config.settings import Settings
from gatepost.deliver.content import ContentPolicy
from gatepost.dialogue.format import Act, Expect, Pause, Send, Step, unfinished
from gatepost.lookup.classes import Classes
from gatepost.lookup.match import DomainList, matches_subdomains
from gatepost.policy.evaluate import Policy
from gatepost.policy.options import ClientLists, options_of
from gatepost.policy.program import NO_PROTECTION
from gatepost.screen.actions import Caught, Demote, Promote
from gatepost.smtp import actions, events, sentences
from gatepost.smtp.commands import COMMANDS
from gatepost.smtp.options import Options
from gatepost.smtp.reply import Reply
from gatepost.smtp.session import Session
from gatepost.smtp.turn import EarlyTalk

MESSAGE = Send((("Subject: rehearsal", True), ("", True), ("text", True), (".", True)))
WHERE = {sentences.NEED_RCPT: "DATA", sentences.NO_VALID_RECIPIENTS: "DATA", sentences.NEED_MAIL: "RCPT",
         sentences.NESTED_MAIL: "MAIL", sentences.UNKNOWN_COMMAND: "UNKNOWN", sentences.GOODBYE: "UNKNOWN",
         sentences.BYE: "QUIT"}
"""Replies of the core that only one command gets."""
QUIT = Send((("QUIT", True),))


@dataclass(frozen=True, slots=True)
class Said:
    """One reply: to which step of the dialogue (-1: none yet), behind which command, by which decisions."""

    step: int
    where: str
    reply: Reply
    judged: tuple[Judged, ...]


@dataclass(slots=True)
class Played:
    """How it went. `steps`: as a player over sockets would have observed them, with what was really said."""

    guest: Guest
    said: list[Said] = field(default_factory=list)
    judged: list[Judged] = field(default_factory=list)
    accepted: list[Accepted] = field(default_factory=list)
    early: EarlyTalk | None = None
    steps: list[Step] = field(default_factory=list)
    closed: bool = False  # by the server
    gave_up: bool = False  # the client left early, because it was refused

    @property
    def replies(self) -> list[Reply]:
        """What was said, in order."""
        return [said.reply for said in self.said]


class Rehearsal:
    """One service, ready to be talked to as often as wanted. Its lists are compiled once. ConfigError when a value that
    a session needs does not read, or when smtpd would not start for want of protection against relaying. `gate`: the
    screening in front of it."""

    def __init__(self, where: Host, gate: Gate | None = None) -> None:
        settings, lookups = where.settings, where.lookups
        self.host = where
        self.gate = gate
        strict = settings[p.GATEPOST_COMPATIBILITY] != "postfix"
        classes = Classes(settings, lookups)
        self._options = options_of(settings, lookups, tls_ready=where.has_certificate)
        policy = Policy(settings, lookups, classes)
        for problem in policy.problems():
            if problem.message == NO_PROTECTION:
                raise problem
        command_filter = settings[p.SMTPD_COMMAND_FILTER]
        below = matches_subdomains(settings[p.PARENT_DOMAIN_MATCHES_SUBDOMAINS], p.FAST_FLUSH_DOMAINS.name)
        self._house = House(
            policy=policy,
            classes=classes,
            lists=ClientLists(settings, lookups),
            fast_flush=DomainList.of(settings[p.FAST_FLUSH_DOMAINS], below, lookups, strict=strict),
            command_filter=lookups.table(command_filter) if command_filter else None,
            content=ContentPolicy(settings, lookups),
            overrides=frozenset(word.text.lower() for word in settings[p.RECEIVE_OVERRIDE_OPTIONS]),
            message_size_limit=settings[p.MESSAGE_SIZE_LIMIT],
            sasl_enabled=settings[p.SMTPD_SASL_AUTH_ENABLE],
            tls_auth_only=self._options.tls_auth_only,
            login=where.login,
            hostname=where.hostname,
        )

    @property
    def settings(self) -> Settings:
        """What is in force."""
        return self.host.settings

    @property
    def supposed(self) -> tuple[str, ...]:
        """What was assumed of the world so far."""
        behind = self.host.lookups.supposed
        return behind if self.gate is None else tuple(dict.fromkeys((*self.gate.lookups.supposed, *behind)))

    @property
    def screens(self) -> bool:
        """Is there screening in front?"""
        return self.gate is not None

    @property
    def offers_login(self) -> bool:
        """Can anybody log in here?"""
        return self._house.sasl_enabled

    @property
    def offers_tls(self) -> bool:
        """Can anybody speak TLS here?"""
        return self._options.tls_offered and self.host.has_certificate

    def play(self, steps: Sequence[Step], guest: Guest = STRANGER, *, reacts: bool = True) -> Played:
        """The conversation that comes of these steps."""
        gate = self.gate if guest.new else None
        return _Conversation(self._options, self._house, guest, self.offers_tls, gate).play(steps, reacts)


def rehearsal(settings: Settings, read: Read = nothing) -> Rehearsal:
    """A service by its settings; `read` gives the files beside them."""
    return Rehearsal(host(settings, read))


class _Conversation:
    """One client and its session."""

    def __init__(self, options: Options, house: House, guest: Guest, offers_tls: bool, gate: Gate | None) -> None:
        self._options = options
        self._session = Session(options)
        self._judge = Judge(house, self._session, guest.client())
        self._screen = Screen(gate, guest.address, self._make) if gate is not None else None
        self._promoted = False
        self._verbs: deque[str] = deque()  # what screening has still to answer
        self._played = Played(guest)
        self._at = -1
        self._unread = 0  # replies that no step has shown yet
        self._paused = False  # what was said has arrived
        self._corked: list[bytes] | None = None  # segments that leave as one
        self._greeting: actions.Ask | None = None  # screening waits before it greets
        self._first = 0  # the first decision that no reply has told
        self._wants_tls = False
        self._secured = guest.secured and offers_tls
        self._logs_in = guest.login and house.sasl_enabled and (self._secured or not house.tls_auth_only)

    def _make(self) -> Session:
        """The real session of a client that screening lets in."""
        self._session = self._judge.session = Session(self._options)
        return self._session

    def play(self, steps: Sequence[Step], reacts: bool) -> Played:
        played = self._played
        early = 0
        while early < len(steps) and isinstance(steps[early], Send | Pause):
            step = steps[early]
            if isinstance(step, Send):  # said before the greeting can have been read
                self._feed(events.Received(step.data()))
            played.steps.append(step)
            early += 1
        self._begin()
        for self._at in range(early, len(steps)):
            following = steps[self._at + 1] if self._at + 1 < len(steps) else None
            if not self._step(steps[self._at], following if reacts else None):
                break
        self._greeted()
        self._show()
        if not played.closed:
            self._feed(events.Lost())
        played.early = self._session.turn.early
        played.judged, played.accepted = self._judge.judged, self._judge.accepted
        return played

    def _begin(self) -> None:
        session = self._session
        self._feed(events.Connected(self._secured))
        if self._logs_in:
            session.authenticated = self._judge.house.login
            self._judge.log_in("PLAIN")

    def _step(self, step: Step, following: Step | None) -> bool:
        """Do one step; False when the client has left. `following`: what it would do next, if it reacts."""
        played = self._played
        match step:
            case Send():
                self._send(step.data())
            case Pause():
                self._paused = True
            case Expect():
                if step.open or not unfinished(step.lines[-1]):
                    self._greeted()
                heard = self._show()
                return self._react(step, heard, following) if following is not None else True
            case Act(("starttls", *_)):
                self._start_tls()
            case Act(("cork", *_)):
                self._corked = []
            case Act(("uncork", *_)):
                together, self._corked = b"".join(self._corked or ()), None
                self._send(together)
            case Act(("close" | "reset" | "half-close", *_)):
                played.steps.append(step)
                self._feed(events.Lost())
                return False
            case _:
                pass
        played.steps.append(step)
        return True

    def _send(self, data: bytes) -> None:
        if self._corked is not None:
            self._corked.append(data)
            return
        self._feed(events.Received(data, unacknowledged=self._unread > 0 and not self._paused))
        self._paused = False

    def _start_tls(self) -> None:
        if self._wants_tls:
            self._wants_tls = False
            self._feed(events.TlsStarted())

    def _react(self, expected: Expect, heard: Reply | None, following: Step) -> bool:
        """What a program does that hears something else than it was recorded to hear."""
        if heard is None or expected.open:
            return True
        told, hears = _goes_ahead(expected.lines), heard.code in (334, 354)
        if told and not hears:
            self._played.gave_up = True
            self._say(QUIT)
            return False
        if hears and not told and heard.code == 354 and not _is_content(following):
            self._say(MESSAGE)
        return True

    def _say(self, more: Send) -> None:
        self._feed(events.Received(more.data()))
        self._played.steps.append(more)
        self._show()

    def _show(self) -> Reply | None:
        """What was said since the last look, as a step; the last reply of it."""
        played, said = self._played, self._played.said
        fresh = said[len(said) - self._unread :] if self._unread else []
        lines = [line for one in fresh for line in one.reply.render().decode("utf-8", "backslashreplace").splitlines()]
        self._unread = 0
        if played.closed and not (played.steps and _is_end(played.steps[-1])):
            lines.append("<closed>")
        if lines:
            played.steps.append(Expect(tuple(lines)))
        return fresh[-1].reply if fresh else None

    def _feed(self, event: events.Event) -> None:
        machine = self._session if self._screen is None else self._screen.machine
        waiting: list[events.Event] = [event]
        if self._screen is not None and isinstance(event, events.Received):
            words = (line.split() for line in event.data.decode("latin-1").split("\n"))
            verbs = (word[0].upper() for word in words if word)
            self._verbs += [verb if verb in COMMANDS else "UNKNOWN" for verb in verbs]
        self._first = len(self._judge.judged)
        while waiting:
            for action in machine.handle(waiting.pop(0)):
                if isinstance(action, actions.Ask) and action.stage is actions.Stage.GREET_WAIT:
                    self._greeting = action
                elif isinstance(action, actions.Ask):
                    waiting.append(self._answered(action))
                elif isinstance(action, actions.Send):
                    self._heard(action.reply)
                else:
                    self._perform(action)

    def _greeted(self) -> None:
        """The wait before the greeting is over: from now on the client is not too early."""
        while self._greeting is not None and self._screen is not None:
            asked, self._greeting = self._greeting, None
            self._feed(self._screen.answer(asked))

    def _answered(self, ask: actions.Ask) -> events.Answered:
        if self._screen is not None and ask.stage is actions.Stage.SCREEN:
            return self._screen.answer(ask)
        return self._judge.answer(ask)

    def _heard(self, reply: Reply) -> None:
        """A reply was sent."""
        judge = self._judge
        reply = reply.softened() if self._options.soft_bounce else reply
        if self._screen is not None and not self._promoted:
            where = self._verbs.popleft() if self._verbs and reply.code != 220 else "CONNECT"
            judged = self._screen.judged(reply, where)
            judge.judged += judged
        else:
            judged = tuple(judge.judged[self._first :])
            where = _where(reply, judged, self._session)
        self._first = len(judge.judged)
        self._played.said.append(Said(self._at, where, reply, judged))
        self._unread += 1

    def _perform(self, action: object) -> None:
        match action:
            case actions.Content(data=data):
                self._judge.content += data
            case actions.Abandon():
                self._judge.forget()
            case actions.StartTls():
                self._wants_tls = True
            case actions.HangUp():
                self._played.closed = True
            case Promote() | Demote():
                self._promoted = isinstance(action, Promote)
            case Caught() if self._screen is not None:
                self._screen.caught(action)
            case _:
                pass


def _where(reply: Reply, judged: Sequence[Judged], session: Session) -> str:
    """Behind which command a reply was given. The session may have read on since, or not have got that far."""
    if judged:
        return judged[-1].where
    if reply == sentences.STARTTLS_FIRST or "access denied" in reply.text:
        return session.verb.upper()
    return next((where for known, where in WHERE.items() if reply == known), session.where)


def _is_content(step: Step) -> bool:
    """Does the client go on with a message anyway?"""
    return isinstance(step, Send) and any(text == "." for text, line in step.parts if line)


def _goes_ahead(lines: Sequence[str]) -> bool:
    return any(line.startswith(("354", "334")) for line in lines[-1:])


def _is_end(step: Step) -> bool:
    return isinstance(step, Expect) and step.lines[-1] == "<closed>"

