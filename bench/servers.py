"""The three that are measured, on one machine, one configuration and one file system: Postfix, Gatepost, smtp-sink.

Postfix and Gatepost read the same main.cf: mail from 127/8 is accepted and discarded after it was queued. smtp-sink
keeps nothing: it is what the load generator can reach at most.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gatepost.dialogue.format import Dialogue
from tests.kit import free_port, program, wait_listening
from tests.lab import directory, end, limit_descriptors, running_master, write_config
from tests.serving import program as gatepost_program

DESCRIPTORS = 20_000
CONFIG = [
    "mynetworks = 127.0.0.0/8",
    "defer_transports =",
    "smtpd_client_connection_count_limit = 0",
    "in_flow_delay = 0",  # Postfix does not slow its own receiving down
    "default_process_limit = 2000",
]
# Every test of screening, for clients that nobody knows, as many as there are.
SCREENING = [
    "postscreen_access_list = permit_mynetworks",
    "postscreen_cache_map =",
    "postscreen_greet_action = enforce",
    "postscreen_pipelining_enable = yes",
    "postscreen_non_smtp_command_enable = yes",
    "postscreen_bare_newline_enable = yes",
    "postscreen_client_connection_count_limit = 0",
    "postscreen_pre_queue_limit = 20000",
    "postscreen_post_queue_limit = 20000",
]
PROBATION = [*SCREENING, "mynetworks ="]
GREETING = [
    *SCREENING,
    "mynetworks = 127.0.0.1/32",  # who is measured is let in at once
    "postscreen_greet_wait = 600s",
    "gatepost_greet_wait = full",
]


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: its name, where it listens, the process at the top of its family."""

    name: str
    port: int
    pid: int


@contextlib.contextmanager
def _configured(below: Path | None, screening: Sequence[str] = ()) -> Iterator[tuple[Path, int]]:
    port = free_port()
    dialogue = Dialogue(config=[*CONFIG, *screening], service="postscreen" if screening else "smtpd")
    with directory("gatepost-bench-") if below is None else contextlib.nullcontext(below) as root:
        yield write_config(root, dialogue, port), port


@contextlib.contextmanager
def postfix(below: Path | None = None) -> Iterator[Server]:
    """Postfix's master and all that it starts."""
    with _configured(below) as (conf, port), running_master(conf, port) as process:
        yield Server("Postfix", port, process.pid)


@contextlib.contextmanager
def gatepost(below: Path | None = None) -> Iterator[Server]:
    """`gatepost serve`."""
    with _configured(below) as (conf, port), gatepost_program(conf, port, descriptors=DESCRIPTORS) as process:
        yield Server("Gatepost", port, process.pid)


@contextlib.contextmanager
def screened(screening: Sequence[str], below: Path | None = None) -> Iterator[Server]:
    """`gatepost serve` with a screened service; `screening` are lines of main.cf."""
    with _configured(below, screening) as made, gatepost_program(*made, descriptors=DESCRIPTORS) as process:
        yield Server("Gatepost", made[1], process.pid)


@contextlib.contextmanager
def sink() -> Iterator[Server]:
    """smtp-sink, which answers 250 to everything and keeps nothing."""
    port = free_port()
    process = subprocess.Popen(
        [program("smtp-sink") or "smtp-sink", "-u", "postfix", "-m", str(DESCRIPTORS), f"127.0.0.1:{port}", "1024"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=lambda: limit_descriptors(DESCRIPTORS),
    )
    try:
        if not wait_listening(port, 5, lambda: process.poll() is None):
            raise RuntimeError("smtp-sink did not start")
        yield Server("smtp-sink", port, process.pid)
    finally:
        end(process)


ALL: dict[str, Callable[[], contextlib.AbstractContextManager[Server]]] = {
    "Postfix": postfix,
    "Gatepost": gatepost,
    "smtp-sink": sink,
}
