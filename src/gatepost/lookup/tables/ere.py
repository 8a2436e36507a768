"""How does PCRE2 say what a POSIX regular expression means? Translation of ERE and BRE, GNU extensions included.

regexp_table(5) means the C library's regcomp(3). Text is matched as bytes in the C locale, as Postfix does, so patterns
and keys travel as Latin-1 views of their bytes. One difference stays: of several ways to match, POSIX prefers the
longest and PCRE2 the first, which shows only in what `$1` holds when an alternative is the beginning of another. What
glibc rejects is rejected (BadPattern, in its words). This file must not compile anything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

CLASSES = frozenset({"alpha", "digit", "alnum", "upper", "lower", "space", "blank", "punct", "print", "graph", "cntrl",
                     "xdigit"})
GNU_ESCAPES = {"w": r"\w", "W": r"\W", "s": r"\s", "S": r"\S", "b": r"\b", "B": r"\B",
               "<": r"\b(?=\w)", ">": r"\b(?<=\w)", "`": r"\A", "'": r"\z"}
BRE_OPERATORS = frozenset("(){}|+?")
INTERVAL = re.compile(r"([0-9]*)(,?)([0-9]*)")


class BadPattern(Exception):
    """The pattern is not a POSIX regular expression; the text is regerror(3)'s."""


@dataclass(slots=True)
class _Output:
    """Translated pieces; `atom` is where the last thing that can be repeated begins, None when there is none."""

    multiline: bool
    extended: bool
    pieces: list[str] = field(default_factory=list)
    groups: list[int] = field(default_factory=list)
    atom: int | None = None
    repeated: bool = False

    def put(self, text: str, *, atom: bool = True) -> None:
        self.atom = len(self.pieces) if atom else None
        self.repeated = False
        self.pieces.append(text)

    def repeat(self, operator: str) -> None:
        if self.atom is None or (self.repeated and not self.extended and operator[0] in "*{"):
            raise BadPattern("Invalid preceding regular expression")
        if self.repeated:  # PCRE2 would read a** and a*+ as something else
            self.pieces.insert(self.atom, "(?:")
            self.pieces.append(")")
        self.pieces.append(operator)
        self.repeated = True

    def open(self) -> None:
        self.groups.append(len(self.pieces))
        self.put("(", atom=False)

    def close(self) -> None:
        start = self.groups.pop()
        self.put(")")
        self.atom = start


def translate(pattern: str, *, extended: bool = True, multiline: bool = False) -> str:
    """The PCRE2 pattern, to be compiled with DOTALL and without MULTILINE; `multiline` is regcomp's REG_NEWLINE."""
    output = _Output(multiline, extended)
    at = 0
    while at < len(pattern):
        char = pattern[at]
        if char == "[":
            text, at = _bracket(pattern, at + 1, multiline)
            output.put(text)
            continue
        escaped = char == "\\"
        if escaped:
            at += 1
            if at == len(pattern):
                raise BadPattern("Trailing backslash")
            char = pattern[at]
        at += 1
        operator = char in BRE_OPERATORS and escaped is not extended
        if operator and char == "{":
            at = _interval(output, pattern, at, "}" if extended else "\\}")
        elif operator:
            _operator(output, char)
        elif escaped:
            _escaped(output, char)
        else:
            _plain(output, char, pattern, at, extended)
    if output.groups:
        raise BadPattern("Unmatched ( or \\(")
    return "".join(output.pieces)


def _operator(output: _Output, char: str) -> None:
    match char:
        case "(":
            output.open()
        case ")" if output.groups:
            output.close()
        case ")" if not output.extended:
            raise BadPattern("Unmatched ) or \\)")
        case "|":
            output.put("|", atom=False)
        case "+" | "?" if output.extended or output.atom is not None:
            output.repeat(char)
        case _:  # what has nothing to close or to repeat stands for itself
            output.put("\\" + char)


def _escaped(output: _Output, char: str) -> None:
    if char in GNU_ESCAPES:
        output.put(f"(?:{GNU_ESCAPES[char]})", atom=char in "wWsS")
    elif char in "123456789":
        output.put(f"(?:\\g{{{char}}})")
    else:
        output.put(_literal(char))


def _plain(output: _Output, char: str, pattern: str, at: int, extended: bool) -> None:
    """`at` is behind the character."""
    if char == "*":
        if output.atom is None and not extended:
            output.put(r"\*")  # BRE: a star with nothing before it stands for itself
        else:
            output.repeat("*")
    elif char == ".":
        output.put(r"[^\n]" if output.multiline else ".")
    elif char == "^" and (extended or at == 1 or pattern[: at - 1].endswith(("\\(", "\\|"))):
        # Not PCRE2's own multi-line ^, which does not match behind a newline that ends the text.
        output.put(r"(?<![^\n])" if output.multiline else r"\A", atom=False)
    elif char == "$" and (extended or at == len(pattern) or pattern.startswith(("\\)", "\\|"), at)):
        output.put(r"(?![^\n])" if output.multiline else r"\z", atom=False)
    else:
        output.put(_literal(char))


def _literal(char: str) -> str:
    return char if char.isalnum() or not char.isascii() else f"\\x{ord(char):02x}"


def _interval(output: _Output, pattern: str, at: int, end: str) -> int:
    """`{2}`, `{2,}`, `{2,5}`, `{,5}`; returns the place behind the closing brace."""
    close = pattern.find(end, at)
    if output.atom is None:
        raise BadPattern("Invalid preceding regular expression")
    if close < 0:
        raise BadPattern("Unmatched { or \\{")
    read = INTERVAL.fullmatch(pattern[at:close])
    if not read or not (read[1] or read[3]):
        raise BadPattern("Invalid content of \\{\\}")
    low = read[1] or "0"
    if int(low) > 32767 or (read[3] and (int(read[3]) > 32767 or int(low) > int(read[3]))):
        raise BadPattern("Invalid content of \\{\\}")
    output.repeat(f"{{{low}{read[2]}{read[3]}}}")
    return close + len(end)


def _bracket(pattern: str, at: int, multiline: bool) -> tuple[str, int]:
    """A bracket expression from behind its `[` -> (PCRE2 class, place behind its `]`). Backslash is a character."""
    pieces = ["["]
    negated = pattern.startswith("^", at)
    if negated:
        pieces.append("^\\n" if multiline else "^")
        at += 1
    start = at
    while True:
        if at >= len(pattern):
            raise BadPattern("Unmatched [, [^, [:, [., or [=")
        if pattern[at] == "]" and at > start:
            return "".join(pieces) + "]", at + 1
        if pattern.startswith("[:", at):
            name, at = _named(pattern, at)
            if name not in CLASSES:
                raise BadPattern("Invalid character class name")
            pieces.append(f"[:{name}:]")
            continue
        low, at = _element(pattern, at)
        if pattern.startswith("-", at) and at + 1 < len(pattern) and pattern[at + 1] != "]":
            high, at = _element(pattern, at + 1)
            if ord(high) < ord(low):
                raise BadPattern("Invalid range end")
            pieces.append(f"{_literal(low)}-{_literal(high)}")
        else:
            pieces.append(_literal(low))


def _element(pattern: str, at: int) -> tuple[str, int]:
    """One character of a bracket expression, `[.x.]` and `[=x=]` included."""
    if pattern.startswith(("[.", "[="), at):
        name, at = _named(pattern, at)
        if len(name) != 1:
            raise BadPattern("Invalid collation character")
        return name, at
    return pattern[at], at + 1


def _named(pattern: str, at: int) -> tuple[str, int]:
    mark = pattern[at + 1]
    end = pattern.find(mark + "]", at + 2)
    if end < 0:
        raise BadPattern("Unmatched [, [^, [:, [., or [=")
    return pattern[at + 2 : end], end + 2
