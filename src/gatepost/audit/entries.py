"""How is an entry of main.cf found, made, renamed and taken out, with everything around it kept?

A new entry goes behind its nearest relative, by the words of its name, or at the end of the file. This file must not
know what a parameter means, nor master.cf.
"""

from __future__ import annotations

from gatepost.audit.layout import Placed
from gatepost.config.located import BLANKS
from gatepost.config.source import Entry, MainCf, is_comment

NEAR = 2
"""So many words of their names have relatives in common."""


def placed(main: MainCf, name: str) -> Placed | None:
    """The value in force of a name, in its text."""
    entry = main.last().get(name)
    return None if entry is None else Placed(str(main), entry.value, entry.whole)


def lines_of(entry: Entry) -> list[int]:
    """The lines an entry is written in, from 1, without comments between them."""
    return [run.place.line for run in entry.whole.runs if run.place is not None]


def line_end(lines: tuple[str, ...]) -> str:
    """How the lines of a file end, by its first."""
    return "\r\n" if lines and lines[0].endswith("\r\n") else "\n"


def added(main: MainCf, name: str, value: str, comment: str = "") -> str:
    """The text with a new entry."""
    after = _relative(main, name)
    at = lines_of(after)[-1] if after is not None else len(main.lines)
    end = line_end(main.lines)
    new = [f"# {line}".rstrip() + end for line in comment.splitlines()] + [f"{name} = {value}".rstrip() + end]
    before, behind = list(main.lines[:at]), list(main.lines[at:])
    if before and not before[-1].endswith("\n"):
        before[-1] += end
        new[-1] = new[-1].removesuffix(end)
    if comment and before and before[-1].strip(BLANKS):
        new.insert(0, end)
    if comment and behind and behind[0].strip(BLANKS):
        new.append(end)
    return "".join(before + new + behind)


def _relative(main: MainCf, name: str) -> Entry | None:
    """The entry whose name has most in common with this one, the last of them; None when none has."""
    best: tuple[int, Entry | None] = (0, None)
    parts = name.split("_")
    for entry in main.entries:
        kin = kinship(parts, entry.name.split("_"))
        if kin >= max(best[0], NEAR):
            best = kin, entry
    return best[1]


def kinship(one: list[str], two: list[str]) -> int:
    """How many words two names share at the beginning, and then at the end."""
    shared = 0
    while shared < min(len(one), len(two)) and one[shared] == two[shared]:
        shared += 1
    rest = shared
    while shared and rest < min(len(one), len(two)) and one[shared - rest - 1] == two[shared - rest - 1]:
        rest += 1
    return rest


def removed(main: MainCf, name: str, *, but_last: bool = False) -> str:
    """The text without any entry of this name, or with only the one in force. Comments stay."""
    same = [entry for entry in main.entries if entry.name == name]
    gone = {line for entry in same[:len(same) - but_last] for line in lines_of(entry)}
    return "".join(line for number, line in enumerate(main.lines, 1) if number not in gone)


def renamed(main: MainCf, name: str, to: str) -> str:
    """The text with every entry of this name under another."""
    lines = list(main.lines)
    for entry in main.entries:
        if entry.name == name:
            at = entry.span.column - 1
            line = lines[entry.span.line - 1]
            lines[entry.span.line - 1] = line[:at] + to + line[at + len(name):]
    return "".join(lines)


def commented(lines: tuple[str, ...], line: int, comment: str, indent: str = "") -> str:
    """The text with a comment above a line (from 1), when the comment lines there do not say it already."""
    above = line - 1
    while above and is_comment(lines[above - 1]) and lines[above - 1].strip(BLANKS):
        above -= 1
    if _plain(comment) in _plain("".join(each.strip(BLANKS).lstrip("#") for each in lines[above:line - 1])):
        return "".join(lines)
    new = [f"{indent}# {each}".rstrip() + line_end(lines) for each in comment.splitlines()]
    return "".join([*lines[:line - 1], *new, *lines[line - 1:]])


def _plain(text: str) -> str:
    """A comment's letters, however it is broken into lines."""
    return "".join(text.split())
