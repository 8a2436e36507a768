"""What did the operator want of outbound SMTP and LMTP? The smtp_ and lmtp_ parameters of one transport, read once.

Everything that deliver/remote.py honours is read here. An lmtp_ parameter that is not set is worth what its smtp_
twin is. This file must not know connections.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import TypeVar

from gatepost.config import parameters as p
from gatepost.config.interfaces import local_interfaces
from gatepost.config.parameter import Parameter, Word
from gatepost.config.parameters.lmtp import lmtp as twin
from gatepost.config.settings import Settings
from gatepost.deliver.remote_options import Limits, RemoteOptions
from gatepost.deliver.tls_policy import LEVELS, TlsFiles
from gatepost.span import ConfigError

T = TypeVar("T")


class _Reader:
    """Settings as one agent sees them: a parameter, or its twin for LMTP."""

    def __init__(self, settings: Settings, agent: str) -> None:
        self.settings = settings
        self.lmtp = agent == "lmtp"

    def __call__(self, parameter: Parameter[T]) -> T:
        return self.settings[twin(parameter) if self.lmtp else parameter]

    def words(self, parameter: Parameter[tuple[Word, ...]]) -> tuple[str, ...]:
        """A list parameter's items as text."""
        return tuple(word.text for word in self(parameter))


def remote_options(settings: Settings, agent: str) -> RemoteOptions:
    """The options of a transport whose command is `agent` (smtp or lmtp). ConfigError for what is not to be had."""
    read = _Reader(settings, agent)
    lmtp = agent == "lmtp"
    host_lookup = read.words(p.SMTP_HOST_LOOKUP)
    no_dns = settings[p.DISABLE_DNS_LOOKUPS] or read(p.SMTP_DNS_SUPPORT_LEVEL) == "disabled"
    secret = set(read.words(p.SMTP_SASL_SECURITY_OPTIONS))
    secret_tls = set(read.words(p.SMTP_SASL_TLS_SECURITY_OPTIONS))
    return RemoteOptions(
        helo=read(p.SMTP_HELO_NAME),
        myhostname=settings[p.MYHOSTNAME],
        lmtp=lmtp,
        port=_port(read(p.SMTP_TCP_PORT)),
        mx=not lmtp and not no_dns,
        native=no_dns or "native" in host_lookup,
        shuffle=read(p.SMTP_RANDOMIZE_ADDRESSES),
        own_names=frozenset({settings[p.MYHOSTNAME].lower()}),
        is_own=_own(settings),
        unix_directory=settings[p.QUEUE_DIRECTORY],
        bind4=read(p.SMTP_BIND_ADDRESS),
        bind6=read(p.SMTP_BIND_ADDRESS6),
        limits=_limits(read),
        tls=_level(read),
        tls_wrapper=read(p.SMTP_TLS_WRAPPERMODE),
        tls_files=_files(read),
        tls_policy_maps=read.words(p.SMTP_TLS_POLICY_MAPS),
        verify_match=read.words(p.SMTP_TLS_VERIFY_CERT_MATCH),
        secure_match=read.words(p.SMTP_TLS_SECURE_CERT_MATCH),
        password_maps=read.words(p.SMTP_SASL_PASSWORD_MAPS) if read(p.SMTP_SASL_AUTH_ENABLE) else (),
        sender_passwords=read(p.SMTP_SENDER_DEPENDENT_AUTHENTICATION),
        plaintext_auth="noplaintext" not in secret,
        plaintext_auth_tls="noplaintext" not in secret_tls,
        xforward=read(p.SMTP_SEND_XFORWARD_COMMAND),
        pipelining="pipelining" not in (word.lower() for word in read.words(p.SMTP_DISCARD_EHLO_KEYWORDS)),
        line_limit=read(p.SMTP_LINE_LENGTH_LIMIT),
        address_limit=read(p.SMTP_MX_ADDRESS_LIMIT),
        session_limit=read(p.SMTP_MX_SESSION_LIMIT),
        probe=read(p.SMTP_ADDRESS_VERIFY_TARGET),
        cache_seconds=read(p.SMTP_CONNECTION_CACHE_TIME_LIMIT) if read(p.SMTP_CONNECTION_CACHE_ON_DEMAND) else 0,
        reuse_seconds=read(p.SMTP_CONNECTION_REUSE_TIME_LIMIT),
        reuse_count=read(p.SMTP_CONNECTION_REUSE_COUNT_LIMIT),
    )


def _port(text: str) -> int:
    return {"smtp": 25, "lmtp": 24, "submission": 587, "submissions": 465}.get(text) or int(text)


def _limits(read: _Reader) -> Limits:
    hello, tls = read(p.SMTP_HELO_TIMEOUT), read(p.SMTP_STARTTLS_TIMEOUT)
    return Limits(read(p.SMTP_CONNECT_TIMEOUT), {
        "CONNECT": hello, "EHLO": hello, "LHLO": hello, "HELO": hello, "STARTTLS": tls, "AUTH": hello,
        "XFORWARD": read(p.SMTP_XFORWARD_TIMEOUT), "MAIL": read(p.SMTP_MAIL_TIMEOUT),
        "RCPT": read(p.SMTP_RCPT_TIMEOUT), "DATA": read(p.SMTP_DATA_INIT_TIMEOUT),
        "BODY": read(p.SMTP_DATA_XFER_TIMEOUT), ".": read(p.SMTP_DATA_DONE_TIMEOUT),
        "RSET": read(p.SMTP_RSET_TIMEOUT), "QUIT": read(p.SMTP_QUIT_TIMEOUT)})


def _files(read: _Reader) -> TlsFiles:
    chain = read.words(p.SMTP_TLS_CHAIN_FILES)
    certificate = chain[0] if chain else read(p.SMTP_TLS_CERT_FILE)
    key = "" if chain else read(p.SMTP_TLS_KEY_FILE)
    return TlsFiles(read(p.SMTP_TLS_CAFILE), read(p.SMTP_TLS_CAPATH), _none(certificate), _none(key),
                    " ".join(read.words(p.SMTP_TLS_PROTOCOLS)), " ".join(read.words(p.SMTP_TLS_MANDATORY_PROTOCOLS)))


def _level(read: _Reader) -> str:
    """smtp_tls_security_level, or what the two older parameters say when it is empty."""
    level = read(p.SMTP_TLS_SECURITY_LEVEL).lower()
    if not level:
        return "encrypt" if read(p.SMTP_ENFORCE_TLS) else "may" if read(p.SMTP_USE_TLS) else "none"
    if level not in LEVELS:
        raise ConfigError("TLS security level is not supported", read.settings.span(p.SMTP_TLS_SECURITY_LEVEL), level)
    return "may" if level == "dane" else level


def _none(text: str) -> str:
    return "" if text == "none" else text


def _own(settings: Settings) -> Callable[[str], bool]:
    """Whether an address is ours: inet_interfaces and proxy_interfaces (RFC 5321 5.1 loop detection)."""
    named = {word.text.strip("[]").lower() for parameter in (p.INET_INTERFACES, p.PROXY_INTERFACES)
             for word in settings[parameter]}
    everywhere = "all" in named
    loopback = bool(named & {"loopback-only", "localhost"})
    own = {str(interface.ip) for interface in local_interfaces()} if everywhere else named

    def is_own(address: str) -> bool:
        return address in own or ((loopback or everywhere) and ipaddress.ip_address(address).is_loopback)

    return is_own
