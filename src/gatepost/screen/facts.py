"""What did screening notice? The facts behind its log lines and its history, as values in smtp.actions.Observed.

A fact says what happened, never what it costs. Who the client is stands in Parties, once for a session. How a fact is
written is lines.py's business; this file must not know it.
"""

from __future__ import annotations

from dataclasses import dataclass

from gatepost.smtp import tolerance


@dataclass(frozen=True, slots=True)
class Parties:
    """Client and server, addresses and ports as text; behind a proxy those that the proxy told."""

    address: str
    port: str
    server_address: str = ""
    server_port: str = ""


@dataclass(frozen=True, slots=True)
class Connect:
    """A client connected."""


@dataclass(frozen=True, slots=True)
class Disconnect:
    """It is gone, or was sent away; a client that is handed on to the real session is not."""


@dataclass(frozen=True, slots=True)
class TooManyConnections:
    """postscreen_client_connection_count_limit is exceeded."""


@dataclass(frozen=True, slots=True)
class ServerPortsBusy:
    """postscreen_post_queue_limit is reached."""


@dataclass(frozen=True, slots=True)
class ScreeningPortsBusy:
    """postscreen_pre_queue_limit is reached."""


@dataclass(frozen=True, slots=True)
class Allowlisted:
    """postscreen_access_list permits it."""


@dataclass(frozen=True, slots=True)
class Denylisted:
    """postscreen_access_list rejects it."""


@dataclass(frozen=True, slots=True)
class Veto:
    """It came to an address that is not in postscreen_allowlist_interfaces."""


@dataclass(frozen=True, slots=True)
class PassNew:
    """It passed every trial that was due, for the first time."""


@dataclass(frozen=True, slots=True)
class PassOld:
    """It passed every trial that was due, and has passed before; or none was due."""


@dataclass(frozen=True, slots=True)
class Pregreet:
    """It talked before the greeting was complete: `count` bytes (at most 1023 are told), `after` seconds, beginning
    with `text`. `evidence`: waiting or unacknowledged, as in smtp.turn."""

    count: int
    after: float
    text: bytes
    evidence: str = "waiting"


@dataclass(frozen=True, slots=True)
class DnsblRank:
    """The DNS lists speak against it: sum of weights; `worst`: the list to name."""

    score: int
    worst: str = ""


@dataclass(frozen=True, slots=True)
class HangUp:
    """It left. `after` seconds of a phase: before or after the greeting (Postfix: SMTP handshake)."""

    after: float
    greeted: bool


@dataclass(frozen=True, slots=True)
class BareNewline:
    """A command line ended in a bare LF: the line."""

    line: bytes


@dataclass(frozen=True, slots=True)
class NonSmtp:
    """A command of another protocol: the command before it, its first word, and the rest."""

    after: str
    word: str
    rest: bytes


@dataclass(frozen=True, slots=True)
class Pipelining:
    """It sent more before it can have had the reply: behind which word, what. `evidence` as in smtp.turn."""

    after: str
    text: bytes
    evidence: str = "buffered"


@dataclass(frozen=True, slots=True)
class Tolerated:
    """It talked out of turn, and that is not held against it: as smtp.tolerance.Tolerated."""

    pattern: str
    after: str
    evidence: str
    text: bytes

    @classmethod
    def of(cls, fact: tolerance.Tolerated) -> Tolerated:
        """Screening's form of the same fact."""
        return cls(fact.pattern, fact.after, fact.evidence, fact.text)


@dataclass(frozen=True, slots=True)
class TimeLimit:
    """A command took too long; `after`: the last one."""

    after: str


@dataclass(frozen=True, slots=True)
class CountLimit:
    """Too many commands; `after`: the one before."""

    after: str


@dataclass(frozen=True, slots=True)
class LengthLimit:
    """A command line was too long; `after`: the last command."""

    after: str


@dataclass(frozen=True, slots=True)
class ContentWithoutRcpt:
    """DATA or BDAT (`verb`) without a recipient."""

    verb: str


@dataclass(frozen=True, slots=True)
class RcptRejected:
    """A recipient was refused: reply as said (softened, no footer), addresses in internal form."""

    reply: str
    sender: str
    recipient: str
    protocol: str
    helo: str


@dataclass(frozen=True, slots=True)
class KeywordsDiscarded:
    """EHLO keywords that were not announced, as the table named them."""

    keywords: str


@dataclass(frozen=True, slots=True)
class CommandReplaced:
    """postscreen_command_filter replaced a command."""

    old: str
    new: str


@dataclass(frozen=True, slots=True)
class PlaintextDropped:
    """Plaintext behind STARTTLS was thrown away: how many bytes, and how it began (RFC 3207 4.2)."""

    count: int
    text: bytes


@dataclass(frozen=True, slots=True)
class TlsBegun:
    """STARTTLS before it has passed (told as tlsproxy)."""


@dataclass(frozen=True, slots=True)
class TlsEnded:
    """The end of such a session (told as tlsproxy)."""


ScreenFact = (
    Connect | Disconnect | TooManyConnections | ServerPortsBusy | ScreeningPortsBusy | Allowlisted | Denylisted | Veto
    | PassNew | PassOld | Pregreet | DnsblRank | HangUp | BareNewline | NonSmtp | Pipelining | Tolerated | TimeLimit
    | CountLimit | LengthLimit | ContentWithoutRcpt | RcptRejected | KeywordsDiscarded | CommandReplaced
    | PlaintextDropped | TlsBegun | TlsEnded
)
"""Every fact of screening; in a promoted session they stand between the real session's own (smtp.facts)."""
