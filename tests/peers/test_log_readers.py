"""Programs that read Postfix's log read ours: fail2ban's stock postfix filter, pflogsumm."""

from __future__ import annotations

import base64
import re
import smtplib
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gatepost.dialogue.format import Dialogue
from tests.kit import needs, program
from tests.lab import auth_service
from tests.peers.place import Place, gateway

pytestmark = pytest.mark.peer
FILTER = "/etc/fail2ban/filter.d/postfix.conf"


def say(place: Place, client: str, *lines: bytes) -> None:
    """A client at an address of its own: each line after the reply to the one before, then it goes away."""
    with socket.create_connection(("127.0.0.1", place.port), 10, (client, 0)) as connection:
        connection.recv(4096)
        for line in lines:
            connection.sendall(line)
            if not connection.recv(4096):
                return


@pytest.fixture(scope="module")
def log() -> Iterator[Path]:
    """The log of a gateway that met one client of each kind, each at an address of its own."""
    config = [
        "smtpd_sasl_auth_enable = yes",
        "smtpd_sasl_type = dovecot",
        "smtpd_sasl_path = private/auth",
        "smtpd_hard_error_limit = 3",
        "smtpd_data_restrictions = reject_unauth_pipelining",
        "gatepost_turn_exempt_clients = 127.8.0.8",
    ]
    with gateway(config) as place:
        with auth_service(place.root, Dialogue(auth=True)):
            meet_everybody(place)
        for client in range(1, 9):
            place.logged(f"disconnect from unknown[127.8.0.{client}]")
        place.logged("status=sent")
        yield place.root / "maillog"


def meet_everybody(place: Place) -> None:
    hello, mail, to = b"EHLO c.example\r\n", b"MAIL FROM:<a@c.example>\r\n", b"RCPT TO:<user@example.test>\r\n"
    say(place, "127.8.0.1", hello, mail, b"RCPT TO:<x@elsewhere.example>\r\n", b"QUIT\r\n")
    say(place, "127.8.0.2", hello, mail, b"RCPT TO:<nobody@example.test>\r\n", b"QUIT\r\n")
    wrong = base64.b64encode(b"\0user@example.test\0wrong")
    say(place, "127.8.0.3", hello, b"AUTH PLAIN " + wrong + b"\r\n", b"QUIT\r\n")
    say(place, "127.8.0.4", hello, mail, to, b"DATA\r\nSubject: x\r\n\r\nx\r\n.\r\n")
    say(place, "127.8.0.5", hello, *[b"NONSENSE\r\n"] * 4)
    say(place, "127.8.0.6", hello, mail)  # goes away without a word
    say(place, "127.8.0.7", hello + b"QUIT\r\n")  # tolerated
    say(place, "127.8.0.8", hello + mail, b"QUIT\r\n")  # exempt
    with smtplib.SMTP("127.0.0.1", place.port, timeout=10) as client:
        client.sendmail("a@c.example", ["user@example.test"], "Subject: ok\r\n\r\nbody\r\n")


@needs("fail2ban-regex")
@pytest.mark.skipif(not Path(FILTER).exists(), reason="not here: fail2ban's stock postfix filter")
@pytest.mark.parametrize(
    ("mode", "found"),
    [
        ("normal", {1, 2, 4, 5}),
        ("auth", {3}),
        ("ddos", {3, 6}),
        ("aggressive", {1, 2, 3, 4, 5, 6}),
    ],
)
def test_fail2ban_finds_each_client_and_nobody_else(log: Path, mode: str, found: set[int]) -> None:
    command = [program("fail2ban-regex") or "fail2ban-regex", "-o", "ip", str(log), f"{FILTER}[mode={mode}]"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    seen = {int(number) for number in re.findall(r"^127\.8\.0\.(\d+)$", run.stdout, re.MULTILINE)}
    assert seen == found, log.read_text()
    assert not re.search(r"^127\.0\.0\.1$", run.stdout, re.MULTILINE), "the client that did no wrong was found"


@needs("pflogsumm")
def test_pflogsumm_counts_messages(log: Path) -> None:
    run = subprocess.run(
        [program("pflogsumm") or "pflogsumm", str(log)], capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 0, run.stderr
    counts = {name: int(count) for count, name in re.findall(r"^ +(\d+) +(\w+)", run.stdout, re.MULTILINE)}
    # A message counts as received when it has a queue id: the one that was refused at DATA had one, too.
    assert (counts["received"], counts["delivered"]) == (2, 1), run.stdout
    assert counts["rejected"] >= 3, run.stdout
    assert re.search(r"^ +1 .*user@example\.test$", run.stdout, re.MULTILINE), run.stdout
