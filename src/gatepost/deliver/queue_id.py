"""What is a message called? Queue ids in Postfix's two formats, made from a number that the spool gives out.

Short: five upper-case hexadecimal digits of microseconds and the number in upper-case hexadecimal, so that log
normalisers (`[0-9A-F]{9,14}`) know it. Long (`enable_long_queue_ids`): seconds and microseconds in base 52, the letter
z, the number in base 51. Postfix's number is an inode; ours is the message's key in the spool, so an id leads back to
its row. Its last four bits are the shard (one spool file per worker). This file must not know where the number comes
from.
"""

from __future__ import annotations

import time
from collections.abc import Callable

_DIGITS = "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz"
_SHORT = frozenset("0123456789ABCDEF")
SHARDS = 16


def _encode(number: int, base: int, width: int) -> str:
    out = ""
    while number or len(out) < width:
        number, digit = divmod(number, base)
        out = _DIGITS[digit] + out
    return out


def short_id(number: int) -> str:
    """A short queue id for the message with this key, now."""
    # Compiled, an f-string's format is read anew each time.
    return "%05X%X" % (time.time_ns() // 1000 % 1000000, number)  # noqa: UP031


def long_id(number: int) -> str:
    """A long queue id for the message with this key, now."""
    seconds, micro = divmod(time.time_ns() // 1000, 1000000)
    return _encode(seconds, 52, 6) + _encode(micro, 52, 4) + "z" + _encode(number, 51, 1)


def key_of(queue_id: str) -> int | None:
    """The number inside a queue id of either format; None when it is not a queue id."""
    if len(queue_id) > 5 and _SHORT.issuperset(queue_id):
        return int(queue_id[5:], 16)
    head, separator, tail = queue_id.rpartition("z")
    if not separator or len(head) < 10 or not tail:
        return None
    number = 0
    for char in tail:
        digit = _DIGITS.find(char)
        if digit < 0 or digit > 50:
            return None
        number = number * 51 + digit
    return number


class QueueIds:
    """Queue ids, made from ranges of keys that nobody else has. `more` is called when half of a range is used: it is to
    `add` another one, now or soon."""

    def __init__(self, shard: int, long_ids: bool, more: Callable[[], None]) -> None:
        self._shard = shard
        self._make = long_id if long_ids else short_id
        self._more = more
        self._next = 0
        self._end = 0
        self._ask_at = 0
        self._following: list[tuple[int, int]] = []

    def add(self, first: int, count: int) -> None:
        """Keys first to first + count - 1 may be used, too."""
        self._following.append((first, first + count))

    def new(self) -> str:
        """A queue id that was never given out before. RuntimeError when the keys are used up."""
        number = self._next
        if number >= self._end:
            if not self._following:
                raise RuntimeError("no keys are left for queue ids")
            number, self._end = self._following.pop(0)
            self._ask_at = (number + self._end) // 2
        self._next = number + 1
        if number == self._ask_at:
            self._more()
        return self._make(number << 4 | self._shard)
