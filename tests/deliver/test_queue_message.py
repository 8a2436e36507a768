"""The short way for one recipient says what the general one says."""

from __future__ import annotations

from itertools import product

from gatepost.deliver.envelope import Recipient
from gatepost.deliver.queue_message import Answers, is_answer
from gatepost.deliver.result import SENT, Result


def test_one_result_answers_whom_answers_says() -> None:
    """Every combination of plain, expanded and foreign addresses."""
    people = [Recipient(address, original) for address, original in product(("a@x", "b@x"), ("", "a@x", "b@x"))]
    seen = set()
    for of, recipient in product(people, people):
        result = Result(of, SENT, "2.0.0", "")
        assert is_answer(result, recipient) == (recipient in Answers([result])), (of, recipient)
        seen.add(is_answer(result, recipient))
    assert seen == {True, False}
