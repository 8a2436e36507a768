"""Does a client keep its pass while the real session serves it? What that session notices up to the content of a
message is an offence against the trials that the client had passed.

For clients that no gate watches: those that are remembered, those with nothing to do after the greeting, and those for
whom the gate has opened (promoted.py). They were offered PIPELINING, so that only the real session can say what is out
of turn, and what it tolerates is none. It answers the offence by its own rules; what is added here is the line, the
history and the pass. This file must not know whether anybody is refused.
"""

from __future__ import annotations

from typing import Any

from gatepost.screen import facts
from gatepost.screen.actions import Caught, Learn, Restore
from gatepost.screen.detect import parse
from gatepost.screen.progress import Progress
from gatepost.screen.trials import BARE_NEWLINE, NON_SMTP, PIPELINING, PREGREET, Penalty, Trial
from gatepost.smtp.actions import Content, Observed, Send
from gatepost.smtp.facts import BareNewline, EarlyTalk, NonSmtpCommand
from gatepost.smtp.session import Session
from gatepost.smtp.turn import SHOWN

CONTENT = 354


class Late:
    """One served session. `over`: nothing that comes can cost the pass any more."""

    __slots__ = ("_after", "_asked", "_progress", "_session", "over")

    def __init__(self, progress: Progress, session: Session) -> None:
        self.over = not progress.rules.promotes
        self._progress = progress
        self._session = session
        self._after = session.where  # the last command before this event
        self._asked = False  # the content was asked for

    def judge(self, out: list[Any], now: int) -> list[Any]:
        """What the session does after one event -> the same, and behind an offence what it costs. `now`: Unix time.

        What comes next after the 354 still counts: it may have come before the client can have had that."""
        last, judged = self._asked, []
        for action in out:
            judged.append(action)
            kind = type(action)
            if kind is Observed and not self.over:
                judged += self._cost(action.fact, now)
            elif kind is Content:
                self.over = True
            elif kind is Send and action.reply.code == CONTENT:
                self._asked = True
        self.over = self.over or last
        self._after = self._session.where
        return judged

    def _cost(self, fact: object, now: int) -> list[Any]:
        found = self._offence(fact)
        if found is None:
            return []
        trial, evidence, told = found
        progress = self._progress
        rules = progress.rules
        if not trial.bit & rules.enabled & ~(progress.failed | progress.forgiven):
            return []
        penalty = progress.fail(trial)
        kept: Any
        if penalty is Penalty.IGNORE:
            progress.shorten(trial, now)
            kept = Learn(progress.stamps.render(rules.enabled))
        else:
            kept = Restore(progress.take_back())
        return [Observed(told), Caught(trial, penalty, evidence, told), kept]

    def _offence(self, fact: object) -> tuple[Trial, str, object] | None:
        """Against which trial, by which evidence, and the fact in screening's words."""
        if isinstance(fact, EarlyTalk):
            if fact.after == "CONNECT" and PREGREET.bit & self._progress.rules.enabled:
                return PREGREET, fact.evidence, facts.Pregreet(len(fact.text), 0.0, fact.text, fact.evidence)
            return PIPELINING, fact.evidence, facts.Pipelining(fact.after, fact.text, fact.evidence)
        if isinstance(fact, NonSmtpCommand):
            line = parse(fact.text.encode("utf-8", "surrogateescape"))
            after = "UNIMPLEMENTED" if self._after == "UNKNOWN" else self._after
            return NON_SMTP, "", facts.NonSmtp(after, line.typed, line.rest[:SHOWN])
        if isinstance(fact, BareNewline):
            return BARE_NEWLINE, "", facts.BareNewline(fact.line)
        return None
