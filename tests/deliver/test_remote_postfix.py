"""A real Postfix as next hop: pipelining, TLS, XFORWARD, refusals, and a large message."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from gatepost.deliver.remote import Remote
from gatepost.deliver.remote_options import RemoteOptions
from gatepost.deliver.result import Result
from gatepost.dialogue.format import parse
from gatepost.lookup.fake import FakeLookups
from tests import lab
from tests.deliver.peer import Text, envelope
from tests.kit import needs, wait_for

CASE = """\
# next hop
config: smtpd_tls_security_level = may
config: smtpd_tls_cert_file = $config_directory/cert.pem
config: smtpd_tls_key_file = $config_directory/key.pem
config: smtpd_authorized_xforward_hosts = 127.0.0.1
config: smtpd_relay_restrictions = reject_unauth_destination
config: message_size_limit = 5000000
---
"""
OPTIONS = RemoteOptions(helo="me.example")


@pytest.mark.peer
@needs("postfix", root=True)
def test_postfix_takes_and_refuses_mail() -> None:
    with lab.postfix(parse(CASE, "next-hop")) as (port, root):
        asyncio.run(_play(f"[127.0.0.1]:{port}"))
        log = root / "maillog"
        assert wait_for(lambda: "orig_client=client.example[192.0.2.1]" in log.read_text(), 5)
        assert "improper command pipelining" not in log.read_text()


async def _play(nexthop: str) -> None:
    for options in (OPTIONS, replace(OPTIONS, pipelining=False), replace(OPTIONS, tls="encrypt"),
                    replace(OPTIONS, xforward=True)):
        remote = Remote(options, FakeLookups())
        for _ in range(2):  # the second over the kept connection
            results = await _send(remote, nexthop, Text(), "user@example.test", "nobody@example.test", "x@away.test")
            assert [(result.status, result.dsn) for result in results] == [
                ("sent", "2.0.0"), ("bounced", "5.1.1"), ("bounced", "5.7.1")], results
            assert results[0].text.startswith("250 2.0.0 Ok: queued as ")
            assert results[1].text == (
                "host 127.0.0.1[127.0.0.1] said: 550 5.1.1 <nobody@example.test>: Recipient address rejected: User "
                "unknown in local recipient table (in reply to RCPT TO command)")
        remote.close()
    remote = Remote(OPTIONS, FakeLookups())
    large = Text(b"Subject: x\r\n\r\n" + b"0123456789abcde\r\n" * 250_000)
    [result] = await _send(remote, nexthop, large, "user@example.test")
    assert result.status == "sent"
    message = envelope("user@example.test")
    message.size = 5_000_001
    [result] = await remote.deliver(message, message.recipients, Text(), nexthop)
    assert (result.status, result.dsn) == ("bounced", "5.3.4")
    remote.close()


async def _send(remote: Remote, nexthop: str, content: Text, *recipients: str) -> list[Result]:
    message = envelope(*recipients)
    return await remote.deliver(message, message.recipients, content, nexthop)
