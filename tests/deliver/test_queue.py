"""deliver/queue*.py: what is tried when, what is logged, what survives a restart."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gatepost.config.settings import Settings
from gatepost.deliver import queue_control
from gatepost.deliver.envelope import Envelope, Recipient
from gatepost.deliver.queue import Queue
from gatepost.deliver.queue_rules import QueueRules
from gatepost.deliver.result import Destination
from gatepost.deliver.spool import Spool
from tests.deliver.queue_house import SETTINGS, House, house


@pytest.mark.asyncio
async def test_a_delivered_message_says_postfixs_lines_and_is_gone(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        queue_id = await h.give(Recipient("r@example.org", "alias@example.org"))
        await h.quiet()
        assert h.post.delivered == [("s@example.net", ("r@example.org",), b"Received: us\r\nSubject: x\r\n\r\ny\r\n")]
        h.log.flush()
        assert h.lines.said == [
            f"postfix/qmgr: {queue_id}: from=<s@example.net>, size=31, nrcpt=1 (queue active)",
            f"postfix/local: {queue_id}: to=<r@example.org>, orig_to=<alias@example.org>, relay=local, delay=0,"
            " delays=0/0/0/0, dsn=2.0.0, status=sent (delivered to maildir)",
            f"postfix/qmgr: {queue_id}: removed",
        ]
    assert list(queue_control.listing(tmp_path)) == []


BACKOFF = [(0, 300), (299, 300), (301, 301), (3999, 3999), (4001, 4000), (400000, 4000)]


@pytest.mark.parametrize(("age", "pause"), BACKOFF)
def test_the_next_try_is_after_the_messages_age_within_the_limits(age: float, pause: float) -> None:
    rules = QueueRules(Settings.of(SETTINGS))
    assert rules.next_try(1000.0, 1000.0 + age) == 1000.0 + age + pause


@pytest.mark.asyncio
async def test_only_deferred_recipients_are_tried_again_and_only_when_due(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        h.post.fate("late@example.org", "deferred")
        h.post.fate("late@example.org", "sent", "2.0.0", "ok")
        await h.give("now@example.org", "late@example.org")
        await h.quiet()
        assert [tried[1] for tried in h.post.delivered] == [("now@example.org", "late@example.org")]
        h.now += 299
        h.queue._look.set()
        await asyncio.sleep(0.05)
        assert len(h.post.delivered) == 1
        await h.later(2)
        assert h.post.delivered[1][1] == ("late@example.org",)
        assert len(h.said("removed")) == 1


@pytest.mark.asyncio
async def test_a_restart_forgets_neither_messages_nor_what_was_done(tmp_path: Path) -> None:
    h = House(tmp_path)
    await h.open()
    h.post.fate("late@example.org", "deferred")
    queue_id = await h.give("now@example.org", "late@example.org", body=b"x" * 100000)
    await h.quiet()
    await h.close()
    [queued] = queue_control.listing(tmp_path)
    assert (queued.queue_id, queued.state, queued.due) == (queue_id, "deferred", h.now + 300)
    assert [(r.address, r.reason) for r in queued.recipients] == [("late@example.org", "mailbox full")]
    await h.open()
    h.post.fates.clear()
    await h.later(400)
    assert h.post.delivered[-1][1:] == (("late@example.org",), b"Received: us\r\n" + b"x" * 100000)
    await h.close()


@pytest.mark.asyncio
async def test_mail_accepted_before_the_queue_ran_is_delivered_when_it_does(tmp_path: Path) -> None:
    h = House(tmp_path)
    h.spool = Spool.open(tmp_path)
    for _ in range(300):
        await h.give("r@example.org")
    h.queue = Queue(h.spool, h.settings, h.post, log=h.log, clock=lambda: h.now)
    await h.queue.start()
    await h.until(lambda: len(h.said("removed")) == 300)
    await h.close()


@pytest.mark.asyncio
async def test_a_failure_is_reported_before_the_message_is_gone(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        h.post.fate("bad@example.org", "bounced", "5.1.1", "user unknown")
        queue_id = await h.give("bad@example.org", "good@example.org")
        await h.until(lambda: len(h.said("removed")) == 2)
        sender, recipients, report = h.post.delivered[1]
        assert (sender, recipients) == ("", ("s@example.net",))
        assert b"Final-Recipient: rfc822; bad@example.org\r\nAction: failed\r\nStatus: 5.1.1\r\n" in report
        assert b"good@example.org" not in report
        [line] = h.said("sender non-delivery notification")
        assert line.startswith(f"postfix/bounce: {queue_id}: sender non-delivery notification: ")


NOT_TOLD = [("", ""), ("s@example.net", "NEVER"), ("s@example.net", "SUCCESS,DELAY")]


@pytest.mark.asyncio
@pytest.mark.parametrize(("sender", "notify"), NOT_TOLD)
async def test_who_is_not_told_of_failures(tmp_path: Path, sender: str, notify: str) -> None:
    async with house(tmp_path) as h:
        h.post.fate("bad@example.org", "bounced", "5.1.1", "user unknown")
        await h.give(Recipient("bad@example.org", notify=notify), sender=sender)
        await h.until(lambda: len(h.said("removed")) == 1)
        assert len(h.post.delivered) == 1


@pytest.mark.asyncio
async def test_mail_that_is_too_old_is_given_up(tmp_path: Path) -> None:
    async with house(tmp_path, maximal_queue_lifetime="1d", bounce_queue_lifetime="0") as h:
        h.post.fate("r@example.org", "deferred")
        await h.give("r@example.org", sender="")
        await h.until(lambda: bool(h.said("undeliverable postmaster notification discarded")))
        queue_id = await h.give("r@example.org")
        await h.quiet()
        await h.later(86300)
        assert not h.said(f"{queue_id}: removed")
        await h.later(4001)
        assert h.said(f"{queue_id}: from=<s@example.net>, status=expired, returned to sender")
        await h.until(lambda: len(h.said("removed")) == 3)
        assert b"Status: 5.2.2" in h.post.delivered[-1][2]


@pytest.mark.asyncio
async def test_the_sender_is_warned_of_a_delay_once(tmp_path: Path) -> None:
    async with house(tmp_path, delay_warning_time="1h") as h:
        h.post.fate("r@example.org", "deferred")
        await h.give("r@example.org")
        await h.quiet()
        await h.later(3601)
        await h.until(lambda: len(h.post.delivered) == 3)
        await h.later(4001)
        assert len(h.said("sender delay notification")) == 1
        assert b"Action: delayed" in h.post.delivered[2][2]


@pytest.mark.asyncio
@pytest.mark.parametrize(("service", "status", "action"),
                         [("local", "sent", b"delivered"), ("lmtp", "relayed", b"relayed"), ("smtp", "sent", None)])
async def test_success_is_told_when_asked_for(tmp_path: Path, service: str, status: str, action: bytes | None) -> None:
    async with house(tmp_path) as h:
        h.post.fate("r@example.org", status, "2.0.0", "ok", service)
        await h.give(Recipient("r@example.org", notify="SUCCESS"))
        await h.until(lambda: len(h.said("removed")) == (2 if action else 1))
        assert action is None or b"Action: " + action in h.post.delivered[1][2]
        assert len(h.said("status=sent")) == (2 if action else 1)


@pytest.mark.asyncio
async def test_one_destination_gets_so_many_deliveries_and_holds_up_nobody(tmp_path: Path) -> None:
    async with house(tmp_path, default_destination_concurrency_limit="3") as h:
        h.post.gate = asyncio.Event()
        for _ in range(10):
            await h.give("r@slow.example")
        await h.until(lambda: h.post.running == 3)
        await h.give("r@other.example")
        await h.until(lambda: h.post.running == 4)
        h.post.gate.set()
        await h.quiet()
        assert h.post.most == 4
        assert len(h.said("removed")) == 11


@pytest.mark.asyncio
async def test_a_transport_gets_so_many_deliveries_and_recipients_at_a_time(tmp_path: Path) -> None:
    h = House(tmp_path, default_process_limit="2", x_destination_recipient_limit="2")

    async def route(envelope: Envelope, recipient: Recipient) -> Destination:
        return Destination("x", recipient.address.rpartition("@")[2])

    h.route = route
    await h.open()
    h.post.gate = asyncio.Event()
    await h.give("a@1.example", "b@1.example", "c@1.example", "d@2.example", "e@3.example", "f@4.example")
    await h.until(lambda: h.post.running == 2)
    h.post.gate.set()
    await h.until(lambda: len(h.said("removed")) == 1)
    assert h.post.most == 2
    assert sorted(tried[1] for tried in h.post.delivered) == [
        ("a@1.example", "b@1.example"), ("c@1.example",), ("d@2.example",), ("e@3.example",), ("f@4.example",)]
    await h.close()


@pytest.mark.asyncio
async def test_a_destination_without_connection_is_left_alone_until_flushed(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        h.post.fate("r@dead.example", "deferred", "4.4.1", "connect to dead.example: refused")
        await h.give("r@dead.example")
        await h.quiet()
        await h.give("q@dead.example")
        await h.quiet()
        assert len(h.post.delivered) == 1
        assert h.said("(delivery temporarily suspended: connect to dead.example: refused)")
        h.queue.flush()
        await h.until(lambda: len(h.post.delivered) >= 2)
        await h.quiet()


@pytest.mark.asyncio
async def test_defer_transports_waits_for_a_flush(tmp_path: Path) -> None:
    h = House(tmp_path, defer_transports="slow")

    async def route(envelope: Envelope, recipient: Recipient) -> Destination:
        return Destination("slow", "n")

    h.route = route
    await h.open()
    queue_id = await h.give("r@example.org")
    await h.quiet()
    assert h.said("status=deferred (deferred transport)") and not h.post.delivered
    assert queue_control.change(tmp_path, "flush", queue_id)
    await h.until(lambda: len(h.said("removed")) == 1)
    await h.close()


@pytest.mark.asyncio
async def test_a_delivery_that_breaks_defers_and_loses_nothing(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        h.post.fates["r@example.org"] = ["not a result"]  # type: ignore[list-item]
        await h.give("r@example.org")
        await h.quiet()
        assert h.said("warning: ") and h.said("dsn=4.3.0, status=deferred (internal error)")
        h.post.fates.clear()
        await h.later(301)
        assert h.said("removed")


@pytest.mark.asyncio
async def test_redirect_and_bcc(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        await h.give("a@example.org", "b@example.org", redirect="r@example.org", bcc=["c@example.org"])
        await h.quiet()
        assert [tried[1] for tried in h.post.delivered] == [("r@example.org", "c@example.org")]


@pytest.mark.asyncio
async def test_more_messages_than_may_be_active_wait_in_the_spool(tmp_path: Path) -> None:
    async with house(tmp_path, qmgr_message_active_limit="5", default_destination_concurrency_limit="0") as h:
        h.post.gate = asyncio.Event()
        for _ in range(20):
            await h.give("r@example.org")
        await h.until(lambda: h.post.running == 5)
        assert h.queue.sizes == (5, 15, 0)
        h.post.gate.set()
        await h.until(lambda: len(h.said("removed")) == 20)


@pytest.mark.asyncio
async def test_what_an_alias_stands_for_is_tried_again_without_the_rest(tmp_path: Path) -> None:
    h = House(tmp_path)
    await h.open()
    h.post.aliases = {"all@example.org": ["a@example.org", "b@example.org", "c@example.org"]}
    h.post.fate("b@example.org", "deferred")
    h.post.fate("c@example.org", "deferred")
    await h.give("all@example.org", "other@example.org")
    await h.quiet()
    await h.close()
    [queued] = queue_control.listing(tmp_path)
    assert [r.address for r in queued.recipients] == ["b@example.org", "c@example.org"]
    h.post.fates.clear()
    await h.open()
    await h.later(400)
    assert h.post.delivered[-1][1] == ("b@example.org", "c@example.org")
    assert h.said("to=<b@example.org>, orig_to=<all@example.org>") and len(h.said("removed")) == 1
    await h.close()


@pytest.mark.asyncio
async def test_a_recipient_without_result_is_deferred(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        h.post.silent = {"r@example.org"}
        await h.give("q@example.org", "r@example.org")
        await h.quiet()
        assert h.said("to=<r@example.org>, relay=none") and h.said("(delivery gave no result)")
        h.post.silent = set()
        await h.later(301)
        assert h.post.delivered[-1][1] == ("r@example.org",)
