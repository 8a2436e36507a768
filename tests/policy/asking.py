"""A policy to ask: settings of a small site, facts of one client, answers at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gatepost.config.settings import Settings
from gatepost.lookup.classes import Classes
from gatepost.lookup.fake import FakeLookups
from gatepost.policy.evaluate import Policy
from gatepost.policy.facts import Client, Facts
from gatepost.policy.verdict import Decision

SITE = {
    "compatibility_level": "3.6", "myhostname": "mx.example.test",
    "mydomain": "example.test", "myorigin": "example.test",
    "mydestination": "example.test", "mynetworks": "192.0.2.0/24", "inet_interfaces": "127.0.0.1",
    "alias_maps": "", "local_recipient_maps": "inline:{ user=x, other=x }",
    "virtual_alias_domains": "alias.test", "virtual_alias_maps": "inline:{ info@alias.test=user@example.test }",
    "virtual_mailbox_domains": "virt.test", "virtual_mailbox_maps": "inline:{ box@virt.test=x }",
    "relay_domains": "relay.test", "relay_recipient_maps": "inline:{ known@relay.test=x }",
    "smtpd_relay_restrictions": "reject_unauth_destination",
    "rbl_reply_maps": "", "smtpd_sender_login_maps": "inline:{ owned@client.example=someone, mine@client.example=me }",
}
STRANGER = Client("198.51.100.7", port="2525")


def policy(config: Mapping[str, str] | None = None, lookups: FakeLookups | None = None, *,
           relay_default: bool = False) -> Policy:
    """The site with `config`; `relay_default`: smtpd_relay_restrictions is not set."""
    values = {**SITE, **(config or {})}
    if relay_default:
        del values["smtpd_relay_restrictions"]
    settings = Settings.of(values)
    world = lookups or FakeLookups()
    return Policy(settings, world, Classes(settings, world))


def facts(**changes: Any) -> Facts:
    """An ESMTP client at RCPT, with a valid sender and recipient."""
    usual = Facts("RCPT", STRANGER, protocol="ESMTP", helo="client.example", sender="a@client.example",
                  recipient="user@example.test")
    return replace(usual, **{"carried": {}, **changes})


def ask(asked: Policy, stage: str, about: Facts) -> Decision:
    """One decision, without an event loop: whatever would wait fails."""
    try:
        asked.decide(stage, about).send(None)
    except StopIteration as done:
        decision = done.value
        assert isinstance(decision, Decision)
        return decision
    raise AssertionError("the decision waits")


def reply_at_rcpt(config: Mapping[str, str], about: Facts | None = None, lookups: FakeLookups | None = None) -> str:
    """The refusal as one line, "" for none."""
    reply = ask(policy(config, lookups), "rcpt", about or facts()).reply
    return str(reply) if reply else ""
