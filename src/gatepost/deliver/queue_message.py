"""What does the scheduler know of a message that is being delivered? Its open recipients, and what became of the rest.

The state text that lies in the spool between tries is made and read here: JSON with the recipients that are still to be
tried, each with its last result. This file must not know when anything is tried.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from gatepost.deliver.envelope import Envelope, Recipient
from gatepost.deliver.result import DEFERRED, Result


class Message:
    """A message in the active queue. `parts` is its row's content while that is still in memory."""

    __slots__ = ("activated", "delayed", "deleted", "envelope", "failed", "file", "flushed", "key", "open", "parts",
                 "succeeded", "under_way", "warned")

    def __init__(self, key: int, envelope: Envelope, file: str | None, parts: Sequence[bytes] | None, activated: float,
                 to: list[Recipient] | None = None) -> None:
        self.key = key
        self.envelope = envelope
        self.file = file
        self.parts = parts
        self.activated = activated  # seconds since the epoch
        self.open: list[Recipient] = [] if to is None else to  # still to be delivered
        self.under_way = 0  # deliveries that have not ended
        self.delayed: list[Result] = []  # of this try, or of the one before it
        self.failed: list[Result] = []  # to be told to the sender
        self.succeeded: list[Result] = []  # that the sender asked to be told
        self.warned = False
        self.deleted = False
        self.flushed = False  # an operator wants it tried: defer_transports does not count


def targets(envelope: Envelope) -> list[Recipient]:
    """Who gets the message: REDIRECT replaces the recipients, BCC adds some that no report mentions."""
    if not envelope.redirect and not envelope.bcc:
        return list(envelope.recipients)
    recipients = [Recipient(envelope.redirect)] if envelope.redirect else list(envelope.recipients)
    return recipients + [Recipient(address, notify="NEVER") for address in envelope.bcc]


def state_of(message: Message) -> str:
    """The text to store between two tries."""
    last = {id(result.recipient): result for result in message.delayed}
    rows = []
    for recipient in message.open:
        result = last.get(id(recipient))
        row = [recipient.address, recipient.original, recipient.orcpt, recipient.notify]
        rows.append([*row, result.dsn, result.text, result.relay] if result else row)
    return json.dumps({"open": rows, "warned": message.warned})


def read_state(text: str) -> tuple[list[Recipient], list[Result], bool]:
    """Open recipients, their last results, whether the sender was warned of the delay."""
    value = json.loads(text)
    recipients: list[Recipient] = []
    results: list[Result] = []
    for row in value["open"]:
        recipient = Recipient(*row[:4])
        recipients.append(recipient)
        if len(row) > 4:
            results.append(Result(recipient, DEFERRED, row[4], row[5], row[6]))
    return recipients, results, bool(value["warned"])


class Answers:
    """Which recipients do these results answer? Their own, and an unexpanded one by results of what its aliases stand
    for (`original`)."""

    def __init__(self, results: Sequence[Result]) -> None:
        self._same = {(result.recipient.address, result.recipient.original) for result in results}
        self._originals = {result.recipient.original for result in results}

    def __contains__(self, recipient: Recipient) -> bool:
        if (recipient.address, recipient.original) in self._same:
            return True
        return not recipient.original and recipient.address in self._originals


def is_answer(result: Result, recipient: Recipient) -> bool:
    """Does this one result answer the recipient, in the sense of Answers?"""
    address, original = result.recipient.address, result.recipient.original
    if recipient.original:
        return recipient.address == address and recipient.original == original
    return recipient.address == original or (not original and recipient.address == address)


def complete(recipients: Sequence[Recipient], results: Sequence[Result]) -> Sequence[Result]:
    """The results, and a deferral for each recipient that was forgotten: a recipient never just disappears."""
    if len(recipients) == len(results) == 1 and is_answer(results[0], recipients[0]):
        return results
    answers = Answers(results)
    forgotten = [recipient for recipient in recipients if recipient not in answers]
    return [*results, *(Result(recipient, DEFERRED, "4.3.0", "delivery gave no result", service="error")
                        for recipient in forgotten)]


def still_open(message: Message, recipients: Sequence[Recipient], results: Sequence[Result]) -> list[Recipient]:
    """Who is to be tried again after a delivery to `recipients`: others, and what its deferred results name (aliases
    were expanded by then, and are not again)."""
    if len(message.open) == len(recipients) == len(results) == 1 and message.open[0] is recipients[0] \
            and is_answer(results[0], recipients[0]):
        return [results[0].recipient] if results[0].status == DEFERRED else []
    answers = Answers(results)
    tried = {id(recipient) for recipient in recipients if recipient in answers}
    left = [recipient for recipient in message.open if id(recipient) not in tried]
    return left + [result.recipient for result in results if result.status == DEFERRED]
