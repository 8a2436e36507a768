"""The values of access tables, as recorded from Postfix: value for user@example.test -> reply to RCPT, log lines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.lookup.fake import FakeLookups
from gatepost.policy.access import address_keys, client_keys, mail_keys, name_keys
from gatepost.policy.facts import Client
from gatepost.policy.verdict import Decision
from tests.policy.asking import ask, facts, policy

X = "<user@example.test>: Recipient address rejected:"
COLON = [("warning", "access table texthash:/t has entry with lookup table: text:with colon"),
         ("warning", "do not specify lookup tables inside SMTPD access maps"),
         ("warning", "define a restriction class and specify its name instead."),
         ("reject", "451 4.3.5 Server configuration error")]


def decide(value: str, **config: str) -> Decision:
    world = FakeLookups(tables={"texthash:/t": {"user@example.test": value}})
    return ask(policy({"smtpd_recipient_restrictions": "check_recipient_access texthash:/t",
                       "gatepost_compatibility": "postfix", **config}, world), "rcpt", facts())


REPLIES = [
    ("REJECT", f"554 5.7.1 {X} Access denied"),
    ("REJECT with text", f"554 5.7.1 {X} with text"),
    ("reject lower case", f"554 5.7.1 {X} lower case"),
    ("550 five fifty", f"550 5.7.1 {X} five fifty"),
    ("550 5.7.99 five", f"550 5.7.99 {X} five"),
    ("450 4.7.9 four", f"450 4.7.9 {X} four"),
    ("450 four fifty", f"450 4.7.1 {X} four fifty"),
    ("DEFER", f"450 4.7.1 {X} Access denied"),
    ("DEFER with text", f"450 4.7.1 {X} with text"),
    ("DEFER_IF_REJECT later", ""),
    ("DEFER_IF_PERMIT later if permitted", f"450 4.7.1 {X} later if permitted"),
    ("OK", ""), ("RELAY", ""), ("DUNNO", ""), ("1", ""), ("12345", ""), ("550", ""),
    ("reject_unauth_destination", ""), ("permit", ""), ("reject", f"554 5.7.1 {X} Access denied"),
    ("defer", f"450 4.7.1 {X} Access denied"),
    ("defer_if_permit", f"450 4.7.1 {X} Service unavailable"),
    ("NOSUCHTHING", "451 4.3.5 Server configuration error"),
    ("451 4.3.0 x", f"451 4.3.0 {X} x"), ("555 5.1.1 strange", f"555 5.1.1 {X} strange"),
    ("250 ok", "451 4.3.5 Server configuration error"), ("354 x", "451 4.3.5 Server configuration error"),
    ("599 5.9.9 x", f"599 5.9.9 {X} x"), ("600 x", "451 4.3.5 Server configuration error"),
    ("REJECT 5.1.1 own code", f"554 5.1.1 {X} own code"), ("REJECT 4.1.1 wrong class", f"554 5.1.1 {X} wrong class"),
    ("DEFER 5.1.1 wrong class", f"450 4.1.1 {X} wrong class"),
    ("warn_if_reject reject", ""), ("sleep 0", ""), ("reject_non_fqdn_recipient", ""),
    ("REJECT,permit", f"554 5.7.1 {X} Access denied"), ("permit, reject", ""),
    ("521 hang up", f"521 5.7.1 {X} hang up"),
]


@pytest.mark.parametrize(("value", "reply"), REPLIES)
def test_reply(value: str, reply: str) -> None:
    assert str(decide(value).reply or "") == reply


LOGS = [
    ("WARN careful", [("warn", "careful")]),
    ("INFO for your information", [("info", "for your information")]),
    ("FILTER smtp:[127.0.0.1]",
     [("filter", "<user@example.test>: Recipient address triggers FILTER smtp:[127.0.0.1]")]),
    ("HOLD on", [("hold", "<user@example.test>: Recipient address on")]),
    ("REDIRECT x@y.example", [("redirect", "<user@example.test>: Recipient address triggers REDIRECT x@y.example")]),
    ("BCC x@y.example", [("bcc", "<user@example.test>: Recipient address triggers BCC x@y.example")]),
    ("PREPEND X-A: b", []),
    ("text:with colon", COLON),
    ("REJECT,permit", [("reject", f"554 5.7.1 {X} Access denied"),
                       ("warning", "restriction `permit' after `reject' is ignored")]),
    ("permit, reject", [("warning", "restriction `reject' after `permit' is ignored")]),
    ("REJECT 5.1.7 x", [("plain", "mapping DSN status 5.1.7 into Recipient address status 5.1.3"),
                        ("reject", f"554 5.1.3 {X} x")]),
    ("FILTER nowhere",
     [("warning", 'access table texthash:/t entry "user@example.test" requires transport:destination')]),
]


@pytest.mark.parametrize(("value", "log"), LOGS)
def test_log(value: str, log: list[tuple[str, str]]) -> None:
    assert decide(value).log == log


@pytest.mark.parametrize(("value", "effect"), [
    ("FILTER smtp:[127.0.0.1]", ("filter", "smtp:[127.0.0.1]")), ("HOLD", ("hold", "")),
    ("REDIRECT x@y.example", ("redirect", "x@y.example")), ("BCC x@y.example", ("bcc", "x@y.example")),
    ("PREPEND X-A: b", ("prepend", "X-A: b")), ("DISCARD gone", ("discard", "gone"))])
def test_effect_on_the_message(value: str, effect: tuple[str, str]) -> None:
    assert [(found.action, found.argument) for found in decide(value).effects] == [effect]


def test_no_effect_where_a_proxy_takes_the_message() -> None:
    decision = decide("HOLD on", smtpd_proxy_filter="127.0.0.1:10025")
    assert decision.effects == []
    assert [kind for kind, _ in decision.log] == ["warning"]


def test_hangup_closes_without_a_word() -> None:
    decision = decide("HANGUP go")
    assert decision.hangup_silently
    assert decision.reply is None
    assert decision.log == [("hangup", "go")]


def test_codes_are_parameters() -> None:
    assert decide("REJECT", access_map_reject_code="453").log == [("reject", f"453 4.7.1 {X} Access denied")]
    assert decide("DEFER", access_map_defer_code="455").log == [("reject", f"455 4.7.1 {X} Access denied")]


def test_an_endless_list_ends() -> None:
    world = FakeLookups(tables={"texthash:/t": {"user@example.test": "again"}})
    asked = policy({"smtpd_recipient_restrictions": "check_recipient_access texthash:/t",
                    "smtpd_restriction_classes": "again", "again": "check_recipient_access texthash:/t"}, world)
    assert str(ask(asked, "rcpt", facts()).reply) == "451 4.3.5 Server configuration error"


KEYS = [
    (name_keys("Mail.Example.COM", True), ["mail.example.com", "example.com", "com"]),
    (name_keys("mail.example.com", False), ["mail.example.com", ".example.com", ".com"]),
    (name_keys("1.2.3.4", True), ["1.2.3.4"]),
    (address_keys("1.2.3.4"), ["1.2.3.4", "1.2.3", "1.2", "1"]),
    (address_keys("2001:db8::1"), ["2001:db8::1", "2001:db8", "2001"]),
    (client_keys("unknown", "10.1.2.3", True), ["unknown", "10.1.2.3", "10.1.2", "10.1", "10"]),
    (mail_keys("User+ext@sub.example", True, "+"),
     ["user+ext@sub.example", "user@sub.example", "sub.example", "example", "user+ext@", "user@"]),
    (mail_keys("a b@x", True, ""), ['"a b"@x', "x", '"a b"@', "a b@x", "x", "a b@"]),
]


@pytest.mark.parametrize(("keys", "expected"), KEYS, ids=range(len(KEYS)))
def test_keys(keys: object, expected: list[str]) -> None:
    assert [key for key, _ in keys] == expected  # type: ignore[attr-defined]


def test_pattern_tables_see_only_full_keys() -> None:
    world = FakeLookups(tables={"pcre:/t": {}})
    asked = policy({"smtpd_client_restrictions": "check_client_access pcre:/t",
                    "smtpd_sender_restrictions": "check_sender_access pcre:/t"}, world)
    ask(asked, "rcpt", facts(client=Client("10.0.0.1", name="a.b.example")))
    assert [question.key for question in world.asked if question.about == "pcre:/t"] == [
        "a.b.example", "10.0.0.1", "a@client.example"]


@given(st.text())
def test_any_value_comes_to_a_decision(value: str) -> None:
    decision = decide(value)
    assert decision.reply is None or 400 <= decision.reply.code <= 599
