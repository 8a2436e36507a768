"""May it go on? The stages of a session: which lists are run when, and what is carried from one to the next.

Order at RCPT with smtpd_delay_reject: client, helo, sender, unlisted sender, relay and recipient, what waits for a
permit, unlisted recipient. Contract: `decide` never suspends when nothing that is asked has to wait, so that a caller
may run it with a single send(None). The caller keeps `facts.carried` from stage to stage (facts.py). This file must not
know how a list is run.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import gatepost.config.parameters as p
from gatepost.config.parameter import Parameter, Word
from gatepost.config.settings import Settings
from gatepost.lookup.ask import Lookups
from gatepost.lookup.classes import Classes
from gatepost.lookup.verify_sender import VerifySender
from gatepost.policy.engine import Engine
from gatepost.policy.facts import Facts
from gatepost.policy.lists import Lists, level
from gatepost.policy.program import NO_PROTECTION, Compiler, Program, Protection, alone
from gatepost.policy.question import Question, Subject
from gatepost.policy.refusal import Refusal
from gatepost.policy.restrictions.recipient import reject_unlisted_recipient, reject_unlisted_sender
from gatepost.policy.verdict import PERMITTED, Decision, Outcome
from gatepost.span import ConfigError, Span

LISTS: dict[str, tuple[Parameter[tuple[Word, ...]], str]] = {
    "client": (p.SMTPD_CLIENT_RESTRICTIONS, "check_client_access"),
    "helo": (p.SMTPD_HELO_RESTRICTIONS, "check_helo_access"),
    "sender": (p.SMTPD_SENDER_RESTRICTIONS, "check_sender_access"),
    "relay": (p.SMTPD_RELAY_RESTRICTIONS, "check_recipient_access"),
    "recipient": (p.SMTPD_RECIPIENT_RESTRICTIONS, "check_recipient_access"),
    "etrn": (p.SMTPD_ETRN_RESTRICTIONS, "check_etrn_access"),
    "data": (p.SMTPD_DATA_RESTRICTIONS, ""),
    "end_of_data": (p.SMTPD_END_OF_DATA_RESTRICTIONS, ""),
}
"""The lists in the order in which their tables are opened, and what a bare `type:table` in each stands for."""

DATA = Subject("DATA", "Data command")
END_OF_DATA = Subject("END-OF-MESSAGE", "End-of-data")
WOULD_RELAY = ("permit_mynetworks", "permit_sasl_authenticated", "permit_auth_destination")


def _kept(facts: Facts, *stages: str) -> Refusal | None:
    """What the latest of these stages left waiting (smtpd_delay_reject = no: they ran with earlier commands)."""
    for stage in stages:
        if stage in facts.carried:
            found = facts.carried[stage]
            return found if isinstance(found, Refusal) else None
    return None


class Policy:
    """The restrictions of one service: compiled once, asked often."""

    def __init__(self, settings: Settings, lookups: Lookups, classes: Classes) -> None:
        strict = settings[p.GATEPOST_COMPATIBILITY] != "postfix"
        self._settings = settings
        self._lookups = lookups
        self._classes = classes
        self._lists = Lists(settings, lookups, strict=strict)
        self._compiler = Compiler(settings, lookups, strict=strict)
        self._engine = Engine(settings, self._compiler)
        self._words: dict[str, tuple[Word, ...]] = {name: settings[parameter] for name, (parameter, _) in LISTS.items()}
        self.programs = {name: self._compiler.compile(parameter.name, self._words[name], default)
                         for name, (parameter, default) in LISTS.items()}
        self._would_relay = self._compiler.compile("smtpd_relay_restrictions", [Word(word) for word in WOULD_RELAY])
        self._delayed = settings[p.SMTPD_DELAY_REJECT]
        self._verify_sender = VerifySender.of(settings)
        self._unlisted_sender = alone(reject_unlisted_sender, p.SMTPD_REJECT_UNLISTED_SENDER, settings)
        self._unlisted_recipient = alone(reject_unlisted_recipient, p.SMTPD_REJECT_UNLISTED_RECIPIENT, settings)
        compatibility = level(settings[p.COMPATIBILITY_LEVEL])
        relay_first = settings[p.SMTPD_RELAY_BEFORE_RECIPIENT_RESTRICTIONS]
        self._old_order = (not relay_first and compatibility < (3, 6)
                           and not settings.is_set(p.SMTPD_RELAY_BEFORE_RECIPIENT_RESTRICTIONS))
        self._old_relay = compatibility < (1,) and not settings.is_set(p.SMTPD_RELAY_RESTRICTIONS)
        self._has = {name: bool(program.checks) for name, program in self.programs.items()}
        self._has_early = (self._has["client"] or self._has["helo"] or self._has["sender"]
                           or self._unlisted_sender is not None)
        self._order = self._lists_at_recipient(relay_first)
        self._needs = self._needed()

    def _lists_at_recipient(self, relay_first: bool) -> list[Program]:
        """Relay and recipient restrictions in their order; an empty list is not even begun."""
        relay, recipient = self.programs["relay"], self.programs["recipient"]
        if not relay.checks and self._old_relay:
            relay = self._would_relay
        return [program for program in ((relay, recipient) if relay_first else (recipient, relay)) if program.checks]

    def _needed(self) -> dict[str, bool]:
        has = self._has
        early = {"client": has["client"], "helo": has["helo"],
                 "sender": has["sender"] or self._unlisted_sender is not None}
        late = self._delayed and any(early.values())
        recipient = (late or has["relay"] or has["recipient"] or self._old_relay or not self._delayed
                     or self._unlisted_recipient is not None)
        return {**{stage: wanted and not self._delayed for stage, wanted in early.items()},
                "rcpt": recipient, "vrfy": recipient, "data": has["data"], "end_of_data": has["end_of_data"],
                "etrn": has["etrn"] or has["client"] or has["helo"]}

    # At start-up.

    def problems(self) -> list[ConfigError]:
        """What has to be mended before this service can run."""
        found = list(self._compiler.problems)
        if not self._protected(Protection(self._settings)):
            at = self._settings.span(p.SMTPD_RECIPIENT_RESTRICTIONS) or self._settings.span(p.SMTPD_RELAY_RESTRICTIONS)
            found.append(ConfigError(NO_PROTECTION, at or Span(f"{self._settings.directory}/main.cf", 1)))
        return found + self._lists.problems()

    def warnings(self) -> list[str]:
        """What Postfix logs as warnings when its process starts."""
        protection = Protection(self._settings)
        self._protected(protection)
        return protection.warnings

    def _protected(self, protection: Protection) -> bool:
        return protection.holds(self._words["recipient"]) or protection.holds(self._words["relay"])

    def unreachable(self) -> list[ConfigError]:
        """Items behind one that ends its list: harmless, and hardly meant."""
        return list(self._compiler.unreachable)

    # While serving.

    def needs(self, stage: str) -> bool:
        """False when nothing would be looked at: the caller need not ask."""
        return self._needs[stage]

    async def decide(self, stage: str, facts: Facts) -> Decision:
        """May it go on? `stage`: client, helo, sender, rcpt, vrfy, data, end_of_data, etrn."""
        if not self._needs[stage] or facts.carried.get("discard"):
            return PERMITTED
        question = Question(facts, self._settings, self._lookups, self._classes, self._lists, self._engine)
        await STAGES[stage](self, question)
        if question.discarded:
            facts.carried["discard"] = True
        return Decision(None if question.hangup else question.reply, question.effects, question.log, question.trace,
                        question.hangup)

    async def _list(self, name: str, question: Question, subject: Subject) -> bool:
        """Run one list; True when it refused."""
        program = self.programs[name]
        if not program.checks:
            return False
        return await self._run(program, question, subject) is Outcome.REJECT

    async def _run(self, program: Program, question: Question, subject: Subject) -> Outcome:
        outcome = self._engine.run(program, question, subject)
        return outcome if isinstance(outcome, Outcome) else await outcome

    async def _client(self, question: Question) -> bool:
        question.deferred_if_reject = None
        return await self._list("client", question, question.client)

    async def _helo(self, question: Question) -> bool:
        question.deferred_if_reject = None
        if question.facts.helo is None and question.facts.helo_raw is None:
            return False
        return await self._list("helo", question, Subject(question.helo, "Helo command"))

    async def _sender(self, question: Question) -> bool:
        question.deferred_if_reject = None
        if question.facts.sender is None:
            return False
        if self._has["sender"] and await self._list("sender", question, question.sender):
            return True
        if self._unlisted_sender is None or question.sender_checked:
            return False
        return await self._run(self._unlisted_sender, question, question.sender) is Outcome.REJECT

    async def at_client(self, question: Question) -> None:
        """Before the greeting (smtpd_delay_reject = no)."""
        await self._client(question)
        question.facts.carried["client"] = question.deferred_if_permit

    async def at_helo(self, question: Question) -> None:
        """At HELO and EHLO (smtpd_delay_reject = no)."""
        question.deferred_if_permit = _kept(question.facts, "client")
        await self._helo(question)
        question.facts.carried["helo"] = question.deferred_if_permit

    async def at_sender(self, question: Question) -> None:
        """At MAIL (smtpd_delay_reject = no)."""
        question.deferred_if_permit = _kept(question.facts, "helo", "client")
        await self._sender(question)
        question.facts.carried["sender"] = question.deferred_if_permit

    async def at_recipient(self, question: Question) -> None:
        """At RCPT and VRFY."""
        recipient = question.recipient
        if recipient is None or recipient.lower() == "postmaster":  # RFC 5321 4.5.1
            return
        if self._verify_sender.is_ours(recipient):  # whom we probe may probe us: neither must wait for the other
            return
        if not self._delayed:
            question.deferred_if_permit = _kept(question.facts, "sender", "helo", "client")
        elif self._has_early and await self._delayed_lists(question):
            return
        question.deferred_if_reject = None
        subject = question.recipient_subject
        if await self._relay_and_recipient(question, subject) or self._pending(question):
            return
        if self._unlisted_recipient is not None and not question.recipient_checked:
            outcome = self._engine.run(self._unlisted_recipient, question, subject)
            if not isinstance(outcome, Outcome):
                await outcome

    async def _delayed_lists(self, question: Question) -> bool:
        """What smtpd_delay_reject put off until now; True when it refused. An empty list is not even begun."""
        has = self._has
        if has["client"] and await self._client(question):
            return True
        if has["helo"] and await self._helo(question):
            return True
        return (has["sender"] or self._unlisted_sender is not None) and await self._sender(question)

    async def _relay_and_recipient(self, question: Question, subject: Subject) -> bool:
        for program in self._order:
            outcome = self._engine.run(program, question, subject)
            if not isinstance(outcome, Outcome):
                outcome = await outcome
            if program is self._would_relay:
                if outcome is Outcome.DUNNO:
                    self._plain(question, 'using backwards-compatible default setting "smtpd_relay_restrictions = '
                                f'(empty)" to avoid "Relay access denied" error for recipient "{subject.name}" '
                                f'from client "{question.facts.client.namaddr}"')
            elif outcome is Outcome.REJECT:
                if self._old_order and program is self.programs["recipient"]:
                    self._plain(question, "using backwards-compatible default setting "
                                "smtpd_relay_before_recipient_restrictions=no to reject recipient "
                                f'"{subject.name}" from client "{question.facts.client.namaddr}"')
                return True
        return False

    @staticmethod
    def _plain(question: Question, text: str) -> None:
        question.log.append(("plain", text))

    def _pending(self, question: Question) -> bool:
        """Nothing refused: say what waited for that."""
        waiting = question.deferred_if_permit
        return waiting is not None and self._engine.refuse(question, waiting) is Outcome.REJECT

    async def at_data(self, question: Question) -> None:
        """At DATA or the first BDAT."""
        await self._of_message("data", question, DATA)

    async def at_end_of_data(self, question: Question) -> None:
        """When the message is there."""
        await self._of_message("end_of_data", question, END_OF_DATA)

    async def _of_message(self, name: str, question: Question, subject: Subject) -> None:
        if question.facts.recipient_count > 1:
            question.without_recipient()
        if not await self._list(name, question, subject):
            self._pending(question)

    async def at_etrn(self, question: Question) -> None:
        """At ETRN."""
        if not self._delayed:
            question.deferred_if_permit = _kept(question.facts, "helo", "client")
        elif await self._client(question) or await self._helo(question):
            return
        question.deferred_if_reject = None
        subject = Subject(question.facts.etrn_domain or "", "Etrn command")
        if not await self._list("etrn", question, subject):
            self._pending(question)


STAGES: dict[str, Callable[[Policy, Question], Awaitable[None]]] = {
    "client": Policy.at_client, "helo": Policy.at_helo, "sender": Policy.at_sender, "rcpt": Policy.at_recipient,
    "vrfy": Policy.at_recipient, "data": Policy.at_data, "end_of_data": Policy.at_end_of_data, "etrn": Policy.at_etrn}
