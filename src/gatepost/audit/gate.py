"""How is a client screened in a rehearsal? The machine of a postscreen service, for a client that nobody knows yet.

Screening's own machine (screen/screening.py) runs, with a memory that holds nobody, DNS lists that list nobody, and a
clock that only waiting moves: what is waited for is over at once, and what a client said before was said too early.
Once it has passed, the session of the smtpd behind goes on. This file must not know sockets nor dialogues.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import gatepost.config.parameters as p
from gatepost.audit.host import Host
from gatepost.audit.judge import Judged, at_once
from gatepost.audit.supposed import Supposed
from gatepost.config.settings import Settings
from gatepost.lookup.tolerance import ExemptClients
from gatepost.policy.verdict import Decision, Outcome, Step
from gatepost.screen.access import AccessList, Interfaces
from gatepost.screen.actions import Caught, Waited
from gatepost.screen.clients import ClientRecord, Clients
from gatepost.screen.memory import NotKnown
from gatepost.screen.rules import Rules
from gatepost.screen.screening import Screened
from gatepost.screen.standing import Grounds, standing
from gatepost.screen.trials import DEEP, TRIALS, Penalty
from gatepost.smtp.actions import Ask, Stage
from gatepost.smtp.events import Answered
from gatepost.smtp.reply import Reply
from gatepost.smtp.session import Session

NOW = 1_000_000_000  # Unix time of every rehearsal


class Nobody:
    """A memory that holds nobody."""

    configured = False

    def get_now(self, address: str) -> str | NotKnown | None:
        """No record."""
        return None

    async def get(self, address: str) -> str | None:
        """No record."""
        return None

    async def offended(self, address: str) -> bool:
        """Not that anybody knew."""
        return False


@dataclass(frozen=True, slots=True)
class NotListed:
    """What the DNS lists say."""

    points: int = 0
    worst_list: str = ""
    ttl: int = 3600


@dataclass(frozen=True, slots=True)
class Gate:
    """What the sessions of one postscreen service share. `settings`: its own; `lookups`: whom it asks."""

    settings: Settings
    lookups: Supposed
    rules: Rules
    grounds: Grounds

    @classmethod
    def of(cls, host: Host) -> Gate:
        """The gate of a service's host. ConfigError for what cannot be."""
        settings, lookups = host.settings, host.lookups
        rules = Rules.of(settings, lookups, tls_ready=host.has_certificate)
        clients = Clients(settings[p.POSTSCREEN_PRE_QUEUE_LIMIT], _unheard)
        grounds = Grounds(rules, AccessList.of(settings, lookups, info=_unheard, warn=_unheard),
                          Interfaces.of(settings, lookups, warn=_unheard), clients, Nobody(),
                          ExemptClients(settings, lookups))
        return cls(settings, lookups, rules, grounds)


class Screen:
    """One client before the gate. `make` gives its real session when it has passed."""

    def __init__(self, gate: Gate, address: str, make: Callable[[], Session]) -> None:
        self._gate = gate
        self._client = ClientRecord(address)
        self._client.concurrency = 1
        self._caught: list[Caught] = []
        self._waited = 0.0
        self.make = make
        self.machine = Screened(gate.rules, address, self)

    # ------------------------------------------------------------------ what the machine asks of its place

    stressed = False
    free = True

    def now(self) -> int:
        """Unix time."""
        return NOW

    def monotonic(self) -> float:
        """Seconds: only what is waited for takes time here."""
        return self._waited

    @property
    def shared(self) -> ClientRecord:
        """What the client's sessions share: it has one."""
        return self._client

    # ------------------------------------------------------------------ for whoever performs

    def answer(self, ask: Ask) -> Answered:
        """The answer to one of screening's questions."""
        if ask.stage is Stage.SCREEN:
            return Answered(context=at_once(standing(self._gate.grounds, self._client, "127.0.0.1", NOW)))
        self._waited += ask.subject.seconds
        return Answered(context=Waited(NotListed() if ask.subject.dnsbl else None))

    def caught(self, action: Caught) -> None:
        """It failed a trial."""
        self._caught.append(action)

    def judged(self, reply: Reply, where: str) -> tuple[Judged, ...]:
        """What led to a reply of screening's own: the trial that it failed, or those that have to be passed first."""
        if reply.positive:
            return ()
        costly = [each for each in self._caught if each.penalty is not Penalty.IGNORE]
        if costly:
            name = f"{costly[-1 if reply.hangs_up else 0].trial.parameters}_action"
        elif reply.code == 450:
            deep = [trial for trial in TRIALS if trial.bit & DEEP & self._gate.rules.enabled]
            name = f"{deep[0].parameters}_enable" if deep else ""
        else:
            name = "postscreen_access_list" if reply.status == "5.3.2" else ""
        if not name:
            return ()
        token = f"{name} = {' '.join((self._gate.settings.text(name) or '').split())}"
        step = Step(name, token, self._gate.settings.span(name), Outcome.REJECT, reply)
        return (Judged("screen", where, "", Decision(reply, trace=[step])),)


def _unheard(_: str) -> None:
    """Log lines that nobody reads."""
