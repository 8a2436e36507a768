"""Codes and texts of refusals."""

from __future__ import annotations

import pytest

from gatepost.policy.refusal import Refusal, fitting_status, split_status, worded


@pytest.mark.parametrize(("refusal", "soft", "line", "warning"), [
    (Refusal(554, "5.7.1", "no"), False, "554 5.7.1 no", None),
    (Refusal(450, "5.7.1", "no"), False, "450 4.7.1 no", None),
    (Refusal(554, "4.1.1", "no"), False, "554 5.1.1 no", None),
    (Refusal(554, "5.7.1", "no"), True, "454 4.7.1 no", None),
    (Refusal(200, "2.0.0", "no"), False, "450 4.7.1 Service unavailable",
     "SMTP reply code configuration error: 200 2.0.0 no"),
    (Refusal(554, "5.7", "no"), False, "450 4.7.1 Service unavailable",
     "DSN detail code configuration error: 554 5.7 no"),
    (Refusal(554, "5.7.1", "a\r\nb\x00c"), False, "554 5.7.1 a  b c", None),
])
def test_worded(refusal: Refusal, soft: bool, line: str, warning: str | None) -> None:
    reply, problem = worded(refusal, soft)
    assert (str(reply), problem) == (line, warning)


@pytest.mark.parametrize("text", ["x" * 2000, "ü" * 2000])
def test_a_reply_is_one_line_of_512_bytes_at_most(text: str) -> None:
    rendered = worded(Refusal(554, "5.7.1", text), False)[0].render()
    assert len(rendered) in (511, 512)


@pytest.mark.parametrize(("text", "status", "rest"), [
    ("5.7.9 go", "5.7.9", "go"), ("go", "5.7.1", "go"), ("5.7 go", "5.7.1", "5.7 go"), ("5.7.9.1 go", "5.7.1",
                                                                                        "5.7.9.1 go"),
    ("3.1.1 x", "5.7.1", "3.1.1 x"), ("5.7.9x", "5.7.1", "5.7.9x")])
def test_split_status(text: str, status: str, rest: str) -> None:
    assert split_status(text, "5.7.1") == (status, rest)


@pytest.mark.parametrize(("status", "class_", "fitting"), [
    ("5.1.1", "Sender address", "5.1.7"), ("5.1.2", "Sender address", "5.1.8"), ("4.1.9", "Sender address", "4.1.0"),
    ("5.1.7", "Recipient address", "5.1.3"), ("5.1.1", "Recipient address", "5.1.1"),
    ("5.1.1", "Client host", "5.0.0"), ("5.7.1", "Client host", "5.7.1")])
def test_fitting_status(status: str, class_: str, fitting: str) -> None:
    assert fitting_status(status, class_) == fitting
