"""Polite clients in hard circumstances: what could make one look as if it had not waited?

Each case is a session with a message that takes all its turns, held many times. What is special lies in the client's
TCP, in what stands between, or in how TLS and groups of commands are cut. This file must not know verdicts.
"""

from __future__ import annotations

import contextlib
import smtplib
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.kit import wait_listening
from tests.wire.blasters import MAIL, RCPT
from tests.wire.hosts import SERVER, SERVER6, Host
from tests.wire.polite import MESSAGE, RECIPIENT, SENDER, environment, found
from tests.wire.servers import FORBID, PROXIED, WRAPPED
from tests.wire.talk import BODY, TIMEOUT, Talk, trusting

EHLO, DATA, QUIT = b"EHLO client.example\r\n", b"DATA\r\n", b"QUIT\r\n"
HEADER = b"PROXY TCP4 192.0.2.7 10.77.0.2 40000 25\r\n"
TCP_QUICKACK = getattr(socket, "TCP_QUICKACK", 12)
TO_SERVICE, TO_HOST = 2601, 2602  # where a HAProxy listens: beside the server, and beside the client
MANY = 300  # recipients: their replies are more than a small buffer holds

Case = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Hard:
    """One circumstance; `session` raises OSError or smtplib.SMTPException when it does not get through."""

    name: str
    session: Case
    needs: str = ""


class Lazy(Talk):
    """Its TCP delays acknowledgements as long as it may, and it thinks before it answers."""

    def reply(self) -> bytes:
        self.socket.setsockopt(socket.IPPROTO_TCP, TCP_QUICKACK, 0)
        heard = super().reply()
        self.socket.setsockopt(socket.IPPROTO_TCP, TCP_QUICKACK, 0)
        time.sleep(0.02)
        return heard


def _transaction(talk: Talk, hello: bytes = EHLO) -> None:
    for line in (hello, MAIL, RCPT, DATA, BODY, QUIT):
        if (reply := talk.say(line))[:1] not in b"23":
            raise ConnectionError(f"{line!r} was answered {reply!r}")


def _greeted(talk: Talk) -> Talk:
    talk.reply()
    return talk


def delayed_acknowledgements() -> None:
    with Lazy(SERVER, FORBID) as talk:
        _transaction(_greeted(talk))


def small_segments() -> None:
    """Every reply longer than 88 bytes comes in several segments."""
    with Talk(SERVER, FORBID, options=[(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 88)]) as talk:
        _transaction(_greeted(talk))


def slow_reader() -> None:
    """Replies to a long group do not fit the buffer of a client that reads little at a time."""
    small = [(socket.SOL_SOCKET, socket.SO_RCVBUF, 1), (socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)]
    with Talk(SERVER, FORBID, options=small) as talk:
        _greeted(talk).say(EHLO)
        talk.piece, talk.pause = 64, 0.0005
        talk.socket.sendall(MAIL + RCPT * MANY + DATA)
        for _ in range(MANY + 2):
            reply = talk.reply()
        if not reply.startswith(b"354"):
            raise ConnectionError(repr(reply))
        talk.say(BODY)
        talk.say(QUIT)


def byte_by_byte() -> None:
    """Each byte of a command is a segment."""
    with Talk(SERVER, FORBID) as talk:
        for line in (EHLO, MAIL, RCPT, DATA, BODY, QUIT):
            talk.reply()
            for byte in line:
                talk.socket.sendall(bytes([byte]))
        talk.reply()


def group_in_segments() -> None:
    """A group of RFC 2920, each command in a segment; two messages, the second group behind the final dot."""
    with Talk(SERVER, FORBID) as talk:
        _greeted(talk).say(EHLO)
        for line in (MAIL, RCPT, DATA):
            talk.socket.sendall(line)
            time.sleep(0.001)
        for _ in range(3):
            talk.reply()
        talk.socket.sendall(BODY + MAIL + RCPT + DATA)
        for _ in range(4):
            talk.reply()
        talk.socket.sendall(BODY + QUIT)
        talk.reply()
        talk.reply()


def large_content() -> None:
    """Half a megabyte and QUIT behind its final dot."""
    with Talk(SERVER, FORBID) as talk:
        _greeted(talk)
        for line in (EHLO, MAIL, RCPT, DATA):
            talk.say(line)
        talk.say(b"Subject: wire\r\n\r\n" + b"0123456789\r\n" * 43_000 + b".\r\n" + QUIT)
        talk.reply()


def ipv6() -> None:
    with smtplib.SMTP(SERVER6, FORBID, "client.example", timeout=TIMEOUT) as client:
        client.sendmail(SENDER, [RECIPIENT], MESSAGE)


def tls(version: ssl.TLSVersion) -> Case:
    """STARTTLS, then a second connection that resumes the first one's session (a ticket)."""

    def session() -> None:
        context = trusting()
        context.minimum_version = context.maximum_version = version
        resumed = None
        for _ in range(2):
            with Talk(SERVER, FORBID) as talk:
                _greeted(talk).say(EHLO)
                talk.start_tls(resumed, context)
                _transaction(talk)
                assert isinstance(talk.socket, ssl.SSLSocket)
                if resumed is not None and not talk.socket.session_reused:
                    raise ConnectionError("the TLS session was not resumed")
                resumed = talk.socket.session

    return session


def wrapped() -> None:
    """TLS from the first byte: greeting and tickets leave together."""
    with Talk(SERVER, WRAPPED) as talk:
        talk.socket = trusting().wrap_socket(talk.socket)
        _transaction(_greeted(talk))


def proxy_header() -> None:
    """The proxy is at the far end of the wire: its header comes first."""
    with Talk(SERVER, PROXIED) as talk:
        talk.socket.sendall(HEADER)
        _transaction(_greeted(talk))


def through(host: str, port: int) -> Case:
    """Through a HAProxy that speaks the PROXY protocol to the server."""

    def session() -> None:
        with smtplib.SMTP(host, port, "client.example", timeout=TIMEOUT) as client:
            client.sendmail(SENDER, [RECIPIENT], MESSAGE)

    return session


CASES = (
    Hard("delayed acknowledgements, the client thinks 20 ms", delayed_acknowledgements),
    Hard("replies in several segments (MSS 88)", small_segments),
    Hard("a slow reader with a small receive buffer", slow_reader),
    Hard("each byte in a segment", byte_by_byte),
    Hard("groups of RFC 2920 in several segments", group_in_segments),
    Hard("half a megabyte, QUIT behind the final dot", large_content),
    Hard("IPv6", ipv6),
    Hard("TLS 1.2, then resumed", tls(ssl.TLSVersion.TLSv1_2)),
    Hard("TLS 1.3 with tickets, then resumed", tls(ssl.TLSVersion.TLSv1_3)),
    Hard("TLS in wrapper mode", wrapped),
    Hard("PROXY header over the wire", proxy_header),
    Hard("HAProxy beside the server", through(SERVER, TO_SERVICE), "haproxy"),
    Hard("HAProxy beside the client", through("127.0.0.1", TO_HOST), "haproxy"),
)

_HAPROXY = """\
defaults
  mode tcp
  timeout connect 60s
  timeout client 300s
  timeout server 300s
listen smtp
  bind {listen}
  server gateway {to} send-proxy-v2
"""


@contextlib.contextmanager
def proxies(client: Host, server: Host, scratch: Path) -> Iterator[None]:
    """The two HAProxies that the last cases go through, where the program is there."""
    path = found("haproxy")
    with contextlib.ExitStack() as stack:
        for host, listen, to in (
            (server, f"0.0.0.0:{TO_SERVICE}", f"127.0.0.1:{PROXIED}"),
            (client, f"127.0.0.1:{TO_HOST}", f"{SERVER}:{PROXIED}"),
        ):
            if path is None:
                break
            conf = scratch / f"haproxy-{host.name}"
            conf.write_text(_HAPROXY.format(listen=listen, to=to))
            with host.inside():
                process = subprocess.Popen([path, "-db", "-f", str(conf)], env=environment(), stdin=subprocess.DEVNULL,
                                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
                stack.callback(process.wait)
                stack.callback(process.terminate)
                if not wait_listening(int(listen.rpartition(":")[2])):
                    raise RuntimeError(f"HAProxy did not start on {conf.read_text()}")
        yield
