"""STARTTLS, wrapper mode and logins through a real server."""

from __future__ import annotations

import base64
import ssl
from pathlib import Path

import pytest

from tests.dovecot import DovecotAuth
from tests.server.house import FROM, TO, house
from tests.server.test_serve_durability import message, tokens
from tests.serving import Warm

TLS = ["smtpd_tls_security_level = may", "smtpd_tls_cert_file = @ROOT@/conf/cert.pem",
       "smtpd_tls_key_file = @ROOT@/conf/key.pem", "smtpd_tls_received_header = yes"]
AUTH = ["smtpd_sasl_auth_enable = yes", "smtpd_sasl_type = dovecot", "smtpd_sasl_path = @ROOT@/queue/auth",
        "smtpd_recipient_restrictions = check_recipient_access static:HOLD"]


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


PLAIN = encoded("\0user@example.test\0secret")


def test_starttls(warm: Warm) -> None:
    with house(warm, TLS) as running, running.talk() as client:
        assert client.start_tls() == "220 2.0.0 Ready to start TLS"
        assert "STARTTLS" not in client.say("EHLO client.test")
        assert client.mail(message("small", 600)).startswith("250 2.0.0")
        assert client.mail(message("large", 3_000_000)).startswith("250 2.0.0")
        assert client.say("QUIT") == "221 2.0.0 Bye"
        assert tokens(running.spooled()) == {"small", "large"}
        assert all(b"with ESMTPS id" in content and b"(using TLSv1.3 with cipher " in content
                   for content in running.spooled())


def test_what_comes_behind_starttls_in_the_clear_is_thrown_away(warm: Warm) -> None:
    with house(warm, [*TLS, "smtpd_forbid_unauth_pipelining = no"]) as running:
        with running.talk() as client:
            client.send(b"STARTTLS\r\nMAIL FROM:<injected@client.test>\r\n")
            assert client.read().startswith("220 ")
            client.start_tls(wrapper=True)
            assert client.say("EHLO client.test").startswith("250-")
            assert client.say(f"RCPT TO:<{TO}>").startswith("503 5.5.1")
        assert running.logged("dropped behind STARTTLS from unknown[127.0.0.1]: 34 bytes: MAIL FROM:<injected@")


def test_new_tls_sessions_are_limited(warm: Warm) -> None:
    """The handshake beyond the limit is answered 421; after that STARTTLS itself is refused."""
    with house(warm, [*TLS, "smtpd_client_new_tls_session_rate_limit = 1", "mynetworks = 192.0.2.0/24"]) as running:
        with running.talk() as client:
            client.start_tls()
            assert client.say("NOOP") == "250 2.0.0 Ok"
        with running.talk() as client:
            client.start_tls()
            assert client.read().startswith("421 4.7.0 ")
        with running.talk() as client:
            client.say("EHLO client.test")
            assert client.say("STARTTLS").startswith("454 4.7.0 Error: too many new TLS sessions from unknown")
        assert running.logged("New TLS session rate limit exceeded: 2 from unknown[127.0.0.1] for service ")


def test_a_client_certificate_is_required(warm: Warm) -> None:
    with house(warm, [*TLS, "smtpd_tls_security_level = encrypt", "smtpd_tls_req_ccert = yes"]) as running:
        with running.talk() as client:
            client.start_tls()
            assert client.say("EHLO client.test").endswith("Error: No client certificate presented")
        assert running.logged("NOQUEUE: abort: TLS from unknown[127.0.0.1]: No client certificate presented")


def test_tls_is_enforced(warm: Warm) -> None:
    with house(warm, [*TLS, "smtpd_tls_security_level = encrypt"]) as running, running.talk() as client:
        assert client.say(f"MAIL FROM:<{FROM}>") == "530 5.7.0 Must issue a STARTTLS command first"
        client.start_tls()
        client.say("EHLO client.test")
        assert client.mail().startswith("250 2.0.0")


def test_wrapper_mode(warm: Warm) -> None:
    with house(warm, TLS, ["smtpd_tls_wrappermode=yes"]) as running:
        with running.talk(greeted=False) as client:
            client.start_tls(wrapper=True)
            assert client.read().startswith("220 mx.example.test")
            assert "STARTTLS" not in client.say("EHLO client.test")
            assert client.mail(message("wrapped", 100_000)).startswith("250 2.0.0")
        with running.talk(greeted=False) as client:
            client.send(b"EHLO in.the.clear\r\n")
            assert client.ended()
        with running.talk(greeted=False) as client:
            client.start_tls(wrapper=True)
            assert client.read().startswith("220")
        assert tokens(running.spooled()) == {"wrapped"}


def test_rubbish_instead_of_a_handshake(warm: Warm) -> None:
    with house(warm, [*TLS, "smtpd_tls_loglevel = 1"]) as running:
        for rubbish in (b"EHLO client.test\r\n", b"\x16\x03\x01\xff\xff" + b"\0" * 70_000, b"\x16\x03\x01"):
            with running.talk() as client:
                assert client.say("STARTTLS").startswith("220")
                client.send(rubbish)
        with running.talk() as client:
            client.say("STARTTLS")
            with pytest.raises((ssl.SSLError, OSError)):
                context = ssl.create_default_context()
                context.wrap_socket(client.socket, server_hostname="elsewhere.test")
        assert running.logged("SSL_accept error from unknown[127.0.0.1]")
        with running.talk() as client:
            assert client.mail().startswith("250 2.0.0")


def test_logins(warm: Warm) -> None:
    with house(warm, AUTH) as running:
        away = running.root / "queue" / "auth"
        with running.talk(greeted=False) as client:
            client.read()
            assert "AUTH" not in client.say("EHLO client.test"), "the service is away: nothing is offered"
            assert client.mail(to="x@elsewhere.test").startswith("454 4.7.1"), "it goes on without"
        with DovecotAuth(away):
            with running.talk() as client:
                assert "250-AUTH PLAIN LOGIN" in client.say("EHLO client.test").splitlines()
                assert client.mail(to="x@elsewhere.test") == "454 4.7.1 <x@elsewhere.test>: Relay access denied"
                assert client.say("RSET", f"AUTH PLAIN {encoded(chr(0) + 'user@example.test' + chr(0) + 'wrong')}") \
                    .startswith("535 5.7.8 Error: authentication failed")
                assert client.say(f"AUTH PLAIN {PLAIN}") == "235 2.7.0 Authentication successful"
                assert client.say(f"AUTH PLAIN {PLAIN}").startswith("503 5.5.1")
                assert client.mail(message("plain", 600), to="x@elsewhere.test").startswith("250 2.0.0")
            with running.talk() as client:
                assert client.say("AUTH LOGIN") == f"334 {encoded('Username:')}"
                assert client.say(encoded("user@example.test")) == f"334 {encoded('Password:')}"
                assert client.say(encoded("secret")) == "235 2.7.0 Authentication successful"
                assert client.mail(message("login", 600), to="x@elsewhere.test").startswith("250 2.0.0")
            with running.talk() as client:
                assert client.say("AUTH LOGIN").startswith("334")
                assert client.say("*").startswith("501 5.7.0")
                assert client.say("AUTH PLAIN !!!").startswith(("535 5.7.8", "501 5.5.2"))
        assert tokens(running.spooled()) == {"plain", "login"}
        assert "sasl_method=PLAIN, sasl_username=user@example.test" in running.log()
        assert "SASL PLAIN authentication failed" in running.log()


def test_a_login_service_that_dies_between_the_steps(warm: Warm) -> None:
    with house(warm, AUTH) as running:
        path = Path(running.root / "queue" / "auth")
        with DovecotAuth(path):
            client = running.talk()
        path.unlink()
        assert client.say(f"AUTH PLAIN {PLAIN}").startswith(("454 4.7.0", "235 2.7.0"))
        assert client.say("NOOP") == "250 2.0.0 Ok"
        client.socket.close()
