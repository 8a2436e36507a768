"""A pass that is lost late: what the real session of a client notices that has passed, now or long ago."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gatepost.screen.facts import PassOld
from gatepost.screen.rules import Promotion, Rules
from gatepost.screen.standing import Standing
from gatepost.screen.trials import ALL, PREGREET, TRIALS, Penalty, Stamps
from gatepost.smtp.options import BareLf, Options
from tests.screen.talking import NOW, Client, together

RULES = Rules(hostname="mx.test", banner="mx.test ESMTP", greet_banner="mx.test ESMTP", enabled=ALL,
              penalties=(Penalty.ENFORCE,) * len(TRIALS))
HELLO, MAIL, RCPT = "EHLO client.test", "MAIL FROM:<a@client.test>", "RCPT TO:<b@mx.test>"
LATER = NOW + 1000
RECORD = [LATER] * 5
WHO = "[192.0.2.1]:4000"
OPTIONS = Options(hostname="mx.test", banner="mx.test ESMTP", forbid_pipelining=True)
BLAST = together([HELLO, "VRFY x"])


def remembered(rules: Rules = RULES, options: Options = OPTIONS, **more: object) -> Client:
    stamps = Stamps(list(RECORD))
    standing = Standing(stamps, (PassOld(),), done_old=True)
    return Client(rules, 0, stamps=stamps, standing=standing, options=options, **more)  # type: ignore[arg-type]


def without(*lost: int) -> str:
    return ";".join("1" if index in lost else str(time) for index, time in enumerate(RECORD))


def test_who_is_remembered_and_talks_out_of_turn_loses_its_pass() -> None:
    one = remembered()
    one.say(BLAST)
    assert one.heard == ["220 mx.test ESMTP", "554 5.5.0 Error: SMTP protocol synchronization"] and one.closed
    assert one.told[1:] == [f"PASS OLD {WHO}", "EarlyTalk",
                            f"COMMAND PIPELINING from {WHO} after EHLO: VRFY x\\r\\n", "Ended"]
    assert one.learned == [without(2)] and one.caught == [("pipelining", "enforce", "buffered")]


def test_the_real_session_need_not_refuse_it() -> None:
    one = remembered(options=replace(OPTIONS, forbid_pipelining=False))
    one.say(BLAST)
    assert one.heard[-1].startswith("252 ") and one.learned == [without(2)] and one.promoted
    one.say(MAIL, RCPT, "DATA", "Subject: x\r\n\r\n.", "QUIT")
    assert one.heard[-2:] == ["250 2.0.0 Ok", "221 2.0.0 Bye"] and len(one.caught) == 1


def test_what_comes_before_it_can_have_the_greeting_costs_the_pass_of_the_greeting() -> None:
    one = remembered()
    one.say(HELLO, early=True)
    assert one.told[3] == f"PREGREET 18 after 0 from {WHO}: EHLO client.test\\r\\n"
    assert one.learned == [without(0)] and one.caught == [("pregreet", "enforce", "unacknowledged")]


@pytest.mark.parametrize("after", ["MAIL", "DATA"])
def test_proof_from_tcp_counts_until_the_354_can_have_been_read(after: str) -> None:
    one = remembered()
    one.say(HELLO, MAIL, RCPT, *(["DATA"] if after == "DATA" else []))
    one.say("VRFY x" if after == "MAIL" else "Subject: x", early=True)
    assert bool(one.learned) == (after == "DATA"), "behind EHLO nobody need wait for the answer to RCPT"


def test_a_message_in_one_go_with_data() -> None:
    one = remembered()
    one.say(HELLO, MAIL, RCPT, together(["DATA", "Subject: x", "", "."]))
    assert one.caught == [("pipelining", "enforce", "buffered")] and one.learned == [without(2)] and not one.content


def test_after_the_354_nothing_is_looked_for() -> None:
    one = remembered()
    one.say(HELLO, MAIL, RCPT, "DATA", "Subject: x", "\r\n.")
    assert one.heard[-1] == "250 2.0.0 Ok"
    one.say(BLAST)
    assert one.closed and not one.learned and not one.caught


def test_nor_behind_a_chunk() -> None:
    one = remembered()
    one.say(HELLO, MAIL, RCPT, b"BDAT 3 LAST\r\na\r\n")
    one.say(BLAST)
    assert one.closed and not one.learned


def test_what_is_tolerated_takes_nothing() -> None:
    one = remembered(options=replace(OPTIONS, tolerated=frozenset({"hello-quit"})))
    one.say(together([HELLO, "QUIT"]))
    assert one.heard[-1] == "221 2.0.0 Bye" and "Tolerated" in one.told and not one.learned and not one.caught
    two = remembered(options=replace(OPTIONS, tolerated=frozenset({"hello-quit"})))
    two.say(together([HELLO, "QUITE"]))
    assert two.learned == [without(2)]


def test_who_is_permitted_has_no_pass_to_lose() -> None:
    one = remembered()
    allowed = Client(RULES, 0, options=OPTIONS, standing=Standing(one.stamps, allowlisted=True))
    allowed.say(BLAST)
    assert allowed.closed and not allowed.learned and not allowed.caught


def test_as_postfix_the_pass_stays() -> None:
    one = remembered(replace(RULES, promotion=Promotion.DEFER))
    one.say(BLAST)
    assert one.closed and not one.learned and not one.caught and not any("PIPELINING" in line for line in one.told)


def test_a_trial_that_is_off_is_not_lost() -> None:
    one = remembered(replace(RULES, enabled=PREGREET.bit))
    one.say(BLAST)
    assert one.closed and not one.learned and not one.caught


def test_ignored_it_costs_all_but_a_short_pass() -> None:
    one = remembered(replace(RULES, penalties=(Penalty.IGNORE,) * 5))
    one.say(BLAST)
    assert one.learned == [f"{LATER};{LATER};{NOW + 60};{LATER};{LATER}"]
    two = remembered(replace(RULES, penalties=(Penalty.IGNORE,) * 5))
    two.say(HELLO, early=True)
    assert two.learned == [without(0)] and two.caught == [("pregreet", "ignore", "unacknowledged")]


def test_a_command_of_another_protocol() -> None:
    one = remembered(options=replace(OPTIONS, forbidden_words=frozenset({"GET"})))
    one.say(HELLO, "GET / HTTP/1.1")
    assert one.closed and one.told[3] == f"NON-SMTP COMMAND from {WHO} after EHLO: GET / HTTP/1.1"
    assert one.learned == [without(3)]


def test_a_bare_newline_where_that_is_refused() -> None:
    one = remembered(rights={"bare_lf": BareLf.REJECT})
    one.say(HELLO, b"VRFY x\n")
    assert one.closed and f"BARE NEWLINE from {WHO} after VRFY x" in one.told and one.learned == [without(4)]


def test_each_trial_is_lost_once() -> None:
    one = remembered(options=replace(OPTIONS, forbid_pipelining=False, forbidden_words=frozenset({"GET"})))
    one.say(BLAST, "GET /")
    assert one.learned == [without(2), without(2, 3)] and len(one.caught) == 2


def test_a_pass_of_this_session_is_unlearned() -> None:
    """Nothing is due after the greeting, the greeting's pass is new, and it talks out of turn."""
    stamps = Stamps([0, *RECORD[1:]])
    one = Client(RULES, PREGREET.bit, stamps=stamps, options=OPTIONS)
    assert one.learned == [f"{NOW + 86400 + 6};{LATER};{LATER};{LATER};{LATER}"]
    one.say(BLAST)
    assert one.learned[1:] == [f"0;{LATER};1;{LATER};{LATER}"]


def test_who_was_promoted_and_offered_pipelining_is_held_to_it() -> None:
    one = Client(RULES, ALL & ~3, options=OPTIONS)
    one.say(HELLO, MAIL, RCPT, HELLO)
    assert "250-PIPELINING" in one.heard[-1] and len(one.learned) == 1
    one.say(together([MAIL, RCPT, "NOOP", "NOOP"]))
    assert one.closed and one.learned[1:] == [None]
    assert f"COMMAND PIPELINING from {WHO} after NOOP: NOOP\\r\\n" in one.told


def test_the_gate_opens_with_an_offence() -> None:
    one = Client(RULES, ALL & ~3, options=OPTIONS)
    one.say(HELLO, MAIL, RCPT)
    one.say(together([HELLO, "NOOP"]))
    assert one.learned[1:] == [None] and len(one.caught) == 1
