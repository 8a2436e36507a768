"""What does a query or result template mean for a key? `%s %u %d %1`..`%9` and their upper-case forms.

mysql_table(5), pgsql_table(5), ldap_table(5). Contract: `expand` gives None when the key cannot supply a piece: the
query is then not made, the result is left out, and neither is an error. Quoting is the caller's, per piece. This file
must not know any database.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gatepost.span import ConfigError

Quote = Callable[[str], str]


def _unquoted(text: str) -> str:
    return text


def split_address(text: str) -> tuple[str, str]:
    """(local part, domain), cut at the last @; without one, all is local part."""
    local, at, domain = text.rpartition("@")
    return (local, domain) if at else (text, "")


@dataclass(frozen=True, slots=True)
class Template:
    """A template cut into literal texts and (letter) pieces."""

    pieces: tuple[tuple[str, str], ...]  # (literal text, letter behind it or "")

    @classmethod
    def read(cls, text: str) -> Template:
        """ConfigError for an unknown % sequence."""
        pieces: list[tuple[str, str]] = []
        literal, at = "", 0
        while at < len(text):
            if text[at] != "%":
                literal += text[at]
                at += 1
                continue
            letter = text[at + 1 : at + 2]
            if letter == "%":
                literal += "%"
            elif letter and letter in "sudSUD123456789":
                pieces.append((literal, letter))
                literal = ""
            else:
                raise ConfigError(f'bad template: "%{letter}" in "{text}"', text=text)
            at += 2
        return cls((*pieces, (literal, "")))

    def expand(self, value: str, key: str = "", quote: Quote = _unquoted) -> str | None:
        """Fill in `value`; upper-case letters and digits take from `key` where one is given (result templates)."""
        texts = []
        for literal, letter in self.pieces:
            texts.append(literal)
            if letter:
                source = (key or value) if letter.isupper() or letter.isdigit() else value
                piece = _piece(letter.lower(), source)
                if piece is None:
                    return None
                texts.append(quote(piece))
        return "".join(texts)


def _piece(letter: str, source: str) -> str | None:
    if letter == "s":
        return source
    local, domain = split_address(source)
    if letter == "u":
        return local or None
    if letter == "d":
        return domain or None
    labels = domain.split(".")[::-1] if domain else []
    return labels[int(letter) - 1] if int(letter) <= len(labels) else None
