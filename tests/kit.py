"""What many tests need: is a peer installed, a free port, is something listening there, a certificate."""

from __future__ import annotations

import datetime
import functools
import os
import shutil
import socket
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

ROOT = Path(__file__).resolve().parent.parent
SEARCH = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/postfix/sbin"


def program(name: str) -> str | None:
    """The path of an installed program, also where only root has it in the search path."""
    return shutil.which(name, path=os.environ.get("PATH", "") + ":" + SEARCH)


def needs(*names: str, root: bool = False) -> pytest.MarkDecorator:
    """A mark that skips a test, by name of what is missing, where a peer program or root is not at hand."""
    missing = [name for name in names if not program(name)]
    missing += ["root"] if root and os.geteuid() != 0 else []
    return pytest.mark.skipif(bool(missing), reason="not here: " + ", ".join(missing))


_given: set[int] = set()
_giving = threading.Lock()


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nobody uses and that was not given before."""
    with _giving:
        while True:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = int(probe.getsockname()[1])
            if port not in _given:
                _given.add(port)
                return port


def listening(port: int) -> bool:
    """Does something listen on 127.0.0.1:port? Asks the kernel (sock_diag(7)), connects to nothing."""
    identity = struct.pack(">HH", port, 0) + socket.inet_aton("127.0.0.1") + bytes(28) + struct.pack("=I", 0)
    request = struct.pack("=BBBBI", socket.AF_INET, socket.IPPROTO_TCP, 0, 0, 1 << 10) + identity + b"\xff" * 8
    with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, 4) as kernel:
        kernel.bind((0, 0))
        kernel.settimeout(1)
        kernel.send(struct.pack("=IHHII", 16 + len(request), 20, 1, 1, 0) + request)
        kind: int = struct.unpack("=IH", kernel.recv(8192)[:6])[1]
        return kind == 20


def wait_for(condition: Callable[[], bool], seconds: float, alive: Callable[[], bool] = lambda: True) -> bool:
    """Until the condition holds; False when the time is over or what it waits for is no longer alive."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return True
        if not alive():
            return condition()
        time.sleep(0.01)
    return False


def wait_listening(port: int, seconds: float = 10, alive: Callable[[], bool] = lambda: True) -> bool:
    return wait_for(lambda: listening(port), seconds, alive)


@functools.cache
def certificate(name: str = "mx.example.test") -> tuple[bytes, bytes]:
    """A self-signed certificate and its key, PEM; made once a run."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=365))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return built.public_bytes(serialization.Encoding.PEM), private
