"""A rehearsal says what the server says: every recorded dialogue that needs no clock and no second connection."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import gatepost.config.parameters as p
from gatepost.audit.gate import Gate
from gatepost.audit.guest import GATEWAY, STRANGER, USER, Guest
from gatepost.audit.host import Host, host
from gatepost.audit.rehearse import Played, Rehearsal, rehearsal
from gatepost.audit.supposed import beside
from gatepost.config.load import load as load_configuration
from gatepost.config.load import loads
from gatepost.config.settings import Settings
from gatepost.dialogue.format import Act, Dialogue, Expect, parse
from gatepost.lookup.fake import FakeLookups
from tests.lab import DIALOGUES, load, write_config
from tests.test_dialogues import is_listed
from tests.test_dialogues_in_process import RECORDED, recorded

WORDED_OTHERWISE = {"restrictions/footer-5", "restrictions/footer-maps"}  # a footer is no verdict
PLAYED = sorted(name for name in RECORDED if not is_listed(name, "postfix") and name not in WORDED_OTHERWISE)

PLAIN = "---\nS: 220 x\nC: EHLO c.example\nS: 250 x\nC: MAIL FROM:<a@b.example>\nS: 250 x\n"


class World(FakeLookups):
    """The lookups of the lab: tables from the dialogue's own directory, no DNS."""

    supposed = ()


def lines(played: Played) -> list[str]:
    text = "".join(reply.render().decode("utf-8", "backslashreplace") for reply in played.replies)
    return [re.sub(r"queued as \w+", "queued as <QID>", line) for line in text.split("\r\n") if line]


@pytest.mark.parametrize("name", PLAYED)
def test_as_recorded(name: str, tmp_path: Path) -> None:
    dialogue = load(RECORDED[name])
    conf = write_config(tmp_path, dialogue, 2525, ["gatepost_compatibility = postfix"])
    configuration = load_configuration(str(conf))
    settings = configuration.serving(next(each for each in configuration.services if each.type == "inet"))
    lab = Host(settings, World(), settings[p.MYHOSTNAME], "example.test", False)  # type: ignore[arg-type]
    played = Rehearsal(lab).play(dialogue.steps, Guest("the lab's client", dialogue.client), reacts=False)
    expected = [line.replace("\\xc3\\xa4", "ä").replace("\\xc3\\xbc", "ü") for line in recorded(dialogue)]
    assert lines(played) == expected


SCREENED = {f"postscreen/{path.stem}": path for path in (DIALOGUES / "postscreen").glob("*.gold")
            if not any(isinstance(step, Act) for step in load(path).steps)
            and not any(word in path.stem for word in ("footer", "time-limit"))}
"""Nothing in them needs another connection or time; and a footer is no verdict."""


@pytest.mark.parametrize("name", sorted(SCREENED))
def test_screening_as_recorded(name: str, tmp_path: Path) -> None:
    dialogue = load(SCREENED[name])
    conf = write_config(tmp_path, dialogue, 2525, ["gatepost_compatibility = postfix"])
    configuration = load_configuration(str(conf))
    entry = next(each for each in configuration.services if each.type == "inet")

    def lab(found: Settings) -> Host:
        return Host(found, World(), found[p.MYHOSTNAME], "example.test", False)  # type: ignore[arg-type]

    rehearsed = Rehearsal(lab(configuration.serving(entry)), Gate.of(lab(configuration.settings(entry))))
    played = rehearsed.play(dialogue.steps, Guest("the lab's client", dialogue.client, new=True), reacts=False)
    assert lines(played) == [line for line in recorded(dialogue) if not line.startswith("220-")]  # the teaser


def settings(**values: str) -> Settings:
    given = {"myhostname": "mail.here.example", "mydestination": "here.example",
             "smtpd_relay_restrictions": "permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination"}
    return Settings.of(given | values)


def dialogue(steps: str) -> Dialogue:
    return parse(PLAIN + steps)


def test_the_domain_that_is_served_is_found() -> None:
    assert host(settings()).domain == "here.example"
    assert host(settings(mydestination="$myhostname, localhost")).domain == "mail.here.example"
    assert host(settings(virtual_mailbox_domains="box.example")).domain == "box.example"
    assert host(settings(mydestination="", relay_domains="ldap:/nowhere")).domain == "example.com"


def test_a_domain_is_found_in_a_file_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "vhost").write_text("# ours\nboxes.example\n", encoding="utf-8")
    (tmp_path / "domains").write_text("inatable.example x\n", encoding="utf-8")
    read = beside(str(tmp_path))
    assert host(settings(virtual_mailbox_domains="/etc/postfix/vhost"), read).domain == "boxes.example"
    assert host(settings(virtual_mailbox_domains="hash:/etc/postfix/domains"), read).domain == "inatable.example"
    assert host(settings(virtual_mailbox_domains="/etc/postfix/../../secret"), read).domain == "here.example"


def test_an_unknown_table_supposes_users_and_says_so() -> None:
    rehearsed = rehearsal(settings(local_recipient_maps="ldap:/etc/postfix/users.cf"))
    talk = dialogue("C: RCPT TO:<user@here.example>\nS: 250 x\nC: RCPT TO:<nobody@here.example>\nS: 550 x\n")
    played = rehearsed.play(talk.steps)
    assert [reply.code for reply in played.replies][-2:] == [250, 550]
    assert any("ldap:/etc/postfix/users.cf" in text for text in rehearsed.supposed)


def test_a_policy_server_has_no_opinion_and_that_is_said() -> None:
    rehearsed = rehearsal(settings(smtpd_recipient_restrictions="check_policy_service inet:127.0.0.1:10023"))
    assert rehearsed.play(dialogue("C: RCPT TO:<user@here.example>\n").steps).replies[-1].code == 250
    assert "the policy server inet:127.0.0.1:10023 says DUNNO" in rehearsed.supposed


RELAY = "C: RCPT TO:<someone@elsewhere.example>\nS: 250 x\nC: DATA\nS: 354 x\nC: Subject: x\n+:\n+: .\nS: 250 x\n"


@pytest.mark.parametrize(("guest", "networks", "accepted"), [
    (STRANGER, "127.0.0.0/8", 0), (GATEWAY, "127.0.0.0/8", 0), (GATEWAY, "172.16.0.0/12", 1),
    (STRANGER, "0.0.0.0/0", 1), (USER, "127.0.0.0/8", 1)])
def test_who_may_relay(guest: Guest, networks: str, accepted: int) -> None:
    rehearsed = rehearsal(settings(mynetworks=networks, smtpd_sasl_auth_enable="yes"))
    played = rehearsed.play(dialogue(RELAY).steps, guest)
    assert len(played.accepted) == accepted
    if accepted:
        assert played.accepted[0].recipients == ("someone@elsewhere.example",)


def test_a_user_who_cannot_log_in_is_a_stranger() -> None:
    assert rehearsal(settings()).play(dialogue(RELAY).steps, USER).accepted == []


def test_a_refused_client_sends_no_message_and_one_that_is_told_to_does() -> None:
    refused = rehearsal(settings()).play(dialogue(RELAY).steps)
    assert refused.gave_up and refused.replies[-1].code == 221
    shy = dialogue("C: RCPT TO:<user@here.example>\nS: 250 x\nC: DATA\nS: 554 no\nC: QUIT\nS: 221 x\n")
    accepted = rehearsal(settings()).play(shy.steps)
    assert len(accepted.accepted) == 1 and accepted.replies[-1].code == 221


def test_each_decision_has_its_place() -> None:
    text = ("mydestination = here.example\nsmtpd_delay_reject = yes\n"
            "smtpd_recipient_restrictions =\n  permit_mynetworks,\n  reject_unauth_destination\n")
    configuration = loads(text, "smtp inet n - n - - smtpd\n", directory="/etc/postfix")
    rehearsed = rehearsal(configuration.settings(configuration.services[0]))
    played = rehearsed.play(dialogue("C: RCPT TO:<someone@elsewhere.example>\nS: 250 x\n").steps)
    last = played.said[-1]
    assert (last.where, last.reply.code, last.step) == ("RCPT", 554, 5)
    step = last.judged[0].decision.trace[-1]
    assert (step.list_name, step.token, str(step.span)) == (
        "smtpd_recipient_restrictions", "reject_unauth_destination", "/etc/postfix/main.cf:5")


def test_the_steps_show_what_was_said() -> None:
    played = rehearsal(settings()).play(dialogue("C: DATA\n+: x\n+: .\nS: 354 x\nC: QUIT\nS: 221 x\n").steps)
    assert played.early is not None and played.early.after == "DATA"
    shown = [step for step in played.steps if isinstance(step, Expect)]
    assert shown[0].lines == ("220 mail.here.example ESMTP Postfix",)
    assert shown[-1].lines[-1] == "<closed>"


def test_twice_the_same() -> None:
    given = settings(
        smtpd_client_restrictions="check_client_access randmap:{OK, REJECT}",
        smtpd_recipient_restrictions="check_policy_service unix:private/policy, reject_rbl_client bl.example")
    talk = dialogue(RELAY).steps
    first = [lines(rehearsal(given).play(talk)) for _ in range(5)]
    assert all(each == first[0] for each in first)
