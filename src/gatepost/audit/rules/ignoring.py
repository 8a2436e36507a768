"""Which programs read which parameters? Enough of it to tell when an -o override does nothing.

By the beginning of the name, and by name for parameters that one program alone reads. What is not known here is taken
to be read. Sources: the manual pages of Postfix's programs.
"""

from __future__ import annotations

from gatepost.audit.rules.written import Setting

PROGRAMS = frozenset("""
    anvil bounce cleanup discard dnsblog error flush lmtp local nqmgr oqmgr pickup pipe postlogd postscreen proxymap
    qmgr qmqpd scache showq smtp smtpd spawn tlsmgr tlsproxy trivial-rewrite verify virtual
    """.split())  # noqa: SIM905 -- 30 names read better without quotes
"""Postfix's own: what another program reads is not known."""

READERS = {
    "smtpd_": ("smtpd", "postscreen", "tlsproxy", "qmqpd"),
    "smtp_": ("smtp", "tlsproxy"),
    "lmtp_": ("lmtp", "tlsproxy"),
    "postscreen_": ("postscreen", "dnsblog", "tlsproxy"),
    "tlsproxy_": ("tlsproxy", "postscreen", "smtp", "lmtp"),
}
"""Who reads the parameters that begin so."""
CLEANUP = frozenset("""
    header_checks mime_header_checks nested_header_checks body_checks milter_header_checks always_bcc sender_bcc_maps
    recipient_bcc_maps masquerade_domains masquerade_exceptions masquerade_classes always_add_missing_headers
    canonical_classes sender_canonical_classes recipient_canonical_classes body_checks_size_limit
    """.split())  # noqa: SIM905
REWRITE = frozenset("""
    relayhost transport_maps default_transport relay_transport virtual_transport local_transport
    sender_dependent_relayhost_maps sender_dependent_default_transport_maps
    """.split())  # noqa: SIM905
"""What cleanup, and what trivial-rewrite reads and no other program."""


def ignored(setting: Setting) -> str:
    """Why an override does nothing, in words; "" when it may."""
    program, name = setting.program, setting.name
    if program not in PROGRAMS:
        return ""
    if name in CLEANUP:
        return "" if program == "cleanup" else f"cleanup reads it, not {program}"
    if name in REWRITE:
        return "" if program in ("trivial-rewrite", "verify") else f"trivial-rewrite reads it, not {program}"
    for prefix, readers in READERS.items():
        if name.startswith(prefix) and program not in readers and not name.startswith(f"{program}_"):
            return f"{readers[0]} reads it, not {program}"
    return ""
