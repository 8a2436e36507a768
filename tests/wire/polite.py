"""Clients of others that take their turns: how is each made to hold so many sessions with a server, a message in each?

A session is a connection of its own. Programs are run on the client's host; whoever calls is inside it. How many
messages came through is the server's to say. This file must not know servers or verdicts.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import os
import re
import smtplib
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.kit import ROOT, program
from tests.wire import outbound
from tests.wire.talk import trusting

PEERS = ROOT / ".cache" / "peers"  # what .ci/unpacked made; nothing of it is installed
HERE = Path(__file__).parent
SWAKS_LOADS = ("Getopt::Long", "IO::Socket::INET6", "Net::SSLeay", "Sys::Hostname", "POSIX")  # while it runs
SENDER, RECIPIENT, NAME = "a@client.example", "user@example.test", "client.example"
MESSAGE = f"From: <{SENDER}>\r\nTo: <{RECIPIENT}>\r\nSubject: wire\r\n\r\nbody\r\n.leading dot\r\n"
SECONDS = 900  # a client that takes longer hangs


@dataclass(frozen=True, slots=True)
class Job:
    """What a client is to do: `sessions` with host:port, `parallel` at a time. It may write below `scratch`."""

    host: str
    port: int
    sessions: int
    parallel: int
    scratch: Path


@dataclass(frozen=True, slots=True)
class Client:
    """One client in one way of its own. `needs`: the program; None when it is a library that is always here."""

    name: str
    tls: bool
    run: Callable[[Job], None]
    needs: str | None = None

    def __str__(self) -> str:
        return f"{self.name}, {'STARTTLS' if self.tls else 'plain'}"

    @property
    def here(self) -> bool:
        """Can it be run?"""
        return self.needs is None or found(self.needs) is not None


def found(name: str) -> str | None:
    """The path of a program: installed, or unpacked."""
    unpacked = [PEERS / folder / name for folder in ("usr/bin", "usr/sbin")]
    return program(name) or next((str(path) for path in unpacked if path.exists()), None)


def environment() -> dict[str, str]:
    """With the libraries of what was unpacked."""
    return os.environ | {"LD_LIBRARY_PATH": f"{PEERS}/usr/lib/x86_64-linux-gnu"}


def exim_version() -> str:
    """Of the Exim that is here, "" without one. The program itself would not start without its user."""
    path = found("exim4")
    text = Path(path).read_bytes() if path else b""
    numbers = re.search(rb"\0(4\.\d\d(?:\.\d+)?)\0", text)
    return numbers[1].decode() if numbers else ""


# One process a session


def processes(name: str, tls: bool, command: Callable[[Job, bool], list[str]]) -> Client:
    """A program that is run once for each session."""

    def run(job: Job) -> None:
        message = job.scratch / "message"
        message.write_text(MESSAGE, newline="")
        words = [found(name) or name, *command(job, tls)]
        line = " ".join(f"'{word}'" for word in words)
        with (job.scratch / "out").open("ab") as out:
            subprocess.run(
                ["xargs", "-P", str(job.parallel), "-I{}", "sh", "-c", f"exec {line} <'{message}'"],
                input="".join(f"{number}\n" for number in range(job.sessions)).encode(),
                stdout=out, stderr=out, env=environment(), timeout=SECONDS, check=False,
            )  # fmt: skip

    return Client(name, tls, run, name)


def _curl(job: Job, tls: bool) -> list[str]:
    words = ["-sS", f"smtp://{job.host}:{job.port}/{NAME}", "--mail-from", SENDER, "--mail-rcpt", RECIPIENT]
    return [*words, "-T", "-", "-m", "120", *(["--ssl-reqd", "-k"] if tls else [])]


def _msmtp(job: Job, tls: bool) -> list[str]:
    words = [f"--host={job.host}", f"--port={job.port}", f"--from={SENDER}", f"--domain={NAME}", "--timeout=120"]
    return [*words, f"--tls={'on' if tls else 'off'}", "--tls-starttls=on", "--tls-certcheck=off", RECIPIENT]


# One process for all sessions


def swaks(job: Job, tls: bool) -> list[str]:
    """The command line of one session."""
    words = [found("swaks") or "swaks", "--server", job.host, "--port", str(job.port), "--from", SENDER]
    return [*words, "--to", RECIPIENT, "--helo", NAME, "--timeout", "120", *(["--tls"] if tls else [])]


def swaks_clients(tls: bool) -> Client:
    """swaks, compiled once and forked for each session (Sessions.pm)."""

    def run(job: Job) -> None:
        sessions = ",".join(map(str, [job.sessions, job.parallel, *SWAKS_LOADS]))
        words = [program("perl") or "perl", f"-I{HERE}", f"-MSessions={sessions}", *swaks(job, tls)]
        # It asks nothing about certificates, but would read all that the system trusts, for longer than the rest takes.
        unread = {"SSL_CERT_FILE": os.devnull}
        with (job.scratch / "out").open("ab") as out:
            subprocess.run(words, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment() | unread,
                           timeout=SECONDS, check=False)  # fmt: skip

    return Client("swaks", tls, run, "swaks")


def _smtp_source(job: Job) -> None:
    """With `-s` it takes its sessions by turns, and waits for the network in each: so it is started several times."""
    many = min(job.parallel, job.sessions)
    shares = [len(range(number, job.sessions, many)) for number in range(many)]
    words = [found("smtp-source") or "", "-f", SENDER, "-t", RECIPIENT]
    running = [subprocess.Popen([*words, "-m", str(share), f"{job.host}:{job.port}"], stderr=subprocess.DEVNULL)
               for share in shares]  # fmt: skip
    for process in running:
        process.wait(SECONDS)


def smtplib_clients(tls: bool) -> Client:
    """Python's smtplib, in threads."""
    context = trusting()

    def one(job: Job) -> None:
        with contextlib.suppress(OSError), smtplib.SMTP(job.host, job.port, NAME, timeout=120) as client:
            if tls:
                client.starttls(context=context)
            client.sendmail(SENDER, [RECIPIENT], MESSAGE)

    def run(job: Job) -> None:
        with concurrent.futures.ThreadPoolExecutor(job.parallel) as pool:
            list(pool.map(one, [job] * job.sessions))

    return Client("smtplib", tls, run)


def aiosmtplib_clients(tls: bool) -> Client:
    """aiosmtplib."""
    context = trusting()

    async def one(job: Job, room: asyncio.Semaphore) -> None:
        import aiosmtplib

        async with room:
            client = aiosmtplib.SMTP(
                hostname=job.host, port=job.port, local_hostname=NAME, timeout=120, start_tls=tls,
                tls_context=context if tls else None,
            )  # fmt: skip
            with contextlib.suppress(aiosmtplib.SMTPException, OSError):
                async with client:
                    await client.sendmail(SENDER, [RECIPIENT], MESSAGE)

    async def every(job: Job) -> None:
        room = asyncio.Semaphore(job.parallel)
        await asyncio.gather(*(one(job, room) for _ in range(job.sessions)))

    return Client("aiosmtplib", tls, lambda job: asyncio.run(every(job)))


# Mail servers that send


def _exim(pipelining: bool, chunking: bool, tls: bool) -> Client:
    def run(job: Job) -> None:
        exim = found("exim4") or "exim4"
        outbound.exim(exim, environment(), job.scratch, outbound.Sending(
            job.host, job.port, job.sessions, job.parallel, pipelining, chunking, tls))  # fmt: skip

    return Client(f"Exim{_words(pipelining, chunking)}", tls, run, "exim4")


def _postfix(pipelining: bool, tls: bool) -> Client:
    def run(job: Job) -> None:
        outbound.postfix(job.scratch, outbound.Sending(
            job.host, job.port, job.sessions, job.parallel, pipelining, False, tls))  # fmt: skip

    return Client(f"Postfix{'' if pipelining else ' without PIPELINING'}", tls, run, "postfix")


def _words(pipelining: bool, chunking: bool) -> str:
    missing = [name for name, used in (("PIPELINING", pipelining), ("CHUNKING", chunking)) if not used]
    return " without " + " or ".join(missing) if missing else ""


def every() -> list[Client]:
    """Every client in every way."""
    both = (False, True)
    clients = [swaks_clients(tls) for tls in both]
    clients += [Client("smtp-source", False, _smtp_source, "smtp-source")]
    clients += [smtplib_clients(tls) for tls in both]
    clients += [aiosmtplib_clients(tls) for tls in both]
    clients += [processes("curl", tls, _curl) for tls in both]
    clients += [processes("msmtp", tls, _msmtp) for tls in both]
    clients += [_exim(True, True, tls) for tls in both]
    clients += [_exim(pipelining, chunking, False) for pipelining, chunking in ((True, False), (False, True))]
    clients += [_exim(False, False, tls) for tls in both]
    clients += [_postfix(pipelining, tls) for pipelining in (True, False) for tls in both]
    return clients
