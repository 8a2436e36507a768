"""What might a client do? The project's dialogues as behaviours: the client's side, addressed to whom a host serves.

Many recordings hold the same steps under different configurations: those are one behaviour. The domains and users of
the lab (dialogues/base/main.cf) stand for a domain that the host serves and its users; everything else is a stranger's.
This file must not know what a behaviour is worth.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from gatepost.audit.host import Host
from gatepost.dialogue.collection import dialogue, dialogues
from gatepost.dialogue.format import Act, Dialogue, Expect, Send, Step

GROUPS = ("proofs", "pipelining-smtpd", "smuggling", "restrictions", "postscreen")
SPEAKING = ("proofs", "pipelining-smtpd", "smuggling")
"""Groups whose titles say what the client does; those of the others say how the server was configured."""
OURS = re.compile(r"\b(?:example|virt|alias|relay)\.test\b")
STRAY = re.compile(rb"(?<!\r)\n|\r(?!\n)")
OUR_NAME = "mx.example.test"
ELSEWHERE = ("open", "use")  # actions that need a second connection
LONGEST = 100_000  # bytes that a behaviour may send


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What a client does: `title` in words, `names` of the dialogues that do it, the steps with the lab's addresses."""

    title: str
    names: tuple[str, ...]
    steps: tuple[Step, ...]

    def addressed(self, host: Host) -> tuple[Step, ...]:
        """The steps, spoken to this host."""
        return addressed(self.steps, host)

    def titled(self, host: Host) -> str:
        """The title, with the addresses of this host."""
        return _there(self.title, host)

    @property
    def strays(self) -> bool:
        """Is there a CR or an LF that is not half of a CRLF?"""
        return any(isinstance(step, Send) and STRAY.search(step.data()) for step in self.steps)


def swapped(steps: Sequence[Step], swaps: Mapping[str, str]) -> tuple[Step, ...]:
    """Steps in which some texts are others."""

    def other(text: str) -> str:
        for old, new in swaps.items():
            text = text.replace(old, new)
        return text

    return tuple(Send(tuple((other(text), line) for text, line in step.parts)) if isinstance(step, Send) else step
                 for step in steps)


def addressed(steps: Sequence[Step], host: Host) -> tuple[Step, ...]:
    """Steps of the lab, spoken to the users of another host."""
    return tuple(Send(tuple((_there(text, host), line) for text, line in step.parts)) if isinstance(step, Send)
                 else step for step in steps)


def _there(text: str, host: Host) -> str:
    return OURS.sub(host.domain, text.replace(OUR_NAME, host.hostname))


def named(name: str) -> Behaviour:
    """The behaviour of one dialogue. KeyError when there is no such dialogue."""
    found = dialogue(name)
    return Behaviour(_title(name, found), (name,), tuple(found.steps))


@cache
def behaviours() -> tuple[Behaviour, ...]:
    """All, each once."""
    found: dict[object, Behaviour] = {}
    for name, one in dialogues(*GROUPS):
        if not _fits(one):
            continue
        key = tuple(_shape(one.steps))
        known = found.get(key)
        if known is None:
            found[key] = Behaviour(_title(name, one), (name,), tuple(one.steps))
        else:
            steps = max(known.steps, tuple(one.steps), key=_goes_ahead)
            found[key] = Behaviour(known.title, (*known.names, name), steps)
    return tuple(found.values())


def _fits(one: Dialogue) -> bool:
    if any(isinstance(step, Act) and step.words[0] in ELSEWHERE for step in one.steps):
        return False
    return 0 < sum(len(step.data()) for step in one.steps if isinstance(step, Send)) < LONGEST


def _shape(steps: Sequence[Step]) -> Iterator[object]:
    """What makes two dialogues the same behaviour: what is sent, and where the client waits."""
    for step in steps:
        if isinstance(step, Send):
            yield OURS.sub("", step.data().decode("latin-1"))
        elif not isinstance(step, Expect):
            yield step
        else:
            yield None


def _goes_ahead(steps: Sequence[Step]) -> int:
    """How often the client was told to go ahead: of equal scripts the one that was accepted knows most."""
    return sum(line.startswith(("354", "334")) for step in steps if isinstance(step, Expect) for line in step.lines)


def _title(name: str, one: Dialogue) -> str:
    group = name.partition("/")[0]
    if group in SPEAKING:
        return one.title.partition(";")[0].strip()
    commands = [text for step in one.steps if isinstance(step, Send) for text, _ in step.parts if text]
    telling = [text for text in commands if re.match(r"(HELO|EHLO|MAIL|RCPT|VRFY|ETRN|AUTH|BDAT|STARTTLS)\b", text,
                                                    re.IGNORECASE)] or commands
    telling = [text for text in telling if text != "EHLO client.example"] or telling
    words = ", ".join(dict.fromkeys(telling))
    return words if len(words) <= 90 else words[:87] + "..."
