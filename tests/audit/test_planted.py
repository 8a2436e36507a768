"""A sensible configuration is silent, one planted fault is found at its line, and its near misses change nothing.

hardened/ is the configuration. Each case replaces texts in it; a case that wants nothing is a near miss. Information is
left out. The rules about what follows from a fault (an over-wide mynetworks also excuses smugglers) may speak, too.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from gatepost.audit.finding import Finding, Severity
from gatepost.audit.inputs import of_texts
from gatepost.audit.run import audit

BASE = {file: (Path(__file__).parent / "hardened" / file).read_text() for file in ("main.cf", "master.cf")}
FOLLOWS = {
    "RLY-01": {"SMUG-03", "PIPE-05", "RSV-08"}, "TRU-01": {"SMUG-03", "RSV-08"}, "TRU-03": {"PIPE-12"},
    "RLY-02": {"LST-02", "RLY-03"}, "RLY-04": {"LST-02"}, "RLY-05": {"OPS-01", "RSV-01"},
}
"""What else a fault may bring about."""

Changes = dict[str, str]
"""Text -> what stands there instead; a text that begins with + is put at the end of main.cf, with & of master.cf."""


def texts(changes: Changes) -> dict[str, str]:
    found = dict(BASE)
    for old, new in changes.items():
        if old in ("+", "&"):
            found["main.cf" if old == "+" else "master.cf"] += new + "\n"
            continue
        (file,) = [name for name, text in found.items() if old in text]
        found[file] = found[file].replace(old, new, 1)
    return found


def findings(found: dict[str, str]) -> list[Finding]:
    subject = of_texts(found, "main.cf", found["main.cf"], "master.cf", found["master.cf"])
    return [finding for finding in audit(subject).findings if finding.severity > Severity.INFORMATION]


NETS = "mynetworks = 127.0.0.0/8 [::1]/128"
RELAY = """\
smtpd_relay_restrictions =
    permit_mynetworks,
    permit_sasl_authenticated,
    reject_unauth_destination"""
EMPTY = "smtpd_relay_restrictions ="
AGAIN = "    permit_mynetworks,\n    reject_unauth_destination,\n    check_policy"  # the barrier of the recipient list
OPEN = {AGAIN: "    permit_mynetworks,\n    check_policy"}
SPF = "    reject_unauth_destination,\n    check_policy_service unix:private/policyd-spf,"
LAST = "    check_policy_service inet:127.0.0.1:10023"
SCREEN = "1       postscreen"
SECOND = {"&": "12525 inet n - y - 1 postscreen\n  -o postscreen_upstream_proxy_protocol=haproxy"}

def before(items: str, item: str, end: str = ",\n    ") -> str:
    """The list with one more item before its barrier."""
    return items.replace("    rej", f"    {item}{end}rej")


PLANTED: list[tuple[str, Changes, str, str]] = [
    ("everybody is trusted", {NETS: f"{NETS} 0.0.0.0/0"}, "RLY-01", "0.0.0.0/0"),
    ("half of everybody, in another line", {NETS: f"{NETS},\n    128.0.0.0/1"}, "RLY-01", "128.0.0.0/1"),
    ("a comment behind the networks", {NETS: f"{NETS} # office"}, "RLY-01", "# office"),
    ("a historical class of addresses", {NETS: "mynetworks_style = class"}, "RLY-01", "mynetworks_style"),
    ("container networks are trusted", {NETS: f"{NETS} 172.16.0.0/12"}, "TRU-01", "172.16"),
    ("nothing stops relaying", {RELAY: f"{EMPTY} permit_mynetworks", **OPEN}, "RLY-02", "smtpd_relay"),
    ("the barrier is swallowed", {RELAY: EMPTY, AGAIN: before(AGAIN, "reject_rbl_client")}, "RLY-02",
     "    reject_unauth"),
    ("the barrier only warns", {RELAY: before(RELAY, "warn_if_reject ", ""), **OPEN}, "RLY-02", "warn_if"),
    ("the relay list is emptied", {RELAY: EMPTY}, "RLY-03", "smtpd_relay"),
    ("a HELO name permits", {RELAY: before(RELAY, "check_helo_access inline:{a.example=OK}")},
     "RLY-04", "check_helo"),
    ("a policy service before the barrier", {SPF: "\n".join(reversed(SPF.rstrip(",").split(",\n"))).replace(
        "spf\n", "spf,\n") + ","}, "RLY-04", "policyd-spf,"),
    ("permit before the barrier", {AGAIN: before(AGAIN, "permit")}, "RLY-04", "    permit,"),
    ("a recipient test without recipient", {"smtpd_client_restrictions = permit_mynetworks,":
     "smtpd_delay_reject = no\nsmtpd_client_restrictions = permit_mynetworks, reject_unauth_destination,"}, "RLY-05",
     "smtpd_client"),
    ("everybody may use XCLIENT", {"+": "smtpd_authorized_xclient_hosts = static:all"}, "TRU-03", "xclient"),
    ("a network may use XCLIENT", {"+": "smtpd_authorized_xclient_hosts = 10.0.0.0/8"}, "TRU-03", "xclient"),
    ("anybody's PROXY header", {SCREEN: f"{SCREEN}\n  -o postscreen_upstream_proxy_protocol=haproxy"}, "TRU-02",
     "haproxy"),
    ("no dnsblog", {"dnsblog   unix": "#dnsblog   unix"}, "PSC-01", "postscreen"),
    ("no tlsproxy", {"tlsproxy  unix": "#tlsproxy  unix"}, "PSC-01", "postscreen"),
    ("no smtpd to hand to", {"smtpd     pass": "#smtpd     pass"}, "PSC-01", "postscreen"),
    ("more than one postscreen", {SCREEN: "-       postscreen"}, "PSC-01", "postscreen"),
    ("smtpd in postscreen's place", {SCREEN: "-       smtpd"}, "PSC-01", "postscreen_access_list"),
    ("early talkers are served", {"greet_action = enforce": "greet_action = ignore"}, "PSC-02", "greet_action"),
    ("listed clients are served", {"dnsbl_action = enforce": "dnsbl_action = ignore"}, "PSC-02", "dnsbl_action"),
    ("a test that puts everybody off", {"dnsbl_allowlist_threshold = -2": "pipelining_enable = yes"}, "PSC-03",
     "pipelining_enable"),
    ("a score that nobody has", {"dnsbl_threshold = 3": "dnsbl_threshold = 8"}, "PSC-05", "threshold = 8"),
    ("an excuse that nobody has", {"allowlist_threshold = -2": "allowlist_threshold = -3"}, "PSC-05", "threshold = -3"),
    ("a list without filter", {"zen.spamhaus.org=127.0.0.[2..11]*3": "zen.spamhaus.org*3"}, "PSC-05", "zen"),
    ("a list that has closed", {"    psbl": "    dnsbl.sorbs.net\n    psbl"}, "PSC-05", "sorbs"),
    ("a list asked twice", {LAST: "    reject_rbl_client zen.spamhaus.org"}, "PSC-05", "reject_rbl"),
    ("an old name", {"postscreen_denylist_action": "postscreen_blacklist_action"}, "PSC-06", "blacklist"),
    ("one cache for two", SECOND, "PSC-07", "12525"),
]

NEAR: list[tuple[str, Changes]] = [
    ("nothing is changed", {}),
    ("networks of one's own", {NETS: f"{NETS} 203.0.113.0/24 10.0.0.0/8 172.20.1.5/32 [2001:db8:7::]/48"}),
    ("a style that is not used", {NETS: f"{NETS}\nmynetworks_style = class"}),
    ("a table that only refuses", {RELAY: before(RELAY, "check_helo_access inline:{a.example=REJECT}")}),
    ("a permit behind the barrier", {LAST: "    permit_dnswl_client list.dnswl.org=127.0.[0..255].[1..3]"}),
    ("this host may use XFORWARD", {"+": "smtpd_authorized_xforward_hosts = $mynetworks"}),
    ("a proxy's own port", {"+": "postscreen_cache_map = proxy:btree:$data_directory/postscreen_cache", **SECOND}),
    ("a score that all lists together have", {"dnsbl_threshold = 3": "dnsbl_threshold = 6"}),
    ("nobody is excused", {"allowlist_threshold = -2": "allowlist_threshold = 0"}),
    ("a list that screening does not ask", {LAST: "    reject_rbl_client bl.example.test"}),
    ("submission as Postfix's own master.cf has it", {
        "  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject\n"
        "  -o smtpd_recipient_restrictions=reject_non_fqdn_recipient,permit_sasl_authenticated,reject":
        "  -o smtpd_relay_restrictions=\n  -o smtpd_recipient_restrictions=permit_sasl_authenticated,reject"}),
    ("a filter's way back", {"+": "content_filter = scan:[127.0.0.1]:10024", "&": """\
scan unix - - y - 2 smtp
  -o smtp_send_xforward_command=yes
127.0.0.1:10025 inet n - y - - smtpd
  -o content_filter=
  -o smtpd_client_restrictions=permit_mynetworks,reject
  -o smtpd_helo_restrictions=
  -o smtpd_sender_restrictions=
  -o smtpd_relay_restrictions=
  -o smtpd_recipient_restrictions=permit_mynetworks,reject
  -o smtpd_data_restrictions=reject_unauth_pipelining
  -o mynetworks=127.0.0.0/8
  -o smtpd_authorized_xforward_hosts=127.0.0.0/8
  -o receive_override_options=no_header_body_checks,no_unknown_recipient_checks,no_milters"""}),
]


@pytest.mark.parametrize(("sentence", "changes", "rule", "needle"), PLANTED, ids=[case[0] for case in PLANTED])
def test_a_planted_fault_is_found(sentence: str, changes: Changes, rule: str, needle: str) -> None:
    found = texts(changes)
    said = findings(found)
    places = [finding.span for finding in said if finding.rule == rule]
    assert len(places) == 1 and places[0] is not None, said
    file, line = places[0].file, places[0].line
    assert line == next(at for at, text in enumerate(found[file].split("\n"), 1) if needle in text)
    assert {finding.rule for finding in said} - {rule} <= FOLLOWS.get(rule, set())


@pytest.mark.parametrize(("sentence", "changes"), NEAR, ids=[case[0] for case in NEAR])
def test_a_near_miss_changes_nothing(sentence: str, changes: Changes) -> None:
    assert findings(texts(changes)) == []
