"""How does a message lie on disk? One SQLite database per shard, its statements, and the text form of an envelope.

    message   one row per message: key, queue id, envelope (JSON array), content, name of the body file or NULL
    progress  one row per message that was held or not delivered at once: the scheduler's state
    meta      the next free key

Durability: write-ahead log and synchronous=FULL, so a committed transaction survives a power failure. Many rows go
through one statement: SQLite gives the interpreter lock away once per step, and a statement per row would fight with
the event loop for it row by row. Content of up to INLINE_LIMIT bytes lies in its row; of a larger message the row
holds the headers that we added and the body is a file beside the database.

Used by the writer thread, by readers, and by `gatepost queue` in another process. This file must not know threads.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gatepost.deliver.envelope import Envelope
from gatepost.deliver.envelope_packed import text_of, unpack

INLINE_LIMIT = 65536  # bytes of content kept inside the row
BUSY_TIMEOUT = 10.0  # seconds to wait for another process's transaction
CHECKPOINT_PAGES = 2000  # of 4 KiB: bounds the write-ahead log at about 8 MiB

SCHEMA = """
CREATE TABLE IF NOT EXISTS message(
  id INTEGER PRIMARY KEY, queue_id TEXT NOT NULL, envelope TEXT NOT NULL, content BLOB NOT NULL, file TEXT);
CREATE TABLE IF NOT EXISTS progress(
  id INTEGER PRIMARY KEY, held INTEGER NOT NULL, due REAL NOT NULL, state TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS meta(name TEXT PRIMARY KEY, value INTEGER NOT NULL);
"""

ROWS = 64  # at most in one INSERT; each number of them is a statement of its own, which the connection keeps prepared
INSERT = ["INSERT INTO message(id, queue_id, envelope, content, file) VALUES " + ",".join(["(?,?,?,?,?)"] * rows)
          for rows in range(ROWS + 1)]  # fmt: skip
REMOVE_MESSAGES = "DELETE FROM message WHERE id IN (SELECT value FROM json_each(?1))"
REMOVE_PROGRESS = "DELETE FROM progress WHERE id IN (SELECT value FROM json_each(?1))"
# A message that was removed or put on hold by an operator in the meantime stays so.
PROGRESS = """
INSERT INTO progress(id, held, due, state)
SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
       json_extract(value, '$[3]')
FROM json_each(?1) WHERE json_extract(value, '$[0]') IN (SELECT id FROM message)
ON CONFLICT(id) DO UPDATE SET held = max(held, excluded.held), due = excluded.due, state = excluded.state
"""


@dataclass(slots=True)
class Stored:
    """A message read back from the spool. `state` is the scheduler's own text, "" when it never wrote one."""

    key: int
    envelope: Envelope
    file: str | None
    held: bool
    due: float
    state: str


def database(directory: Path, shard: int) -> Path:
    """Where the shard's database lies."""
    return directory / f"spool.{shard}.db"


def bodies(directory: Path, shard: int) -> Path:
    """Where the shard's body files lie."""
    return directory / f"bodies.{shard}"


def connect(path: Path, *, create: bool = True) -> sqlite3.Connection:
    """Open a database in autocommit mode; usable from any one thread at a time. sqlite3.Error when it cannot be."""
    mode = "rwc" if create else "rw"
    connection = sqlite3.connect(f"file:{path}?mode={mode}", uri=True, isolation_level=None,
                                 timeout=BUSY_TIMEOUT, check_same_thread=False)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=OFF", "cache_size=-8000",
                   f"wal_autocheckpoint={CHECKPOINT_PAGES}"):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    if create:
        connection.executescript(SCHEMA)
    return connection


Entry = tuple[int, str, list[Any], Sequence[bytes], str | None]


def insert(connection: sqlite3.Connection, messages: Sequence[Entry]) -> None:
    """Enter messages (key, queue id, packed envelope, parts of the row's content, body file) in one transaction."""
    if len(messages) <= ROWS:
        _insert(connection, messages)
        return
    connection.execute("BEGIN IMMEDIATE")
    for at in range(0, len(messages), ROWS):
        _insert(connection, messages[at : at + ROWS])
    connection.execute("COMMIT")


def _insert(connection: sqlite3.Connection, messages: Sequence[Entry]) -> None:
    values: list[Any] = []
    for key, queue_id, envelope, parts, file in messages:
        values += (key, queue_id, text_of(envelope), b"".join(parts), file)
    connection.execute(INSERT[len(messages)], values)


def remove(connection: sqlite3.Connection, keys: Sequence[int]) -> None:
    """Forget messages. Their body files are the caller's."""
    text = json.dumps(keys)
    connection.execute(REMOVE_MESSAGES, (text,))
    connection.execute(REMOVE_PROGRESS, (text,))


def progress(connection: sqlite3.Connection, rows: Sequence[tuple[int, bool, float, str]]) -> None:
    """Write the scheduler's state of messages: key, held, due (seconds since the epoch), state text."""
    connection.execute(PROGRESS, (json.dumps([(key, int(held), due, state) for key, held, due, state in rows]),))


_COLUMNS = """SELECT m.id, m.queue_id, m.envelope, m.file, p.held, p.due, p.state
FROM message m LEFT JOIN progress p ON p.id = m.id"""


def _stored(row: Any) -> Stored:
    key, queue_id, text, file, held, due, state = row
    envelope = unpack(queue_id, json.loads(text))
    if held is None:
        return Stored(key, envelope, file, envelope.hold, envelope.arrived, "")
    return Stored(key, envelope, file, bool(held), due, state)


def load(connection: sqlite3.Connection, keys: Sequence[int]) -> list[Stored]:
    """The messages with these keys, without content; those that are gone are left out."""
    rows = connection.execute(_COLUMNS + " WHERE m.id IN (SELECT value FROM json_each(?1))", (json.dumps(keys),))
    return [_stored(row) for row in rows]


def everything(connection: sqlite3.Connection) -> Iterator[Stored]:
    """All messages, oldest first, without content."""
    for row in connection.execute(_COLUMNS + " ORDER BY m.id"):
        yield _stored(row)


def schedule(connection: sqlite3.Connection) -> Iterator[tuple[int, bool, float]]:
    """Key, held, due of all messages. A message the scheduler never wrote about is due at once."""
    statement = """SELECT m.id, coalesce(p.held, json_extract(m.envelope, '$[10]')), coalesce(p.due, 0)
    FROM message m LEFT JOIN progress p ON p.id = m.id ORDER BY m.id"""
    for key, held, due in connection.execute(statement):
        yield key, bool(held), due


def content(connection: sqlite3.Connection, key: int) -> tuple[bytes, str | None] | None:
    """What the row holds of a message's content, and the name of its body file. None: no such message."""
    row = connection.execute("SELECT content, file FROM message WHERE id = ?", (key,)).fetchone()
    return (row[0], row[1]) if row else None


def reserve_keys(connection: sqlite3.Connection, first: int, count: int) -> int:
    """Take `count` keys that no message, past or present, has had -> the first of them (at least `first`)."""
    row = connection.execute("SELECT max(coalesce((SELECT value FROM meta WHERE name = 'next'), 0),"
                             " coalesce((SELECT max(id) >> 4 FROM message), 0) + 1)").fetchone()
    start = max(first, int(row[0]))
    connection.execute("INSERT OR REPLACE INTO meta(name, value) VALUES('next', ?)", (start + count,))
    return start
