"""What is not supported, as an operator meets it: a start that fails, a start that warns; and copies that are made."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.server.house import FROM, MAILDIR, TO, House
from tests.serving import NotServing, Warm


def test_a_milter_stops_the_start(warm: Warm, tmp_path: Path) -> None:
    house = House(warm, tmp_path, ["smtpd_milters = inet:127.0.0.1:1"])
    with pytest.raises(NotServing) as ended:
        house.start()
    assert "smtpd_milters is not supported: mail would pass without it" in str(ended.value), ended.value
    assert "main.cf:" in str(ended.value)


def test_unless_the_operator_accepts_that(warm: Warm, tmp_path: Path) -> None:
    settings = ["smtpd_milters = inet:127.0.0.1:1", "gatepost_accept_unfiltered = yes"]
    with House(warm, tmp_path, settings) as house, house.talk() as client:
        assert client.say("NOOP") == "250 2.0.0 Ok"
        assert house.logged("smtpd_milters is not supported: mail passes without it")


def test_copies_are_delivered(warm: Warm, tmp_path: Path) -> None:
    settings = [*MAILDIR, "virtual_mailbox_maps = inline:{ user@example.test=user/, copy@example.test=copy/ }",
                "always_bcc = copy@example.test"]
    with House(warm, tmp_path, settings, services=["virtual unix - n n - - virtual"]) as house, house.talk() as client:
        client.say(f"MAIL FROM:<{FROM}>")
        client.say(f"RCPT TO:<{TO}>")
        client.say("DATA")
        assert client.say("Subject: x\r\n\r\nbody\r\n.").startswith("250 2.0.0 Ok: queued as")
        assert house.logged("to=<copy@example.test>") and house.logged(f"to=<{TO}>")
        assert house.logged("removed")
