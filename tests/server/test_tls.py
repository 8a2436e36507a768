"""TLS of a service: what settings make of it, what is wrong with them, and TLS through a connection."""

from __future__ import annotations

import ssl
import time
from pathlib import Path

import pytest

from gatepost.config.settings import Settings
from gatepost.server.terms import Terms
from gatepost.server.tls import server_tls, tls_level
from gatepost.server.tls_facts import fingerprints
from gatepost.server.tls_versions import BadVersions, Versions
from gatepost.server.trouble import TlsFailed
from gatepost.span import ConfigError
from tests.server.certificates import Authority
from tests.server.echo import Bench, TlsClient


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def mail(authority: Authority) -> dict[str, str]:
    """Settings with a certificate for mail.example."""
    certificate, key = authority.issue("mail.example")
    return {
        "smtpd_tls_security_level": "may",
        "smtpd_tls_cert_file": str(certificate),
        "smtpd_tls_key_file": str(key),
    }


def trusting(authority: Authority) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(authority.file))
    return context


def terms(values: dict[str, str], *, wrapper_mode: bool = False) -> Terms:
    return Terms(tls=server_tls(Settings.of(values)).context, wrapper_mode=wrapper_mode)


@pytest.mark.parametrize(
    ("values", "level"),
    [
        ({}, "none"),
        ({"smtpd_use_tls": "yes"}, "may"),
        ({"smtpd_enforce_tls": "yes"}, "encrypt"),
        ({"smtpd_tls_security_level": "none", "smtpd_use_tls": "yes"}, "none"),
        ({"smtpd_tls_security_level": "may", "smtpd_enforce_tls": "yes"}, "may"),
        ({"smtpd_tls_security_level": "secure"}, "encrypt"),
        ({"smtpd_tls_wrappermode": "yes"}, "encrypt"),
    ],
)
def test_the_level(values: dict[str, str], level: str) -> None:
    assert tls_level(Settings.of(values)) == level


@pytest.mark.parametrize(
    ("words", "allowed"),
    [
        (">=TLSv1.2", "TLSv1.2 TLSv1.3"),
        ("!SSLv2 !SSLv3", "TLSv1 TLSv1.1 TLSv1.2 TLSv1.3"),
        ("!SSLv2:!SSLv3 !tlsv1", "TLSv1.1 TLSv1.2 TLSv1.3"),
        (">=TLSv1.1 <=TLSv1.2", "TLSv1.1 TLSv1.2"),
        (">=0303", "TLSv1.2 TLSv1.3"),
        ("TLSv1.2", "TLSv1.2"),
        ("TLSv1.1 TLSv1.3", "TLSv1.1 TLSv1.3"),
        ("", "SSLv2 SSLv3 TLSv1 TLSv1.1 TLSv1.2 TLSv1.3"),
    ],
)
def test_protocol_lists(words: str, allowed: str) -> None:
    assert " ".join(Versions.read(words.split()).allowed) == allowed


@pytest.mark.parametrize("word", [">=TLSv9", "!nonsense", "TLS", "<="])
def test_a_protocol_that_does_not_exist(word: str) -> None:
    with pytest.raises(BadVersions):
        Versions.read([word])


def test_no_tls_is_no_context() -> None:
    assert server_tls(Settings.of({})).context is None


def test_versions_and_options_reach_the_context(mail: dict[str, str]) -> None:
    made = server_tls(Settings.of(mail | {"smtpd_tls_protocols": "TLSv1.2", "tls_preempt_cipherlist": "yes"}))
    context = made.context
    assert context is not None
    assert (context.minimum_version, context.maximum_version) == (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2)
    assert context.options & ssl.OP_CIPHER_SERVER_PREFERENCE


def test_excluded_ciphers_are_gone(mail: dict[str, str]) -> None:
    context = server_tls(Settings.of(mail | {"smtpd_tls_exclude_ciphers": "AES128, CHACHA20"})).context
    assert context is not None
    names = [cipher["name"] for cipher in context.get_ciphers() if cipher["protocol"] == "TLSv1.2"]
    assert names
    assert not [name for name in names if "AES128" in name or "CHACHA20" in name]


def test_a_chain_file_holds_key_and_certificate(authority: Authority) -> None:
    chain = authority.issue_chain("chain.example")
    made = server_tls(Settings.of({"smtpd_tls_security_level": "encrypt", "smtpd_tls_chain_files": str(chain)}))
    assert made.context is not None


def broken(name: str, authority: Authority) -> dict[str, str]:
    """Settings that cannot work, each in its own way."""
    certificate, key = authority.issue("one.example")
    other, _ = authority.issue("two.example")
    good = {"smtpd_tls_cert_file": str(certificate), "smtpd_tls_key_file": str(key)}
    return {
        "missing key": good | {"smtpd_tls_key_file": "/nonexistent"},
        "mismatched key": good | {"smtpd_tls_cert_file": str(other)},
        "no certificate": {},
        "not a certificate": good | {"smtpd_tls_cert_file": str(key)},
        "no version left": good | {"smtpd_tls_protocols": "SSLv3", "smtpd_tls_mandatory_protocols": "SSLv3"},
        "unknown version": good | {"smtpd_tls_protocols": "TLSv7", "smtpd_tls_mandatory_protocols": "TLSv7"},
        "unknown option": good | {"tls_ssl_options": "NO_SUCH_THING"},
        "no cipher left": good | {"smtpd_tls_exclude_ciphers": "ALL"},
        "missing authorities": good | {"smtpd_tls_CAfile": "/nonexistent"},
    }[name]


BROKEN = (
    "missing key", "mismatched key", "no certificate", "not a certificate", "no version left", "unknown version",
    "unknown option", "no cipher left", "missing authorities",
)  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_what_cannot_work_is_an_error_where_tls_is_demanded(name: str, authority: Authority) -> None:
    with pytest.raises(ConfigError):
        server_tls(Settings.of(broken(name, authority) | {"smtpd_tls_security_level": "encrypt"}))


@pytest.mark.parametrize("name", BROKEN)
def test_and_a_service_without_tls_where_it_is_optional(name: str, authority: Authority) -> None:
    made = server_tls(Settings.of(broken(name, authority) | {"smtpd_tls_security_level": "may"}))
    assert (made.level, made.context) == ("may", None)
    assert made.problem is not None


def test_fingerprints_are_of_certificate_and_key(authority: Authority) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding

    der = authority.certificate.public_bytes(Encoding.DER)
    whole, key = fingerprints(der, "sha256")
    assert len(whole.split(":")) == len(key.split(":")) == 32
    assert whole != key
    assert fingerprints(der, "nonsense") == ("", "")


@pytest.mark.asyncio
async def test_starttls_and_what_leaves_behind_the_finished(authority: Authority, mail: dict[str, str]) -> None:
    with Bench(terms(mail)) as bench:
        await bench.hear()
        await bench.say(b"TLS\r\nplaintext behind it\r\n")
        assert await bench.hear() == ["220 go"]
        client = TlsClient(bench, trusting(authority), "mail.example")
        await client.shake(with_data=b"secret\r\n")
        assert await client.hear() == "250 secret\r\n"
        assert bench.session.events == ["Connected", "Received", "TlsStarted", "Received"]
        secured = bench.connection.secured
        assert secured is not None
        assert (secured.protocol, secured.sni) == ("TLSv1.3", "mail.example")
        assert secured.keysize >= 128
        assert not bench.connection.resumed


@pytest.mark.asyncio
async def test_tickets_are_no_reply_that_is_owed(authority: Authority, mail: dict[str, str]) -> None:
    with Bench(terms(mail)) as bench:
        await bench.hear()
        await bench.say(b"TLS\r\n")
        await bench.hear()
        client = TlsClient(bench, trusting(authority), "mail.example")
        await client.shake()
        await bench.until(lambda: bench.connection.secured is not None)
        await client.say(b"first\r\n")  # the tickets have not been read
        await bench.until(lambda: len(bench.session.evidence) == 2)
        assert bench.session.evidence[1] is False
        await client.say(b"second\r\n")  # nor has the reply to the first
        await bench.until(lambda: len(bench.session.evidence) == 3)
        assert bench.session.evidence[2] is True


@pytest.mark.asyncio
async def test_wrapper_mode_greets_after_the_handshake(authority: Authority, mail: dict[str, str]) -> None:
    with Bench(terms(mail, wrapper_mode=True)) as bench:
        client = TlsClient(bench, trusting(authority), "mail.example")
        await client.shake()
        assert await client.hear() == "220 echo\r\n"
        assert bench.session.events == ["Connected"]


@pytest.mark.asyncio
async def test_a_large_message_is_decrypted_to_its_end(authority: Authority, mail: dict[str, str]) -> None:
    with Bench(terms(mail, wrapper_mode=True)) as bench:
        client = TlsClient(bench, trusting(authority), "mail.example")
        await client.shake()
        await client.hear()
        data = (b"x" * 998 + b"\r\n") * 500
        sending = bench.loop.create_task(client.say(data))
        heard = ""
        while heard.count("\n") < 500:
            heard += await client.hear()
        await sending
        assert heard == ("250 " + "x" * 998 + "\r\n") * 500


@pytest.mark.asyncio
async def test_hanging_up_says_close_notify(authority: Authority, mail: dict[str, str]) -> None:
    with Bench(terms(mail, wrapper_mode=True)) as bench:
        client = TlsClient(bench, trusting(authority), "mail.example")
        await client.shake()
        await client.hear()
        await client.say(b"QUIT\r\n")
        assert await client.hear() == "221 bye\r\n"
        assert await client.hear() == ""  # the library's way to say that close_notify came


@pytest.mark.asyncio
async def test_close_notify_of_the_client_is_its_end(authority: Authority, mail: dict[str, str]) -> None:
    with Bench(terms(mail, wrapper_mode=True)) as bench:
        client = TlsClient(bench, trusting(authority), "mail.example")
        await client.shake()
        await client.hear()
        with pytest.raises(ssl.SSLWantReadError):
            client.tls.unwrap()
        await client.push()
        await bench.until(lambda: bench.connection.closed)
        assert bench.session.events == ["Connected", "Lost"]


@pytest.mark.asyncio
@pytest.mark.parametrize("words", [b"EHLO plain\r\n", b"\x16\x03\x01\x00\x05hello"])
async def test_a_handshake_that_fails_is_told_and_lost(mail: dict[str, str], words: bytes) -> None:
    with Bench(terms(mail)) as bench:
        await bench.hear()
        await bench.say(b"TLS\r\n")
        await bench.hear()
        await bench.say(words)
        await bench.until(lambda: bench.connection.closed)
        assert isinstance(bench.performer.facts[0], TlsFailed)
        assert bench.session.events[-1] == "Lost"
        assert bench.performer.closed_told == 1


@pytest.mark.asyncio
async def test_a_client_that_leaves_within_the_handshake(mail: dict[str, str]) -> None:
    with Bench(terms(mail, wrapper_mode=True)) as bench:
        bench.client.close()
        await bench.until(lambda: bench.connection.closed)
        assert bench.performer.facts == [TlsFailed("lost connection")]


@pytest.mark.asyncio
async def test_a_handshake_has_its_own_time_limit(mail: dict[str, str]) -> None:
    context = server_tls(Settings.of(mail)).context
    with Bench(Terms(tls=context, wrapper_mode=True, starttls_timeout=5, timeout=100)) as bench:
        bench.connections.sweep(time.monotonic() + 6)
        await bench.until(lambda: bench.connection.closed)
        assert bench.performer.facts == [TlsFailed("Connection timed out")]


@pytest.mark.asyncio
async def test_a_client_certificate_gives_its_names_and_fingerprints(
    authority: Authority, mail: dict[str, str]
) -> None:
    values = mail | {"smtpd_tls_ask_ccert": "yes", "smtpd_tls_CAfile": str(authority.file)}
    with Bench(terms(values, wrapper_mode=True)) as bench:
        context = trusting(authority)
        context.load_cert_chain(*authority.issue("client.example"))
        client = TlsClient(bench, context, "mail.example")
        await client.shake()
        await client.hear()
        secured = bench.connection.secured
        assert secured is not None
        assert secured.peer_trusted
        assert (secured.peer_subject_cn, secured.peer_issuer_cn) == ("client.example", "Test CA")
        assert secured.peer_fingerprint
        assert secured.peer_pubkey_fingerprint


@pytest.mark.asyncio
async def test_a_server_name_may_have_its_own_certificate(authority: Authority, mail: dict[str, str]) -> None:
    chain = str(authority.issue_chain("other.example"))
    made = server_tls(Settings.of(mail), lambda name: [chain] if name == "other.example" else None)
    for name in ("other.example", "mail.example"):
        with Bench(Terms(tls=made.context, wrapper_mode=True)) as bench:
            client = TlsClient(bench, trusting(authority), name)
            await client.shake()  # the client itself checks the name
            assert await client.hear() == "220 echo\r\n"


@pytest.mark.asyncio
async def test_a_client_certificate_of_nobody_we_trust_fails_the_handshake(
    authority: Authority, mail: dict[str, str], tmp_path: Path
) -> None:
    values = mail | {"smtpd_tls_ask_ccert": "yes", "smtpd_tls_CAfile": str(authority.file)}
    with Bench(terms(values, wrapper_mode=True)) as bench:
        context = trusting(authority)
        context.load_cert_chain(*Authority(tmp_path, "Stranger").issue("stranger.example"))
        client = TlsClient(bench, context, "mail.example")
        await client.shake()
        await bench.until(lambda: bench.connection.closed)
        assert bench.performer.facts == [TlsFailed("certificate verify failed")]
