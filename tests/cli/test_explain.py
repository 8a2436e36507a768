"""gatepost explain as an operator runs it: every check with its line, and why a conversation ended as it did."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

GATEPOST = Path(sys.executable).parent / "gatepost"
MAIN = """\
mail_version = 3.9.0
compatibility_level = 3.6
myhostname = mx.example.org
mydestination = example.org
mynetworks = 127.0.0.0/8
smtpd_forbid_unauth_pipelining = no
smtpd_relay_restrictions =
  permit_mynetworks,
  check_sender_access inline:{nobody@example.net=REJECT},
  reject_unauth_destination
smtpd_data_restrictions = reject_unauth_pipelining
"""
MASTER = """\
smtp inet n - y - - smtpd
submission inet n - y - - smtpd
  -o smtpd_tls_security_level=encrypt
"""


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    (tmp_path / "main.cf").write_text(MAIN, encoding="utf-8")
    (tmp_path / "master.cf").write_text(MASTER, encoding="utf-8")
    return tmp_path


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([GATEPOST, "explain", *map(str, arguments)], capture_output=True, text=True, timeout=60,
                          check=False)


def told(*arguments: str | Path) -> list[str]:
    done = run(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_every_check_has_its_line(conf: Path) -> None:
    lines = told("proofs/relay", "-c", conf)
    assert lines[0] == "a client, unknown[198.51.100.7], talks to smtp/inet"
    at = lines.index("C: RCPT TO:<someone@elsewhere.example>")
    assert [line.split() for line in lines[at + 1 : at + 6]] == [
        ["smtpd_relay_restrictions"],
        ["permit_mynetworks", "DUNNO", f"{conf}/main.cf:8"],
        ["check_sender_access", "inline:{nobody@example.net=REJECT}", "DUNNO", f"{conf}/main.cf:9"],
        ["asked", "inline:{nobody@example.net=REJECT}", "for", "'a@client.example':", "not", "found"],
        ["asked", "inline:{nobody@example.net=REJECT}", "for", "'client.example':", "not", "found"]]
    assert "S: 554 5.7.1 <someone@elsewhere.example>: Relay access denied" in lines
    assert "in the end: refused 554 at RCPT" in lines


def test_a_refused_client_says_no_more(conf: Path) -> None:
    lines = told("proofs/relay", "-c", conf)
    assert lines[lines.index("C: QUIT") + 1] == "S: 221 2.0.0 Bye"
    assert "C: Subject: relayed" not in lines


def test_another_client_another_verdict(conf: Path) -> None:
    lines = told("proofs/relay", "-c", conf, "--client", "127.0.0.1", "--name", "localhost")
    assert "in the end: accepted" in lines and "localhost[127.0.0.1]" in lines[0]


def test_talking_out_of_turn_is_told(conf: Path) -> None:
    lines = told("proofs/body-before-354", "-c", conf)
    assert any(line.startswith("out of turn: behind DATA (buffered): ") for line in lines)
    assert "in the end: refused 503 at DATA" in lines


def test_a_service_by_name_or_port(conf: Path) -> None:
    for name in ("submission", "587", "submission/inet"):
        lines = told("proofs/relay", "-c", conf, "--service", name)
        assert lines[0].endswith("submission/inet")
        assert f"     because of smtpd_tls_security_level = encrypt   {conf}/master.cf:3" in lines
        assert "in the end: refused 530 at MAIL" in lines


def test_a_dialogue_of_ones_own(conf: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.txt"
    own.write_text("S:\nC: HELO there.example\nS:\nC: MAIL FROM:<nobody@example.net>\nS:\n"
                   "C: RCPT TO:<me@elsewhere.example>\nS:\nC: QUIT\nS:\n", encoding="utf-8")
    lines = told(own, "-c", conf)
    assert any("check_sender_access" in line and "REJECT" in line.split() for line in lines)


def test_json(conf: Path) -> None:
    found = json.loads("\n".join(told("proofs/relay", "-c", conf, "--json")))
    assert found["ending"] == "refused 554 at RCPT" and found["listener"] == "smtp/inet"
    refused = next(moment["answers"][0] for moment in found["moments"] if moment["says"][:1] == [
        "C: RCPT TO:<someone@elsewhere.example>"])
    assert refused["reply"]["code"] == 554 and refused["checks"][-1]["came_to"] == "REJECT"
    assert (refused["reason"]["token"], refused["reason"]["line"]) == ("reject_unauth_destination", 10)


def test_what_cannot_be_read_is_one_line_and_status_2(conf: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.txt"
    bad.write_text("what is this\n", encoding="utf-8")
    for arguments in (["proofs/none", "-c", conf], ["proofs/relay", "-c", tmp_path / "none"], [bad, "-c", conf],
                      ["proofs/relay", "-c", conf, "--service", "nobody"]):
        done = run(*arguments)
        assert (done.returncode, done.stdout) == (2, "") and done.stderr.count("\n") == 1, done.stderr
        assert "Traceback" not in done.stderr


def test_screening_is_met_by_whoever_is_new(conf: Path) -> None:
    (conf / "main.cf").write_text(f"{MAIN}postscreen_greet_action = enforce\n", encoding="utf-8")
    (conf / "master.cf").write_text("smtp inet n - y - 1 postscreen\nsmtpd pass - - y - - smtpd\n", encoding="utf-8")
    lines = told("proofs/whole-session-at-once", "-c", conf)
    assert "in the end: refused 550 at RCPT" in lines
    assert any(line.split() == ["postscreen_greet_action", "=", "enforce", "REJECT", f"{conf}/main.cf:12"]
               for line in lines)
    assert "in the end: refused 503 at DATA" in told("proofs/whole-session-at-once", "-c", conf, "--known")
