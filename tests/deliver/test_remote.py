"""Handing over to servers that behave and servers that do not."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import replace
from pathlib import Path

import pytest

from gatepost.deliver.remote import Remote
from gatepost.deliver.remote_options import Limits, RemoteOptions
from gatepost.deliver.result import Result
from gatepost.deliver.tls_policy import TlsFiles
from gatepost.lookup.ask import DnsFailure, DnsStatus
from gatepost.lookup.fake import FakeLookups
from tests import kit
from tests.deliver.peer import Peer, Text, envelope
from tests.kit import free_port

OPTIONS = RemoteOptions(helo="me.example", myhostname="me.example")
OK = "250 2.0.0 Ok: queued as PEER"


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    files = tmp_path / "cert.pem", tmp_path / "key.pem"
    for file, text in zip(files, kit.certificate(), strict=True):
        file.write_bytes(text)
    return files


async def deliver(peer: Peer, *recipients: str, options: RemoteOptions = OPTIONS, content: Text | None = None,
                  lookups: FakeLookups | None = None, **more: object) -> list[Result]:
    remote = Remote(replace(options, lmtp=peer.lmtp), lookups or FakeLookups())
    message = envelope(*recipients, **more)  # type: ignore[arg-type]
    try:
        return await remote.deliver(message, message.recipients, content or Text(), peer.nexthop)
    finally:
        remote.close()


@pytest.mark.asyncio
async def test_a_message_is_handed_over_as_it_is_with_dots_doubled() -> None:
    async with Peer() as peer:
        [result] = await deliver(peer, "c@d.example")
    assert (result.status, result.dsn, result.text) == ("sent", "2.0.0", OK)
    assert result.relay == f"127.0.0.1[127.0.0.1]:{peer.port}" and result.service == "smtp"
    assert peer.messages == [b"Subject: x\r\n\r\n..dot\r\nbody\r\n"]
    assert peer.lines[:4] == ["EHLO me.example", "MAIL FROM:<a@b.example> SIZE=30", "RCPT TO:<c@d.example>", "DATA"]


REFUSALS = [
    ("a refused recipient bounces", {"RCPT TO:<c@d>": "550 5.1.1 no such user"}, "bounced", "5.1.1",
     "host {peer} said: 550 5.1.1 no such user (in reply to RCPT TO command)"),
    ("a busy mailbox waits", {"RCPT TO:<c@d>": "452 4.2.2 full"}, "deferred", "4.2.2",
     "host {peer} said: 452 4.2.2 full (in reply to RCPT TO command)"),
    ("552 to RCPT means too many recipients", {"RCPT TO:<c@d>": "552 enough"}, "deferred", "4.5.3",
     "host {peer} said: 552 enough (in reply to RCPT TO command)"),
    ("a refused sender bounces", {"MAIL FROM:<a@b.example> SIZE=30": "554 go away"}, "bounced", "5.0.0",
     "host {peer} said: 554 go away (in reply to MAIL FROM command)"),
    ("refused content bounces", {".": "554 5.7.1 spam\nreally"}, "bounced", "5.7.1",
     "host {peer} said: 554 5.7.1 spam really (in reply to end of DATA command)"),
    ("content may wait", {".": "451 4.3.0 later"}, "deferred", "4.3.0",
     "host {peer} said: 451 4.3.0 later (in reply to end of DATA command)"),
    ("refused DATA", {"DATA": "503 5.5.1 no"}, "bounced", "5.5.1",
     "host {peer} said: 503 5.5.1 no (in reply to DATA command)"),
    ("a refusing greeting is not for ever", {"CONNECT": "554 no service"}, "deferred", "4.0.0",
     "host {peer} refused to talk to me: 554 no service"),
    ("a busy greeting", {"CONNECT": "421 4.3.2 busy"}, "deferred", "4.3.2",
     "host {peer} refused to talk to me: 421 4.3.2 busy"),
    ("no greeting at all", {"CONNECT": None}, "deferred", "4.4.2",
     "lost connection with {peer} while receiving the initial server greeting"),
    ("gone at RCPT", {"RCPT TO:<c@d>": None}, "deferred", "4.4.2", "lost connection with {peer} while sending RCPT TO"),
    ("gone after the dot", {".": None}, "deferred", "4.4.2",
     "lost connection with {peer} while sending end of data -- message may be sent more than once"),
    ("not SMTP", {"CONNECT": "SSH-2.0 hello"}, "deferred", "4.5.0",
     "non-SMTP response from {peer} while receiving the initial server greeting: SSH-2.0 hello"),
]


@pytest.mark.asyncio
@pytest.mark.parametrize(("what", "says", "status", "dsn", "text"), REFUSALS, ids=[case[0] for case in REFUSALS])
async def test_what_a_server_refuses(what: str, says: dict[str, str | None], status: str, dsn: str, text: str) -> None:
    async with Peer(says) as peer:
        [result] = await deliver(peer, "c@d")
    assert (result.status, result.dsn, result.text) == (status, dsn, text.format(peer="127.0.0.1[127.0.0.1]"))


@pytest.mark.asyncio
async def test_recipients_have_fates_of_their_own() -> None:
    async with Peer({"RCPT TO:<no@d>": "550 no", "RCPT TO:<later@d>": "450 later"}) as peer:
        results = await deliver(peer, "yes@d", "no@d", "later@d")
    assert [result.status for result in results] == ["sent", "bounced", "deferred"]
    assert [result.recipient.address for result in results] == ["yes@d", "no@d", "later@d"]


@pytest.mark.asyncio
async def test_lmtp_over_a_unix_socket_tells_each_recipient_apart(tmp_path: Path) -> None:
    async with Peer({".1": "452 4.2.2 full"}, lmtp=True, path=str(tmp_path / "lmtp")) as peer:
        one, two, three = await deliver(peer, "a@d", "b@d", "c@d")
    assert [one.status, two.status, three.status] == ["sent", "deferred", "sent"]
    assert one.relay == f"me.example[{peer.path}]" and one.service == "lmtp"
    assert peer.lines[0] == "LHLO me.example"


@pytest.mark.asyncio
async def test_nobody_listens() -> None:
    peer = Peer(port=free_port())
    [result] = await deliver(peer, "c@d")
    assert (result.status, result.dsn, result.relay) == ("deferred", "4.4.1", "none")
    assert result.text == f"connect to 127.0.0.1[127.0.0.1]:{peer.port}: Connection refused"


@pytest.mark.asyncio
async def test_connections_are_kept_and_used_again() -> None:
    async with Peer() as peer:
        remote = Remote(OPTIONS, FakeLookups())
        for number in range(3):
            message = envelope(f"r{number}@d")
            [result] = await remote.deliver(message, message.recipients, Text(), peer.nexthop)
            assert result.status == "sent"
        remote.close()
    assert peer.connections == 1 and len(peer.messages) == 3 and "RSET" not in peer.lines


class Once(dict[str, str | None]):
    """Replies that are given once."""

    def get(self, key: str, default: str | None = None) -> str | None:  # type: ignore[override]
        return self.pop(key, default)


@pytest.mark.asyncio
@pytest.mark.parametrize("reply", ["421 4.4.2 idle too long", None])
async def test_a_kept_connection_that_died_costs_nothing(reply: str | None) -> None:
    async with Peer(Once({"MAIL FROM:<x@y> SIZE=30": reply})) as peer:
        remote = Remote(OPTIONS, FakeLookups())
        first, second = envelope("one@d"), envelope("two@d", sender="x@y")
        await remote.deliver(first, first.recipients, Text(), peer.nexthop)
        [result] = await remote.deliver(second, second.recipients, Text(), peer.nexthop)
        remote.close()
    assert result.status == "sent" and peer.connections == 2


@pytest.mark.asyncio
async def test_xforward_tells_where_a_message_came_from() -> None:
    async with Peer(offers=["PIPELINING", "XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE"]) as peer:
        await deliver(peer, "c@d", options=replace(OPTIONS, xforward=True))
    assert peer.lines[1] == ("XFORWARD NAME=client.example ADDR=192.0.2.1 PORT=4711 PROTO=ESMTP HELO=helo.example "
                             "IDENT=QID1 SOURCE=REMOTE")


def server_tls(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


@pytest.mark.asyncio
async def test_tls_when_offered_and_injected_plaintext_is_thrown_away(certificate: tuple[Path, Path]) -> None:
    offers = ["PIPELINING", "STARTTLS"]
    async with Peer(offers=offers, tls=server_tls(*certificate), injects=b"250-x\r\n250 SIZE 1\r\n") as peer:
        [result] = await deliver(peer, "c@d", options=replace(OPTIONS, tls="may"))
    assert result.status == "sent"
    assert peer.lines[:3] == ["EHLO me.example", "STARTTLS", "EHLO me.example"]


@pytest.mark.asyncio
async def test_tls_levels(certificate: tuple[Path, Path]) -> None:
    trusted = TlsFiles(ca_file=str(certificate[0]))
    for level, files, match, status, text in [
        ("encrypt", TlsFiles(), ("hostname",), "sent", OK),
        ("verify", TlsFiles(), ("hostname",), "deferred", "Server certificate not trusted"),
        ("verify", trusted, ("hostname",), "deferred", "Server certificate not verified"),
        ("verify", trusted, ("mx.example.test",), "sent", OK),
    ]:
        async with Peer(offers=["STARTTLS"], tls=server_tls(*certificate)) as peer:
            [result] = await deliver(peer, "c@d", options=replace(OPTIONS, tls=level, tls_files=files,
                                                                  verify_match=match))
        assert result.status == status and result.text.startswith(text), (level, result)


@pytest.mark.asyncio
async def test_plaintext_where_tls_fails_and_is_not_required() -> None:
    broken = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)  # no certificate: every handshake fails
    for level, status, connections in [("may", "sent", 2), ("encrypt", "deferred", 1)]:
        async with Peer(offers=["STARTTLS"], tls=broken) as peer:
            [result] = await deliver(peer, "c@d", options=replace(OPTIONS, tls=level))
        assert (result.status, peer.connections) == (status, connections), level
    async with Peer() as peer:
        [result] = await deliver(peer, "c@d", options=replace(OPTIONS, tls="encrypt"))
    assert result.text == "TLS is required, but was not offered by host 127.0.0.1[127.0.0.1]"


@pytest.mark.asyncio
async def test_passwords_are_found_by_next_hop() -> None:
    async with Peer({"AUTH PLAIN AGpvZQBzOmVjcmV0": "235 2.7.0 ok"}, offers=["AUTH PLAIN"]) as peer:
        lookups = FakeLookups(tables={"hash:pw": {peer.nexthop: "joe:s:ecret"}})
        options = replace(OPTIONS, password_maps=("hash:pw",), plaintext_auth=True)
        [result] = await deliver(peer, "c@d", options=options, lookups=lookups)
        assert result.status == "sent"
        peer.says = {"AUTH PLAIN AGpvZQBzOmVjcmV0": "535 5.7.8 wrong"}
        [result] = await deliver(peer, "c@d", options=options, lookups=lookups)
    assert (result.status, result.dsn) == ("deferred", "4.7.8")
    assert result.text == "SASL authentication failed; server 127.0.0.1[127.0.0.1] said: 535 5.7.8 wrong"


@pytest.mark.asyncio
async def test_a_broken_spool_never_looks_like_the_end_of_a_message() -> None:
    async with Peer() as peer:
        with pytest.raises(OSError, match="spool is broken"):
            await deliver(peer, "c@d", content=Text(b"x" * 100_000, broken=True))
        await asyncio.sleep(0)
    assert peer.messages == []


@pytest.mark.asyncio
async def test_a_silent_server_is_left() -> None:
    limits = Limits(connect=5, seconds={**Limits().seconds, "CONNECT": 0.05})
    silent = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    [result] = await deliver(Peer(port=port), "c@d", options=replace(OPTIONS, limits=limits))
    silent.close()
    assert result.text == "conversation with 127.0.0.1[127.0.0.1] timed out while receiving the initial server greeting"


@pytest.mark.asyncio
async def test_the_next_server_is_tried() -> None:
    async with Peer({"RCPT TO:<a@d>": "450 later", "RCPT TO:<b@d>": "550 never"}) as first, Peer() as second:
        remote = Remote(OPTIONS, FakeLookups())
        message = envelope("a@d", "b@d", "c@d")
        nexthop = f"[127.0.0.1]:{free_port()}, {first.nexthop}, {second.nexthop}"
        results = await remote.deliver(message, message.recipients, Text(), nexthop)
        remote.close()
    assert [result.status for result in results] == ["sent", "bounced", "sent"]
    assert [line for line in second.lines if line.startswith("RCPT")] == ["RCPT TO:<a@d>"]


@pytest.mark.asyncio
async def test_names_that_lead_nowhere() -> None:
    lookups = FakeLookups(mx={"null.example": [(0, "")],
                              "slow.example": DnsFailure(DnsStatus.TRY_AGAIN, "slow.example")})
    remote = Remote(OPTIONS, lookups)
    for nexthop, status, dsn, text in [
        ("null.example", "bounced", "5.1.10", "Domain null.example does not accept mail (nullMX)"),
        ("none.example", "bounced", "5.4.4",
         "Host or domain name not found. Name service error for name=none.example type=A: Host not found"),
        ("slow.example", "deferred", "4.4.3",
         "Host or domain name not found. Name service error for name=slow.example type=MX: Host not found, try again"),
    ]:
        message = envelope("a@d")
        [result] = await remote.deliver(message, message.recipients, Text(), nexthop)
        assert (result.status, result.dsn, result.text) == (status, dsn, text)
