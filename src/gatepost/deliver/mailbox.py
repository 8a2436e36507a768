"""How does a message get into a mailbox safely? Maildir files and mbox files, below a directory that we trust.

Maildir: written in tmp/, synced, linked into new/ under a name that nobody else can have, the directory synced; a
reader never sees a half message and a crash never loses one that was reported. mbox: locked (dot lock and fcntl),
appended, synced, cut back to its old size when that fails. Line ends are LF. Whatever a user or a table may have put
in the way (`..`, symbolic links, hard links, devices), nothing outside of the directory is touched. Blocking: called
in threads. This file must not know addresses, aliases or routing.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import itertools
import os
import re
import socket
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

_count = itertools.count()
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
LOCK_STALE = 500  # seconds after which a dot lock is nobody's (stale_lock_time)


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose the mailbox is. Files are given to them when we may (root); otherwise they stay ours."""

    uid: int
    gid: int

    def own(self, descriptor: int) -> None:
        """Give a new file or directory to the owner."""
        if os.geteuid() == 0:
            os.fchown(descriptor, self.uid, self.gid)


class Unsafe(OSError):
    """The path leads outside, or something unexpected stands in the way."""

    def __init__(self, reason: str) -> None:
        super().__init__(errno.EPERM, reason)


class Writing(Protocol):
    """A message on its way into a mailbox: pieces with CRLF or LF line ends, then `finish`; or `abandon`."""

    def write(self, data: bytes) -> None: ...
    def finish(self) -> None: ...
    def abandon(self) -> None: ...


def open_mailbox(root: str, path: str, owner: Owner, header: bytes, *, attempts: int = 20) -> Writing:
    """Begin a message in the mailbox `path`, relative to the directory `root`: a Maildir when it ends in a slash.
    `header`: lines put before the message, LF line ends; an mbox gets its From_ line from the first of them. OSError
    when it cannot be. `attempts`: how often a lock is tried, once a second."""
    parts = [part for part in path.split("/") if part]
    if not parts or any(part in (".", "..") or "\0" in part for part in parts):
        raise Unsafe(f"unsafe mailbox path: {path}")
    if path.endswith("/"):
        return MaildirFile(root, parts, owner, header)
    return MboxFile(root, parts, owner, header, attempts)


class _Lines:
    """CRLF to LF over pieces; `quoted`: `From ` at the beginning of a line gets a `>` (mbox)."""

    def __init__(self, *, quoted: bool) -> None:
        self._quoted = quoted
        self._tail = b""
        self.ended = True  # the last line is complete

    def convert(self, data: bytes, *, last: bool = False) -> bytes:
        data = self._tail + data
        keep = 0 if last else self._incomplete(data)
        self._tail = data[len(data) - keep :] if keep else b""
        data = data[: len(data) - keep].replace(b"\r\n", b"\n")
        if not data:
            return b""
        if self._quoted:
            starts = self.ended and data.startswith(b"From ")
            data = data.replace(b"\nFrom ", b"\n>From ")
            data = b">" + data if starts else data
        self.ended = data.endswith(b"\n")
        return data

    def _incomplete(self, data: bytes) -> int:
        """How many last bytes must wait: half a CRLF, or what may become a line that begins with From_."""
        if not self._quoted:
            return 1 if data.endswith(b"\r") else 0
        at = data.rfind(b"\n") + 1
        line = len(data) - at
        return line if line < 5 and (at or self.ended) else 1 if data.endswith(b"\r") else 0


def _below(root: str, parts: list[str], owner: Owner) -> int:
    """A descriptor of the directory root/parts, made where it is missing; no symbolic link is followed below root."""
    here = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts:
            below = _child(here, part, owner)
            os.close(here)
            here = below
    except BaseException:
        os.close(here)
        raise
    return here


def _child(parent: int, name: str, owner: Owner) -> int:
    try:
        return os.open(name, _DIRECTORY, dir_fd=parent)
    except FileNotFoundError:
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=parent)
        child = os.open(name, _DIRECTORY, dir_fd=parent)
        owner.own(child)
        os.fsync(parent)
        return child


class MaildirFile:
    """One message on its way into a Maildir (https://cr.yp.to/proto/maildir.html)."""

    def __init__(self, root: str, parts: list[str], owner: Owner, header: bytes) -> None:
        self._lines = _Lines(quoted=False)
        self._size = 0
        self._file = self._tmp = self._new = -1
        self._host = re.sub("[/:]", lambda found: f"\\{ord(found[0]):03o}", socket.gethostname())
        now = time.time()
        self._name = f"{int(now)}.P{os.getpid()}Q{next(_count)}M{int(now % 1 * 1e6)}.{self._host}"
        try:
            self._create(_below(root, parts, owner), owner)
            self._put(header)
        except BaseException:
            self.abandon()
            raise

    def _create(self, base: int, owner: Owner) -> None:
        try:
            self._tmp, self._new = _child(base, "tmp", owner), _child(base, "new", owner)
            os.close(_child(base, "cur", owner))
        finally:
            os.close(base)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        self._file = os.open(self._name, flags, 0o600, dir_fd=self._tmp)
        owner.own(self._file)

    def write(self, data: bytes) -> None:
        """The next piece."""
        self._put(self._lines.convert(data))

    def finish(self) -> None:
        """Make it durable and visible."""
        self._put(self._lines.convert(b"", last=True))
        os.fsync(self._file)
        found = os.fstat(self._file)
        second, micro = divmod(int(time.time() * 1e6), 1_000_000)
        name = f"{second}.V{found.st_dev:x}I{found.st_ino:x}M{micro}.{self._host},S={self._size}"
        os.link(self._name, name, src_dir_fd=self._tmp, dst_dir_fd=self._new, follow_symlinks=False)
        os.fsync(self._new)
        self.abandon()

    def abandon(self) -> None:
        """Remove what is in tmp/ and let go."""
        if self._file >= 0:
            with contextlib.suppress(OSError):
                os.unlink(self._name, dir_fd=self._tmp)
        for descriptor in (self._file, self._tmp, self._new):
            if descriptor >= 0:
                os.close(descriptor)
        self._file = self._tmp = self._new = -1

    def _put(self, data: bytes) -> None:
        _write_all(self._file, data)
        self._size += len(data)


class MboxFile:
    """One message at the end of an mbox file (mboxo quoting, as Postfix writes it)."""

    def __init__(self, root: str, parts: list[str], owner: Owner, header: bytes, attempts: int) -> None:
        self._lines = _Lines(quoted=True)
        self._name = parts[-1]
        self._directory = _below(root, parts[:-1], owner)
        self._file = -1
        self._locked = False
        try:
            self._lock(attempts)
            self._file = self._open(owner)
            self._fcntl(attempts)
            self._start = os.lseek(self._file, 0, os.SEEK_END)
            sender = re.match(rb"Return-Path: <([^>\n]*)>", header)
            who = sender[1].replace(b" ", b"-") if sender and sender[1] else b"MAILER-DAEMON"
            _write_all(self._file, b"From %s  %s\n" % (who, time.ctime().encode()) + header)
        except BaseException:
            self._release()
            raise

    def write(self, data: bytes) -> None:
        """The next piece."""
        _write_all(self._file, self._lines.convert(data))

    def finish(self) -> None:
        """Make it durable."""
        try:
            rest = self._lines.convert(b"", last=True)
            _write_all(self._file, rest + (b"\n" if self._lines.ended else b"\n\n"))
            os.fsync(self._file)
        except BaseException:
            self.abandon()
            raise
        self._release()

    def abandon(self) -> None:
        """Cut back to what was there before."""
        if self._file >= 0:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self._start)
        self._release()

    def _open(self, owner: Owner) -> int:
        flags = os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        try:
            file = os.open(self._name, flags | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=self._directory)
            owner.own(file)
            os.fsync(self._directory)
        except FileExistsError:
            file = os.open(self._name, flags, dir_fd=self._directory)
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1 or \
                (os.geteuid() == 0 and found.st_uid not in (owner.uid, 0)):
            os.close(file)
            raise Unsafe("destination is not a regular file of its owner")
        return file

    def _lock(self, attempts: int) -> None:
        """The dot lock; where we may not create it, fcntl alone must do."""
        for _ in _tries(attempts):
            try:
                os.close(os.open(self._name + ".lock", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600,
                                 dir_fd=self._directory))
                self._locked = True
                return
            except FileExistsError:
                self._break_stale()
            except PermissionError:
                return
        raise OSError(errno.EAGAIN, "unable to lock for exclusive access")

    def _break_stale(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            found = os.stat(self._name + ".lock", dir_fd=self._directory, follow_symlinks=False)
            if time.time() - found.st_mtime > LOCK_STALE:
                os.unlink(self._name + ".lock", dir_fd=self._directory)

    def _fcntl(self, attempts: int) -> None:
        for _ in _tries(attempts):
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                continue
        raise OSError(errno.EAGAIN, "unable to lock for exclusive access")

    def _release(self) -> None:
        if self._file >= 0:
            os.close(self._file)
        if self._locked:
            with contextlib.suppress(OSError):
                os.unlink(self._name + ".lock", dir_fd=self._directory)
        if self._directory >= 0:
            os.close(self._directory)
        self._file = self._directory = -1
        self._locked = False


def _tries(attempts: int) -> Iterator[int]:
    for attempt in range(attempts):
        if attempt:
            time.sleep(1)
        yield attempt


def _write_all(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        done = os.write(file, view)
        view = view[done:]
