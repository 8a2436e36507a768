"""Commands of the client, and which reply answers which."""

from __future__ import annotations

import pytest

from gatepost.smtp.client import Capabilities, Client, Heard, speakable
from gatepost.smtp.client_replies import Malformed
from gatepost.smtp.reply import Reply


def greeted(*, lmtp: bool = False, offers: bytes = b"") -> Client:
    client = Client(lmtp=lmtp)
    client.receive(b"220 mx\r\n")
    client.hello("me.example")
    lines = [b"mx.example", *offers.split(b"|")] if offers else [b"mx.example"]
    client.receive(b"".join(b"250-%s\r\n" % line for line in lines[:-1]) + b"250 %s\r\n" % lines[-1])
    return client


def test_each_reply_comes_with_its_command() -> None:
    client = Client()
    assert client.awaited == "CONNECT"
    assert client.receive(b"220 mx\r\n") == [Heard("CONNECT", Reply(220, "", "mx"))]
    sent = client.mail("a@b") + client.rcpt("c@d", number=0) + client.rcpt("e@f", number=1) + client.data()
    assert sent == b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\nDATA\r\n"
    heard = client.receive(b"250 1\r\n250 2\r\n550 3\r\n354 4\r\n")
    assert [(one.verb, one.number) for one in heard] == [("MAIL", 0), ("RCPT", 0), ("RCPT", 1), ("DATA", 0)]
    assert client.owed == 0


def test_a_reply_that_nothing_asked_for_has_no_verb() -> None:
    assert greeted().receive(b"421 bye\r\n") == [Heard("", Reply(421, "", "bye"))]


def test_a_malformed_reply_answers_the_oldest_command_and_is_the_last() -> None:
    client = greeted()
    client.rset()
    heard = client.receive(b"what?\r\n250 ok\r\n")
    assert [one.verb for one in heard] == ["RSET"] and isinstance(heard[0].reply, Malformed)
    assert client.receive(b"250 ok\r\n") == []


def test_lmtp_owes_a_reply_for_each_accepted_recipient() -> None:
    client = greeted(lmtp=True)
    client.content_sent((0, 2))
    heard = client.receive(b"250 a\r\n450 b\r\n")
    assert [(one.verb, one.number) for one in heard] == [(".", 0), (".", 2)]


def test_capabilities_are_read_and_die_with_the_buffer_at_starttls() -> None:
    client = greeted(offers=b"SIZE 1000|AUTH PLAIN LOGIN|AUTH=LOGIN|XFORWARD NAME ADDR|starttls")
    assert client.capabilities["SIZE"] == "1000" and "STARTTLS" in client.capabilities
    assert client.capabilities.words("AUTH") == {"PLAIN", "LOGIN"}
    client.starttls()
    heard = client.receive(b"220 go\r\n250-mx\r\n250 AUTH PLAIN\r\n")
    assert [one.reply for one in heard] == [Reply(220, "", "go")]
    assert client.tls_started() == b"250-mx\r\n250 AUTH PLAIN\r\n"
    assert client.capabilities == {} and client.receive(b"") == []


def test_ehlo_lines_that_are_no_keywords_are_left_out() -> None:
    assert Capabilities.of(Reply(250, "", "mx\n\n-x\nA B\nX=1")) == {"A": "B", "X": "1"}


@pytest.mark.parametrize(("address", "wire"), [
    ("", b"MAIL FROM:<>\r\n"),
    ("a b@c", b'MAIL FROM:<"a b"@c>\r\n'),
    ('a"b@c', b'MAIL FROM:<"a\\"b"@c>\r\n'),
    ("a> SIZE=1@c", b'MAIL FROM:<"a> SIZE=1"@c>\r\n'),
])
def test_addresses_are_quoted(address: str, wire: bytes) -> None:
    assert greeted().mail(address) == wire


@pytest.mark.parametrize("address", ["a\r\nRSET@b", "a@b>\x20X=1", "a@b c", "a\0@b", "a@b\r\nQUIT"])
def test_no_address_becomes_something_else(address: str) -> None:
    assert not speakable(address)
    with pytest.raises(ValueError):
        greeted().rcpt(address)


def test_xforward_says_what_the_server_takes_within_its_limit() -> None:
    client = greeted(offers=b"XFORWARD NAME ADDR HELO")
    commands = client.xforward({"NAME": "n" * 300, "ADDR": "", "IDENT": "q", "HELO": "h +" + "h" * 300})
    assert commands == [b"XFORWARD NAME=" + b"n" * 300 + b" ADDR=[UNAVAILABLE]\r\n",
                        b"XFORWARD HELO=h+20+2B" + b"h" * 300 + b"\r\n"]
    assert client.owed == 2
    assert greeted().xforward({"NAME": "x"}) == []


def test_bdat_carries_its_chunk() -> None:
    client = greeted()
    assert client.bdat(b"abc", last=False) + client.bdat(b".\r\n", last=True) == b"BDAT 3\r\nabcBDAT 3 LAST\r\n.\r\n"
    assert [one.verb for one in client.receive(b"250 a\r\n250 b\r\n")] == ["BDAT", "."]


def test_raw_bytes_may_be_anything() -> None:
    client = Client()
    assert client.raw(b"EHLO x\r\nMAIL FROM:<>\n", "EHLO", "MAIL") == b"EHLO x\r\nMAIL FROM:<>\n"
    assert client.owed == 3
