"""Two configurations, what clients would notice: docker-mailserver's lists before and after its change, and others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gatepost.audit.behaviour import behaviours
from gatepost.audit.compare import Comparison, Group, compare
from gatepost.audit.inputs import subject

Make = Callable[..., Path]

BASE = ("compatibility_level = 3.6\nmyhostname = mail.acme.example\nmydestination = $myhostname, acme.example\n"
        "mynetworks = 127.0.0.0/8\nlocal_recipient_maps = ldap:/etc/postfix/users.cf\n")
RELAY = "smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination\n"
OPEN = "smtpd_forbid_unauth_pipelining = no\nsmtpd_forbid_bare_newline = no\n"
MASTER = "smtp inet n - y - - smtpd\n"


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A configuration directory of some main.cf lines."""
    def made(name: str, text: str, master: str = MASTER, **tables: str) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "main.cf").write_text(BASE + text, encoding="utf-8")
        (folder / "master.cf").write_text(master, encoding="utf-8")
        for table, content in tables.items():
            (folder / table).write_text(content, encoding="utf-8")
        return folder
    return made


def compared(before: Path, after: Path) -> Comparison:
    return compare(subject(str(before)), subject(str(after)))


def change(found: Comparison, title: str) -> Group:
    return max((group for group in found.groups if group.title == title), key=lambda group: len(group.behaviours))


def test_the_same_is_the_same(make: Make) -> None:
    found = compared(make("a", RELAY), make("b", RELAY))
    assert found.same and found.played == 0


def test_another_order_of_lines_is_the_same(make: Make) -> None:
    found = compared(make("a", RELAY + OPEN), make("b", OPEN + RELAY.replace(", ", ",\n  ")))
    assert found.same


def test_another_banner_is_no_difference(make: Make) -> None:
    found = compared(make("a", RELAY), make("b", RELAY + "smtpd_banner = hello\n"))
    assert found.same and found.played > 200


def test_the_check_moved_to_data(make: Make) -> None:
    old = make("a", RELAY + OPEN + "smtpd_recipient_restrictions = reject_unauth_pipelining\n")
    new = make("b", RELAY + OPEN + "smtpd_data_restrictions = permit_mynetworks, reject_unauth_pipelining\n")
    found = compared(old, new)
    group = change(found, "accepted -> refused 503 at DATA")
    assert "the message is sent before the 354 can have been read" in group.behaviours
    assert group.after.reason is not None and group.before.reason is not None
    assert (group.after.reason.token, str(group.after.reason.span)) == ("reject_unauth_pipelining", f"{new}/main.cf:9")
    assert group.before.reason.text == "smtpd_data_restrictions is empty"
    assert "a client on the host itself" not in group.clients
    moved = change(found, "refused 503 at RCPT -> refused 503 at DATA")
    assert moved.before.reason is not None and str(moved.before.reason.span) == f"{old}/main.cf:9"
    assert moved.after.reason == group.after.reason


def test_an_open_relay_stands_first(make: Make) -> None:
    wide = RELAY + "mynetworks = 127.0.0.0/8, 0.0.0.0/0\n"
    found = compared(make("a", RELAY), make("b", wide))
    group = found.groups[0]
    assert group.opens and group.title == "refused 554 at RCPT -> accepted"
    assert group.after.reason is not None and group.after.reason.token == "permit_mynetworks"
    assert "mail for somebody elsewhere" in group.behaviours and "a stranger" in group.clients


def test_a_network_that_only_one_side_trusts_is_visited(make: Make) -> None:
    found = compared(make("a", RELAY), make("b", RELAY + "mynetworks = 127.0.0.0/8 10.7.0.0/16\n"))
    group = change(found, "refused 554 at RCPT -> accepted")
    assert list(group.clients) == ["a client at 10.7.0.1 (only one side's mynetworks has it)"]


def test_smuggling_is_explained_by_its_parameter(make: Make) -> None:
    found = compared(make("a", RELAY + OPEN), make("b", RELAY + OPEN.replace("newline = no", "newline = normalize")))
    group = change(found, "accepted as 2 messages -> accepted")
    assert group.after.reason is not None and str(group.after.reason.span).endswith("b/main.cf:8")
    assert group.after.reason.text == "smtpd_forbid_bare_newline = normalize"
    assert not any("CRLF . CRLF" in title for title in group.behaviours)


def test_a_table_decides(make: Make) -> None:
    lists = RELAY + "smtpd_helo_restrictions = check_helo_access hash:/etc/postfix/helo\n"
    found = compared(make("a", lists, helo="localhost REJECT\n"), make("b", lists, helo="localhost DUNNO\n"))
    group = change(found, "refused 554 at RCPT -> accepted")
    assert list(group.behaviours) == ["mail for somebody elsewhere, by a client that calls itself localhost"]
    assert group.before.reason is not None
    assert group.before.reason.token == "check_helo_access hash:/etc/postfix/helo"


def test_the_domain_of_each_side_is_used(make: Make) -> None:
    other = RELAY + "mydestination = $myhostname other.example\nmyhostname = mx.other.example\n"
    assert compared(make("a", RELAY), make("b", other)).same


def test_listeners_that_only_one_side_has(make: Make) -> None:
    submission = (f"{MASTER}submission inet n - y - - smtpd\n"
                  "  -o smtpd_client_restrictions=permit_sasl_authenticated,reject\n")
    found = compared(make("a", RELAY), make("b", RELAY, submission))
    assert found.only_after == ["submission/inet"] and not found.same and not found.groups


def test_a_renamed_listener_is_the_same_port(make: Make) -> None:
    found = compared(make("a", RELAY), make("b", RELAY, MASTER.replace("smtp ", "25 ")))
    assert found.same


def test_a_value_that_does_not_read_is_told(make: Make) -> None:
    found = compared(make("a", RELAY), make("b", RELAY + "smtpd_hard_error_limit = many\n"))
    assert len(found.left_out) == 1 and "smtpd_hard_error_limit" in found.left_out[0]


SCREEN = "smtp inet n - y - 1 postscreen\nsmtpd pass - - y - - smtpd\n"


def test_screening_that_begins_to_refuse(make: Make) -> None:
    before = make("a", RELAY + OPEN + "postscreen_greet_action = ignore\n", SCREEN)
    after = make("b", RELAY + OPEN + "postscreen_greet_action = enforce\n", SCREEN)
    found = compared(before, after)
    assert {client for group in found.groups for client in group.clients} == {"a stranger who comes for the first time"}
    group = change(found, "accepted -> refused 550 at RCPT")
    assert "everything is sent in one segment, before the greeting" in group.behaviours
    assert group.after.reason is not None
    assert (group.after.reason.text, group.after.reason.list) == (
        "postscreen_greet_action = enforce", "postscreen_greet_action")
    assert str(group.after.reason.span) == f"{after}/main.cf:9"


def test_a_deep_test_puts_off_whoever_is_new(make: Make) -> None:
    before, after = make("a", RELAY, SCREEN), make("b", RELAY + "postscreen_bare_newline_enable = yes\n", SCREEN)
    found = compared(before, after)
    group = change(found, "accepted -> refused 450 at RCPT")
    assert "an ordinary message to a user of ours" in group.behaviours
    assert group.after.reason is not None and group.after.reason.list == "postscreen_bare_newline_enable"


def test_behind_screening_a_client_that_is_known_meets_smtpd(make: Make) -> None:
    before, after = make("a", RELAY + OPEN, SCREEN), make("b", RELAY, SCREEN)
    found = compared(before, after)
    assert any("a stranger" in group.clients for group in found.groups)


def test_every_listener_that_differs_is_played(make: Make) -> None:
    master = MASTER + "".join(f"{port} inet n - y - - smtpd\n  -o smtpd_soft_error_limit={port}\n"
                              for port in (587, 465, 2525))
    found = compared(make("a", RELAY + OPEN, master), make("b", RELAY, master))
    assert found.played > 1000
    assert {"587/inet", "465/inet", "2525/inet"} <= {name for group in found.groups for name in group.listeners}


def test_services_that_are_the_same_are_played_once(make: Make) -> None:
    master = MASTER + "".join(f"{port} inet n - y - - smtpd\n  -o syslog_name=postfix/{port}\n"
                              for port in range(2000, 2100))
    found = compared(make("a", RELAY + OPEN, master), make("b", RELAY, master))
    assert found.played < 500
    assert {len(group.listeners) for group in found.groups} == {101}


def test_behaviours_are_many_and_each_is_there_once() -> None:
    every = behaviours()
    titles = [one.title for one in every if one.names[0].startswith("proofs/")]
    assert len(every) > 200 and len(titles) == len(set(titles))
    names = [name for one in every for name in one.names]
    assert len(names) == len(set(names))
