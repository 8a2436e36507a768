"""One socket and one session: order, coalescing, questions, back-pressure, half-close, time limits, bugs."""

from __future__ import annotations

import asyncio
import math
import socket
import time

import pytest

from gatepost.server import kernel
from gatepost.server.connection import UNPROCESSED, Connection
from gatepost.server.connections import Connections
from gatepost.server.terms import Terms
from gatepost.server.trouble import ProxyRefused
from gatepost.smtp.events import Answered
from gatepost.smtp.reply import Reply
from tests.server.echo import Bench, EchoPerformer, EchoSession

pytestmark = pytest.mark.asyncio


async def test_greets_echoes_and_hangs_up() -> None:
    with Bench() as bench:
        assert await bench.hear() == ["220 echo"]
        await bench.say(b"one\r\ntwo\r\nQUIT\r\n")
        assert await bench.hear_end() == b"250 one\r\n250 two\r\n221 bye\r\n"
        assert bench.connection.closed
        assert bench.performer.closed_told == 1
        assert bench.session.events == ["Connected", "Received"]  # who hung up need not be told that it is lost
        assert len(bench.connections) == 0


async def test_what_is_said_in_one_round_leaves_in_one_send() -> None:
    with Bench(tcp=True) as bench:
        await bench.hear()
        await bench.say(b"a\r\n" * 50 + b"NOW x\r\n" + b"b\r\n" * 50)
        assert len(await bench.hear(101)) == 101
        assert bench.sock.sends == 2  # the greeting, and all of this


async def test_answers_inside_act_are_a_loop_and_not_a_recursion() -> None:
    with Bench() as bench:
        await bench.hear()
        await bench.say(b"NOW x\r\n" * 3000)
        assert await bench.hear(3000) == ["250 NOW x"] * 3000


async def test_a_question_that_waits_runs_as_a_task_and_input_is_handed_over_meanwhile() -> None:
    with Bench() as bench:
        await bench.hear()
        await bench.say(b"LATER x\r\nbehind\r\n")
        assert await bench.hear(2) == ["250 LATER x", "250 behind"]
        await bench.say(b"ASK x\r\n")
        await bench.until(lambda: bench.connection.asked)
        await bench.say(b"more\r\n")
        await bench.until(lambda: bench.session.backlog > 0)
        assert bench.connection.deadline == math.inf  # our own slowness is not the client's time
        bench.connection.feed(Answered(Reply(250, "", "yes")))
        assert await bench.hear(2) == ["250 yes", "250 more"]
        assert bench.connection.deadline < math.inf


async def test_input_behind_a_question_is_bounded() -> None:
    with Bench() as bench:
        await bench.hear()
        await bench.say(b"ASK x\r\n")
        await bench.until(lambda: bench.connection.asked)
        line = b"x" * 1022 + b"\r\n"
        sending = bench.loop.create_task(bench.say(line * 4000))
        await bench.until(lambda: bench.connection.wire.held != 0)
        seen = bench.session.backlog
        assert UNPROCESSED < seen < 8 * UNPROCESSED
        bench.connection.feed(Answered(Reply(250, "", "yes")))
        assert len(await bench.hear(4001)) == 4001
        await sending


async def test_a_client_that_does_not_read_its_replies_is_not_read() -> None:
    with Bench() as bench:
        await bench.hear()
        line = b"x" * 1022 + b"\r\n"
        sending = bench.loop.create_task(bench.say(line * 6000))
        await bench.until(lambda: bench.connection.wire.held != 0)
        assert not sending.done()
        assert len(await bench.hear(6000)) == 6000
        await sending
        assert bench.connection.wire.held == 0


async def test_a_performer_may_stop_the_reading() -> None:
    with Bench() as bench:
        await bench.hear()
        bench.connection.pause_reading()
        await bench.say(b"one\r\n")
        for _ in range(3):
            await bench.until(lambda: True)
        assert bench.session.events == ["Connected"]
        bench.connection.resume_reading()
        assert await bench.hear() == ["250 one"]


async def test_a_client_that_half_closes_still_gets_its_answers() -> None:
    with Bench() as bench:
        await bench.hear()
        await bench.say(b"ASK x\r\nbehind\r\n")
        bench.client.shutdown(socket.SHUT_WR)
        await bench.until(lambda: bench.performer.gone_told > 0)
        assert bench.connection.client_left
        assert "Lost" not in bench.session.events  # never while a question is open
        bench.connection.feed(Answered(Reply(250, "", "yes")))
        assert await bench.hear_end() == b"250 yes\r\n250 behind\r\n"
        assert bench.session.events[-1] == "Lost"
        assert bench.performer.closed_told == 1


async def test_a_reset_is_told_as_lost_once() -> None:
    with Bench(tcp=True) as bench:
        await bench.hear()
        bench.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        bench.client.close()
        await bench.until(lambda: bench.connection.closed)
        assert bench.session.events.count("Lost") == 1
        assert bench.performer.closed_told == 1
        assert bench.performer.facts  # what the system said of it


async def test_a_bug_costs_the_session_and_not_the_server() -> None:
    with Bench() as bench:
        told: list[object] = []
        bench.loop.set_exception_handler(lambda _, context: told.append(context["exception"]))
        await bench.hear()
        await bench.say(b"BUG\r\n")
        await bench.until(lambda: bench.connection.closed)
        assert isinstance(told[0], AssertionError)
        assert bench.performer.closed_told == 1


@pytest.mark.skipif(not kernel.MEASURES, reason="the system cannot say what is unacknowledged")
async def test_the_first_bytes_after_a_reply_that_was_not_taken_are_unacknowledged() -> None:
    with Bench() as bench:  # a unix socket counts what is unread: the client here reads nothing
        await bench.say(b"early\r\n")
        await bench.until(lambda: bench.session.evidence != [])
        assert bench.session.evidence == [True]
        assert await bench.hear(2) == ["220 echo", "250 early"]
        await bench.say(b"polite\r\n")
        await bench.hear()
        assert bench.session.evidence == [True, False]


async def test_nothing_is_measured_when_the_session_does_not_ask() -> None:
    with Bench() as bench:
        bench.session.wants_evidence = False
        await bench.say(b"early\r\n")
        await bench.hear(2)
        assert bench.session.evidence == [False]


async def test_the_sweep_feeds_elapsed_and_the_reply_leaves_before_the_close() -> None:
    with Bench(Terms(timeout=10)) as bench:
        await bench.hear()
        bench.connections.sweep(time.monotonic())
        assert "Elapsed" not in bench.session.events
        bench.connections.sweep(time.monotonic() + 11)
        assert await bench.hear_end() == b"421 timeout\r\n"


@pytest.mark.parametrize(
    ("in_content", "prolonged"), [(False, 0.0), (True, 2.0)], ids=["a request has one deadline", "content prolongs it"]
)
async def test_the_deadline_of_a_request(in_content: bool, prolonged: float) -> None:
    with Bench(Terms(timeout=10, per_request_deadline=True, min_data_rate=500)) as bench:
        await bench.hear()
        bench.connection.deadline -= 5
        before = bench.connection.deadline
        bench.session.in_content = in_content
        await bench.say(b"x" * 1000)
        await bench.until(lambda: "Received" in bench.session.events)
        assert bench.connection.deadline == before + prolonged


async def test_each_read_has_its_own_limit_without_a_request_deadline() -> None:
    with Bench(Terms(timeout=10)) as bench:
        await bench.hear()
        bench.connection.deadline -= 5
        before = bench.connection.deadline
        await bench.say(b"x")
        await bench.until(lambda: "Received" in bench.session.events)
        assert bench.connection.deadline > before


async def test_a_dismissal_waits_for_the_open_answer() -> None:
    with Bench() as bench:
        await bench.hear()
        await bench.say(b"ASK x\r\n")
        await bench.until(lambda: bench.connection.asked)
        bench.connections.dismiss_all(b"421 4.3.2 down\r\n")
        assert not bench.connection.closed
        bench.connection.feed(Answered(Reply(250, "", "kept")))
        assert await bench.hear_end() == b"250 kept\r\n421 4.3.2 down\r\n"


async def test_a_dismissal_is_said_at_once_when_nothing_is_asked() -> None:
    with Bench() as bench:
        await bench.hear()
        bench.connections.dismiss_all(b"421 4.3.2 down\r\n")
        assert await bench.hear_end() == b"421 4.3.2 down\r\n"
        assert bench.session.events[-1] == "Lost"


async def test_a_proxy_header_gives_the_client_its_address_and_may_come_in_pieces() -> None:
    with Bench(Terms(proxy=True)) as bench:
        await bench.say(b"PROXY TCP4 198.51.100.7 203.0.")
        await bench.until(lambda: bench.connection.wire.bytes_in > 0)
        assert bench.sessions == []  # nothing is known of the client yet
        await bench.say(b"113.1 1234 25\r\nearly\r\n")
        assert await bench.hear(2) == ["220 echo", "250 early"]
        connection = bench.connection
        assert (connection.peer_address, connection.peer_port) == ("198.51.100.7", "1234")
        assert (connection.local_address, connection.local_port) == ("203.0.113.1", "25")
        assert connection.proxied_by == "192.0.2.1"
        assert bench.session.evidence == [True]  # it was there before the greeting


async def test_no_proxy_header_where_one_is_due() -> None:
    with Bench(Terms(proxy=True)) as bench:
        await bench.say(b"EHLO x\r\n")
        assert await bench.hear_end() == b"421 4.3.0 Server local error\r\n"
        assert bench.performer.facts == [ProxyRefused("unrecognized protocol header: EHLO x\\r\\n")]
        assert bench.session.events == []


async def test_a_proxy_header_has_its_own_time_limit() -> None:
    with Bench(Terms(proxy=True, proxy_timeout=5)) as bench:
        bench.connections.sweep(time.monotonic() + 6)
        assert await bench.hear_end() == b"421 4.3.0 Server local error\r\n"
        assert bench.performer.facts == [ProxyRefused("timeout error")]


async def test_a_proxy_that_is_not_trusted() -> None:
    with Bench(Terms(proxy=True, trusts_proxy=lambda address: address == "192.0.2.9")) as bench:
        assert await bench.hear_end() == b"421 4.3.0 Server local error\r\n"
        assert bench.performer.facts == [ProxyRefused("untrusted proxy")]


async def test_a_polite_client_is_never_found_early_over_tcp() -> None:
    with Bench(tcp=True) as bench:
        await bench.hear()
        for _ in range(300):
            await bench.say(b"one\r\ntwo\r\n")
            await bench.hear(2)
        assert bench.session.evidence
        assert not any(bench.session.evidence)


async def test_last_words_do_not_wait_for_ever() -> None:
    with Bench() as bench:
        await bench.hear()
        await bench.say(b"ASK x\r\nunread\r\n")
        await bench.until(lambda: bench.session.backlog > 0)
        bench.connection.hang_up()  # input is left: the socket lingers for the client to read our words
        assert len(bench.connections) == 1
        assert bench.performer.closed_told == 0
        bench.connections.sweep(time.monotonic() + 60)
        assert len(bench.connections) == 0
        assert bench.performer.closed_told == 1


async def test_nothing_is_fed_once_the_connection_is_closing() -> None:
    with Bench() as bench:
        await bench.hear()
        await bench.say(b"ASK x\r\n")
        await bench.until(lambda: bench.connection.asked)
        events, session = bench.session.events, bench.session
        bench.connection.abort()
        bench.connection.feed(Answered())
        bench.connection.send(b"nothing\r\n")
        assert session.events == events == ["Connected", "Received"]


async def test_whoever_attends_may_turn_a_client_away_before_the_greeting() -> None:
    performers: list[EchoPerformer] = []

    def turn_away(connection: Connection) -> tuple[EchoSession, EchoPerformer]:
        connection.send(b"421 full\r\n")
        connection.hang_up()
        performers.append(EchoPerformer(connection))
        return EchoSession(), performers[-1]

    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with theirs:
        Connection(ours, Terms(), Connections(asyncio.get_running_loop()), turn_away, None).start()
        assert theirs.recv(100) == b"421 full\r\n"
        assert theirs.recv(100) == b""
    assert performers[0].closed_told == 1
