"""Does it wait for its turn, and do others know it? The trials before the greeting is complete, of one session.

Pure: told what came and what time it is, it says what to wait for and, at the end, what was found. The order at the end
is Postfix's (postscreen(8), tests before the 220): the greeting's trial first, then the DNS lists.
"""

from __future__ import annotations

from typing import Any

from gatepost.screen.actions import Caught, GreetWait, Score, Waited
from gatepost.screen.facts import DnsblRank, Pregreet, Tolerated
from gatepost.screen.progress import PROTOCOL_ERROR, Progress
from gatepost.screen.trials import DNSBL, EARLY, PREGREET, Penalty
from gatepost.smtp.actions import Observed
from gatepost.smtp.reply import Reply
from gatepost.smtp.turn import EarlyTalk, Turn

PEEKED = 1023  # bytes of early talk that are counted
DOUBT = 0.5  # seconds without another byte after which early talk is what it is by then
AGAIN, SELDOM = 0.1, 2.0  # seconds until a client's TCP is asked again whether it has the first line; at most

DROPPED = Reply(521, "5.5.1", "Protocol error")


class Early:
    """Times are monotonic seconds, but for `now` of the passes, which is Unix time."""

    __slots__ = ("_address", "_again", "_began", "_last", "_said", "_suspect", "_unacknowledged", "_wait", "heard",
                 "progress", "score", "turn")

    def __init__(self, progress: Progress, address: str, began: float, wait: float, turn: Turn, *, suspect: bool
                 ) -> None:
        """`wait`: postscreen_greet_wait now. `suspect`: whatever it does, it waits in full."""
        self.progress = progress
        self.turn = turn
        self._said = b""  # while that may be tolerated
        self.score: Score | None = None
        self.heard = False  # it has said something
        self._address = address
        self._began = began
        self._wait = wait
        self._suspect = suspect
        self._last = began  # when it said something last
        self._unacknowledged = True
        self._again = AGAIN

    def since(self, now: float) -> float:
        """Seconds in this phase."""
        return now - self._began

    def hear(self, data: bytes, now: float, evidence: str = "waiting") -> Pregreet | Tolerated | None:
        """Bytes came -> the offence, if it is one and the first; or that it is none for this client."""
        self.heard = True
        self._last = now
        progress = self.progress
        if not PREGREET.bit & progress.todo & ~progress.done:
            return None
        turn = self.turn
        news = turn.listen(data, False) if self._said else turn.take("CONNECT", True, data)
        self._said = data = (self._said + data)[:PEEKED]
        if turn.early is None:
            return Tolerated.of(turn.tolerated) if news and turn.tolerated is not None else None
        self.turn = turn.renewed()
        progress.done |= PREGREET.bit
        progress.fail(PREGREET)
        return Pregreet(len(data), self.since(now), data, evidence)

    def doubtless(self, now: float) -> bool:
        """Was there a doubt about its early talk that is over, because no more came?"""
        turn = self.turn
        return turn.in_doubt and not turn.seems_harmless and now >= self._last + DOUBT

    def settle(self, now: float) -> Pregreet | Tolerated | None:
        """No more comes in this phase -> what the early talk was, where that was in doubt."""
        fact = self.turn.conclude()
        if not isinstance(fact, EarlyTalk):
            return None if fact is None else Tolerated.of(fact)
        self.turn = self.turn.renewed()
        self.progress.done |= PREGREET.bit
        self.progress.fail(PREGREET)
        return Pregreet(len(self._said), self.since(now), self._said)

    def take(self, waited: Waited, now: int) -> None:
        """A wait ended. `now`: Unix time."""
        self._unacknowledged = waited.unacknowledged
        if waited.score is None or self.score is not None:
            return
        self.score = score = waited.score
        progress = self.progress
        progress.done |= DNSBL.bit
        allowing = progress.rules.dnsbl_allowlist_threshold
        vouched = allowing < 0 and score.points <= allowing and score.points < progress.rules.dnsbl_threshold
        if vouched and not progress.bad and not PREGREET.bit & progress.forgiven:
            progress.exempt(now + score.ttl)

    def question(self, now: float) -> GreetWait | None:
        """What to wait for next; None: the phase is over."""
        progress = self.progress
        left = self._began + self._wait - now
        pending = progress.todo & EARLY & ~progress.done
        if left <= 0 or not pending:
            return None
        dnsbl = bool(DNSBL.bit & pending)
        watch = not self.heard
        if self.turn.in_doubt:
            rest = self._last + DOUBT - now
            return GreetWait(min(rest, left) if rest > 0 else left, dnsbl, watch) if rest > 0 or dnsbl else None
        if not progress.rules.adaptive or dnsbl or self._suspicious:
            return GreetWait(left, dnsbl, watch)
        least = self._began + progress.rules.greet_wait_minimum - now
        if least > 0:
            return GreetWait(min(least, left), False, watch)
        if not self._unacknowledged:
            return None
        again, self._again = self._again, min(2 * self._again, SELDOM)  # thousands may be cut off at the same time
        return GreetWait(min(again, left), False, watch)

    @property
    def _suspicious(self) -> bool:
        listed = self.score is not None and self.score.points > 0
        return self._suspect or self.progress.bad or listed

    def finish(self, now: int) -> tuple[list[Any], Reply | None]:
        """The phase is over -> (actions, the reply to drop it with or None). `now`: Unix time."""
        progress, rules = self.progress, self.progress.rules
        if PREGREET.bit & progress.todo & ~progress.done and not self.turn.in_doubt:
            progress.grant(PREGREET, now + rules.ttls[PREGREET.index])
        if not DNSBL.bit & progress.todo:
            return [], None
        points, ttl = (self.score.points, self.score.ttl) if self.score else (0, rules.ttls[DNSBL.index])
        if points < rules.dnsbl_threshold:
            progress.grant(DNSBL, now + ttl)
            return [], None
        worst = self.score.worst_list if self.score else ""
        penalty = progress.fail(DNSBL)
        fact = DnsblRank(points, worst)
        text = f"Service unavailable; client [{self._address}] blocked using {worst}"
        if penalty is Penalty.ENFORCE:
            progress.hold(Reply(550, "5.7.1", text))
        dropped = Reply(521, "5.7.1", text) if penalty is Penalty.DROP else None
        return [Observed(fact), Caught(DNSBL, penalty, "", fact)], dropped


def answer_pregreet(progress: Progress) -> Reply | None:
    """What early talk costs -> the reply to drop it with, or None; its recipients may be refused from now on."""
    penalty = progress.rules.penalty(PREGREET)
    if penalty is Penalty.ENFORCE:
        progress.hold(PROTOCOL_ERROR)
    return DROPPED if penalty is Penalty.DROP else None
