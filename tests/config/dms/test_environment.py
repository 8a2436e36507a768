"""Environment files read as Compose reads them, and an empty value is the default."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.config.dms.environment import Environment, parse


@pytest.mark.parametrize(("line", "value"), [
    ("SSL_TYPE=letsencrypt", "letsencrypt"), ("SSL_TYPE = manual ", "manual"), ("export SSL_TYPE=custom", "custom"),
    ("SSL_TYPE='a b # c'", "a b # c"), ('SSL_TYPE="x" # note', "x"), ("SSL_TYPE=x # note", "x"),
    ("SSL_TYPE=x#y", "x#y"),
    ("SSL_TYPE=", ""), ("SSL_TYPE=a=b", "a=b"), ("SSL_TYPE=x\r", "x"), ("A=1\nSSL_TYPE=${A}2", "12"),
    ("SSL_TYPE=${NO:-d}", "d"), ("SSL_TYPE='$A'", "$A"), ("SSL_TYPE=a$$b", "a$b"),
])
def test_a_line_gives_a_value(line: str, value: str) -> None:
    assert parse("x.env", line)["SSL_TYPE"] == value


def test_a_variable_has_a_place() -> None:
    span = parse("x.env", "# note\n\n  PERMIT_DOCKER=host\n").span("PERMIT_DOCKER")
    assert span is not None and (span.file, span.line, span.column) == ("x.env", 3, 3)


def test_an_empty_value_is_the_default() -> None:
    read = parse("x.env", "PERMIT_DOCKER=\n")
    assert read["PERMIT_DOCKER"] == "none" and read.span("PERMIT_DOCKER") is None


@pytest.mark.parametrize(("text", "on"), [("1", True), ("01", True), ("0", False), ("true", False), ("yes", False)])
def test_only_one_means_yes(text: str, on: bool) -> None:
    assert parse("x.env", f"ENABLE_POSTGREY={text}").on("ENABLE_POSTGREY") is on


def test_what_the_shell_knows_is_said() -> None:
    read = parse("x.env", "RELAY_HOST=${SECRET}\nno assignment\n")
    assert [problem.message.split()[0] for problem in read.unknown] == ["depends", "not"]


@given(st.text())
def test_any_text_reads(text: str) -> None:
    assert isinstance(parse("x.env", text), Environment)
