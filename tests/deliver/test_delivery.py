"""The whole way out: expansion, routing, agents, on a configuration as operators write it."""

from __future__ import annotations

import asyncio
import os
import pwd
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gatepost.config.load import loads
from gatepost.deliver.delivery import Deliverer
from gatepost.deliver.envelope import Envelope, Recipient
from gatepost.deliver.result import Destination, Result
from gatepost.lookup.fake import FakeLookups
from tests.deliver.peer import Peer, Text, envelope
from tests.kit import free_port, needs, program, wait_listening

ME = pwd.getpwuid(os.getuid())
OWNER = ME.pw_uid or 65534
MASTER = """\
smtp       unix - - n - - smtp
relay      unix - - n - - smtp
lmtp       unix - - n - - lmtp
local      unix - n n - - local
virtual    unix - n n - - virtual
error      unix - - n - - error
retry      unix - - n - - error
discard    unix - - n - - discard
smtp-amavis unix - - n - 2 smtp
  -o smtp_data_done_timeout=1200
  -o smtp_send_xforward_command=yes
  -o disable_dns_lookups=yes
  -o max_use=20
  -o smtp_tls_security_level=none
script     unix - n n - - pipe flags=R argv=/bin/true
"""
MAIN = f"""\
myhostname = mx.example
mydestination = mx.example
inet_interfaces = loopback-only
alias_maps = hash:aliases
virtual_alias_maps = hash:virtual
transport_maps = hash:transport
relayhost =
virtual_mailbox_domains = box.example
virtual_mailbox_maps = hash:boxes
virtual_uid_maps = static:{OWNER}
virtual_gid_maps = static:{OWNER}
virtual_minimum_uid = 1
"""
TABLES = {
    "hash:aliases": {"all": f"{ME.pw_name}, friend@away.example", "null": "/dev/null"},
    "hash:virtual": {"both@box.example": "joe@box.example, gone@box.example"},
    "hash:boxes": {"joe@box.example": "joe/", "evil@box.example": "../../evil/", "joe2@box.example": "joe2"},
    "hash:transport": {"thrown.example": "discard:silently", "no.example": "error:5.7.1 not here",
                       "wait.example": "retry:4.2.1 later", "piped.example": "script:", "odd.example": "unheard-of:x"},
}


def run(main: str, *recipients: str, message: Envelope | None = None, content: Text | None = None) -> list[Result]:
    async def play() -> list[Result]:
        deliverer = Deliverer(loads(MAIN + main, MASTER), FakeLookups(tables=TABLES))
        try:
            given = message or envelope(*recipients)
            return await deliverer.deliver(given, given.recipients, content or Text())
        finally:
            await deliverer.close()

    return asyncio.run(play())


@pytest.mark.parametrize(("address", "status", "dsn", "text", "service"), [
    ("a@thrown.example", "sent", "2.0.0", "silently", "discard"),
    ("a@no.example", "bounced", "5.7.1", "not here", "error"),
    ("a@wait.example", "deferred", "4.2.1", "later", "retry"),
    ("a@odd.example", "deferred", "4.3.0", "mail transport unavailable: unheard-of is not in master.cf", "error"),
    ("a@piped.example", "deferred", "4.3.0", "transport script with command pipe is not supported", "error"),
    ("a@b..c", "bounced", "5.1.3", "bad address syntax", "error"),
])
def test_what_needs_no_waiting_does_not_suspend(address: str, status: str, dsn: str, text: str, service: str) -> None:
    deliverer = Deliverer(loads(MAIN, MASTER), FakeLookups(tables=TABLES))
    message = envelope(address)
    with pytest.raises(StopIteration) as end:
        deliverer.deliver(message, message.recipients, Text()).send(None)
    [result] = end.value.value
    assert (result.status, result.dsn, result.text, result.service) == (status, dsn, text, service)


def test_virtual_mailboxes(tmp_path: Path) -> None:
    base = tmp_path / "vmail"
    base.mkdir()
    results = run(f"virtual_mailbox_base = {base}\n", "both@box.example", "evil@box.example", "joe2@box.example")
    assert [(result.status, result.dsn, result.text) for result in results] == [
        ("sent", "2.0.0", "delivered to maildir"),
        ("bounced", "5.1.1", 'unknown user: "gone@box.example"'),
        ("deferred", "4.2.0", f"maildir delivery failed: {base}/../../evil/: unsafe mailbox path: ../../evil/"),
        ("sent", "2.0.0", "delivered to mailbox")]
    [file] = (base / "joe/new").iterdir()
    assert file.stat().st_uid == (base / "joe").stat().st_uid == (base / "joe2").stat().st_uid == OWNER
    assert b"X-Original-To: both@box.example\nDelivered-To: joe@box.example\n" in file.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["vmail"]


def test_a_mailbox_of_a_system_user_is_refused(tmp_path: Path) -> None:
    [result] = run(f"virtual_mailbox_base = {tmp_path}\nvirtual_uid_maps = static:7\nvirtual_minimum_uid = 100\n",
                   "joe@box.example")
    assert (result.status, result.dsn) == ("deferred", "4.3.5") and "bad uid 7" in result.text


def test_aliases_and_users_and_files(tmp_path: Path) -> None:
    results = run(f"mail_spool_directory = {tmp_path}/\n", "nobody-here@mx.example", "null@mx.example")
    assert [(result.status, result.dsn, result.text) for result in results] == [
        ("bounced", "5.1.1", 'unknown user: "nobody-here"'), ("sent", "2.0.0", "delivered to file: /dev/null")]
    [result] = run(f"mail_spool_directory = {tmp_path}/\n", f"{ME.pw_name}@mx.example")
    assert (result.status, result.text, result.relay) == ("sent", "delivered to maildir", "local")
    [file] = (tmp_path / ME.pw_name / "new").iterdir()
    name = f"{ME.pw_name}@mx.example"
    assert file.read_text() == (f"Return-Path: <a@b.example>\nX-Original-To: {name}\nDelivered-To: {name}\n"
                                "Subject: x\n\n.dot\nbody\n")
    again = Text(f"Delivered-To: {name}\r\nSubject: x\r\n\r\nx\r\n".encode())
    [result] = run(f"mail_spool_directory = {tmp_path}/\n", name, content=again)
    assert (result.status, result.dsn, result.text) == ("bounced", "5.4.6", f"mail forwarding loop for {name}")


def test_an_alias_leads_to_a_user_here_and_a_friend_elsewhere(tmp_path: Path) -> None:
    async def play() -> None:
        async with Peer() as peer:
            main = f"mail_spool_directory = {tmp_path}/\nrelayhost = {peer.nexthop}\n"
            deliverer = Deliverer(loads(MAIN + main, MASTER), FakeLookups(tables=TABLES))
            message = envelope("all@mx.example")
            results = await deliverer.deliver(message, message.recipients, Text())
            assert [(one.recipient.address, one.recipient.original, one.status) for one in results] == [
                (f"{ME.pw_name}@mx.example", "all@mx.example", "sent"),
                ("friend@away.example", "all@mx.example", "sent")]
            assert "RCPT TO:<friend@away.example>" in peer.lines
            await deliverer.close()

    asyncio.run(play())


def test_large_messages_are_written_in_pieces(tmp_path: Path) -> None:
    content = Text(b"Subject: x\r\n\r\n" + b"0123456789\r\n" * 300_000)
    [result] = run(f"virtual_mailbox_base = {tmp_path}\n", "joe@box.example", content=content)
    [file] = (tmp_path / "joe/new").iterdir()
    assert result.status == "sent" and file.read_bytes().endswith(content.data.replace(b"\r\n", b"\n"))
    [result] = run(f"virtual_mailbox_base = {tmp_path}\n", "joe@box.example",
                   content=Text(content.data, broken=True))
    assert result.status == "deferred" and len(list((tmp_path / "joe/new").iterdir())) == 1
    assert list((tmp_path / "joe/tmp").iterdir()) == []


def test_the_filter_gets_the_whole_message_with_virtual_aliases_expanded() -> None:
    async def play() -> None:
        async with Peer(offers=["PIPELINING", "XFORWARD NAME ADDR"]) as peer:
            deliverer = Deliverer(loads(MAIN, MASTER), FakeLookups(tables=TABLES))
            message = envelope("both@box.example", "all@mx.example", "x@thrown.example",
                               content_filter=f"smtp-amavis:{peer.nexthop}")
            results = await deliverer.deliver(message, message.recipients, Text())
            assert [result.status for result in results] == ["sent"] * 4
            assert [line for line in peer.lines if line.startswith(("XF", "RCPT"))] == [
                "XFORWARD NAME=client.example ADDR=192.0.2.1", "RCPT TO:<joe@box.example>",
                "RCPT TO:<gone@box.example>", "RCPT TO:<all@mx.example>", "RCPT TO:<x@thrown.example>"]
            raw = envelope("both@box.example", content_filter=f"smtp-amavis:{peer.nexthop}",
                           overrides=frozenset({"no_address_mappings"}))
            await deliverer.deliver(raw, raw.recipients, Text())
            assert peer.lines[-2] == "RCPT TO:<both@box.example>"
            assert await deliverer.route(raw, Recipient("x@y")) == Destination("smtp-amavis", peer.nexthop)
            await deliverer.close()

    asyncio.run(play())


def test_closing_lets_running_deliveries_end(tmp_path: Path) -> None:
    async def play() -> None:
        deliverer = Deliverer(loads(MAIN + f"virtual_mailbox_base = {tmp_path}\n", MASTER), FakeLookups(tables=TABLES))
        message = envelope("joe@box.example")
        content = Text(b"0123456789\r\n" * 300_000)
        running = asyncio.ensure_future(deliverer.deliver(message, message.recipients, content))
        await asyncio.sleep(0)
        await deliverer.close()
        assert not running.done()
        assert [result.status for result in await running] == ["sent"]

    asyncio.run(play())


@pytest.fixture
def sink() -> Iterator[object]:
    """smtp-sink processes, ended with the test."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*options: str) -> int:
        port = free_port()
        process = subprocess.Popen([program("smtp-sink") or "", *options, f"127.0.0.1:{port}", "100"])
        started.append(process)
        assert wait_listening(port, 10, lambda: process.poll() is None)
        return port

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.peer
@needs("smtp-sink")
@pytest.mark.parametrize(("agent", "options"), [
    ("smtp", ()), ("smtp", ("-e",)), ("smtp", ("-p",)), ("smtp", ("-8",)), ("lmtp", ("-L",)), ("smtp", ("-E",)),
])
def test_postfix_sink_takes_it(sink, agent: str, options: tuple[str, ...]) -> None:  # type: ignore[no-untyped-def]
    port = sink(*(["-u", ME.pw_name] if os.getuid() == 0 else []), *options)
    main = f"transport_maps = inline:{{ {{ far.example = {agent}:[127.0.0.1]:{port} }} }}\n"
    results = run(main, "a@far.example", "b@far.example")
    assert [result.status for result in results] == ["sent", "sent"], results
    assert results[0].service == agent


@pytest.mark.asyncio
async def test_mail_to_our_own_probe_sender_is_thrown_away(tmp_path: Path) -> None:
    deliverer = Deliverer(loads(MAIN, MASTER), FakeLookups(tables=TABLES))
    message = envelope("double-bounce@mx.example")
    [result] = await deliverer.deliver(message, message.recipients, Text())
    assert (result.status, result.text) == ("sent", "undeliverable postmaster notification discarded")
    await deliverer.close()
