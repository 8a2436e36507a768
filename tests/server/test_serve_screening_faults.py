"""What goes wrong beside screening: dead DNS lists, a memory that fails. Mail flows on, and one warning is written."""

from __future__ import annotations

import contextlib
import os
import smtplib
import socket
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.kit import free_port, needs, wait_for, wait_listening
from tests.lab import directory, end
from tests.lookup.name_server import SILENT, NameServer
from tests.server.house import FROM, TO, House
from tests.server.scripted import name_server
from tests.server.test_serve_screening import DEEP, MESSAGE, lines, operator, screened
from tests.serving import Warm
from tests.wire.polite import environment, found

LIST = ("1.0.0.127.list.test", "A")


def deliver(made: House) -> float:
    """A polite client's message, in its first connection -> seconds."""
    began = time.monotonic()
    with made.talk(greeted=False) as client:
        assert client.read().startswith("220")
        assert client.say("EHLO client.test").startswith("250")
        assert client.mail(MESSAGE.encode()).startswith("250 2.0.0 Ok: queued as"), made.log()
        client.say("QUIT")
    return time.monotonic() - began


def warnings(made: House) -> list[str]:
    return [line for line in lines(made) + lines(made, "dnsblog") if line.startswith("warning: ")]


@contextmanager
def listed(warm: Warm, answer: list[str] | str, *settings: str) -> Iterator[House]:
    """A house with a DNS list that answers that."""
    server = NameServer({LIST: answer} if answer else {("other.test", "A"): ["127.0.0.2"]})
    with name_server(server) as port, screened(warm, [
            *DEEP, "postscreen_dnsbl_sites = list.test*2", f"gatepost_dns_servers = 127.0.0.1:{port}",
            "gatepost_dns_timeout = 1s", "gatepost_dns_time_limit = 2s", "postscreen_dnsbl_timeout = 3s",
            "postscreen_greet_wait = 2s", *settings]) as made:
        yield made


def test_a_dead_dns_list_costs_the_wait_and_one_warning(warm: Warm) -> None:
    with listed(warm, SILENT) as made:
        assert 1.5 < deliver(made) < 4
        assert made.logged("PASS NEW [127.0.0.1]")
        assert made.logged("warning: dnsblog", 5) and len(warnings(made)) == 1, made.log()
        operator(made, "forget", "127.0.0.1")
        time.sleep(2)
        deliver(made)
        assert len(warnings(made)) == 1, made.log()


def test_a_dns_list_that_fails_is_not_waited_for(warm: Warm) -> None:
    with listed(warm, "SERVFAIL") as made:
        assert deliver(made) < 1.5
        assert len(warnings(made)) == 1


def test_a_dns_list_that_knows_nothing_of_it_costs_nothing(warm: Warm) -> None:
    with listed(warm, []) as made:
        assert deliver(made) < 1
        assert warnings(made) == []


def test_a_dns_list_speaks_against_it(warm: Warm) -> None:
    with listed(warm, ["127.0.0.4"], "postscreen_dnsbl_action = enforce") as made:
        with made.talk(greeted=False) as client:
            assert client.read().startswith("220-")
            client.say("EHLO client.test")
            assert client.mail() == "550 5.7.1 Service unavailable; client [127.0.0.1] blocked using list.test"
        assert lines(made, "dnsblog") == ["addr 127.0.0.1 listed by domain list.test as 127.0.0.4"]
        assert "DNSBL rank 2 for [127.0.0.1]:P" in lines(made)


def test_a_memory_that_cannot_be_written_is_told_of_once(warm: Warm) -> None:
    """Every write of the memory's file fails: what the process knows counts, and is written when that is possible."""
    with screened(warm, DEEP) as made:
        deliver(made)
        operator(made, "forget", "127.0.0.1")
        time.sleep(2.1)
        path = made.root / "queue" / "passes.sqlite"
        with sqlite3.connect(path, isolation_level=None) as blocked:
            blocked.execute("BEGIN EXCLUSIVE")
            deliver(made)
            assert made.logged("warning: cache", 10), made.log()
            with made.talk(greeted=False) as client:
                assert client.read().startswith("220 "), "what it has learned it knows"
            blocked.execute("COMMIT")
        assert made.logged("usable again", 20)
        assert sum("passes" in line for line in warnings(made)) == 1
        assert "127.0.0.1" in operator(made, "list").stdout, "nothing is lost"


@needs("mount", root=True)
def test_a_full_disk_under_the_memory(warm: Warm) -> None:
    with directory("gatepost-memory-") as place:
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k,mode=777", "tmpfs", place], check=False)
        if mounted.returncode:
            pytest.skip("not here: the right to mount")
        try:
            with screened(warm, [*DEEP, f"postscreen_cache_map = btree:{place}/passes"]) as made:
                ballast = place / "ballast"
                assert wait_for(lambda: "full cleanup" in made.log(), 5)
                _fill(ballast)
                deliver(made)
                assert made.logged("warning: cache", 10), made.log()
                deliver(made)
                ballast.unlink()
                assert made.logged("usable again", 20), made.log()
                assert sum("cache" in line for line in warnings(made)) == 1
                assert "127.0.0.1" in operator(made, "list").stdout, "nothing is lost"
        finally:
            subprocess.run(["umount", "-l", place], check=True)


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 512)
        except OSError:
            return


def test_a_damaged_memory_is_set_aside(warm: Warm) -> None:
    with screened(warm, DEEP) as made:
        deliver(made)
        made.stop()
        path = made.root / "queue" / "passes.sqlite"
        for each in path.parent.glob("passes.sqlite*"):
            each.write_bytes(os.urandom(8192))
        made.start()
        deliver(made)
        assert made.logged("PASS NEW [127.0.0.1]") and list(path.parent.glob("passes.sqlite.corrupt-*"))
        assert len(warnings(made)) == 1


def test_a_redis_that_is_not_there_is_told_of_once(warm: Warm) -> None:
    with socket.socket() as dead:
        dead.bind(("127.0.0.1", 0))
        with screened(warm, [*DEEP, *shared(dead.getsockname()[1])]) as made:
            assert deliver(made) < 5
            assert deliver(made) < 1, "what this process remembers counts"
            assert len(warnings(made)) == 1, made.log()


def shared(port: int) -> list[str]:
    """A memory in Redis."""
    return ["postscreen_cache_map = redis:passes", "passes_hosts = 127.0.0.1", f"passes_port = {port}"]


@contextmanager
def redis_server(port: int) -> Iterator[None]:
    command = [found("redis-server"), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", "/tmp"]
    process = subprocess.Popen([str(word) for word in command], env=environment(), stdout=subprocess.DEVNULL)
    try:
        assert wait_listening(port, 10)
        yield
    finally:
        end(process)


@pytest.mark.skipif(found("redis-server") is None, reason="not here: redis-server")
def test_a_redis_goes_and_comes_again(warm: Warm) -> None:
    """Two gateways share it; what one learns while it is away is written when it is back."""
    port = free_port()
    with contextlib.ExitStack() as running, screened(warm, [*DEEP, *shared(port)]) as made:
        with redis_server(port):
            deliver(made)
            other = running.enter_context(screened(warm, [*DEEP, *shared(port)]))
            deliver(other)
            assert lines(other)[1:] == ["PASS OLD [127.0.0.1]:P"]
        with smtplib.SMTP("127.0.0.1", made.port, source_address=("127.0.0.5", 0), timeout=20) as client:
            client.sendmail(FROM, [TO], MESSAGE)
        assert made.logged("warning: cache redis:passes") and made.logged("PASS NEW [127.0.0.5]")
        with redis_server(port):
            assert wait_for(lambda: "127.0.0.5" in operator(made, "list").stdout, 20), "nothing is lost"
            deliver(made)
            assert made.logged("cache redis:passes: usable again")
        assert len(warnings(made)) == 1, made.log()
