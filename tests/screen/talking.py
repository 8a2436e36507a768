"""A screened client on paper: events in, what it hears and what is told out. Questions are answered at once, waits by a
clock that jumps; the real session is the real one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from gatepost.screen import actions, facts, lines
from gatepost.screen.clients import ClientRecord
from gatepost.screen.rules import Rules
from gatepost.screen.screening import Screened
from gatepost.screen.standing import Standing
from gatepost.screen.trials import Stamps
from gatepost.smtp.actions import Ask, Content, HangUp, Observed, Send, Stage, StartTls
from gatepost.smtp.events import Answered, Connected, Elapsed, Event, Lost, Received, TlsStarted
from gatepost.smtp.options import Options, Rights
from gatepost.smtp.reply import Reply
from gatepost.smtp.session import Session

NOW = 1_000_000
ADDRESS = "192.0.2.1"
PARTIES = facts.Parties(ADDRESS, "4000", "198.51.100.1", "25")
ASKED = frozenset({Stage.PEER, Stage.CONNECT, Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.END_OF_MESSAGE})


@dataclass
class Score:
    """What DNS lists say."""

    points: int = 0
    worst_list: str = ""
    ttl: int = 60


@dataclass
class Client:
    """One connection. `heard`: replies, one text each; `told`: log lines of screening, and the real session's facts by
    name; `learned`: records written, None where one was removed."""

    rules: Rules
    todo: int
    stamps: Stamps = field(default_factory=Stamps)
    score: Score | None = None
    stressed: bool = False
    deaf: bool = False  # its TCP acknowledges nothing
    free: bool = True
    refuse: dict[Stage, Reply] = field(default_factory=dict)  # the outside's answers
    options: Options = field(default_factory=lambda: Options(hostname="mx.test", banner="mx.test ESMTP"))
    rights: dict[str, Any] = field(default_factory=dict)  # of the real session, what differs
    shared: ClientRecord = field(default_factory=lambda: ClientRecord(ADDRESS))
    wait_for_answer: frozenset[Stage] = frozenset()  # these questions are answered by answer()
    time: float = 0.0
    heard: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    learned: list[str | None] = field(default_factory=list)
    caught: list[tuple[str, str, str]] = field(default_factory=list)
    content: bytes = b""
    sessions: int = 0
    promoted: bool = False
    closed: bool = False
    looks: int = 0
    handshake: bool = False
    standing: Standing | None = None
    open: Ask | None = None

    def __post_init__(self) -> None:
        self.screened = Screened(self.rules, ADDRESS, self)
        self.feed(Connected())

    # -- the place

    def now(self) -> int:
        return NOW + int(self.time)

    def monotonic(self) -> float:
        return self.time

    def make(self) -> Session:
        self.sessions += 1
        return Session(self.options, Rights(namaddr=f"unknown[{ADDRESS}]", asks=ASKED, **self.rights))

    # -- the client

    def say(self, *said: str | bytes, early: bool = False) -> list[str]:
        """Each of these in a segment of its own; text is a line -> what is heard after that."""
        before = len(self.heard)
        for each in said:
            self.feed(Received(each if isinstance(each, bytes) else each.encode() + b"\r\n", early))
        return self.heard[before:]

    def leave(self) -> None:
        """The client hangs up."""
        self.feed(Lost())

    def wait(self) -> None:
        """A time limit is over."""
        self.feed(Elapsed())

    def shake(self) -> None:
        """The handshake."""
        assert self.handshake
        self.handshake = False
        self.feed(TlsStarted())

    def answer(self) -> None:
        """The answer to the open question."""
        assert self.open is not None
        ask, self.open = self.open, None
        self._ask(ask)

    # -- the outside

    def feed(self, event: Event) -> None:
        todo: list[Any] = list(self.screened.handle(event))
        for action in todo:
            self._perform(action)
            if self.closed:
                assert action is todo[-1], "actions behind the end"

    def _perform(self, action: Any) -> None:
        assert not self.closed, "something after the end"
        match action:
            case Send():
                self.heard.append(action.reply.render().decode("utf-8", "surrogateescape").rstrip("\r\n"))
            case actions.Tease():
                self.heard.append(action.render().decode().rstrip("\r\n"))
            case Observed():
                known = lines.is_known(action.fact)
                self.told.append(lines.line(action.fact, PARTIES) if known else type(action.fact).__name__)
            case Ask() if action.stage in self.wait_for_answer:
                self.open = action
            case Ask():
                self._ask(action)
            case actions.LookAgain():
                self.looks += 1
            case actions.Learn():
                self.learned.append(action.record)
            case actions.Restore():
                self.learned.append(action.record)
            case actions.Caught():
                self.caught.append((action.trial.name, action.penalty.value, action.evidence))
            case actions.Promote():
                self.promoted = True
            case actions.Demote():
                self.promoted = False
            case StartTls():
                self.handshake = True
            case HangUp():
                self.closed = True
            case Content():
                self.content += action.data

    def _ask(self, ask: Ask) -> None:
        if ask.stage is Stage.SCREEN:
            self.feed(Answered(context=self.standing or Standing(self.stamps, todo=self.todo, new=self.stamps.new)))
        elif ask.stage is Stage.GREET_WAIT:
            self.time += ask.subject.seconds
            self.feed(Answered(context=actions.Waited(self.score if ask.subject.dnsbl else None, self.deaf)))
        else:
            self.feed(Answered(self.refuse.get(ask.stage)))


def together(lines: Iterable[str]) -> bytes:
    """Lines in one segment."""
    return "".join(line + "\r\n" for line in lines).encode()
