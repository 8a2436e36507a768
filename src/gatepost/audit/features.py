"""Which parameters and restrictions does which Postfix know? When they came, went, and what they were by default.

features.txt holds the names with their releases. A name that is not there is not Postfix's: nothing is said about it.
Patch levels: a feature that maintained branches got later has one release for each of them (Version.has). Sources: the
parameters' documentation, DEPRECATION_README and mail_params.h of Postfix 3.5 to 3.12.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

from gatepost.audit.version import Version, version

BARE_NEWLINE_WORDS = tuple(version(word) for word in ("3.5.24", "3.6.14", "3.7.10", "3.8.5", "3.9"))
"""From here on smtpd_forbid_bare_newline knows normalize and reject besides yes and no; yes is then normalize."""
BARE_NEWLINE_NOTE = version("3.9")
"""From here on it knows note, too."""


@dataclass(frozen=True, slots=True)
class Gone:
    """A name that is outdated: from `since` on Postfix warns, from `removed` on it does not know it any more (None: it
    still does). `instead`: the name that has its place, or advice when it has a blank; "" when there is nothing to
    say instead: do not specify it."""

    since: Version
    instead: str
    removed: Version | None = None

    @property
    def renamed(self) -> str:
        """The new name when the value stays as it is; "" otherwise."""
        return "" if " " in self.instead else self.instead


def _gone(since: str, instead: str, removed: str = "") -> Gone:
    return Gone(version(since), instead, version(removed) if removed else None)


_LEVEL = "{0}_tls_security_level = may or encrypt"

OUTDATED: Mapping[str, Gone] = {
    "authorized_verp_clients": _gone("3.11", "smtpd_authorized_verp_clients"),
    "fallback_relay": _gone("3.11", "smtp_fallback_relay"),
    "lmtp_per_record_deadline": _gone("3.11", "lmtp_per_request_deadline"),
    "smtp_per_record_deadline": _gone("3.11", "smtp_per_request_deadline"),
    "smtpd_per_record_deadline": _gone("3.11", "smtpd_per_request_deadline"),
    "postscreen_blacklist_action": _gone("3.11", "postscreen_denylist_action"),
    "postscreen_whitelist_interfaces": _gone("3.11", "postscreen_allowlist_interfaces"),
    "postscreen_dnsbl_whitelist_threshold": _gone("3.11", "postscreen_dnsbl_allowlist_threshold"),
    "postscreen_dnsbl_ttl": _gone("3.11", "postscreen_dnsbl_max_ttl"),
    "smtpd_client_connection_limit_exceptions": _gone("3.11", "smtpd_client_event_limit_exceptions"),
    "tlsproxy_client_level": _gone("3.11", "tlsproxy_client_security_level"),
    "tlsproxy_client_policy": _gone("3.11", "tlsproxy_client_policy_maps"),
    "virtual_maps": _gone("3.11", "virtual_alias_maps"),
    "smtp_cname_overrides_servername": _gone("3.11", ""),
    "lmtp_cname_overrides_servername": _gone("3.11", ""),
    "smtp_tls_enforce_peername": _gone("3.11", "smtp_tls_security_level = verify or secure"),
    "lmtp_tls_enforce_peername": _gone("3.11", "lmtp_tls_security_level = verify or secure"),
    "disable_dns_lookups": _gone("3.9", "smtp_dns_support_level = disabled"),
    **{f"{program}_{word}_tls": _gone("3.9", _LEVEL.format(program)) for program in ("smtp", "lmtp", "smtpd")
       for word in ("use", "enforce")},
    "postscreen_use_tls": _gone("3.9", _LEVEL.format("postscreen")),
    "postscreen_enforce_tls": _gone("3.9", _LEVEL.format("postscreen")),
    "tlsproxy_use_tls": _gone("3.9", _LEVEL.format("tlsproxy")),
    "tlsproxy_enforce_tls": _gone("3.9", _LEVEL.format("tlsproxy")),
    "tlsproxy_client_use_tls": _gone("3.9", "tlsproxy_client_security_level = may or encrypt"),
    "tlsproxy_client_enforce_tls": _gone("3.9", "tlsproxy_client_security_level = may or encrypt"),
    "smtp_tls_per_site": _gone("3.9", "smtp_tls_policy_maps = other tables"),
    "lmtp_tls_per_site": _gone("3.9", "lmtp_tls_policy_maps = other tables"),
    "tlsproxy_client_per_site": _gone("3.9", "tlsproxy_client_policy_maps = other tables"),
    "smtpd_tls_dh1024_param_file": _gone("3.9", ""),
    "tlsproxy_tls_dh1024_param_file": _gone("3.9", ""),
    "smtpd_tls_eecdh_grade": _gone("3.9", ""),
    "tlsproxy_tls_eecdh_grade": _gone("3.9", ""),
    "smtpd_tls_dh512_param_file": _gone("3.6", ""),
    "tlsproxy_tls_dh512_param_file": _gone("3.6", ""),
    "tls_legacy_public_key_fingerprints": _gone("3.9", "", "3.11"),
    "tlsproxy_client_loglevel_parameter": _gone("3.12", "", "3.12"),
    "tlsproxy_tls_session_cache_timeout": _gone("2.11", "", "2.11"),
    "tls_dane_trust_anchor_digest_enable": _gone("3.2", "", "3.2"),
    "tls_dane_digest_agility": _gone("3.2", "", "3.2"),
    "smtpd_tls_cipherlist": _gone("2.3", "smtpd_tls_mandatory_ciphers = a grade", "2.3"),
    "smtp_tls_cipherlist": _gone("2.3", "smtp_tls_mandatory_ciphers = a grade", "2.3"),
    "smtpd_sasl_application_name": _gone("2.3", "smtpd_sasl_path", "2.3"),
    "lmtp_cache_connection": _gone("2.3", "lmtp_connection_cache_on_demand", "2.3"),
    "permit_mx_backup": _gone("3.9", "relay_domains and relay_recipient_maps"),
    "check_relay_domains": _gone("2.2", "permit_mynetworks, reject_unauth_destination", "3.9"),
    "reject_maps_rbl": _gone("2.1", "reject_rbl_client with a domain", "3.9"),
    "permit_naked_ip_address": _gone("2.0", "permit_mynetworks, permit_sasl_authenticated", "3.9"),
}
"""Outdated parameters and restrictions (DEPRECATION_README)."""

DEFAULTS: Mapping[str, tuple[tuple[Version, str], ...]] = {
    "smtpd_forbid_unauth_pipelining": ((version("3.9"), "no"),),
    "smtpd_forbid_bare_newline": ((version("3.9"), "no"),),
    "smtpd_forbidden_commands": ((version("3.7"), "CONNECT GET POST"),),
    "smtpd_relay_before_recipient_restrictions": ((version("3.6"), "no"),),
    "smtpd_tls_protocols": ((version("3.6"), "!SSLv2, !SSLv3"),),
    "smtpd_tls_mandatory_protocols": ((version("3.6"), "!SSLv2, !SSLv3"),),
    "smtp_tls_protocols": ((version("3.6"), "!SSLv2, !SSLv3"),),
    "smtp_tls_mandatory_protocols": ((version("3.6"), "!SSLv2, !SSLv3"),),
    "smtpd_tls_fingerprint_digest": ((version("3.6"), "md5"),),
    "smtp_tls_fingerprint_digest": ((version("3.6"), "md5"),),
    "smtpd_relay_restrictions": ((version("2.10"), ""),),
    "mynetworks_style": ((version("3.0"), "subnet"),),
    "relay_domains": ((version("3.0"), "$mydestination"),),
    "smtputf8_enable": ((version("3.0"), "no"),),
    "append_dot_mydomain": ((version("3.0"), "yes"),),
}
"""Parameter -> (before this release, the default was), the first that applies; afterwards it is today's."""


@functools.cache
def _came() -> Mapping[str, tuple[Version, ...]]:
    """Name -> the releases it came with; () when it has always been there."""
    found: dict[str, tuple[Version, ...]] = {}
    releases: tuple[Version, ...] = ()
    for line in resources.files("gatepost.audit").joinpath("features.txt").read_text("ascii").splitlines():
        if line.startswith("["):
            releases = tuple(version(word) for word in line.strip("[]").split() if word != "-")
        elif not line.startswith("#"):
            found.update(dict.fromkeys(line.split(), releases))
    return found


def parameters() -> Mapping[str, tuple[Version, ...]]:
    """Every name that Postfix 3.12 documents (and its newer restrictions), with the releases it came with."""
    return _came()


def came(name: str) -> tuple[Version, ...]:
    """The releases a name came with; () when it has always been there or is not known here."""
    return _came().get(name, ())


def has(name: str, of: Version) -> bool:
    """Does this version know the name? True when nothing is known about it."""
    gone = OUTDATED.get(name)
    if gone is not None and gone.removed is not None and of >= gone.removed:
        return False
    releases = came(name)
    return not releases or of.has(*releases)


def defaults(of: Version) -> dict[str, str]:
    """The defaults of that version that differ from today's, as main.cf texts."""
    found: dict[str, str] = {}
    for name, changes in DEFAULTS.items():
        for before, text in changes:
            if of < before:
                found[name] = text
                break
    return found
