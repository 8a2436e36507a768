"""What goes wrong around the server: no room, failing disks, big messages, slow clients. Never silence, never loss."""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import re
import resource
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit import needs, wait_for
from tests.lab import directory
from tests.server.house import FROM, MAILDIR, TO, House, Talk, house
from tests.server.test_serve_durability import message, token_of, tokens
from tests.server.test_serve_tls import TLS
from tests.serving import Warm

NO_ROOM = "452 4.3.1 Insufficient system storage"
MIB = 1 << 20


@contextlib.contextmanager
def small_disk(warm: Warm, size: str, settings: list[str]) -> Iterator[House]:
    """A house whose queue is a file system of its own, this big."""
    with directory("gatepost-house-") as root:
        made = House(warm, root, settings)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs", root / "queue"],
                                 capture_output=True, text=True, check=False)
        if mounted.returncode:
            pytest.skip(f"not here: the right to mount ({mounted.stderr.strip()})")
        try:
            with made:
                yield made
        finally:
            subprocess.run(["umount", "-l", root / "queue"], check=True)


def fill(house: House, leave: int, name: str = "ballast") -> Path:
    """Take all but `leave` bytes of the queue's file system."""
    path = house.root / "queue" / name
    found = os.statvfs(path.parent)
    with path.open("wb") as file, contextlib.suppress(OSError):  # somebody else was faster
        os.posix_fallocate(file.fileno(), 0, max(1, found.f_bavail * found.f_frsize - leave))
    return path


@needs("mount", root=True)
def test_no_room_is_said_at_mail(warm: Warm) -> None:
    """Postfix's rule: 1.5 times message_size_limit must be free."""
    with small_disk(warm, "64m", ["message_size_limit = 4000000"]) as running, running.talk() as client:
        assert client.mail(message("before", 2000)).startswith("250 2.0.0")
        ballast = fill(running, 5_000_000)
        time.sleep(1.1)  # room is looked at once a second
        assert client.say(f"MAIL FROM:<{FROM}>") == NO_ROOM
        assert client.say("NOOP") == "250 2.0.0 Ok", "the session goes on"
        assert running.logged("not enough free space in mail queue")
        ballast.unlink()
        assert client.mail(message("after", 2000)).startswith("250 2.0.0")
        assert tokens(running.spooled()) == {"before", "after"}


@needs("mount", root=True)
@pytest.mark.parametrize("size", [3_000, 400_000], ids=["small", "in-a-file"])
def test_no_room_is_said_at_the_end_of_data(warm: Warm, size: int) -> None:
    """A disk that fills up behind the check at MAIL."""
    with small_disk(warm, "24m", ["message_size_limit = 500000"]) as running, running.talk() as client:
        promised = {"first"}
        assert client.mail(message("first", size)).startswith("250 2.0.0")
        client.say(f"MAIL FROM:<{FROM}>")
        ballast = fill(running, 0)
        assert client.say(f"RCPT TO:<{TO}>", "DATA").startswith("354")
        client.send(message("second", size) + b".\r\n")
        reply = client.read()
        for number in range(400):  # what the database has set aside may hold some small ones
            if not reply.startswith("250"):
                break
            promised.add("second" if not number else f"more{number - 1}")
            time.sleep(0.01)
            reply = client.mail(message(f"more{number}", size))
        assert reply == NO_ROOM, (reply, len(promised))
        assert client.say("NOOP") == "250 2.0.0 Ok", "the session goes on"
        ballast.unlink()
        time.sleep(1.1)
        assert client.mail(message("last", size)).startswith("250 2.0.0")
        promised.add("last")
        client.say("QUIT")
        assert running.stop() == 0
        running.start()
        assert promised == tokens(running.spooled())


@needs("mount", root=True)
def test_mail_flows_out_of_a_full_disk(warm: Warm) -> None:
    """Delivery needs no more room than what it frees and what was set aside for it."""
    with small_disk(warm, "24m", [*MAILDIR, "message_size_limit = 500000"]) as running, running.talk() as client:
        promised, reply, number = set(), "250", 0
        while reply.startswith("250") and number < 200:
            if number >= 20:  # again and again, because delivery makes room
                fill(running, 0, f"ballast{number}")
            token = f"m{number}"
            reply = client.mail(message(token, 3_000 if number % 2 else 100_000))
            if reply.startswith("250"):
                promised.add(token)
            number += 1
        assert reply == NO_ROOM
        new = running.root / "mail" / "box" / "new"
        if not wait_for(lambda: not list(running.spooled()), 5):
            # The ballast took even the room that the spool had set aside for removals: what was delivered is removed
            # when there is some again.
            for ballast in running.root.rglob("ballast*"):
                ballast.unlink()
        assert wait_for(lambda: not list(running.spooled()), 20), running.log()[-3000:]
        assert promised <= {token_of(path.read_bytes()) for path in new.iterdir()}


@pytest.mark.parametrize("size", [3_000, 300_000], ids=["small", "in-a-file"])
def test_a_disk_that_takes_nothing_is_no_silence(warm: Warm, size: int) -> None:
    """Every write fails (a limit on file sizes does that to a running process): 4xx, and mail again afterwards."""
    with house(warm, ["message_size_limit = 500000"]) as running, running.talk() as client:
        assert running.server is not None
        assert client.mail(message("before", size)).startswith("250")
        processes = (running.server.pid, running.manager)
        usual = resource.prlimit(running.server.pid, resource.RLIMIT_FSIZE)
        for process in processes:
            resource.prlimit(process, resource.RLIMIT_FSIZE, (0, usual[1]))
        for _ in range(3):
            reply = client.mail(message("during", size))
            assert re.match(r"45[12] 4\.3\.[01] ", reply), reply
        for process in processes:
            resource.prlimit(process, resource.RLIMIT_FSIZE, usual)
        assert client.mail(message("after", size)).startswith("250"), running.log()
        client.say("QUIT")
        assert running.stop() == 0
        running.start()
        assert tokens(running.spooled()) == {"before", "after"}


def test_a_spool_whose_folder_vanishes_is_no_silence(warm: Warm) -> None:
    with house(warm, ["message_size_limit = 500000"]) as running, running.talk() as client:
        bodies = next(path for path in (running.root / "queue" / "gatepost").iterdir() if path.is_dir())
        aside = bodies.with_name("aside")
        bodies.rename(aside)
        assert client.mail(message("big", 300_000)) == "451 4.3.0 Error: queue file write error"
        assert client.say("NOOP") == "250 2.0.0 Ok"
        aside.rename(bodies)
        assert client.mail(message("big", 300_000)).startswith("250 2.0.0")


def resident(pid: int, what: str = "VmHWM") -> int:
    """Memory of a process in bytes: its peak, or what it has now (VmRSS)."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(rf"^{what}:\s+(\d+) kB$", status, re.MULTILINE)
    assert found
    return int(found[1]) * 1024


def peak(running: House) -> int:
    """Of the server and its queue manager."""
    assert running.server is not None
    return resident(running.server.pid) + resident(running.manager)


def grown(running: House, before: int) -> int:
    return peak(running) - before


BIG = ["message_size_limit = 100000000", "queue_minfree = 0", "virtual_mailbox_limit = 0", "mailbox_size_limit = 0"]


def send_big(running: House, size: int) -> str:
    """A message of so many bytes, sent as fast as it is taken -> the reply to its end."""
    block = (b"x" * 76 + b"\r\n") * 840
    with running.talk() as client:
        client.say(f"MAIL FROM:<{FROM}>", f"RCPT TO:<{TO}>", "DATA")
        for _ in range(size // len(block)):
            client.send(block)
        client.send(b"\r\n.\r\n")
        return client.read()


@pytest.mark.parametrize("settings", [[], MAILDIR, ["body_checks = regexp:{ {/nothing/ REJECT} }"]],
                         ids=["spooled", "delivered", "checked"])
def test_big_messages_cost_no_memory(warm: Warm, settings: list[str]) -> None:
    with house(warm, [*settings, *BIG]) as running:
        assert running.server is not None
        send_big(running, MIB)
        before = peak(running)
        size = 12 * MIB if "body_checks" in str(settings) else 50 * MIB
        with concurrent.futures.ThreadPoolExecutor(3) as several:
            replies = list(several.map(lambda _: send_big(running, size), range(1 if settings else 3)))
        assert all(reply.startswith("250 2.0.0") for reply in replies), replies
        if settings == MAILDIR:
            new = running.root / "mail" / "box" / "new"
            assert wait_for(lambda: len(list(new.iterdir())) == 2, 30), running.log()
        assert grown(running, before) < 30 * MIB, f"{grown(running, before) / MIB:.1f} MiB"


@pytest.mark.parametrize("how", ["chunk", "line", "tls"])
def test_other_big_messages_cost_no_memory(warm: Warm, how: str) -> None:
    """One chunk (BDAT), one line without an end, and by TLS."""
    block, count = b"x" * 65536 if how == "line" else (b"x" * 62 + b"\r\n") * 1024, 30 * MIB // 65536
    with house(warm, [*BIG, *TLS]) as running, running.talk() as client:
        assert running.server is not None
        if how == "tls":
            client.start_tls()
            client.say("EHLO client.test")
        assert client.mail(message("first", 300_000)).startswith("250")
        before = peak(running)
        client.say(f"MAIL FROM:<{FROM}>", f"RCPT TO:<{TO}>")
        if how == "chunk":
            client.send(b"BDAT %d LAST\r\n" % (count * len(block)))
        else:
            client.say("DATA")
        for _ in range(count):
            client.send(block)
        if how != "chunk":
            client.send(b"\r\n.\r\n")
        assert client.read().startswith("250 2.0.0")
        assert grown(running, before) < 30 * MIB, f"{grown(running, before) / MIB:.1f} MiB"
        sizes = sorted(map(len, running.spooled()))
        assert len(sizes) == 2 and sizes[1] >= 30 * MIB


def test_out_of_descriptors(warm: Warm) -> None:
    """Clients wait to be let in, a message that needs a file is put off, and all is well when there are some again."""
    with house(warm) as running, running.talk() as first:
        assert running.server is not None
        pid = running.server.pid
        usual = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (len(os.listdir(f"/proc/{pid}/fd")) + 10, usual[1]))
        crowd = [running.talk(greeted=False) for _ in range(30)]
        assert running.logged("accepting connections pauses: Too many open files")
        assert first.mail(message("big", 300_000)).startswith("451 4.3.0")
        assert first.mail(message("small", 600)).startswith("250 2.0.0")
        for client in crowd:
            client.socket.close()
        with running.talk() as late:
            assert late.mail(message("late", 300_000)).startswith("250 2.0.0")
        assert tokens(running.spooled()) == {"small", "late"}


def test_a_client_that_takes_no_replies_costs_no_memory(warm: Warm) -> None:
    """Megabytes of commands whose replies nobody reads: the server must stop reading, and go on with others."""
    with house(warm, ["smtpd_junk_command_limit = 100000000", "smtpd_hard_error_limit = 100000000"]) as running:
        assert running.server is not None
        with running.talk() as other, running.talk() as client:
            before = peak(running)
            client.socket.settimeout(1)
            block, sent = b"RSET\r\n" * 10_000, 0
            with contextlib.suppress(TimeoutError):
                while sent < 64 * MIB:
                    sent += client.socket.send(block)
            assert sent < 64 * MIB, "everything was read"
            assert grown(running, before) < 30 * MIB
            assert other.mail().startswith("250 2.0.0")


def test_a_slow_writer_is_served_beside_a_fast_one(warm: Warm) -> None:
    with house(warm) as running, running.talk() as slow, running.talk() as fast:
        slow.say(f"MAIL FROM:<{FROM}>", f"RCPT TO:<{TO}>", "DATA")
        for piece in range(0, len(body := message("slow", 600)), 40):
            slow.send(body[piece:piece + 40])
            assert fast.mail(message(f"fast{piece}", 600)).startswith("250 2.0.0")
        slow.send(b".\r")
        slow.send(b"\n")
        assert slow.read().startswith("250 2.0.0")
        assert "slow" in tokens(running.spooled())


def test_a_client_that_never_ends_its_line(warm: Warm) -> None:
    with house(warm) as running, running.talk() as client:
        assert running.server is not None
        before = peak(running)
        with contextlib.suppress(OSError):
            for _ in range(400):
                client.send(b"A" * 65536)
        assert grown(running, before) < 30 * MIB
        with running.talk() as other:
            assert other.mail().startswith("250 2.0.0")


def test_clients_that_break_off(warm: Warm) -> None:
    """Resets at every step of a session leave nothing behind."""
    steps = [f"MAIL FROM:<{FROM}>", f"RCPT TO:<{TO}>", "DATA"]
    with house(warm) as running:
        for count in range(5):
            for _ in range(5):
                client = running.talk(greeted=count > 0)
                if count > 1:
                    client.say(*steps[: count - 1])
                if count == 4:
                    client.send(message("half", 200_000)[:100_000])
                client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
                client.socket.close()
        assert running.logged("disconnect from")
        bodies = [path for path in (running.root / "queue" / "gatepost").iterdir() if path.is_dir()]
        assert wait_for(lambda: not any(list(path.iterdir()) for path in bodies), 5), "bodies left behind"
        assert running.server is not None
        descriptors = Path(f"/proc/{running.server.pid}/fd")
        assert wait_for(lambda: not [fd for fd in descriptors.iterdir() if _is_session(fd)], 5), "sessions left behind"
        assert not list(running.spooled())


def _is_session(descriptor: Path) -> bool:
    """Is it a connected TCP socket?"""
    with contextlib.suppress(OSError):
        name = os.readlink(descriptor)
        if name.startswith("socket:["):
            inode = name[8:-1]
            table = Path(f"/proc/{descriptor.parent.parent.name}/net/tcp").read_text()
            return any(fields[9] == inode and fields[3] != "0A" for fields in map(str.split, table.splitlines()[1:]))
    return False


def test_a_thousand_pipelined_messages_in_one_go(warm: Warm) -> None:
    """One segment stream with many transactions: answers in order, none lost."""
    group = f"MAIL FROM:<{FROM}>\r\nRCPT TO:<{TO}>\r\nBDAT 20 LAST\r\nSubject: x\r\n\r\nbody\r\n".encode()
    with house(warm) as running, Talk(("127.0.0.1", running.port)) as client:
        client.read()
        client.say("EHLO client.test")
        client.send(group * 200)
        replies = [client.read() for _ in range(600)]
        assert [reply[:3] for reply in replies] == ["250"] * 600
        assert len(list(running.spooled())) == 200
