"""How would this conversation go under that configuration? A dialogue played on our own engine, without a server.

No socket, thread, clock or network: the SMTP core (smtp/session.py) asks, policy answers (judge.py), the world is
supposed (supposed.py). The client does what the dialogue says; where it `reacts`, it does what a program would do that
hears another answer than the one in the dialogue: it sends no message after a refused DATA, and sends one when it is
told to go ahead. This file must not know what a verdict is worth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import gatepost.config.parameters as p
from gatepost.audit.guest import STRANGER, Guest
from gatepost.audit.host import Host, host
from gatepost.audit.judge import Accepted, House, Judge, Judged
from gatepost.audit.supposed import Read, nothing
from gatepost.config.settings import Settings
from gatepost.deliver.content import ContentPolicy
from gatepost.dialogue.format import Act, Expect, Pause, Send, Step
from gatepost.lookup.classes import Classes
from gatepost.lookup.match import DomainList, matches_subdomains
from gatepost.policy.evaluate import Policy
from gatepost.policy.options import ClientLists, options_of
from gatepost.policy.program import NO_PROTECTION
from gatepost.smtp import actions, events, sentences
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
    a session needs does not read, or when smtpd would not start for want of protection against relaying."""

    def __init__(self, where: Host) -> None:
        settings, lookups = where.settings, where.lookups
        self.host = where
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
        return self.host.lookups.supposed

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
        return _Conversation(self._options, self._house, guest, self.offers_tls).play(steps, reacts)


def rehearsal(settings: Settings, read: Read = nothing) -> Rehearsal:
    """A service by its settings; `read` gives the files beside them."""
    return Rehearsal(host(settings, read))


class _Conversation:
    """One client and its session."""

    def __init__(self, options: Options, house: House, guest: Guest, offers_tls: bool) -> None:
        client = guest.client()
        self._session = Session(options)
        self._judge = Judge(house, self._session, client)
        self._played = Played(guest)
        self._at = -1
        self._unread = 0  # replies that no step has shown yet
        self._paused = False  # what was said has arrived
        self._corked: list[bytes] | None = None  # segments that leave as one
        self._wants_tls = False
        self._secured = guest.secured and offers_tls
        self._logs_in = guest.login and house.sasl_enabled and (self._secured or not house.tls_auth_only)

    def play(self, steps: Sequence[Step], reacts: bool) -> Played:
        played, session = self._played, self._session
        early = 0
        while early < len(steps) and isinstance(steps[early], Send | Pause):
            step = steps[early]
            if isinstance(step, Send):  # said before the greeting can have been read
                self._feed(events.Received(step.data()))
            played.steps.append(step)
            early += 1
        self._begin()
        for self._at in range(early, len(steps)):
            if not self._step(steps[self._at], reacts and _goes_on(steps, self._at)):
                break
        self._show(())
        if not played.closed:
            self._feed(events.Lost())
        played.early = session.turn.early
        played.judged, played.accepted = self._judge.judged, self._judge.accepted
        return played

    def _begin(self) -> None:
        session = self._session
        self._feed(events.Connected(self._secured))
        if self._logs_in:
            session.authenticated = self._judge.house.login
            self._judge.log_in("PLAIN")

    def _step(self, step: Step, reacts: bool) -> bool:
        """Do one step; False when the client has left."""
        played = self._played
        match step:
            case Send():
                self._send(step.data())
            case Pause():
                self._paused = True
            case Expect():
                heard = self._show(step.lines)
                return self._react(step, heard) if reacts else True
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

    def _react(self, expected: Expect, heard: Reply | None) -> bool:
        """What a program does that hears something else than it was recorded to hear."""
        if heard is None or expected.open:
            return True
        told, hears = _goes_ahead(expected.lines), heard.code in (334, 354)
        if told and not hears:
            self._played.gave_up = True
            self._say(QUIT)
            return False
        if hears and not told and heard.code == 354:
            self._say(MESSAGE)
        return True

    def _say(self, more: Send) -> None:
        self._feed(events.Received(more.data()))
        self._played.steps.append(more)
        self._show(())

    def _show(self, expected: Sequence[str]) -> Reply | None:
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
        session, judge, played = self._session, self._judge, self._played
        waiting: list[events.Event] = [event]
        first = len(judge.judged)
        while waiting:
            for action in session.handle(waiting.pop(0)):
                match action:
                    case actions.Send(reply=reply):
                        reply = reply.softened() if session.options.soft_bounce else reply
                        judged, first = tuple(judge.judged[first:]), len(judge.judged)
                        played.said.append(Said(self._at, _where(reply, judged, session), reply, judged))
                        self._unread += 1
                    case actions.Ask():
                        waiting.append(judge.answer(action))
                    case actions.Content(data=data):
                        judge.content += data
                    case actions.Abandon():
                        judge.forget()
                    case actions.StartTls():
                        self._wants_tls = True
                    case actions.HangUp():
                        played.closed = True
                    case _:
                        pass


def _where(reply: Reply, judged: Sequence[Judged], session: Session) -> str:
    """Behind which command a reply was given. The session may have read on since, or not have got that far."""
    if judged:
        return judged[-1].where
    if reply == sentences.STARTTLS_FIRST or "access denied" in reply.text:
        return session.verb.upper()
    return next((where for known, where in WHERE.items() if reply == known), session.where)


def _goes_on(steps: Sequence[Step], at: int) -> bool:
    """Is this an answer that the client waits for and acts upon? Not when everything was said before."""
    return at + 1 < len(steps) and isinstance(steps[at], Expect)


def _goes_ahead(lines: Sequence[str]) -> bool:
    return any(line.startswith(("354", "334")) for line in lines[-1:])


def _is_end(step: Step) -> bool:
    return isinstance(step, Expect) and step.lines[-1] == "<closed>"

