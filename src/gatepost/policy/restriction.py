"""What is a restriction? The declaration: name, what it needs, what it takes, what it may answer, and the function.

A restriction is declared once, by the decorator on a small function whose docstring is its reference page. Four readers
use the declaration: the engine (runs it), the program (reads its argument), the auditor (`may`), the documentation.
Registration is a visible list (restrictions/__init__.py), not discovery. This file must not know any restriction.
"""

from __future__ import annotations

import enum
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gatepost.policy.refusal import Refusal
from gatepost.policy.verdict import Outcome

if TYPE_CHECKING:
    from gatepost.policy.question import Question

Answer = Outcome | Refusal
"""Outcome.DUNNO, Outcome.OK, a refusal; Outcome.REJECT only from a nested list, which has said its reply already."""

Function = Callable[["Question", Any], Answer | Awaitable[Answer]]


class Needs(enum.IntFlag):
    """What must be known before a restriction makes sense; without it the restriction is skipped."""

    NOTHING = 0
    HELO = 1
    SENDER = 2
    RECIPIENT = 4
    NAMED_SENDER = 8  # a sender that is not the null sender
    ETRN = 16


class Takes(enum.Enum):
    """What follows the name in a list."""

    NOTHING = "nothing"
    TABLE = "type:table"
    CERTIFICATE_TABLE = "type:table or { type:table, { search_order = ... } }"
    DOMAIN = "domain[=filter]"
    SERVER = "inet:host:port or unix:path, or { ..., name = value }"
    NUMBER = "seconds"


@dataclass(frozen=True, slots=True)
class Restriction:
    """One declared restriction. `removed` is the advice of a name that Postfix 3.9 no longer knows, `warns` the line
    that 3.7 logs when it is first used. `ends`: nothing behind it in the list is reached."""

    name: str
    aliases: tuple[str, ...]
    takes: Takes
    needs: Needs
    may: frozenset[Outcome]
    function: Function
    subject: str
    removed: str = ""
    warns: str = ""
    ends: bool = False

    @property
    def doc(self) -> str:
        """The reference page: first line, then what matters besides."""
        return inspect.getdoc(self.function) or ""


def restriction(*aliases: str, name: str = "", takes: Takes = Takes.NOTHING, needs: Needs = Needs.NOTHING,
                may: tuple[Outcome, ...] = (Outcome.REJECT,), subject: str, removed: str = "", warns: str = "",
                ends: bool = False) -> Callable[[Function], Restriction]:
    """Declare the function below as the restriction of its name. `subject` is its chapter in the reference: generic,
    client, helo, sender, recipient, etrn."""

    def declared(function: Function) -> Restriction:
        return Restriction(name or function.__name__, aliases, takes, needs, frozenset(may), function, subject,
                           removed, warns, ends)

    return declared


def by_name(declared: list[Restriction]) -> dict[str, Restriction]:
    """The registry: every name and old name, lower case. A name given twice is a bug."""
    found: dict[str, Restriction] = {}
    for each in declared:
        for word in (each.name, *each.aliases):
            if word in found:
                raise AssertionError(f"restriction {word} is declared twice")
            found[word] = each
    return found
