"""A driver for the SMTP core without sockets: answers every question by a rule, records what is said and asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from gatepost.smtp import events
from gatepost.smtp.actions import Abandon, Ask, Content, HangUp, Observed, Send, Stage, StartTls
from gatepost.smtp.options import Options, Rights
from gatepost.smtp.reply import Reply
from gatepost.smtp.session import Session

Rule = Callable[[Stage, object], events.Answered]


def agree(stage: Stage, subject: object) -> events.Answered:
    """Everything is allowed; a login succeeds when its response is `good`."""
    if stage is Stage.END_OF_MESSAGE:
        return events.Answered(Reply(250, "2.0.0", "Ok: queued as ID"))
    if stage is Stage.AUTH:
        response = getattr(subject, "response", None)
        if response is None:
            return events.Answered(Reply(334, "", ""))
        if response == "good":
            return events.Answered(Reply(235, "2.7.0", "Authentication successful"), "joe")
        return events.Answered(Reply(535, "5.7.8", "Error: authentication failed: no"))
    if stage is Stage.COMMAND:
        return events.Answered(None, subject)
    return events.Answered()


@dataclass
class Talk:
    """One conversation. `said`: reply lines; `asked`: stages with their subjects; `facts`: what was observed."""

    options: Options = field(default_factory=lambda: Options(hostname="mx.example", banner="mx.example ESMTP"))
    rights: Rights = field(default_factory=Rights)
    rule: Rule = agree
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    facts: list[object] = field(default_factory=list)
    messages: list[bytes] = field(default_factory=list)
    content: bytes = b""
    closed: bool = False

    def __post_init__(self) -> None:
        self.session = Session(self.options, self.rights)

    def begin(self) -> Talk:
        """Connect."""
        self.feed(events.Connected())
        return self

    def send(self, data: bytes, *, unacknowledged: bool = False) -> list[str]:
        """One segment from the client -> the replies it led to."""
        before = len(self.said)
        self.feed(events.Received(data, unacknowledged))
        return self.said[before:]

    def feed(self, event: events.Event) -> None:
        """Feed an event and answer what is asked until nothing is."""
        queue: list[events.Event] = [event]
        while queue:
            for action in self.session.handle(queue.pop(0)):
                match action:
                    case Send(reply):
                        self.said.extend(reply.render().decode("utf-8", "surrogateescape").splitlines())
                    case Ask(stage, subject):
                        self.asked.append(f"{stage.name} {subject}")
                        if stage is Stage.END_OF_MESSAGE:
                            self.messages.append(self.content)
                            self.content = b""
                        queue.append(self.rule(stage, subject))
                    case Content(data):
                        self.content += data
                    case Abandon():
                        self.content = b""
                    case StartTls():
                        queue.append(events.TlsStarted())
                    case Observed(fact):
                        self.facts.append(fact)
                    case HangUp():
                        self.closed = True
