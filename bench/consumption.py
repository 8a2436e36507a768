"""What does a server consume? CPU time and memory of a process and everything below it, from /proc (proc(5))."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat behind the program's name: state first, then the parent."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()


def family(pid: int) -> Iterator[int]:
    """The process and all its descendants that are alive."""
    parents: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                parents.setdefault(int(_stat(int(entry))[1]), []).append(int(entry))
    waiting = [pid]
    while waiting:
        member = waiting.pop()
        yield member
        waiting += parents.get(member, [])


def cpu_seconds(pid: int) -> float:
    """CPU time that the family has used so far, what ended children used included."""
    ticks = 0
    for member in family(pid):
        with contextlib.suppress(OSError):
            ticks += sum(map(int, _stat(member)[11:15]))  # utime stime cutime cstime
    return ticks / _TICKS


def memory(pid: int) -> int:
    """Bytes of memory that the family has to itself, shared pages counted by share (PSS)."""
    total = 0
    for member in family(pid):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{member}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
    return total


def settle(pid: int, seconds: float = 20) -> float:
    """Wait until the family uses no CPU to speak of for half a second (deliveries are done) -> CPU seconds so far."""
    until = time.monotonic() + seconds
    used = cpu_seconds(pid)
    while time.monotonic() < until:
        time.sleep(0.5)
        before, used = used, cpu_seconds(pid)
        if used - before <= 0.02:
            break
    return used
