"""How does the server live? Binding, giving up root, readiness, reload, and an end that loses nothing it has accepted.

Start: read the configuration, bind, become the unprivileged user, begin the work, accept, say ready. SIGHUP: read
again; new doors are bound (a port below 1024 cannot be, once root is given up), vanished ones closed, live sessions
keep their terms; what is wrong is logged and nothing changes. SIGTERM or SIGINT: refuse new clients, give sessions
`grace` seconds to finish, then 421 to the rest; an open question is answered first, and a second signal ends the
patience at once. This file must not know what the work is.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import pwd
import resource
import signal
import socket
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from gatepost.server.connections import Connections
from gatepost.server.listener import Admit, Door, Listeners
from gatepost.span import ConfigError

GRACE = 5.0  # seconds for sessions to finish on their own; container managers kill after 10
LAST_WORDS = 3.0  # seconds for the 421 and for answers that are still open


class Work(Protocol):
    """What is served; made by whoever starts the daemon."""

    async def doors(self, connections: Connections) -> Sequence[Door]:
        """Read the configuration -> what to listen at. At the start, and again at each SIGHUP. ConfigError."""

    async def adopt(self) -> None:
        """The doors are open: what was read last counts from now on. Not called when they could not be opened."""

    async def begin(self) -> None:
        """Adopted, and privileges given up: open what is needed before the first client."""

    async def finish(self) -> None:
        """The last session is over: close everything."""


@dataclass(slots=True)
class Manner:
    """How the daemon behaves. `warn` and `fail` take the text of a log line, `announce` what a person reads."""

    warn: Callable[[str], None]
    fail: Callable[[str], None]
    announce: Callable[[str], None]
    user: str = ""  # to become, when started as root
    goodbye: bytes = b"421 4.3.2 Service shutting down\r\n"
    grace: float = GRACE
    admit: Admit | None = None


class Daemon:
    """One server process."""

    def __init__(self, work: Work, manner: Manner) -> None:
        self._work = work
        self._manner = manner
        self._stopping = asyncio.Event()
        self._impatient = asyncio.Event()
        self._reloading: asyncio.Task[None] | None = None
        self._outdated = False  # a reload was asked for that has not begun
        self._serving = False
        self.connections = Connections(asyncio.get_running_loop())
        self.listeners = Listeners(self.connections, manner.warn, manner.admit)

    async def run(self) -> None:
        """Serve until told to stop. ConfigError when the server cannot start."""
        manner = self._manner
        raise_descriptor_limit()
        try:
            self._handle_signals()
            self.listeners.apply(await self._work.doors(self.connections))
            await self._work.adopt()
            drop_privileges(manner.user, manner.warn)
            await self._work.begin()
            gc.freeze()  # what the start has made stays: the collector need not look through it again and again
            self.listeners.start()
            notify("READY=1")
            manner.announce("gatepost: ready on " + ", ".join(self.listeners.names))
            self._serving = True
            if self._outdated:
                self.reload()
            await self._stopping.wait()
            notify("STOPPING=1")
        finally:
            await self._end()

    async def _end(self) -> None:
        self.listeners.close()
        if self._reloading is not None:
            self._reloading.cancel()
        try:
            if not await self._emptied(self._manner.grace):
                self.connections.dismiss_all(self._manner.goodbye)
                await self.connections.empty(LAST_WORDS)
        finally:
            self.connections.abort_all()
            await self._work.finish()

    async def _emptied(self, seconds: float) -> bool:
        """Wait for the last session, no longer than anybody is patient."""
        waits = [asyncio.ensure_future(self.connections.empty(seconds)), asyncio.ensure_future(self._impatient.wait())]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        return not self.connections.live

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.stop)
        loop.add_signal_handler(signal.SIGINT, self.stop)
        loop.add_signal_handler(signal.SIGHUP, self.reload)

    def stop(self) -> None:
        """Begin to end; called again: end soon."""
        if self._stopping.is_set():
            self._impatient.set()
        self._stopping.set()

    def reload(self) -> None:
        """Read the configuration again: now, or when the start or the reload that is under way is over."""
        self._outdated = True
        idle = self._reloading is None or self._reloading.done()
        if self._serving and idle and not self._stopping.is_set():
            self._reloading = asyncio.get_running_loop().create_task(self._reload_while_outdated())

    async def _reload_while_outdated(self) -> None:
        while self._outdated:
            self._outdated = False
            await self._reload()

    async def _reload(self) -> None:
        notify(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")
        try:
            self.listeners.apply(await self._work.doors(self.connections))
            await self._work.adopt()
            self._manner.announce("gatepost: reloaded, on " + ", ".join(self.listeners.names))
        except ConfigError as error:
            self._manner.fail(f"configuration not reloaded: {error}")
        except Exception as error:  # whatever a reload meets, the server that runs goes on
            self._manner.fail(f"configuration not reloaded: {type(error).__name__}: {error}")
        finally:
            notify("READY=1")


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run a program's main coroutine, on uvloop where it is installed."""
    try:
        import uvloop
    except ImportError:
        asyncio.run(main)
        return
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)


def drop_privileges(user: str, warn: Callable[[str], None]) -> None:
    """Become `user` with its groups, for good. Nothing when not root or user is ""; a user that does not exist is a
    warning, for a container may have no other."""
    if os.geteuid() != 0 or not user:
        return
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        warn(f"user {user} does not exist: still running as root")
        return
    os.initgroups(entry.pw_name, entry.pw_gid)
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)


def raise_descriptor_limit() -> None:
    """As many descriptors as the system lets us have: each client needs one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def notify(state: str, path: str | None = None) -> None:
    """Tell the service manager (sd_notify(3)); nothing when there is none."""
    path = os.environ.get("NOTIFY_SOCKET") if path is None else path
    if not path:
        return
    address = "\0" + path[1:] if path.startswith("@") else path
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.sendto(state.encode(), address)
