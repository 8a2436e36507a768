"""observe/log.py: what a line looks like and where it goes."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.observe.log import FileSink, Line, Log, Shape, StreamSink, SyslogSink, file_or_stream, printable
from gatepost.span import ConfigError

NOON = time.mktime((2026, 11, 4, 12, 0, 1, 0, 0, -1))


class Kept:
    """A sink that keeps what each write brought."""

    def __init__(self) -> None:
        self.writes: list[list[str]] = []

    def write(self, lines: Sequence[Line], shape: Shape) -> None:
        self.writes.append([shape.text(line) for line in lines])

    def reopen(self) -> None: ...

    def close(self) -> None: ...


def log_to(sink: Kept, *, json: bool = False) -> Log:
    return Log([sink], host="mx.example.test", pid=7, clock=lambda: NOON, json=json)


def test_postfix_shape() -> None:
    sink = Kept()
    log = log_to(sink)
    log.info("postfix/smtpd", "connect from unknown[192.0.2.1]")
    log.warning("postfix/smtpd", "disk is low")
    log.fatal("postfix", "no")
    assert [line for write in sink.writes for line in write] == [
        "Nov  4 12:00:01 mx postfix/smtpd[7]: connect from unknown[192.0.2.1]\n",
        "Nov  4 12:00:01 mx postfix/smtpd[7]: warning: disk is low\n",
        "Nov  4 12:00:01 mx postfix[7]: fatal: no\n",
    ]


def test_the_stamp_follows_the_clock() -> None:
    shape = Shape("mx", 1, False)
    assert [shape.stamp(NOON + after) for after in (0, 0.9, 1, 86400)] == [
        "Nov  4 12:00:01", "Nov  4 12:00:01", "Nov  4 12:00:02", "Nov  5 12:00:01",
    ]  # fmt: skip


def test_json_lines_carry_more_fields() -> None:
    sink = Kept()
    log_to(sink, json=True).warning("postfix/smtpd", "so", {"session": "s1", "early": "DATA"})
    (said,) = sink.writes[0]
    read = json.loads(said)
    assert read.pop("time").endswith("Z")
    assert read == {
        "host": "mx", "tag": "postfix/smtpd", "pid": 7, "severity": "warning", "text": "warning: so",
        "session": "s1", "early": "DATA",
    }  # fmt: skip


def test_lines_of_one_turn_are_one_write() -> None:
    sink = Kept()
    log = log_to(sink)

    async def turns() -> None:
        log.info("t", "one")
        log.info("t", "two")
        assert sink.writes == []
        await asyncio.sleep(0)
        log.info("t", "three")
        await asyncio.sleep(0)

    asyncio.run(turns())
    assert [[line.split()[-1] for line in write] for write in sink.writes] == [["one", "two"], ["three"]]


def test_what_the_last_turn_said_is_written_at_close() -> None:
    sink = Kept()
    log = log_to(sink)

    async def says() -> None:
        log.info("t", "last")

    asyncio.run(says())
    log.close()
    assert sum(map(len, sink.writes)) == 1


def test_threads_lose_nothing() -> None:
    sink = Kept()
    log = log_to(sink)
    threads = [threading.Thread(target=lambda: [log.info("t", "x") for _ in range(300)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.flush()
    assert sum(map(len, sink.writes)) == 1200


@given(st.text())
def test_any_text_is_one_line(text: str) -> None:
    shown = printable(text)
    assert len(shown.splitlines()) <= 1 and "\x1b" not in shown
    shown.encode()  # no lone surrogate is left


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("two\r\nlines", "two??lines"),
        ("clünt", "clünt"),
        (b"\xff raw".decode("utf-8", "surrogateescape"), "? raw"),
        ("\x1b[31m", "?[31m"),
    ],
)
def test_printable(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_a_rotated_file_is_left_alone(tmp_path: Path) -> None:
    path, old = tmp_path / "deep" / "mail.log", tmp_path / "deep" / "mail.log.1"
    now = [NOON]
    log = Log([FileSink(str(path))], clock=lambda: now[0])
    log.info("t", "before")
    os.rename(path, old)
    now[0] += 5
    log.info("t", "after")
    log.close()
    assert "before" in old.read_text() and "after" not in old.read_text()
    assert "after" in path.read_text()


def test_reopen_on_request(tmp_path: Path) -> None:
    path = tmp_path / "mail.log"
    log = Log([FileSink(str(path))], clock=lambda: NOON)
    log.info("t", "before")
    path.unlink()
    log.reopen()
    log.info("t", "after")
    log.close()
    assert re.fullmatch(r".*: after\n", path.read_text())


@pytest.mark.parametrize(
    ("path", "prefixes", "allowed"),
    [
        ("/var/log/mail", ("/var", "/dev/stdout"), True),
        ("/dev/stdout", ("/var", "/dev/stdout"), True),
        ("/variable/log", ("/var",), False),
        ("/etc/passwd", ("/var", "/dev/stdout"), False),
    ],
)
def test_prefixes(path: str, prefixes: tuple[str, ...], allowed: bool, tmp_path: Path) -> None:
    if allowed and path.startswith("/var"):
        path, prefixes = str(tmp_path / "log"), (str(tmp_path),)
    if allowed:
        sink = file_or_stream(path, prefixes)
        assert isinstance(sink, StreamSink | FileSink)
        sink.close()
    else:
        with pytest.raises(ConfigError, match="maillog_file_prefixes"):
            file_or_stream(path, prefixes)


def test_a_file_that_cannot_be_opened_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot open"):
        FileSink(str(tmp_path))


def test_syslog_datagrams(tmp_path: Path) -> None:
    path = str(tmp_path / "log")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as syslogd:
        syslogd.bind(path)
        log = Log([SyslogSink(path)], host="mx", pid=7, clock=lambda: NOON)
        log.info("postfix/smtpd", "hello")
        log.warning("postfix/smtpd", "hm")
        assert syslogd.recv(1000) == b"<22>Nov  4 12:00:01 postfix/smtpd[7]: hello"
        assert syslogd.recv(1000) == b"<20>Nov  4 12:00:01 postfix/smtpd[7]: warning: hm"
        log.close()


def test_syslog_that_is_away_is_counted(tmp_path: Path) -> None:
    path = str(tmp_path / "log")
    log = Log([SyslogSink(path)], pid=7, clock=lambda: NOON)
    log.info("t", "nobody hears this")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as syslogd:
        syslogd.bind(path)
        log.info("t", "back")
        assert syslogd.recv(1000).endswith(b"warning: 1 log lines were lost")
        assert syslogd.recv(1000).endswith(b"back")
    log.close()
