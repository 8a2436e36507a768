"""Who wants to log in on a screened port: AUTH is not offered before the pass, and nothing is lost by that."""

from __future__ import annotations

import pytest

from gatepost.screen.rules import Rules
from gatepost.screen.trials import ALL, DEEP, TRIALS, Penalty
from gatepost.smtp.actions import Stage
from gatepost.smtp.options import Options
from gatepost.smtp.reply import Reply
from tests.screen.talking import NOW, Client, together

RULES = Rules(hostname="mx.test", banner="mx.test ESMTP", greet_banner="mx.test ESMTP", enabled=ALL,
              penalties=(Penalty.ENFORCE,) * len(TRIALS))
HELLO, MAIL, RCPT = "EHLO client.test", "MAIL FROM:<a@client.test>", "RCPT TO:<b@elsewhere.test>"
PUT_OFF = "450 4.3.2 Service currently unavailable"
RELAY = Reply(554, "5.7.1", "Relay access denied")
WHO = "[192.0.2.1]:4000"


def client(refusal: Reply | None = RELAY, *, login: bool = True, stage: Stage = Stage.RCPT, todo: int = DEEP) -> Client:
    return Client(RULES, todo, refuse={stage: refusal} if refusal else {}, options=Options(hostname="mx.test"),
                  rights={"mechanisms": ("PLAIN",)} if login else {})


@pytest.mark.parametrize("stage", [Stage.CONNECT, Stage.MAIL, Stage.RCPT])
def test_who_could_not_log_in_comes_again_to_do_so(stage: Stage) -> None:
    one = client(stage=stage)
    assert "AUTH" not in one.say(HELLO)[0]
    assert one.say(MAIL, RCPT, RCPT) == ["250 2.1.0 Ok", PUT_OFF, PUT_OFF] and not one.promoted
    assert one.say("QUIT") == ["221 2.0.0 Bye"] and one.closed
    assert len(one.learned) == 1 and one.learned[0] and not one.caught
    assert [line for line in one.told if "PASS" in line] == [f"PASS NEW {WHO}"]
    assert sum("NOQUEUE: reject: RCPT" in line for line in one.told) == 2 and one.told[-1] == f"DISCONNECT {WHO}"


@pytest.mark.parametrize("refusal", [Reply(550, "5.1.1", "no such user"), Reply(450, "4.7.1", "greylisted"),
                                     Reply(521, "5.7.1", "go away")])
def test_what_no_log_in_would_change_is_said_at_once(refusal: Reply) -> None:
    one = client(refusal)
    assert one.say(HELLO, MAIL, RCPT)[2] == str(refusal)


def test_nor_is_it_put_off_where_there_is_no_log_in() -> None:
    assert client(login=False).say(HELLO, MAIL, RCPT)[2] == str(RELAY)
    one = client()
    assert one.say("HELO client.test", MAIL, RCPT)[2] == str(RELAY), "it speaks no ESMTP"


def test_who_is_accepted_and_says_ehlo_again_may_log_in() -> None:
    one = client(None)
    assert one.say(HELLO, MAIL, RCPT)[2] == "250 2.1.5 Ok"
    assert "250-AUTH PLAIN" in one.say(HELLO)[0]


def test_an_offence_while_it_is_put_off_takes_the_pass_back() -> None:
    one = client()
    one.say(HELLO, MAIL, RCPT)
    one.say(together(["RSET", "NOOP"]), "QUIT")
    assert one.learned[0] is not None and one.learned[1:] == [None] and len(one.caught) == 1


def test_early_passes_are_kept_as_well() -> None:
    one = client(todo=ALL)
    one.say(HELLO, MAIL, RCPT)
    one.leave()
    assert one.learned == [";".join(str(NOW + 6 + ttl) for ttl in RULES.ttls)]
