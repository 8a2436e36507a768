"""The server's machine: the order of commands, what ends a session, what survives what, and the tables behind it."""

from __future__ import annotations

import pytest

from gatepost.smtp import events, facts, sentences
from gatepost.smtp.actions import Ask, Send, Stage
from gatepost.smtp.commands import COMMANDS, OUT_OF_ORDER
from gatepost.smtp.options import BareLf, Options, Rights
from gatepost.smtp.reply import Reply
from gatepost.smtp.transaction import State
from tests.smtp.drive import Talk, agree

HELO, MAIL, RCPT, DATA = b"HELO c\r\n", b"MAIL FROM:<a@b>\r\n", b"RCPT TO:<c@d>\r\n", b"DATA\r\n"
OPTIONS = Options(
    hostname="mx", banner="mx ESMTP", forbid_pipelining=False, error_sleep_time=0, tls_offered=True, sasl_enabled=True
)
REACH = {
    State.READY: [],
    State.MAIL: [MAIL],
    State.RCPT: [MAIL, RCPT],
    State.BDAT: [MAIL, RCPT, b"BDAT 1\r\nx"],
    State.BDAT_FAILED: [MAIL, RCPT, b"BDAT 0\r\n"],
    State.BDAT_LOST: [b"BDAT 0\r\n"],
}
SAY = {
    "HELO": HELO,
    "EHLO": b"EHLO c\r\n",
    "XCLIENT": b"XCLIENT ADDR=192.0.2.1\r\n",
    "XFORWARD": b"XFORWARD HELO=x\r\n",
    "STARTTLS": b"STARTTLS\r\n",
    "AUTH": b"AUTH PLAIN good\r\n",
    "MAIL": MAIL,
    "RCPT": RCPT,
    "DATA": DATA,
    "BDAT": b"BDAT 1\r\nx",
    "RSET": b"RSET\r\n",
    "NOOP": b"NOOP\r\n",
    "VRFY": b"VRFY c@d\r\n",
    "ETRN": b"ETRN d.example\r\n",
    "QUIT": b"QUIT\r\n",
    "HELP": b"HELP\r\n",
}


def at(state: State, options: Options = OPTIONS) -> Talk:
    talk = Talk(options, Rights(xclient=True, xforward=True)).begin()
    talk.send(b"EHLO c\r\n")
    for line in REACH[state]:
        talk.send(line)
    assert talk.session.state is state
    return talk


@pytest.mark.parametrize("state", State, ids=lambda state: state.name)
@pytest.mark.parametrize("verb", COMMANDS)
def test_every_verb_in_every_state(state: State, verb: str) -> None:
    """Each pair either has a refusal in the table, which is what is said, or the command is judged on its own."""
    talk = at(state)
    said = talk.send(SAY[verb])
    assert said, "no reply"
    refusal = OUT_OF_ORDER[state].get(verb)
    if refusal is not None:
        assert said == [str(refusal)]
        assert talk.session.state is state
    else:
        assert not said[-1].startswith("503") or verb == "BDAT"


def test_every_refusal_names_a_verb() -> None:
    assert {verb for row in OUT_OF_ORDER.values() for verb in row} <= COMMANDS.keys()
    assert OUT_OF_ORDER.keys() == set(State)


def test_a_message() -> None:
    talk = at(State.RCPT)
    assert talk.send(DATA) == ["354 End data with <CR><LF>.<CR><LF>"]
    assert talk.send(b"Subject: x\r\n\r\n..dot\r\n.\r\n") == ["250 2.0.0 Ok: queued as ID"]
    assert talk.messages == [b"Subject: x\r\n\r\n.dot\r\n"]
    assert talk.session.transaction is None and talk.session.state is State.READY


def test_refused_content_is_read_to_its_end() -> None:
    def rule(stage: Stage, subject: object) -> events.Answered:
        if stage is Stage.END_OF_MESSAGE:
            return events.Answered(Reply(550, "5.7.1", "no"))
        return agree(stage, subject)

    talk = Talk(OPTIONS, rule=rule).begin()
    for line in (b"EHLO c\r\n", MAIL, RCPT, DATA):
        talk.send(line)
    assert talk.send(b"QUIT\r\nRSET\r\n.\r\nNOOP\r\n") == ["550 5.7.1 no", "250 2.0.0 Ok"]


def test_too_big_a_message_is_read_to_its_end() -> None:
    talk = at(State.RCPT, Options(hostname="mx", message_size_limit=10, error_sleep_time=0))
    talk.send(DATA)
    assert talk.send(b"0123456789abc\r\nQUIT\r\n") == []
    assert talk.send(b".\r\n") == ["552 5.3.4 Error: message file too big"]
    assert talk.content == b""


def test_refused_chunk_never_runs_as_commands() -> None:
    talk = at(State.READY)
    assert talk.send(b"BDAT 12 LAST\r\nQUIT\r\nQUIT\r\nNOOP\r\n") == [str(sentences.NEED_RCPT), "250 2.0.0 Ok"]


@pytest.mark.parametrize("line", [b"BDAT\r\n", b"BDAT x\r\n", b"BDAT -1\r\n", b"BDAT 1 FOO\r\n", b"BDAT 1 LAST x\r\n"])
def test_bdat_of_unknown_length_ends_the_session(line: bytes) -> None:
    talk = at(State.RCPT)
    assert talk.send(line + b"QUIT\r\n") == [str(sentences.SYNTAX_BDAT)]
    assert talk.closed


def test_chunks_make_one_message() -> None:
    talk = at(State.RCPT)
    assert talk.send(b"BDAT 5\r\na\r\nb") == []
    assert talk.send(b"\n") == ["250 2.0.0 Ok: 5 bytes"]
    assert talk.send(b"BDAT 3 LAST\r\nxyz") == ["250 2.0.0 Ok: queued as ID"]
    assert talk.messages == [b"a\r\nb\r\nxyz\r\n"]


def test_plaintext_behind_starttls_dies() -> None:
    talk = Talk(OPTIONS).begin()
    talk.send(b"EHLO c\r\n")
    said = talk.send(b"STARTTLS\r\nMAIL FROM:<evil@example>\r\n")
    assert said == ["220 2.0.0 Ready to start TLS"]
    assert [f for f in talk.facts if isinstance(f, facts.PlaintextDropped)] == [
        facts.PlaintextDropped(26, b"MAIL FROM:<evil@example>\r\n")
    ]
    assert talk.send(RCPT) == [str(sentences.NEED_MAIL)]
    assert talk.session.helo is None


def test_nothing_is_parsed_while_a_question_is_open() -> None:
    talk = Talk(OPTIONS).begin()
    talk.send(b"EHLO c\r\n")
    actions = talk.session.handle(events.Received(MAIL + RCPT + b"RSET\r\n"))
    assert [type(action) for action in actions] == [Ask]
    assert talk.session.backlog == len(RCPT + b"RSET\r\n")
    assert talk.session.handle(events.Received(b"NOOP\r\n")) == []


def test_half_closed_client_still_gets_its_replies() -> None:
    talk = Talk(OPTIONS).begin()
    talk.session.handle(events.Received(b"EHLO c\r\n"))
    talk.feed(events.Lost())
    talk.feed(events.Answered())
    assert talk.said[-1] == "250 CHUNKING"
    assert talk.closed


def test_hard_error_limit() -> None:
    talk = Talk(Options(hostname="mx", hard_error_limit=3, error_sleep_time=0, forbid_pipelining=False)).begin()
    said = talk.send(b"FROB\r\nFROB\r\nFROB\r\nFROB\r\n")
    assert said == [str(sentences.UNKNOWN_COMMAND)] * 3 + ["421 4.7.0 mx Error: too many errors"]
    assert talk.closed


def test_tarpit_comes_before_the_reply() -> None:
    options = Options(hostname="mx", soft_error_limit=1, error_sleep_time=2, forbid_pipelining=False)
    talk = Talk(options).begin()
    talk.send(b"FROB\r\n")
    actions = talk.session.handle(events.Received(b"EHLO c\r\n"))
    assert actions == [Ask(Stage.EHLO, "c")]
    actions = talk.session.handle(events.Answered())
    assert actions == [Ask(Stage.PAUSE, 2 * 10)]  # ten lines, two seconds each
    assert isinstance(talk.session.handle(events.Answered())[0], Send)


def test_quit_after_the_tarpit_ends_the_session() -> None:
    talk = Talk(Options(hostname="mx", soft_error_limit=1, error_sleep_time=1)).begin()
    talk.send(b"FROB\r\n")
    assert talk.send(b"QUIT\r\n") == ["221 2.0.0 Bye"]
    assert talk.closed


def test_junk_commands() -> None:
    talk = Talk(Options(hostname="mx", junk_command_limit=2, hard_error_limit=1, error_sleep_time=0)).begin()
    for _ in range(3):
        assert talk.send(b"NOOP\r\n") == ["250 2.0.0 Ok"]
    assert talk.send(b"NOOP\r\n") == ["250 2.0.0 Ok", "421 4.7.0 mx Error: too many errors"]


@pytest.mark.parametrize(
    "line", [b"GET / HTTP/1.1\r\n", b"Subject: x\r\n", b"  To: x\r\n", b".\r\n", b"1\r\n", b"a:\r\n"]
)
def test_no_smtp_client_says_that(line: bytes) -> None:
    talk = Talk(OPTIONS).begin()
    assert talk.send(line) == [str(sentences.GOODBYE)]
    assert talk.closed


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        (BareLf.NO, "250 2.0.0 Ok"),
        (BareLf.NORMALIZE, "250 2.0.0 Ok"),
        (BareLf.NOTE, "250 2.0.0 Ok"),
        (BareLf.REJECT, "550 5.5.2 mx Error: bare <LF> received"),
    ],
)
def test_bare_newline_in_a_command(mode: BareLf, said: str) -> None:
    talk = Talk(OPTIONS, Rights(bare_lf=mode)).begin()
    assert talk.send(b"NOOP\n") == [said]
    assert talk.closed == (mode is BareLf.REJECT)


@pytest.mark.parametrize("count", [2047, 2048, 70000])
def test_long_command(count: int) -> None:
    line = b"NOOP " + b"x" * (count - 5) + b"\r\n"
    loose = Talk(Options(hostname="mx", refuse_long_commands=False)).begin()
    assert loose.send(line + b"NOOP\r\n") == ["554 5.5.0 Error: SMTP protocol synchronization"]
    assert Talk(OPTIONS).begin().send(line + b"NOOP\r\n") == ["250 2.0.0 Ok"] * 2
    strict = Talk(Options(hostname="mx", refuse_long_commands=True, forbid_pipelining=False)).begin()
    first = "500 5.5.2 mx Error: command too long" if count >= 2047 else "250 2.0.0 Ok"
    assert strict.send(line + b"NOOP\r\n") == [first, "250 2.0.0 Ok"]


def test_counts_of_the_disconnect_line() -> None:
    talk = Talk(OPTIONS).begin()
    for line in (b"EHLO c\r\n", MAIL, MAIL, b"FROB\r\n", b"\r\n", b"QUIT\r\n"):
        talk.send(line)
    ended = talk.facts[-1]
    assert isinstance(ended, facts.Ended)
    assert ended.counts == {"ehlo": [1, 1], "mail": [1, 2], "unknown": [0, 1], "quit": [1, 1]}
    assert (ended.reason, ended.stage) == ("", "QUIT")


def test_login() -> None:
    talk = Talk(OPTIONS).begin()
    talk.send(b"EHLO c\r\n")
    assert talk.send(b"AUTH PLAIN\r\n") == ["334 "]
    assert talk.send(b"*\r\n") == [str(sentences.AUTH_ABORTED)]
    assert talk.send(b"AUTH PLAIN bad\r\n") == ["535 5.7.8 Error: authentication failed: no"]
    assert talk.send(b"AUTH LOGIN\r\n") == ["334 "]
    assert talk.send(b"good\r\n") == ["235 2.7.0 Authentication successful"]
    assert talk.session.authenticated == "joe"
    assert talk.send(b"AUTH PLAIN good\r\n") == [str(sentences.AUTH_TWICE)]


def test_xclient_begins_again() -> None:
    talk = Talk(OPTIONS, Rights(xclient=True)).begin()
    talk.send(b"EHLO c\r\n")
    assert talk.send(b"XCLIENT ADDR=192.0.2.1\r\n") == ["220 mx ESMTP"]
    assert talk.session.helo is None and not talk.session.esmtp
