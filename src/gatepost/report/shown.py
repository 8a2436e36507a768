"""How does hostile text look harmless? Escapes for terminals and pages, and the width of what is shown.

An operator's file may hold bytes that move a cursor, turn the writing direction, or are no text at all. What is not
printable is written as \\xNN or \\uNNNN, bytes that did not decode (surrogates U+DC80..U+DCFF) as the byte they were.
This file must not know formats.
"""

from __future__ import annotations

import unicodedata

TAB = 4  # blanks that a tab is shown as


def escaped(text: str) -> str:
    """One line, printable: nothing in it acts on a terminal."""
    if text.isprintable():
        return text
    return "".join([char if char.isprintable() else _escape(char) for char in text])


def block(text: str) -> str:
    """The same for text of several lines: line ends stay, a tab becomes blanks."""
    return "\n".join([code(line) for line in text.split("\n")])


def code(text: str) -> str:
    """A line of a file as shown: a tab becomes blanks, a carriage return at its end is its line's end."""
    return escaped(text.removesuffix("\r").replace("\t", " " * TAB))


def encodable(text: str) -> str:
    """Text that UTF-8 can carry, otherwise unchanged: for formats that escape on their own."""
    return "".join([_escape(char) if "\ud800" <= char <= "\udfff" else char for char in text])


def width(text: str) -> int:
    """How many columns a terminal needs for printable text."""
    if text.isascii():
        return len(text)
    return sum([0 if unicodedata.combining(char) else 1 + (unicodedata.east_asian_width(char) in "WF")
                for char in text])


def _escape(char: str) -> str:
    number = ord(char)
    if 0xDC80 <= number <= 0xDCFF:
        number -= 0xDC00
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
