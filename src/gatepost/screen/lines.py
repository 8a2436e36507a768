"""How is a fact of screening written? Postfix's sentences (postscreen(8)), each from a fact and who is concerned.

fail2ban and years of operators' scripts read them, so they are Postfix's to the character. This file must not know who
logs, nor judge.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gatepost.observe.lines import escaped, external, tolerated
from gatepost.screen import facts
from gatepost.screen.facts import Parties

SHOWN = 100  # bytes, or characters of a word, that a line shows
_PREGREET_SHOWN = 1023  # bytes of early talk that are told of


def line(fact: object, parties: Parties, *, respectful: bool = True) -> str:
    """The log line of a fact of screen/facts.py. `respectful`: respectful_logging."""
    if not respectful and type(fact) in _OLD_WORDS:
        return f"{_OLD_WORDS[type(fact)]} {client(parties)}"
    return _LINES[type(fact)](fact, parties)


def program(fact: object) -> str:
    """Which of Postfix's programs would have written it: the end of the log tag."""
    return "tlsproxy" if type(fact) in (facts.TlsBegun, facts.TlsEnded) else "postscreen"


def is_known(fact: object) -> bool:
    """Is it one of screening's?"""
    return type(fact) in _LINES


def client(parties: Parties) -> str:
    """[ADDRESS]:PORT."""
    return f"[{parties.address}]:{parties.port}"


def wording_reminder(parties: Parties) -> str:
    """Written once, before the first old word that nobody asked for."""
    return f"using backwards-compatible default setting respectful_logging=no for client {client(parties)}"


def entering_stress(connections: int) -> str:
    """So many clients that waits become short."""
    return f"entering STRESS mode with {connections} connections"


def leaving_stress(connections: int) -> str:
    """The end of it."""
    return f"leaving STRESS mode with {connections} connections"


def elapsed(seconds: float) -> str:
    """A time as Postfix writes delays: two digits, hundredths at the finest, no zeros behind."""
    micros = max(0, round(seconds * 1_000_000))
    if micros >= 10_000_000:
        return str((micros + 500_000) // 1_000_000)
    unit, digits = (100_000, 1) if micros >= 1_000_000 else (10_000, 2)
    rounded = (micros + unit // 2) // unit * unit
    text = f"{rounded / 1_000_000:.{digits}f}"
    return text.rstrip("0").rstrip(".")


def _word(word: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in word[:SHOWN])


def _connect(_: facts.Connect, parties: Parties) -> str:
    return f"CONNECT from {client(parties)} to [{parties.server_address}]:{parties.server_port}"


def _tolerated(fact: facts.Tolerated, parties: Parties) -> str:
    return tolerated(fact.after, client(parties), fact.pattern, fact.evidence, fact.text)


def _pregreet(fact: facts.Pregreet, parties: Parties) -> str:
    text = escaped(fact.text, _PREGREET_SHOWN)[:SHOWN]
    return f"PREGREET {fact.count} after {elapsed(fact.after)} from {client(parties)}: {text}"


def _hang_up(fact: facts.HangUp, parties: Parties) -> str:
    where = "after" if fact.greeted else "before"
    return f"HANGUP after {elapsed(fact.after)} from {client(parties)} in tests {where} SMTP handshake"


def _bare_newline(fact: facts.BareNewline, parties: Parties) -> str:
    return f"BARE NEWLINE from {client(parties)} after {escaped(fact.line, SHOWN)}"


def _non_smtp(fact: facts.NonSmtp, parties: Parties) -> str:
    rest = escaped(fact.rest, SHOWN)
    return f"NON-SMTP COMMAND from {client(parties)} after {fact.after}: {_word(fact.word)} {rest}"


def _pipelining(fact: facts.Pipelining, parties: Parties) -> str:
    return f"COMMAND PIPELINING from {client(parties)} after {_word(fact.after)}: {escaped(fact.text, SHOWN)}"


def _rejected(fact: facts.RcptRejected, parties: Parties) -> str:
    return (f"NOQUEUE: reject: RCPT from {client(parties)}: {fact.reply}; from=<{external(fact.sender)}>, "
            f"to=<{external(fact.recipient)}>, proto={fact.protocol}, helo=<{fact.helo}>")


def _replaced(fact: facts.CommandReplaced, parties: Parties) -> str:
    return f'{client(parties)}: replacing command "{fact.old[:SHOWN]}" with "{fact.new[:SHOWN]}"'


_OLD_WORDS: dict[type, str] = {
    facts.Allowlisted: "WHITELISTED",
    facts.Denylisted: "BLACKLISTED",
    facts.Veto: "WHITELIST VETO",
}

_LINES: dict[type, Callable[[Any, Parties], str]] = {
    facts.Connect: _connect,
    facts.Disconnect: lambda _, who: f"DISCONNECT {client(who)}",
    facts.TooManyConnections: lambda _, who: f"NOQUEUE: reject: CONNECT from {client(who)}: too many connections",
    facts.ServerPortsBusy: lambda _, who: f"NOQUEUE: reject: CONNECT from {client(who)}: all server ports busy",
    facts.ScreeningPortsBusy: lambda _, who: f"reject: connect from {client(who)}: all screening ports busy",
    facts.Allowlisted: lambda _, who: f"ALLOWLISTED {client(who)}",
    facts.Denylisted: lambda _, who: f"DENYLISTED {client(who)}",
    facts.Veto: lambda _, who: f"ALLOWLIST VETO {client(who)}",
    facts.PassNew: lambda _, who: f"PASS NEW {client(who)}",
    facts.PassOld: lambda _, who: f"PASS OLD {client(who)}",
    facts.Pregreet: _pregreet,
    facts.DnsblRank: lambda fact, who: f"DNSBL rank {fact.score} for {client(who)}",
    facts.HangUp: _hang_up,
    facts.BareNewline: _bare_newline,
    facts.NonSmtp: _non_smtp,
    facts.Pipelining: _pipelining,
    facts.Tolerated: _tolerated,
    facts.TimeLimit: lambda fact, who: f"COMMAND TIME LIMIT from {client(who)} after {fact.after}",
    facts.CountLimit: lambda fact, who: f"COMMAND COUNT LIMIT from {client(who)} after {fact.after}",
    facts.LengthLimit: lambda fact, who: f"COMMAND LENGTH LIMIT from {client(who)} after {fact.after}",
    facts.ContentWithoutRcpt: lambda fact, who: f"{fact.verb} without valid RCPT from {client(who)}",
    facts.RcptRejected: _rejected,
    # No colon between address and port: it is Postfix's own line, to the character.
    facts.KeywordsDiscarded: lambda fact, who: f"[{who.address}]{who.port}: discarding EHLO keywords: {fact.keywords}",
    facts.CommandReplaced: _replaced,
    facts.PlaintextDropped: lambda fact, who: (f"plaintext dropped behind STARTTLS from {client(who)}: {fact.count} "
                                               f"bytes: {escaped(fact.text)}"),
    facts.TlsBegun: lambda _, who: f"CONNECT from {client(who)}",
    facts.TlsEnded: lambda _, who: f"DISCONNECT {client(who)}",
}
