"""Who the client is said to be, where a server listens, limits, and the services it asks: all through a real server."""

from __future__ import annotations

import contextlib
import socket
import struct

import pytest

from tests.kit import free_port
from tests.lookup.name_server import SILENT, NameServer, Zone
from tests.server.house import FROM, TO, House, Talk, house
from tests.server.scripted import PolicyService, name_server
from tests.serving import Warm

PROXY = ["smtpd_upstream_proxy_protocol=haproxy"]
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def version2(client: str, server: str = "127.0.0.1", *, command: int = 1) -> bytes:
    family = socket.AF_INET6 if ":" in client else socket.AF_INET
    addresses = socket.inet_pton(family, client) + socket.inet_pton(family, server) + struct.pack("!HH", 4711, 25)
    kind = 0x21 if family == socket.AF_INET6 else 0x11
    return SIGNATURE + bytes([0x20 | command, kind]) + struct.pack("!H", len(addresses)) + addresses


@pytest.mark.parametrize(("header", "seen"), [
    (b"PROXY TCP4 203.0.113.7 127.0.0.1 4711 25\r\n", "203.0.113.7"),
    (b"PROXY TCP6 2001:db8::7 ::1 4711 25\r\n", "2001:db8::7"),
    (version2("203.0.113.8"), "203.0.113.8"),
    (version2("2001:db8::8", "::1"), "2001:db8::8"),
    (version2("203.0.113.9", command=0), "127.0.0.1"),
], ids=["v1-ipv4", "v1-ipv6", "v2-ipv4", "v2-ipv6", "v2-local"])
def test_proxy_protocol(warm: Warm, header: bytes, seen: str) -> None:
    with house(warm, ["gatepost_trusted_proxies = 127.0.0.1, 192.0.2.0/24"], PROXY) as running:
        with running.talk(greeted=False) as client:
            for byte in header[:-1]:
                client.send(bytes([byte]))
            client.send(header[-1:])
            assert client.read().startswith("220 mx.example.test")
            assert client.say("EHLO client.test").startswith("250-")
            assert client.mail().startswith("250 2.0.0")
        assert f"connect from unknown[{seen}]" in running.log()
        address = f"IPv6:{seen}" if ":" in seen else seen
        assert f"Received: from client.test (unknown [{address}])".encode() in next(running.spooled())


@pytest.mark.parametrize(("trusted", "header", "reason"), [
    ("192.0.2.0/24", b"PROXY TCP4 203.0.113.7 127.0.0.1 4711 25\r\n", "untrusted proxy"),
    ("127.0.0.1", b"EHLO client.test\r\n", "unrecognized protocol header"),
    ("127.0.0.1", b"PROXY TCP4 203.0.113.7\r\n", ""),
    ("127.0.0.1", SIGNATURE + b"\x41\x11\0\x0c" + b"\0" * 12, ""),
], ids=["untrusted", "none", "broken", "version-4"])
def test_proxy_headers_that_are_refused(warm: Warm, trusted: str, header: bytes, reason: str) -> None:
    with house(warm, [f"gatepost_trusted_proxies = {trusted}"], PROXY) as running:
        with running.talk(greeted=False) as client:
            with contextlib.suppress(OSError):
                client.send(header)
            assert client.read() == "421 4.3.0 mx.example.test Server local error"
            assert client.ended()
        assert running.logged(f"warning: haproxy read: {reason}")


def test_xclient(warm: Warm) -> None:
    settings = ["smtpd_authorized_xclient_hosts = 127.0.0.1", "smtpd_authorized_xforward_hosts = 127.0.0.1",
                "smtpd_client_restrictions = check_client_access inline:{ bad.test=REJECT }", "smtpd_delay_reject = no"]
    with house(warm, settings) as running:
        with running.talk() as client:
            assert client.say("XCLIENT NAME=good.test ADDR=203.0.113.9").startswith("220 mx.example.test")
            client.say("EHLO real.test")
            assert client.mail().startswith("250 2.0.0")
            assert client.say("XCLIENT NAME=again.test").startswith("550 5.7.0"), "the new identity has no such right"
            assert client.say("XFORWARD NAME=far.test") == "250 2.0.0 Ok", "that one is the peer's, as Postfix has it"
        with running.talk() as client:
            refused = client.say("XCLIENT NAME=bad.test ADDR=203.0.113.10")
            assert refused == "554 5.7.1 <bad.test[203.0.113.10]>: Client host rejected: Access denied"
        assert "client=good.test[203.0.113.9]" in running.log()
        running.settings.append("smtpd_authorized_xclient_hosts = 192.0.2.1")
        running.write()
        running.reload()
        with running.talk() as client:
            assert "XCLIENT" not in client.say("EHLO client.test")
            assert client.say("XCLIENT NAME=x.test").startswith("550 5.7.0")


def test_a_unix_service(warm: Warm) -> None:
    with house(warm, services=["smtpin unix n - n - - smtpd"]) as running:
        path = str(running.root / "queue" / "public" / "smtpin")
        with Talk(path) as client:
            assert client.read().startswith("220 mx.example.test")
            client.say("EHLO client.test")
            assert client.mail().startswith("250 2.0.0")
            client.say("QUIT")
        assert running.logged("disconnect from")
        running.services = []
        running.write()
        running.reload()
        with pytest.raises(OSError):
            Talk(path)


def test_ipv6(warm: Warm) -> None:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("not here: IPv6")
    port = free_port()
    with house(warm, ["inet_protocols = all"], services=[f"[::1]:{port} inet n - n - - smtpd"]) as running:
        with Talk(("::1", port)) as client:
            assert client.read().startswith("220")
            client.say("EHLO client.test")
            assert client.mail().startswith("250 2.0.0")
        assert "connect from unknown[::1]" in running.log()
        assert b"(unknown [IPv6:::1])" in next(running.spooled())


def test_connections_at_once(warm: Warm) -> None:
    with house(warm, ["smtpd_client_connection_count_limit = 2"]) as running:
        with running.talk() as first, running.talk() as second:
            with running.talk(greeted=False) as third:
                assert third.read() == "421 4.7.0 mx.example.test Error: too many connections from 127.0.0.1"
                assert third.ended()
            assert first.say("NOOP") == second.say("NOOP") == "250 2.0.0 Ok"
            assert first.say("QUIT").startswith("221")
            assert first.ended()
            with running.talk() as again:
                assert again.say("NOOP") == "250 2.0.0 Ok"
        assert running.logged("warning: Connection concurrency limit exceeded: 3 from unknown[127.0.0.1] for service")


@pytest.mark.parametrize(("setting", "command", "reply"), [
    ("smtpd_client_message_rate_limit = 2", f"MAIL FROM:<{FROM}>", "450 4.7.1 Error: too much mail from 127.0.0.1"),
    ("smtpd_client_recipient_rate_limit = 2", f"RCPT TO:<{TO}>",
     "450 4.7.1 Error: too many recipients from 127.0.0.1"),
])
def test_rates(warm: Warm, setting: str, command: str, reply: str) -> None:
    with house(warm, [setting]) as running:
        for _ in range(2):
            with running.talk() as client:
                assert client.mail().startswith("250 2.0.0")
        with running.talk() as client:
            if command.startswith("RCPT"):
                client.say(f"MAIL FROM:<{FROM}>")
            assert client.say(command) == reply
        running.settings.append("smtpd_client_event_limit_exceptions = 127.0.0.0/8")
        running.write()
        running.reload()
        with running.talk() as client:
            assert client.mail().startswith("250 2.0.0")


def test_connection_rate(warm: Warm) -> None:
    with house(warm, ["smtpd_client_connection_rate_limit = 2"]) as running:
        for _ in range(2):
            running.talk().socket.close()
        with running.talk(greeted=False) as client:
            assert client.read() == "421 4.7.0 mx.example.test Error: too many connections from 127.0.0.1"


def test_timeouts(warm: Warm) -> None:
    said = "421 4.4.2 mx.example.test Error: timeout exceeded"
    with house(warm, ["smtpd_timeout = 1s"]) as running:
        with running.talk() as idle, running.talk() as halfway:
            halfway.say(f"MAIL FROM:<{FROM}>", f"RCPT TO:<{TO}>", "DATA")
            halfway.send(b"Subject: half\r\n")
            assert idle.read() == said and idle.ended()
            assert halfway.read() == said and halfway.ended()
        assert running.logged("timeout after EHLO from unknown[127.0.0.1]")
        assert running.logged("timeout after DATA (15 bytes) from unknown[127.0.0.1]")
        assert not list(running.spooled())


POLICY_PROBLEM = f"451 4.3.5 <{TO}>: Recipient address rejected: Server configuration problem"


def policy_house(warm: Warm, server: str) -> contextlib.AbstractContextManager[House]:
    return house(warm, [f"smtpd_recipient_restrictions = reject_unauth_destination, check_policy_service {server}, "
                        "check_recipient_access static:HOLD", "smtpd_end_of_data_restrictions = "
                        f"check_policy_service {server}", "smtpd_policy_service_retry_delay = 1s"])


@pytest.mark.parametrize("kind", ["unix", "inet"])
def test_a_policy_service(warm: Warm, kind: str) -> None:
    def answer(asked: dict[str, str]) -> str | None:
        if asked["protocol_state"] == "END-OF-MESSAGE":
            return "REJECT too big for us" if int(asked["size"]) > 5000 else "DUNNO"
        return {"other@example.test": "DEFER_IF_PERMIT come again", "user@example.test": "dunno"}[asked["recipient"]]

    service = PolicyService(answer)
    port = free_port()
    where = "unix:private/policy" if kind == "unix" else f"inet:127.0.0.1:{port}"
    with policy_house(warm, where) as running:
        (running.root / "queue" / "private").mkdir(exist_ok=True)
        path = str(running.root / "queue" / "private" / "policy")
        with running.talk() as client:
            assert client.mail() == POLICY_PROBLEM, "it is not there"
        with service.serving(path if kind == "unix" else ("127.0.0.1", port)), running.talk() as client:
            assert client.mail().startswith("250 2.0.0")
            assert client.mail(b"x" * 70 + b"\r\n" + b"y" * 6000 + b"\r\n") == \
                "554 5.7.1 <END-OF-MESSAGE>: End-of-data rejected: too big for us"
            assert client.mail(to="other@example.test") == \
                "450 4.7.1 <other@example.test>: Recipient address rejected: come again"
        first, second, *_ = service.asked
        assert {name: first[name] for name in ("request", "protocol_state", "protocol_name", "helo_name", "sender",
                                               "recipient", "client_address", "queue_id", "size")} == {
            "request": "smtpd_access_policy", "protocol_state": "RCPT", "protocol_name": "ESMTP",
            "helo_name": "client.test", "sender": FROM, "recipient": TO, "client_address": "127.0.0.1",
            "queue_id": "", "size": "0"}
        assert second["instance"] == first["instance"] and second["queue_id"] and second["size"] == "23"


def test_a_policy_service_that_hangs_up(warm: Warm) -> None:
    service = PolicyService(lambda asked: None)
    port = free_port()
    with service.serving(("127.0.0.1", port)), policy_house(warm, f"inet:127.0.0.1:{port}") as running:
        with running.talk() as client:
            assert client.mail() == POLICY_PROBLEM
            assert client.say("NOOP") == "250 2.0.0 Ok"
        assert running.logged("warning: ")


ZONE: Zone = {
    ("good.test", "A"): ["192.0.2.1"], ("good.test", "MX"): ["10 good.test."],
    ("broken.test", "A"): "SERVFAIL", ("broken.test", "MX"): "SERVFAIL", ("broken.test", "AAAA"): "SERVFAIL",
    ("silent.test", "A"): SILENT, ("silent.test", "MX"): SILENT, ("silent.test", "AAAA"): SILENT,
    ("null.test", "MX"): ["0 ."],
    ("1.0.0.127.bl.test", "A"): ["127.0.0.2"], ("1.0.0.127.bl.test", "TXT"): ['"listed for test"'],
    ("1.0.0.127.broken-bl.test", "A"): "SERVFAIL",
}


@pytest.mark.parametrize(("restriction", "helo", "sender", "wanted"), [
    ("reject_unknown_sender_domain", "good.test", "a@good.test", "250 2.1.5 Ok"),
    ("reject_unknown_sender_domain", "good.test", "a@none.test",
     "450 4.1.8 <a@none.test>: Sender address rejected: Domain not found"),
    ("reject_unknown_sender_domain", "good.test", "a@broken.test",
     "450 4.1.8 <a@broken.test>: Sender address rejected: Domain not found"),
    ("reject_unknown_sender_domain", "good.test", "a@silent.test",
     "450 4.1.8 <a@silent.test>: Sender address rejected: Domain not found"),
    ("reject_unknown_sender_domain", "good.test", "a@null.test",
     "550 5.7.27 <a@null.test>: Sender address rejected: Domain null.test does not accept mail (nullMX)"),
    ("reject_unknown_helo_hostname", "broken.test", "a@good.test",
     "450 4.7.1 <broken.test>: Helo command rejected: Host not found"),
    ("reject_unknown_helo_hostname", "none.test", "a@good.test",
     "450 4.7.1 <none.test>: Helo command rejected: Host not found"),
    ("reject_rbl_client bl.test", "good.test", "a@good.test", "554 5.7.1 Service unavailable; Client host [127.0.0.1] "
     "blocked using bl.test; listed for test"),
    ("reject_rbl_client broken-bl.test", "good.test", "a@good.test", "250 2.1.5 Ok"),
], ids=lambda value: value.split()[0] if isinstance(value, str) else "")
def test_dns(warm: Warm, restriction: str, helo: str, sender: str, wanted: str) -> None:
    with name_server(NameServer(ZONE)) as port:
        settings = [f"smtpd_sender_restrictions = {restriction}", f"gatepost_dns_servers = 127.0.0.1:{port}",
                    "gatepost_dns_timeout = 1s", "gatepost_dns_time_limit = 1s"]
        with house(warm, settings) as running, running.talk() as client:
            assert client.say(f"EHLO {helo}", f"MAIL FROM:<{sender}>", f"RCPT TO:<{TO}>") == wanted
            assert client.say("NOOP") == "250 2.0.0 Ok"
            if "broken-bl" in restriction:
                assert running.logged("RBL lookup error")
