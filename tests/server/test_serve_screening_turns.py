"""Screening and those who talk out of turn and mean no harm: probes, telnet clients, exempt clients."""

from __future__ import annotations

import pytest

from tests.kit import wait_for
from tests.server.house import Talk
from tests.server.test_serve_screening import DEEP, lines, screened
from tests.server.test_serve_turns import BLAST, HELLO_QUIT, PUTTY, heard, rest
from tests.serving import Warm

ENFORCE = ["postscreen_greet_action = enforce", "postscreen_greet_wait = 1s"]
CONNECT, DISCONNECT = "CONNECT from [127.0.0.1]:P to [127.0.0.1]:P", "DISCONNECT [127.0.0.1]:P"
TOLERATED = "talk out of turn tolerated after "
EHLO = b"EHLO monitor.example\r\n"


def greeted(client: Talk) -> str:
    return client.read()


@pytest.mark.parametrize("early", [False, True], ids=["after the greeting", "before it"])
def test_a_probe_is_answered_and_leaves_no_mark(warm: Warm, early: bool) -> None:
    with screened(warm, [*DEEP, *ENFORCE]) as made:
        assert heard(made, HELLO_QUIT, greeted=not early)[-1] == "221 2.0.0 Bye"
        assert made.logged("DISCONNECT ")
        found = lines(made)
        assert (found[0], found[2:]) == (CONNECT, [DISCONNECT])
        text = HELLO_QUIT if early else b"QUIT\r\n"
        assert ": hello-quit (" in found[1] and text.decode().encode("unicode_escape").decode() in found[1]
        assert TOLERATED + ("CONNECT" if early else "EHLO") in made.log()


def test_a_health_check_says_hello_early_and_leaves(warm: Warm) -> None:
    with screened(warm, [*DEEP, *ENFORCE, "gatepost_turn_tolerance = early-hello"]) as made:
        with made.talk(greeted=False) as client:
            client.send(EHLO)
            assert "\n220 " in greeted(client)
        assert made.logged("DISCONNECT ")
        assert f"{TOLERATED}CONNECT" in made.log() and "PREGREET" not in made.log()


@pytest.mark.parametrize("deep", [DEEP, []], ids=["deep tests", "none"])
def test_an_early_hello_counts_when_mail_follows(warm: Warm, deep: list[str]) -> None:
    """Also where no trial is left after the greeting."""
    tolerance = "gatepost_turn_tolerance = early-hello"
    with screened(warm, [*deep, *ENFORCE, "smtpd_forbid_unauth_pipelining = yes", tolerance]) as made:
        with made.talk(greeted=False) as client:
            client.send(EHLO)
            assert "\n220 " in greeted(client)
            assert client.read().startswith("250-")
            said = client.mail()
        assert said == "550 5.5.1 Protocol error"
        assert made.logged("PREGREET ") and made.logged(": EHLO monitor.example\\r\\nMAIL FROM:<")
        assert "PASS NEW" not in made.log() and "tolerated" not in made.log()


@pytest.mark.parametrize("said", [EHLO, b"E", PUTTY[:-1]], ids=["EHLO", "one byte", "half a negotiation"])
def test_what_is_no_probe_when_the_greeting_is_due_is_an_offence(warm: Warm, said: bytes) -> None:
    with screened(warm, [*DEEP, *ENFORCE, "postscreen_greet_action = drop"]) as made:
        with made.talk(greeted=False) as client:
            client.send(said)
            assert greeted(client).endswith("\n521 5.5.1 Protocol error")
        assert made.logged(f"PREGREET {len(said)} after ")
        assert "tolerated" not in made.log()


def test_an_attack_is_caught_at_once(warm: Warm) -> None:
    with screened(warm, [*DEEP, *ENFORCE, "postscreen_greet_action = drop"]) as made:
        assert heard(made, BLAST, greeted=False)[-1] == "521 5.5.1 Protocol error"
        assert heard(made, HELLO_QUIT + BLAST, greeted=False)[-1] == "521 5.5.1 Protocol error"
        assert wait_for(lambda: made.log().count("DISCONNECT ") == 2, 5)
        assert made.log().count("PREGREET ") == 2 and "tolerated" not in made.log()


@pytest.mark.parametrize("deep", [DEEP, []], ids=["deep tests", "none"])
def test_somebody_with_a_telnet_client_is_served_and_not_remembered(warm: Warm, deep: list[str]) -> None:
    with screened(warm, [*deep, *ENFORCE]) as made:
        with made.talk(greeted=False) as client:
            client.send(PUTTY)
            assert greeted(client).splitlines()[-1].startswith("220 ")
            assert client.say("NOOP").startswith("250 ")
            assert client.say("EHLO client.test").startswith("250-")
            assert client.mail().startswith("250 2.0.0")
        assert made.logged(f"{TOLERATED}CONNECT")
        assert "PREGREET" not in made.log() and "PASS NEW" not in made.log()


@pytest.mark.parametrize("compatibility", [["gatepost_screen_promotion = defer"], ["gatepost_compatibility = postfix"]])
@pytest.mark.parametrize("deep", [DEEP, []], ids=["deep tests", "none"])
def test_deferred_it_comes_again_and_is_served(warm: Warm, deep: list[str], compatibility: list[str]) -> None:
    """Tolerated by name: the first time it hears what every new client hears, then it has no trial left but one that it
    is forgiven each time."""
    with screened(warm, [*deep, *ENFORCE, *compatibility, "gatepost_turn_tolerance = telnet"]) as made:
        said = []
        for _ in range(2):
            with made.talk(greeted=False) as client:
                client.send(PUTTY)
                greeted(client)
                client.say("EHLO client.test")
                said.append(client.mail()[:9])
                client.say("QUIT")
                assert client.ended()
        assert said == ["450 4.3.2" if deep else "250 2.0.0", "250 2.0.0"], made.log()
        assert "PREGREET" not in made.log() and made.log().count(f"{TOLERATED}CONNECT") == 2


def test_an_exempt_client_is_tried_and_not_held_to_turns(warm: Warm) -> None:
    with screened(warm, [*DEEP, *ENFORCE, "gatepost_turn_exempt_clients = 127.0.0.0/8"]) as made:
        with made.talk(greeted=False) as client:
            client.send(BLAST)
            said = rest(client)
        assert any(line.startswith("250 2.0.0 Ok: queued") for line in said), said
        assert made.logged("disconnect from unknown[127.0.0.1]")
        assert f"{TOLERATED}CONNECT from [127.0.0.1]" in made.log()
        assert "PASS NEW" in made.log() and "PREGREET" not in made.log() and "PIPELINING" not in made.log()


def test_as_postfix_nobody_is_tolerated(warm: Warm) -> None:
    with screened(warm, [*DEEP, *ENFORCE, "gatepost_compatibility = postfix"]) as made:
        heard(made, HELLO_QUIT, greeted=False)
        assert made.logged("PREGREET 33 after 0") or made.logged("PREGREET ")
        assert "COMMAND PIPELINING" in made.log() and "tolerated" not in made.log()
