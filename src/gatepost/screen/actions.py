"""What may a screened session want done, besides what a real one may? Its own actions, and the questions it asks.

Screened.handle returns these between smtp.actions' (Send, Ask, Observed, StartTls, HangUp). Once Promote was performed
the real performer performs whatever is not of this file and not Observed(a fact of screen/facts.py); after Demote
screening's own does again. This file must not know who performs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from gatepost.screen.trials import Penalty, Trial
from gatepost.smtp.session import Session


class Score(Protocol):
    """What the DNS lists say. `points`: sum of weights; `worst_list`: the name for replies; `ttl`: seconds that it is
    good for, already within postscreen_dnsbl_min_ttl and _max_ttl."""

    @property
    def points(self) -> int: ...

    @property
    def worst_list(self) -> str: ...

    @property
    def ttl(self) -> int: ...


@dataclass(frozen=True, slots=True)
class GreetWait:
    """Subject of Ask(Stage.GREET_WAIT): wait `seconds`, less when there is something to tell.

    `dnsbl`: the score is wanted; begin the lookup if it has not begun, and answer as soon as it is complete. `watch`:
    answer at once when the client leaves. In any case answer at once when Observed(facts.Pregreet) goes by."""

    seconds: float
    dnsbl: bool = False
    watch: bool = True


@dataclass(frozen=True, slots=True)
class LookAgain:
    """Answer the open GREET_WAIT now, whatever there is: something was said that may be harmless."""


@dataclass(frozen=True, slots=True)
class Waited:
    """Context of the answer. `score`: complete, or whatever there is when the time is up; None where none was wanted or
    it is not complete yet. `unacknowledged`: the client's TCP has not acknowledged all that was said to it. `left`: the
    client is gone."""

    score: Score | None = None
    unacknowledged: bool = False
    left: bool = False


@dataclass(frozen=True, slots=True)
class Tease:
    """Write the first line of a greeting that is not complete: `220-` and the banner."""

    banner: str

    def render(self) -> bytes:
        """The bytes for the wire."""
        return f"220-{self.banner}\r\n".encode("utf-8", "surrogateescape")


@dataclass(frozen=True, slots=True)
class Learn:
    """Write the client's record (text as in Stamps.render)."""

    record: str


@dataclass(frozen=True, slots=True)
class Restore:
    """Write the record back as it was; None: there was none, remove it."""

    record: str | None


@dataclass(frozen=True, slots=True)
class Promote:
    """From now on `session` is the client's, and its real performer performs."""

    session: Session


@dataclass(frozen=True, slots=True)
class Demote:
    """The real session is over, the connection is not: the real performer lets go of it, screening's performs again."""


@dataclass(frozen=True, slots=True)
class Caught:
    """For the history: which trial caught the client, what that cost, by which evidence ("" where there is but one
    kind). `fact` is one of facts.py; its log line is what is kept. Observed(fact) went before."""

    trial: Trial
    penalty: Penalty
    evidence: str
    fact: object
