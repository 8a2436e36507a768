"""Tables notice that their file changed: at most one look a second, failures told once, recovery told."""

from __future__ import annotations

from pathlib import Path

import pytest

from gatepost.lookup.ask import LookupFailure
from gatepost.lookup.tables.files import FileTable, Find
from gatepost.span import ConfigError


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def read(_: str, text: str) -> Find:
    if "broken" in text:
        raise ConfigError("it is broken")
    return {"key": text}.get


def opened(path: Path) -> tuple[FileTable, Clock, list[str]]:
    clock, warnings = Clock(), list[str]()
    return FileTable("test:x", str(path), read, warnings.append, partial=True, clock=clock), clock, warnings


def test_a_change_is_seen_after_a_second(tmp_path: Path) -> None:
    """Within the second the old text answers."""
    path = tmp_path / "table"
    path.write_text("one")
    table, clock, _ = opened(path)
    path.write_text("second")
    assert table.get_now("key") == "one"
    clock.now += 1
    assert table.get_now("key") == "second"


def test_an_unchanged_file_is_not_read_again(tmp_path: Path) -> None:
    """Only time, size and inode count."""
    path = tmp_path / "table"
    path.write_text("one")
    reads: list[str] = []

    def counted(name: str, text: str) -> Find:
        reads.append(text)
        return read(name, text)

    clock = Clock()
    table = FileTable("test:x", str(path), counted, reads.append, partial=True, clock=clock)
    for _ in range(3):
        clock.now += 5
        table.get_now("key")
    assert reads == ["one"]


def test_a_replaced_file_of_equal_size_is_seen(tmp_path: Path) -> None:
    """A rename over the file changes the inode."""
    path, other = tmp_path / "table", tmp_path / "new"
    path.write_text("one")
    table, clock, _ = opened(path)
    other.write_text("two")
    other.rename(path)
    clock.now += 1
    assert table.get_now("key") == "two"


def test_a_reading_that_fails_fails_lookups_until_it_works(tmp_path: Path) -> None:
    """Broken text, then no file, then good text: every turn is told once."""
    path = tmp_path / "table"
    path.write_text("one")
    table, clock, warnings = opened(path)
    path.write_text("broken")
    for _ in range(2):
        clock.now += 1
        with pytest.raises(LookupFailure, match="it is broken"):
            table.get_now("key")
    path.unlink()
    for _ in range(2):
        clock.now += 1
        with pytest.raises(LookupFailure, match="No such file"):
            table.get_now("key")
    path.write_text("good")
    clock.now += 1
    assert table.get_now("key") == "good"
    assert table.problem is None
    assert warnings == ["it is broken", f"open database {path}: No such file or directory",
                        "test:x is available again"]


def test_an_absent_file_may_come_later(tmp_path: Path) -> None:
    """A table whose file is missing at the start works once it is there."""
    path = tmp_path / "table"
    table, clock, _ = opened(path)
    assert table.problem is not None
    path.write_text("here")
    with pytest.raises(LookupFailure):
        table.get_now("key")
    clock.now += 1
    assert table.get_now("key") == "here"
