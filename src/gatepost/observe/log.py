"""Where do log lines go, and how do they look? One Log per process, Postfix-shaped lines or JSON.

A line is `Nov 24 02:00:01 host tag[pid]: text`, as Postfix's postlogd(8) and syslogd write it, so that fail2ban,
pflogsumm and an operator's eyes work on it. With `json=True` it is one JSON object. Lines of one turn of the event loop
are written with one system call; without a running loop a line is written at once. Text is one printable line whatever
it holds: control characters and bytes that are no UTF-8 become "?", as in Postfix.

This file must not know configuration parameters (`Log` gets values), nor what is said (lines.py).
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from gatepost.span import ConfigError

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_SEVERITIES = {"info": 6, "warning": 4, "error": 3, "fatal": 2, "panic": 2}  # syslog(3) levels, as Postfix maps them
_MAIL = 2 << 3  # syslog facility
ROTATION_CHECK = 1.0  # seconds between looks at whether the file was moved away


def printable(text: str) -> str:
    """The text with "?" for every character that would break or fake a log line."""
    if text.isascii() and text.isprintable():
        return text
    return _UNPRINTABLE.sub("?", text)


Line = tuple[float, str, str, str, Mapping[str, object] | None]
"""Seconds since the epoch, severity, tag, printable text, more fields (JSON only)."""


class Sink(Protocol):
    """A place for lines. `write` never raises for reasons outside the program: a full disk must not end a session."""

    def write(self, lines: Sequence[Line], shape: Shape) -> None: ...

    def reopen(self) -> None: ...

    def close(self) -> None: ...


class Shape:
    """How a line looks. Knows host and process id; keeps the time stamp of the current second."""

    __slots__ = ("_heads", "_heads_at", "_second", "_stamp", "host", "json", "pid")

    def __init__(self, host: str, pid: int, json: bool) -> None:
        self.host = host.partition(".")[0] or "localhost"
        self.pid = pid
        self.json = json
        self._second = -1
        self._stamp = ""
        self._heads: dict[tuple[str, int], str] = {}  # what stands before the text in this second, by tag and process
        self._heads_at = -1

    def stamp(self, at: float) -> str:
        """`Nov 24 02:00:01` in local time."""
        if int(at) != self._second:
            self._second = int(at)
            when = time.localtime(at)
            self._stamp = f"{_MONTHS[when.tm_mon - 1]} {when.tm_mday:2} " + time.strftime("%H:%M:%S", when)
        return self._stamp

    def text(self, line: Line) -> str:
        """One line for a file, with its newline."""
        at, severity, tag, text, fields = line
        if not self.json:
            if int(at) != self._heads_at:
                self._heads_at = int(at)
                self._heads.clear()
            head = self._heads.get((tag, self.pid))
            if head is None:
                head = self._heads[tag, self.pid] = f"{self.stamp(at)} {self.host} {tag}[{self.pid}]: "
            return f"{head}{text}\n"
        whole = {"time": _iso(at), "host": self.host, "tag": tag, "pid": self.pid, "severity": severity, "text": text}
        return json.dumps(whole | dict(fields or {}), ensure_ascii=False, default=str) + "\n"

    def datagram(self, line: Line) -> bytes:
        """One message for a local syslogd (RFC 3164 4.1 without the host name, as the C library sends it)."""
        at, severity, tag, _, _ = line
        text = self.text(line).rstrip("\n") if self.json else line[3]
        return f"<{_MAIL | _SEVERITIES[severity]}>{self.stamp(at)} {tag}[{self.pid}]: {text}".encode()


def _iso(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)) + f".{int(at % 1 * 1e6):06}Z"


class StreamSink:
    """A descriptor that somebody else opened: standard error, standard output."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, lines: Sequence[Line], shape: Shape) -> None:
        _write_all(self._descriptor, "".join(map(shape.text, lines)).encode())

    def reopen(self) -> None:
        """Nothing to do: it is not ours."""

    def close(self) -> None:
        """Nothing to do: it is not ours."""


class FileSink:
    """`maillog_file`: opened for appending, opened again when somebody moved the file away (log rotation)."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._next_look = 0.0
        try:
            os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
            self._descriptor = self._open()
        except OSError as failure:
            raise ConfigError(f"cannot open the log file: {failure.strerror}", None, path) from failure

    def _open(self) -> int:
        return os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def write(self, lines: Sequence[Line], shape: Shape) -> None:
        if lines[-1][0] >= self._next_look:
            self._next_look = lines[-1][0] + ROTATION_CHECK
            if self._moved():
                self.reopen()
        _write_all(self._descriptor, "".join(map(shape.text, lines)).encode())

    def _moved(self) -> bool:
        try:
            return not os.path.samestat(os.stat(self.path), os.fstat(self._descriptor))
        except OSError:
            return True

    def reopen(self) -> None:
        """Open the path again; the old file stays in use when that fails (privileges may have been dropped)."""
        try:
            opened = self._open()
        except OSError:
            return
        os.close(self._descriptor)
        self._descriptor = opened

    def close(self) -> None:
        os.close(self._descriptor)


class SyslogSink:
    """A local syslogd behind a datagram socket. What it cannot take at once is counted and told later."""

    def __init__(self, path: str = "/dev/log") -> None:
        self.path = path
        self._socket: socket.socket | None = None
        self._lost = 0

    def write(self, lines: Sequence[Line], shape: Shape) -> None:
        for line in lines:
            if self._lost and self._send(_loss(self._lost, line, shape)):
                self._lost = 0
            if self._lost or not self._send(shape.datagram(line)):
                self._lost += 1

    def _send(self, datagram: bytes) -> bool:
        for fresh in (False, True):  # syslogd may have been restarted: connect again, once
            try:
                if fresh or self._socket is None:
                    self.reopen()
                    self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
                    self._socket.setblocking(False)
                    self._socket.connect(self.path)
                self._socket.send(datagram)
                return True
            except BlockingIOError:
                return False
            except OSError:
                continue
        return False

    def reopen(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def close(self) -> None:
        self.reopen()


def _loss(count: int, line: Line, shape: Shape) -> bytes:
    return shape.datagram((line[0], "warning", line[2], f"warning: {count} log lines were lost", None))


def _write_all(descriptor: int, data: bytes) -> None:
    """Write everything, or give up silently: nobody is left to tell when the log cannot be written."""
    view = memoryview(data)
    while view:
        try:
            done = os.write(descriptor, view)
            view = view[done:]
        except BlockingIOError:  # standard error may be a pipe that its reader made non-blocking
            time.sleep(0.001)
        except OSError:
            return


def file_or_stream(path: str, prefixes: Sequence[str]) -> Sink:
    """`maillog_file` as a sink. ConfigError when it lies below none of `maillog_file_prefixes` or cannot be opened."""
    if not any(path == prefix or path.startswith(prefix.rstrip("/") + "/") for prefix in prefixes):
        raise ConfigError("maillog_file is below none of the maillog_file_prefixes " + " ".join(prefixes), None, path)
    if path in ("/dev/stdout", "/dev/stderr"):
        return StreamSink(1 if path == "/dev/stdout" else 2)
    return FileSink(path)


class Log:
    """The log of one process. `tag` is the whole name before the process id: "postfix/smtpd", "postfix/qmgr"."""

    def __init__(
        self,
        sinks: Sequence[Sink],
        *,
        host: str = "localhost",
        json: bool = False,
        pid: int | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._sinks = list(sinks)
        self._shape = Shape(host, os.getpid() if pid is None else pid, json)
        self._clock = clock
        self._waiting: list[Line] = []
        self._scheduled = False
        self._writing = threading.Lock()

    def info(self, tag: str, text: str, fields: Mapping[str, object] | None = None) -> None:
        """Something that happened."""
        self._add("info", tag, text, fields)

    def warning(self, tag: str, text: str, fields: Mapping[str, object] | None = None) -> None:
        """Something that an operator should look at; "warning: " is added."""
        self._add("warning", tag, "warning: " + text, fields)

    def error(self, tag: str, text: str, fields: Mapping[str, object] | None = None) -> None:
        """Something went wrong and was survived; "error: " is added."""
        self._add("error", tag, "error: " + text, fields)

    def fatal(self, tag: str, text: str, fields: Mapping[str, object] | None = None) -> None:
        """The program, or a service, cannot go on; "fatal: " is added, and the line is written at once."""
        self._add("fatal", tag, "fatal: " + text, fields)
        self.flush()

    def _add(self, severity: str, tag: str, text: str, fields: Mapping[str, object] | None) -> None:
        self._waiting.append((self._clock(), severity, tag, printable(text), fields))
        if self._scheduled:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.flush()
        else:
            self._scheduled = True
            loop.call_soon(self.flush)

    def flush(self) -> None:
        """Write what waits, in the order in which it was said."""
        with self._writing:
            self._scheduled = False
            lines = self._waiting[:]  # other threads may add at the end meanwhile
            del self._waiting[: len(lines)]
            if lines:
                for sink in self._sinks:
                    sink.write(lines, self._shape)

    def reopen(self) -> None:
        """After SIGHUP: write what waits, then open files and sockets again."""
        self.flush()
        for sink in self._sinks:
            sink.reopen()

    def forked(self) -> None:
        """This is a child process now: its own process id, and the parent's waiting lines are the parent's."""
        self._shape.pid = os.getpid()
        self._waiting.clear()
        self._scheduled = False

    def close(self) -> None:
        """At the end: write what waits and close."""
        self.flush()
        for sink in self._sinks:
            sink.close()
        self._sinks = []
