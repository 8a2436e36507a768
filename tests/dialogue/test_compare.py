"""dialogue/compare.py: what counts as equal."""

from __future__ import annotations

import pytest

from gatepost.dialogue.compare import code, compare, compare_lines, enhanced, recorded_lines, session_lines
from gatepost.dialogue.format import Expect, parse

DIALOGUE = parse("# t\n---\nS: 220 mx\nC: EHLO x\nS: 250-mx\nS: 250 CHUNKING\nC: QUIT\nS: 221 2.0.0 Bye\nS: <closed>\n")


@pytest.mark.parametrize(
    ("heard", "equal", "why"),
    [
        (["250-mx", "250 CHUNKING"], (4, 4, 4), "the same"),
        (["250 mx"], (4, 4, 3), "another text"),
        (["250 2.1.0 mx"], (4, 3, 3), "an enhanced code where there was none"),
        (["550 no"], (3, 3, 3), "another code"),
        (["250-mx"], (3, 3, 3), "a reply that was never finished"),
        ([], (3, 3, 3), "no reply"),
        (["250-mx", "250 CHUNKING", "250 more"], (4, 4, 4), "a reply too many is one difference, not two"),
    ],
)
def test_scores(heard: list[str], equal: tuple[int, int, int], why: str) -> None:
    observed = list(DIALOGUE.steps)
    observed[2] = Expect(tuple(heard))
    score = compare(DIALOGUE, observed)
    assert (score.code, score.enhanced, score.text) == equal, why
    assert score.same == (heard == ["250-mx", "250 CHUNKING"])
    assert (score.differences == []) == score.same


def test_the_end_of_a_connection_has_one_code() -> None:
    assert code(["<closed>"]) == code(["<reset>"]) != code(["<open>"])


def test_a_dialogue_that_was_cut_short_differs() -> None:
    score = compare(DIALOGUE, DIALOGUE.steps[:1])
    assert (score.replies, score.code) == (4, 1)


@pytest.mark.parametrize(
    ("reply", "status"),
    [(["250 2.1.0 Ok"], "2.1.0"), (["250 CHUNKING"], ""), (["550-5.1.10 x", "550 y"], "5.1.10"), (["<open>"], "")],
)
def test_enhanced(reply: list[str], status: str) -> None:
    assert enhanced(reply) == status


def test_session_lines_have_names_for_what_changes() -> None:
    log = (
        "Nov 24 02:00:01 mx postfix/master[1]: daemon started -- version 3.7.11, configuration /tmp/r/conf\n"
        "Nov 24 02:00:01 mx postfix/smtpd[22]: connect from unknown[127.0.0.9]\n"
        "Nov 24 02:00:01 mx postfix/smtpd[22]: 0A1B2C3D4E5: client=unknown[127.0.0.9]\n"
        "Nov 24 02:00:01 mx postfix/cleanup[23]: 0A1B2C3D4E5: message-id=<>\n"
        "Nov 24 02:00:01 mx postfix/submission/smtpd[22]: warning: open /tmp/r/conf/x: no\n"
        "Nov 24 02:00:01 mx postfix/postscreen[24]: CONNECT from [127.0.0.9]:40123 to [127.0.0.1]:25255\n"
        "Nov 24 02:00:01 mx postfix/master[1]: warning: process smtpd pid 22 killed\n"
    )
    assert session_lines(log, "/tmp/r") == [
        "postfix/smtpd: connect from unknown[127.0.0.9]",
        "postfix/smtpd: QID1: client=unknown[127.0.0.9]",
        "postfix/submission/smtpd: warning: open $config_directory/x: no",
        "postfix/postscreen: CONNECT from [127.0.0.9]:PORT to [127.0.0.1]:PORT",
        "postfix/master: warning: process smtpd pid PID killed",
    ]


def test_recorded_lines_leave_the_queue_out() -> None:
    log = "## smtpd\npostfix/smtpd: a\n## cleanup\npostfix/cleanup: b\n## queued messages\n| c\n"
    assert recorded_lines(log) == ["postfix/smtpd: a"]


def test_compare_lines() -> None:
    assert compare_lines(["a", "b", "c"], ["a", "c"])[:2] == (2, 3)
    assert compare_lines(["a"], ["a"]) == (1, 1, [])
