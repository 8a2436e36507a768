"""What does a server say to this dialogue? The client that plays one over sockets, segment by segment.

Nothing is interpreted: what was recorded as one segment is one send(), waiting happens only where the dialogue has `S`
lines, and the answer is text. An `S` block waits for as many replies as it has and then looks LINGER seconds for more.
Blocking sockets, one thread per dialogue. This file must not know what is right (compare.py).
"""

from __future__ import annotations

import contextlib
import re
import select
import socket
import ssl
import struct
import time
from collections.abc import Sequence

from gatepost.dialogue.format import ENDS, Act, Dialogue, Expect, Pause, Send, Step, replies, shown, unfinished

REPLY_TIMEOUT = 6.0  # seconds: longest wait for one expected reply
QUIET = 0.40  # seconds: without a byte for so long, the server has nothing more to say
LINGER = 0.03  # seconds: after the expected replies, a look for others
END_QUIET = 0.20  # seconds: at the end of a dialogue, before the connection is called <open>

_QUEUE_ID = re.compile(r"queued as [0-9A-Za-z]+")


class Connection:
    """One connection as a source of lines. After its end, `line` gives the end again and again."""

    def __init__(self, host: str, port: int, client: str) -> None:
        self._socket = socket.create_connection((host, port), 10, (client, 0) if client else None)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._unread = b""
        self._told: list[str] = []  # observations that are lines, too
        self._end = ""

    def send(self, data: bytes) -> None:
        """One segment. A connection that is gone swallows it: the next read tells."""
        if self._end:
            return
        self._socket.settimeout(10)
        with contextlib.suppress(OSError):
            self._socket.sendall(data)

    def line(self, seconds: float) -> str | None:
        """The next line, or None when there is none in time."""
        if self._told:
            return self._told.pop(0)
        until = time.monotonic() + seconds
        while b"\n" not in self._unread:
            if self._end:
                rest, self._unread = self._unread, b""
                return shown(rest) + "<no-eol>" if rest else self._end
            if not self._readable(until - time.monotonic()):
                return None
            self._read()
        raw, _, self._unread = self._unread.partition(b"\n")
        if not raw.endswith(b"\r"):
            return shown(raw) + "<LF>"
        return _QUEUE_ID.sub("queued as <QID>", shown(raw[:-1]))

    def _readable(self, seconds: float) -> bool:
        if isinstance(self._socket, ssl.SSLSocket) and self._socket.pending():
            return True
        return bool(select.select([self._socket], [], [], max(0.0, seconds))[0])

    def _read(self) -> None:
        self._socket.settimeout(5)
        try:
            data = self._socket.recv(65536)
        except (TimeoutError, ssl.SSLWantReadError):
            return
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            data = b""
        except OSError:
            self._end = "<reset>"
            return
        self._unread += data
        if not data:
            self._end = "<closed>"

    def start_tls(self) -> None:
        """The handshake; any certificate will do."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        try:
            if self._end:
                raise OSError(self._end)
            self._socket.settimeout(8)
            self._socket = context.wrap_socket(self._socket)
            self._told.append("<tls established>")
        except (OSError, ValueError):
            self._told.append("<tls failed>")
            self._end = self._end or "<closed>"

    def cork(self, on: bool) -> None:
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, int(on))

    def half_close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def close(self, *, reset: bool = False) -> None:
        """Close, once; with RST if asked."""
        ended, self._end = self._end, "<closed by client>"
        with contextlib.suppress(OSError, ValueError):
            if reset:
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            elif isinstance(self._socket, ssl.SSLSocket) and not ended:
                self._socket.settimeout(1)
                self._socket.unwrap()
        self._socket.close()

    # Lines as replies

    def reply(self, seconds: float) -> list[str]:
        """One whole reply, or what there is of it and then <timeout> or the end."""
        lines: list[str] = []
        until = time.monotonic() + seconds
        while not lines or unfinished(lines[-1]):
            line = self.line(until - time.monotonic())
            lines.append("<timeout>" if line is None else line)
        return lines

    def until_quiet(self, seconds: float) -> list[str]:
        """Everything until nothing comes for so long, or the end."""
        lines: list[str] = []
        while not lines or lines[-1] not in ENDS:
            line = self.line(seconds)
            if line is None:
                break
            lines.append(line)
        return lines


class Player:
    """Plays a dialogue against host and port. `observed` grows: the steps, with what was really said."""

    def __init__(self, host: str, port: int, dialogue: Dialogue, timeout: float = REPLY_TIMEOUT) -> None:
        self._address = (host, port)
        self._dialogue = dialogue
        self._timeout = timeout
        self._connections: dict[str, Connection] = {}
        self.observed: list[Step] = []

    def play(self) -> list[Step]:
        """The steps with the server's answers. OSError when no connection could be made."""
        self._open("main", self._dialogue.client)
        try:
            for step in self._dialogue.steps:
                self._play(step)
            self._final_state()
        finally:
            for connection in self._connections.values():
                connection.close()
        return self.observed

    def _open(self, name: str, client: str) -> None:
        self._now = self._connections[name] = Connection(*self._address, client)

    def _play(self, step: Step) -> None:
        match step:
            case Send():
                self._now.send(step.data())
            case Pause(seconds):
                time.sleep(seconds)
            case Act(words):
                self._act(*words)
            case Expect(lines):
                if self._said()[-1:] and self._said()[-1] in ENDS:
                    return
                step = Expect(tuple(self._listen(lines)))
        self.observed.append(step)

    def _said(self) -> tuple[str, ...]:
        """The lines of the last step, if it was the server's."""
        last = self.observed[-1] if self.observed else None
        return last.lines if isinstance(last, Expect) else ()

    def _act(self, action: str, name: str = "", client: str = "") -> None:
        match action:
            case "starttls":
                self._now.start_tls()
            case "cork" | "uncork":
                self._now.cork(action == "cork")
            case "half-close":
                self._now.half_close()
            case "close" | "reset":
                self._now.close(reset=action == "reset")
            case "open":
                self._open(name, client or self._dialogue.client)
            case "use":
                self._now = self._connections[name]

    def _listen(self, expected: Sequence[str]) -> list[str]:
        if tuple(expected) == ("*",):
            return self._now.until_quiet(QUIET) or ["<nothing>"]
        if tuple(expected) == ("",):
            heard = self._now.reply(self._timeout)
            return heard if heard[-1] in ENDS else heard + self._now.until_quiet(QUIET / 2)
        heard = []
        for reply in replies(expected):
            heard += self._one(reply)
            if heard[-1] in ENDS:
                return heard
        if expected[-1] not in ("<open>", "<nothing>"):
            heard += self._now.until_quiet(LINGER)
        return heard

    def _one(self, expected: list[str]) -> list[str]:
        """What comes where `expected` was recorded."""
        if expected == ["<nothing>"]:
            return self._now.until_quiet(QUIET) or ["<nothing>"]
        if expected == ["<open>"]:
            return self._now.until_quiet(END_QUIET) or ["<open>"]
        if not unfinished(expected[-1]):
            return self._now.reply(self._timeout)
        heard: list[str] = []  # a reply that was never finished: as many lines as it had
        while len(heard) < len(expected) and (not heard or unfinished(heard[-1])):
            line = self._now.line(self._timeout)
            heard.append("<timeout>" if line is None else line)
        return heard

    def _final_state(self) -> None:
        """Is the current connection still open? Said in the last block of the server."""
        said = self._said()
        if said and (said[-1] in ENDS or said[-1] == "<open>"):
            return
        end = self._now.until_quiet(END_QUIET)
        if not end or end[-1] not in ENDS:
            end.append("<open>")
        if said:
            self.observed.pop()
        kept = () if said and said[-1] == "<nothing>" and end == ["<open>"] else said
        self.observed.append(Expect((*kept, *end)))
