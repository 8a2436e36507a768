"""Log lines of screening: what readers of Postfix's logs match, times and escapes to the digit."""

from __future__ import annotations

import re

import pytest

from gatepost.screen import facts, lines

WHO = facts.Parties("2001:db8::7", "4711", "198.51.100.1", "25")


@pytest.mark.parametrize(("seconds", "text"), [
    (0, "0"), (0.004999, "0"), (0.005, "0.01"), (0.012345, "0.01"), (0.12, "0.12"), (0.123456, "0.12"), (0.995, "1"),
    (1.049999, "1"), (1.05, "1.1"), (1.234567, "1.2"), (5.94, "5.9"), (5.999, "6"), (9.949999, "9.9"), (9.951, "10"),
    (10.4, "10"), (12.7, "13"), (99.5, "100"),
])
def test_elapsed_times(seconds: float, text: str) -> None:
    assert lines.elapsed(seconds) == text


@pytest.mark.parametrize(("fact", "pattern"), [
    (facts.Connect(), r"CONNECT from \[([0-9a-f.:]+)\]:(\d+) to \[([0-9a-f.:]+)\]:(\d+)"),
    (facts.Allowlisted(), r"(ALLOW|WHITE)LISTED \[([^]]+)\]:(\d+)"),
    (facts.Denylisted(), r"(DENY|BLACK)LISTED \[([^]]+)\]:(\d+)"),
    (facts.Veto(), r"(ALLOW|WHITE)LIST VETO \[([^]]+)\]:(\d+)"),
    (facts.PassNew(), r"PASS (OLD|NEW) \[([^]]+)\]:(\d+)"),
    (facts.PassOld(), r"PASS (OLD|NEW) \[([^]]+)\]:(\d+)"),
    (facts.Pregreet(1023, 0.1, b"\xff" * 1023), r"PREGREET (\d+) after ([\d.]+) from \[([^]]+)\]:(\d+): (.{0,100})"),
    (facts.DnsblRank(3, "list.test"), r"DNSBL rank (\d+) for \[([^]]+)\]:(\d+)"),
    (facts.HangUp(2.5, False), r"HANGUP after ([\d.]+) from \[([^]]+)\]:(\d+) in tests (before|after) SMTP handshake"),
    (facts.BareNewline(b"EHLO x"), r"BARE NEWLINE from \[([^]]+)\]:(\d+) after (.*)"),
    (facts.NonSmtp("CONNECT", "GET\x01", b"/ HTTP"),
     r"NON-SMTP COMMAND from \[([^]]+)\]:(\d+) after ([A-Z]+): (\S{0,100}) (.*)"),
    (facts.NonSmtp("UNIMPLEMENTED", "GET", b""),
     r"NON-SMTP COMMAND from \[([^]]+)\]:(\d+) after ([A-Z]+): (\S{0,100}) (.*)"),
    (facts.Pipelining("x" * 300, b"QUIT\r\n"),
     r"COMMAND PIPELINING from \[([^]]+)\]:(\d+) after (\S{0,100}): (.+)"),
    (facts.TimeLimit("EHLO"), r"COMMAND (TIME|COUNT|LENGTH) LIMIT from \[([^]]+)\]:(\d+) after ([A-Z]+)"),
    (facts.CountLimit("EHLO"), r"COMMAND (TIME|COUNT|LENGTH) LIMIT from \[([^]]+)\]:(\d+) after ([A-Z]+)"),
    (facts.LengthLimit("CONNECT"), r"COMMAND (TIME|COUNT|LENGTH) LIMIT from \[([^]]+)\]:(\d+) after ([A-Z]+)"),
    (facts.ContentWithoutRcpt("BDAT"), r"(DATA|BDAT) without valid RCPT from \[([^]]+)\]:(\d+)"),
    (facts.RcptRejected("450 4.3.2 no", "a b@c.test", "d@e.test", "ESMTP", "h"),
     r"NOQUEUE: reject: RCPT from \[([^]]+)\]:(\d+): ([45]\d\d [45]\.\d+\.\d+ .*); from=<(.*)>, to=<(.*)>, "
     r"proto=(E?SMTP), helo=<(.*)>"),
    (facts.TooManyConnections(),
     r"NOQUEUE: reject: CONNECT from \[([^]]+)\]:(\d+): (too many connections|all server ports busy)"),
    (facts.ServerPortsBusy(),
     r"NOQUEUE: reject: CONNECT from \[([^]]+)\]:(\d+): (too many connections|all server ports busy)"),
    (facts.ScreeningPortsBusy(), r"reject: connect from \[([^]]+)\]:(\d+): all screening ports busy"),
    (facts.Disconnect(), r"DISCONNECT \[([^]]+)\]:(\d+)"),
], ids=lambda value: type(value).__name__ if not isinstance(value, str) else "")
def test_each_line_is_what_readers_match(fact: object, pattern: str) -> None:
    found = re.fullmatch(pattern, lines.line(fact, WHO))
    assert found, lines.line(fact, WHO)
    assert re.fullmatch(pattern, lines.line(fact, WHO, respectful=False))


def test_an_address_is_written_as_it_may_be_quoted() -> None:
    line = lines.line(facts.RcptRejected("450 4.3.2 no", "a b@c.test", "", "SMTP", ""), WHO)
    assert 'from=<"a b"@c.test>, to=<>, proto=SMTP, helo=<>' in line


def test_what_was_said_is_escaped() -> None:
    line = lines.line(facts.Pregreet(10, 0, b"EHLO \\\0\xff\r\n"), WHO)
    assert line.endswith("EHLO \\\\\\000\\377\\r\\n")
