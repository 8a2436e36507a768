"""Clients of others deliver: swaks, smtp-source, Python's smtplib."""

from __future__ import annotations

import smtplib
import subprocess
from collections.abc import Iterator

import pytest

from tests.kit import needs, program
from tests.peers.place import Place, gateway

pytestmark = pytest.mark.peer


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    tls = ["smtpd_tls_security_level = may", "smtpd_tls_cert_file = $config_directory/cert.pem"]
    with gateway([*tls, "smtpd_tls_key_file = $config_directory/key.pem"]) as running:
        yield running


def swaks(place: Place, *options: str) -> subprocess.CompletedProcess[str]:
    command = [program("swaks") or "swaks", "--server", f"127.0.0.1:{place.port}", "--to", "user@example.test"]
    command += ["--from", "a@client.example", "--helo", "client.example", "--timeout", "10", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@needs("swaks")
@pytest.mark.parametrize("options", [(), ("--protocol", "SMTP"), ("--pipeline",), ("--tls",)], ids=" ".join)
def test_swaks(place: Place, options: tuple[str, ...]) -> None:
    before = len(place.mailbox())
    run = swaks(place, "--h-Subject", f"swaks {' '.join(options)}", *options)
    if options == ("--pipeline",) and "PIPELINE" in run.stderr:
        pytest.skip("this swaks cannot pipeline")
    assert run.returncode == 0, run.stdout + run.stderr
    messages = place.arrived(before + 1)
    assert any(f"Subject: swaks {' '.join(options)}\n" in message for message in messages)


@needs("swaks")
def test_swaks_is_refused_what_is_not_ours(place: Place) -> None:
    run = swaks(place, "--to", "x@elsewhere.example")
    assert run.returncode == 24, run.stdout + run.stderr  # no recipient was accepted
    assert "454 4.7.1 <x@elsewhere.example>: Relay access denied" in run.stdout + run.stderr


@needs("smtp-source")
@pytest.mark.parametrize("options", [(), ("-d",)], ids=["one a connection", "many a connection"])
def test_smtp_source(place: Place, options: tuple[str, ...]) -> None:
    """Many messages, one or several over a connection; every one that was accepted arrives."""
    before = len(place.mailbox("other"))
    command = [program("smtp-source") or "smtp-source", "-s", "5", "-m", "50", "-l", "2048", *options]
    command += ["-f", "a@client.example", "-t", "other@example.test", f"127.0.0.1:{place.port}"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr
    assert len(place.arrived(before + 50, "other")) == before + 50


def test_smtplib(place: Place) -> None:
    before = len(place.mailbox())
    with smtplib.SMTP("127.0.0.1", place.port, timeout=10) as client:
        client.ehlo("client.example")
        client.sendmail("a@client.example", ["user@example.test"], "Subject: smtplib\r\n\r\n.leading dot\r\n")
    messages = place.arrived(before + 1)
    assert any("Subject: smtplib\n" in message and message.endswith("\n.leading dot\n") for message in messages)


def test_smtplib_over_tls(place: Place) -> None:
    before = len(place.mailbox())
    with smtplib.SMTP("127.0.0.1", place.port, timeout=10) as client:
        client.starttls()
        client.sendmail("a@client.example", ["user@example.test"], "Subject: sealed\r\n\r\nbody\r\n")
    messages = place.arrived(before + 1)
    assert any("with ESMTPS id" in message for message in messages if "Subject: sealed" in message)
