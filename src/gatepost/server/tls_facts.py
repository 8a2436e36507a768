"""What is known of a TLS session? Protocol, cipher and client certificate, as policy and log see them.

Fingerprints are upper-case hexadecimal octets joined by colons, of the certificate and of its public key
(smtpd_tls_fingerprint_digest). This file must not know what they permit.
"""

from __future__ import annotations

import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from gatepost.policy.facts import Tls

DIGESTS: dict[str, type[hashes.HashAlgorithm]] = {
    "md5": hashes.MD5,
    "sha1": hashes.SHA1,
    "sha224": hashes.SHA224,
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}


_NAME = "requested_name"


def remember_name(tls: ssl.SSLSocket | ssl.SSLObject, name: str) -> None:
    """Keep the server name that the client asked for: a finished handshake does not tell it any more."""
    setattr(tls, _NAME, name)


def _hexadecimal(digest: bytes) -> str:
    return digest.hex(":").upper()


def fingerprints(certificate: bytes, digest: str) -> tuple[str, str]:
    """(of the DER certificate, of its DER public key); "" for a key or a digest that is not supported."""
    algorithm = DIGESTS.get(digest.lower().replace("-", ""))
    if algorithm is None:
        return "", ""
    try:
        read = x509.load_der_x509_certificate(certificate)
        key = read.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    except ValueError:
        return "", ""
    hashed = hashes.Hash(algorithm())
    hashed.update(key)
    return _hexadecimal(read.fingerprint(algorithm())), _hexadecimal(hashed.finalize())


def _common_name(name: x509.Name) -> str:
    """The first CN, or the organisation when there is none."""
    for kind in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME):
        for attribute in name.get_attributes_for_oid(kind):
            return str(attribute.value)
    return ""


def tls_facts(tls: ssl.SSLObject, digest: str = "sha256") -> Tls:
    """The facts of a finished handshake. Python's TLS refuses a client certificate that it cannot verify, so that one
    that is present is trusted."""
    name, protocol, bits = tls.cipher() or ("", "", 0)
    facts = Tls(protocol=tls.version() or protocol, cipher=name, keysize=bits)
    facts.sni = getattr(tls, _NAME, "")
    certificate = tls.getpeercert(binary_form=True)
    if certificate is not None:
        facts.peer_present = facts.peer_trusted = True
        facts.peer_fingerprint, facts.peer_pubkey_fingerprint = fingerprints(certificate, digest)
        try:
            read = x509.load_der_x509_certificate(certificate)
        except ValueError:
            return facts
        facts.peer_subject_cn, facts.peer_issuer_cn = _common_name(read.subject), _common_name(read.issuer)
    return facts
