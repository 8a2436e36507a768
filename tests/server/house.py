"""A real `gatepost serve` with a configuration directory of its own, and a plain SMTP client that speaks line by line.

    with House(warm, settings=["smtpd_timeout = 1s"]) as house, house.talk() as client:
        assert client.say("NOOP") == "250 2.0.0 Ok"

Everything listens on loopback. Accepted mail is held in the spool, unless a test's settings deliver it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import ssl
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType

from gatepost.deliver import queue_control
from tests.kit import certificate, free_port, wait_for
from tests.lab import directory, merged
from tests.serving import Forked, NotServing, Warm

BASE = """\
compatibility_level = 3.6
myhostname = mx.example.test
mydestination = example.test
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 192.0.2.0/24
smtpd_peername_lookup = no
smtpd_error_sleep_time = 0
gatepost_user =
alias_maps =
alias_database =
local_recipient_maps = inline:{ user=x, other=x }
smtpd_recipient_restrictions = reject_unauth_destination, check_recipient_access static:HOLD
"""
MAILDIR = [
    "mydestination =",
    "smtpd_recipient_restrictions = reject_unauth_destination",
    "virtual_mailbox_domains = example.test",
    "virtual_mailbox_maps = static:box/",
    f"virtual_uid_maps = static:{os.geteuid() or 65534}",
    f"virtual_gid_maps = static:{os.getegid() or 65534}",
    "virtual_minimum_uid = 1",
]
TO, FROM = "user@example.test", "sender@client.test"


class House:
    """One configuration directory and the server that runs on it."""

    def __init__(self, warm: Warm, root: Path, settings: Iterable[str] = (), options: Sequence[str] = (),
                 services: Sequence[str] = (), command: str = "smtpd") -> None:
        """`settings` are main.cf lines (the last of a name counts), `options` are -o options of the service, `services`
        further master.cf lines; in all of them @ROOT@ is the root directory. `command`: of the service."""
        self.warm = warm
        self.root = root
        self.conf = root / "conf"
        self.port = free_port()
        self.settings = list(settings)
        self.options = list(options)
        self.services = list(services)
        self.command = command
        self.server: Forked | None = None
        for folder, owner in (("conf", -1), ("queue", -1), ("mail", 65534 if os.geteuid() == 0 else -1)):
            (root / folder).mkdir()
            os.chown(root / folder, owner, owner)
        for name, content in zip(("cert.pem", "key.pem"), certificate(), strict=True):
            (self.conf / name).write_bytes(content)
        self.write()

    def write(self) -> None:
        """The files, from `settings`, `options` and `services`."""
        lines = [f"queue_directory = {self.root}/queue", f"maillog_file = {self.root}/maillog",
                 f"maillog_file_prefixes = {self.root}", f"virtual_mailbox_base = {self.root}/mail", *self.settings]
        self._put("main.cf", merged(BASE, lines))
        service = f"127.0.0.1:{self.port} inet n - n - - {self.command}"
        options = [f"    -o {option}" for option in self.options]
        self._put("master.cf", "\n".join([service, *options, *self.services]) + "\n")

    def _put(self, name: str, text: str) -> None:
        (self.conf / name).write_text(text.replace("@ROOT@", str(self.root)), encoding="utf-8")

    # -- the server

    def start(self) -> None:
        """Start it, and wait until it listens. NotServing when it ends instead."""
        output = self.root / "server.out"
        output.unlink(missing_ok=True)
        self.server = server = self.warm.start(output, "serve", "-c", str(self.conf))
        if not wait_for(lambda: "gatepost: ready on " in server.said(), 15, lambda: server.alive):
            raise NotServing(server.end(), server.said())

    def stop(self) -> int:
        """SIGTERM, wait -> its exit status."""
        server, self.server = self.server, None
        return server.end() if server else -1

    def kill(self, *, everything: bool = True) -> None:
        """SIGKILL: as if the power went off, except for the page cache. Not `everything`: the queue manager is not
        killed, it finds out."""
        assert self.server is not None
        manager = self.manager
        server, self.server = self.server, None
        os.kill(server.pid, signal.SIGKILL)
        if everything:
            os.kill(manager, signal.SIGKILL)
        assert wait_for(lambda: not server.alive, 10)
        server.end()

    @property
    def manager(self) -> int:
        """The process id of the queue manager, once it is there: the server's only child."""
        assert self.server is not None
        children = Path(f"/proc/{self.server.pid}/task/{self.server.pid}/children")
        assert wait_for(lambda: len(children.read_text().split()) == 1, 10), children.read_text()
        return int(children.read_text())

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self.server is not None
        os.kill(self.server.pid, number)

    def reload(self) -> str:
        """SIGHUP, wait for what it says about it -> the new line."""
        before = len(self.said().splitlines()) + self.log().count("not reloaded")
        self.signal(signal.SIGHUP)
        told = wait_for(lambda: len(self.said().splitlines()) + self.log().count("not reloaded") > before, 10)
        assert told, self.log()
        return self.said().splitlines()[-1]

    def said(self) -> str:
        """What it printed."""
        return self.server.said() if self.server else (self.root / "server.out").read_text(errors="replace")

    def log(self) -> str:
        """The log file."""
        path = self.root / "maillog"
        return path.read_text(encoding="utf-8", errors="backslashreplace") if path.exists() else ""

    def logged(self, text: str, seconds: float = 5) -> bool:
        """Is this in the log, now or soon?"""
        return wait_for(lambda: text in self.log(), seconds)

    def spooled(self) -> Iterator[bytes]:
        """The content of every message in the queue."""
        spool = self.root / "queue" / "gatepost"
        for queued in list(queue_control.listing(spool)):
            found = queue_control.show(spool, queued.queue_id)
            if found is not None:
                yield b"".join(found[1])

    def talk(self, port: int = 0, *, greeted: bool = True) -> Talk:
        """A client, connected; greeted with EHLO unless told not to."""
        client = Talk(("127.0.0.1", port or self.port))
        if greeted:
            client.read()
            client.say("EHLO client.test")
        return client

    def __enter__(self) -> House:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()
        if error is None:
            assert "Traceback" not in self.said() and "Traceback" not in self.log(), self.said() + self.log()


@contextlib.contextmanager
def house(warm: Warm, settings: Iterable[str] = (), options: Sequence[str] = (), services: Sequence[str] = (),
          command: str = "smtpd") -> Iterator[House]:
    """A house in a directory of its own, its server started. The server must not have reported a bug."""
    with directory("gatepost-house-") as root, House(warm, root, settings, options, services, command) as made:
        yield made


class Talk:
    """An SMTP client that says what it is told to. Replies are text: the lines without their ends, joined by "\\n"."""

    def __init__(self, address: tuple[str, int] | str, seconds: float = 20) -> None:
        inet = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        family = socket.AF_UNIX if isinstance(address, str) else inet
        self.socket = socket.socket(family)
        self.socket.settimeout(seconds)
        self.socket.connect(address)
        self._unread = b""

    def line(self) -> str:
        """One line; "" at the end of the connection."""
        while b"\n" not in self._unread:
            try:
                data = self.socket.recv(65536)
            except ConnectionResetError:
                data = b""
            if not data:
                return ""
            self._unread += data
        found, _, self._unread = self._unread.partition(b"\n")
        return found.decode("utf-8", "surrogateescape").rstrip("\r")

    def read(self) -> str:
        """One reply; "" when there is none because the connection ended."""
        lines = [self.line()]
        while lines[-1][3:4] == "-":
            lines.append(self.line())
        return "\n".join(lines)

    def send(self, data: bytes) -> None:
        """Bytes."""
        self.socket.sendall(data)

    def say(self, *commands: str) -> str:
        """Commands, one after the other -> the last reply."""
        reply = ""
        for command in commands:
            self.send(command.encode("utf-8", "surrogateescape") + b"\r\n")
            reply = self.read()
        return reply

    def mail(self, body: bytes = b"Subject: test\r\n\r\nbody\r\n", sender: str = FROM, to: str = TO) -> str:
        """A message -> the reply to its end, or the first refusal."""
        for command, wanted in ((f"MAIL FROM:<{sender}>", "250"), (f"RCPT TO:<{to}>", "250"), ("DATA", "354")):
            reply = self.say(command)
            if not reply.startswith(wanted):
                return reply
        self.send(body + b".\r\n")
        return self.read()

    def start_tls(self, *, wrapper: bool = False) -> str:
        """STARTTLS (unless it is wrapper mode) and the handshake -> the reply to STARTTLS."""
        reply = "" if wrapper else self.say("STARTTLS")
        if wrapper or reply.startswith("220"):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            self.socket = context.wrap_socket(self.socket)
        return reply

    def ended(self) -> bool:
        """Does the server close the connection?"""
        try:
            return self.socket.recv(65536) == b""
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False

    def __enter__(self) -> Talk:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.socket.close()
