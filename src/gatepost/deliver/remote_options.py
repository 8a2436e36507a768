"""How should mail be handed over? The wishes of one transport, as values.

Made from parameters by deliver/remote_settings.py; the defaults are those of Postfix, without TLS and SASL. Times are
in seconds. This file must not know parameters, nor connections.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from gatepost.deliver.tls_policy import TlsFiles


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds to wait for each step; the names are those of the session's steps."""

    connect: float = 30
    seconds: dict[str, float] = field(default_factory=lambda: {
        "CONNECT": 300, "EHLO": 300, "LHLO": 300, "HELO": 300, "STARTTLS": 300, "AUTH": 300, "XFORWARD": 300,
        "MAIL": 300, "RCPT": 300, "DATA": 120, "BODY": 180, ".": 600, "RSET": 20, "QUIT": 300})


@dataclass(frozen=True, slots=True)
class RemoteOptions:
    """One transport's wishes."""

    helo: str = "localhost"
    myhostname: str = "localhost"  # the host that a unix socket belongs to, in the log
    lmtp: bool = False
    port: int = 25
    mx: bool = True
    native: bool = False
    shuffle: bool = True
    own_names: frozenset[str] = frozenset()
    is_own: Callable[[str], bool] = lambda address: False
    unix_directory: str = ""
    bind4: str = ""
    bind6: str = ""
    limits: Limits = field(default_factory=Limits)
    tls: str = "none"
    tls_wrapper: bool = False
    tls_files: TlsFiles = field(default_factory=TlsFiles)
    tls_policy_maps: tuple[str, ...] = ()
    verify_match: tuple[str, ...] = ("hostname",)
    secure_match: tuple[str, ...] = ("nexthop", "dot-nexthop")
    password_maps: tuple[str, ...] = ()  # empty: no SASL
    sender_passwords: bool = False
    plaintext_auth: bool = False
    plaintext_auth_tls: bool = False
    xforward: bool = False
    pipelining: bool = True
    line_limit: int = 998
    address_limit: int = 5  # servers tried, 0: all
    session_limit: int = 2  # of them, how many that answered, 0: all
    probe: str = "rcpt"  # the step that answers an address probe: rcpt, data
    cache_seconds: float = 2.0  # how long an idle connection is kept, 0: not at all
    reuse_seconds: float = 300.0  # how old a connection may become
    reuse_count: int = 0  # messages a connection, 0: any
