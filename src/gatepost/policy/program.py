"""What does a restriction list say? Text to compiled checks, each with its place; what is wrong with it, at start-up.

Contract: a list is compiled once; running it looks nothing up by name. What cannot be run becomes a check that answers
451 and logs why (Postfix's way), and where `strict` also a ConfigError with its place. A class that contains itself is
always one. This file must not know what restrictions do.
"""

from __future__ import annotations

import difflib
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import gatepost.config.parameters as p
from gatepost.config.parameter import Parameter, Word, split_list
from gatepost.config.settings import Settings
from gatepost.lookup.ask import Lookups
from gatepost.policy.arguments import READERS, BadArgument
from gatepost.policy.question import Question
from gatepost.policy.refusal import SERVER_ERROR
from gatepost.policy.restriction import Answer, Function, Restriction, Takes
from gatepost.policy.restrictions import RESTRICTIONS
from gatepost.policy.verdict import Outcome
from gatepost.span import ConfigError, Span

WARN = "warn_if_reject"
KEPT_TEXTS = 1000  # compiled access table values
PROTECTION = ("reject_unauth_destination", "defer_unauth_destination", "reject", "defer", "defer_if_permit",
              "check_relay_domains")
NO_PROTECTION = ("in parameter smtpd_relay_restrictions or smtpd_recipient_restrictions, specify at least one working "
                 f"instance of: {', '.join(PROTECTION[:-1])} or {PROTECTION[-1]}")


@dataclass(frozen=True, slots=True)
class Check:
    """One item of a list, ready to run."""

    token: str  # as the operator wrote it, argument included
    span: Span | None
    function: Function
    argument: Any
    needs: int  # bits of Needs
    warn: bool  # behind warn_if_reject
    warns: str  # logged at each use: an outdated name
    ignored: str  # logged when it ends the list although something follows
    judged: bool  # its OK comes from a table or policy server, which logs it itself
    name: str


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled list: the parameter, class or table entry it came from, its checks, the access restriction that a bare
    table in it stands for ("": none)."""

    name: str
    checks: tuple[Check, ...]
    default: str


def _run_class(question: Question, program: Program) -> Answer | Awaitable[Answer]:
    return question.engine.run(program, question, question.subject)


def _faulty(question: Question, warning: str) -> Answer:
    question.warning(warning)
    return SERVER_ERROR


def _idle(question: Question, warning: str) -> Answer:
    question.warning(warning)
    return Outcome.DUNNO


def alone(declared: Restriction, parameter: Parameter[bool], settings: Settings) -> Program | None:
    """The list that a yes/no parameter stands for: one restriction; None for no."""
    if not settings[parameter]:
        return None
    check = Check("yes", settings.span(parameter), declared.function, None, int(declared.needs), False,
                  "", "", True, declared.name)
    return Program(parameter.name, (check,), "")


class Compiler:
    """Compiles the lists of one service. `problems` are fatal, `unreachable` items are merely never run."""

    def __init__(self, settings: Settings, lookups: Lookups, *, strict: bool) -> None:
        self._settings = settings
        self._lookups = lookups
        self._strict = strict
        self._classes = {word.text.lower(): word.text for word in settings[p.SMTPD_RESTRICTION_CLASSES]}
        self._compiled: dict[tuple[str, str], Program] = {}
        self._texts: dict[tuple[str, str, str], Program] = {}
        self._open: list[str] = []  # classes being compiled, outermost first
        self._at_start = True
        self.problems = [
            ConfigError(f"restriction class `{word.text}' needs a definition", word.span, word.text)
            for word in settings[p.SMTPD_RESTRICTION_CLASSES] if not settings.words(word.text)]
        self.unreachable: list[ConfigError] = []

    def compile(self, name: str, words: Sequence[Word], default: str = "") -> Program:
        """A list of items; `default` is what a bare `type:table` stands for."""
        checks: list[Check] = []
        at, warn = 0, False
        while at < len(words):
            word = words[at]
            at += 1
            if word.text.lower() == WARN:
                warn = True
                continue
            follows = words[at] if at < len(words) else None
            check, taken = self._check(word, follows, default, warn)
            at += taken
            behind = words[at] if at < len(words) else None
            checks.append(self._with_ignored(check, word, behind))
            warn = False
        return Program(name, tuple(checks), default)

    def text(self, text: str, default: str, origin: str) -> Program:
        """What an access table or policy server gives as a list; kept."""
        key = (text, default, origin)
        program = self._texts.get(key)
        if program is None:
            if len(self._texts) >= KEPT_TEXTS:
                self._texts.clear()
            self._at_start = False
            program = self._texts[key] = self.compile(origin, [Word(item) for _, item in split_list(text)], default)
        return program

    def _check(self, word: Word, follows: Word | None, default: str, warn: bool) -> tuple[Check, int]:
        """The check at `word`, and how many of the following items it takes as argument."""
        name, taken = word.text.lower(), 0
        if ":" in word.text:
            if not default:
                return self._broken(word, warn, "specify one of (check_client_access, "
                                    "check_reverse_client_hostname_access, check_helo_access, check_sender_access, "
                                    "check_recipient_access, check_etrn_access) before restriction "
                                    f'"{word.text}"'), 0
            name, follows, taken = default, word, -1
        declared = RESTRICTIONS.get(name)
        if declared is None:
            if name in self._classes:
                return self._class(word, self._classes[name], default, warn), 0
            unknown = f'unknown smtpd restriction: "{word.text}"'
            return self._broken(word, warn, unknown, _nearest(name, self._classes)), 0
        if declared.removed and self._strict:
            self._problem(f"restriction {declared.name} is gone: {declared.removed}", word)
        takes = declared.takes is not Takes.NOTHING
        try:
            argument = READERS[declared.takes](declared.name, follows.text if takes and follows else None,
                                               self._settings, self._lookups)
        except BadArgument as bad:
            broken = self._broken(word, warn, str(bad))
            return replace(broken, function=_idle) if bad.harmless else broken, taken + 1
        token = f"{word.text} {follows.text}" if takes and follows and not taken else word.text
        judged = declared.takes in (Takes.TABLE, Takes.CERTIFICATE_TABLE, Takes.SERVER)
        return Check(token, word.span, declared.function, argument, int(declared.needs), warn, declared.warns,
                     "", judged, declared.name), taken + takes

    def _with_ignored(self, check: Check, word: Word, behind: Word | None) -> Check:
        declared = RESTRICTIONS.get(check.name)
        if behind is None or declared is None or not declared.ends or (check.warn and check.name != "permit"):
            return check
        text = f"restriction `{behind.text}' after `{check.name}' is ignored"
        if self._at_start:
            self.unreachable.append(ConfigError(text, behind.span, behind.text))
        return replace(check, ignored=text)

    def _class(self, word: Word, name: str, default: str, warn: bool) -> Check:
        if name in self._open:
            path = " -> ".join([*self._open[self._open.index(name) :], name])
            loop = ConfigError(f"restriction class contains itself: {path}", word.span, word.text)
            self.problems.append(loop)
            return self._broken(word, warn, loop.message, report=False)
        program = self._compiled.get((name, default))
        if program is None:
            self._open.append(name)
            program = self._compiled[name, default] = self.compile(name, self._settings.words(name), default)
            self._open.pop()
        return Check(word.text, word.span, _run_class, program, 0, warn, "", "", True, name)

    def _broken(self, word: Word, warn: bool, warning: str, hint: str = "", *, report: bool = True) -> Check:
        if report and self._strict:
            self._problem(warning + hint, word)
        return Check(word.text, word.span, _faulty, warning, 0, warn, "", "", True, "")

    def _problem(self, message: str, word: Word) -> None:
        if self._at_start:
            self.problems.append(ConfigError(message, word.span, word.text))


def _nearest(name: str, classes: dict[str, str]) -> str:
    """The name that was probably meant."""
    near = difflib.get_close_matches(name, [*RESTRICTIONS, *classes, WARN], 1, 0.75)
    return f"; did you mean {near[0]}?" if near else ""


class Protection:
    """Does a list refuse mail for strangers' domains by itself? Postfix's start-up rule."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._classes = {word.text.lower() for word in settings[p.SMTPD_RESTRICTION_CLASSES]}
        self.warnings: list[str] = []

    def holds(self, words: Sequence[Word], depth: int = 0) -> bool:
        """One of PROTECTION is reached, not merely as a warning."""
        texts = [word.text for word in words]
        skip = False
        for at, text in enumerate(texts):
            name = text.lower()
            if skip:
                skip = False
                continue
            if name == WARN and at + 1 < len(texts):
                skip = True
            elif name == "permit":
                if at + 1 < len(texts):
                    self.warnings.append(f"restriction `{texts[at + 1]}' after `{text}' is ignored")
                return False
            elif name in PROTECTION or self._in_class(text, depth):
                return True
        return False

    def _in_class(self, name: str, depth: int) -> bool:
        return name.lower() in self._classes and depth < 100 and self.holds(self._settings.words(name), depth + 1)
