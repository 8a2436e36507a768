"""What does a sed command make of the lines of a file? Substitutions and deletions, as far as they are understood.

Read: `s` and `d`, with an optional address that is a /pattern/; flags g and I; BRE and ERE (-E, -r), translated to
Python's. Whatever else a script has makes it not understood: None, never a guess.
"""

from __future__ import annotations

import re
from collections.abc import Callable

Change = Callable[[str], str | None]
"""A line without its end -> the line it becomes, None when it is deleted."""

ESCAPED = frozenset("?+(){}|")


def change(scripts: list[str], *, extended: bool) -> Change | None:
    """What the scripts (each -e, or the one script) do to one line, one after the other; None when not understood."""
    steps: list[Change] = []
    for script in scripts:
        for command in _commands(script):
            step = _command(command.strip(), extended) if command is not None else None
            if step is None:
                return None
            steps.append(step)

    def apply(line: str) -> str | None:
        changed: str | None = line
        for step in steps:
            if changed is None:
                return None
            changed = step(changed)
        return changed

    return apply if steps else None


def _commands(script: str) -> list[str | None]:
    """Cut at newlines, and at `;` behind a complete command."""
    found: list[str | None] = []
    rest = script.strip()
    while rest:
        end = _end(rest)
        if end is None:
            return [None]
        found.append(rest[:end])
        rest = rest[end:].lstrip("; \t\n")
    return found


def _end(script: str) -> int | None:
    """Where the command at the front ends."""
    at = 0
    if script.startswith("/"):
        at = _closing(script, 0) or 0
        if not at:
            return None
        at += len(script[at:]) - len(script[at:].lstrip())
    if script[at : at + 1] == "d":
        return at + 1
    if script[at : at + 1] != "s" or at + 1 >= len(script):
        return None
    middle = _closing(script, at + 1)
    last = _closing(script, middle - 1) if middle else None
    if last is None:
        return None
    while last < len(script) and script[last] not in ";\n":
        last += 1
    return last


def _closing(script: str, at: int) -> int | None:
    """The position behind the delimiter that closes the one at `at`; one inside brackets closes too, as in GNU sed."""
    delimiter, here = script[at], at + 1
    while here < len(script):
        if script[here] == "\\":
            here += 2
        elif script[here] == delimiter:
            return here + 1
        else:
            here += 1
    return None


def _command(command: str, extended: bool) -> Change | None:
    try:
        address, rest = None, command
        if command.startswith("/"):
            end = _closing(command, 0)
            if end is None:
                return None
            address = re.compile(pattern(command[1 : end - 1].replace("\\/", "/"), extended))
            rest = command[end:].strip()
        step = _deletion if rest == "d" else _substitution(rest, extended)
    except (re.error, OverflowError, ValueError):
        return None
    if step is None:
        return None
    if address is None:
        return None if rest == "d" else step
    matches = address.search
    return lambda line: step(line) if matches(line) else line


def _deletion(line: str) -> str | None:
    return None


def _substitution(text: str, extended: bool) -> Change | None:
    delimiter = text[1:2]
    middle = _closing(text, 1)
    end = _closing(text, middle - 1) if middle else None
    if not middle or not end or delimiter in "\\\n":
        return None
    flags = text[end:].strip()
    read = re.fullmatch(r"([gIi]*)", flags)
    if read is None:
        return None
    written = text[2 : middle - 1].replace("\\" + delimiter, delimiter)
    expression = re.compile(pattern(written, extended), re.IGNORECASE if "i" in flags.lower() else 0)
    by = replacement(text[middle : end - 1].replace("\\" + delimiter, delimiter))
    if by is None:
        return None
    count = 0 if "g" in flags else 1
    return lambda line: expression.sub(by, line, count=count)


def replacement(text: str) -> Callable[[re.Match[str]], str] | None:
    """The right side of an `s`: `\\1`, `&` and escapes; None for case changes and newlines."""
    parts: list[str | int] = []
    at = 0
    while at < len(text):
        char = text[at]
        if char == "&":
            parts.append(0)
        elif char == "\\" and at + 1 < len(text):
            at += 1
            if text[at].isascii() and text[at].isdigit():
                parts.append(int(text[at]))
            elif text[at].isalpha() or text[at] == "\n":
                return None
            else:
                parts.append(text[at])
        else:
            parts.append(char)
        at += 1
    return lambda found: "".join(part if isinstance(part, str) else found[part] or "" for part in parts)


def pattern(text: str, extended: bool) -> str:
    """A POSIX expression in Python's syntax. re.error or ValueError when it has what cannot be said there."""
    parts: list[str] = []
    at = 0
    while at < len(text):
        char = text[at]
        if char == "[":
            end = _bracket(text, at)
            parts.append(_class(text[at:end]))
            at = end
            continue
        if char == "\\":
            following = text[at + 1 : at + 2]
            if following in ESCAPED and not extended:
                parts.append(following)
            elif following in "sSwWbB123456789" and following:
                parts.append("\\" + following)
            elif following in "<>":
                parts.append(r"\b")
            elif following.isalpha():
                raise ValueError("an escape that is not known")
            else:
                parts.append(re.escape(following or "\\"))
            at += 2
            continue
        if char in ESCAPED and not extended:
            parts.append(re.escape(char))
        elif char == "*" and not extended and (not parts or parts == ["^"]):
            parts.append(r"\*")
        else:
            parts.append(char)
        at += 1
    return "".join(parts)


def _bracket(text: str, at: int) -> int:
    """The position behind the bracket expression at `at`."""
    here = at + 1 + (text[at + 1 : at + 2] == "^")
    here += text[here : here + 1] == "]"
    while here < len(text):
        if text.startswith("[:", here):
            here = text.find(":]", here) + 2
            if here == 1:
                raise ValueError("an open class")
            continue
        if text[here] == "]":
            return here + 1
        here += 1
    raise ValueError("an open bracket")


CLASSES = {"[:space:]": r"\s", "[:blank:]": r" \t", "[:digit:]": "0-9", "[:alpha:]": "A-Za-z", "[:alnum:]": "A-Za-z0-9",
           "[:lower:]": "a-z", "[:upper:]": "A-Z"}


def _class(text: str) -> str:
    inside = text[1:-1]
    negated = inside.startswith("^")
    body = inside[negated:].replace("\\", "\\\\")
    for name, members in CLASSES.items():
        body = body.replace(name, "\0" + members + "\0")
    plain = [part.replace("[", r"\[").replace("]", r"\]") if at % 2 == 0 else part
             for at, part in enumerate(body.split("\0"))]
    return f"[{'^' if negated else ''}{''.join(plain)}]"
