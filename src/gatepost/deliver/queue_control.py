"""What may an operator do with the queue? List, show, flush, hold, release, delete: from any process.

The spool is the truth: changes are made there, in one transaction, whether a server runs or not; then a running server
is told by a datagram to the socket beside the spool, because it holds some of it in memory. Nothing waits for an
answer: a server that was not there reads the spool when it starts. Functions return data; the command line prints it.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gatepost.deliver import spool_store as store
from gatepost.deliver.queue_id import SHARDS, key_of
from gatepost.deliver.queue_message import read_state, targets

TELL_TIMEOUT = 2.0  # seconds that a busy server has to make room for the datagram
VERBS = ("flush", "hold", "release", "delete")


@dataclass(frozen=True, slots=True)
class QueuedRecipient:
    """A recipient that is not delivered yet, and why (\"\" when it was not tried)."""

    address: str
    reason: str


@dataclass(frozen=True, slots=True)
class Queued:
    """One message as `queue list` shows it. `state`: active (about to be tried), deferred or hold."""

    queue_id: str
    state: str
    size: int  # bytes
    arrived: float  # seconds since the epoch
    sender: str
    due: float  # of the next try, 0 = at once
    recipients: tuple[QueuedRecipient, ...]


def _queued(stored: store.Stored) -> Queued:
    envelope = stored.envelope
    reasons: dict[int, str] = {}
    recipients = targets(envelope)
    if stored.state:
        recipients, results, _ = read_state(stored.state)
        reasons = {id(result.recipient): result.text for result in results}
    state = "hold" if stored.held else "deferred" if stored.state else "active"
    return Queued(
        envelope.queue_id, state, envelope.size, envelope.arrived, envelope.sender, stored.due if stored.state else 0.0,
        tuple(QueuedRecipient(recipient.address, reasons.get(id(recipient), "")) for recipient in recipients))


def _databases(directory: Path) -> Iterator[tuple[int, Path]]:
    for shard in range(SHARDS):
        path = store.database(directory, shard)
        if path.exists():
            yield shard, path


def listing(directory: str | Path) -> Iterator[Queued]:
    """Every message, oldest first within a shard. sqlite3.Error when a database cannot be read."""
    for _, path in _databases(Path(directory)):
        with contextlib.closing(store.connect(path, create=False)) as connection:
            for stored in store.everything(connection):
                yield _queued(stored)


def _find(directory: Path, queue_id: str) -> tuple[int, Path] | None:
    """Key and database of a message that may be there."""
    key = key_of(queue_id)
    if key is None:
        return None
    path = store.database(directory, key % SHARDS)
    return (key, path) if path.exists() else None


def show(directory: str | Path, queue_id: str) -> tuple[Queued, Iterator[bytes]] | None:
    """A message and its content in pieces (read them before asking anything else); None when it is not there."""
    place = _find(Path(directory), queue_id)
    if place is None:
        return None
    key, path = place
    with contextlib.closing(store.connect(path, create=False)) as connection:
        stored = store.load(connection, [key])
        found = store.content(connection, key)
    if not stored or found is None or stored[0].envelope.queue_id != queue_id:
        return None
    body = store.bodies(Path(directory), key % SHARDS) / found[1] if found[1] else None
    return _queued(stored[0]), _pieces(found[0], body)


def _pieces(head: bytes, body: Path | None) -> Iterator[bytes]:
    yield head
    if body is not None:
        with body.open("rb") as file:
            while piece := file.read(65536):
                yield piece


def change(directory: str | Path, verb: str, queue_id: str = "") -> bool:
    """Flush, hold, release or delete one message, or flush all. False when there is no such message.

    sqlite3.Error when the spool cannot be changed."""
    if verb not in VERBS or (not queue_id and verb != "flush"):
        raise ValueError(verb)
    root = Path(directory)
    if not queue_id:
        for shard, path in _databases(root):
            with contextlib.closing(store.connect(path, create=False)) as connection:
                connection.execute("UPDATE progress SET due = ? WHERE NOT held", (time.time(),))
            _tell(root, shard, "flush")
        return True
    place = _find(root, queue_id)
    if place is None:
        return False
    key, path = place
    with contextlib.closing(store.connect(path, create=False)) as connection:
        stored = store.load(connection, [key])
        if not stored or stored[0].envelope.queue_id != queue_id:
            return False
        _apply(connection, verb, stored[0])
    if verb == "delete" and stored[0].file is not None:
        (store.bodies(root, key % SHARDS) / stored[0].file).unlink(missing_ok=True)
    _tell(root, key % SHARDS, f"{verb} {key}")
    return True


def _apply(connection: sqlite3.Connection, verb: str, stored: store.Stored) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        if verb == "delete":
            store.remove(connection, [stored.key])
        else:
            held = {"hold": 1, "release": 0}.get(verb, int(stored.held))
            due = stored.due if verb == "hold" else time.time()
            connection.execute(
                "INSERT INTO progress(id, held, due, state) VALUES(?, ?, ?, ?)"
                " ON CONFLICT(id) DO UPDATE SET held = excluded.held, due = excluded.due",
                (stored.key, held, due, stored.state))
        connection.execute("COMMIT")
    except sqlite3.Error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _socket_name(directory: Path, shard: int) -> Path:
    return directory / f"notify.{shard}"


@contextlib.contextmanager
def _short(path: Path) -> Iterator[str]:
    """A name for the socket that fits into its 108 bytes, however deep the spool lies."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def _tell(directory: Path, shard: int, text: str) -> None:
    """Tell a running server, if there is one."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender, contextlib.suppress(OSError):
        sender.settimeout(TELL_TIMEOUT)
        with _short(_socket_name(directory, shard)) as name:
            sender.sendto(text.encode(), name)


def listen(directory: Path, shard: int) -> socket.socket:
    """The socket on which a server hears of changes. OSError when it cannot be made."""
    path = _socket_name(directory, shard)
    path.unlink(missing_ok=True)
    receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    receiver.setblocking(False)
    with _short(path) as name:
        receiver.bind(name)
    path.chmod(0o600)
    return receiver
