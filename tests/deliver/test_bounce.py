"""deliver/bounce.py: reports that mail programs understand (RFC 3462, 3464), with what the sender asked to get back."""

from __future__ import annotations

import asyncio
import email
import email.policy
from collections.abc import AsyncIterator
from email.message import EmailMessage

import pytest

from gatepost.deliver.bounce import DELAY, FAILURE, SUCCESS, Report, wanted
from gatepost.deliver.envelope import Envelope, Recipient
from gatepost.deliver.result import Result

ORIGINAL = b"Received: x\r\nSubject: hello\r\n\r\n" + b"body\r\n" * 10


class Original:
    """A message that is reported about."""

    size = len(ORIGINAL)

    async def read(self) -> bytes:
        return ORIGINAL

    async def chunks(self, size: int = 65536) -> AsyncIterator[bytes]:
        for at in range(0, len(ORIGINAL), 7):
            yield ORIGINAL[at:at + 7]


def written(kind: str, result: Result, *, ret: str = "", limit: int = 50000, envid: str = "") -> EmailMessage:
    envelope = Envelope("ABCDE10000", "se nder@example.net", [result.recipient], 0.0, size=len(ORIGINAL), ret=ret,
                        envid=envid)
    report = Report(kind, "FEDCB10010", envelope, [result], "mx.example", "Postfix", limit, 86400.0, 432000.0)
    raw = asyncio.run(report.write(Original()))
    assert raw.count(b"\r\n") == raw.count(b"\n") == raw.count(b"\r")
    assert max(map(len, raw.split(b"\r\n"))) < 120
    message = email.message_from_bytes(raw, policy=email.policy.SMTP)
    assert isinstance(message, EmailMessage)
    assert not message.defects and not any(part.defects for part in message.walk())
    return message


def status(message: EmailMessage) -> tuple[dict[str, str], dict[str, str]]:
    """The per-message and the one per-recipient group of fields."""
    blocks = message.get_payload(1).get_payload()  # type: ignore[union-attr]
    first, second = (dict(block.items()) for block in blocks)  # type: ignore[union-attr]
    return first, second


FAILED = Result(Recipient("bad@example.org", "alias@example.org"), "bounced", "5.1.1",
                "host h[192.0.2.1] said: 550 5.1.1 no such user here, and a long story about why that is so (in reply)",
                "h[192.0.2.1]:25", remote_mta="h.example", diagnostic="550 5.1.1 no such user")


def test_a_non_delivery_report_names_recipient_reason_and_original() -> None:
    message = written(FAILURE, FAILED, envid="a+2Bb")
    assert message["To"] == '"se nder"@example.net'
    assert message["From"].startswith("MAILER-DAEMON@mx.example")
    assert message["Auto-Submitted"] == "auto-replied"
    assert message["Subject"] == "Undelivered Mail Returned to Sender"
    assert message["Message-Id"] == "<19700102000000.FEDCB10010@mx.example>"
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "delivery-status"
    assert [part.get_content_type() for part in message.iter_parts()] == [
        "text/plain", "message/delivery-status", "message/rfc822"]
    first, second = status(message)
    assert first["Reporting-MTA"] == "dns; mx.example"
    assert first["Original-Envelope-Id"] == "a+b"
    assert second["Final-Recipient"] == "rfc822; bad@example.org"
    assert second["Original-Recipient"] == "rfc822;alias@example.org"
    assert (second["Action"], second["Status"], second["Remote-MTA"]) == ("failed", "5.1.1", "dns; h.example")
    assert second["Diagnostic-Code"] == "smtp; 550 5.1.1 no such user"
    assert "<bad@example.org>: host h[192.0.2.1] said:" in message.get_payload(0).get_content()  # type: ignore[union-attr]


RETURNED = [("", 50000, True), ("FULL", 50000, True), ("HDRS", 50000, False), ("", 10, False), ("FULL", 10, False)]


@pytest.mark.parametrize(("ret", "limit", "full"), RETURNED)
def test_how_much_of_the_original_comes_back(ret: str, limit: int, full: bool) -> None:
    part = written(FAILURE, FAILED, ret=ret, limit=limit).get_payload(2)
    assert isinstance(part, EmailMessage)
    assert part.get_content_type() == ("message/rfc822" if full else "text/rfc822-headers")
    text = part.as_bytes()
    assert b"Subject: hello" in text
    assert (b"body" in text) is full


@pytest.mark.parametrize(("kind", "result", "action"), [
    (DELAY, "deferred", "delayed"), (SUCCESS, "sent", "delivered"), (SUCCESS, "relayed", "relayed")])
def test_other_reports_return_headers_only(kind: str, result: str, action: str) -> None:
    recipient = Recipient("r@example.org", orcpt="rfc822;o+2Br@example.org")
    message = written(kind, Result(recipient, result, "2.0.0", "text"))
    assert message.get_payload(2).get_content_type() == "text/rfc822-headers"  # type: ignore[union-attr]
    _, second = status(message)
    assert second["Action"] == action
    assert second["Original-Recipient"] == "rfc822;o+r@example.org"
    assert ("Will-Retry-Until" in second) is (kind == DELAY)


def test_text_from_outside_cannot_break_the_report() -> None:
    evil = Result(Recipient("r@example.org", orcpt="rfc822;a+0D+0AX-Evil:+20yes"), "bounced", "5.0.0",
                  "x\r\nX-Evil: yes\r\n\r\n--b\udcff", diagnostic="550 \r\nX-Evil: yes")
    message = written(FAILURE, evil, envid="+0D+0AX-Evil:+20yes")
    first, second = status(message)
    assert "X-Evil" not in first and "X-Evil" not in second
    assert len(list(message.iter_parts())) == 3


WANTED = [("", FAILURE, True), ("", DELAY, True), ("", SUCCESS, False), ("NEVER", FAILURE, False),
          ("SUCCESS,FAILURE", FAILURE, True), ("success", SUCCESS, True), ("SUCCESS", DELAY, False)]  # fmt: skip


@pytest.mark.parametrize(("notify", "kind", "told"), WANTED)
def test_what_the_sender_asked_to_be_told(notify: str, kind: str, told: bool) -> None:
    assert wanted(Recipient("r", notify=notify), kind) is told
