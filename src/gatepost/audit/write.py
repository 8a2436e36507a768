"""How does a changed text get into its file without ever leaving half of it there?

The new text is written beside the old file, made durable, and put in its place by one rename; mode, owner, group and
extended attributes are kept, a symbolic link keeps pointing to the file. Before that the old text is saved as
NAME.gatepost-backup (NAME.gatepost-backup-2 and so on when there is one). Of several files none is replaced before all
are ready; what fails leaves every file as it was. This file must not know what the texts mean.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gatepost.config.source import physical_lines
from gatepost.span import ConfigError, Span

BACKUP = ".gatepost-backup"


@dataclass(frozen=True, slots=True)
class Replaced:
    """A file that has another text now, and where its old text is."""

    file: str
    backup: str


def diff(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """What would change, as a unified diff; "" when nothing would."""
    return "".join(_diff(file, before.get(file, ""), text) for file, text in after.items())


def _diff(file: str, before: str, after: str) -> str:
    lines = difflib.unified_diff(physical_lines(before), physical_lines(after), file, file)
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def write(before: Mapping[str, str], after: Mapping[str, str]) -> list[Replaced]:
    """Replace the files whose text differs. `before` is what was read: a file that is something else by now is not
    touched, and none is. ConfigError: a file changed meanwhile, or cannot be written; all are as they were."""
    changed = {file: text for file, text in after.items() if before.get(file) != text}
    done: list[tuple[str, str]] = []
    with contextlib.ExitStack() as cleanup:
        try:
            ready = [(file, *_prepare(file, before.get(file), text, cleanup)) for file, text in changed.items()]
            backups = [(file, _back_up(target, cleanup) if file in before else "") for file, target, _ in ready]
            for file, target, new in ready:
                _unchanged(file, target, before.get(file))
                os.rename(new, target)
                done.append((file, target))
                _sync_directory(target)
        except OSError as error:
            _take_back(done, before)
            file = str(error.filename2 or error.filename or next(iter(changed)))
            why = f"cannot be written, nothing was changed: {error.strerror or error}"
            raise ConfigError(why, Span(file, 1)) from None
        except ConfigError:
            _take_back(done, before)
            raise
        cleanup.pop_all()
    return [Replaced(file, backup) for file, backup in backups]


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _unchanged(file: str, target: str, before: str | None) -> None:
    try:
        now: bytes | None = Path(target).read_bytes()
    except FileNotFoundError:
        now = None
    if now != (None if before is None else _bytes(before)):
        raise ConfigError("changed since it was read, nothing was written", Span(file, 1))


def _prepare(file: str, before: str | None, text: str, cleanup: contextlib.ExitStack) -> tuple[str, str]:
    """Write the new text beside the file -> (the file itself, links followed; the new one)."""
    target = os.path.realpath(file)
    _unchanged(file, target, before)
    descriptor, new = tempfile.mkstemp(prefix=f".{os.path.basename(target)}.", dir=os.path.dirname(target))
    cleanup.callback(_remove, new)
    _fill(descriptor, _bytes(text), target)
    return target, new


def _fill(descriptor: int, content: bytes, like: str) -> None:
    """Write and make durable, with the mode, owner and attributes of another file, if that exists."""
    with os.fdopen(descriptor, "wb") as out:
        out.write(content)
        out.flush()
        if os.path.exists(like):
            _keep(descriptor, like)
        else:
            os.fchmod(descriptor, 0o644)
        os.fsync(descriptor)


def _keep(descriptor: int, like: str) -> None:
    old = os.stat(like)
    own = os.fstat(descriptor)
    if (own.st_uid, own.st_gid) != (old.st_uid, old.st_gid):
        os.fchown(descriptor, old.st_uid, old.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(old.st_mode))
    with contextlib.suppress(OSError):  # a file system without them has none to keep
        for name in os.listxattr(like):
            os.setxattr(descriptor, name, os.getxattr(like, name))


def _back_up(target: str, cleanup: contextlib.ExitStack) -> str:
    """Save a copy under a name that is free."""
    number = 1
    while True:
        backup = target + BACKUP + (f"-{number}" if number > 1 else "")
        try:
            descriptor = os.open(backup, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            number += 1
            continue
        cleanup.callback(_remove, backup)
        _fill(descriptor, Path(target).read_bytes(), target)
        return backup


def _take_back(done: list[tuple[str, str]], before: Mapping[str, str]) -> None:
    """Files that were replaced before another failed get their old text again."""
    for file, target in done:
        if file not in before:
            os.unlink(target)
            continue
        with contextlib.ExitStack() as cleanup:
            descriptor, new = tempfile.mkstemp(prefix=f".{os.path.basename(target)}.", dir=os.path.dirname(target))
            cleanup.callback(_remove, new)
            _fill(descriptor, _bytes(before[file]), target)
            os.rename(new, target)


def _remove(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)


def _sync_directory(target: str) -> None:
    descriptor = os.open(os.path.dirname(target), os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
