"""Tokens, addresses and parameters, as Postfix reads them (the verdicts are recorded in dialogues/)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.smtp import grammar
from gatepost.smtp.grammar import Token

LINES = st.text(alphabet='MAILFROMmailfromtoRCPTO:<>"\\ @.a1-\t()', max_size=40)


@given(LINES)
def test_the_fast_way_gives_the_same_tokens(line: str) -> None:
    fast = grammar.fast_tokens(line)
    if fast is not None:
        assert fast == grammar.tokenise(line)


@pytest.mark.parametrize(
    "line", ["MAIL FROM:<a@b.example> SIZE=10 BODY=8BITMIME", "RCPT TO: <a@b>", "EHLO x.example", "QUIT"]
)
def test_usual_lines_go_the_fast_way(line: str) -> None:
    assert grammar.fast_tokens(line) == grammar.tokenise(line)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("MAIL FROM:<a@b>", ["MAIL", "FROM:", "<a@b>"]),
        ("MAIL FROM: <a@b>", ["MAIL", "FROM:", "<a@b>"]),
        ("MAIL FROM :<a@b>", ["MAIL", "FROM", ":<a@b>"]),
        ("MAIL FROM:<a@b>SIZE=1", ["MAIL", "FROM:", "<a@b>SIZE=1"]),
        ('MAIL FROM:<"a b"@c> X', ["MAIL", "FROM:", '<"a b"@c>', "X"]),
        ("MAIL FROM:<a b>", ["MAIL", "FROM:", "<a b>"]),
        ("  NOOP  x ", ["NOOP", "x"]),
        ("", []),
    ],
)
def test_tokens(line: str, words: list[str]) -> None:
    assert [token.text for token in grammar.tokenise(line)] == words


@pytest.mark.parametrize(
    ("token", "loose", "strict"),
    [
        ("<a@b.example>", "a@b.example", "a@b.example"),
        ("a@b.example", "a@b.example", None),
        ("<>", "", ""),
        ('<"a b"@x.org>', "a b@x.org", "a b@x.org"),
        ("<@r1,@r2:a@b.example>", "a@b.example", "a@b.example"),
        ("<joe@x.org (comment)>", "joe@x.org", None),
        ("<user @example.test>", "user@example.test", "user@example.test"),
        ("<<a@b>>", "a@b", "a@b"),
        ("<a@b>,<c@d>", None, None),
        ("<a@b,c@d>", None, None),
        ("<-a@b>", "-a@b", "-a@b"),
        ("< >", "", ""),
    ],
)
def test_addresses(token: str, loose: str | None, strict: str | None) -> None:
    assert grammar.address(Token(token), strict=False, empty=True) == loose
    assert grammar.address(Token(token), strict=True, empty=True) == strict


def test_an_empty_address_is_none_where_none_may_be_empty() -> None:
    assert grammar.address(Token("<>"), strict=False, empty=False) is None


def test_unclosed_is_no_address() -> None:
    assert grammar.address(grammar.tokenise("RCPT TO:<a@b")[2], strict=False, empty=False) is None


@given(st.text(alphabet='abc.@"\\ ()<>,;:[]', max_size=20))
def test_any_token_reads_or_not(text: str) -> None:
    read = grammar.address(Token(text), strict=False, empty=True)
    assert read is None or isinstance(read, str)


@given(st.text(alphabet=st.characters(codec="ascii"), max_size=30))
def test_xtext_round_trip(text: str) -> None:
    assert grammar.xtext(grammar.to_xtext(text)) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("NEVER", ("NEVER", "")),
        ("success,failure", ("SUCCESS,FAILURE", "")),
        ("NEVER,FAILURE", (None, "")),
        ("FOO", (None, "FOO")),
    ],
)
def test_notify(text: str, value: tuple[str | None, str]) -> None:
    assert grammar.notify(text) == value


@pytest.mark.parametrize(
    ("text", "reads"),
    [
        ("rfc822;a@b", True),
        ("foo", False),
        ("rfc822;a+ZZ", False),
        (";a", False),
        ("rfc822;", False),
        ("rfc822;a+00", False),
    ],
)
def test_orcpt(text: str, reads: bool) -> None:
    assert (grammar.orcpt(text) is not None) is reads


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("a@b", "a@b"),
        ("a b@c", '"a b"@c'),
        ("user.@c", '"user."@c'),
        (":include:/x@c", '":include:/x"@c'),
        ("", ""),
        ('a"b@c', '"a\\"b"@c'),
        ("postmaster", "postmaster"),
    ],
)
def test_external_form(address: str, text: str) -> None:
    assert grammar.external(address) == text
