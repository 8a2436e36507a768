"""Which commands does a shell script run for certain? Simple commands of a user-patches.sh, words with places.

Enough of the shell to read the scripts that operators write: quotes, escapes, comments, continued lines, `;`, `&&`,
here documents. Whatever stands inside if, for, while, case, a function or a group may or may not run, and a word that
needs the shell's expansion (a glob) has no value here; both are marked, not guessed. `$NAME` and `$(...)` are kept as
they are written, for whoever can say what they give. This file must not know what commands do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from gatepost.config.located import Located
from gatepost.span import Span

OPENING = frozenset({"if", "for", "while", "until", "case", "select", "{"})
CLOSING = frozenset({"fi", "done", "esac", "}"})
BETWEEN = frozenset({"then", "else", "elif", "do"})
NONE: list[tuple[int, int]] = []
VARIABLE = re.compile(r"\$(?:([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)\})")
HEREDOC = re.compile(r"<<-?\s*(['\"]?)([A-Za-z_][A-Za-z0-9_]*)\1")


@dataclass(frozen=True, slots=True)
class Word:
    """A word. `text` is its value with quotes removed; `plain` False when the shell would expand something in it that
    is not known, which then stands in `text` as written. `substitutions`: positions in text of each kept `$(...)`,
    `$NAME` and `${NAME}`."""

    text: Located
    plain: bool = True
    substitutions: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Command:
    """A simple command. `certain`: it runs whenever the script runs, as far as can be seen. `appended`: for
    `cat >>FILE <<EOF`, the document, and its first line's number."""

    words: tuple[Word, ...]
    span: Span
    certain: bool
    document: Located | None = None

    @property
    def name(self) -> str:
        """The program, without its folder."""
        return self.words[0].text.text.rpartition("/")[2]


def commands(file: str, text: str) -> Iterator[Command]:
    """The simple commands of a script, in order. Never raises: what is not understood is a command that is not
    certain."""
    return _Script(file, text).commands()


class _Script:
    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.text = text
        self.at = 0
        self.depth = 0
        self.starts = [0] + [found.end() for found in re.finditer("\n", text)]
        self.line = 1

    def place(self, at: int) -> Span:
        """The place of a position; asked in ascending order mostly."""
        while self.line < len(self.starts) and self.starts[self.line] <= at:
            self.line += 1
        while self.line > 1 and self.starts[self.line - 1] > at:
            self.line -= 1
        return Span(self.file, self.line, at - self.starts[self.line - 1] + 1)

    def commands(self) -> Iterator[Command]:
        words: list[Word] = []
        start = 0
        chained = False  # behind && or ||, or in a pipe
        while self.at < len(self.text):
            ended, behind = self.separator()
            if ended:
                yield from self.command(words, start, chained or behind in ("|", "&", "||"))
                chained = behind in ("||", "|")
                words = []
                continue
            if self.at >= len(self.text):
                break
            if not words:
                start = self.at
            word = self.word()
            if word is not None:
                words.append(word)
        yield from self.command(words, start, chained)

    def separator(self) -> tuple[bool, str]:
        """Pass blanks, comments and separators; was a command ended, and by what?"""
        text = self.text
        blank_before = self.at == 0 or text[self.at - 1] in " \t\n;&|"
        while self.at < len(text):
            char = text[self.at]
            if char in " \t\r":
                self.at += 1
                blank_before = True
            elif text.startswith("\\\n", self.at) or text.startswith("\\\r\n", self.at):
                self.at = text.index("\n", self.at) + 1
            elif char == "#" and blank_before:
                end = text.find("\n", self.at)
                self.at = len(text) if end < 0 else end
            elif char in "\n;&|":
                token = char
                self.at += 1
                if char in "&|" and text[self.at : self.at + 1] == char:
                    token += char
                    self.at += 1
                return True, token
            else:
                return False, ""
        return False, ""

    def command(self, words: list[Word], start: int, chained: bool) -> Iterator[Command]:
        """Give the command that the words make, and count what opens and closes."""
        while words and words[0].text.text in BETWEEN | OPENING | CLOSING | {"!", "("}:
            word = words.pop(0).text.text
            self.depth += (word in OPENING) - (word in CLOSING and self.depth > 0)
            chained = chained or word in OPENING | BETWEEN
        if not words:
            return
        first = words[0].text.text
        if first == "function" or re.search(r"\(\)\s*\{?$", first) or (len(words) > 1 and words[1].text.text == "()"):
            self.depth += any(word.text.text.endswith("{") for word in words)
            return
        if words[-1].text.text in CLOSING and self.depth:
            self.depth -= 1
        document = self.document(words)
        yield Command(tuple(words), self.place(start), self.depth == 0 and not chained, document)

    def document(self, words: list[Word]) -> Located | None:
        """The here document that the words ask for, taken from the lines below."""
        for at, word in enumerate(words):
            whole = word.text.text if word.text.text != "<<" or at + 1 == len(words) else "<<" + words[at + 1].text.text
            found = HEREDOC.match(whole)
            if found is None:
                continue
            end = re.compile(rf"^\t*{re.escape(found[2])}\r?$", re.MULTILINE).search(self.text, self.at)
            start, stop = self.at, end.start() if end else len(self.text)
            self.at = end.end() if end else len(self.text)
            lines = self.text[start:stop].split("\n")
            first = self.place(start).line
            parts = [Located.at(line + "\n", self.file, first + number) for number, line in enumerate(lines[:-1])]
            return Located.join(parts)
        return None

    def word(self) -> Word | None:
        """Take one word, quotes removed."""
        parts: list[Located] = []
        length, plain = 0, True
        kept: list[tuple[int, int]] = []
        text = self.text
        begin = self.at
        while self.at < len(text) and text[self.at] not in " \t\r\n;&|":
            char = text[self.at]
            if char == "'":
                end = text.find("'", self.at + 1)
                end = len(text) if end < 0 else end
                piece, known, inner = self.lines(self.at + 1, end), True, NONE
                self.at = min(end + 1, len(text))
            elif char == '"':
                self.at += 1
                piece, known, inner = self.quoted()
            elif char == "\\":
                piece, known, inner = self.lines(self.at + 1, min(self.at + 2, len(text))), True, NONE
                self.at += 2
                if piece.text == "\n":
                    continue
            else:
                piece, known, inner = self.bare()
            kept += [(start + length, end + length) for start, end in inner]
            plain = plain and known
            parts.append(piece)
            length += len(piece.text)
        if self.at == begin:
            self.at += 1
            return None
        self.at = min(self.at, len(text))
        joined = Located.join(parts)
        return Word(joined if joined.text else self.lines(begin, begin), plain, tuple(kept))

    def lines(self, start: int, end: int) -> Located:
        """Characters as they stand, places kept over line ends."""
        parts = []
        while True:
            stop = self.text.find("\n", start, end)
            place = self.place(start)
            parts.append(Located.at(self.text[start : end if stop < 0 else stop + 1], place.file, place.line,
                                    place.column))
            if stop < 0:
                return Located.join(parts) if len(parts) > 1 else parts[0]
            start = stop + 1

    def quoted(self) -> tuple[Located, bool, list[tuple[int, int]]]:
        """The inside of double quotes, whose opening one is behind us."""
        return self.expanding('"')

    def bare(self) -> tuple[Located, bool, list[tuple[int, int]]]:
        """Characters without quotes, up to a quote or the end of the word."""
        return self.expanding(" \t\r\n;&|'\"\\")

    def expanding(self, ends: str) -> tuple[Located, bool, list[tuple[int, int]]]:
        parts: list[Located] = []
        length, known = 0, True
        kept: list[tuple[int, int]] = []
        text, start = self.text, self.at
        in_quotes = ends == '"'

        def flush(end: int) -> None:
            nonlocal length
            if end > start:
                parts.append(self.lines(start, end))
                length += end - start

        while self.at < len(text) and text[self.at] not in ends:
            char = text[self.at]
            if in_quotes and char == "\\" and text[self.at + 1 : self.at + 2] in ("$", '"', "\\", "`", "\n"):
                flush(self.at)
                start = self.at + 1 if text[self.at + 1] != "\n" else self.at + 2
                self.at += 2
            elif text.startswith("$(", self.at):
                end = self.parenthesis(self.at + 1)
                flush(self.at)
                kept.append((length, length + end - self.at))
                start, self.at = self.at, end
                flush(end)
                start = end
            elif found := VARIABLE.match(text, self.at):
                flush(self.at)
                kept.append((length, length + len(found[0])))
                start, self.at = self.at, found.end()
                flush(self.at)
                start = self.at
            else:
                known = known and not (char in "$`" or (char in "*?[(<>" and not in_quotes))
                self.at += 1
        flush(min(self.at, len(text)))
        if in_quotes:
            self.at = min(self.at + 1, len(text))
        return Located.join(parts), known, kept

    def parenthesis(self, at: int) -> int:
        """The position behind the `)` that closes the `(` at `at`; quotes inside count."""
        depth, quote = 0, ""
        for here in range(at, len(self.text)):
            char = self.text[here]
            if quote:
                quote = "" if char == quote else quote
            elif char in "'\"":
                quote = char
            else:
                depth += (char == "(") - (char == ")")
                if depth == 0:
                    return here + 1
        return len(self.text)
