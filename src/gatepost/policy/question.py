"""What does a restriction see? The question of one stage: facts, the list it stands in, ways to look things up.

A Question lives for one decision. Restrictions read it, look things up through it and note down what they asked; what
becomes of their answers is the engine's matter (evaluate.py). This file must not know any restriction.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from gatepost.lookup.ask import DnsFailure, LookupFailure, Lookups, Table, is_immediate
from gatepost.policy.facts import Facts
from gatepost.policy.refusal import Refusal
from gatepost.policy.restriction import Answer, Needs
from gatepost.policy.verdict import Effect, Outcome, Step
from gatepost.smtp.reply import Reply

if TYPE_CHECKING:
    from gatepost.config.settings import Settings
    from gatepost.lookup.classes import Classes, Resolved
    from gatepost.policy.lists import Lists
    from gatepost.policy.program import Program


@dataclass(slots=True, init=False)
class Subject:
    """What is being judged, as replies and logs call it: `<name>: class_ rejected: ...`."""

    name: str
    class_: str

    def __init__(self, name: str, class_: str) -> None:
        self.name = name
        self.class_ = class_

    def rejected(self, why: str) -> str:
        """The text of a refusal."""
        return f"<{self.name}>: {self.class_} rejected: {why}"


NOBODY = Subject("", "")


class Evaluates(Protocol):
    """The engine, for lists within lists: restriction classes, and what access tables or policy servers give."""

    def run(self, program: Program, question: Question, subject: Subject) -> Outcome | Awaitable[Outcome]:
        """Run a list about `subject`. On REJECT `question.reply` is set. Only what really waits is to be awaited."""

    async def evaluate_text(self, question: Question, text: str, subject: Subject, origin: str) -> Answer:
        """Run `text` as a list in place."""


class Question:
    """One decision in the making."""

    __slots__ = ("asked", "classes", "default", "deferred_if_permit", "deferred_if_reject", "depth", "discarded",
                 "effects", "engine", "facts", "hangup", "known", "list_name", "lists", "log", "lookups", "recipient",
                 "recipient_checked", "reply", "resolved", "sender_checked", "settings", "subject", "trace", "warn")

    def __init__(self, facts: Facts, settings: Settings, lookups: Lookups, classes: Classes, lists: Lists,
                 engine: Evaluates) -> None:
        self.facts = facts
        self.settings = settings
        self.lookups = lookups
        self.classes = classes
        self.lists = lists
        self.engine = engine
        self.subject = NOBODY
        self.default = ""  # what a bare table in this list stands for
        self.recipient = facts.recipient
        self.list_name = ""
        self.warn = False  # behind warn_if_reject
        self.depth = 0
        self.discarded = self.hangup = self.sender_checked = self.recipient_checked = False
        self.deferred_if_permit: Refusal | None = None
        self.deferred_if_reject: Refusal | None = None
        self.reply: Reply | None = None
        self.log: list[tuple[str, str]] = []
        self.effects: list[Effect] = []
        self.trace: list[Step] = []
        self.asked: list[tuple[str, str, str]] = []  # what the restriction at hand asked
        self.resolved: dict[tuple[str, bool], Resolved] | None = None
        self.known = self._known()

    def _known(self) -> int:
        """What there is, as the bits of Needs."""
        facts = self.facts
        known = 0
        if facts.helo is not None or facts.helo_raw is not None:
            known |= 1
        if facts.sender is not None:
            known |= 10 if facts.sender else 2
        if self.recipient is not None:
            known |= 4
        if facts.etrn_domain is not None:
            known |= 16
        return known

    def without_recipient(self) -> None:
        """After DATA a single recipient is looked at only when there is just one."""
        self.recipient = None
        self.known &= ~int(Needs.RECIPIENT)

    def refuse(self, code: int, status: str, why: str, *, stored: Outcome = Outcome.REJECT,
               stern: bool = False) -> Refusal:
        """`CODE STATUS <subject>: CLASS rejected: why`, about what the list is about."""
        return Refusal(code, status, self.subject.rejected(why), stored, stern)

    def warning(self, text: str) -> None:
        """A `warning: TEXT` line for the log."""
        self.log.append(("warning", text))

    def note(self, about: str, key: str, result: str) -> None:
        """Keep for the trace what was asked and what came back."""
        self.asked.append((about, key, result))

    @property
    def helo(self) -> str:
        """The HELO name; as sent when HELO itself is being answered."""
        facts = self.facts
        if facts.helo_raw is not None and facts.where in ("HELO", "EHLO"):
            return facts.helo_raw
        return facts.helo or ""

    @property
    def client(self) -> Subject:
        return Subject(self.facts.client.namaddr, "Client host")

    @property
    def sender(self) -> Subject:
        return Subject(self.facts.sender or "", "Sender address")

    @property
    def recipient_subject(self) -> Subject:
        return Subject(self.recipient or "", "Recipient address")

    async def resolve(self, address: str, *, sender: bool = False) -> Resolved:
        """The address after rewriting, its class and transport; once per decision."""
        found = self.resolved_now(address, sender=sender)
        if found is None:
            giver = "" if sender else self.facts.sender or ""
            found = await self.classes.resolve(address, sender=sender, mail_from=giver)
            self._keep(address, sender, found)
        return found

    def resolved_now(self, address: str, *, sender: bool = False) -> Resolved | None:
        """The same when it is at hand; None when it has to be asked."""
        if self.resolved is not None and (found := self.resolved.get((address, sender))) is not None:
            return found
        found = self.classes.resolved_now(address, sender=sender, mail_from="" if sender else self.facts.sender or "")
        if found is not None:
            self._keep(address, sender, found)
        return found

    def _keep(self, address: str, sender: bool, found: Resolved) -> None:
        if self.resolved is None:
            self.resolved = {}
        self.resolved[address, sender] = found

    async def get(self, table: Table, key: str) -> str | None:
        """One table lookup, noted down; waits only when the table is not in memory."""
        try:
            value = table.get_now(key) if is_immediate(table) else await table.get(key)
        except LookupFailure as failure:
            self.asked.append((table.spec, key, f"failed: {failure.reason}"))
            raise
        self.asked.append((table.spec, key, "not found" if value is None else value))
        return value

    def dns(self, kind: str, name: str, result: object) -> None:
        """Keep a DNS answer for the trace."""
        shown = f"{result.status.value}" if isinstance(result, DnsFailure) else str(result)
        self.asked.append((kind, name, shown))
