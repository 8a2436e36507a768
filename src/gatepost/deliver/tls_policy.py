"""How far must a server's TLS be trusted? Client contexts by security level, and the names a certificate must carry.

Levels are Postfix's: none, may (any certificate, plaintext when TLS fails), encrypt (any certificate, no plaintext),
verify and secure (a trusted certificate with a matching name). dane without DNSSEC means may, as it does in Postfix.
This file must not know connections.
"""

from __future__ import annotations

import functools
import ssl
from collections.abc import Sequence
from dataclasses import dataclass

LEVELS = ("none", "may", "encrypt", "dane", "verify", "secure")
VERIFYING = ("verify", "secure")

_VERSIONS = {
    "TLSV1": ssl.TLSVersion.MINIMUM_SUPPORTED,  # what the library still has of it
    "TLSV1.1": ssl.TLSVersion.TLSv1_1,
    "TLSV1.2": ssl.TLSVersion.TLSv1_2,
    "TLSV1.3": ssl.TLSVersion.TLSv1_3,
}


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """What contexts are made from: trust anchors (neither: the system's), our certificate, protocol list as written."""

    ca_file: str = ""
    ca_path: str = ""
    chain: str = ""  # our certificate chain; "" = none
    key: str = ""
    protocols: str = ">=TLSv1"
    mandatory_protocols: str = ">=TLSv1.2"


@functools.lru_cache(maxsize=64)
def context(level: str, files: TlsFiles) -> ssl.SSLContext:
    """The context for a level. OSError (ssl.SSLError) when a file cannot be used."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False  # names are compared by `names_match`: Postfix has more than one rule
    made.verify_mode = ssl.CERT_NONE
    made.minimum_version, made.maximum_version = _versions(files.protocols if level == "may" else
                                                           files.mandatory_protocols)
    if level == "may":
        made.set_ciphers("DEFAULT:@SECLEVEL=0")  # weak encryption beats none
    if files.chain:
        made.load_cert_chain(files.chain, files.key or None)
    if level in VERIFYING:
        if files.ca_file or files.ca_path:
            made.load_verify_locations(files.ca_file or None, files.ca_path or None)
        else:
            made.load_default_certs()
        made.verify_mode = ssl.CERT_REQUIRED
    return made


def _versions(words: str) -> tuple[ssl.TLSVersion, ssl.TLSVersion]:
    """The range that a protocol list leaves: `>=TLSv1.2`, `<=TLSv1.3`, `!TLSv1`, or names that are allowed."""
    names = list(_VERSIONS)
    allowed = set(names)
    included: set[str] = set()
    for word in words.replace(",", " ").replace(":", " ").upper().split():
        if word.startswith(">=") and word[2:] in _VERSIONS:
            allowed &= set(names[names.index(word[2:]) :])
        elif word.startswith("<=") and word[2:] in _VERSIONS:
            allowed &= set(names[: names.index(word[2:]) + 1])
        elif word.startswith("!"):
            allowed.discard(word[1:])
        elif word in _VERSIONS:
            included.add(word)
    left = [name for name in names if name in allowed and (not included or name in included)] or names[-1:]
    return _VERSIONS[left[0]], _VERSIONS[left[-1]]


def names_match(certificate: dict[str, object], patterns: Sequence[str], host: str, domain: str) -> bool:
    """Does a certificate (as ssl gives it) carry a name that the match list wants: `hostname`, `nexthop`,
    `dot-nexthop` (any host below it), or a name, with a leading dot for any host below?"""
    names = _subject_names(certificate)
    for pattern in patterns:
        for wanted in ({"hostname": host, "nexthop": domain, "dot-nexthop": "." + domain}.get(pattern, pattern),):
            if any(_covers(name, wanted.lower()) for name in names):
                return True
    return False


def _subject_names(certificate: dict[str, object]) -> list[str]:
    alternatives = certificate.get("subjectAltName", ())
    assert isinstance(alternatives, tuple)
    return [str(value).lower() for kind, value in alternatives if kind in ("DNS", "IP Address")]


def _covers(name: str, wanted: str) -> bool:
    if wanted.startswith("."):
        return name.removeprefix("*").endswith(wanted) and len(name) > len(wanted)
    if name.startswith("*."):
        return wanted.partition(".")[2] == name[2:] and "." in name[2:]
    return name == wanted
