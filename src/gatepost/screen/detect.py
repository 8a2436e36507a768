"""Is that SMTP? What a command line tells about who sends it: a line ended in a bare LF, a word of another protocol,
the shape of a message header.

One place for the engine and for the gate. Only the first word counts, words are separated by spaces alone, and nothing
behind a NUL is seen (postscreen(8), non-SMTP command test). This file must not know what an offence costs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gatepost.screen.rules import Rules

_HEADER = re.compile(rb"[!-9;-~]+[ \t]*:")  # a field name is printable US-ASCII without colon (RFC 5322 3.6.8)


@dataclass(frozen=True, slots=True)
class Line:
    """A command line without its end. `bare`: the end was a LF alone. `word` as typed, `verb` in upper case."""

    text: bytes
    bare: bool
    word: bytes
    verb: str
    rest: bytes  # behind the word and one space

    @property
    def typed(self) -> str:
        """The word for a log line."""
        return self.word.decode("utf-8", "surrogateescape")


def read(raw: bytes) -> Line:
    """`raw` ends with LF."""
    bare = not raw.endswith(b"\r\n")
    return parse(raw[:-1] if bare else raw[:-2], bare)


def parse(text: bytes, bare: bool = False) -> Line:
    """A line whose end is off."""
    seen = text.partition(b"\0")[0].lstrip(b" ")
    word, _, rest = seen.partition(b" ")
    return Line(text, bare, word, word.decode("utf-8", "surrogateescape").upper(), rest)


def is_foreign(line: Line, rules: Rules) -> bool:
    """Of a line whose verb is unknown: does it come from something that does not speak SMTP?"""
    if _HEADER.match(line.word):
        return True
    if rules.smtputf8 and not line.word.isascii():
        try:
            line.word.decode()
        except UnicodeDecodeError:
            return True
    return rules.is_forbidden(line.typed)
