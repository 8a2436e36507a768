"""TLS levels: which names a certificate must carry, which versions are allowed."""

from __future__ import annotations

import ssl

import pytest

from gatepost.deliver.tls_policy import TlsFiles, context, names_match

CERTIFICATE: dict[str, object] = {"subjectAltName": (("DNS", "MX.example"), ("DNS", "*.wild.example"),
                                                     ("DNS", "deep.host.example"), ("IP Address", "192.0.2.1"))}


@pytest.mark.parametrize(("patterns", "host", "domain", "matches"), [
    (["hostname"], "mx.example", "d.example", True),
    (["hostname"], "other.example", "d.example", False),
    (["nexthop"], "x", "mx.example", True),
    (["nexthop", "dot-nexthop"], "x", "host.example", True),
    (["dot-nexthop"], "x", "deep.host.example", False),
    (["hostname"], "a.wild.example", "", True),
    (["hostname"], "a.b.wild.example", "", False),
    (["hostname"], "wild.example", "", False),
    (["mx.example"], "x", "y", True),
    ([".host.example"], "x", "y", True),
    (["hostname"], "192.0.2.1", "", True),
    ([], "mx.example", "mx.example", False),
])
def test_names(patterns: list[str], host: str, domain: str, matches: bool) -> None:
    assert names_match(CERTIFICATE, patterns, host, domain) is matches
    assert not names_match({}, patterns, host, domain)


@pytest.mark.parametrize(("words", "low", "high"), [
    (">=TLSv1.2", ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3),
    ("!SSLv2, !SSLv3, !TLSv1, !TLSv1.1", ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3),
    (">=TLSv1.2 <=TLSv1.2", ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2),
    ("TLSv1.3", ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_3),
])
def test_versions(words: str, low: ssl.TLSVersion, high: ssl.TLSVersion) -> None:
    made = context("encrypt", TlsFiles(mandatory_protocols=words))
    assert (made.minimum_version, made.maximum_version) == (low, high)


def test_only_verifying_levels_ask_for_trust() -> None:
    assert context("may", TlsFiles()).verify_mode == context("encrypt", TlsFiles()).verify_mode == ssl.CERT_NONE
    assert context("secure", TlsFiles()).verify_mode == ssl.CERT_REQUIRED
