"""The dialogues without sockets: the SMTP core with the gateway's own answers, in microseconds, in several cuttings.

Played are those that need nothing of TCP or TLS or time: sends and replies. A dialogue in which the client talks out of
turn owns its segments and is played as recorded; every other one must get the same replies however its bytes are cut.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from gatepost.config.load import load as load_configuration
from gatepost.dialogue.format import Dialogue, Expect, Send
from gatepost.observe.log import Log
from gatepost.server.connections import Connections
from gatepost.server.gateway import Gateway
from gatepost.server.listener import Door
from gatepost.server.perform import Performer
from gatepost.server.queue_manager import QueueManager
from gatepost.smtp.actions import Action
from gatepost.smtp.events import Connected, Event, Lost, Received
from gatepost.smtp.session import Session
from tests.lab import DIALOGUES, load, write_config
from tests.test_dialogues import is_listed

GROUPS = ("pipelining-smtpd", "restrictions", "smuggling")
TIMED = {"timeout", "connection-count", "rate", "queue-minfree", "soft-error"}

Cut = Callable[[bytes], list[bytes]]


def fits(dialogue: Dialogue) -> bool:
    """Nothing in it needs a socket, another connection, a password server or time."""
    return (not dialogue.auth and all(isinstance(step, Send | Expect) for step in dialogue.steps)
            and not any(word in dialogue.name for word in TIMED)
            and not any("smtpd_upstream_proxy" in line or "wrappermode" in line for line in dialogue.config))


RECORDED = {f"{path.parent.name}/{path.stem}": path for group in GROUPS for path in (DIALOGUES / group).glob("*.gold")
            if fits(load(path))}  # fmt: skip


class Paper:
    """A connection without a socket: what is said is kept."""

    def __init__(self, client: str) -> None:
        self.peer_address, self.peer_port = client, "12345"
        self.local_address, self.local_port = "127.0.0.1", "25"
        self.secured = None
        self.said = b""
        self.closed = False
        self.session: Session
        self.performer: Performer
        self._later: list[Event] = []
        self._busy = False
        self._task: asyncio.Future[None] | None = None

    def send(self, data: bytes) -> None:
        self.said += data

    def hang_up(self) -> None:
        self.closed = True

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def feed(self, event: Event) -> None:
        self._later.append(event)
        if self._busy:
            return
        self._busy = True
        while self._later:
            actions: list[Action] = self.session.handle(self._later.pop(0))
            waiting = self.performer.act(actions) if actions else None
            if waiting is not None:
                self._task = asyncio.ensure_future(waiting)
        self._busy = False

    async def settled(self) -> None:
        """No question is open any more."""
        while self.session.asked is not None and not self.closed:  # noqa: ASYNC110  # a session has no event to wait for
            await asyncio.sleep(0.0005)


async def play(dialogue: Dialogue, door: Door, cut: Cut) -> Paper:
    paper = Paper(dialogue.client)
    session, performer = door.attend(paper)  # type: ignore[arg-type]  # a stand-in for a Connection
    assert isinstance(session, Session) and isinstance(performer, Performer)
    paper.session, paper.performer = session, performer
    steps = list(dialogue.steps)
    while steps and isinstance(steps[0], Send):  # said before the greeting can have been read
        paper.feed(Received(steps.pop(0).data()))
    paper.feed(Connected())
    await paper.settled()
    for step in steps:
        if isinstance(step, Send):
            for piece in cut(step.data()):
                paper.feed(Received(piece))
                if cut is not whole:
                    await paper.settled()
        else:
            await paper.settled()
    await paper.settled()
    if not paper.closed:
        paper.feed(Lost())
    performer.closed()
    return paper


def whole(data: bytes) -> list[bytes]:
    return [data]


def bytewise(data: bytes) -> list[bytes]:
    return [data[at:at + 1] for at in range(len(data))] if len(data) < 4000 else [data]


def in_threes(data: bytes) -> list[bytes]:
    return [data[at:at + 3] for at in range(0, len(data), 3)] if len(data) < 20000 else [data]


def heard(paper: Paper) -> list[str]:
    text = paper.said.decode("utf-8", "backslashreplace")
    return [re.sub(r"queued as \w+", "queued as <QID>", line) for line in text.split("\r\n") if line]


def recorded(dialogue: Dialogue) -> list[str]:
    return [line.replace("\\s", " ") for step in dialogue.steps if isinstance(step, Expect) for line in step.lines
            if not line.startswith("<")]  # fmt: skip


@pytest.mark.parametrize("name", sorted(RECORDED))
def test_the_core_answers_as_recorded(name: str, tmp_path: Path) -> None:
    if is_listed(name, "postfix"):
        pytest.skip("listed in docs/differences.md")
    dialogue = load(RECORDED[name])
    conf = write_config(tmp_path, dialogue, 2525, ["gatepost_compatibility = postfix", "gatepost_greet_pause = 0"])

    async def run() -> None:
        log = Log([])
        gateway = Gateway(lambda: load_configuration(str(conf)), log, QueueManager(log))
        door = (await gateway.doors(Connections(asyncio.get_running_loop())))[0]
        await gateway.adopt()
        try:
            played = await play(dialogue, door, whole)
            expected = [line.replace("\\xc3\\xa4", "ä").replace("\\xc3\\xbc", "ü") for line in recorded(dialogue)]
            assert heard(played) == expected
            if played.session.turn.early is None:
                for cut in (bytewise, in_threes):
                    assert heard(await play(dialogue, door, cut)) == expected, cut.__name__
        finally:
            await gateway.finish()

    asyncio.run(run())


def test_enough_of_them_fit() -> None:
    assert len(RECORDED) > 200
