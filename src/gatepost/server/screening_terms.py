"""On which terms is a client served while it is screened? postscreen's settings for time, TLS and the PROXY header.

Two sets of them, for quiet times and for stress: which one counts is chosen when a timer is armed. This file must not
know sessions.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass, replace

from gatepost.config import parameters as p
from gatepost.config.settings import Settings
from gatepost.server.terms import Terms
from gatepost.span import ConfigError

NO_RESOURCES = b"421 4.3.2 No system resources\r\n"


@dataclass(frozen=True, slots=True)
class ScreeningTerms:
    """The terms of one postscreen service."""

    quiet: Terms
    stressed: Terms


def screening_terms(settings: Settings, tls: ssl.SSLContext | None, digest: str,
                    trusts_proxy: Callable[[str], bool]) -> ScreeningTerms:
    """postscreen's terms. `digest`: how the smtpd behind it wants client certificates told. ConfigError for an
    upstream protocol that does not exist."""
    protocol = settings[p.POSTSCREEN_UPSTREAM_PROXY_PROTOCOL]
    if protocol not in ("", "haproxy"):
        raise ConfigError(f"unsupported postscreen_upstream_proxy_protocol value: {protocol}",
                          settings.span(p.POSTSCREEN_UPSTREAM_PROXY_PROTOCOL), protocol)
    quiet = Terms(
        timeout=settings.replace({"stress": ""})[p.POSTSCREEN_COMMAND_TIME_LIMIT],
        per_request_deadline=True,  # the limit is for a whole command line: single bytes win no time
        min_data_rate=0,
        starttls_timeout=settings[p.POSTSCREEN_STARTTLS_TIMEOUT],
        tls=tls,
        fingerprint_digest=digest,
        proxy=protocol == "haproxy",
        proxy_timeout=settings[p.POSTSCREEN_UPSTREAM_PROXY_TIMEOUT],
        proxy_refusal=NO_RESOURCES,
        trusts_proxy=trusts_proxy,
    )
    hurried = settings.replace({"stress": "yes"})[p.POSTSCREEN_COMMAND_TIME_LIMIT]
    return ScreeningTerms(quiet, replace(quiet, timeout=hurried))


def tls_settings(settings: Settings) -> Settings:
    """The settings with smtpd's TLS parameters as postscreen has them. What says the same stays as it is, and keeps
    its place for messages."""
    twins = {
        p.SMTPD_TLS_SECURITY_LEVEL.name: p.POSTSCREEN_TLS_SECURITY_LEVEL.name,
        p.SMTPD_USE_TLS.name: p.POSTSCREEN_USE_TLS.name,
        p.SMTPD_ENFORCE_TLS.name: p.POSTSCREEN_ENFORCE_TLS.name,
        **p.POSTSCREEN_TLS_TWINS,
    }
    differing = {p.SMTPD_TLS_WRAPPERMODE.name: "no"}
    for theirs, ours in twins.items():
        text = settings.text(ours)
        if text is not None and text != settings.text(theirs):
            differing[theirs] = text.replace("$", "$$")
    return settings.replace(differing)
