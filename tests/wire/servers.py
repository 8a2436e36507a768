"""The servers at the far end of a wire: how are they started on one configuration, and what did they make of a client?

One configuration directory serves three ways, each on a port of its own, for Gatepost and for a real Postfix alike. The
verdict is the server's own: read from its log, by the client's address. This file must not know how clients talk.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gatepost.dialogue.format import Dialogue
from tests.kit import wait_for, wait_listening
from tests.lab import directory, running_master, write_config
from tests.serving import program
from tests.wire.hosts import Host

AT_DATA, FORBID, SCREENED, PROXIED, WRAPPED = 25, 26, 27, 28, 465
SERVICES = {
    AT_DATA: "reject_unauth_pipelining at DATA",
    FORBID: "smtpd_forbid_unauth_pipelining",
    SCREENED: "postscreen, deep tests",
}
DESCRIPTORS = 4096
CONFIG = (
    "inet_interfaces = all",
    "inet_protocols = all",
    "defer_transports =",
    "local_recipient_maps =",
    "smtpd_client_connection_count_limit = 0",
    "default_process_limit = 300",
    "in_flow_delay = 0",
    "smtpd_recipient_limit = 2000",
    "smtpd_tls_security_level = may",
    "smtpd_tls_cert_file = $config_directory/cert.pem",
    "smtpd_tls_key_file = $config_directory/key.pem",
    "smtpd_data_restrictions = reject_unauth_pipelining",
    # Every test is on, and nobody is remembered: each connection is a new client.
    "postscreen_cache_map =",
    "postscreen_greet_wait = 1s",
    "postscreen_greet_action = enforce",
    "postscreen_pipelining_enable = yes",
    "postscreen_pipelining_action = enforce",
    "postscreen_non_smtp_command_enable = yes",
    "postscreen_bare_newline_enable = yes",
    "postscreen_client_connection_count_limit = 0",
)
_MASTER = f"""\
{AT_DATA} inet n - n - - smtpd
{FORBID} inet n - n - - smtpd
    -o smtpd_forbid_unauth_pipelining=yes
{SCREENED} inet n - n - 1 postscreen
smtpd pass - - n - - smtpd
dnsblog unix - - n - 0 dnsblog
tlsproxy unix - - n - 0 tlsproxy
"""
_OURS = f"""\
{PROXIED} inet n - n - - smtpd
    -o smtpd_upstream_proxy_protocol=haproxy
    -o smtpd_forbid_unauth_pipelining=yes
{WRAPPED} inet n - n - - smtpd
    -o smtpd_tls_wrappermode=yes
    -o smtpd_forbid_unauth_pipelining=yes
"""

_OFFENCE = re.compile(
    r"improper command pipelining after (?P<smtpd>\S+) from |COMMAND PIPELINING from .* after (?P<screen>\S+):"
    r"|(?P<greeting>PREGREET) |Improper use of SMTP command pipelining"
)
_SCREENED = re.compile(r"/postscreen\[\d+\]: CONNECT from \[([^\]]+)\]")  # tlsproxy says CONNECT, too
_SENT_AWAY = re.compile(r"/postscreen\[\d+\]: DISCONNECT ")
_SERVED = re.compile(r"smtpd\[\d+\]: connect from \S+\[([^\]]+)\]")
_TRIED = re.compile(r"/postscreen\[\d+\]: PASS NEW \[([^\]]+)\]")
_ACCEPTED = re.compile(r": client=\S*\[(\S+)\]")


@dataclass(frozen=True, slots=True)
class Server:
    """A running server; `root` holds its configuration and its log."""

    name: str
    root: Path

    @property
    def logged(self) -> int:
        """How many bytes the log has."""
        return (self.root / "maillog").stat().st_size

    def log(self, since: int = 0) -> str:
        """The log, without its first `since` bytes."""
        with (self.root / "maillog").open("rb") as file:
            file.seek(since)
            return file.read().decode("utf-8", errors="replace")

    def offences(self) -> dict[str, str]:
        """Client address -> the log line that says first that it talked out of turn."""
        found: dict[str, str] = {}
        for line in self.log().splitlines():
            if _OFFENCE.search(line) and (address := _address(line)):
                found.setdefault(address, line)
        return found

    def settled(self, since: int = 0, seconds: float = 60) -> str:
        """The log, without its first `since` bytes, once every session that began in it has ended, or as it is when the
        time is over."""

        def ended() -> bool:
            text = self.log(since)
            return text.count("]: connect from ") <= text.count("]: disconnect from ") and _left_screening(text)

        wait_for(ended, seconds)
        return self.log(since)


def _left_screening(log: str) -> bool:
    """Was every client that was screened sent away, or served?"""
    screened = _SCREENED.findall(log)
    clients = set(screened)
    served = sum(address in clients for address in _SERVED.findall(log)) if clients else 0
    return len(screened) <= served + len(_SENT_AWAY.findall(log))


def _address(line: str) -> str:
    found = re.search(r"from \S*\[([0-9a-fA-F.:]+)\]", line)
    return found[1] if found else ""


def offences_in(log: str) -> list[str]:
    """The lines of a log that say that a client talked out of turn."""
    return [line for line in log.splitlines() if _OFFENCE.search(line)]


def messages_in(log: str) -> int:
    """How many messages a server took, by its log: of each that got a queue id."""
    return len(_ACCEPTED.findall(log))


def tried_in(log: str) -> int:
    """How many clients had every trial of screening to make, and passed: addresses that nothing was known of."""
    return len(set(_TRIED.findall(log)))


@contextlib.contextmanager
def _configured(more: Sequence[str], master: str) -> Iterator[tuple[Path, Path]]:
    with directory("gatepost-wire-") as root:
        conf = write_config(root, Dialogue(config=[*CONFIG, *more]), AT_DATA)
        common = (conf / "master.cf").read_text(encoding="utf-8").partition("\n")[2]
        (conf / "master.cf").write_text(master + common, encoding="utf-8")
        yield root, conf


@contextlib.contextmanager
def gatepost(host: Host, more: Sequence[str] = (), name: str = "Gatepost") -> Iterator[Server]:
    """`gatepost serve` on a host; `more` are further lines of main.cf."""
    with _configured(more, _MASTER + _OURS) as (root, conf), contextlib.ExitStack() as stack:
        with host.inside():
            stack.enter_context(program(conf, AT_DATA, FORBID, SCREENED, PROXIED, WRAPPED, descriptors=DESCRIPTORS))
        yield Server(name, root)


@contextlib.contextmanager
def postfix(host: Host) -> Iterator[Server]:
    """A real Postfix on a host, on the same configuration."""
    with _configured((), _MASTER) as (root, conf), contextlib.ExitStack() as stack:
        with host.inside():
            stack.enter_context(running_master(conf, AT_DATA))
            for port in (FORBID, SCREENED):
                if not wait_listening(port):
                    raise RuntimeError("Postfix does not listen: " + (root / "maillog").read_text(errors="replace"))
        yield Server("Postfix", root)
