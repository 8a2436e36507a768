"""socketmap and tcp tables against a server on loopback that says what the case wants."""

from __future__ import annotations

import asyncio

import pytest

from gatepost.lookup.ask import LookupFailure
from gatepost.lookup.tables.network import quote, unquote
from tests.lookup.tables.opened import Tables


class Server:
    """Answers every question with `reply` and closes after `questions` of them."""

    def __init__(self, reply: bytes, until: bytes, questions: int = 100) -> None:
        self.reply, self.until, self.questions = reply, until, questions
        self.asked: list[bytes] = []
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            for _ in range(self.questions):
                self.asked.append(await reader.readuntil(self.until))
                writer.write(self.reply)
                await writer.drain()
        except (EOFError, OSError):
            pass
        finally:
            writer.close()

    def ask(self, spec: str, *keys: str) -> list[str | None]:
        """The answers of `spec`, in which PORT stands for the server's port."""

        async def every() -> list[str | None]:
            server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
            table = Tables().open(spec.replace("PORT", str(server.sockets[0].getsockname()[1])))
            answers: list[str | None] = []
            for key in keys:
                try:
                    answers.append(await table.get(key))
                except LookupFailure as failure:
                    answers.append("TEMP" if failure.temporary else "PERM")
            await table.close()
            server.close()
            return answers

        return asyncio.run(every())


@pytest.mark.parametrize(("reply", "expected"), [
    (b"12:OK some data,", "some data"), (b"3:OK ,", ""), (b"9:NOTFOUND ,", None), (b"8:TEMP why,", "TEMP"),
    (b"11:TIMEOUT why,", "TEMP"), (b"8:PERM why,", "PERM"), (b"5:WHAT ,", "TEMP"), (b"x:OK a,", "TEMP"),
    (b"4:OK a;", "TEMP"), (b"999999:", "TEMP")])
def test_socketmap(reply: bytes, expected: str | None) -> None:
    """Each status word, and replies that do not read."""
    server = Server(reply, b",")
    assert server.ask("socketmap:inet:127.0.0.1:PORT:virtual", "Key@x") == [expected]
    assert server.asked == [b"13:virtual Key@x,"]


@pytest.mark.parametrize(("reply", "expected"), [
    (b"200 some%20data\n", "some data"), (b"500 none\n", None), (b"400 later\n", "TEMP"), (b"300 what\n", "TEMP"),
    (b"200 %2\n", "TEMP"), (b"200 " + b"x" * 5000 + b"\n", "TEMP")])
def test_tcp(reply: bytes, expected: str | None) -> None:
    """Each code, and replies that do not read."""
    server = Server(reply, b"\n")
    assert server.ask("tcp:127.0.0.1:PORT", "a b%c") == [expected]
    assert server.asked == [b"get a%20b%25c\n"]


def test_a_connection_is_used_again() -> None:
    """Two lookups, one connection."""
    server = Server(b"500 none\n", b"\n")
    assert server.ask("tcp:127.0.0.1:PORT", "a", "b") == [None, None]
    assert server.connections == 1


def test_a_connection_that_closed_is_replaced() -> None:
    """The server hangs up after every answer: each lookup still succeeds."""
    server = Server(b"200 x\n", b"\n", questions=1)
    assert server.ask("tcp:127.0.0.1:PORT", "a", "b", "c") == ["x", "x", "x"]


def test_nobody_listens() -> None:
    """A refused connection is a failed lookup."""
    assert Tables().ask("tcp:127.0.0.1:1", "a") == ["FAILED"]


@pytest.mark.parametrize("spec", ["socketmap:foo:x", "socketmap:inet:x", "tcp:host"])
def test_bad_names(spec: str) -> None:
    """The operator's mistake is known at start-up."""
    assert Tables().open(spec).problem is not None


def test_quoting_comes_back() -> None:
    """Every byte survives."""
    every = bytes(range(256))
    assert unquote(quote(every)) == every
