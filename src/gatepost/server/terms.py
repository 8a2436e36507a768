"""On which terms is a service's client served below SMTP? Time limits, TLS, PROXY header: settings made concrete.

Built once per service and configuration; connections share it, so that a reload leaves live sessions as they are.
This file must not know sockets.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass

from gatepost.config import parameters as p
from gatepost.config.settings import Settings
from gatepost.smtp.reply import Reply
from gatepost.span import ConfigError


def _anybody(_: str) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms. Times in seconds, rates in bytes a second. `tls` is None when the service cannot do TLS."""

    timeout: float = 300.0
    per_request_deadline: bool = False
    min_data_rate: int = 500
    starttls_timeout: float = 300.0
    tls: ssl.SSLContext | None = None
    fingerprint_digest: str = "sha256"
    wrapper_mode: bool = False
    proxy: bool = False  # a PROXY header comes first
    proxy_timeout: float = 5.0
    proxy_refusal: bytes = b"421 4.3.0 Server local error\r\n"
    trusts_proxy: Callable[[str], bool] = _anybody

    @classmethod
    def of(
        cls,
        settings: Settings,
        tls: ssl.SSLContext | None = None,
        trusts_proxy: Callable[[str], bool] = _anybody,
    ) -> Terms:
        """The terms of one service. ConfigError for an upstream protocol that does not exist."""
        protocol = settings[p.SMTPD_UPSTREAM_PROXY_PROTOCOL]
        if protocol not in ("", "haproxy"):
            raise ConfigError(
                "unsupported smtpd_upstream_proxy_protocol value",
                settings.span(p.SMTPD_UPSTREAM_PROXY_PROTOCOL),
                protocol,
            )
        return cls(
            timeout=settings[p.SMTPD_TIMEOUT],
            per_request_deadline=settings[p.SMTPD_PER_REQUEST_DEADLINE],
            min_data_rate=settings[p.SMTPD_MIN_DATA_RATE],
            starttls_timeout=settings[p.SMTPD_STARTTLS_TIMEOUT],
            tls=tls,
            fingerprint_digest=settings[p.SMTPD_TLS_FINGERPRINT_DIGEST],
            wrapper_mode=settings[p.SMTPD_TLS_WRAPPERMODE] and tls is not None,
            proxy=protocol == "haproxy",
            proxy_timeout=settings[p.SMTPD_UPSTREAM_PROXY_TIMEOUT],
            proxy_refusal=Reply(421, "4.3.0", f"{settings[p.MYHOSTNAME]} Server local error").render(),
            trusts_proxy=trusts_proxy,
        )
