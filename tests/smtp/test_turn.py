"""Whose turn is it: each kind of evidence, what is legal, and what the fact survives."""

from __future__ import annotations

import pytest

from gatepost.smtp import events
from gatepost.smtp.actions import Stage
from gatepost.smtp.options import Options
from gatepost.smtp.turn import EarlyTalk, Turn
from tests.smtp.drive import Talk, agree

POSTFIX = Options(
    hostname="mx",
    banner="mx ESMTP",
    forbid_pipelining=False,
    evidence=frozenset({"buffered"}),
    strict_groups=False,
    tls_offered=True,
    sasl_enabled=True,
)
OURS = Options(hostname="mx", banner="mx ESMTP", forbid_pipelining=False, tls_offered=True, sasl_enabled=True)


def early(options: Options, *segments: bytes) -> EarlyTalk | None:
    talk = Talk(options).begin()
    for segment in segments:
        talk.send(segment)
    return talk.session.turn.early


EHLO, MAIL, RCPT, DATA = b"EHLO c\r\n", b"MAIL FROM:<a@b>\r\n", b"RCPT TO:<c@d>\r\n", b"DATA\r\n"


@pytest.mark.parametrize("options", [POSTFIX, OURS], ids=["postfix", "ours"])
@pytest.mark.parametrize(
    ("segments", "after"),
    [
        ([EHLO + MAIL], "EHLO"),
        ([b"HELO c\r\n" + MAIL], "HELO"),
        ([EHLO + b"\r\n"], "EHLO"),
        ([EHLO, MAIL + RCPT + DATA + b"Subject: x\r\n"], "DATA"),
        ([EHLO, b"NOOP\r\nNOOP\r\n"], "NOOP"),
        ([EHLO, b"VRFY x\r\nQUIT\r\n"], "VRFY"),
        ([b"HELO c\r\n", MAIL + RCPT], "MAIL"),
        ([MAIL + RCPT], "MAIL"),
        ([b"HELO c\r\n", MAIL, RCPT, b"RSET\r\nQUIT\r\n"], "RSET"),
    ],
)
def test_early(options: Options, segments: list[bytes], after: str) -> None:
    found = early(options, *segments)
    assert found is not None
    assert (found.after, found.evidence) == (after, "buffered")


@pytest.mark.parametrize("options", [POSTFIX, OURS], ids=["postfix", "ours"])
@pytest.mark.parametrize(
    "segments",
    [
        [EHLO, MAIL + RCPT + RCPT + DATA, b"Subject: x\r\n\r\nbody\r\n.\r\n" + MAIL + RCPT],
        [EHLO, MAIL + RCPT + b"BDAT 3 LAST\r\nabc" + MAIL],
        [EHLO, MAIL + RCPT + b"BDAT 3\r\nabcBDAT 1 LAST\r\nx", b"QUIT\r\n"],
        [EHLO, b"RSET\r\n" + MAIL + RCPT],
        [EHLO, b"HELO c\r\n", MAIL + RCPT],
        [EHLO, MAIL + RCPT + DATA, b".\r\nQUIT\r\n"],
    ],
)
def test_legal(options: Options, segments: list[bytes]) -> None:
    assert early(options, *segments) is None


@pytest.mark.parametrize(
    ("segment", "after"),
    [
        (b"STARTTLS\r\nEHLO c\r\n", "STARTTLS"),
        (b"AUTH PLAIN good\r\n" + MAIL, "AUTH"),
        (b"AUTH LOGIN\r\nnobody\r\n", "AUTH"),
        (b"QUIT\r\nNOOP\r\n", "QUIT"),
        (b"FROB\r\nNOOP x", "UNKNOWN"),
    ],
)
def test_stricter_than_postfix(segment: bytes, after: str) -> None:
    assert early(POSTFIX, EHLO, segment) is None
    found = early(OURS, EHLO, segment)
    assert found is not None and found.after == after


def test_before_the_greeting() -> None:
    """Bytes that lie there when the greeting is due were sent by a client that could not have read it."""
    talk = Talk(OURS)
    talk.feed(events.Received(b"EHLO spam\r\n"))
    talk.begin()
    found = talk.session.turn.early
    assert found == EarlyTalk("CONNECT", "buffered", b"EHLO spam\r\n")
    assert talk.said[0] == "220 mx ESMTP"


def test_forbidden_before_the_greeting() -> None:
    talk = Talk(Options(hostname="mx"))
    talk.feed(events.Received(b"EHLO spam\r\n"))
    talk.begin()
    assert talk.said == ["554 5.5.0 Error: SMTP protocol synchronization"]
    assert talk.closed


def test_waiting_while_a_question_is_open() -> None:
    """The body comes while the data restrictions are being asked: before the 354 can have been written."""
    held: list[events.Event] = []

    def rule(stage: Stage, subject: object) -> events.Answered:
        return agree(stage, subject)

    talk = Talk(OURS, rule=rule).begin()
    for segment in (EHLO, MAIL, RCPT):
        talk.send(segment)
    actions = talk.session.handle(events.Received(DATA))
    assert talk.session.asked is Stage.DATA and actions
    talk.session.handle(events.Received(b"Subject: x\r\n"))
    held.append(events.Answered())
    talk.feed(held[0])
    found = talk.session.turn.early
    assert found == EarlyTalk("DATA", "waiting", b"Subject: x\r\n")


def test_waiting_is_no_evidence_for_postfix() -> None:
    talk = Talk(POSTFIX).begin()
    for segment in (EHLO, MAIL, RCPT):
        talk.send(segment)
    talk.session.handle(events.Received(DATA))
    talk.session.handle(events.Received(b"Subject: x\r\n"))
    assert talk.session.turn.early is None


def test_refused_when_the_answer_comes() -> None:
    """With smtpd_forbid_unauth_pipelining the 554 takes the place of the 354."""
    talk = Talk(Options(hostname="mx")).begin()
    for segment in (EHLO, MAIL, RCPT):
        talk.send(segment)
    talk.session.handle(events.Received(DATA))
    talk.session.handle(events.Received(b"Subject: x\r\n"))
    talk.feed(events.Answered())
    assert talk.said[-1] == "554 5.5.0 Error: SMTP protocol synchronization"
    assert talk.closed


@pytest.mark.parametrize("segments", [[EHLO], [EHLO, MAIL, RCPT, DATA]], ids=["EHLO", "DATA"])
def test_unacknowledged(segments: list[bytes]) -> None:
    talk = Talk(OURS).begin()
    for segment in segments:
        talk.send(segment)
    talk.send(b"NOOP\r\n", unacknowledged=True)
    found = talk.session.turn.early
    assert found is not None and found.evidence == "unacknowledged"


def test_unacknowledged_means_nothing_within_a_group_or_once_acknowledged() -> None:
    talk = Talk(OURS).begin()
    talk.send(EHLO)
    talk.send(MAIL)
    talk.send(RCPT, unacknowledged=True)  # MAIL does not end a group
    talk.send(DATA)
    talk.send(b"Subject: x\r\n")
    talk.send(b"\r\nbody\r\n", unacknowledged=True)  # the 354 was acknowledged before
    talk.send(b".\r\n")
    talk.send(MAIL, unacknowledged=True)  # anything may follow the final dot
    assert talk.session.turn.early is None


def test_after_starttls_the_client_has_the_first_word() -> None:
    talk = Talk(OURS).begin()
    talk.send(EHLO)
    talk.send(b"STARTTLS\r\n")
    talk.send(EHLO, unacknowledged=True)  # the server's session tickets are still on their way
    assert talk.session.turn.early is None


@pytest.mark.parametrize("segment", [b"RSET\r\n", EHLO, b"STARTTLS\r\n", MAIL + RCPT + DATA], ids=str)
def test_the_fact_stays(segment: bytes) -> None:
    talk = Talk(OURS).begin()
    talk.send(EHLO + b"NOOP\r\n")
    before = talk.session.turn.early
    talk.send(segment)
    assert before is not None and talk.session.turn.early is before


def test_only_the_first_offence_is_told() -> None:
    turn = Turn()
    assert turn.take("EHLO", True, b"first")
    assert not turn.take("DATA", True, b"second")
    assert turn.early == EarlyTalk("EHLO", "buffered", b"first")


def test_a_hundred_bytes_are_kept() -> None:
    turn = Turn()
    turn.take("EHLO", True, b"x" * 300)
    assert turn.early is not None and len(turn.early.text) == 100
