"""Who is told what became of a message? Reports are messages of their own: written, kept, and only then counted.

A report goes into the spool like any message and must be durable before what it reports is forgotten. Mail from the
null sender is never reported about (RFC 5321 4.5.5). This file must not know when messages are tried.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gatepost.deliver.bounce import DELAY, FAILURE, LOGGED, SUCCESS, Report, wanted
from gatepost.deliver.envelope import Envelope, Origin, Recipient
from gatepost.deliver.queue_message import Message
from gatepost.deliver.queue_rules import QueueRules
from gatepost.deliver.result import RELAYED, SENT, Content, Result
from gatepost.deliver.spool import Spool, SpoolFailure, SpoolFull
from gatepost.observe.log import Log

_TAKES_OVER = frozenset({"smtp", "relay"})  # "sent" by these: the next server reports (RFC 3461 5.2.2)


class Reporter:
    """Writes reports about messages into the spool."""

    def __init__(self, spool: Spool, rules: QueueRules, log: Log, clock: Callable[[], float]) -> None:
        self._spool = spool
        self._rules = rules
        self._log = log
        self._clock = clock

    def note_success(self, message: Message, result: Result) -> None:
        """A recipient is done: is the sender to be told?"""
        if not result.recipient.notify or not message.envelope.sender or not wanted(result.recipient, SUCCESS):
            return
        if result.status == RELAYED or (result.status == SENT and result.service not in _TAKES_OVER):
            message.succeeded.append(result)

    def due_warning(self, message: Message, now: float) -> list[Result]:
        """The delayed recipients that the sender is to be warned of now."""
        rules, envelope = self._rules, message.envelope
        if not rules.warning_time or message.warned or not envelope.sender or not message.open:
            return []
        if now - envelope.arrived < rules.warning_time:
            return []
        return [result for result in message.delayed if wanted(result.recipient, DELAY)]

    async def tell(self, message: Message, content: Content, delayed: Sequence[Result]) -> bool:
        """Send what is to be told. False when a non-delivery report could not be kept: nothing may be forgotten."""
        if message.failed and not await self._failure(message, content):
            return False
        if message.succeeded:
            await self._send(SUCCESS, message, content, message.succeeded)
        if delayed and await self._send(DELAY, message, content, delayed):
            message.warned = True
        return True

    async def _failure(self, message: Message, content: Content) -> bool:
        envelope = message.envelope
        if not envelope.sender:
            self._log.info(f"{self._rules.syslog_name}/bounce",
                           f"{envelope.queue_id}: undeliverable postmaster notification discarded")
            return True
        told = [result for result in message.failed if wanted(result.recipient, FAILURE)]
        return not told or await self._send(FAILURE, message, content, told)

    async def _send(self, kind: str, message: Message, content: Content, results: Sequence[Result]) -> bool:
        original, rules, now = message.envelope, self._rules, self._clock()
        queue_id = self._spool.new_id()
        until = rules.expires(original.arrived, bounce=False)
        report = Report(kind, queue_id, original, results, rules.hostname, rules.mail_name, rules.bounce_size_limit,
                        now, until)
        draft = self._spool.draft(queue_id)
        envelope = Envelope(queue_id, "", [Recipient(original.sender, notify="NEVER")], now,
                            origin=Origin(source="LOCAL"), smtputf8=original.smtputf8, service="bounce")
        try:
            draft.write(await report.write(content))
            await self._spool.keep(draft, envelope)
        except (SpoolFull, SpoolFailure) as error:
            draft.abandon()
            self._log.warning(f"{rules.syslog_name}/bounce", f"{original.queue_id}: no {LOGGED[kind]}: {error}")
            return False
        self._log.info(f"{rules.syslog_name}/bounce", f"{original.queue_id}: {LOGGED[kind]}: {queue_id}")
        return True
