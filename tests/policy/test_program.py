"""What is wrong with a list is said at start-up, with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from gatepost.config.located import Located
from gatepost.config.settings import Settings, Value
from gatepost.lookup.classes import Classes
from gatepost.lookup.fake import FakeLookups
from gatepost.policy.evaluate import Policy
from tests.policy.asking import SITE, policy

NO_PROTECTION = (
    "in parameter smtpd_relay_restrictions or smtpd_recipient_restrictions, specify at least one working instance of: "
    "reject_unauth_destination, defer_unauth_destination, reject, defer, defer_if_permit or check_relay_domains")

PROBLEMS = [
    ("reject_unknown_client_hostnam", 'unknown smtpd restriction: "reject_unknown_client_hostnam"; '
     "did you mean reject_unknown_client_hostname?"),
    ("reject_frobnication", 'unknown smtpd restriction: "reject_frobnication"'),
    ("check_client_access",
     'restriction check_client_access: bad argument "check_client_access": need maptype:mapname'),
    ("check_client_access permit", 'restriction check_client_access: bad argument "permit": need maptype:mapname'),
    ("reject_rbl_client", "restriction reject_rbl_client requires domain name argument"),
    ("reject_rbl_client bl.example=127.0.0", 'bad DNS list filter "127.0.0": need four numbers or '
     "[number;number..number]"),
    ("check_policy_service", "restriction check_policy_service must be followed by transport:server"),
    ("check_policy_service tcp:1", 'restriction check_policy_service: bad server "tcp:1": need inet:host:port or '
     "unix:path"),
    ("check_policy_service { inet:h:1, colour = red }", 'restriction check_policy_service: unknown option "colour" for '
     "inet:h:1"),
    ("sleep soon", 'restriction sleep must be followed by number'),
]


@pytest.mark.parametrize(("words", "message"), PROBLEMS)
def test_problem(words: str, message: str) -> None:
    assert [problem.message for problem in policy({"smtpd_client_restrictions": words}).problems()] == [message]
    lenient = policy({"smtpd_client_restrictions": words, "gatepost_compatibility": "postfix"})
    assert lenient.problems() == []


def test_a_bare_table_has_no_meaning_after_data() -> None:
    assert [problem.message[:30] for problem in policy({"smtpd_data_restrictions": "inline:{a=b}"}).problems()] == [
        "specify one of (check_client_a"]


@pytest.mark.parametrize("classes", [{"loop": "loop"}, {"loop": "permit_mynetworks, other", "other": "loop"}])
@pytest.mark.parametrize("mode", ["postfix", "gatepost"])
def test_a_class_may_not_contain_itself(classes: dict[str, str], mode: str) -> None:
    asked = policy({"smtpd_restriction_classes": " ".join(classes), **classes, "gatepost_compatibility": mode,
                    "smtpd_recipient_restrictions": "loop"})
    path = "loop -> other -> loop" if len(classes) == 2 else "loop -> loop"
    assert [problem.message for problem in asked.problems()] == [f"restriction class contains itself: {path}"]


PROTECTED = [
    ("reject_unauth_destination", True), ("permit_mynetworks, reject", True), ("defer_if_permit", True),
    ("permit, reject", False), ("warn_if_reject reject", False), ("permit_mynetworks", False), ("", False),
    ("inner", True), ("check_relay_domains", True),
]


@pytest.mark.parametrize(("words", "protected"), PROTECTED)
def test_relay_protection(words: str, protected: bool) -> None:
    asked = policy({"smtpd_relay_restrictions": "", "smtpd_recipient_restrictions": words,
                    "smtpd_restriction_classes": "inner", "inner": "reject_unauth_destination",
                    "gatepost_compatibility": "postfix"})
    assert [problem.message for problem in asked.problems()] == ([] if protected else [NO_PROTECTION])


def test_problems_and_steps_have_places(tmp_path: Path) -> None:
    text = "permit_mynetworks,\n    reject_unauth_destination,\n    reject_frobnication"
    values = {name: Value(Located(value)) for name, value in SITE.items()}
    values["smtpd_recipient_restrictions"] = Value(Located.at(text, "main.cf", 7, 32))
    settings = Settings(values)
    world = FakeLookups()
    asked = Policy(settings, world, Classes(settings, world))
    assert [check.span and check.span.column for check in asked.programs["recipient"].checks][:1] == [32]
    [problem] = asked.problems()
    assert problem.span is not None
    assert problem.span.file == "main.cf"
    assert problem.text == "reject_frobnication"
