"""gatepost queue: what is in the queue, and what is to be done with it. Works while the gateway runs and while not."""

from __future__ import annotations

import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from gatepost.cli.options import ConfigDirectory, State, fail
from gatepost.cli.serving import configuration
from gatepost.deliver import queue_control
from gatepost.deliver.queue_control import Queued
from gatepost.observe.lines import external
from gatepost.server.queue_manager import spool_directory
from gatepost.span import ConfigError

app = typer.Typer(no_args_is_help=True, help="Look at the queue and change it.")

Ids = Annotated[list[str], typer.Argument(metavar="QUEUE_ID...")]


@contextmanager
def _spool(config: Path | None, state: Path | None) -> Iterator[Path]:
    """The spool's directory; what goes wrong with it is one line and status 2."""
    try:
        directory = spool_directory(configuration(config, state, "127.0.0.1:2525").main)
        if not directory.is_dir():
            fail(f"there is no queue in {directory}")
        yield directory
    except (ConfigError, sqlite3.Error, OSError) as error:
        fail(error if isinstance(error, ConfigError) else f"the queue cannot be read: {error}")


@app.command("list")
def list_(config: ConfigDirectory = None, state: State = None) -> None:
    """One block a message: id, state, size, age, sender; then each recipient with the reason it waits."""
    count = size = 0
    with _spool(config, state) as directory:
        for queued in queue_control.listing(directory):
            _print(queued)
            count, size = count + 1, size + queued.size
    print(f"{count} message{'s' * (count != 1)}, {size} bytes" if count else "the queue is empty")


@app.command()
def show(queue_id: Annotated[str, typer.Argument(metavar="QUEUE_ID")], config: ConfigDirectory = None,
         state: State = None) -> None:
    """The envelope and the content of one message."""
    with _spool(config, state) as directory:
        found = queue_control.show(directory, queue_id)
        if found is None:
            fail(f"no such message: {queue_id}")
        queued, content = found
        _print(queued)
        print(flush=True)
        for piece in content:
            sys.stdout.buffer.write(piece.replace(b"\r\n", b"\n"))
        sys.stdout.flush()


@app.command()
def flush(ids: Annotated[list[str] | None, typer.Argument(metavar="[QUEUE_ID]...")] = None,
          config: ConfigDirectory = None, state: State = None) -> None:
    """Try deferred messages now: these, or all."""
    _change("flush", ids or [""], config, state)


@app.command()
def hold(ids: Ids, config: ConfigDirectory = None, state: State = None) -> None:
    """Keep messages from being delivered until they are released."""
    _change("hold", ids, config, state)


@app.command()
def release(ids: Ids, config: ConfigDirectory = None, state: State = None) -> None:
    """Deliver messages that were held."""
    _change("release", ids, config, state)


@app.command()
def delete(ids: Ids, config: ConfigDirectory = None, state: State = None) -> None:
    """Remove messages for good, without telling anybody."""
    _change("delete", ids, config, state)


def _change(verb: str, ids: list[str], config: Path | None, state: Path | None) -> None:
    with _spool(config, state) as directory:
        unknown = [queue_id for queue_id in ids if not queue_control.change(directory, verb, queue_id)]
    if unknown:
        fail("no such message: " + ", ".join(unknown))


def _print(queued: Queued) -> None:
    age = int(time.time() - queued.arrived)
    sender = f"<{external(queued.sender)}>"
    print(f"{queued.queue_id}  {queued.state:<8}  {queued.size:>9}  {_age(age):>7}  {sender}")
    for recipient in queued.recipients:
        print(f"    <{external(recipient.address)}>" + (f"  ({recipient.reason})" if recipient.reason else ""))


def _age(seconds: int) -> str:
    """Two units at most."""
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= length:
            return f"{seconds // length}{unit}"
    return f"{max(seconds, 0)}s"
