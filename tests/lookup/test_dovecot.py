"""The Dovecot authentication client against the service that ships with the tests, and against scripted ones."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.config.parameter import Word
from gatepost.lookup.ask import LookupFailure
from gatepost.lookup.dovecot import (
    Challenge,
    Circumstances,
    DovecotAuth,
    Failure,
    Mechanism,
    Step,
    Success,
    allowed,
    escaped,
    offered,
    read_reply,
    unescaped,
)
from gatepost.lookup.fake import FakeLookups
from gatepost.lookup.match import StringList
from tests.dovecot import GREETING
from tests.dovecot import DovecotAuth as Service


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


GOOD, WRONG = encoded("\0user@example.test\0secret"), encoded("\0user@example.test\0wrong")

LOGINS: list[tuple[str, list[str | None], list[Step], str]] = [
    ("PLAIN", [GOOD], [Success("user@example.test")], "at once"),
    ("plain", [GOOD], [Success("user@example.test")], "mechanism in lower case"),
    ("PLAIN", [None, GOOD], [Challenge(""), Success("user@example.test")], "without initial response"),
    ("LOGIN", [None, encoded("user@example.test"), encoded("secret")],
     [Challenge("VXNlcm5hbWU6"), Challenge("UGFzc3dvcmQ6"), Success("user@example.test")], "two questions"),
    ("FROB", [None], [Failure("Invalid authentication mechanism")], "unknown mechanism"),
    ("FROB", ["x"], [Failure("Invalid authentication mechanism")], "unknown mechanism with a response"),
    ("PLAIN", [WRONG], [Failure("(reason unavailable)", username="user@example.test")], "wrong password"),
    ("PLAIN", ["not-base64"], [Failure("Invalid base64 data in initial response")], "no base64"),
    ("PLAIN", ["="], [Failure("Invalid base64 data", username="")], "base64 that the server refuses"),
    ("PLAIN", [None, "not base64"], [Challenge(""), Failure("Invalid base64 data in continued response")], "later"),
    ("PLAIN", [None, ""], [Challenge(""), Failure("invalid input", username="")], "an empty response"),
]


@pytest.mark.parametrize(("mechanism", "said", "steps", "why"), LOGINS)
def test_logins_as_recorded(tmp_path: Path, mechanism: str, said: list[str | None], steps: list[Step],
                            why: str) -> None:
    async def main() -> list[Step]:
        auth = DovecotAuth(str(tmp_path / "auth"))
        exchange = await auth.start(mechanism, said[0])
        found = [exchange.step]
        for text in said[1:]:
            assert text is not None
            found.append(await exchange.respond(text))
        auth.close()
        return found

    with Service(tmp_path / "auth"):
        assert asyncio.run(main()) == steps, why


def test_mechanisms_and_what_may_be_offered(tmp_path: Path) -> None:
    async def main() -> tuple[Mechanism, ...]:
        auth = DovecotAuth(f"unix:{tmp_path}/auth")
        found = await auth.mechanisms()
        exchange = await auth.start("PLAIN", GOOD, offered=["LOGIN"])
        assert exchange.step == Failure("Invalid authentication mechanism")
        auth.close()
        return found

    with Service(tmp_path / "auth"):
        assert [one.name for one in asyncio.run(main())] == ["PLAIN", "LOGIN"]


MECHANISMS = (Mechanism("PLAIN", frozenset({"plaintext"})), Mechanism("ANONYMOUS", frozenset({"anonymous"})),
              Mechanism("CRAM-MD5", frozenset({"dictionary", "active"})),
              Mechanism("GSSAPI", frozenset({"mutual-auth", "forward-secrecy"})))


@pytest.mark.parametrize(("options", "expected"), [
    ("", ["PLAIN", "ANONYMOUS", "CRAM-MD5", "GSSAPI"]),
    ("noanonymous", ["PLAIN", "CRAM-MD5", "GSSAPI"]),
    ("noplaintext noanonymous", ["CRAM-MD5", "GSSAPI"]),
    ("nodictionary noanonymous", ["PLAIN", "GSSAPI"]),
    ("noactive", ["PLAIN", "ANONYMOUS", "GSSAPI"]),
    ("mutual_auth", ["GSSAPI"]),
    ("forward_secrecy noplaintext", ["GSSAPI"]),
])
def test_security_options(options: str, expected: list[str]) -> None:
    assert allowed(MECHANISMS, [Word(text) for text in options.split()]) == expected


def test_the_mechanism_filter_comes_on_top() -> None:
    wanted = StringList.of((Word("!gssapi"), Word("static:rest")), FakeLookups())
    assert asyncio.run(offered(MECHANISMS, [Word("noanonymous")], wanted)) == ["PLAIN", "CRAM-MD5"]


Answers = Callable[[bytes], bytes | None]
"""One line from the client -> bytes to send; None closes the connection."""


class Script:
    """A service that answers as told."""

    def __init__(self, answers: Answers, greeting: bytes = GREETING) -> None:
        self.answers = answers
        self.greeting = greeting
        self.lines: list[bytes] = []
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        writer.write(self.greeting)
        while line := await reader.readline():
            self.lines.append(line)
            if line.startswith((b"VERSION", b"CPID")):
                continue
            answer = self.answers(line)
            if answer is None:
                break
            writer.write(answer)
        writer.close()


def play(tmp_path: Path, script: Script, scene: Callable[[DovecotAuth], Awaitable[object]], timeout: float = 5) -> None:
    async def main() -> None:
        listening = await asyncio.start_unix_server(script.serve, tmp_path / "auth")
        auth = DovecotAuth(str(tmp_path / "auth"), timeout=timeout)
        await scene(auth)
        auth.close()
        listening.close()

    asyncio.run(main())


def test_what_the_server_is_told(tmp_path: Path) -> None:
    script = Script(lambda line: b"OK\t1\tuser=a\n")

    async def scene(auth: DovecotAuth) -> None:
        await auth.start("plain", "AAAA", Circumstances("smtp", "192.0.2.1", "192.0.2.9\ts", secured=True))

    play(tmp_path, script, scene)
    assert script.lines[0] == b"VERSION\t1\t1\n"
    assert script.lines[2].rstrip(b"\n").split(b"\t") == [
        b"AUTH", b"1", b"PLAIN", b"service=smtp", b"nologin", b"lip=192.0.2.1", b"rip=192.0.2.9\1ts", b"secured",
        b"resp=AAAA"]


def test_exchanges_under_way_at_once_get_their_own_answers(tmp_path: Path) -> None:
    held: list[bytes] = []

    def later(line: bytes) -> bytes:
        held.append(line.split(b"\t")[1])
        return b"" if len(held) < 2 else b"".join(b"OK\t%s\tuser=u%s\n" % (one, one) for one in reversed(held))

    async def scene(auth: DovecotAuth) -> None:
        both = await asyncio.gather(auth.start("PLAIN", "AAAA"), auth.start("PLAIN", "AAAA"))
        assert [exchange.step for exchange in both] == [Success("u1"), Success("u2")]

    script = Script(later)
    play(tmp_path, script, scene)
    assert script.connections == 1


def test_a_connection_lost_since_its_last_use_is_made_again(tmp_path: Path) -> None:
    answers: list[bytes | None] = [b"OK\t1\tuser=a\n", None, b"OK\t2\tuser=b\n"]

    async def scene(auth: DovecotAuth) -> None:
        assert (await auth.start("PLAIN", "AAAA")).step == Success("a")
        assert (await auth.start("PLAIN", "AAAA")).step == Success("b")

    script = Script(lambda _: answers.pop(0))
    play(tmp_path, script, scene)
    assert script.connections == 2


LOST = Failure("Connection lost to authentication server", temporary=True)


def test_a_server_that_keeps_closing_or_says_nothing_is_a_temporary_failure(tmp_path: Path) -> None:
    async def scene(auth: DovecotAuth) -> None:
        assert (await auth.start("PLAIN", "AAAA")).step == LOST

    play(tmp_path, Script(lambda _: None), scene)
    (tmp_path / "silent").mkdir()
    play(tmp_path / "silent", Script(lambda _: b""), scene, timeout=0.1)


def test_a_connection_lost_in_the_middle(tmp_path: Path) -> None:
    async def scene(auth: DovecotAuth) -> None:
        exchange = await auth.start("LOGIN", None)
        assert exchange.step == Challenge("VXNlcm5hbWU6")
        assert await exchange.respond("AAAA") == LOST

    play(tmp_path, Script(lambda line: b"CONT\t1\tVXNlcm5hbWU6\n" if line.startswith(b"AUTH") else None), scene)


@pytest.mark.parametrize("greeting", [b"", b"VERSION\t2\t0\nDONE\n", b"VERSION\t1\t1\nMECH\tPLAIN\n"])
def test_a_server_that_does_not_greet(tmp_path: Path, greeting: bytes) -> None:
    async def scene(auth: DovecotAuth) -> None:
        with pytest.raises(LookupFailure):
            await auth.mechanisms()
        exchange = await auth.start("PLAIN", "AAAA")
        assert exchange.step == Failure("Can't connect to authentication server", temporary=True)

    play(tmp_path, Script(lambda _: b"", greeting), scene, timeout=0.1)


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(LookupFailure, match="failed: No such file or directory"):
        asyncio.run(DovecotAuth(str(tmp_path / "auth")).mechanisms())


REPLIES: list[tuple[list[str] | None, Step]] = [
    (["OK", "1", "user=a", "token=x"], Success("a")),
    (["FAIL", "1", "user=a", "temp"], Failure("(reason unavailable)", temporary=True, username="a")),
    (["FAIL", "1", "user=a", "code=temp_fail", "reason=database is down"],
     Failure("database is down", temporary=True, username="a")),
    (["FAIL", "1", "user=a", "authz"], Failure("(reason unavailable)", username="a")),
    (["FAIL", "1", "reason=no\1tentry"], Failure("no\tentry", username="")),
    (["CONT", "1"], Challenge("")),
    (["NONSENSE", "1"], Failure("(reason unavailable)", username="")),
    (None, LOST),
]


@pytest.mark.parametrize(("words", "step"), REPLIES)
def test_replies(words: list[str] | None, step: Step) -> None:
    assert read_reply(words) == step


@given(st.text(max_size=30))
def test_escaping_is_undone(text: str) -> None:
    assert unescaped(escaped(text)) == text
    assert not {"\t", "\n", "\r", "\0"} & set(escaped(text))
