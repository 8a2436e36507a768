"""The built-in engine: what a client hears that has not passed, and where a line ends."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gatepost.lookup.fake import FakeTable
from gatepost.screen.rules import Promotion, Rules
from gatepost.screen.trials import ALL, DEEP
from tests.screen.talking import Client

RULES = Rules(hostname="mx.test", banner="mx.test ESMTP", enabled=ALL, promotion=Promotion.DEFER)
HELLO, MAIL, RCPT = "EHLO client.test", "MAIL FROM:<a@client.test>", "RCPT TO:<b@mx.test>"
ALL_KEYWORDS = ("size", "vrfy", "etrn", "starttls", "enhancedstatuscodes", "8bitmime", "dsn", "smtputf8", "chunking")


def talk(rules: Rules = RULES) -> Client:
    return Client(rules, DEEP)


def test_what_is_offered() -> None:
    assert talk(replace(RULES, tls_offered=True)).say(HELLO) == [
        "250-mx.test\r\n250-SIZE 10240000\r\n250-VRFY\r\n250-ETRN\r\n250-STARTTLS\r\n250-ENHANCEDSTATUSCODES\r\n"
        "250-8BITMIME\r\n250-DSN\r\n250-SMTPUTF8\r\n250 CHUNKING"]
    assert talk(replace(RULES, discarded=ALL_KEYWORDS)).say(HELLO) == ["250 mx.test"]
    assert "\n250-SIZE\r\n" in talk(replace(RULES, message_size_limit=0)).say(HELLO)[0]


@pytest.mark.parametrize(("said", "limit"), [
    (b"NOOP " + b"x" * 2042 + b"\r\n", False), (b"NOOP " + b"x" * 2043 + b"\r\n", True),
    (b"NOOP " + b"x" * 2042 + b"\n", False), (b"NOOP " + b"x" * 2043 + b"\n", True),
    (b"NOOP " + b"x" * 2042 + b"\r", False), (b"NOOP " + b"x" * 2043, True),
])
def test_how_long_a_line_may_be(said: bytes, limit: bool) -> None:
    one = talk(replace(RULES, enabled=0))
    heard = one.say(said)
    assert (heard == ["421 mx.test Service unavailable - try again later"]) == limit and one.closed == limit
    assert any("COMMAND LENGTH LIMIT" in line and line.endswith("after CONNECT") for line in one.told) == limit


def test_so_many_commands_and_no_more() -> None:
    one = talk()
    assert one.say(*["NOOP"] * 20) == ["250 2.0.0 Ok"] * 20
    assert one.say("FROB") == ["421 mx.test Service unavailable - try again later"] and one.closed
    assert one.told[-2].endswith("COMMAND COUNT LIMIT from [192.0.2.1]:4000 after NOOP")
    two = talk()
    two.say(*["NOOP"] * 20)
    assert two.say("QUIT") == ["221 2.0.0 Bye"]


def test_so_long_and_no_longer() -> None:
    one = talk()
    one.say(HELLO)
    one.wait()
    assert one.heard[-1] == "421 4.4.2 mx.test Error: timeout exceeded" and one.closed
    assert one.told[-2] == "COMMAND TIME LIMIT from [192.0.2.1]:4000 after EHLO"


@pytest.mark.parametrize(("said", "pending"), [(b"EHLO a\r", b"\n"), (b"EHL", b"O a\r\n"), (b"", b"EHLO a\r\n")])
def test_a_line_in_two_reads_is_one_line(said: bytes, pending: bytes) -> None:
    one = talk()
    assert one.say(*[part for part in (said, pending) if part])[0].startswith("250-mx.test") and not one.caught


@pytest.mark.parametrize(("said", "name"), [
    (b"EHLO a\n", "bare newline"), (b"EHLO\ra\n", "bare newline"), (b"NOOP\r\n\r\n", "pipelining"),
    (b"GET / HTTP/1.1\r\n", "non-smtp command"), (b"Subject: x\r\n", "non-smtp command"),
    (b"\xc3\x28\r\n", "non-smtp command"), (b"1234\r\n", "non-smtp command"), (b"\t NOOP\r\n", "non-smtp command"),
])
def test_offences(said: bytes, name: str) -> None:
    one = talk(replace(RULES, forbidden=(FakeTable("fake:words", {"1234": "no", "\t": "no"}, []),)))
    one.say(said)
    assert [trial for trial, _, _ in one.caught] == [name]


@pytest.mark.parametrize("said", [b"EHLO a\r\r\n", b"FROB\r\n", b"Subject : x\r\n", b"AUTH PLAIN\r\n", b"\r\n",
                                  b"NOOP\0GET\r\n", b"  NOOP\r\n", b"BDAT 3\r\nabc"])
def test_no_offences(said: bytes) -> None:
    one = talk()
    one.say(said)
    assert one.caught == []


def test_a_filter_replaces_commands() -> None:
    one = talk(replace(RULES, command_filter=FakeTable("fake:filter", {"BARK": "NOOP"}, [])))
    assert one.say("BARK", "FROB") == ["250 2.0.0 Ok", "502 5.5.2 Error: command not recognized"]
    assert one.told[-1] == '[192.0.2.1]:4000: replacing command "BARK" with "NOOP"'


@pytest.mark.parametrize(("args", "address"), [
    ("<a@b.test>", "a@b.test"), ("a@b.test SIZE=1", "a@b.test"), ("<@r.test:a@b.test>", "a@b.test"),
    ('<"a b"@c.test> X', '"a b"@c.test'), ("<>", ""), ("<a@b.test", "a@b.test"), ("  <a@b.test>", "a@b.test"),
])
def test_whom_the_log_names(args: str, address: str) -> None:
    one = talk()
    one.say(HELLO, f"MAIL FROM:{args}", RCPT)
    assert f"from=<{address}>, to=<b@mx.test>, proto=ESMTP, helo=<client.test>" in one.told[-1]


@pytest.mark.parametrize(("as_recorded", "said"), [(False, "501 5.5.4 Syntax: STARTTLS"),
                                                   (True, "501 Syntax: EHLO hostname")])
@pytest.mark.parametrize("offered", [False, True])
def test_starttls_takes_no_argument(offered: bool, as_recorded: bool, said: str) -> None:
    one = talk(replace(RULES, tls_offered=offered, old_starttls_text=as_recorded))
    assert one.say(HELLO, "STARTTLS now")[1] == said and not one.handshake
