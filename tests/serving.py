"""`gatepost serve` as a child process, many times: started by the program itself, or forked from one that is warm.

Most of a start is importing. A dialogue test starts hundreds of servers, so `Warm` is one process that has imported
everything and forks: the child then runs gatepost.cli.main with the arguments of a command line, as the program would.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType

from gatepost.dialogue.compare import session_lines
from gatepost.dialogue.format import Dialogue
from tests.kit import ROOT, free_port, listening, wait_for, wait_listening
from tests.lab import auth_service, directory, end, limit_descriptors, write_config

GATEPOST = Path(sys.executable).parent / "gatepost"
STOP_SECONDS = 5.0

_WARM = """
import contextlib, importlib, io, os, pkgutil, resource, signal, sys
from gatepost import compiled
compiled.use()
import gatepost.cli.main
for module in pkgutil.walk_packages(gatepost.__path__, "gatepost."):
    importlib.import_module(module.name)
sys.argv = ["gatepost", "serve", "--help"]  # what is imported only when a command is run
with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
    gatepost.cli.main.main()
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
print("warm", flush=True)
for line in sys.stdin:
    output, *arguments = line.rstrip("\\n").split("\\t")
    child = os.fork()
    if child:
        print(child, flush=True)
        continue
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644), 1)
    os.dup2(1, 2)
    resource.setrlimit(resource.RLIMIT_NOFILE, (2048, 2048))
    sys.argv = ["gatepost", *arguments]
    status = 70
    try:
        status = gatepost.cli.main.main() or 0
    except SystemExit as exit:
        status = exit.code if isinstance(exit.code, int) else 0 if exit.code is None else 1
    except BaseException:
        import traceback
        traceback.print_exc()
    finally:
        print(f"exit status {status}", flush=True)
        os._exit(status)
"""


class Forked:
    """A child of the warm process. Its end is seen through a descriptor (pidfd_open(2)): it is nobody's child here."""

    def __init__(self, pid: int, output: Path) -> None:
        self.pid = pid
        self._output = output
        try:
            self._descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            self._descriptor = -1

    @property
    def alive(self) -> bool:
        if self._descriptor < 0:
            return False
        try:
            signal.pidfd_send_signal(self._descriptor, 0)
        except ProcessLookupError:
            return False
        return True

    def end(self) -> int:
        """SIGTERM, after STOP_SECONDS SIGKILL -> exit status, -1 when it left none."""
        self._signal(signal.SIGTERM)
        if not wait_for(lambda: not self.alive, STOP_SECONDS):
            self._signal(signal.SIGKILL)
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        last = self.said().rstrip("\n").rpartition("\n")[2]
        return int(last.rpartition(" ")[2]) if last.startswith("exit status ") else -1

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            if self._descriptor >= 0:
                signal.pidfd_send_signal(self._descriptor, number)

    def said(self) -> str:
        """Everything it wrote to standard output and error."""
        return self._output.read_text(encoding="utf-8", errors="replace") if self._output.exists() else ""


class Warm:
    """The process that forks servers. Used by many threads."""

    def __enter__(self) -> Warm:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _WARM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        )
        self._asking = threading.Lock()
        if self._answer() != "warm":
            raise RuntimeError("gatepost cannot be imported")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def start(self, output: Path, *arguments: str) -> Forked:
        """`gatepost ARGUMENTS...` in a forked child; what it prints goes to the file `output`."""
        assert self._process.stdin is not None
        with self._asking:
            self._process.stdin.write("\t".join([str(output), *arguments]) + "\n")
            self._process.stdin.flush()
            return Forked(int(self._answer()), output)


class NotServing(Exception):
    """The server ended instead of listening: its exit status, what it said, and the lines of its log where it has a
    directory of its own."""

    def __init__(self, status: int, said: str, log: Sequence[str] = ()) -> None:
        super().__init__(f"exit status {status}: {said}")
        self.status = status
        self.said = said
        self.log = log


@contextlib.contextmanager
def gatepost(warm: Warm, dialogue: Dialogue, more: Sequence[str] = ()) -> Iterator[tuple[int, Path]]:
    """Gatepost configured for a dialogue -> (port, root). NotServing when it does not come up."""
    port = free_port()
    with directory() as root:
        conf = write_config(root, dialogue, port, more)
        with auth_service(root, dialogue):
            server = warm.start(root / "server.out", "serve", "-c", str(conf))
            try:
                if not wait_listening(port, 15, lambda: server.alive):
                    status = server.end()
                    log = root / "maillog"
                    lines = session_lines(log.read_text(errors="replace"), str(root)) if log.exists() else []
                    raise NotServing(status, server.said(), lines)
                yield port, root
            finally:
                server.end()


@contextlib.contextmanager
def program(conf: Path, *ports: int, descriptors: int = 2048) -> Iterator[subprocess.Popen[bytes]]:
    """The program `gatepost serve -c CONF` itself, once it listens on all ports. It prints to CONF/../server.out."""
    output = conf.parent / "server.out"
    with output.open("ab") as said:
        process = subprocess.Popen(
            [GATEPOST, "serve", "-c", str(conf)],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=lambda: limit_descriptors(descriptors),
        )
    try:
        for port in ports:
            if not wait_for(lambda p=port: listening(p), 15, lambda: process.poll() is None):  # type: ignore[misc]
                raise NotServing(end(process), output.read_text(errors="replace"))
        yield process
    finally:
        end(process, 10)
