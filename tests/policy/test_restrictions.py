"""Every restriction, as an operator writes it into smtpd_recipient_restrictions -> the reply to RCPT ("": accepted)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from gatepost.lookup.ask import DnsFailure, DnsStatus, LookupFailure, Verification
from gatepost.lookup.fake import FakeLookups
from gatepost.policy.facts import Client, Facts, NameStatus, Tls
from gatepost.policy.restrictions import ALL, RESTRICTIONS
from gatepost.smtp.turn import EarlyTalk
from tests.policy.asking import ask, facts, policy, reply_at_rcpt

USER = "<user@example.test>: Recipient address rejected:"
SENDER = "<a@client.example>: Sender address rejected:"
AGAIN = DnsFailure(DnsStatus.TRY_AGAIN, "x", "timeout")
BROKEN = DnsFailure(DnsStatus.MALFORMED, "x", "malformed")
KNOWN = Client("198.51.100.7", name="host.client.example", reverse_name="host.client.example",
               name_status=NameStatus.OK, reverse_name_status=NameStatus.OK)
CERTIFICATE = Tls(protocol="TLSv1.3", peer_subject_cn="partner", peer_fingerprint="AA:BB",
                  peer_pubkey_fingerprint="CC:DD",
                  peer_present=True)
RBL = "7.100.51.198.bl.example"


@dataclass(frozen=True)
class Case:
    says: str
    list: str
    reply: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    config: Mapping[str, str] = field(default_factory=dict)
    world: dict[str, Any] = field(default_factory=dict)


CASES = [
    Case("permit ends its list", "permit, reject_unauth_pipelining",
         facts={"early": EarlyTalk("EHLO", "buffered", b"x")}),
    Case("reject", "reject", f"554 5.7.1 {USER} Access denied"),
    Case("its code is a parameter", "reject", f"452 4.7.1 {USER} Access denied", config={"reject_code": "452"}),
    Case("defer", "defer", f"450 4.3.2 {USER} Try again later"),
    Case("defer_if_permit", "defer_if_permit", f"450 4.7.0 {USER} defer_if_permit requested"),
    Case("a later refusal comes first", "defer_if_permit, reject", f"554 5.7.1 {USER} Access denied"),
    Case("defer_if_reject softens", "defer_if_reject, reject", f"450 4.7.0 {USER} defer_if_reject requested"),
    Case("defer_if_reject alone does nothing", "defer_if_reject"),
    Case("talking out of turn", "reject_unauth_pipelining",
         f"503 5.5.0 {USER} Improper use of SMTP command pipelining", {"early": EarlyTalk("EHLO", "buffered",
                                                                                          b"MAIL")}),
    Case("a polite client", "reject_unauth_pipelining"),
    Case("no encryption", "reject_plaintext_session", "450 4.7.1 Session encryption is required"),
    Case("encryption", "reject_plaintext_session", facts={"tls": Tls()}),
    Case("no pause without a loop", "sleep 5"),
    # client
    Case("a client of ours", "permit_mynetworks, reject", facts={"client": Client("192.0.2.9")}),
    Case("a stranger", "permit_mynetworks, reject", f"554 5.7.1 {USER} Access denied"),
    Case("this machine", "permit_inet_interfaces, reject", facts={"client": Client("127.0.0.1")}),
    Case("not this machine", "permit_inet_interfaces, reject", f"554 5.7.1 {USER} Access denied"),
    Case("logged in", "permit_sasl_authenticated, reject", facts={"sasl_username": "me"}),
    Case("not logged in", "permit_sasl_authenticated, reject", f"554 5.7.1 {USER} Access denied"),
    Case("a listed certificate", "permit_tls_clientcerts, reject", facts={"tls": CERTIFICATE},
         config={"relay_clientcerts": "inline:{ CC:DD=partner }"}),
    Case("another certificate", "permit_tls_clientcerts, reject", f"554 5.7.1 {USER} Access denied",
         {"tls": CERTIFICATE}, {"relay_clientcerts": "inline:{ EE:FF=partner }"}),
    Case("a certificate from a trusted authority", "permit_tls_all_clientcerts, reject",
         facts={"tls": Tls(peer_trusted=True)}),
    Case("no name", "reject_unknown_client_hostname",
         "450 4.7.25 Client host rejected: cannot find your hostname, [198.51.100.7]"),
    Case("no name, for good", "reject_unknown_client",
         "550 5.7.25 Client host rejected: cannot find your hostname, [198.51.100.7]",
         config={"unknown_client_reject_code": "550"}),
    Case("no name for now", "reject_unknown_client_hostname",
         "450 4.7.25 Client host rejected: cannot find your hostname, [198.51.100.7]",
         {"client": Client("198.51.100.7", name_status=NameStatus.TEMP)}, {"unknown_client_reject_code": "550"}),
    Case("a name", "reject_unknown_client_hostname, reject_unknown_reverse_client_hostname", facts={"client": KNOWN}),
    Case("no reverse name", "reject_unknown_reverse_client_hostname",
         "450 4.7.1 Client host rejected: cannot find your reverse hostname, [198.51.100.7]"),
    # helo
    Case("a malformed name", "reject_invalid_helo_hostname", "501 5.5.2 <x..y>: Helo command rejected: Invalid name",
         {"helo": "x..y"}),
    Case("a bad literal", "reject_invalid_hostname",
         "501 5.5.2 <[1.2.3.400]>: Helo command rejected: invalid ip address",
         {"helo": "[1.2.3.400]"}),
    Case("a bare address passes here", "reject_invalid_helo_hostname", facts={"helo": "1.2.3.4"}),
    Case("an underscore is tolerated", "reject_invalid_helo_hostname", facts={"helo": "a_b.example"}),
    Case("no domain", "reject_non_fqdn_helo_hostname",
         "504 5.5.2 <localhost>: Helo command rejected: need fully-qualified hostname", {"helo": "localhost"}),
    Case("a bare address has no domain", "reject_non_fqdn_hostname",
         "504 5.5.2 <1.2.3.4>: Helo command rejected: need fully-qualified hostname", {"helo": "1.2.3.4"}),
    Case("no HELO, no check", "reject_non_fqdn_helo_hostname", facts={"helo": None}),
    Case("an unknown HELO name", "reject_unknown_helo_hostname",
         "450 4.7.1 <client.example>: Helo command rejected: Host not found"),
    Case("a known HELO name", "reject_unknown_hostname", world={"addresses": {"client.example": ["198.51.100.7"]}}),
    Case("DNS trouble waits", "reject_unknown_helo_hostname, reject", f"554 5.7.1 {USER} Access denied",
         world={"addresses": {"client.example": AGAIN}}),
    Case("or is said at once", "reject_unknown_helo_hostname, reject",
         "450 4.7.1 <client.example>: Helo command rejected: Host not found",
         config={"unknown_helo_hostname_tempfail_action": "defer"}, world={"addresses": {"client.example": AGAIN}}),
    # sender
    Case("a sender without domain", "reject_non_fqdn_sender",
         "504 5.5.2 <user>: Sender address rejected: need fully-qualified address", {"sender": "user"}),
    Case("the null sender passes", "reject_non_fqdn_sender, reject_unknown_sender_domain", facts={"sender": ""}),
    Case("an unknown sender domain", "reject_unknown_sender_domain", f"450 4.1.8 {SENDER} Domain not found"),
    Case("a malformed answer", "reject_unknown_address", f"450 4.1.8 {SENDER} Malformed DNS server reply",
         world={"addresses": {"client.example": BROKEN}}),
    Case("a sender domain that takes no mail", "reject_unknown_sender_domain",
         f"550 5.7.27 {SENDER} Domain client.example does not accept mail (nullMX)",
         world={"mx": {"client.example": [(0, "")]}}),
    Case("a known sender domain", "reject_unknown_sender_domain", world={"mx": {"client.example": [(10, "mx.x")]}}),
    Case("our own domain is not asked for", "reject_unknown_sender_domain", facts={"sender": "user@example.test"}),
    Case("an unlisted sender", "reject_unlisted_sender",
         "550 5.1.0 <nobody@example.test>: Sender address rejected: User unknown in local recipient table",
         {"sender": "nobody@example.test"}),
    Case("an unverified sender", "reject_unverified_sender", f"450 4.1.7 {SENDER} unverified address: no such user",
         world={"verified": {"a@client.example": Verification("undeliverable", "no such user")}}),
    Case("refused for good", "reject_unverified_sender", f"550 5.1.7 {SENDER} undeliverable address: no such user",
         config={"unverified_sender_reject_code": "550"},
         world={"verified": {"a@client.example": Verification("undeliverable", "no such user")}}),
    Case("verification is broken", "reject_unverified_sender", f"450 4.1.7 {SENDER} address verification problem",
         world={"verified": {"a@client.example": LookupFailure("down")}}),
    Case("an owned sender without login", "reject_sender_login_mismatch",
         "553 5.7.1 <owned@client.example>: Sender address rejected: not logged in",
         {"sender": "owned@client.example"}, {"smtpd_sasl_auth_enable": "yes"}),
    Case("somebody else's sender", "reject_authenticated_sender_login_mismatch",
         "553 5.7.1 <owned@client.example>: Sender address rejected: not owned by user me",
         {"sender": "owned@client.example", "sasl_username": "me"}),
    Case("my own sender", "reject_sender_login_mismatch",
         facts={"sender": "mine@client.example", "sasl_username": "Me"}),
    Case("nobody's sender after login", "reject_sender_login_mismatch",
         f"553 5.7.1 {SENDER} not owned by user me", {"sasl_username": "me"}),
    Case("nobody's sender is not known", "reject_known_sender_login_mismatch", facts={"sasl_username": "me"}),
    Case("without login", "reject_unauthenticated_sender_login_mismatch",
         "553 5.7.1 <owned@client.example>: Sender address rejected: not logged in",
         {"sender": "owned@client.example"}, {"smtpd_sasl_auth_enable": "yes"}),
    # recipient
    Case("a domain of ours", "permit_auth_destination, reject"),
    Case("not ours", "permit_auth_destination, reject", "554 5.7.1 <x@far.example>: Recipient address rejected: "
         "Access denied", {"recipient": "x@far.example"}, {"smtpd_relay_restrictions": ""}),
    Case("no relaying", "reject_unauth_destination", "554 5.7.1 <x@far.example>: Relay access denied",
         {"recipient": "x@far.example"}, {"smtpd_relay_restrictions": ""}),
    Case("no relaying by the percent hack", "reject_unauth_destination",
         "554 5.7.1 <x%far.example@example.test>: Relay access denied",
         {"recipient": "x%far.example@example.test"}, {"smtpd_relay_restrictions": ""}),
    Case("no relaying for now", "defer_unauth_destination", "454 4.7.1 <x@far.example>: Relay access denied",
         {"recipient": "x@far.example"}, {"smtpd_relay_restrictions": ""}),
    Case("we are its backup", "permit_mx_backup, reject", "", {"recipient": "x@far.example"},
         {"smtpd_relay_restrictions": ""},
         {"mx": {"far.example": [(10, "one.far.example"), (20, "mx.example.test")]},
          "addresses": {"one.far.example": ["203.0.113.1"], "mx.example.test": ["127.0.0.1"]}}),
    Case("we are its best", "permit_mx_backup, reject",
         "554 5.7.1 <x@far.example>: Recipient address rejected: Access denied", {"recipient": "x@far.example"},
         {"smtpd_relay_restrictions": ""},
         {"mx": {"far.example": [(10, "mx.example.test")]}, "addresses": {"mx.example.test": ["127.0.0.1"]}}),
    Case("a recipient without domain", "reject_non_fqdn_recipient",
         "504 5.5.2 <user>: Recipient address rejected: need fully-qualified address", {"recipient": "user"}),
    Case("a recipient domain that does not exist", "reject_unknown_recipient_domain",
         "450 4.1.2 <known@relay.test>: Recipient address rejected: Domain not found",
         {"recipient": "known@relay.test"}),
    Case("or takes no mail", "reject_unknown_recipient_domain", "556 5.1.10 <known@relay.test>: Recipient address "
         "rejected: Domain relay.test does not accept mail (nullMX)", {"recipient": "known@relay.test"},
         world={"mx": {"relay.test": [(0, "")]}}),
    Case("an unlisted recipient", "reject_unlisted_recipient, permit",
         "550 5.1.1 <box2@virt.test>: Recipient address rejected: User unknown in virtual mailbox table",
         {"recipient": "box2@virt.test"}, {"smtpd_reject_unlisted_recipient": "no"}),
    Case("an unverified recipient", "reject_unverified_recipient",
         f"450 4.1.1 {USER} unverified address: probe under way",
         world={"verified": {"user@example.test": Verification("unknown", "probe under way")}}),
    Case("our own words", "reject_unverified_recipient", f"550 5.1.1 {USER} undeliverable address: gone",
         config={"unverified_recipient_reject_code": "550", "unverified_recipient_reject_reason": "gone"},
         world={"verified": {"user@example.test": Verification("undeliverable", "secret")}}),
    Case("a bounce to one", "reject_multi_recipient_bounce", facts={"sender": ""}),
    Case("a bounce to many", "reject_multi_recipient_bounce", f"550 5.5.3 {USER} Multi-recipient bounce",
         {"sender": "", "recipient_count": 1}),
    # DNS lists
    Case("on the list", "reject_rbl_client bl.example", "554 5.7.1 Service unavailable; Client host [198.51.100.7] "
         "blocked using bl.example; see x / and y", world={"a_records": {RBL: ["127.0.0.2"]},
                                                           "text": {RBL: ["see x", "and y"]}}),
    Case("not on the list", "reject_rbl_client bl.example"),
    Case("a list that does not answer", "reject_rbl_client bl.example", world={"a_records": {RBL: AGAIN}}),
    Case("another code of the list", "reject_rbl bl.example=127.0.[0;1].[4..11]",
         world={"a_records": {RBL: ["127.0.0.2"]}}),
    Case("the code that counts", "reject_rbl_client bl.example=127.0.[0;1].[2..11]", "554 5.7.1 Service unavailable; "
         "Client host [198.51.100.7] blocked using bl.example", world={"a_records": {RBL: ["127.0.0.2"]}}),
    Case("our own template", "reject_rbl_client bl.example", "521 5.7.9 go away 198.51.100.7",
         config={"rbl_reply_maps": "inline:{ {bl.example = 521 5.7.9 go away $$client_address} }"},
         world={"a_records": {RBL: ["127.0.0.2"]}}),
    Case("a client name", "reject_rhsbl_client dbl.example", "554 5.7.1 Service unavailable; Client host "
         "[host.client.example] blocked using dbl.example", {"client": KNOWN},
         world={"a_records": {"host.client.example.dbl.example": ["127.0.0.2"]}}),
    Case("a reverse name", "reject_rhsbl_reverse_client dbl.example",
         "554 5.7.1 Service unavailable; Unverified Client "
         "host [host.client.example] blocked using dbl.example", {"client": KNOWN},
         world={"a_records": {"host.client.example.dbl.example": ["127.0.0.2"]}}),
    Case("a HELO name", "reject_rhsbl_helo dbl.example", "554 5.7.1 Service unavailable; Helo command "
         "[client.example] blocked using dbl.example",
         world={"a_records": {"client.example.dbl.example": ["127.0.0.2"]}}),
    Case("a sender domain", "reject_rhsbl_sender dbl.example", "554 5.7.1 Service unavailable; Sender address "
         "[a@client.example] blocked using dbl.example",
         world={"a_records": {"client.example.dbl.example": ["127.0.0.2"]}}),
    Case("a recipient domain", "reject_rhsbl_recipient dbl.example", "554 5.7.1 Service unavailable; Recipient address "
         "[user@example.test] blocked using dbl.example",
         world={"a_records": {"example.test.dbl.example": ["127.0.0.2"]}}),
    Case("a welcome list", "permit_dnswl_client wl.example, reject",
         world={"a_records": {"7.100.51.198.wl.example": ["127.0.0.2"]}}),
    Case("which fails", "permit_dnswl_client wl.example, reject",
         "450 4.7.1 <unknown[198.51.100.7]>: Client host rejected: Service unavailable",
         world={"a_records": {"7.100.51.198.wl.example": AGAIN}}),
    Case("never lets anybody relay", "permit_dnswl_client wl.example, reject_unauth_destination",
         "554 5.7.1 <x@far.example>: Relay access denied", {"recipient": "x@far.example"},
         {"smtpd_relay_restrictions": ""}, {"a_records": {"7.100.51.198.wl.example": ["127.0.0.2"]}}),
    Case("a welcome name", "permit_rhswl_client wl.example, reject", facts={"client": KNOWN},
         world={"a_records": {"host.client.example.wl.example": ["127.0.0.2"]}}),
    # access tables
    Case("client by network", "check_client_access inline:{198.51.100=REJECT}",
         "554 5.7.1 <unknown[198.51.100.7]>: Client host rejected: Access denied"),
    Case("client without a name", "check_client_access inline:{unknown=DEFER}",
         "450 4.7.1 <unknown[198.51.100.7]>: Client host rejected: Access denied"),
    Case("client by parent domain", "check_client_access inline:{{client.example = 550 5.7.9 no}}",
         "550 5.7.9 <host.client.example[198.51.100.7]>: Client host rejected: no", {"client": KNOWN}),
    Case("reverse name", "check_reverse_client_hostname_access inline:{client.example=REJECT}",
         "554 5.7.1 <host.client.example>: Unverified Client host rejected: Access denied", {"client": KNOWN}),
    Case("reverse name may not permit", "check_reverse_client_hostname_access inline:{client.example=OK}",
         "451 4.3.5 Server configuration error", {"client": KNOWN}),
    Case("HELO", "check_helo_access inline:{example=REJECT}",
         "554 5.7.1 <client.example>: Helo command rejected: Access denied"),
    Case("sender", "check_sender_access inline:{a@=REJECT}", f"554 5.7.1 {SENDER} Access denied"),
    Case("null sender", "check_sender_access inline:{<>=REJECT}",
         "554 5.7.1 <>: Sender address rejected: Access denied",
         {"sender": ""}),
    Case("recipient", "check_recipient_access inline:{example.test=REJECT}", f"554 5.7.1 {USER} Access denied"),
    Case("a bare table is about the list's subject", "inline:{user@example.test=REJECT}",
         f"554 5.7.1 {USER} Access denied"),
    Case("recipient with routing is never permitted",
         "check_recipient_access inline:{x%far.example@example.test=OK}, reject",
         "554 5.7.1 <x%far.example@example.test>: Recipient address rejected: Access denied",
         {"recipient": "x%far.example@example.test"}, {"smtpd_relay_restrictions": ""}),
    Case("login", "check_sasl_access inline:{me=REJECT}", "554 5.7.1 <me>: SASL login name rejected: Access denied",
         {"sasl_username": "me"}),
    Case("certificate", "check_ccert_access inline:{AA:BB=REJECT}",
         "554 5.7.1 <partner>: Client certificate rejected: Access denied", {"tls": CERTIFICATE}),
    Case("certificate, other order",
         "check_ccert_access { inline:{{CC:DD=REJECT key}, {AA:BB=REJECT cert}}, "
         "{ search_order = pubkey_fingerprint } }",
         "554 5.7.1 <partner>: Client certificate rejected: key", {"tls": CERTIFICATE}),
    Case("MX host of the sender", "check_sender_mx_access inline:{bad.example=REJECT}",
         f"554 5.7.1 {SENDER} Access denied",
         world={"mx": {"client.example": [(5, "mx.bad.example")]}}),
    Case("address of the MX host", "check_sender_mx_access inline:{127=REJECT}", f"554 5.7.1 {SENDER} Access denied",
         world={"mx": {"client.example": [(5, "mx.x")]}, "addresses": {"mx.x": ["127.0.0.1"]}}),
    Case("no MX: the domain itself", "check_helo_mx_access inline:{10.1=REJECT}",
         "554 5.7.1 <client.example>: Helo command rejected: Access denied",
         world={"addresses": {"client.example": ["10.1.2.3"]}}),
    Case("name servers of a parent", "check_recipient_ns_access inline:{{ns.example=REJECT}}",
         f"554 5.7.1 {USER} Access denied",
         world={"name_servers": {"example.test": ["a.ns.example"]}}),
    Case("an MX may not permit", "check_sender_mx_access inline:{mx.x=OK}", "451 4.3.5 Server configuration error",
         world={"mx": {"client.example": [(5, "mx.x")]}}),
    Case("address of a domain", "check_sender_a_access inline:{10=REJECT}", f"554 5.7.1 {SENDER} Access denied",
         world={"addresses": {"client.example": ["10.0.0.1"]}}),
    Case("a null MX is nobody", "check_sender_mx_access inline:{client.example=REJECT}",
         world={"mx": {"client.example": [(0, "")]}}),
    Case("a table that fails", "check_recipient_access texthash:/nonexistent/table",
         f"451 4.3.5 {USER} Server configuration error"),
    # policy server
    Case("a policy server refuses", "check_policy_service inet:127.0.0.1:10023", f"450 4.7.1 {USER} greylisted",
         world={"policy": {"inet:127.0.0.1:10023": "DEFER_IF_PERMIT greylisted"}}),
    Case("and permits", "check_policy_service inet:127.0.0.1:10023, reject", f"554 5.7.1 {USER} Access denied",
         world={"policy": {"inet:127.0.0.1:10023": "DUNNO"}}),
    Case("it does not answer", "check_policy_service unix:private/spf",
         f"451 4.3.5 {USER} Server configuration problem"),
    Case("its own default", "check_policy_service { inet:127.0.0.1:1, default_action = DUNNO, timeout = 1s }"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.says)
def test_restriction(case: Case) -> None:
    config = {"smtpd_recipient_restrictions": case.list, **case.config}
    assert reply_at_rcpt(config, facts(**case.facts), FakeLookups(**case.world)) == case.reply


OUTDATED = [
    ("permit_naked_ip_address", "restriction permit_naked_ip_address is deprecated. "
     "Use permit_mynetworks or permit_sasl_authenticated instead"),
    ("reject_maps_rbl", 'support for restriction "reject_maps_rbl" will be removed from Postfix; '
     'use "reject_rbl_client domain-name" instead'),
    ("check_relay_domains", 'support for restriction "check_relay_domains" will be removed from Postfix; '
     'use "reject_unauth_destination" instead'),
]


@pytest.mark.parametrize(("name", "warning"), OUTDATED)
def test_outdated_restrictions_work_where_postfix_is_imitated(name: str, warning: str) -> None:
    decision = ask(policy({"smtpd_recipient_restrictions": name, "gatepost_compatibility": "postfix"}), "rcpt", facts())
    assert decision.reply is None
    assert ("warning", warning) in decision.log


@pytest.mark.parametrize("name", [name for name, _ in OUTDATED])
def test_outdated_restrictions_are_an_error_otherwise(name: str) -> None:
    assert any("is gone" in str(problem) for problem in policy({"smtpd_recipient_restrictions": name}).problems())


def test_every_restriction_has_a_page_and_a_case() -> None:
    undocumented = [each.name for each in ALL if not each.doc.endswith(".") or len(each.doc) < 20]
    assert undocumented == []
    written = {RESTRICTIONS[word].name for case in CASES for word in case.list.replace(",", " ").split()
               if word in RESTRICTIONS} | {name for name, _ in OUTDATED}
    families = {"check_client", "check_reverse_client_hostname", "check_helo", "check_sender", "check_recipient"}
    server_checks = {f"{family}_{kind}_access" for family in families for kind in ("a", "mx", "ns")}
    assert {each.name for each in ALL} - written - server_checks == {"check_etrn_access"}  # test_evaluate


def test_a_policy_server_is_told_everything_in_wire_order() -> None:
    world = FakeLookups(policy={"inet:127.0.0.1:10023": "DUNNO"})
    about: Facts = facts(size=123, instance="1.2", queue_id="ABC", sasl_username="me", tls=CERTIFICATE)
    reply_at_rcpt({"smtpd_recipient_restrictions":
                   "check_policy_service { inet:127.0.0.1:10023, policy_context = here }"}, about, world)
    told = next(question for question in world.asked if question.kind == "delegate").attributes
    assert list(told) == [
        "request", "protocol_state", "protocol_name", "client_address", "client_name", "client_port",
        "reverse_client_name", "server_address", "server_port", "helo_name", "sender", "recipient", "recipient_count",
        "queue_id", "instance", "size", "etrn_domain", "stress", "sasl_method", "sasl_username", "sasl_sender",
        "ccert_subject", "ccert_issuer", "ccert_fingerprint", "ccert_pubkey_fingerprint", "encryption_protocol",
        "encryption_cipher", "encryption_keysize", "policy_context", "compatibility_level", "mail_version"]
    assert told["protocol_state"] == "RCPT"
    assert told["recipient"] == "user@example.test"
    assert told["size"] == "123"
    assert told["ccert_subject"] == ""  # not verified
    assert told["ccert_fingerprint"] == "AA:BB"
    assert told["policy_context"] == "here"
