"""The restriction lists that Postfix's documentation shows load as they stand: nothing to report, every table opens.

One case per example of the README named in it (Postfix 3.7); where an example leaves out "the usual stuff" nothing
stands here. What the lists then do is the matter of the other tests.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gatepost.config.load import load
from gatepost.lookup.classes import Classes
from gatepost.lookup.world import World
from gatepost.policy.evaluate import Policy

Example = tuple[str, dict[str, str], dict[str, list[str]]]
"""The README, main.cf, files beside it by name."""

RELAYED = {"smtpd_relay_restrictions": "permit_mynetworks, permit_sasl_authenticated,\n  reject_unauth_destination"}
DATABASE = "hash:$config_directory/"

EXAMPLES: list[Example] = [
    ("SMTPD_ACCESS_README", {
        "smtpd_client_restrictions": "permit_mynetworks, reject",
        "smtpd_helo_restrictions": "reject_unknown_helo_hostname",
        "smtpd_sender_restrictions": "reject_unknown_sender_domain",
        "smtpd_recipient_restrictions": "permit_mynetworks,\n  permit_sasl_authenticated,\n# a comment\n"
            "  reject_unauth_destination\n  reject_rbl_client zen.spamhaus.org,\n"
            "  reject_rhsbl_reverse_client dbl.spamhaus.org,\n  reject_rhsbl_helo dbl.spamhaus.org,\n"
            "  reject_rhsbl_sender dbl.spamhaus.org",
        "smtpd_data_restrictions": "reject_unauth_pipelining",
        "smtpd_end_of_data_restrictions": "check_policy_service unix:private/policy", **RELAYED}, {}),
    ("SMTPD_ACCESS_README, order of lists", {
        "smtpd_recipient_restrictions": f"check_recipient_access {DATABASE}access, reject_unauth_destination",
        "smtpd_delay_reject": "no", **RELAYED},
     {"access": ["localuser@example.test OK"]}),
    ("RESTRICTION_CLASS_README, classes", {
        "smtpd_restriction_classes": "restrictive, permissive",
        "restrictive": "reject_unknown_sender_domain\n  reject_unknown_client_hostname", "permissive": "permit",
        "smtpd_recipient_restrictions": "permit_mynetworks\n  reject_unauth_destination\n"
            f"  check_recipient_access {DATABASE}recipient_access"},
     {"recipient_access": ["joe@my.domain permissive", "jane@my.domain restrictive"]}),
    ("RESTRICTION_CLASS_README, one table", {
        "smtpd_recipient_restrictions": f"check_recipient_access {DATABASE}access reject_unauth_destination"},
     {"access": ["all@my.domain permit_mynetworks,reject", "all@my.hostname permit_mynetworks,reject"]}),
    ("RESTRICTION_CLASS_README, insiders", {
        "smtpd_recipient_restrictions":
            f"check_recipient_access {DATABASE}protected_destinations reject_unauth_destination",
        "smtpd_restriction_classes": "insiders_only",
        "insiders_only": f"check_sender_access {DATABASE}insiders, reject"},
     {"protected_destinations": ["all@my.domain insiders_only", "all@my.hostname insiders_only"],
      "insiders": ["my.domain OK", "another.domain OK"]}),
    ("RESTRICTION_CLASS_README, local only", {
        "smtpd_recipient_restrictions": f"check_sender_access {DATABASE}restricted_senders reject_unauth_destination",
        "smtpd_restriction_classes": "local_only",
        "local_only": f"\n  check_recipient_access {DATABASE}local_domains, reject"},
     {"restricted_senders": ["foo@domain local_only", "bar@domain local_only"],
      "local_domains": ["this.domain OK", "that.domain OK"]}),
    ("SMTPD_POLICY_README, server on a socket", {
        "smtpd_recipient_restrictions":
            "permit_mynetworks\n  reject_unauth_destination\n  check_policy_service unix:private/policy",
        "policy_time_limit": "3600", "smtpd_policy_service_request_limit": "1"}, {}),
    ("SMTPD_POLICY_README, server on the network", {
        "smtpd_recipient_restrictions":
            "permit_mynetworks\n  reject_unauth_destination\n  check_policy_service inet:127.0.0.1:9998",
        "127.0.0.1:9998_time_limit": "3600"}, {}),
    ("SMTPD_POLICY_README, settings of one server", {
        "mua_recipient_restrictions": "\n  reject_unauth_destination\n  check_policy_service { inet:127.0.0.1:9998,\n"
            "    timeout=10s, default_action=DUNNO\n    policy_context=submission }",
        "smtpd_recipient_restrictions": "$mua_recipient_restrictions"}, {}),
    ("SMTPD_POLICY_README, a list that goes on when a server fails", {
        "smtpd_recipient_restrictions": "reject_unauth_destination\n  check_policy_service {\n"
            "    inet:127.0.0.1:9998,\n    default_action=DUNNO }\n  permit"}, {}),
    ("SMTPD_POLICY_README, greylisting as a class", {
        "smtpd_recipient_restrictions":
            f"reject_unlisted_recipient\n  reject_unauth_destination\n  check_sender_access {DATABASE}sender_access",
        "smtpd_restriction_classes": "greylist", "greylist": "check_policy_service unix:private/greylist"},
     {"sender_access": ["aol.com greylist", "hotmail.com greylist", "bigfoot.com greylist"]}),
    ("SMTPD_POLICY_README, greylisting but for some", {
        "smtpd_recipient_restrictions":
            f"reject_unlisted_recipient\n  reject_unauth_destination\n  check_sender_access {DATABASE}sender_access\n"
            "  check_policy_service unix:private/policy"},
     {"sender_access": ["securityfocus.com OK"]}),
    ("BACKSCATTER_README", {
        "header_checks": "pcre:$config_directory/header_checks", "body_checks": "pcre:$config_directory/body_checks"},
     {"header_checks": [
         "# Do not indent the patterns between \"if\" and \"endif\".", "if /^Received:/",
         r"/^Received: +from +(porcupine\.org) +/", "  reject forged client name in Received: header: $1",
         r"/^Received: +from +[^ ]+ +\(([^ ]+ +[he]+lo=|[he]+lo +)(porcupine\.org)\)/",
         "  reject forged client name in Received: header: $2", "endif", r"/^Message-ID:.* <!&!/ DUNNO",
         r"/^Message-ID:.*@(porcupine\.org)/", "  reject forged domain name in Message-ID: header: $1"],
      "body_checks": [
         r"/^[> ]*Message-ID:.* <!&!/ DUNNO", r"/^[> ]*Message-ID:.*@(porcupine\.org)/",
         "  reject forged domain name in Message-ID: header: $1",
         r"/^(From|Return-Path):.*\b(user@domain\.tld)\b/", "  reject forged sender address in $1: header: $2"]}),
    ("BACKSCATTER_README, unknown recipients", {"unknown_local_recipient_reject_code": "550"}, {}),
    ("STANDARD_CONFIGURATION_README, alone", {"mynetworks_style": "host", "relay_domains": ""}, {}),
    ("STANDARD_CONFIGURATION_README, null client", {
        "myhostname": "hostname.example.com", "myorigin": "$mydomain", "relayhost": "$mydomain",
        "inet_interfaces": "loopback-only", "mydestination": ""}, {}),
    ("STANDARD_CONFIGURATION_README, local network", {
        "myorigin": "$mydomain", "mynetworks": "127.0.0.0/8 10.0.0.0/24", "relay_domains": "",
        "mydestination": "$myhostname localhost.$mydomain localhost $mydomain"}, {}),
    ("STANDARD_CONFIGURATION_README, firewall", {
        "mynetworks": "127.0.0.0/8 12.34.56.0/24", "relay_domains": "example.com",
        "parent_domain_matches_subdomains": "\n  debug_peer_list smtpd_access_maps",
        "smtpd_relay_restrictions": "\n  permit_mynetworks reject_unauth_destination",
        "relay_recipient_maps": f"{DATABASE}relay_recipients", "transport_maps": f"{DATABASE}transport"},
     {"relay_recipients": ["user1@example.com x", "user2@example.com x"],
      "transport": ["example.com relay:[inside-gateway.example.com]"]}),
    ("STANDARD_CONFIGURATION_README, relay control the old way", {
        "smtpd_relay_restrictions": "",
        "smtpd_recipient_restrictions": "\n  permit_mynetworks reject_unauth_destination"}, {}),
    ("STANDARD_CONFIGURATION_README, no local delivery", {
        "myorigin": "example.com", "mydestination": "", "local_recipient_maps": "",
        "local_transport": "error:local mail delivery is disabled", "virtual_alias_maps": f"{DATABASE}virtual"},
     {"virtual": ["postmaster postmaster@example.com", "abuse abuse@example.com"]}),
    ("ADDRESS_VERIFICATION_README, recipients", {
        "smtpd_recipient_restrictions": "permit_mynetworks\n  reject_unauth_destination\n"
            "  reject_unknown_recipient_domain\n  reject_unverified_recipient"}, {}),
    ("ADDRESS_VERIFICATION_README, some senders", {
        "smtpd_sender_restrictions": f"{DATABASE}sender_access", "unverified_sender_reject_code": "550"},
     {"sender_access": ["aol.com reject_unverified_sender", "hotmail.com reject_unverified_sender"]}),
    ("ADDRESS_VERIFICATION_README, all senders", {
        "smtpd_sender_restrictions": f"permit_mynetworks\n  check_sender_access {DATABASE}sender_access\n"
            "  reject_unknown_sender_domain\n  warn_if_reject reject_unverified_sender"},
     {"sender_access": ["example.com OK"]}),
    ("SASL_README, relay control", {
        "smtpd_recipient_restrictions": "permit_mynetworks permit_sasl_authenticated reject_unauth_destination",
        **RELAYED}, {}),
    ("SASL_README, owners of addresses", {
        "smtpd_sender_login_maps": f"{DATABASE}controlled_envelope_senders",
        "smtpd_recipient_restrictions":
            "reject_sender_login_mismatch\n  permit_sasl_authenticated\n  reject_unauth_destination"},
     {"controlled_envelope_senders": ["john@example.com john@example.com", "helpdesk@example.com john, mary"]}),
    ("SASL_README, access by login", {
        "smtpd_recipient_restrictions": f"permit_mynetworks\n  check_sasl_access {DATABASE}sasl_access\n"
            "  permit_sasl_authenticated\n  reject_unauth_destination"},
     {"sasl_access": ["username HOLD"]}),
]


def written(directory: Path, main: dict[str, str], files: dict[str, list[str]]) -> None:
    """The example as files, in a site that has nothing else."""
    site = {"compatibility_level": "3.6", "myhostname": "mx.example.test", "mydomain": "example.test",
            "alias_maps": "", "local_recipient_maps": "", "queue_directory": str(directory), **main}
    (directory / "main.cf").write_text("".join(f"{name} = {value}\n" for name, value in site.items()))
    (directory / "master.cf").write_text("smtp inet n - y - - smtpd\n")
    for name, lines in files.items():
        (directory / name).write_text("".join(f"{line}\n" for line in lines))


async def heard(directory: Path) -> list[str]:
    """Whatever the directory's smtpd service has to say about its configuration."""
    configuration = load(str(directory))
    said = [problem.message for problem in configuration.problems if problem.severity != "warning"]
    [service] = configuration.services
    settings = configuration.settings(service)
    world = World(settings, warn=said.append)
    policy = Policy(settings, world, Classes(settings, world))
    said += [problem.message for problem in policy.problems()]
    said += [f"{spec}: {problem.message}" for spec, problem in world.problems()]
    await world.close()
    return said


@pytest.mark.parametrize("mode", ["gatepost", "postfix"])
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example[0])
def test_it_loads(example: Example, mode: str, tmp_path: Path) -> None:
    _, main, files = example
    written(tmp_path, {**main, "gatepost_compatibility": mode}, files)
    assert asyncio.run(heard(tmp_path)) == []


def test_a_word_that_is_no_restriction_is_reported(tmp_path: Path) -> None:
    written(tmp_path, {"smtpd_client_restrictions": "permit_mynetwork, reject"}, {})
    assert asyncio.run(heard(tmp_path)) == [
        'unknown smtpd restriction: "permit_mynetwork"; did you mean permit_mynetworks?']
