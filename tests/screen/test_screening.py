"""A client from its connection to the real session: trials in order, promotion, demotion, and what is learned."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatepost.screen.rules import Promotion, Rules
from gatepost.screen.standing import DENIED_DROP, Standing
from gatepost.screen.trials import (
    ALL,
    BARE_NEWLINE,
    DEEP,
    DNSBL,
    EARLY,
    NON_SMTP,
    PIPELINING,
    PREGREET,
    TRIALS,
    Penalty,
    Stamps,
    Trial,
)
from gatepost.smtp.actions import Stage
from gatepost.smtp.options import Options
from gatepost.smtp.reply import Reply
from tests.screen.talking import NOW, Client, Score, together

RULES = Rules(hostname="mx.test", banner="mx.test ESMTP", greet_banner="mx.test ESMTP", enabled=ALL)
DEFER = replace(RULES, promotion=Promotion.DEFER)
HELLO, MAIL, RCPT = "EHLO client.test", "MAIL FROM:<a@client.test>", "RCPT TO:<b@mx.test>"
PUT_OFF = "450 4.3.2 Service currently unavailable"
REFUSED = "550 5.5.1 Protocol error"
PASSED = f"{NOW + 86400 + 6};{NOW + 60 + 6};{NOW + 2592000 + 6};{NOW + 2592000 + 6};{NOW + 2592000 + 6}"
WHO = "[192.0.2.1]:4000"
EVERY = (*TRIALS[2:],)


def punishing(rules: Rules, trial: Trial, penalty: Penalty) -> Rules:
    penalties = list(rules.penalties)
    penalties[trial.index] = penalty
    return replace(rules, penalties=tuple(penalties))


def client(rules: Rules = RULES, todo: int = DEEP, **more: object) -> Client:
    return Client(rules, todo, **more)  # type: ignore[arg-type]


def test_a_polite_client_is_served_in_its_first_session() -> None:
    one = client(todo=ALL, score=Score())
    assert one.heard == ["220-mx.test ESMTP", "220 mx.test ESMTP"] and one.time == 6
    assert one.say(HELLO)[0].endswith("250 CHUNKING") and "PIPELINING" not in one.heard[-1]
    assert one.say(MAIL, RCPT) == ["250 2.1.0 Ok", "250 2.1.5 Ok"] and one.promoted
    assert one.say("DATA")[0].startswith("354")
    assert one.say("Subject: x\r\n\r\nbody", ".") == ["250 2.0.0 Ok"] and one.content.endswith(b"body\r\n")
    assert one.say("QUIT") == ["221 2.0.0 Bye"] and one.closed
    assert one.told == [f"CONNECT from {WHO} to [198.51.100.1]:25", f"PASS NEW {WHO}", "Ended"]
    assert one.learned == [PASSED] and not one.caught


def test_deferred_it_has_to_come_again() -> None:
    one = client(DEFER, todo=ALL, score=Score())
    assert one.say(HELLO, MAIL, RCPT)[2] == PUT_OFF and one.learned == []
    assert one.say("QUIT") == ["221 2.0.0 Bye"] and one.learned == [PASSED] and not one.sessions
    assert one.told[-2:] == [f"PASS NEW {WHO}", f"DISCONNECT {WHO}"]


def test_without_a_free_place_it_is_put_off_and_the_pass_is_kept() -> None:
    one = client(free=False)
    assert one.say(HELLO, MAIL, RCPT)[2] == PUT_OFF
    one.leave()
    assert one.told[-3:-1] == [f"HANGUP after 0 from {WHO} in tests after SMTP handshake", f"PASS NEW {WHO}"]
    assert one.learned


@pytest.mark.parametrize("stage", [Stage.CONNECT, Stage.MAIL, Stage.RCPT])
def test_what_the_real_server_refuses_is_the_answer_to_the_recipient(stage: Stage) -> None:
    one = client(refuse={stage: Reply(554, "5.7.1", "no")})
    assert one.say(HELLO, MAIL, RCPT)[1:] == ["250 2.1.0 Ok", "554 5.7.1 no"] and one.promoted


def test_a_refusal_that_hangs_up_does() -> None:
    one = client(refuse={Stage.CONNECT: Reply(421, "4.7.0", "too many")})
    assert one.say(HELLO, MAIL, RCPT)[2] == "421 4.7.0 too many" and one.closed


def test_what_the_real_session_could_not_read_is_not_shown_to_it() -> None:
    one = client()
    assert one.say(HELLO, "MAIL FROM:", RCPT)[2] == PUT_OFF and not one.sessions
    assert one.say("RSET", MAIL, "RCPT TO:<>", RCPT)[2:] == [PUT_OFF, "250 2.1.5 Ok"]


@pytest.mark.parametrize("offence", ["RSET\r\nNOOP\r\n", "Subject: x\r\n", "RSET\n"])
@pytest.mark.parametrize("penalty", [Penalty.ENFORCE, Penalty.DROP])
def test_a_late_offence_takes_the_pass_back(offence: str, penalty: Penalty) -> None:
    rules = replace(RULES, penalties=(penalty,) * len(TRIALS))
    one, other = client(rules), client(replace(rules, promotion=Promotion.DEFER))
    for each in (one, other):
        each.say(HELLO, MAIL, RCPT)
    assert one.promoted and one.learned[0]
    assert one.say(offence.encode()) == other.say(offence.encode())
    assert not one.promoted and one.learned[1:] == [None] and len(one.caught) == 1
    if penalty is Penalty.DROP:
        assert one.closed and one.heard[-1].startswith("521 ")
        assert one.told[-1] == f"DISCONNECT {WHO}"
    else:
        assert one.say("RSET", MAIL, RCPT) == ["250 2.0.0 Ok", "250 2.1.0 Ok", REFUSED]
        assert one.say("DATA") == ["554 5.5.1 Error: no valid recipients"] and one.closed
    assert [line for line in one.told if "PASS" in line] == [f"PASS NEW {WHO}"]


def test_content_before_the_354_takes_the_pass_back() -> None:
    one = client()
    one.say(HELLO, MAIL, RCPT)
    assert one.say(together(["DATA", "Subject: x", "", "."]))[0] == "554 5.5.1 Error: no valid recipients"
    assert one.closed and one.learned[-1] is None and not one.content
    assert f"COMMAND PIPELINING from {WHO} after DATA: Subject: x\\r\\n\\r\\n.\\r\\n" in one.told


def test_an_earlier_record_is_written_back() -> None:
    before = [NOW + 9, NOW + 9, NOW - 1, NOW + 9, NOW + 9]
    one = client(todo=PIPELINING.bit, stamps=Stamps(list(before)))
    one.say(HELLO, MAIL, RCPT)
    one.say(together(["NOOP", "NOOP"]))
    assert one.learned[-1] == ";".join(map(str, before))


def test_talk_while_the_recipient_is_judged_is_early() -> None:
    one = client(wait_for_answer=frozenset({Stage.RCPT}))
    one.say(HELLO, MAIL, RCPT)
    assert one.say("DATA") == []
    one.answer()
    assert one.heard[-2:] == [REFUSED, "554 5.5.1 Error: no valid recipients"] and one.closed
    assert one.caught == [("pipelining", "enforce", "waiting")]


def test_talk_before_the_reply_is_acknowledged_is_early() -> None:
    one = client()
    one.say(HELLO)
    assert one.say(MAIL, early=True) == ["250 2.1.0 Ok"] and one.say(RCPT) == [REFUSED]
    assert one.caught == [("pipelining", "enforce", "unacknowledged")]
    two = client()
    two.say(HELLO, MAIL, RCPT)
    assert two.say("DATA", early=True)[0].startswith("554 ") and two.learned[-1] is None


def test_after_the_354_nothing_is_looked_for() -> None:
    one = client()
    one.say(HELLO, MAIL, RCPT, "DATA")
    one.say(b"Received: x\n\r\n.\r\nQUIT\r\n")
    assert one.heard[-2:] == ["250 2.0.0 Ok", "221 2.0.0 Bye"] and not one.caught


def test_a_chunk_may_stand_behind_its_command() -> None:
    one = client()
    one.say(HELLO, MAIL, RCPT)
    assert one.say(b"BDAT 3 LAST\r\na\r\n") == ["250 2.0.0 Ok: 3 bytes queued"] and one.content == b"a\r\n"


def test_who_greets_again_may_pipeline() -> None:
    one = client()
    one.say(HELLO, MAIL, RCPT)
    assert "250-PIPELINING" in one.say(HELLO)[0]
    assert one.say(together([MAIL, RCPT, "DATA"]))[-1].startswith("354") and not one.caught


PROBES = frozenset({"hello-quit"})
TOLERANT = replace(RULES, tolerated=PROBES)
TOLERANT_OPTIONS = Options(hostname="mx.test", tolerated=PROBES, forbid_pipelining=True)


def test_a_harmless_probe_after_the_pass_does_not_take_it_back() -> None:
    one = client(TOLERANT, options=TOLERANT_OPTIONS)
    one.say(HELLO, MAIL, RCPT)
    assert [line[:4] for line in one.say(together([HELLO, "QUIT"]))] == ["250-", "221 "] and one.closed
    assert len(one.learned) == 1 and not one.caught and "Tolerated" in one.told


@pytest.mark.parametrize("hello", ["ehlo x", "Helo x"])
def test_a_harmless_probe_before_the_pass_is_one_in_any_case(hello: str) -> None:
    one = client(replace(TOLERANT, penalties=(Penalty.DROP,) * 5))
    one.say(together([hello, "quit"]))
    assert one.heard[-1] == "221 2.0.0 Bye" and not one.caught


@pytest.mark.parametrize("said", [[HELLO, "QUIT", MAIL], [HELLO, "QUITE"], ["RSET", "QUIT"]])
def test_what_only_begins_like_a_probe_does(said: list[str]) -> None:
    one = client(TOLERANT, options=TOLERANT_OPTIONS)
    one.say(HELLO, MAIL, RCPT)
    one.say(together(said))
    assert one.learned[1:] == [None] and [name for name, _, _ in one.caught] == ["pipelining"]


def test_deferred_nothing_is_due_but_a_doubt() -> None:
    """Postfix would hand it on: the engine greets it only to see what its early talk comes to."""
    rules = replace(DEFER, tolerated=frozenset({"telnet"}), penalties=(Penalty.ENFORCE,) * 5)
    one = client(rules, todo=PREGREET.bit, wait_for_answer=frozenset({Stage.GREET_WAIT}))
    one.say(b"\xff\xfb\x1f")
    one.answer()
    assert one.say(HELLO, MAIL, RCPT)[-1] == "250 2.1.5 Ok" and not one.caught and not one.learned
    two = client(rules, todo=ALL, wait_for_answer=frozenset({Stage.GREET_WAIT}))
    two.say(b"\xff\xfb\x1f")
    two.answer()
    assert two.say(HELLO, MAIL, RCPT)[-1] == PUT_OFF, "as every new client"


@pytest.mark.parametrize("trial", EVERY)
def test_ignored_it_is_served_and_tried_again_soon(trial: Trial) -> None:
    said = {PIPELINING: together([HELLO, "NOOP"]), NON_SMTP: b"X-Y: z\r\n", BARE_NEWLINE: b"EHLO c\n"}
    one = client(punishing(replace(RULES, enabled=trial.bit), trial, Penalty.IGNORE), todo=trial.bit)
    one.say(said[trial])
    assert one.say(HELLO, MAIL, RCPT)[-1] == "250 2.1.5 Ok"
    assert one.caught[0][:2] == (trial.name, "ignore")
    assert one.learned[0] is not None and int(one.learned[0].split(";")[trial.index]) == NOW + 60


def test_early_talk_ignored_is_served_and_not_remembered() -> None:
    one = client(todo=PREGREET.bit, wait_for_answer=frozenset({Stage.GREET_WAIT}))
    one.say(HELLO)
    assert one.told[-1].startswith("PREGREET 18 after 0 from")
    one.answer()
    assert one.heard[-1].startswith("250-mx.test\r\n250-PIPELINING") and one.learned == [] and one.promoted


def test_early_talk_enforced_gets_no_greeting() -> None:
    one = client(punishing(RULES, PREGREET, Penalty.ENFORCE), todo=PREGREET.bit,
                 wait_for_answer=frozenset({Stage.GREET_WAIT}))
    one.say(HELLO)
    one.answer()
    assert [line[:4] for line in one.heard] == ["220-", "250-"]
    assert one.say(MAIL, RCPT)[1] == REFUSED


def test_early_talk_dropped_ends_at_once() -> None:
    one = client(punishing(RULES, PREGREET, Penalty.DROP), todo=PREGREET.bit,
                 wait_for_answer=frozenset({Stage.GREET_WAIT}))
    assert one.say(HELLO) == ["521 5.5.1 Protocol error"] and one.closed and one.time == 0


def test_talk_before_the_whole_greeting_is_acknowledged_is_early_talk() -> None:
    one = client(punishing(RULES, PREGREET, Penalty.ENFORCE), todo=ALL, score=Score())
    one.say(HELLO, early=True)
    assert one.caught == [("pregreet", "enforce", "unacknowledged")] and one.say(MAIL, RCPT)[1] == REFUSED
    one.say("QUIT")
    assert one.learned == []


def test_a_doubt_about_early_talk_is_soon_over() -> None:
    rules = punishing(replace(RULES, adaptive=True, tolerated=frozenset({"hello-quit"})), PREGREET, Penalty.ENFORCE)
    one = client(rules, todo=PREGREET.bit, wait_for_answer=frozenset({Stage.GREET_WAIT}))
    one.say(HELLO)
    assert one.looks == 1 and not one.caught
    one.answer()
    assert one.open is not None and not one.caught
    one.answer()
    assert one.time == 0.5 and one.caught == [("pregreet", "enforce", "waiting")]


def test_dns_lists_against_it() -> None:
    rules = punishing(RULES, DNSBL, Penalty.ENFORCE)
    one = client(rules, todo=EARLY, score=Score(3, "list.test", 60))
    assert one.say(HELLO, MAIL, RCPT)[2] == \
        "550 5.7.1 Service unavailable; client [192.0.2.1] blocked using list.test"
    assert f"DNSBL rank 3 for {WHO}" in one.told


def test_dns_lists_for_it() -> None:
    one = client(replace(RULES, dnsbl_allowlist_threshold=-1), todo=ALL, score=Score(-1, "", 300))
    assert one.promoted and one.heard[-1] == "220 mx.test ESMTP"
    assert one.learned == [";".join([str(NOW + 6 + 300)] * 5)]


def test_observed_nothing_costs_anything() -> None:
    rules = replace(RULES, promotion=Promotion.OBSERVE).forgiving()
    one = client(rules, options=Options(hostname="mx.test", forbid_pipelining=False))
    one.say(together(["X-Header: y", HELLO, MAIL, RCPT]))
    assert one.heard[-1] == "250 2.1.5 Ok" and {penalty for _, penalty, _ in one.caught} == {"ignore"}


def test_a_standing_refusal_ends_it() -> None:
    one = client(standing=Standing(Stamps(), refusal=DENIED_DROP))
    assert one.heard == ["521 5.3.2 Service currently unavailable"] and one.closed


def test_tls_before_the_pass_is_the_real_sessions_too() -> None:
    one = client(replace(RULES, tls_offered=True), options=Options(hostname="mx.test", tls_offered=True))
    assert one.say(HELLO, "STARTTLS")[1] == "220 2.0.0 Ready to start TLS"
    one.shake()
    assert one.say(HELLO, MAIL, RCPT)[2] == "250 2.1.5 Ok"
    assert one.say("STARTTLS") == ["554 5.5.1 Error: TLS already active"]


def test_a_log_in_is_no_command() -> None:
    options = Options(hostname="mx.test", sasl_enabled=True)
    one = client(options=options)
    one.say(HELLO, MAIL, RCPT, "RSET")
    assert not one.caught and one.promoted


LINES = st.sampled_from([HELLO, "HELO c", MAIL, RCPT, "DATA", "NOOP", "RSET", "QUIT", "VRFY x", "FROB", "",
                         "Subject: x", "BDAT 3", "GET / HTTP/1.1", "AUTH PLAIN", ".", "ETRN", "EHLO", "STARTTLS"])
ENDS = st.sampled_from(["\r\n", "\r\n", "\r\n", "\n"])


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(LINES, ENDS), max_size=12), st.lists(st.integers(1, 40), max_size=30),
       st.sampled_from([Promotion.PROMOTE, Promotion.DEFER, Promotion.OBSERVE]))
def test_no_reply_depends_on_how_the_bytes_were_cut(said: list[tuple[str, str]], cuts: list[int], promotion: Promotion
                                                    ) -> None:
    """Where no evidence of talking out of turn is wanted; that alone may depend on it."""
    rules = replace(RULES, promotion=promotion, evidence=frozenset())
    options = Options(hostname="mx.test", evidence=frozenset())
    whole = "".join(line + end for line, end in said).encode()
    one, other = client(rules, options=options), client(rules, options=options)
    if whole:
        one.say(whole)
    rest = whole
    for cut in cuts:
        if rest and not other.closed:
            other.say(rest[:cut])
            rest = rest[cut:]
    if rest and not other.closed:
        other.say(rest)
    assert one.heard == other.heard and one.caught == other.caught and one.content == other.content
    assert one.closed == other.closed


@settings(max_examples=200, deadline=None)
@given(st.lists(LINES, max_size=14), st.sampled_from([Promotion.PROMOTE, Promotion.DEFER]))
def test_who_waits_for_each_reply_is_never_taken_to_talk_out_of_turn(said: list[str], promotion: Promotion) -> None:
    one = client(replace(RULES, promotion=promotion))
    for line in said:
        if not one.closed:
            one.say(line)
    assert "pipelining" not in {name for name, _, _ in one.caught}


@settings(max_examples=200, deadline=None)
@given(st.lists(LINES, max_size=10))
def test_promotion_changes_nothing_but_the_450(said: list[str]) -> None:
    """Up to the first recipient of a client that passed, what is heard is the same."""
    one, other = client(), client(DEFER)
    for line in said:
        if one.closed or other.closed or one.promoted:
            break
        heard, also = one.say(line), other.say(line)
        assert heard == also or (also == [PUT_OFF] and one.promoted)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=60), LINES.map(lambda line: line.encode() + b"\r\n"),
                          st.sampled_from(["early", "lost", "elapsed", "answer"])), max_size=25),
       st.sampled_from(list(Promotion)), st.sampled_from([frozenset(), frozenset({Stage.RCPT, Stage.GREET_WAIT})]),
       st.integers(0, ALL))
def test_nothing_breaks_it(happens: list[bytes | str], promotion: Promotion, slow: frozenset[Stage], todo: int) -> None:
    """Whatever comes, in whatever order: no exception, nothing behind the end, no message but by the real session."""
    rules = replace(RULES, promotion=promotion, tls_offered=True, line_length_limit=50, command_count_limit=8)
    one = client(rules, todo=todo, wait_for_answer=slow, score=Score())
    early = False
    for each in happens:
        if one.closed:
            break
        if one.handshake:
            one.shake()
        elif isinstance(each, bytes):
            if each:
                one.say(each, early=early)
            early = False
        elif each == "early":
            early = True
        elif each == "answer" and one.open is not None:
            one.answer()
        elif one.open is None and each == "lost":
            one.leave()
        elif one.open is None and each == "elapsed":
            one.wait()
    assert one.promoted or not one.content or one.closed
    assert all(reply[:3].isdigit() for reply in one.heard)


def test_a_client_that_acknowledges_nothing_is_asked_less_and_less_often() -> None:
    one = client(replace(RULES, adaptive=True), todo=PREGREET.bit, deaf=True,
                 wait_for_answer=frozenset({Stage.GREET_WAIT}))
    waits = []
    while one.open is not None:
        waits.append(one.open.subject.seconds)
        one.answer()
    assert waits == pytest.approx([0.3, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 0.6])
