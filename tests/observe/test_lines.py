"""observe/lines.py says what Postfix said: every recorded line of a shape is taken apart and said again."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gatepost.observe import lines

RECORDINGS = Path(__file__).resolve().parents[2] / "dialogues"
TEXTS = sorted(
    {
        line.partition(": ")[2].removeprefix("warning: ")
        for path in RECORDINGS.glob("*/*.log")
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.match(r"postfix/(?:\S+/)?(?:smtpd|cleanup): ", line)
    }
)
NAMADDR = r"(?P<namaddr>\S+\[[^]]*\])"


def internal(address: str) -> str:
    """The opposite of lines.external, for addresses as Postfix logged them."""
    quoted = re.fullmatch(r'"(.*)"(@[^"]*)?', address)
    return re.sub(r"\\(.)", r"\1", quoted[1]) + (quoted[2] or "") if quoted else address


def recorded(pattern: str) -> list[re.Match[str]]:
    found = [match for text in TEXTS if (match := re.fullmatch(pattern, text))]
    assert found, f"nothing recorded looks like {pattern}"
    return found


def test_connect() -> None:
    for line in recorded(rf"connect from {NAMADDR}"):
        assert lines.connect(line["namaddr"]) == line[0]


def test_disconnect_counters() -> None:
    pattern = rf"disconnect from {NAMADDR} (?P<counts>(?:\w+=[\d/]+ )*)commands=[\d/]+(?: notes=(?P<notes>\S+))?"
    for line in recorded(pattern):
        counts = {}
        for name, good, total in re.findall(r"(\w+)=(\d+)(?:/(\d+))?", line["counts"]):
            counts[name.upper()] = (int(good), int(total or good))
        assert lines.disconnect(line["namaddr"], counts, line["notes"] or "") == line[0]


def test_a_session_without_a_command_has_counters_too() -> None:
    assert lines.disconnect("unknown[192.0.2.1]", {}) == "disconnect from unknown[192.0.2.1] commands=0/0"


@pytest.mark.parametrize("reason", ["lost connection", "too many errors"])
def test_sessions_that_ended_early(reason: str) -> None:
    for line in recorded(rf"{reason} after (?P<where>\S+)(?: \((?P<size>\d+) bytes\))? from {NAMADDR}"):
        size = int(line["size"]) if line["size"] else None
        assert lines.ended(reason, line["where"], line["namaddr"], content=size) == line[0]


def test_the_queue_id_that_postfix_3_10_shows() -> None:
    said = lines.ended("timeout", "DATA", "unknown[192.0.2.1]", content=7, queue_id="")
    assert said == "NOQUEUE: timeout after DATA (7 bytes) from unknown[192.0.2.1]"


def test_access_decisions() -> None:
    pattern = (
        r"(?P<queue_id>NOQUEUE|QID\d+): (?P<action>\w+): (?P<where>\S+) from (?P<namaddr>\S+\[[^]]*\]): (?P<text>.*?);"
        r"(?: from=<(?P<sender>[^;]*?)>)?(?: to=<(?P<recipient>[^;]*?)>)?"
        r" proto=(?P<protocol>\w+)(?: helo=<(?P<helo>.*)>)?"
    )
    for line in recorded(pattern):
        value = line.groupdict()
        addresses = {k: None if value[k] is None else internal(value[k]) for k in ("sender", "recipient")}
        said = lines.access(
            value["queue_id"].replace("NOQUEUE", ""), value["action"], value["where"], value["namaddr"], value["text"],
            **addresses, protocol=value["protocol"], helo=value["helo"],
        )  # fmt: skip
        assert said == line[0]


def test_what_is_not_known_yet_is_left_out() -> None:
    said = lines.access("", "reject", "CONNECT", "unknown[192.0.2.1]", "554 5.7.1 x", protocol="SMTP")
    assert said == "NOQUEUE: reject: CONNECT from unknown[192.0.2.1]: 554 5.7.1 x; proto=SMTP"


def test_client_line() -> None:
    pattern = rf"(?P<queue_id>QID\d+): client={NAMADDR}(?P<sasl>(?:, sasl_\w+=[^,]+)*)(?:, orig_client=(?P<origin>.*))?"
    for line in recorded(pattern):
        sasl = re.findall(r", (sasl_\w+)=([^,]+)", line["sasl"])
        origin = ("", line["origin"] or "")
        assert lines.client(line["queue_id"], line["namaddr"], sasl=sasl, origin=origin) == line[0]


def test_client_line_of_a_forwarded_message() -> None:
    said = lines.client("A1", "localhost[127.0.0.1]", origin=("B2", "c.example[192.0.2.1]"))
    assert said == "A1: client=localhost[127.0.0.1], orig_queue_id=B2, orig_client=c.example[192.0.2.1]"


def test_pipelining_line() -> None:
    """The recorded text is what `escaped` made of the bytes; undone and done again it must be the same."""
    for line in recorded(rf"improper command pipelining after (?P<after>\S+) from {NAMADDR}: (?P<text>.*)"):
        sent = line["text"].encode().decode("unicode_escape").encode("latin-1")
        assert lines.pipelining(line["after"], line["namaddr"], sent) == line[0]


@pytest.mark.parametrize(
    ("data", "text", "why"),
    [
        (b"EHLO \\\x00\xff\r\n", "EHLO \\\\\\000\\377\\r\\n", "C escapes, octal with three digits"),
        (b"\x07\x08\x0b\x0c\t", "\\a\\b\\v\\f\\t", "the letters that C knows"),
        (b"\x1b[2J1", "\\033[2J1", "a terminal's escape sequence is harmless"),
        (b"x" * 101, "x" * 100, "a hundred bytes are shown"),
    ],
)
def test_escaping(data: bytes, text: str, why: str) -> None:
    assert lines.escaped(data) == text, why


def test_warnings() -> None:
    for line in recorded(rf"non-SMTP command from {NAMADDR}: (?P<text>.*)"):
        sent = line["text"].encode().decode("unicode_escape").encode("latin-1").decode("utf-8", "surrogateescape")
        assert lines.non_smtp_command(line["namaddr"], sent) == line[0]
    for line in recorded(rf"Illegal address syntax from {NAMADDR} in (?P<verb>\w+) command: (?P<text>.*)"):
        assert lines.illegal_address(line["namaddr"], line["verb"], line["text"]) == line[0]
    for line in recorded(rf"{NAMADDR}: request longer than (?P<limit>\d+): (?P<text>.{{30}})\.\.\."):
        assert lines.request_too_long(line["namaddr"], int(line["limit"]), line["text"] + "more") == line[0]
    pattern = rf"{NAMADDR}: SASL (?P<method>\w+) authentication failed: (?P<why>.*?)(?:, sasl_username=(?P<user>.*))?"
    for line in recorded(pattern):
        said = lines.sasl_failed(line["namaddr"], line["method"], line["why"], line["user"] or "")
        assert said == line[0]
    for line in recorded(r"discarding EHLO keywords: (?P<words>.*)"):
        assert lines.discarding_keywords(line["words"]) == line[0]


def test_message_id() -> None:
    for line in recorded(r"(?P<queue_id>QID\d+): message-id=(?P<value>.*)"):
        assert lines.message_id(line["queue_id"], "" if line["value"] == "<>" else line["value"]) == line[0]


def test_queue_and_delivery_lines() -> None:
    assert lines.active("A1", "a@b", 4391, 1) == "A1: from=<a@b>, size=4391, nrcpt=1 (queue active)"
    assert lines.active("A1", "", 10, 2) == "A1: from=<>, size=10, nrcpt=2 (queue active)"
    assert lines.removed("A1") == "A1: removed"
    assert lines.expired("A1", "a@b") == "A1: from=<a@b>, status=expired, returned to sender"
    said = lines.delivery("A1", "u@x", "sent", "2.0.0", "x.example", relay="none", delays=(0.004, 0.0, 0, 0.02))
    assert said == "A1: to=<u@x>, relay=none, delay=0.02, delays=0/0/0/0.02, dsn=2.0.0, status=sent (x.example)"
    said = lines.delivery("A1", "u@x", "deferred", "4.4.1", "timeout", original="info@x", delays=(12.4, 1.26, 0.1, 0))
    assert said == (
        "A1: to=<u@x>, orig_to=<info@x>, relay=none, delay=14, delays=12/1.3/0.1/0, dsn=4.4.1, "
        "status=deferred (timeout)"
    )


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("user@example.test", "user@example.test"),
        ("", ""),
        ("user", "user"),
        ("two words@example.test", '"two words"@example.test'),
        ("dot.@example.test", '"dot."@example.test'),
        ('qu"ote\\@example.test', '"qu\\"ote\\\\"@example.test'),
        ("user@[192.0.2.1]", "user@[192.0.2.1]"),
        ("a@b@example.test", '"a@b"@example.test'),
        ("üser@example.test", "üser@example.test"),
    ],
)
def test_external_form(address: str, shown: str) -> None:
    assert lines.external(address) == shown
