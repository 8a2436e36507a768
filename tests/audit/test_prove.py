"""Findings shown by a conversation, before and after the fix; and no proof of what no rehearsal shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from gatepost.audit.change import AddItems, DropItems, SetValue
from gatepost.audit.finding import Finding, Fix, Severity
from gatepost.audit.inputs import subject
from gatepost.audit.prove import DIALOGUES, Proof, Prover
from gatepost.audit.run import audit
from tests.kit import ROOT

FIXTURES = ROOT / "tests" / "audit" / "fixtures"
BASE = ("mail_version = 3.9.0\ncompatibility_level = 3.6\nmyhostname = mail.acme.example\n"
        "mydestination = acme.example\nsmtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\n"
        "mynetworks = 127.0.0.0/8\nsmtpd_forbid_unauth_pipelining = no\nsmtpd_forbid_bare_newline = no\n")
PROVEN = sorted(path.parent for path in FIXTURES.glob("*/bad*/main.cf")
                if path.parent.parent.name.partition("-")[0] in DIALOGUES)


def proof(tmp_path: Path, text: str, rule: str, *changes: object, service: str = "", master: str = "") -> Proof | None:
    (tmp_path / "main.cf").write_text(BASE + text, encoding="utf-8")
    if master:
        (tmp_path / "master.cf").write_text(master, encoding="utf-8")
    fix = Fix("mend it", tuple(changes), True) if changes else None  # type: ignore[arg-type]  # whatever is given
    return Prover(subject(str(tmp_path))).prove(Finding(rule, Severity.HIGH, "x", service=service, fix=fix))


def test_a_body_before_the_354(tmp_path: Path) -> None:
    found = proof(tmp_path, "", "PIPE-01",
                  SetValue("smtpd_data_restrictions", "permit_mynetworks, reject_unauth_pipelining"))
    assert found is not None
    assert (found.dialogue, found.client, found.listener) == ("proofs/body-before-354", "a stranger", "smtp/inet")
    assert found.verdicts == ("accepted", "refused 503 at DATA")
    before, after = found.reasons
    assert before is not None and before.text == "smtpd_data_restrictions is empty"
    assert after is not None and (after.token, str(after.span)) == ("reject_unauth_pipelining", f"{tmp_path}/main.cf:6")
    last = found.rows[-1]
    assert (last.says, last.before, last.after) == (
        "DATA (+5 lines)", "354, 250 2.0.0, 221 2.0.0", "503 5.5.0, 221 2.7.0")
    assert found.rows[2].says == "RCPT TO:<user@acme.example>"


def test_smuggling(tmp_path: Path) -> None:
    found = proof(tmp_path, "", "SMUG-01", SetValue("smtpd_forbid_bare_newline", "normalize"))
    assert found is not None and found.dialogue == "proofs/smuggled-lf-dot-lf"
    assert found.verdicts == ("accepted as 2 messages", "accepted")
    assert [reason.text for reason in found.reasons if reason] == [
        "smtpd_forbid_bare_newline = no", "smtpd_forbid_bare_newline = normalize"]


def test_an_open_relay_and_who_uses_it(tmp_path: Path) -> None:
    wide = proof(tmp_path, "mynetworks = 0.0.0.0/0\n", "RLY-01", SetValue("mynetworks", "127.0.0.0/8"))
    assert wide is not None and (wide.client, wide.verdicts) == ("a stranger", ("accepted", "refused 554 at RCPT"))
    some = proof(tmp_path, "mynetworks = 127.0.0.0/8 10.8.0.0/16\n", "RLY-01",
                 DropItems("mynetworks", ("10.8.0.0/16",)))
    assert some is not None and some.client == "a client at 10.8.0.1 (in mynetworks)"


def test_a_permit_before_the_barrier_is_found_by_the_name_that_it_permits(tmp_path: Path) -> None:
    lists = ("smtpd_relay_restrictions =\nsmtpd_recipient_restrictions = check_helo_access inline:{localhost=OK},\n"
             "  reject_unauth_destination\n")
    item = "check_helo_access inline:{localhost=OK}"
    found = proof(tmp_path, lists, "RLY-04", DropItems("smtpd_recipient_restrictions", (item,)),
                  AddItems("smtpd_recipient_restrictions", (item,)))
    assert found is not None and found.dialogue == "proofs/relay-helo-localhost"
    assert found.reasons[0] is not None and found.reasons[0].token == item


def test_the_service_that_is_meant_comes_first(tmp_path: Path) -> None:
    master = ("smtp inet n - y - - smtpd\n127.0.0.1:10025 inet n - y - - smtpd\n"
              "  -o smtpd_recipient_restrictions=permit_mynetworks,reject\n")
    found = proof(tmp_path, "smtpd_data_restrictions = permit_mynetworks, reject_unauth_pipelining\n", "PIPE-08",
                  SetValue("smtpd_data_restrictions", "reject_unauth_pipelining", "127.0.0.1:10025/inet"),
                  service="127.0.0.1:10025/inet", master=master)
    assert found is not None
    assert (found.listener, found.client) == ("127.0.0.1:10025/inet", "a client on the host itself")
    assert found.reasons[0] is not None and found.reasons[0].token == "permit_mynetworks"
    assert found.reasons[1] is not None and str(found.reasons[1].span).startswith(f"{tmp_path}/master.cf:")


def test_without_a_fix_the_offence_alone_is_shown(tmp_path: Path) -> None:
    found = proof(tmp_path, "mynetworks = 0.0.0.0/0\n", "RLY-01")
    assert found is not None and found.verdicts == ("accepted",)
    assert found.reasons[0] is not None and found.reasons[0].token == "permit_mynetworks"
    assert all(row.after is None for row in found.rows)


def test_who_may_say_who_it_is(tmp_path: Path) -> None:
    found = proof(tmp_path, "smtpd_authorized_xclient_hosts = 0.0.0.0/0\n", "TRU-03")
    assert found is not None and (found.dialogue, found.verdicts) == ("proofs/xclient", ("accepted",))
    assert proof(tmp_path, "mynetworks = 0.0.0.0/0\n", "TRU-03") is None


def test_what_would_not_start_proves_nothing(tmp_path: Path) -> None:
    assert proof(tmp_path, "smtpd_relay_restrictions =\n", "RLY-02") is None


def test_nothing_is_proved_that_does_not_show(tmp_path: Path) -> None:
    assert proof(tmp_path, "", "PIPE-01", SetValue("smtpd_banner", "hello")) is None
    assert proof(tmp_path, "smtpd_data_restrictions = reject_unauth_pipelining\n", "PIPE-01") is None
    assert proof(tmp_path, "", "TLS-01", SetValue("smtpd_tls_security_level", "may")) is None


def test_the_lines(tmp_path: Path) -> None:
    found = proof(tmp_path, "", "PIPE-01", SetValue("smtpd_data_restrictions", "reject_unauth_pipelining"))
    assert found is not None
    text = "\n".join(found.lines())
    assert "proof: the message is sent before the 354 can have been read [proofs/body-before-354]" in text
    verdict = next(line for line in text.split("\n") if line.startswith("  verdict"))
    head = text.split("\n")[2]
    assert verdict.index("accepted") == head.index("before") and verdict.index("refused") == head.index("after")


@pytest.mark.parametrize("folder", PROVEN, ids=lambda folder: f"{folder.parent.name}/{folder.name}")
def test_every_fixture_can_be_tried(folder: Path) -> None:
    """A proof is found or not, but trying never fails; and what is proved changes an ending."""
    tried = subject(str(folder))
    prover = Prover(tried)
    for finding in audit(tried).findings:
        found = prover.prove(finding)
        assert found is None or len(set(found.verdicts)) == len(found.verdicts)


def test_a_server_that_cannot_be_asked_is_supposed_to_permit_and_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "main.cf").write_text(BASE + "smtpd_relay_restrictions = check_policy_service inet:127.0.0.1:10023,\n"
                                      "  reject_unauth_destination\n", encoding="utf-8")
    tried = subject(str(tmp_path))
    finding = next(each for each in audit(tried).findings if each.rule == "RLY-04")
    found = Prover(tried).prove(finding)
    assert found is not None and found.verdicts == ("accepted", "refused 554 at RCPT")
    assert "the policy server inet:127.0.0.1:10023 says OK" in found.supposed


@pytest.mark.parametrize(("check", "table", "says"), [
    ("check_sender_access", "friend@far.example OK", "MAIL FROM:<friend@far.example>"),
    ("check_sender_access", "far.example OK", "MAIL FROM:<a@far.example>"),
    ("check_helo_access", "localhost OK", "EHLO localhost"),
    ("check_client_access", "10.7 OK", "EHLO client.example"),
    ("check_recipient_access", "far.example 1", "RCPT TO:<someone@far.example>"),
])
def test_a_row_says_how_the_client_looks(tmp_path: Path, check: str, table: str, says: str) -> None:
    (tmp_path / "rows").write_text(f"nobody@nowhere.example REJECT\n{table}\n", encoding="utf-8")
    (tmp_path / "main.cf").write_text(
        f"{BASE}smtpd_relay_restrictions = {check} hash:/etc/postfix/rows, reject_unauth_destination\n",
        encoding="utf-8")
    tried = subject(str(tmp_path))
    found = next(filter(None, map(Prover(tried).prove, [
        each for each in audit(tried).findings if each.rule == "RLY-04"])))
    assert found.verdicts == ("accepted", "refused 554 at RCPT") and not found.supposed
    assert says in [row.says for row in found.rows]
    assert found.client == ("a client at 10.7.0.1" if check == "check_client_access" else "a stranger")


def test_of_docker_mailserver_the_override_is_what_decides_after_the_fix(tmp_path: Path) -> None:
    (tmp_path / "postfix-main.cf").write_text("smtpd_helo_required = yes\n", encoding="utf-8")
    (tmp_path / "postfix-accounts.cf").write_text("user@example.org|{SHA512}x\n", encoding="utf-8")
    tried = subject(str(tmp_path), dms_release="13.1.0")
    found = next(filter(None, map(Prover(tried).prove, [
        each for each in audit(tried).findings if each.rule.startswith("PIPE")])))
    assert found.verdicts == ("accepted", "refused 503 at DATA")
    assert "RCPT TO:<user@example.org>" in [row.says for row in found.rows]  # a domain with a mailbox
    assert found.reasons[1] is not None and found.reasons[1].span is not None
    assert found.reasons[1].span.file == str(tmp_path / "postfix-main.cf")


def test_screening_is_shown_to_whoever_is_new(tmp_path: Path) -> None:
    master = "smtp inet n - y - 1 postscreen\nsmtpd pass - - y - - smtpd\n"
    found = proof(tmp_path, "postscreen_greet_action = ignore\n", "PSC-02",
                  SetValue("postscreen_greet_action", "enforce"), master=master)
    assert found is not None and found.client == "a stranger who comes for the first time"
    assert found.verdicts == ("accepted", "refused 550 at RCPT")
    deep = proof(tmp_path, "postscreen_pipelining_enable = yes\n", "PSC-03",
                 SetValue("postscreen_pipelining_enable", "no"), master=master)
    assert deep is not None and (deep.dialogue, deep.verdicts) == ("proofs/polite", ("refused 450 at RCPT", "accepted"))
