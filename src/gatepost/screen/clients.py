"""Who is in screening at this moment? The record that the sessions of one client share, the queues, stress.

One Clients per postscreen service. A session enters with its connection and leaves when it ends or is handed on:
sessions that are served count no more. As in Postfix (postscreen(8)): *check queue* is every session here, *post queue*
those of them that passed and wait for a place in the service behind, and so many sessions that nine tenths of
postscreen_pre_queue_limit are reached mean stress, until there are seven tenths again. This file must not know what is
done under stress, nor replies.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from gatepost.screen.lines import entering_stress, leaving_stress
from gatepost.screen.trials import Stamps


class ClientRecord:
    """One client address (text, no brackets) while a session of it is here. `concurrency`: how many; `known`: the
    stamps stand for something; `reading`: a session is asking the memory for them, set when it has ended."""

    __slots__ = ("address", "concurrency", "known", "pass_new_count", "reading", "stamps")

    def __init__(self, address: str) -> None:
        self.address = address
        self.concurrency = 0
        self.pass_new_count = 0
        self.stamps = Stamps()
        self.known = False
        self.reading: asyncio.Event | None = None


class Clients:
    """The sessions of one service. `pre_queue_limit`: postscreen_pre_queue_limit; `tell` gets the lines about stress.
    `post_queue` is counted by whoever lets sessions wait.
    """

    __slots__ = ("_records", "_tell", "check_queue", "post_queue", "pre_queue_limit", "stressed")

    def __init__(self, pre_queue_limit: int, tell: Callable[[str], None]) -> None:
        self.pre_queue_limit = pre_queue_limit
        self.check_queue = 0
        self.post_queue = 0
        self.stressed = False
        self._tell = tell
        self._records: dict[str, ClientRecord] = {}

    def __len__(self) -> int:
        """Clients, not sessions."""
        return len(self._records)

    @property
    def screening(self) -> int:
        """Sessions that postscreen_pre_queue_limit is about."""
        return self.check_queue - self.post_queue

    def enter(self, address: str) -> ClientRecord:
        """A session begins -> the record of its client. leave() must follow, once."""
        record = self._records.get(address)
        if record is None:
            record = self._records[address] = ClientRecord(address)
        record.concurrency += 1
        self.check_queue += 1
        if not self.stressed and self.check_queue >= self.pre_queue_limit * 9 // 10:
            self.stressed = True
            self._tell(entering_stress(self.check_queue))
        return record

    def leave(self, record: ClientRecord) -> None:
        """The session ended, or is served from now on. The last one of a client takes the record with it; who still
        holds it may go on using it."""
        record.concurrency -= 1
        if record.concurrency == 0:
            del self._records[record.address]
        self.check_queue -= 1
        if self.stressed and self.check_queue <= self.pre_queue_limit * 7 // 10:
            self.stressed = False
            self._tell(leaving_stress(self.check_queue))
