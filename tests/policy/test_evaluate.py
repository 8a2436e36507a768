"""Order of the stages, what is carried between them, and the log lines of decisions. Texts as recorded from Postfix."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gatepost.lookup.fake import FakeLookups
from gatepost.policy.facts import Facts, forget_transaction
from gatepost.policy.verdict import Outcome
from gatepost.smtp.turn import EarlyTalk
from tests.policy.asking import STRANGER, ask, facts, policy

RELAY = "permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination"
CLIENT = "554 5.7.1 <unknown[198.51.100.7]>: Client host rejected: Access denied"
HELO = "554 5.7.1 <client.example>: Helo command rejected: Access denied"
SENDER = "554 5.7.1 <a@client.example>: Sender address rejected: Access denied"
USER = "554 5.7.1 <user@example.test>: Recipient address rejected: Access denied"
EARLY = EarlyTalk("DATA", "buffered", b"Subject: x")

# what is refused where, stage by stage: (list, smtpd_delay_reject, stage, facts, reply)
STAGES: list[tuple[str, str, str, dict[str, Any], str]] = [
    ("client", "yes", "client", {}, ""),
    ("client", "yes", "rcpt", {}, CLIENT),
    ("client", "yes", "vrfy", {"where": "VRFY", "sender": None}, CLIENT),
    ("client", "yes", "etrn", {"where": "ETRN", "etrn_domain": "example.test"}, CLIENT),
    ("client", "no", "client", {}, CLIENT),
    ("client", "no", "rcpt", {}, ""),
    ("helo", "yes", "helo", {}, ""),
    ("helo", "yes", "rcpt", {}, HELO),
    ("helo", "yes", "rcpt", {"helo": None}, ""),
    ("helo", "no", "helo", {"where": "EHLO", "helo": None, "helo_raw": "client.example"}, HELO),
    ("sender", "yes", "sender", {}, ""),
    ("sender", "yes", "rcpt", {}, SENDER),
    ("sender", "yes", "vrfy", {"where": "VRFY", "sender": None}, ""),
    ("sender", "no", "sender", {"where": "MAIL", "recipient": None}, SENDER),
    ("sender", "no", "rcpt", {}, ""),
    ("relay", "no", "rcpt", {}, USER),
    ("relay", "yes", "vrfy", {"sender": None, "recipient": "user"},
     "554 5.7.1 <user>: Recipient address rejected: Access denied"),
    ("recipient", "no", "rcpt", {}, USER),
    ("data", "yes", "data", {"where": "DATA"}, "554 5.7.1 <DATA>: Data command rejected: Access denied"),
    ("data", "yes", "data", {"where": "BDAT"}, "554 5.7.1 <DATA>: Data command rejected: Access denied"),
    ("end_of_data", "no", "end_of_data", {"where": "END-OF-MESSAGE"},
     "554 5.7.1 <END-OF-MESSAGE>: End-of-data rejected: Access denied"),
    ("etrn", "yes", "etrn", {"where": "ETRN", "etrn_domain": "example.test"},
     "554 5.7.1 <example.test>: Etrn command rejected: Access denied"),
]


@pytest.mark.parametrize(("name", "delay", "stage", "about", "reply"), STAGES)
def test_a_list_is_run_at_its_stage(name: str, delay: str, stage: str, about: dict[str, Any], reply: str) -> None:
    asked = policy({"smtpd_delay_reject": delay, f"smtpd_{name}_restrictions": "reject"})
    decision = ask(asked, stage, facts(**about))
    assert str(decision.reply or "") == reply
    if reply:
        assert asked.needs(stage)
        assert decision.log == [("reject", reply)]


def test_needs_says_what_need_not_be_asked() -> None:
    asked = policy()
    assert [stage for stage in ("client", "helo", "sender", "rcpt", "vrfy", "data", "end_of_data", "etrn")
            if asked.needs(stage)] == ["rcpt", "vrfy"]


EARLY_TALK = [
    ("client", "rcpt", "<unknown[198.51.100.7]>: Client host"), ("helo", "rcpt", "<client.example>: Helo command"),
    ("sender", "rcpt", "<a@client.example>: Sender address"), ("relay", "rcpt",
                                                               "<user@example.test>: Recipient address"),
    ("recipient", "rcpt", "<user@example.test>: Recipient address"), ("data", "data", "<DATA>: Data command"),
    ("end_of_data", "end_of_data", "<END-OF-MESSAGE>: End-of-data"),
]


@pytest.mark.parametrize(("name", "stage", "what"), EARLY_TALK)
def test_talking_out_of_turn_is_refused_in_the_words_of_the_list(name: str, stage: str, what: str) -> None:
    decision = ask(policy({f"smtpd_{name}_restrictions": "reject_unauth_pipelining"}), stage, facts(early=EARLY))
    assert str(decision.reply) == f"503 5.5.0 {what} rejected: Improper use of SMTP command pipelining"
    assert decision.trace[-1].lookups == [("early talk", "DATA", "buffered: b'Subject: x'")]


def test_ok_ends_its_own_list_only() -> None:
    asked = policy({"smtpd_client_restrictions": "permit", "smtpd_helo_restrictions": "permit",
                    "smtpd_sender_restrictions": "permit", "smtpd_recipient_restrictions": "permit"})
    assert str(ask(asked, "rcpt", facts(recipient="x@far.example")).reply) == (
        "554 5.7.1 <x@far.example>: Relay access denied")


@pytest.mark.parametrize(("before", "reply"), [("yes", "Relay access denied"),
                                               ("no", "Recipient address rejected: by recipient list")])
def test_relay_or_recipient_first(before: str, reply: str) -> None:
    asked = policy({"smtpd_relay_before_recipient_restrictions": before, "smtpd_recipient_restrictions":
                    "check_recipient_access inline:{ {x@far.example=REJECT by recipient list} }"})
    decision = ask(asked, "rcpt", facts(recipient="x@far.example"))
    assert str(decision.reply) == f"554 5.7.1 <x@far.example>: {reply}"


def test_the_old_order_is_told_when_nobody_chose_it() -> None:
    asked = policy({"compatibility_level": "2", "smtpd_recipient_restrictions": "reject_unauth_destination"})
    assert ask(asked, "rcpt", facts(recipient="x@far.example")).log == [
        ("reject", "554 5.7.1 <x@far.example>: Relay access denied"),
        ("plain", "using backwards-compatible default setting smtpd_relay_before_recipient_restrictions=no to reject "
                  'recipient "x@far.example" from client "unknown[198.51.100.7]"')]


def test_postmaster_is_never_refused() -> None:
    asked = policy({"smtpd_client_restrictions": "reject", "smtpd_recipient_restrictions": "reject"})
    assert ask(asked, "rcpt", facts(recipient="PostMaster")).reply is None
    assert ask(asked, "rcpt", facts(recipient="postmaster@example.test")).reply is not None


UNLISTED = [
    ({}, "nobody@example.test", "550 5.1.1 <nobody@example.test>: Recipient address rejected: "
     "User unknown in local recipient table"),
    ({"show_user_unknown_table_name": "no"}, "nobody@example.test",
     "550 5.1.1 <nobody@example.test>: Recipient address rejected: User unknown"),
    ({"unknown_local_recipient_reject_code": "450"}, "nobody@example.test",
     "450 4.1.1 <nobody@example.test>: Recipient address rejected: User unknown in local recipient table"),
    ({}, "nope@alias.test", "550 5.1.1 <nope@alias.test>: Recipient address rejected: "
     "User unknown in virtual alias table"),
    ({}, "unknown@relay.test", "550 5.1.1 <unknown@relay.test>: Recipient address rejected: "
     "User unknown in relay recipient table"),
    ({}, "info@alias.test", ""),
    ({"smtpd_reject_unlisted_recipient": "no"}, "nobody@example.test", ""),
    ({"receive_override_options": "no_unknown_recipient_checks"}, "nobody@example.test", ""),
]


@pytest.mark.parametrize(("config", "recipient", "reply"), UNLISTED)
def test_unlisted_recipients(config: dict[str, str], recipient: str, reply: str) -> None:
    assert str(ask(policy(config), "rcpt", facts(recipient=recipient)).reply or "") == reply


def test_unlisted_senders_are_asked_for_when_wanted() -> None:
    asked = policy({"smtpd_reject_unlisted_sender": "yes"})
    decision = ask(asked, "rcpt", facts(sender="nope@alias.test"))
    assert decision.log == [
        ("plain", "mapping DSN status 5.1.1 into Sender address status 5.1.7"),
        ("reject", "550 5.1.7 <nope@alias.test>: Sender address rejected: User unknown in virtual alias table")]
    assert ask(policy(), "rcpt", facts(sender="nope@alias.test")).reply is None


# defer_if_permit and defer_if_reject: (recipient restrictions, recipient, reply)
DEFERRED = [
    ("defer_if_permit", "nobody@example.test", "450 4.7.0 <nobody@example.test>: Recipient address rejected: "
     "defer_if_permit requested"),
    ("defer_if_permit, reject", "user@example.test", USER),
    ("defer_if_permit, permit", "user@example.test", "450 4.7.0 <user@example.test>: Recipient address rejected: "
     "defer_if_permit requested"),
    ("defer_if_reject", "user@example.test", ""),
    ("defer_if_reject", "nobody@example.test", "450 4.7.0 <nobody@example.test>: Recipient address rejected: "
     "defer_if_reject requested"),
    ("defer_if_reject, defer_if_permit, reject", "user@example.test",
     "450 4.7.0 <user@example.test>: Recipient address "
     "rejected: defer_if_permit requested"),
    ("warn_if_reject, defer_if_permit", "user@example.test", ""),
    ("check_recipient_access inline:{{user@example.test=DEFER_IF_PERMIT first}}, defer_if_permit", "user@example.test",
     "450 4.7.1 <user@example.test>: Recipient address rejected: first"),
]


@pytest.mark.parametrize(("words", "recipient", "reply"), DEFERRED)
def test_deferrals_that_wait(words: str, recipient: str, reply: str) -> None:
    decision = ask(policy({"smtpd_recipient_restrictions": words}), "rcpt", facts(recipient=recipient))
    assert str(decision.reply or "") == reply


def test_defer_if_permit_comes_through_from_the_client_list() -> None:
    reply = "450 4.7.0 <unknown[198.51.100.7]>: Client host rejected: defer_if_permit requested"
    delayed = policy({"smtpd_client_restrictions": "defer_if_permit"})
    assert str(ask(delayed, "rcpt", facts()).reply) == reply
    at_once = policy({"smtpd_client_restrictions": "defer_if_permit", "smtpd_delay_reject": "no"})
    carried: dict[str, object] = {}
    assert ask(at_once, "client", Facts("CONNECT", STRANGER, carried=carried)).reply is None
    ask(at_once, "helo", facts(where="EHLO", carried=carried))
    ask(at_once, "sender", facts(where="MAIL", carried=carried))
    forget_transaction(carried)
    assert str(ask(at_once, "rcpt", facts(carried=carried)).reply) == reply


def test_defer_if_reject_ends_with_its_stage() -> None:
    asked = policy({"smtpd_client_restrictions": "defer_if_reject", "smtpd_recipient_restrictions": "reject"})
    assert str(ask(asked, "rcpt", facts()).reply) == USER


def test_warn_if_reject_softens_the_next_restriction_only() -> None:
    asked = policy({"smtpd_client_restrictions": "warn_if_reject reject", "smtpd_recipient_restrictions":
                    "warn_if_reject reject_unauth_pipelining, reject"})
    decision = ask(asked, "rcpt", facts(early=EARLY))
    assert decision.log == [
        ("reject_warning", CLIENT),
        ("reject_warning", "503 5.5.0 <user@example.test>: Recipient address rejected: "
                           "Improper use of SMTP command pipelining"),
        ("reject", USER)]
    assert [(step.token, step.outcome) for step in decision.trace if step.reply] == [
        ("reject", Outcome.DUNNO), ("reject_unauth_pipelining", Outcome.DUNNO), ("reject", Outcome.REJECT)]


def test_warn_if_reject_softens_a_whole_class_but_no_broken_configuration() -> None:
    config = {"smtpd_restriction_classes": "strict", "strict": "reject_unauth_pipelining, reject",
              "gatepost_compatibility": "postfix"}
    soft = policy({**config, "smtpd_recipient_restrictions": "warn_if_reject strict"})
    assert ask(soft, "rcpt", facts(early=EARLY)).reply is None
    broken = policy({**config, "smtpd_recipient_restrictions": "warn_if_reject reject_frobnication"})
    assert str(ask(broken, "rcpt", facts()).reply) == "451 4.3.5 Server configuration error"


def test_classes_are_lists_in_place() -> None:
    table = "inline:{ {user@example.test=strict}, {other@example.test=loose} }"
    asked = policy({
        "smtpd_restriction_classes": "strict, loose", "loose": "permit",
        "strict": "check_sender_access inline:{ {client.example=REJECT strict class} }",
        "smtpd_recipient_restrictions": f"check_recipient_access {table}, reject"})
    decision = ask(asked, "rcpt", facts())
    assert str(decision.reply) == "554 5.7.1 <a@client.example>: Sender address rejected: strict class"
    assert [(step.list_name, step.token.split()[0]) for step in decision.trace[-3:]] == [
        ("strict", "check_sender_access"), (table, "strict"), ("smtpd_recipient_restrictions",
                                                               "check_recipient_access")]
    assert ask(asked, "rcpt", facts(recipient="other@example.test")).reply is None


def test_an_unknown_name_is_451_where_postfix_is_imitated() -> None:
    asked = policy({"smtpd_recipient_restrictions": "reject_frobnication", "gatepost_compatibility": "postfix"})
    assert ask(asked, "rcpt", facts()).log == [
        ("warning", 'unknown smtpd restriction: "reject_frobnication"'),
        ("reject", "451 4.3.5 Server configuration error")]


def test_what_is_behind_permit_is_told_at_each_use() -> None:
    asked = policy({"smtpd_client_restrictions": "permit, reject", "smtpd_recipient_restrictions": "permit, reject"})
    line = "restriction `reject' after `permit' is ignored"
    assert asked.warnings() == [line]
    assert ask(asked, "rcpt", facts()).log == [("warning", line), ("warning", line)]
    assert [problem.message for problem in asked.unreachable()] == [line, line]


def test_discard_skips_everything_for_the_transaction() -> None:
    asked = policy({"smtpd_sender_restrictions":
                    "check_recipient_access inline:{ {user@example.test=DISCARD silently} }",
                    "smtpd_recipient_restrictions": "reject", "smtpd_data_restrictions": "reject"})
    about = facts()
    decision = ask(asked, "rcpt", about)
    assert decision.reply is None
    assert decision.log == [("discard", "<user@example.test>: Recipient address silently")]
    assert [effect.action for effect in decision.effects] == ["discard"]
    assert ask(asked, "data", facts(where="DATA", carried=about.carried)).reply is None
    forget_transaction(about.carried)
    assert ask(asked, "data", facts(where="DATA", carried=about.carried)).reply is not None


def test_after_data_a_single_recipient_is_looked_at_only_when_it_is_the_only_one() -> None:
    asked = policy({"smtpd_data_restrictions": "check_recipient_access inline:{user@example.test=REJECT}"})
    assert ask(asked, "data", facts(where="DATA", recipient_count=1)).reply is not None
    assert ask(asked, "data", facts(where="DATA", recipient_count=2)).reply is None


def test_etrn_domains() -> None:
    asked = policy({"smtpd_etrn_restrictions": "check_etrn_access inline:{ {example.test=REJECT not here} }"})
    decision = ask(asked, "etrn", facts(where="ETRN", etrn_domain="sub.example.test"))
    assert str(decision.reply) == "554 5.7.1 <sub.example.test>: Etrn command rejected: not here"


def test_soft_bounce_is_in_the_log_too() -> None:
    asked = policy({"soft_bounce": "yes", "smtpd_recipient_restrictions": "reject"})
    assert ask(asked, "rcpt", facts()).log == [("reject", USER.replace("554 5", "454 4"))]


def test_permits_are_logged_where_wanted() -> None:
    asked = policy({"smtpd_log_access_permit_actions": "static:all",
                    "smtpd_client_restrictions": "permit_sasl_authenticated",
                    "smtpd_recipient_restrictions": "check_recipient_access inline:{user@example.test=OK}"})
    assert ask(asked, "rcpt", facts(sasl_username="me")).log == [
        ("permit", "action=permit_sasl_authenticated for Client host=unknown[198.51.100.7] "),
        ("permit", "action=OK for Recipient address=user@example.test from inline:{user@example.test=OK}")]


def test_a_failing_table_of_ours_is_a_temporary_failure() -> None:
    asked = policy({"local_recipient_maps": "fail:down", "gatepost_compatibility": "postfix"}, FakeLookups())
    assert str(ask(asked, "rcpt", facts()).reply) == "451 4.3.0 <user@example.test>: Temporary lookup failure"


def test_the_trace_names_list_token_outcome_and_lookups() -> None:
    table = "inline:{ {user@example.test=DUNNO} }"
    decision = ask(policy({"smtpd_recipient_restrictions": f"permit_mynetworks, check_recipient_access {table}"}),
                   "rcpt", facts())
    assert [(step.list_name, step.token, step.outcome.value) for step in decision.trace] == [
        ("smtpd_relay_restrictions", "reject_unauth_destination", "DUNNO"),
        ("smtpd_recipient_restrictions", "permit_mynetworks", "DUNNO"),
        ("smtpd_recipient_restrictions", f"check_recipient_access {table}", "DUNNO"),
        ("smtpd_reject_unlisted_recipient", "yes", "DUNNO")]
    assert decision.trace[2].lookups == [(table, "user@example.test", "DUNNO")]


def test_what_has_to_wait_waits_in_a_task_of_the_loop() -> None:
    class Slow(FakeLookups):
        async def delegate(self, service: Any, attributes: Any) -> str:
            answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
            asyncio.get_running_loop().call_soon(answer.set_result, "REJECT by a slow server")
            return await answer

    async def decide() -> str:
        asked = policy({"smtpd_recipient_restrictions": "check_policy_service inet:127.0.0.1:10023"}, Slow())
        return str((await asked.decide("rcpt", facts())).reply)

    assert asyncio.run(decide()) == "554 5.7.1 <user@example.test>: Recipient address rejected: by a slow server"


def test_the_default_relay_list_of_old_levels_is_told() -> None:
    asked = policy({"compatibility_level": "0",
                    "smtpd_recipient_restrictions": "warn_if_reject reject, defer_if_permit"}, relay_default=True)
    lines = [text for kind, text in ask(asked, "rcpt", facts(recipient="x@far.example")).log if kind == "plain"]
    assert lines == ['using backwards-compatible default setting "smtpd_relay_restrictions = (empty)" to avoid "Relay '
                     'access denied" error for recipient "x@far.example" from client "unknown[198.51.100.7]"']
