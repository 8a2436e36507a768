"""How does the client's text read? Tokens, addresses, parameters: RFC productions and what Postfix accepts besides.

Text is `str` decoded from the wire as UTF-8 with surrogateescape, so any bytes survive. Addresses are returned in
internal form (local part unquoted). This file must not know commands or replies.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

# Hot path: an angle-bracketed address of dot-atoms, the form nearly every client sends (RFC 5321 4.1.2 Path). A local
# part that begins with a hyphen (allow_min_user) or holds anything that needs judgement goes the long way.
_FIRST: Final = r"[A-Za-z0-9!#$&'*+/=?^_`{|}~]"
_ATEXT: Final = r"[A-Za-z0-9!#$&'*+/=?^_`{|}~-]"
_LABELS: Final = r"[A-Za-z0-9]++(?:-++[A-Za-z0-9]++)*+"
_PLAIN_PATH: Final = re.compile(rf"<({_FIRST}{_ATEXT}*+(?:\.{_ATEXT}++)*+@{_LABELS}(?:\.{_LABELS})*+)>")
_ATOM_LOCAL: Final = re.compile(r"[^\x00-\x20\x7f()<>@,;:\\\".\[\]]+(?:\.[^\x00-\x20\x7f()<>@,;:\\\".\[\]]+)*")
_BLANKS: Final = " \t\r\n\v\f"
_SPECIALS: Final = '()<>@,;:\\".[]'


@dataclass(slots=True, init=False)
class Token:
    """One word of a command; `broken` when a quote or an angle bracket is not closed."""

    text: str
    broken: bool

    def __init__(self, text: str, broken: bool = False) -> None:
        self.text = text
        self.broken = broken


def tokenise(line: str) -> list[Token]:
    """Split a command line: `<...>` and `"..."` are units, `to:` and `from:` end a token (Postfix smtpd_token)."""
    tokens: list[Token] = []
    at, end = 0, len(line)
    while True:
        while at < end and line[at] in _BLANKS:
            at += 1
        if at >= end:
            return tokens
        token, at = _token(line, at, end)
        tokens.append(token)


def _token(line: str, at: int, end: int) -> tuple[Token, int]:
    start = at
    broken = False
    while at < end and line[at] not in _BLANKS:
        char = line[at]
        if char == "<":
            at, closed = _bracketed(line, at + 1, end)
            broken |= not closed
        elif char == '"':
            at, closed = _quoted(line, at + 1, end)
            broken |= not closed
        elif char == "\\" and at + 1 < end:
            at += 2
        else:
            at += 1
            if char == ":" and line[start:at].lower() in ("to:", "from:"):
                break
    return Token(line[start:at], broken), at


def _bracketed(line: str, at: int, end: int) -> tuple[int, bool]:
    while at < end:
        char = line[at]
        if char == ">":
            return at + 1, True
        if char == '"':
            at, closed = _quoted(line, at + 1, end)
            if not closed:
                return at, False
        else:
            at += 2 if char == "\\" and at + 1 < end else 1
    return at, False


def _quoted(line: str, at: int, end: int) -> tuple[int, bool]:
    while at < end:
        char = line[at]
        if char == '"':
            return at + 1, True
        at += 2 if char == "\\" and at + 1 < end else 1
    return at, False


def plain_path(text: str) -> str | None:
    """The address of a path in the plain form `<dot-atom@domain>`, or None: then `address` must judge."""
    read = _PLAIN_PATH.fullmatch(text)
    return read[1] if read else None


def address(token: Token, *, strict: bool, empty: bool) -> str | None:
    """The address that a MAIL, RCPT or VRFY argument names, in internal form; None when it is no address.

    `strict`: strict_rfc821_envelopes. `empty`: the null path is an address (MAIL). A source route up to the first colon
    is dropped (RFC 5321 appendix C).
    """
    text = token.text
    if token.broken:
        return None
    plain = _PLAIN_PATH.fullmatch(text)
    if plain is not None:
        return plain[1]
    if strict and not text.startswith("<"):
        return None
    if text.startswith("<") and text.endswith(">"):
        text = text[1:-1]
    if text.startswith("@") and ":" in text:
        text = text.partition(":")[2]
    found = _parse(text)
    if found is None:
        return None
    parsed, extra = found
    if strict and (extra or parsed.startswith("@")):
        return None
    if not parsed:
        return "" if empty else None
    return parsed


def _parse(text: str) -> tuple[str, bool] | None:
    """Read one RFC 822 address leniently -> (internal form, whether a comment or phrase stood there); None when there
    is more than one address or something unclosed."""
    words: list[str] = []
    extra = False
    at, end = 0, len(text)
    inner: str | None = None
    while at < end:
        char = text[at]
        if char in _BLANKS:
            at += 1
        elif char == "(":
            at = _comment(text, at, end)
            extra = True
        elif char == '"':
            stop, closed = _quoted(text, at + 1, end)
            if not closed:
                return None
            words.append(_unquote(text[at:stop]))
            at = stop
        elif char == "[":
            stop = text.find("]", at)
            stop = end if stop < 0 else stop + 1
            words.append(text[at:stop])
            at = stop
        elif char == "<":
            if inner is not None:
                return None
            stop, closed = _bracketed(text, at + 1, end)
            extra = extra or bool(words)
            nested = _parse(text[at + 1: stop - 1 if closed else stop])
            if nested is None:
                return None
            inner, at = nested[0], stop
        elif char in ",;":
            if _parse(text[at + 1:]) not in (("", False), ("", True)) or char == ";":
                return None
            at = end
        elif char == ">":
            at += 1  # Postfix skips a stray closing bracket
        elif char == "\\" and at + 1 < end:
            words.append(text[at + 1])
            at += 2
        else:
            words.append(char)
            at += 1
    return (inner if inner is not None else "".join(words)), extra


def _comment(text: str, at: int, end: int) -> int:
    depth = 0
    while at < end:
        char = text[at]
        at += 2 if char == "\\" else 1
        depth += (char == "(") - (char == ")")
        if depth == 0:
            break
    return min(at, end)


def _unquote(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL)


def external(addr: str) -> str:
    """The address for the wire and the log: local part quoted where RFC 5321 4.1.2 asks for it."""
    local, at, domain = addr.rpartition("@")
    if not at:
        local, domain = addr, ""
    if not local and at:
        return f'""@{domain}'
    if not local or _ATOM_LOCAL.fullmatch(local):
        return addr
    quoted = re.sub(r'([\\"\r])', r"\\\1", local)
    return f'"{quoted}"{at}{domain}'


_XTEXT: Final = re.compile(r"(?:[!-*,-<>-~\x80-\U0010ffff]|\+[0-9A-F]{2})*")
_XCODE: Final = re.compile(r"\+([0-9A-F]{2})")


def xtext(text: str) -> str | None:
    """Decode xtext (RFC 3461 4); None when it does not read."""
    if not _XTEXT.fullmatch(text):
        return None
    return _XCODE.sub(lambda found: chr(int(found[1], 16)), text)


def to_xtext(text: str) -> str:
    """Encode as xtext (RFC 3461 4)."""
    return "".join(char if "!" <= char <= "~" and char not in "+=" else
                   "".join(f"+{byte:02X}" for byte in char.encode("utf-8", "surrogateescape")) for char in text)


NOTIFY_WORDS: Final = ("SUCCESS", "FAILURE", "DELAY")


def notify(text: str) -> tuple[str | None, str]:
    """Read NOTIFY= (RFC 3461 4.1) -> (canonical value or None when it does not read, the offending word)."""
    if text.upper() == "NEVER":
        return "NEVER", ""
    words = text.upper().split(",")
    for word in words:
        if word not in NOTIFY_WORDS:
            return None, word if word != "NEVER" else ""
    return ",".join(dict.fromkeys(words)), ""


def orcpt(text: str) -> str | None:
    """Read ORCPT= (RFC 3461 4.2) -> the value as given, or None when it does not read."""
    kind, semicolon, value = text.partition(";")
    if not kind or not semicolon or not value:
        return None
    if kind.lower() == "utf-8":
        return text
    decoded = xtext(value)
    return None if decoded is None or "\0" in decoded else text


_LABEL: Final = re.compile(r"[A-Za-z0-9_\x80-\U0010ffff](?:[A-Za-z0-9_\x80-\U0010ffff-]*[A-Za-z0-9_\x80-\U0010ffff])?")


def valid_hostname(name: str) -> bool:
    """A host name by Postfix's rules: labels of letters, digits, hyphens, underscores; not all numeric."""
    if not name or len(name) > 255:
        return False
    labels = name.split(".")
    if any(len(label) > 63 or not _LABEL.fullmatch(label) for label in labels):
        return False
    return not re.fullmatch(r"[0-9.]+", name)

_FAST: Final = re.compile(r"([A-Za-z]+) +((?i:to|from):) ?(<[^<>\"\\ \t\r\n\v\f]*>)((?: +[^<>\"\\: \t\r\n\v\f]+)*)")
_SPECIAL: Final = re.compile(r"[<>\"\\:\t\r\n\v\f]")


def fast_tokens(line: str) -> list[Token] | None:
    """The same as `tokenise` for the lines that clients usually send; None for any other."""
    if line.isalpha():
        return [Token(line)]
    read = _FAST.fullmatch(line)
    if read is None:
        return None if _SPECIAL.search(line) else [Token(word) for word in line.split(" ") if word]
    verb, label, path, rest = read.groups()
    if not rest:
        return [Token(verb), Token(label), Token(path)]
    return [Token(verb), Token(label), Token(path), *[Token(word) for word in rest.split(" ") if word]]
