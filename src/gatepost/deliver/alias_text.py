"""What does the right-hand side of an alias say? aliases(5) and virtual(5) text to destinations.

Addresses are separated by commas; `"|command arguments"`, `/file/name`, `:include:/file/name` are what they look
like. This file must not look anything up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gatepost.smtp.grammar import Token, address

INCLUDE = ":include:"


@dataclass(frozen=True, slots=True)
class Destination:
    """One item. `text`: an address in internal form, a command line, a file name."""

    kind: Literal["address", "command", "file", "include", "error"]
    text: str


def destinations(text: str) -> list[Destination]:
    """Read a list. What is no address is an `error` item with its text."""
    found: list[Destination] = []
    for item in split_list(text):
        plain = not any(char in item for char in '"<(|:/')
        # A forgotten comma: joined, two addresses would make a third.
        found += (_destination(word) for word in (item.split() if plain else [item]))
    return found


def split_list(text: str) -> list[str]:
    """Items between commas and line ends; quotes, comments and angle brackets hold an item together."""
    items: list[str] = []
    start, depth, quoted = 0, 0, False
    at = 0
    while at < len(text):
        char = text[at]
        if char == "\\":
            at += 1
        elif char == '"':
            quoted = not quoted
        elif not quoted:
            depth += (char in "(<") - (char in ")>" and depth > 0)
            if depth == 0 and char in ",\n":
                items.append(text[start:at].strip())
                start = at + 1
        at += 1
    items.append(text[start:].strip())
    return [item for item in items if item]


def _destination(item: str) -> Destination:
    plain = item
    if len(item) > 1 and item.startswith('"') and item.endswith('"') and item[1] in "|/:":
        plain = item[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    if plain.startswith("|"):
        return Destination("command", plain[1:].strip())
    if plain.lower().startswith(INCLUDE):
        return Destination("include", plain[len(INCLUDE) :].strip())
    if plain.startswith("/"):
        return Destination("file", plain)
    if item.startswith("@"):  # virtual(5): another domain, the same local part
        return Destination("address", item)
    found = address(Token(item), strict=False, empty=False)
    if not found and " " in item:
        return Destination("error", item)
    return Destination("address", found.lstrip("\\")) if found else Destination("error", item)


def included(text: str) -> list[Destination]:
    """The items of an :include: file: a list on each line, comment lines and blank lines left out."""
    found: list[Destination] = []
    for line in text.split("\n"):
        if line.strip() and not line.startswith("#"):
            found += destinations(line)
    return found
