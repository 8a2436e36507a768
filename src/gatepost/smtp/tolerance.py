"""Is early talk a harmless probe or an attack? The patterns that may be tolerated, and the benefit of the doubt.

A pattern grades all that was said since the client first talked out of turn, from its first byte: POSSIBLE while it is
the beginning of the pattern, HARMLESS when it is the whole of it, ATTACK from the first byte that does not fit. The
grade is a function of those bytes alone, never of how they were cut. What a pattern lets through holds no command but
HELO, EHLO and QUIT, and at most SHOWN bytes, so that nothing can be sent under its cover. Which clients talk like that
stands in known_clients.py. This file must not know whether anybody tolerates them.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

SHOWN: Final = 100  # bytes of an offence that are kept, and more than any pattern has
EXEMPT: Final = "exempt client"  # stands where a pattern's name would


class Grade(enum.Enum):
    """What early talk is, as far as can be known."""

    POSSIBLE = "the beginning of a harmless probe"
    HARMLESS = "a harmless probe"
    ATTACK = "no harmless probe"


@dataclass(frozen=True, slots=True)
class Pattern:
    """One kind of harmless probe. `after`: behind what it is said (CONNECT: before the greeting). `goes_on`: it means
    nothing, and what the client says in its turn afterwards is a session like any other; without it there is nothing
    more to say."""

    name: str
    after: frozenset[str]
    doc: str
    grade: Callable[[str, bytes], Grade]  # of what is said, and behind what
    goes_on: bool = False


# A line of commands that do nothing

_NAME = re.compile(rb"[!-~]{1,64}")
_HELLO, _QUIT = "hello", "quit"
_VERBS = {_HELLO: [b"HELO", b"EHLO"], _QUIT: [b"QUIT"]}


def _is(kind: str, line: bytes) -> bool:
    """Is this the whole line, without its end?"""
    verb, space, name = line.partition(b" ")
    if verb.upper() not in _VERBS[kind]:
        return False
    return _NAME.fullmatch(name) is not None if kind == _HELLO else not space


def _can_become(kind: str, line: bytes) -> bool:
    """Is this the beginning of such a line?"""
    if line.endswith(b"\r"):
        return _is(kind, line[:-1])
    verb, space, name = line.partition(b" ")
    if not space:
        return any(whole.startswith(verb.upper()) for whole in _VERBS[kind])
    return kind == _HELLO and verb.upper() in _VERBS[kind] and (not name or _NAME.fullmatch(name) is not None)


def _lines(text: bytes, expected: Sequence[str], least: int) -> Grade:
    """Lines in this order, at least so many of them, and nothing behind."""
    *lines, rest = text.split(b"\n")
    if len(lines) > len(expected):
        return Grade.ATTACK
    for line, kind in zip(lines, expected, strict=False):
        if not _is(kind, line.removesuffix(b"\r")):
            return Grade.ATTACK
    if not rest:
        return Grade.HARMLESS if len(lines) >= least else Grade.POSSIBLE
    if len(lines) == len(expected) or not _can_become(expected[len(lines)], rest):
        return Grade.ATTACK
    return Grade.POSSIBLE


def _hello_quit(after: str, text: bytes) -> Grade:
    return _lines(text, (_HELLO, _QUIT), 2) if after == "CONNECT" else _lines(text, (_QUIT,), 1)


def _early_hello(_: str, text: bytes) -> Grade:
    return _lines(text, (_HELLO, _QUIT), 1)


# Telnet: IAC WILL, WONT, DO or DONT and an option, or IAC SB ... IAC SE (RFC 854). Never the end of a line, for then
# what stands between could be a command.
_NEGOTIATED = rb"(?:\xff[\xfb-\xfe][^\r\n\xff]|\xff\xfa(?:[^\r\n\xff]|\xff\xff)*\xff\xf0)"
_TELNET = re.compile(_NEGOTIATED + rb"+")
_TELNET_BEGUN = re.compile(_NEGOTIATED + rb"*(?:\xff(?:[\xfb-\xfe]|\xfa(?:[^\r\n\xff]|\xff\xff)*\xff?)?)?")


def _telnet(_: str, text: bytes) -> Grade:
    if _TELNET.fullmatch(text):
        return Grade.HARMLESS
    return Grade.POSSIBLE if _TELNET_BEGUN.fullmatch(text) else Grade.ATTACK


def without_negotiation(line: bytes) -> bytes:
    """A client's first line as meant where `telnet` is tolerated. Early or not: replies must not depend on that."""
    negotiated = _TELNET.match(line)
    return line[negotiated.end():] if negotiated is not None else line


PATTERNS: Final = {
    pattern.name: pattern
    for pattern in (
        Pattern("hello-quit", frozenset({"CONNECT", "HELO", "EHLO"}), """
            HELO or EHLO, QUIT and nothing behind, both before the greeting or QUIT before the answer to the other: the
            client looks who is there.""", _hello_quit),
        Pattern("early-hello", frozenset({"CONNECT"}), """
            HELO or EHLO before the greeting, then QUIT or nothing more: a monitor that asks whether the server lives.
            Not tolerated unless that is asked for, because spam engines begin like this.""", _early_hello),
        Pattern("telnet", frozenset({"CONNECT"}), """
            Telnet's negotiation of options before the greeting: somebody uses a terminal program. In front of the
            first line it is dropped, so that what is typed is a command; that and all that follows is judged as
            ever.""", _telnet, goes_on=True),
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tolerated:
    """The client talked out of turn, and that is held against nobody: a pattern's name or EXEMPT; the rest as in
    turn.EarlyTalk."""

    pattern: str
    after: str
    evidence: str
    text: bytes


class Doubt:
    """An offence that may turn out to be a harmless probe: behind which command, with which evidence, saying what."""

    __slots__ = ("_open", "after", "evidence", "pattern", "text")

    def __init__(self, names: frozenset[str], after: str, evidence: str) -> None:
        """`names`: the patterns that are tolerated; `after` perhaps as typed."""
        self.after = after
        self.evidence = evidence
        self.text = b""
        self.pattern: Pattern | None = None  # the one that the text is the whole of
        self._open = [PATTERNS[name] for name in sorted(names) if after.upper() in PATTERNS[name].after]

    def hear(self, data: bytes, early: bool) -> Grade:
        """The client says more, out of turn again or not -> POSSIBLE: still in doubt; ATTACK: that fits no pattern;
        HARMLESS: the doubt is over, and the rest of `data` is like anything else that is said in turn."""
        if early:
            return self._add(data)
        for at in range(len(data)):
            text, pattern = self.text, self.pattern
            if self._add(data[at : at + 1]) is not Grade.ATTACK:
                continue
            if pattern is not None and pattern.goes_on:
                self.text, self.pattern = text, pattern
                return Grade.HARMLESS
            self.text += data[at + 1 : SHOWN]
            return Grade.ATTACK
        return Grade.POSSIBLE

    def _add(self, data: bytes) -> Grade:
        self.text += data[: SHOWN + 1]
        self.pattern = None
        if len(self.text) > SHOWN:
            return Grade.ATTACK
        possible = Grade.ATTACK
        for pattern in self._open:
            grade = pattern.grade(self.after, self.text)
            if grade is not Grade.ATTACK:
                possible = Grade.POSSIBLE
            if grade is Grade.HARMLESS:
                self.pattern = pattern
        return possible

    def tolerated(self) -> Tolerated:
        """The fact, once `pattern` is known."""
        assert self.pattern is not None
        return Tolerated(self.pattern.name, self.after, self.evidence, self.text)
