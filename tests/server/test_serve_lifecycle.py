"""The life of `gatepost serve`: SIGTERM during a message, SIGHUP, readiness, privileges given up, the log."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kit import free_port, listening, needs, wait_for
from tests.lab import directory
from tests.server.house import FROM, MAILDIR, TO, House, Talk, house
from tests.serving import GATEPOST, Warm

BODY = b"Subject: term\r\n\r\nkept\r\n"


def test_sigterm_lets_a_message_end_and_ends_with_status_0(warm: Warm) -> None:
    with directory("gatepost-house-") as root:
        running = House(warm, root)
        running.start()
        with running.talk() as client:
            assert client.mail(b"Subject: before\r\n\r\n\r\n").startswith("250 2.0.0 Ok: queued as")
            client.say(f"MAIL FROM:<{FROM}>", f"RCPT TO:<{TO}>", "DATA")
            client.send(BODY)
            running.signal(signal.SIGTERM)
            assert wait_for(lambda: not listening(running.port), 5), "new clients are still let in"
            client.send(b".\r\n")
            assert client.read().startswith("250 2.0.0 Ok: queued as")
            assert client.say("QUIT").startswith("221")
        assert running.server is not None
        assert wait_for(lambda: running.server is not None and not running.server.alive, 10)
        assert running.stop() == 0
        running.start()
        subjects = sorted(content.partition(b"Subject: ")[2].split(b"\r\n")[0].strip() for content in running.spooled())
        assert subjects == [b"before", b"term"]
        assert running.stop() == 0


def test_an_idle_session_is_told_421_when_patience_is_over(warm: Warm) -> None:
    with directory("gatepost-house-") as root:
        running = House(warm, root)
        running.start()
        with running.talk() as client:
            running.signal(signal.SIGTERM)
            assert wait_for(lambda: not listening(running.port), 5)
            running.signal(signal.SIGTERM)  # the second one ends the patience
            assert client.read() == "421 4.3.2 mx.example.test Service shutting down"
            assert client.ended()
        assert running.server is not None
        assert wait_for(lambda: running.server is not None and not running.server.alive, 10)
        assert running.stop() == 0


def test_a_message_that_never_ends_is_given_up(warm: Warm) -> None:
    with directory("gatepost-house-") as root:
        running = House(warm, root)
        running.start()
        with running.talk() as client:
            client.say(f"MAIL FROM:<{FROM}>", f"RCPT TO:<{TO}>", "DATA")
            client.send(BODY)
            running.signal(signal.SIGTERM)
            assert wait_for(lambda: not listening(running.port), 5)
            running.signal(signal.SIGTERM)
            assert client.read() == "421 4.3.2 mx.example.test Service shutting down"
        assert wait_for(lambda: running.server is not None and not running.server.alive, 10)
        assert running.stop() == 0
        assert not list(running.spooled())


def test_sighup_new_terms_for_new_sessions_only(warm: Warm) -> None:
    with house(warm) as running, running.talk() as old:
        running.settings += ["smtpd_banner = changed ESMTP", "smtpd_sender_restrictions = reject",
                             "smtpd_delay_reject = no"]
        running.write()
        assert running.reload() == f"gatepost: reloaded, on 127.0.0.1:{running.port}"
        with running.talk(greeted=False) as new:
            assert new.read() == "220 changed ESMTP"
            assert new.say("EHLO client.test", f"MAIL FROM:<{FROM}>").startswith("554 5.7.1")
        assert old.mail().startswith("250 2.0.0 Ok: queued as")
        running.settings = []
        running.write()
        running.reload()
        with running.talk() as new:
            assert new.mail().startswith("250 2.0.0 Ok")


@pytest.mark.parametrize(("settings", "services", "wanted"), [
    (["smtpd_timeout = 5x"], [], "bad time value or unit: 5x"),
    (["smtpd_sender_restrictions = reject_everybody"], [], "unknown smtpd restriction"),
    (["virtual_alias_maps = hash:@ROOT@/conf/none"], [], "hash:@ROOT@/conf/none"),
    ([], ["192.0.2.1:2525 inet n - n - - smtpd"], "cannot listen at 192.0.2.1:2525"),
    ([], ["smtp inet n"], "master.cf:2"),
], ids=["unit", "restriction", "table", "address", "fields"])
def test_a_broken_configuration_changes_nothing(warm: Warm, settings: list[str], services: list[str], wanted: str
                                                ) -> None:
    with house(warm) as running, running.talk() as old:
        running.settings = ["smtpd_banner = changed ESMTP", "virtual_alias_maps = static:x@example.test", *settings]
        running.services = services
        running.write()
        said = len(running.said())
        running.reload()
        assert len(running.said()) == said, running.said()
        complaints = [line for line in running.log().splitlines() if "not reloaded" in line]
        assert len(complaints) == 1, running.log()
        assert wanted.replace("@ROOT@", str(running.root)) in complaints[0]
        assert str(running.conf) in complaints[0], complaints
        with running.talk(greeted=False) as new:
            assert new.read() == "220 mx.example.test ESMTP Postfix"
            new.say("EHLO client.test")
            assert new.mail().startswith("250 2.0.0 Ok")
        assert old.mail().startswith("250 2.0.0 Ok")


def test_a_reload_that_cannot_listen_leaves_delivery_alone(warm: Warm) -> None:
    with house(warm, MAILDIR) as running:
        running.settings = [*running.settings, "virtual_mailbox_maps = static:elsewhere/"]
        running.services = ["192.0.2.1:2525 inet n - n - - smtpd"]
        running.write()
        running.reload()
        with running.talk() as client:
            assert client.mail().startswith("250 2.0.0 Ok")
        new = running.root / "mail" / "box" / "new"
        assert wait_for(lambda: new.is_dir() and len(list(new.iterdir())) == 1, 10), running.log()


def test_a_reload_is_in_force_for_delivery(warm: Warm) -> None:
    with house(warm, MAILDIR) as running:
        running.settings = [*running.settings, "virtual_mailbox_maps = static:elsewhere/"]
        running.write()
        running.reload()
        with running.talk() as client:
            assert client.mail().startswith("250 2.0.0 Ok")
        new = running.root / "mail" / "elsewhere" / "new"
        assert wait_for(lambda: new.is_dir() and len(list(new.iterdir())) == 1, 10), running.log()


def test_services_come_and_go(warm: Warm) -> None:
    second = free_port()
    with house(warm) as running:
        running.services = [f"127.0.0.1:{second} inet n - n - - smtpd\n    -o smtpd_banner=second"]
        running.write()
        running.reload()
        with running.talk(second, greeted=False) as client:
            assert client.read() == "220 second"
            running.services = []
            running.write()
            running.reload()
            assert not listening(second)
            assert client.say("EHLO client.test").startswith("250-"), "a live session outlives its service"
            assert client.mail().startswith("250 2.0.0")
        with running.talk() as first:
            assert first.say("NOOP") == "250 2.0.0 Ok"


def test_a_signal_before_it_is_ready_is_not_the_end(warm: Warm) -> None:
    with directory("gatepost-house-") as root:
        running = House(warm, root)
        child = running.server = warm.start(root / "server.out", "serve", "-c", str(running.conf))
        assert wait_for(lambda: listening(running.port), 15, lambda: child.alive)
        running.signal(signal.SIGHUP)
        assert wait_for(lambda: "gatepost: reloaded, on" in child.said(), 10, lambda: child.alive), child.said()
        assert running.stop() == 0


def test_a_burst_of_signals(warm: Warm) -> None:
    """SIGHUP faster than it can be followed, while mail comes in."""
    with house(warm) as running, running.talk() as client:
        for _ in range(20):
            running.signal(signal.SIGHUP)
            assert client.mail().startswith("250 2.0.0")
        with running.talk() as other:
            assert other.mail().startswith("250 2.0.0")


def test_json_log_lines(warm: Warm) -> None:
    with house(warm, ["gatepost_log_format = json"]) as running:
        with running.talk() as client:
            assert client.mail().startswith("250")
            assert client.mail(to="nobody@elsewhere.test").startswith("454")
            client.say("QUIT")
        assert running.logged("disconnect from")
        lines = [json.loads(line) for line in running.log().splitlines()]
        assert all(isinstance(line, dict) for line in lines)
        assert any("454 4.7.1" in json.dumps(line) for line in lines)


class Manager:
    """A service manager's notification socket."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        path.chmod(0o666)
        self.socket.settimeout(15)

    def told(self) -> str:
        return self.socket.recv(4096).decode()


@needs(root=True)
def test_the_program_tells_readiness_and_gives_up_root(tmp_path: Path) -> None:
    """The program itself, as a service manager starts it. Delivery goes on as the unprivileged user."""
    try:
        user = pwd.getpwnam("nobody")
    except KeyError:
        pytest.skip("not here: user nobody")
    with directory("gatepost-house-") as root, contextlib.ExitStack() as stack:
        made = House(None, root, [  # type: ignore[arg-type]
            *MAILDIR, "gatepost_user = nobody", f"virtual_uid_maps = static:{user.pw_uid}",
            f"virtual_gid_maps = static:{user.pw_gid}", "smtpd_tls_security_level = may",
            "smtpd_tls_cert_file = @ROOT@/conf/cert.pem", "smtpd_tls_key_file = @ROOT@/conf/key.pem"])
        (made.conf / "key.pem").chmod(0o600)
        manager = Manager(root / "notify")
        process = subprocess.Popen([GATEPOST, "serve", "-c", str(made.conf)], stdout=subprocess.DEVNULL,
                                   env=os.environ | {"NOTIFY_SOCKET": str(root / "notify")})
        stack.callback(process.wait, 20)
        stack.callback(process.terminate)
        assert manager.told() == "READY=1"
        status = Path(f"/proc/{process.pid}/status").read_text()
        ids = {line.split()[0]: line.split()[1:] for line in status.splitlines()}
        assert ids["Uid:"] == [str(user.pw_uid)] * 4
        assert ids["Gid:"] == [str(user.pw_gid)] * 4
        assert int(ids["CapEff:"][0], 16) == 0
        with Talk(("127.0.0.1", made.port)) as client:
            client.read()
            client.say("EHLO client.test")
            assert client.mail().startswith("250 2.0.0")
        new = root / "mail" / "box" / "new"
        assert wait_for(lambda: new.is_dir() and len(list(new.iterdir())) == 1, 10), made.log()
        made.settings.append("smtpd_banner = reloaded")
        made.write()
        process.send_signal(signal.SIGHUP)
        assert manager.told().startswith("RELOADING=1\nMONOTONIC_USEC=")
        assert manager.told() == "READY=1"
        assert "not reloaded" not in made.log()
        assert made.logged("key.pem cannot be read without root: TLS goes on as it was at the start")
        with Talk(("127.0.0.1", made.port)) as client:
            assert client.read() == "220 reloaded"
            client.say("EHLO client.test")
            assert client.start_tls().startswith("220"), "the key can only be read by root"
        process.send_signal(signal.SIGTERM)
        assert manager.told() == "STOPPING=1"
        assert process.wait(15) == 0


def _at_once(client: Talk) -> None:
    client.send(f"MAIL FROM:<{FROM}>\r\nRCPT TO:<{TO}>\r\nDATA\r\n".encode() + BODY + b".\r\nQUIT\r\n")


def _apart(client: Talk) -> None:
    for part in (f"MAIL FROM:<{FROM}>\r\n", f"RCPT TO:<{TO}>\r\n", "DATA\r\n", BODY.decode() + ".\r\n", "QUIT\r\n"):
        client.send(part.encode())
        time.sleep(0.001)


def _bytewise(client: Talk) -> None:
    client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in f"MAIL FROM:<{FROM}>\r\nRCPT TO:<{TO}>\r\nDATA\r\n{BODY.decode()}.\r\nQUIT\r\n".encode():
        client.send(bytes([byte]))


@pytest.mark.parametrize("send", [_at_once, _apart, _bytewise], ids=["at-once", "1ms-apart", "bytewise"])
def test_clients_that_do_not_wait_crash_nothing(warm: Warm, send: Callable[[Talk], None]) -> None:
    with house(warm, ["smtpd_data_restrictions = reject_unauth_pipelining"]) as running:
        for _ in range(10):
            with running.talk() as client:
                with contextlib.suppress(OSError):
                    send(client)
                while client.line():
                    pass
        with running.talk() as client:
            assert client.mail().startswith("250 2.0.0")
