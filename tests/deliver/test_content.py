"""deliver/content*.py: what is stored of what a client sent, and what content checks do to it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.config.settings import Settings
from gatepost.deliver.content import ContentPolicy, Preparation
from gatepost.deliver.content_mime import Structure
from gatepost.deliver.content_received import Naming, TlsSeen, mail_date
from gatepost.deliver.envelope import Envelope, Origin, Recipient
from gatepost.lookup.fake import FakeLookups

OWN = b"Received: from c by us\r\n\tid 1; now\r\n"
SETTINGS = {"myhostname": "mx.example", "mydestination": "", "mynetworks": "192.0.2.0/24",
            "inet_interfaces": "127.0.0.1"}
GOOD = b"Message-ID: <1@c>\r\nDate: x\r\nFrom: a\r\n"


def envelope() -> Envelope:
    return Envelope("ABCDE10000", "s@example.net", [Recipient("r@example.org")], 0.0,
                    origin=Origin("c.example", "192.0.2.9", helo="c", protocol="ESMTP"))


class Prepared:
    """A message taken through preparation in pieces of `size` bytes."""

    def __init__(self, body: bytes, settings: Mapping[str, str] = {}, *, local: bool = False, size: int = 1 << 20,
                 tables: Mapping[str, Mapping[str, str]] | None = None) -> None:
        self.log: list[str] = []
        self.envelope = envelope()
        lookups = FakeLookups(tables=tables or {})
        policy = ContentPolicy(Settings.of(SETTINGS | dict(settings)), lookups)
        self.preparation = policy.start(self.envelope, local=local, info=self.log.append,
                                        warning=lambda text: self.log.append("warning: " + text))
        chunks = [body[at:at + size] for at in range(0, len(body), size)]
        self.stored = asyncio.run(self._checked(chunks)) if self.preparation.checked else self._plain(chunks)

    def _plain(self, chunks: list[bytes]) -> bytes:
        preparation: Preparation = self.preparation
        out = preparation.begin(OWN) + b"".join([preparation.feed(chunk) for chunk in chunks])
        return out + preparation.finish()

    async def _checked(self, chunks: list[bytes]) -> bytes:
        out = await self.preparation.check_begin(OWN)
        for chunk in chunks:
            out += await self.preparation.check(chunk)
        return out + await self.preparation.check_end()


REPAIRS = [
    ("ordinary mail is stored as it came", b"Subject: x\r\n\r\nbody\r\n", b"Subject: x\r\n\r\nbody\r\n"),
    ("a mailbox separator becomes a header", b">From a\r\nTo: b\r\n\r\nc\r\n",
     b"X-Mailbox-Line: >From a\r\nTo: b\r\n\r\nc\r\n"),
    ("a first line that begins with a blank is body", b" x\r\ny\r\n", b"\r\n x\r\ny\r\n"),
    ("headers that end without an empty line get one", b"Subject: x\r\nno header\r\n",
     b"Subject: x\r\n\r\nno header\r\n"),
    ("a message without headers is body", b"no header\r\nTo: a\r\n\r\n", b"\r\nno header\r\nTo: a\r\n\r\n"),
    ("blanks before a header's colon go", b"Subject : x\r\nTo\t : y : z\r\n\r\na : b\r\n",
     b"Subject: x\r\nTo: y : z\r\n\r\na : b\r\n"),
    ("only headers", b"Subject: x\r\n", b"Subject: x\r\n"),
    ("nothing at all", b"", b""),
    ("an empty line first", b"\r\nx\r\n", b"\r\nx\r\n"),
    ("dropped headers go with their continuation",
     b"To: a\r\nBcc: b,\r\n\tc\r\nreturn-path: <d>\r\nCc: e\r\n\r\nBcc: x\r\n",
     b"To: a\r\nCc: e\r\n\r\nBcc: x\r\n"),
    ("very long headers stream", b"X-A: b\r\n" * 20000 + b"\r\nc\r\n", b"X-A: b\r\n" * 20000 + b"\r\nc\r\n"),
    ("a long body without headers", b"body text\r\n" * 20000, b"\r\n" + b"body text\r\n" * 20000),
]


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
@pytest.mark.parametrize(("sentence", "sent", "stored"), REPAIRS, ids=[case[0] for case in REPAIRS])
def test_what_is_stored(sentence: str, sent: bytes, stored: bytes, size: int) -> None:
    if size == 1 and len(sent) > 10000:
        size = 4096
    assert Prepared(sent, size=size).stored == OWN + stored


PIECES = [b"To: a", b"\r\n", b"\n", b"\r", b" x", b"From ", b">", b"b:c", b"-", b"Bcc: "]


@given(st.lists(st.sampled_from(PIECES), max_size=20), st.integers(1, 9))
def test_how_content_was_cut_does_not_matter(pieces: list[bytes], size: int) -> None:
    body = b"".join(pieces)
    assert Prepared(body, size=size).stored == Prepared(body).stored


def test_message_id_and_hops_are_known() -> None:
    sent = b"Received: a\r\nreceived: b\r\nMESSAGE-ID:\r\n <x@y>\r\n\r\nReceived: c\r\n"
    prepared = Prepared(sent, {"hopcount_limit": "3"})
    assert prepared.preparation.message_id == "<x@y>"
    assert prepared.preparation.hops == 3
    assert str(prepared.preparation.refusal) == "554 5.4.0 Error: too many hops"
    assert prepared.log == ["warning: ABCDE10000: message rejected: hopcount exceeded"]
    assert Prepared(sent, {"hopcount_limit": "4"}).preparation.refusal is None


def test_a_local_clients_missing_headers_are_added_and_a_strangers_are_not() -> None:
    assert b"Message-Id" not in Prepared(b"To: a\r\n\r\nx\r\n").stored
    prepared = Prepared(b"To: a\r\n\r\nx\r\n", local=True)
    assert prepared.stored == OWN + (b"To: a\r\nMessage-Id: <19700101000000.ABCDE10000@mx.example>\r\nDate: "
                                     + mail_date(0).encode() + b"\r\nFrom: s@example.net\r\n\r\nx\r\n")
    assert prepared.preparation.message_id == "<19700101000000.ABCDE10000@mx.example>"
    assert Prepared(GOOD + b"\r\nx\r\n", local=True).stored == OWN + GOOD + b"\r\nx\r\n"
    assert b"Date: " in Prepared(b"\r\nx\r\n", {"always_add_missing_headers": "yes"}).stored


CLIENTS = [("permit_inet_interfaces", "127.0.0.1", "", True), ("permit_inet_interfaces", "192.0.2.9", "", False),
           ("permit_mynetworks", "192.0.2.9", "", True), ("permit_sasl_authenticated", "198.51.100.1", "joe", True),
           ("", "127.0.0.1", "", False)]  # fmt: skip


@pytest.mark.parametrize(("value", "address", "user", "local"), CLIENTS)
def test_who_is_local(value: str, address: str, user: str, local: bool) -> None:
    policy = ContentPolicy(Settings.of(SETTINGS | {"local_header_rewrite_clients": value}), FakeLookups())
    assert policy.is_local(Origin(client_address=address, sasl_username=user)) is local


MAIL = (b"Subject: bad\r\n word\r\nContent-Type: multipart/mixed; boundary=\"b\"\r\n\r\npreamble\r\n--b\r\n"
        b"Content-Disposition: attachment; filename=x.exe\r\nX-Part: y\r\n\r\npart\r\n--b\r\n"
        b"Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nin body\r\n--b--\r\nepilogue\r\n")
WHERE = " from c.example[192.0.2.9]; from=<s@example.net> to=<r@example.org> proto=ESMTP helo=<c>"


def checked(parameter: str, key: str, result: str, size: int = 1 << 20) -> Prepared:
    return Prepared(MAIL, {"mime_header_checks": "", "nested_header_checks": "", parameter: "hash:t"},
                    tables={"hash:t": {key: result}}, size=size)


SEEN = [
    ("header_checks", "Subject: bad\n word"), ("header_checks", "Received: from c by us\n\tid 1; now"),
    ("mime_header_checks", 'Content-Type: multipart/mixed; boundary="b"'), ("header_checks", "X-Part: y"),
    ("mime_header_checks", "Content-Disposition: attachment; filename=x.exe"),
    ("mime_header_checks", "Content-Type: message/rfc822"), ("nested_header_checks", "Subject: inner"),
    ("body_checks", "preamble"), ("body_checks", "part"), ("body_checks", "in body"), ("body_checks", "epilogue"),
    ("body_checks", "--b"),
]


@pytest.mark.parametrize(("parameter", "key"), [case for case in SEEN if case[1] != "X-Part: y"])
@pytest.mark.parametrize("size", [5, 1 << 20])
def test_each_table_sees_its_lines(parameter: str, key: str, size: int) -> None:
    prepared = checked(parameter, key, "REJECT 5.7.9 no", size)
    assert str(prepared.preparation.refusal) == "550 5.7.9 no"
    what = "body" if parameter == "body_checks" else "header"
    shown = key.replace("\n", "?")
    assert prepared.log == [f"ABCDE10000: reject: {what} {shown}{WHERE}: 5.7.9 no"]


CHANGES = [
    ("IGNORE", b"", []), ("STRIP why", b"", ["strip: header Subject: bad? word" + WHERE + ": why"]),
    ("REPLACE Subject: good", b"Subject: good\r\n",
     ["replace: header Subject: bad? word" + WHERE + ": Subject: good"]),
    ("PREPEND X-A: b", b"X-A: b\r\nSubject: bad\r\n word\r\n",
     ["prepend: header Subject: bad? word" + WHERE + ": X-A: b"]),
    ("WARN", None, ["warning: header Subject: bad? word" + WHERE]), ("ok", None, []), ("DUNNO", None, []),
    ("INFO x", None, ["info: header Subject: bad? word" + WHERE + ": x"]),
]


@pytest.mark.parametrize(("result", "instead", "log"), CHANGES)
def test_actions_that_change_content_or_log(result: str, instead: bytes | None, log: list[str]) -> None:
    prepared = checked("header_checks", "Subject: bad\n word", result)
    header = b"Subject: bad\r\n word\r\n"
    assert prepared.stored == OWN + (MAIL if instead is None else MAIL.replace(header, instead))
    assert [line.removeprefix("ABCDE10000: ") for line in prepared.log] == log
    assert prepared.preparation.refusal is None


def test_actions_with_effects_on_the_message() -> None:
    for result, attribute, value in [("HOLD x", "hold", True), ("FILTER smtp:[h]:1", "content_filter", "smtp:[h]:1"),
                                     ("REDIRECT a@b", "redirect", "a@b"), ("BCC a@b", "bcc", ["a@b"])]:
        prepared = checked("body_checks", "part", result)
        prepared.preparation.findings.apply(prepared.envelope)
        assert getattr(prepared.envelope, attribute) == value
        assert prepared.stored == OWN + MAIL
    assert checked("body_checks", "part", "DISCARD").preparation.findings.discard
    assert checked("body_checks", "part", "FROB").log == [
        "warning: unknown command in body_checks map: FROB"]
    assert checked("body_checks", "part", "FILTER x").log == [
        "warning: bad FILTER command: x -- need transport:destination"]


def test_a_temporary_status_makes_a_temporary_reply() -> None:
    assert str(checked("body_checks", "part", "REJECT 4.3.2 later").preparation.refusal) == "451 4.3.2 later"


def test_pass_ends_the_checks_and_receive_override_options_prevents_them() -> None:
    tables = {"hash:t": {"Subject: bad\n word": "PASS", "part": "REJECT"}}
    settings = {"header_checks": "hash:t", "body_checks": "hash:t"}
    assert Prepared(MAIL, settings, tables=tables).preparation.refusal is None
    message = envelope()
    message.overrides = frozenset({"no_header_body_checks"})
    policy = ContentPolicy(Settings.of(SETTINGS | settings), FakeLookups(tables=tables))
    assert not policy.start(message, local=False, info=print, warning=print).checked


def test_body_checks_see_the_beginning_of_each_part_only() -> None:
    body = b"\r\n" + b"x" * 98 + b"\r\nlate\r\n"
    for limit, refused in (("99", False), ("200", True)):
        prepared = Prepared(body, {"body_checks": "hash:t", "body_checks_size_limit": limit},
                            tables={"hash:t": {"late": "REJECT"}})
        assert (prepared.preparation.refusal is not None) is refused


LINES = [b"A: b\r\n", b" c\r\n", b"\r\n", b"--x\r\n", b"--x--\r\n", b"text", b"\r\n", b"\n", b"\r",
         b"Content-Type: multipart/mixed; boundary=x\r\n", b"Content-Type: message/rfc822\r\n"]  # fmt: skip


@given(st.lists(st.sampled_from(LINES), max_size=30), st.integers(1, 50))
def test_structure_loses_no_byte_and_does_not_care_how_it_was_cut(lines: list[bytes], size: int) -> None:
    body = b"".join(lines)
    whole, cut = Structure(), Structure()
    units = [*whole.feed(body), *whole.finish()]
    pieces = [unit for at in range(0, len(body), size) for unit in cut.feed(body[at:at + size])] + list(cut.finish())
    assert b"".join(unit.raw for unit in units) == body
    assert pieces == units


def test_received_headers() -> None:
    origin = Origin("c.example", "2001:db8::1", helo="[x]", protocol="ESMTPSA", sasl_username="j(o")
    date = mail_date(0)
    one, two = [Recipient("a b@example.org")], [Recipient("a"), Recipient("b")]
    head = "Received: from [x] (c.example [IPv6:2001:db8::1])\r\n\t"
    by = "by mx (Postfix) with ESMTPSA id Q"
    assert Naming("mx", "Postfix").received(origin, "Q", one, 0).decode() == (
        f'{head}{by}\r\n\tfor <"a b"@example.org>; {date}\r\n')
    assert Naming("mx", "Postfix").received(origin, "Q", two, 0).decode() == f"{head}{by};\r\n\t{date}\r\n"
    tls = TlsSeen("TLSv1.3", "C", 256, 256, asked=True)
    assert Naming("mx", "Postfix", True, True).received(origin, "Q", two, 0, tls).decode() == (
        f"{head}(using TLSv1.3 with cipher C (256/256 bits))\r\n\t(Client did not present a certificate)"
        f"\r\n\t(Authenticated sender: j(o))\r\n\t{by};\r\n\t{date}\r\n")
    assert Naming("mx", "Postfix", hide_client=True).received(origin, "Q", two, 0).decode() == (
        f"Received: by mx (Postfix) id Q;\r\n\t{date}\r\n")
