"""What does a list come to? The algebra of restrictions, and always a trace.

DUNNO goes on, OK and REJECT end a list; the end of a list permits. A deferral that waits keeps its first reason:
defer_if_permit until something refuses, defer_if_reject within a stage, where it takes the place of a 5xx. Contract:
nothing is awaited that does not really wait. This file must not know a restriction by name, nor the stages.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterator

import gatepost.config.parameters as p
from gatepost.config.settings import Settings
from gatepost.lookup.ask import LookupFailure
from gatepost.policy.access import permitted
from gatepost.policy.program import Check, Compiler, Program
from gatepost.policy.question import Question, Subject
from gatepost.policy.refusal import SERVER_ERROR, Refusal, worded
from gatepost.policy.restriction import Answer
from gatepost.policy.restrictions import RESTRICTIONS
from gatepost.policy.verdict import Outcome, Step
from gatepost.smtp.reply import Reply
from gatepost.span import ConfigError

DEPTH = 100  # nested lists
ANSWERS = (Outcome, Refusal)
DUNNO, OK, REJECT = Outcome.DUNNO, Outcome.OK, Outcome.REJECT  # reading an enumeration's member costs ten times as much


class Engine:
    """Runs compiled lists."""

    def __init__(self, settings: Settings, compiler: Compiler) -> None:
        self._soft = settings[p.SOFT_BOUNCE]
        self._compiler = compiler
        self._warned: set[str] = set()  # about outdated names: once

    async def evaluate_text(self, question: Question, text: str, subject: Subject, origin: str) -> Answer:
        """Run what an access table or policy server gave as a list, in place."""
        outcome = self.run(self._compiler.text(text, question.default, origin), question, subject)
        return outcome if isinstance(outcome, Outcome) else await outcome

    def run(self, program: Program, question: Question, subject: Subject) -> Outcome | Awaitable[Outcome]:
        """Run a list about `subject`. On REJECT `question.reply` is set. Only what really waits is to be awaited."""
        outer = question.subject, question.list_name, question.default
        question.subject, question.list_name, question.default = subject, program.name, program.default
        question.depth += 1
        outcome = DUNNO
        if question.depth > DEPTH:
            question.warning(f"restrictions of {program.name} are nested too deep")
            outcome = self.refuse(question, SERVER_ERROR)
        else:
            checks = iter(program.checks)
            for check in checks:
                if question.discarded:
                    break
                step = self.step(check, question)
                if not isinstance(step, Outcome):
                    return self._run_on(checks, step, question, outer)
                outcome = step
                if outcome is not DUNNO or (question.deferred_if_permit and question.deferred_if_reject):
                    break
        question.depth -= 1
        question.subject, question.list_name, question.default = outer
        return outcome

    async def _run_on(self, checks: Iterator[Check], step: Awaitable[Outcome], question: Question,
                      outer: tuple[Subject, str, str]) -> Outcome:
        """The rest of a list, from the first check that waits."""
        outcome = await step
        while outcome is DUNNO and not (question.deferred_if_permit and question.deferred_if_reject):
            check = None if question.discarded else next(checks, None)
            if check is None:
                break
            following = self.step(check, question)
            outcome = following if isinstance(following, Outcome) else await following
        question.depth -= 1
        question.subject, question.list_name, question.default = outer
        return outcome

    def step(self, check: Check, question: Question) -> Outcome | Awaitable[Outcome]:
        """Run one check, draw its consequences, keep it in the trace. Only what really waits is to be awaited: the
        common checks answer at once, and cost no coroutine."""
        if check.needs & ~question.known:
            question.trace.append(Step(question.list_name, check.token, check.span, DUNNO))
            return DUNNO
        if check.warns and check.warns not in self._warned:
            self._warned.add(check.warns)
            question.warning(check.warns)
        softens = check.warn and not question.warn
        if softens:
            question.warn = True
        try:
            answer = check.function(question, check.argument)
        except (LookupFailure, ConfigError) as problem:
            answer = _failed(question, problem)
        if isinstance(answer, ANSWERS) and (answer is not OK or check.judged
                                            or question.lists.logged_permits is None):
            return self._ended(check, question, answer, softens)
        return self._step_later(check, question, answer, softens)

    async def _step_later(self, check: Check, question: Question, given: Answer | Awaitable[Answer],
                          softens: bool) -> Outcome:
        """The rest of a step that has to wait: for the answer, or for what says whether it is logged."""
        try:
            answer = given if isinstance(given, ANSWERS) else await given
        except (LookupFailure, ConfigError) as problem:
            answer = _failed(question, problem)
        if answer is OK and not check.judged and question.lists.logged_permits is not None:
            await permitted(question, check.name, _permitted_subject(question, check))
        return self._ended(check, question, answer, softens)

    def _ended(self, check: Check, question: Question, answer: Answer, softens: bool) -> Outcome:
        """The answer is there: its consequences and its place in the trace."""
        asked, question.asked = question.asked, []
        if isinstance(answer, Outcome):
            outcome = shown = answer
            reply = question.reply
        else:
            outcome, shown, reply = self.conclude(question, answer)
        if softens:
            question.warn = False
        if check.ignored:
            question.warning(check.ignored)
        question.trace.append(Step(question.list_name, check.token, check.span, shown, reply, asked))
        return outcome

    def conclude(self, question: Question, refusal: Refusal) -> tuple[Outcome, Outcome, Reply | None]:
        """A refusal that waits is kept (the first one); any other is said now. (What it comes to, what the trace shows,
        the reply there.)"""
        if refusal.stored is Outcome.DEFER_IF_REJECT:
            question.deferred_if_reject = question.deferred_if_reject or refusal
        elif refusal.stored is Outcome.DEFER_IF_PERMIT and not question.warn:
            question.deferred_if_permit = question.deferred_if_permit or refusal
        else:
            outcome = self.refuse(question, refusal)
            reply = question.reply if outcome is REJECT else worded(refusal, self._soft)[0]
            return outcome, outcome, reply
        return DUNNO, refusal.stored, worded(refusal, self._soft)[0]

    def refuse(self, question: Question, refusal: Refusal) -> Outcome:
        """Say it: the reply and its log line; behind warn_if_reject only the line."""
        if question.hangup:
            return REJECT
        warn = question.warn and not refusal.stern
        reply, problem = worded(refusal, self._soft)
        if problem:
            question.warning(problem)
        earlier = question.deferred_if_reject
        if earlier and not warn and refusal.code >= 500:
            question.deferred_if_reject, question.warn = None, False
            return self.refuse(question, earlier)
        question.log.append(("reject_warning" if warn else "reject", str(reply)))
        if warn:
            return DUNNO
        question.reply = reply
        return REJECT


def _failed(question: Question, problem: LookupFailure | ConfigError) -> Refusal:
    """A restriction that could not find out refuses for now."""
    if isinstance(problem, ConfigError):
        question.warning(str(problem))
        return SERVER_ERROR
    question.warning(problem.reason)
    return Refusal(451, "4.3.0", f"<{question.subject.name}>: Temporary lookup failure", stern=True)


def _permitted_subject(question: Question, check: Check) -> Subject:
    """Whom an OK is about, for the log: what the restriction looked at, not what the list is about."""
    declared = RESTRICTIONS.get(check.name)
    about = declared.subject if declared else ""
    if about == "client":
        return question.client
    if about == "helo":
        return Subject(question.helo, "Helo command")
    return question.recipient_subject if about == "recipient" else question.subject
