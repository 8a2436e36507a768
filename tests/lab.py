"""A configuration directory as a dialogue wants it, and a real Postfix that runs on one.

`write_config` writes root/conf, root/queue and root/data for a dialogue; both Postfix and Gatepost are started on such
a directory. Everything listens on 127.0.0.1. Processes are ended by their own id.
"""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import resource
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from gatepost.dialogue.format import Dialogue, parse
from tests.dovecot import DovecotAuth
from tests.kit import ROOT, certificate, free_port, wait_for, wait_listening

DIALOGUES = ROOT / "dialogues"
BASE = DIALOGUES / "base"
MASTER = "/usr/lib/postfix/sbin/master"
QUEUES = ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private", "saved", "trace")


def load(path: Path) -> Dialogue:
    return parse(path.read_text(encoding="utf-8"), str(path))


def merged(base: str, lines: Sequence[str]) -> str:
    """main.cf: the base, without what `lines` set again (Postfix would warn), then the lines, the last of a name."""
    own = {line.partition("=")[0].strip(): line for line in lines}
    kept, dropping = [], False
    for line in base.splitlines():
        if not line[:1].isspace():
            dropping = not line.startswith("#") and line.partition("=")[0].strip() in own
        if not dropping:
            kept.append(line)
    return "\n".join([*kept, *own.values()]) + "\n"


def _owner() -> tuple[int, int, int]:
    """User and group that Postfix runs as, group that may submit; -1: leave as it is."""
    if os.geteuid() != 0:
        return -1, -1, -1
    try:
        user = pwd.getpwnam("postfix")
        return user.pw_uid, user.pw_gid, grp.getgrnam("postdrop").gr_gid
    except KeyError:
        return -1, -1, -1


def _directories(root: Path) -> None:
    user, _, submitters = _owner()
    queue = root / "queue"
    for path, mode, owner, group in [
        (root, 0o755, -1, -1),
        (root / "conf", 0o755, -1, -1),
        (root / "data", 0o700, user, -1),
        (queue, 0o755, -1, -1),
        *((queue / name, 0o700, user, -1) for name in QUEUES),
        (queue / "pid", 0o755, -1, -1),
        (queue / "maildrop", 0o730, user, submitters),
        (queue / "public", 0o710, user, submitters),
    ]:
        path.mkdir(exist_ok=True)
        os.chown(path, owner, group)
        path.chmod(mode)


def write_config(root: Path, dialogue: Dialogue, port: int, more: Sequence[str] = ()) -> Path:
    """Write everything below `root`; `more` are further main.cf lines -> the configuration directory."""
    _directories(root)
    conf = root / "conf"
    lines = [
        *dialogue.config,
        *more,
        f"queue_directory = {root}/queue",
        f"data_directory = {root}/data",
        f"maillog_file = {root}/maillog",
        f"maillog_file_prefixes = {root}",
    ]
    (conf / "main.cf").write_text(merged((BASE / "main.cf").read_text(encoding="utf-8"), lines), encoding="utf-8")
    options = "".join(f"\n    {option}" for option in dialogue.master)
    service = (BASE / f"master.cf.{dialogue.service}").read_text(encoding="utf-8")
    service = service.replace("@PORT@", str(port)).replace("@OPTIONS@", options)
    (conf / "master.cf").write_text(service + (BASE / "master.cf.common").read_text(encoding="utf-8"), encoding="utf-8")
    for name, content in zip(("cert.pem", "key.pem"), certificate(), strict=True):
        (conf / name).write_bytes(content)
    (conf / "key.pem").chmod(0o600)
    for name, text in dialogue.files:
        (conf / name).write_text("".join(line + "\n" for line in text), encoding="utf-8")
    _dynamic_maps(conf)
    long_ago = time.time() - 3600  # Postfix waits when a file was written in this very second
    for path in conf.rglob("*"):
        os.utime(path, (long_ago, long_ago))
    (root / "maillog").touch()
    return conf


def _dynamic_maps(conf: Path) -> None:
    """Debian's Postfix finds its table plug-ins by files in the configuration directory."""
    with contextlib.suppress(FileNotFoundError):
        shutil.copy("/etc/postfix/dynamicmaps.cf", conf)
        shutil.copytree("/etc/postfix/dynamicmaps.cf.d", conf / "dynamicmaps.cf.d")


@contextlib.contextmanager
def directory(prefix: str = "gatepost-lab-") -> Iterator[Path]:
    """A directory that other users may enter (a server that dropped its privileges must), removed at the end."""
    root = Path(tempfile.mkdtemp(prefix=prefix))
    root.chmod(0o755)
    try:
        yield root
    finally:
        if not os.environ.get("GATEPOST_TEST_KEEP"):
            shutil.rmtree(root, ignore_errors=True)


def limit_descriptors(count: int = 2048) -> None:
    """Postfix closes every descriptor that could be open when it starts: let there be few."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, count))


@contextlib.contextmanager
def auth_service(root: Path, dialogue: Dialogue) -> Iterator[None]:
    """The Dovecot auth service that a dialogue with `auth: yes` wants."""
    if not dialogue.auth:
        yield
        return
    path = root / "queue" / "private" / "auth"
    with DovecotAuth(path):
        user, group, _ = _owner()
        os.chown(path, user, group)
        path.chmod(0o660)
        yield


@contextlib.contextmanager
def postfix(dialogue: Dialogue, more: Sequence[str] = ()) -> Iterator[tuple[int, Path]]:
    """A real Postfix configured for a dialogue -> (port, root). Where it does not start, another port is tried: between
    free_port() and Postfix somebody else may have taken this one."""
    for left in (1, 0):
        port = free_port()
        with contextlib.ExitStack() as stack:
            root = stack.enter_context(directory())
            conf = write_config(root, dialogue, port, more)
            stack.enter_context(auth_service(root, dialogue))
            try:
                stack.enter_context(running_master(conf, port))
            except RuntimeError:
                if left:
                    continue
                raise
            yield port, root
            return


@contextlib.contextmanager
def running_master(conf: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Postfix's master(8) on a configuration directory, as a child that stays a child (-d)."""
    process = subprocess.Popen(
        [MASTER, "-c", str(conf), "-d"],
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "MAIL_CONFIG": str(conf)},
        cwd=conf.parent / "queue",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=limit_descriptors,
    )
    try:
        if not wait_listening(port, 10, lambda: process.poll() is None):
            raise RuntimeError("Postfix did not start: " + (conf.parent / "maillog").read_text(errors="replace"))
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[bytes], seconds: float = 5) -> int:
    """SIGTERM to a process that leads its own session, SIGKILL to what is left of it -> exit status."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    return process.wait(5)


def settled_log(root: Path, seconds: float = 3) -> str:
    """The log once every session that began has ended in it, or as it is when the time is over."""
    path = root / "maillog"

    def read() -> str:
        return path.read_text(encoding="utf-8", errors="backslashreplace")

    def ended() -> bool:
        text = read()
        return text.count("]: connect from ") == text.count("]: disconnect from ") > 0

    wait_for(ended, seconds)
    return read()
