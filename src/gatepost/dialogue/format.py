"""What does a dialogue look like as text? The case format of dialogues/: reading it, writing it.

A dialogue has a header (title, notes, configuration) up to a line `---`, then steps. dialogues/README.md describes the
format; `parse` and `text_of` are inverse to each other for every recorded dialogue. What does not read is a ConfigError
with file and line. This file must not know sockets, servers or what a reply means beyond where it ends (RFC 5321 4.2).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from gatepost.span import ConfigError, Span

_ESCAPE = re.compile(r"\\(r|n|t|0|s|\\|x[0-9A-Fa-f]{2}|\{.*?\*\d+\})")
_MEANS = {"r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0", "s": b" ", "\\": b"\\"}
_SHOWN = {13: "\\r", 10: "\\n", 9: "\\t", 92: "\\\\"}
_REPLY_LINE = re.compile(r"(\d{3})([ -])")

SERVICES = ("smtpd", "postscreen", "reinject")
ACTIONS = ("starttls", "half-close", "close", "reset", "cork", "uncork", "open", "use")
ENDS = ("<closed>", "<reset>", "<closed by client>")
"""How a connection is over; everything else in angle brackets is a passing observation."""


@dataclass(frozen=True, slots=True)
class Send:
    """One segment. Each part: text with escapes, and whether CRLF follows it."""

    parts: tuple[tuple[str, bool], ...]

    def data(self) -> bytes:
        return b"".join(unescape(text) + (b"\r\n" if line else b"") for text, line in self.parts)


@dataclass(frozen=True, slots=True)
class Expect:
    """What the server said, as lines. In a dialogue that is still to be recorded: ("*",) until it is quiet, ("",) one
    reply."""

    lines: tuple[str, ...]

    @property
    def open(self) -> bool:
        """Not recorded yet."""
        return self.lines in (("*",), ("",))


@dataclass(frozen=True, slots=True)
class Pause:
    """Do nothing for so many seconds; nothing is read."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Act:
    """Something else that the client does: one of ACTIONS, then its arguments."""

    words: tuple[str, ...]


Step = Send | Expect | Pause | Act


@dataclass(slots=True)
class Dialogue:
    """A dialogue: the server's configuration as differences from base/, and the steps."""

    name: str = ""
    title: str = ""
    notes: list[str] = field(default_factory=list)
    service: str = "smtpd"
    client: str = "127.0.0.9"  # the address that the client binds
    auth: bool = False  # a Dovecot auth service on $queue_directory/private/auth
    config: list[str] = field(default_factory=list)  # main.cf lines
    master: list[str] = field(default_factory=list)  # options of the inet service
    files: list[tuple[str, list[str]]] = field(default_factory=list)  # in $config_directory
    steps: list[Step] = field(default_factory=list)


# Escapes


def unescape(text: str) -> bytes:
    """The text of a C line as bytes; what is not ASCII is sent as UTF-8. ValueError for a backslash without meaning."""
    out, at = bytearray(), 0
    for match in _ESCAPE.finditer(text):
        out += _plain(text[at : match.start()])
        letter = match[1]
        if letter[0] == "x":
            out.append(int(letter[1:], 16))
        elif letter[0] == "{":
            repeated, _, count = letter[1:-1].rpartition("*")
            out += unescape(repeated) * int(count)
        else:
            out += _MEANS[letter]
        at = match.end()
    return bytes(out + _plain(text[at:]))


def _plain(text: str) -> bytes:
    if "\\" in text:
        raise ValueError(f"a backslash without meaning in {text!r}")
    return text.encode()


def shown(data: bytes) -> str:
    """A line from the server, without its CRLF, as printable text that `unescape` reads back."""
    text = "".join(_SHOWN.get(b) or (chr(b) if 32 <= b < 127 else f"\\x{b:02x}") for b in data)
    return text[:-1] + "\\s" if text.endswith(" ") else text


# Reading


def parse(text: str, name: str = "") -> Dialogue:
    """A dialogue from its text. ConfigError(span) when it does not read."""
    dialogue = Dialogue(name)
    lines = enumerate(text.removesuffix("\n").split("\n"), 1)
    for number, line in lines:
        if line == "---":
            break
        _header_line(dialogue, line, Span(name, number))
    else:
        raise ConfigError("a dialogue without its --- line", Span(name, 1))
    for number, line in lines:
        if line.strip() and not line.startswith("#"):
            _step_line(dialogue.steps, line, Span(name, number))
    return dialogue


def _header_line(dialogue: Dialogue, line: str, span: Span) -> None:
    if line.startswith("#"):
        note = line[1:].strip()
        if dialogue.title:
            dialogue.notes.append(note)
        else:
            dialogue.title = note
        return
    if line.startswith("| ") or line == "|":
        if not dialogue.files:
            raise ConfigError("a line of a file without file:", span, line)
        dialogue.files[-1][1].append(line[2:])
        return
    key, _, value = line.partition(":")
    value = value.strip()
    match key:
        case "service" if value in SERVICES:
            dialogue.service = value
        case "client":
            dialogue.client = value
        case "auth":
            dialogue.auth = value == "yes"
        case "config":
            dialogue.config.append(value)
        case "master":
            dialogue.master.append(value)
        case "file":
            dialogue.files.append((value, []))
        case _ if line.strip():
            raise ConfigError("an unknown header line in a dialogue", span, line)


def _step_line(steps: list[Step], line: str, span: Span) -> None:
    mark, text = line[:2], line[2:].removeprefix(" ")
    last = steps[-1] if steps else None
    try:
        match mark:
            case "C:" | "C=":
                unescape(text)
                steps.append(Send(((text, mark == "C:"),)))
            case "+:" | "+=" if isinstance(last, Send):
                unescape(text)
                steps[-1] = Send((*last.parts, (text, mark == "+:")))
            case "S:" if isinstance(last, Expect) and text not in ("", "*") and not last.open:
                steps[-1] = Expect((*last.lines, text))
            case "S:":
                steps.append(Expect((text,)))
            case "P:":
                steps.append(Pause(float(text)))
            case "X:" if text.split()[:1] and text.split()[0] in ACTIONS:
                steps.append(Act(tuple(text.split())))
            case _:
                raise ConfigError("a step that does not read", span, line)
    except ValueError as failure:
        raise ConfigError(str(failure), span, line) from failure


# Writing


def text_of(dialogue: Dialogue, steps: Sequence[Step] | None = None) -> str:
    """The dialogue as text, with other steps (what was observed) if given."""
    lines = [f"# {note}".rstrip() for note in (dialogue.title, *dialogue.notes)]
    lines += [f"service: {dialogue.service}", f"client: {dialogue.client}"]
    lines += ["auth: yes"] if dialogue.auth else []
    lines += [f"config: {line}" for line in dialogue.config]
    lines += [f"master: {line}" for line in dialogue.master]
    for name, content in dialogue.files:
        lines += [f"file: {name}", *(f"| {line}" if line else "|" for line in content)]
    lines.append("---")
    for step in dialogue.steps if steps is None else steps:
        lines += step_lines(step)
    return "\n".join(lines) + "\n"


def step_lines(step: Step) -> list[str]:
    """One step as the lines that `parse` reads."""
    match step:
        case Send(parts):
            marks = "C" + "+" * (len(parts) - 1)
            return [_marked(m + (":" if line else "="), text) for m, (text, line) in zip(marks, parts, strict=True)]
        case Expect(lines):
            return [_marked("S:", line) for line in lines]
        case Pause(seconds):
            return [f"P: {seconds:g}"]
        case Act(words):
            return ["X: " + " ".join(words)]


def _marked(mark: str, text: str) -> str:
    return f"{mark} {text}" if text else mark


# Replies


def replies(lines: Sequence[str]) -> list[list[str]]:
    """The lines of a block as replies. A continued reply that never ends (`220-` and nothing more) is one, too."""
    return list(_replies(lines))


def _replies(lines: Sequence[str]) -> Iterator[list[str]]:
    reply: list[str] = []
    for line in lines:
        match = _REPLY_LINE.match(line)
        if reply and (not match or match[1] != reply[0][:3]):
            yield reply
            reply = []
        if not match:
            yield [line]
            continue
        reply.append(line)
        if match[2] == " ":
            yield reply
            reply = []
    if reply:
        yield reply


def unfinished(line: str) -> bool:
    """More lines of this reply are to come (RFC 5321 4.2.1)."""
    match = _REPLY_LINE.match(line)
    return match is not None and match[2] == "-"
