"""Probe or attack: what each pattern takes, in any cutting; nothing is won by beginning like one."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.smtp import events
from gatepost.smtp.actions import Stage
from gatepost.smtp.options import Options, Rights
from gatepost.smtp.tolerance import EXEMPT, PATTERNS, SHOWN, Grade, Tolerated
from gatepost.smtp.turn import EarlyTalk, Turn
from tests.smtp.drive import Talk, agree

ALL = frozenset(PATTERNS)
FORBID = Options(hostname="mx", banner="mx ESMTP", tolerated=ALL, tls_offered=True)
NOTED = Options(hostname="mx", banner="mx ESMTP", tolerated=ALL, forbid_pipelining=False, soft_error_limit=99)
EHLO, QUIT = b"EHLO monitor.example\r\n", b"QUIT\r\n"
MAIL = b"MAIL FROM:<a@b>\r\n"
ATTACK = MAIL + b"RCPT TO:<c@d>\r\nDATA\r\nSubject: x\r\n\r\nbody\r\n.\r\n"
PUTTY = b"\xff\xfb\x1f\xff\xfb \xff\xfb\x18\xff\xfb'\xff\xfd\x01\xff\xfb\x03\xff\xfd\x03"
SIZE = b"\xff\xfa\x1f\x00\x50\x00\x18\xff\xf0"
REFUSED = "554 5.5.0 Error: SMTP protocol synchronization"


def verdicts(talk: Talk) -> list[EarlyTalk | Tolerated]:
    return [fact for fact in talk.facts if isinstance(fact, EarlyTalk | Tolerated)]


@pytest.mark.parametrize(
    ("name", "text", "grade"),
    [
        ("hello-quit", b"QUIT\r\n", Grade.HARMLESS),
        ("hello-quit", b"quit\n", Grade.HARMLESS),
        ("hello-quit", b"Q", Grade.POSSIBLE),
        ("hello-quit", b"QUIT\r", Grade.POSSIBLE),
        ("hello-quit", b"QUIT now\r\n", Grade.ATTACK),
        ("hello-quit", b"QUIT\r\r", Grade.ATTACK),
        ("hello-quit", b"QUIT\r\n\r\n", Grade.ATTACK),
        ("hello-quit", b"QUIT\r\nM", Grade.ATTACK),
        ("hello-quit", b"RSET\r\n", Grade.ATTACK),
        ("hello-quit", b"EHLO x\r\n", Grade.ATTACK),
        ("hello-quit before the greeting", b"ehlo xymonnet\r\nquit\r\n", Grade.HARMLESS),
        ("hello-quit before the greeting", b"EHLO monitor\r\n", Grade.POSSIBLE),
        ("hello-quit before the greeting", b"EHLO monitor\r\nMAIL", Grade.ATTACK),
        ("hello-quit before the greeting", b"QUIT\r\n", Grade.ATTACK),
        ("early-hello", b"ehlo xymonnet\r\nquit\r\n", Grade.HARMLESS),
        ("early-hello", b"EHLO healthcheck\n", Grade.HARMLESS),
        ("early-hello", b"HELO [192.0.2.1]\r\nQ", Grade.POSSIBLE),
        ("early-hello", b"EH", Grade.POSSIBLE),
        ("early-hello", b"EHLO ", Grade.POSSIBLE),
        ("early-hello", b"EHLO\r\n", Grade.ATTACK),
        ("early-hello", b"EHLO \r\n", Grade.ATTACK),
        ("early-hello", b"EHLO a b\r\n", Grade.ATTACK),
        ("early-hello", b"EHLO " + b"a" * 65, Grade.ATTACK),
        ("early-hello", b"QUIT\r\n", Grade.ATTACK),
        ("early-hello", b"EHLO x\r\nEHLO x\r\n", Grade.ATTACK),
        ("early-hello", b"EHLO x\r\nSTARTTLS\r\n", Grade.ATTACK),
        ("telnet", PUTTY, Grade.HARMLESS),
        ("telnet", PUTTY + SIZE, Grade.HARMLESS),
        ("telnet", b"\xff", Grade.POSSIBLE),
        ("telnet", b"\xff\xfa\x1f\xff\xff", Grade.POSSIBLE),
        ("telnet", b"\xff\xfa\x18\x00XTERM\xff", Grade.POSSIBLE),
        ("telnet", b"\xff\xfaMAIL FROM:<a@b>\r\n\xff\xf0", Grade.ATTACK),
        ("telnet", b"\xff\xfb\n", Grade.ATTACK),
        ("telnet", PUTTY + b"E", Grade.ATTACK),
    ],
)
def test_grades(name: str, text: bytes, grade: Grade) -> None:
    after = "EHLO" if name == "hello-quit" else "CONNECT"
    assert PATTERNS[name.partition(" ")[0]].grade(after, text) is grade


def test_hello_and_quit_in_one_segment() -> None:
    talk = Talk(FORBID).begin()
    talk.send(EHLO + QUIT)
    assert talk.said[-1] == "221 2.0.0 Bye" and talk.closed
    assert verdicts(talk) == [Tolerated("hello-quit", "EHLO", "buffered", QUIT)]
    assert talk.session.turn.early is None


def test_before_the_greeting() -> None:
    talk = Talk(FORBID)
    talk.feed(events.Received(EHLO + QUIT))
    talk.begin()
    assert (talk.said[0], talk.said[-1]) == ("220 mx ESMTP", "221 2.0.0 Bye")
    assert verdicts(talk) == [Tolerated("hello-quit", "CONNECT", "buffered", EHLO + QUIT)]


def test_an_early_hello_alone_is_harmless_when_nothing_follows() -> None:
    talk = Talk(FORBID)
    talk.feed(events.Received(EHLO))
    talk.begin()
    assert verdicts(talk) == []
    talk.feed(events.Lost())
    assert verdicts(talk) == [Tolerated("early-hello", "CONNECT", "buffered", EHLO)]


@pytest.mark.parametrize("options", [FORBID, NOTED], ids=["forbid", "noted"])
def test_an_early_hello_counts_as_soon_as_mail_follows_even_in_turn(options: Options) -> None:
    flagged: list[bool] = []

    def rule(stage: Stage, subject: object) -> events.Answered:
        if stage is Stage.MAIL:
            flagged.append(talk.session.turn.early is not None)
        return agree(stage, subject)

    talk = Talk(options, rule=rule)
    talk.feed(events.Received(EHLO))
    talk.begin()
    talk.send(MAIL)
    assert verdicts(talk) == [EarlyTalk("CONNECT", "buffered", EHLO + MAIL)]
    assert flagged == ([] if options is FORBID else [True])
    assert (talk.said[-1] == REFUSED) == (options is FORBID)


def test_a_beginning_alone_is_not_tolerated() -> None:
    talk = Talk(FORBID).begin()
    talk.send(EHLO + b"QU")
    talk.feed(events.Lost())
    assert verdicts(talk) == [EarlyTalk("EHLO", "buffered", b"QU")]


def test_what_is_typed_after_negotiation_is_judged_as_ever() -> None:
    talk = Talk(NOTED)
    talk.feed(events.Received(PUTTY))
    talk.begin()
    assert talk.send(b"HELP\r\n")[0].startswith("214")
    assert verdicts(talk) == [Tolerated("telnet", "CONNECT", "buffered", PUTTY)]
    talk.send(EHLO + MAIL)
    assert verdicts(talk)[1:] == [EarlyTalk("EHLO", "buffered", MAIL)]


def test_negotiation_means_nothing_also_in_its_turn() -> None:
    for tolerated, answer in ((ALL, "250 2.0.0 Ok"), (ALL - {"telnet"}, "500 5.5.2 Error: bad UTF-8 syntax")):
        talk = Talk(Options(hostname="mx", banner="mx ESMTP", tolerated=tolerated)).begin()
        assert talk.send(PUTTY + b"NOOP\r\n") == [answer]
        assert talk.send(PUTTY + b"NOOP\r\n") == ["500 5.5.2 Error: bad UTF-8 syntax"]  # only in front of the first
        assert verdicts(talk) == []


def test_only_what_is_named_is_tolerated() -> None:
    for tolerated in (frozenset[str](), ALL - {"hello-quit"}, frozenset({"telnet"})):
        talk = Talk(Options(hostname="mx", banner="mx ESMTP", tolerated=tolerated)).begin()
        talk.send(EHLO + QUIT)
        assert talk.said[-1] == REFUSED


def test_an_exempt_client_is_told_of_once_and_never_flagged() -> None:
    talk = Talk(Options(hostname="mx", banner="mx ESMTP"), Rights(turn_exempt=True)).begin()
    talk.send(EHLO + ATTACK + QUIT)
    assert verdicts(talk) == [Tolerated(EXEMPT, "EHLO", "buffered", (ATTACK + QUIT)[:SHOWN])]
    assert len(talk.messages) == 1 and talk.session.turn.early is None


def test_an_exempt_client_that_waits_is_not_mentioned() -> None:
    talk = Talk(FORBID, Rights(turn_exempt=True)).begin()
    for line in (EHLO, MAIL, QUIT):
        talk.send(line)
    assert verdicts(talk) == []


# In any cutting

PROBES = {
    "hello-quit": (b"", EHLO + QUIT),
    "hello-quit, HELO": (b"", b"helo c\r\nquit\r\n"),
    "early-hello": (EHLO, b""),
    "early-hello, QUIT": (b"ehlo xymonnet\r\nquit\r\n", b""),
    "telnet": (PUTTY, b""),
    "telnet, size": (PUTTY + SIZE, b""),
}
FOLLOWING = [ATTACK, MAIL, b"M", b"\r\n", b"NOOP\r\n" + ATTACK, b"STARTTLS\r\n" + EHLO + ATTACK, b"X" * 200]
Cuts = Sequence[tuple[int, bool]]
cuttings = st.lists(st.tuples(st.integers(1, 12), st.booleans()), max_size=40)


def cut(data: bytes, cuts: Cuts) -> list[tuple[bytes, bool]]:
    """Segments with whether they came unacknowledged; what no cut is left for comes in one."""
    segments = []
    for length, unacknowledged in cuts:
        if data:
            segments.append((data[:length], unacknowledged))
            data = data[length:]
    return [*segments, (data, True)] if data else segments


def say(talk: Talk, before: bytes, after: bytes, cuts: Cuts) -> None:
    """`before` begins before the greeting, `after` follows it: each segment as it is cut."""
    segments = cut(before + after, cuts)
    while before and segments and len(segments[0][0]) <= len(before):
        data, _ = segments.pop(0)
        talk.feed(events.Received(data))
        before = before[len(data):]
        if before == b"" or cuts[0][1]:
            break
    talk.begin()
    for data, unacknowledged in segments:
        talk.send(data, unacknowledged=unacknowledged)


@given(st.sampled_from(sorted(PROBES)), cuttings, st.booleans())
def test_a_probe_is_tolerated_however_it_is_cut(name: str, cuts: Cuts, forbid: bool) -> None:
    talk = Talk(FORBID if forbid else NOTED)
    say(talk, *PROBES[name], cuts)
    if "telnet" in name:
        assert talk.send(b"NOOP\r\n") == ["250 2.0.0 Ok"]
    talk.feed(events.Lost())
    assert talk.session.turn.early is None
    assert len(verdicts(talk)) <= 1
    assert REFUSED not in talk.said


@given(st.sampled_from(sorted(PROBES)), st.sampled_from(FOLLOWING), cuttings)
def test_an_attack_gains_nothing_by_beginning_like_a_probe(name: str, following: bytes, cuts: Cuts) -> None:
    """Either the probe's QUIT had ended the session before more was heard, or the offence counts before any of it is
    obeyed."""
    before, after = PROBES[name]
    flagged: list[bool] = []

    def rule(stage: Stage, subject: object) -> events.Answered:
        if stage is Stage.MAIL:
            flagged.append(talk.session.turn.early is not None)
        return agree(stage, subject)

    talk = Talk(NOTED, rule=rule)
    talk.feed(events.Received(before))  # an offence whatever the cutting
    talk.begin()
    turned = after.index(b"\n") + 2 if after else 0  # up to the Q of QUIT, so that there is one here, too
    if after:
        talk.send(after[:turned])
    for data, unacknowledged in cut(after[turned:] + following, cuts):
        talk.send(data, unacknowledged=unacknowledged or bool(before))
    talk.feed(events.Lost())
    assert all(flagged)
    left = "221 2.0.0 Bye" in talk.said and not flagged
    assert left or talk.session.turn.early is not None


@given(st.sampled_from([each for each in sorted(PROBES) if "telnet" not in each]), st.sampled_from(FOLLOWING), cuttings)
def test_with_forbid_no_mail_command_is_reached(name: str, following: bytes, cuts: Cuts) -> None:
    talk = Talk(FORBID)
    before, after = PROBES[name]
    say(talk, before, after + following, [*cuts, (500, True)])
    if before or talk.session.turn.early is not None:
        assert not [asked for asked in talk.asked if asked.startswith("MAIL ")]


@given(st.binary(max_size=30), cuttings)
def test_the_grade_does_not_depend_on_the_cutting(text: bytes, cuts: Cuts) -> None:
    def outcome(pieces: list[bytes]) -> tuple[object, object]:
        turn = Turn(tolerates=ALL)
        turn.take("CONNECT", True, pieces[0])
        for piece in pieces[1:]:
            turn.listen(piece, True)
        turn.conclude()
        return (turn.early and turn.early.after), (turn.tolerated and turn.tolerated.pattern)

    for whole in (text, EHLO + text, PUTTY + text):
        if whole:
            assert outcome([data for data, _ in cut(whole, cuts)]) == outcome([whole])
