"""The sequence of a hand-over: which command comes next, and what each recipient gets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gatepost.smtp.actions import StartTls
from gatepost.smtp.client_session import (
    ClientSession,
    Failed,
    Finished,
    Mail,
    Outcome,
    Ready,
    SendContent,
    Target,
    Terms,
    Write,
)
from gatepost.smtp.events import Elapsed, Lost, Received, TlsStarted
from gatepost.smtp.reply import Reply

GREETING = b"220 mx ESMTP\r\n"
MAIL = Mail("a@b", [Target("one@d"), Target("two@d")], size=100)


def started(terms: Terms | None = None, *, offers: bytes = b"PIPELINING") -> ClientSession:
    session = ClientSession(terms or Terms("me"))
    assert session.handle(Received(GREETING)) != []
    assert session.handle(Received(b"250-mx\r\n250 " + offers + b"\r\n")) == [Ready()]
    return session


def heard(session: ClientSession, text: bytes) -> list[object]:
    return list(session.handle(Received(text)))


def outcomes(actions: list[object]) -> list[tuple[str, int]]:
    finished = actions[-1]
    assert isinstance(finished, Finished)
    return [(outcome.step, outcome.reply.code) for outcome in finished.outcomes]


def test_a_mail_with_pipelining_goes_in_one_group() -> None:
    session = started()
    assert session.start(MAIL) == [
        Write(b"MAIL FROM:<a@b>\r\nRCPT TO:<one@d>\r\nRCPT TO:<two@d>\r\nDATA\r\n", "MAIL")]
    assert heard(session, b"250 ok\r\n250 ok\r\n") == [] and session.step == "RCPT"
    assert heard(session, b"550 5.1.1 no\r\n354 go\r\n") == [SendContent()] and session.step == "BODY"
    assert session.content(b".a\r\n") + session.content_end() == b"..a\r\n.\r\n"
    assert session.step == "."
    assert outcomes(heard(session, b"250 2.0.0 queued\r\n")) == [(".", 250), ("RCPT", 550)]


def test_without_pipelining_each_command_waits() -> None:
    session = started(offers=b"SIZE 1000")
    assert session.start(MAIL) == [Write(b"MAIL FROM:<a@b> SIZE=100\r\n", "MAIL")]
    assert heard(session, b"250 ok\r\n") == [Write(b"RCPT TO:<one@d>\r\n", "RCPT")]
    assert heard(session, b"250 ok\r\n") == [Write(b"RCPT TO:<two@d>\r\n", "RCPT")]
    assert heard(session, b"450 later\r\n") == [Write(b"DATA\r\n", "DATA")]


def test_data_is_not_sent_when_no_recipient_is_left_and_the_next_mail_begins_with_rset() -> None:
    session = started(offers=b"DSN")
    session.start(MAIL)
    heard(session, b"250 ok\r\n")
    heard(session, b"550 no\r\n")
    assert outcomes(heard(session, b"450 no\r\n")) == [("RCPT", 550), ("RCPT", 450)]
    assert session.start(MAIL) == [Write(b"RSET\r\n", "RSET")]


def test_a_group_whose_recipients_are_all_refused_ends_with_a_lone_dot() -> None:
    session = started()
    session.start(MAIL)
    assert heard(session, b"250 ok\r\n550 a\r\n551 b\r\n354 go\r\n") == [Write(b".\r\n", ".")]
    assert outcomes(heard(session, b"554 no valid recipients\r\n")) == [("RCPT", 550), ("RCPT", 551)]


def test_a_refused_sender_decides_all_recipients() -> None:
    session = started()
    session.start(MAIL)
    assert outcomes(heard(session, b"550 5.7.1 no\r\n503 a\r\n503 b\r\n503 c\r\n")) == [("MAIL", 550)] * 2
    assert session.start(MAIL)[0] == Write(
        b"RSET\r\nMAIL FROM:<a@b>\r\nRCPT TO:<one@d>\r\nRCPT TO:<two@d>\r\nDATA\r\n", "RSET")


def test_lmtp_gives_each_accepted_recipient_its_own_reply() -> None:
    session = started(Terms("me", lmtp=True))
    session.start(Mail("", [Target("a@d"), Target("b@d"), Target("c@d")]))
    heard(session, b"250 ok\r\n250 ok\r\n550 no\r\n250 ok\r\n354 go\r\n")
    session.content_end()
    assert heard(session, b"250 2.1.5 a\r\n") == []
    assert outcomes(heard(session, b"452 4.2.2 full\r\n")) == [(".", 250), ("RCPT", 550), (".", 452)]


def test_parameters_are_sent_when_the_server_knows_them() -> None:
    session = ClientSession(Terms("me", xforward=True))
    session.handle(Received(GREETING))
    session.handle(Received(b"250-mx\r\n250-SIZE 0\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n250-PIPELINING\r\n"
                            b"250 XFORWARD NAME ADDR\r\n"))
    mail = Mail("a@b", [Target("c@d", "SUCCESS,FAILURE", "rfc822;x@y")], 7, "8BITMIME", True, "HDRS", "id",
                {"NAME": "n", "ADDR": "1.2.3.4", "IDENT": "q"})
    assert session.start(mail) == [Write(
        b"XFORWARD NAME=n ADDR=1.2.3.4\r\n"
        b"MAIL FROM:<a@b> SIZE=7 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=id\r\n"
        b"RCPT TO:<c@d> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;x@y\r\nDATA\r\n", "XFORWARD")]
    heard(session, b"501 no xforward for you\r\n250 ok\r\n250 ok\r\n")
    assert heard(session, b"354 go\r\n") == [SendContent()]


def test_what_a_server_cannot_take_is_not_offered_to_it() -> None:
    too_big = Outcome("", Reply(552, "5.3.4", "message size 100 exceeds size limit 99 of server"))
    assert started(offers=b"SIZE 99").start(MAIL) == [Finished([too_big, too_big], True)]
    not_utf8 = started().start(Mail("ä@b", [Target("c@d")], smtputf8=True))
    assert outcomes(list(not_utf8)) == [("", 550)]


def test_helo_is_tried_when_ehlo_is_unknown() -> None:
    session = ClientSession(Terms("me", tls="may"))
    session.handle(Received(GREETING))
    assert heard(session, b"502 what\r\n") == [Write(b"HELO me\r\n", "HELO")]
    assert heard(session, b"250 mx\r\n") == [Ready()]


def test_starttls_begins_again_and_forgets_what_was_injected() -> None:
    session = ClientSession(Terms("me", tls="may"))
    session.handle(Received(GREETING))
    assert heard(session, b"250-mx\r\n250 STARTTLS\r\n") == [Write(b"STARTTLS\r\n", "STARTTLS")]
    assert heard(session, b"220 go\r\n250-mx\r\n250 AUTH PLAIN\r\n") == [StartTls()]
    assert session.handle(TlsStarted()) == [Write(b"EHLO me\r\n", "EHLO")]
    assert session.injected == b"250-mx\r\n250 AUTH PLAIN\r\n" and session.client.capabilities == {}
    assert heard(session, b"250-mx\r\n250 STARTTLS\r\n") == [Ready()]


def test_required_tls_is_required() -> None:
    terms = Terms("me", tls="encrypt")
    session = ClientSession(terms)
    session.handle(Received(GREETING))
    assert heard(session, b"250 mx\r\n") == [Failed("tls-missing", "EHLO")]
    session = ClientSession(terms)
    session.handle(Received(GREETING + b"250-mx\r\n250 STARTTLS\r\n"))
    assert heard(session, b"454 not now\r\n") == [Failed("tls-refused", "STARTTLS", Reply(454, "", "not now"))]


def test_authentication_plain_and_login_and_failure() -> None:
    terms = Terms("me", credentials=("joe", "secret"))
    for offers, dialogue in [
        (b"AUTH LOGIN PLAIN", [(b"AUTH PLAIN AGpvZQBzZWNyZXQ=\r\n", b"235 ok\r\n")]),
        (b"AUTH LOGIN", [(b"AUTH LOGIN\r\n", b"334 VXNlcm5hbWU6\r\n"), (b"am9l\r\n", b"334 UGFzc3dvcmQ6\r\n"),
                         (b"c2VjcmV0\r\n", b"235 ok\r\n")]),
    ]:
        session = ClientSession(terms)
        session.handle(Received(GREETING))
        said = heard(session, b"250-mx\r\n250 " + offers + b"\r\n")
        for command, answer in dialogue:
            assert said == [Write(command, "AUTH")]
            said = heard(session, answer)
        assert said == [Ready()]
    session = ClientSession(terms)
    session.handle(Received(GREETING + b"250-mx\r\n250 AUTH PLAIN\r\n"))
    assert heard(session, b"535 5.7.8 no\r\n") == [Failed("auth", "AUTH", Reply(535, "5.7.8", "no"))]
    session = ClientSession(Terms("me", credentials=("joe", "secret"), plaintext_auth=False))
    session.handle(Received(GREETING))
    assert heard(session, b"250-mx\r\n250 AUTH PLAIN\r\n") == [Failed("no-mechanism", "AUTH")]


def test_the_end_of_a_session_is_told_with_the_step() -> None:
    session = ClientSession(Terms("me"))
    assert session.handle(Elapsed()) == [Failed("timeout", "CONNECT")]
    session = started()
    session.start(MAIL)
    heard(session, b"250 ok\r\n550 no\r\n")
    assert session.handle(Lost()) == [Failed("lost", "RCPT")]
    assert session.outcomes == [Outcome("RCPT", Reply(550, "", "no")), None]
    assert session.handle(Lost()) == []


def test_a_server_that_is_ourselves_is_left() -> None:
    session = ClientSession(Terms("me", own_names=frozenset({"mx.example"})))
    session.handle(Received(GREETING))
    assert [action.why for action in session.handle(Received(b"250 MX.example hello\r\n"))  # type: ignore[union-attr]
            ] == ["loop"]


def test_a_server_that_leaves_while_the_content_is_sent_is_heard() -> None:
    session = started()
    session.start(MAIL)
    heard(session, b"250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n")
    assert heard(session, b"421 4.3.2 bye\r\n") == [Failed("refused", "BODY", Reply(421, "4.3.2", "bye"))]


TALK = st.sampled_from([b"220 a\r\n", b"250 a\r\n", b"250-a\r\n", b"354 a\r\n", b"421 a\r\n", b"550 a\r\n",
                        b"334 a\r\n", b"235 a\r\n", b"250 STARTTLS\r\n", b"250 PIPELINING\r\n", b"x\r\n"])


@given(st.lists(TALK, max_size=30), st.booleans(), st.sampled_from(["none", "may", "encrypt"]))
def test_no_server_can_break_the_sequence(replies: list[bytes], lmtp: bool, tls: str) -> None:
    session = ClientSession(Terms("me", lmtp=lmtp, tls=tls, credentials=("a", "b")))
    ended = 0
    for reply in replies:
        for action in session.handle(Received(reply)):
            match action:
                case Ready() | Finished(reusable=True):
                    session.start(MAIL)
                case SendContent():
                    session.content_end()
                case StartTls():
                    session.handle(TlsStarted())
                case Failed() | Finished():
                    ended += 1
    assert ended <= 1
