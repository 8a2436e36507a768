"""The content-filter loop as docker-mailserver has it, with Debian's real amavisd-new in the middle.

A message comes in, goes to amavisd with XFORWARD, comes back on the re-injection listener, which has its own explicit
pipelining check and filters nothing again, and ends in a Maildir.
"""

from __future__ import annotations

import smtplib
import socket

import pytest

from tests.kit import free_port, needs, program, wait_for
from tests.lab import directory
from tests.peers.amavis import amavis
from tests.peers.place import Place, gateway

pytestmark = [pytest.mark.peer, needs("amavisd", root=True)]

_MASTER = """\
smtp-amavis unix - - n - 2 smtp
    -o smtp_send_xforward_command=yes
    -o smtp_tls_security_level=none
    -o smtp_dns_support_level=disabled
127.0.0.1:{back} inet n - n - - smtpd
    -o syslog_name=postfix/smtpd-amavis
    -o content_filter=
    -o smtpd_delay_reject=no
    -o smtpd_client_restrictions=permit_mynetworks,reject
    -o smtpd_helo_restrictions=
    -o smtpd_sender_restrictions=
    -o smtpd_relay_restrictions=
    -o smtpd_recipient_restrictions=permit_mynetworks,reject
    # What comes back goes through no other listener: the check is made here, or nowhere.
    -o smtpd_data_restrictions=reject_unauth_pipelining
    -o smtpd_end_of_data_restrictions=
    -o mynetworks=127.0.0.0/8
    -o smtpd_authorized_xforward_hosts=127.0.0.0/8
    -o receive_override_options=no_header_body_checks,no_unknown_recipient_checks,no_milters
"""


def blast(place: Place, port: int) -> bytes:
    """Talk out of turn on a port: the message behind DATA in one segment -> everything that was said."""
    with socket.create_connection(("127.0.0.1", port), 10) as client:
        heard = client.recv(4096)
        client.sendall(b"EHLO c.example\r\n")
        heard += client.recv(4096)
        client.sendall(b"MAIL FROM:<a@c.example>\r\nRCPT TO:<user@example.test>\r\nDATA\r\nSubject: x\r\n.\r\n")
        while part := client.recv(4096):
            heard += part
    return heard


def test_a_message_goes_round_the_filter_once() -> None:
    back = free_port()
    with directory() as home, amavis(home / "amavis", back) as filtering:
        config = [f"content_filter = smtp-amavis:[127.0.0.1]:{filtering}"]
        with gateway(config, _MASTER.format(back=back), [back]) as place:
            with smtplib.SMTP("127.0.0.1", place.port, timeout=10, source_address=("127.8.0.1", 0)) as client:
                client.ehlo("client.example")
                client.sendmail("a@client.example", ["user@example.test"], "Subject: round\r\n\r\nonce\r\n")
            (message,) = place.arrived(seconds=60)
            assert "Subject: round\n" in message and message.endswith("\nonce\n")
            assert message.count("\nReceived: ") + message.startswith("Received: ") >= 2, message
            log = place.logged("status=sent (delivered to maildir)")
            assert "orig_client=unknown[127.8.0.1]" in log, log  # XFORWARD went there and came back
            assert log.count("postfix/smtpd-amavis/smtpd") > 0
            assert wait_for(lambda: "250 2.0.0 from MTA" in place.log(), 10), place.log()
            assert len(place.mailbox()) == 1

            heard = blast(place, back)
            assert b"503 5.5.0 <DATA>: Data command rejected: Improper use of SMTP command pipelining" in heard
            assert len(place.mailbox()) == 1


def test_the_peer_is_debians() -> None:
    path = program("amavisd")
    assert path is not None and path.startswith("/usr/sbin/")
