"""Which pattern does a key match? `regexp:` (POSIX) and `pcre:` tables.

regexp_table(5), pcre_table(5): `/pattern/flags result`, `!/pattern/flags result`, `if`/`endif`, `$1` in results; flags
toggle their default. regexp has `/p1/!/p2/ result` (p1 and not p2) besides. Both kinds run on PCRE2, on bytes: its
match limit bounds what a hostile key can cost, and then the lookup fails (docs/decisions/005-pcre2.md). This file must
not know where the text comes from.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import pcre2

from gatepost.config.located import BLANKS
from gatepost.lookup.ask import LookupFailure
from gatepost.lookup.tables.ere import BadPattern, translate
from gatepost.lookup.tables.files import Find
from gatepost.lookup.tables.rules import BadRule, EndIf, If, Rule, Statement, open_rules, read_program
from gatepost.lookup.tables.source import LogicalLine
from gatepost.lookup.tables.table import Opener, Opening, OpenTable

IF = re.compile(r"if(?![a-z0-9])", re.IGNORECASE)
ENDIF = re.compile(r"endif(?![a-z0-9])", re.IGNORECASE)
DOLLAR = re.compile(r"\$(?:(?P<dollar>\$)|(?P<plain>[A-Za-z0-9_]+)|\{(?P<brace>[^}]*)\}|\((?P<round>[^)]*)\))?")

CASELESS, MULTILINE, DOTALL, EXTENDED = pcre2.IGNORECASE, pcre2.MULTILINE, pcre2.DOTALL, pcre2.VERBOSE
# Options that the binding has no name for; it hands the bits on (pcre2.h).
DOLLAR_ENDONLY, UNGREEDY = 0x00000010, 0x00040000

Search = Callable[[bytes], "pcre2.Match | None"]


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled pattern as written: `/p/flags` or `!/p/flags`."""

    search: Search
    groups: int
    negated: bool

    def holds(self, key: bytes) -> bool:
        """Does the key match, negation counted?"""
        return (self.search(key) is None) is self.negated


@dataclass(frozen=True, slots=True)
class Dialect:
    """What tells the two kinds apart: their default flags, how a pattern is compiled, the words of warnings."""

    kind: str
    defaults: str
    toggles: str
    compile: Callable[[str, frozenset[str]], pcre2.Pattern]
    unclosed: str
    second: bool = False  # /p1/!/p2/
    obsolete: str = ""


def _compile_posix(text: str, flags: frozenset[str]) -> pcre2.Pattern:
    translated = translate(text, extended="x" in flags, multiline="m" in flags)
    return pcre2.compile(translated.encode("latin-1"), DOTALL | (CASELESS if "i" in flags else 0))


PCRE_OPTIONS = {"i": CASELESS, "m": MULTILINE, "s": DOTALL, "x": EXTENDED,
                "E": DOLLAR_ENDONLY, "U": UNGREEDY}


def _compile_pcre(text: str, flags: frozenset[str]) -> pcre2.Pattern:
    return pcre2.compile(text.encode("latin-1"), sum(PCRE_OPTIONS.get(flag, 0) for flag in flags))


REGEXP = Dialect("regexp", "ix", "imx", _compile_posix, "skipping this rule", second=True)
PCRE = Dialect("pcre", "is", "imsxAEU", _compile_pcre, "ignoring this rule", obsolete="X")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def read_pattern(dialect: Dialect, text: str, warn: Callable[[str], None]) -> tuple[Pattern, str]:
    """`[!] /pattern/flags` at the beginning of the text -> (pattern, what follows the flags)."""
    negated = False
    while text.startswith("!"):
        negated = not negated
        text = text[1:].lstrip(BLANKS)
    if not text:
        raise BadRule("no regexp: skipping this rule")
    delimiter, at = text[0], 1
    while at < len(text) and text[at] != delimiter:
        at += 2 if text[at] == "\\" else 1
    if at >= len(text):
        raise BadRule(f'no closing regexp delimiter "{delimiter}": {dialect.unclosed}')
    written = text[1:at]
    at += 1
    flags = set(dialect.defaults)
    while at < len(text) and text[at] not in BLANKS and not (dialect.second and text[at] == "!"):
        if text[at] in dialect.obsolete:
            warn(f'ignoring obsolete regexp option "{text[at]}"')
        elif text[at] not in dialect.toggles:
            raise BadRule(f'unknown regexp option "{text[at]}": skipping this rule')
        flags ^= {text[at]}
        at += 1
    return Pattern(*_compile(dialect, written, frozenset(flags)), negated), text[at:]


def _compile(dialect: Dialect, written: str, flags: frozenset[str]) -> tuple[Search, int]:
    try:
        compiled = dialect.compile(_bytes(written).decode("latin-1"), flags)
    except BadPattern as problem:
        raise BadRule(str(problem)) from None
    except pcre2.PatternError as problem:
        reason = str(problem).partition("; ")[2] or str(problem)
        raise BadRule(f"error in regex at offset {getattr(problem, 'pos', 0)}: {reason}") from None

    # PCRE2_ANCHORED as an option of compile is lost in the binding's search.
    ask = compiled.match if "A" in flags else compiled.search

    def search(key: bytes) -> pcre2.Match | None:
        try:
            return ask(key)
        except pcre2.LibraryError as problem:  # match limit, JIT stack
            raise LookupFailure(f"{dialect.kind} pattern /{written}/: {problem}") from None

    return search, compiled.groups


def read_result(text: str, groups: int, *, negated: bool) -> list[str | int]:
    """Cut a result into literal text and group numbers."""
    pieces: list[str | int] = []
    end = 0
    for found in DOLLAR.finditer(text):
        pieces.append(text[end : found.start()])
        end = found.end()
        if found["dollar"]:
            pieces.append("$")
            continue
        name = found["plain"] or found["brace"] or found["round"] or ""
        if not (name.isascii() and name.isdigit()):
            raise BadRule(f'non-numeric replacement index "{name}": bad replacement syntax: skipping this rule')
        if negated:
            raise BadRule("$number found in negative match replacement text: skipping this rule")
        if not 1 <= int(name) <= groups:
            raise BadRule(f'out of range replacement index "{name}": skipping this rule')
        pieces.append(int(name))
    pieces.append(text[end:])
    return [piece for piece in pieces if piece != ""]


def _substitute(pieces: list[str | int], match: pcre2.Match) -> str:
    texts = []
    for piece in pieces:
        if isinstance(piece, str):
            texts.append(piece)
        else:
            texts.append((match.group(piece) or b"").decode("utf-8", "surrogateescape"))
    return "".join(texts)


def read_statement(dialect: Dialect, line: str, warn: Callable[[str], None]) -> Statement[bytes] | None:
    """One line of a regexp or pcre table."""
    if word := ENDIF.match(line):
        if line[word.end() :].strip(BLANKS):
            warn("ignoring extra text after ENDIF")
        return EndIf()
    if word := IF.match(line):
        pattern, rest = read_pattern(dialect, line[word.end() :].lstrip(BLANKS), warn)
        if rest.strip(BLANKS):
            warn(f'ignoring extra text after IF statement: "{rest.strip(BLANKS)}"')
            warn("do not prepend whitespace to statements between IF and ENDIF")
        return If(pattern.holds)
    if line[:1].isalnum():
        warn("ignoring unrecognized request")
        return None
    return _read_rule(dialect, line, warn)


def _read_rule(dialect: Dialect, line: str, warn: Callable[[str], None]) -> Rule[bytes]:
    first, rest = read_pattern(dialect, line, warn)
    unless: Pattern | None = None
    if rest.startswith("!"):
        unless, rest = read_pattern(dialect, rest, warn)
    text = rest.strip(BLANKS)
    if not text:
        warn("no replacement text: using empty string")
    pieces = read_result(text, first.groups, negated=first.negated)
    constant = "".join(piece for piece in pieces if isinstance(piece, str))
    if first.negated or all(isinstance(piece, str) for piece in pieces):
        return Rule(lambda key: constant if first.holds(key) and (unless is None or unless.holds(key)) else None)

    def test(key: bytes) -> str | None:
        match = first.search(key)
        if match is None or (unless is not None and not unless.holds(key)):
            return None
        return _substitute(pieces, match)

    return Rule(test)


def read_rules(dialect: Dialect, lines: Iterable[LogicalLine], warn: Callable[[int, str], None]) -> Find:
    """The lookup function of a table."""
    program = read_program(lines, partial(read_statement, dialect), warn, "ignoring ENDIF without matching IF")
    return lambda key: program.run(_bytes(key))


def open_regexp(dialect: Dialect, name: str, opening: Opening) -> OpenTable:
    """`regexp:/file`, `regexp:{{rule}, ...}` and the same for pcre."""
    return open_rules(dialect.kind, name, opening, partial(read_rules, dialect))


OPENERS: dict[str, Opener] = {dialect.kind: partial(open_regexp, dialect) for dialect in (REGEXP, PCRE)}
