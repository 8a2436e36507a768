"""Which characters may no message have, and which are taken out? message_reject_characters, message_strip_characters.

Both are strings with C escapes (\\n, \\t, \\177, \\0). A message is searched before anything is taken out; line ends
are never part of it. What is refused is told with its line from the beginning, at most as long as smtpd's records. This
file must not know what becomes of a refused message.
"""

from __future__ import annotations

import re

RECORD = 2048  # bytes of a line that cleanup looks at in one piece
_ESCAPE = re.compile(r"\\([0-7]{1,3}|.)", re.DOTALL)
_CONTROLS = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def unescaped(text: str) -> bytes:
    """The characters that a value names."""

    def character(found: re.Match[str]) -> str:
        escape = found[1]
        return chr(int(escape, 8) & 255) if escape[0] in "01234567" else _CONTROLS.get(escape, escape)

    plain = _ESCAPE.sub(character, text.removesuffix("\\"))
    return b"".join(char.encode("latin-1") if ord(char) < 256 else char.encode("utf-8", "surrogateescape")
                    for char in plain)


class Characters:
    """The two sets. False when both are empty."""

    __slots__ = ("_refused", "_stripped")

    def __init__(self, refused: str, stripped: str) -> None:
        self._refused = _all_but_line_ends(refused)
        self._stripped = _all_but_line_ends(stripped)

    def __bool__(self) -> bool:
        return bool(self._refused or self._stripped)

    def reader(self) -> Reader:
        """For one message."""
        return Reader(self._refused, self._stripped)


def _all_but_line_ends(text: str) -> bytes:
    return bytes(sorted(set(unescaped(text)) - set(b"\r\n")))


class Reader:
    """Looks at one message as it comes."""

    __slots__ = ("_line", "_search", "_stripped")

    def __init__(self, refused: bytes, stripped: bytes) -> None:
        self._search = re.compile(b"[" + re.escape(refused) + b"]").search if refused else None
        self._stripped = stripped
        self._line = b""  # what came of a line that is not complete

    def feed(self, data: bytes) -> tuple[bytes, str, bytes]:
        """(the content before the line with a refused character, the text of that line or "", the content from it)."""
        if self._search is None:
            return data.translate(None, self._stripped), "", b""
        found = self._search(data)
        if found is None:
            start = data.rfind(b"\n") + 1
            self._line = data[start:] if start else (self._line + data)
            self._line = self._line[len(self._line) // RECORD * RECORD:]
            return data.translate(None, self._stripped), "", b""
        start = data.rfind(b"\n", 0, found.start()) + 1
        end = data.find(b"\n", found.start())
        line = data[start:] if end < 0 else data[start:end]
        before = b"" if start else self._line
        at = (len(before) + found.start() - start) // RECORD * RECORD
        shown = (before + line)[at:at + RECORD].rstrip(b"\r").partition(b"\0")[0].decode("utf-8", "surrogateescape")
        return data[:start].translate(None, self._stripped), shown or " ", data[start:]
