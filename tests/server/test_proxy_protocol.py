"""PROXY headers: what is read, what is refused, in pieces and in rubbish."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.server.proxy_protocol import LIMIT, SIGNATURE, Header, ProxyError, parse

V4 = bytes([198, 51, 100, 7, 203, 0, 113, 1]) + struct.pack("!HH", 1234, 25)
V6 = bytes.fromhex("20010db8" + "00" * 11 + "07" + "20010db8" + "00" * 11 + "01") + struct.pack("!HH", 1234, 25)
MAPPED = (bytes(10) + b"\xff\xff" + V4[:4]) + (bytes(10) + b"\xff\xff" + V4[4:8]) + V4[8:]


def binary(command: int, family: int, payload: bytes, version: int = 2) -> bytes:
    return SIGNATURE + struct.pack("!BBH", version << 4 | command, family, len(payload)) + payload


GOOD = {
    "TCP4": (b"PROXY TCP4 198.51.100.7 203.0.113.1 1234 25\r\n", ("198.51.100.7", "1234"), ("203.0.113.1", "25")),
    "lower case, bare LF, more words": (
        b"PROXY tcp4 198.51.100.7 203.0.113.1 0 65535 more\n", ("198.51.100.7", "0"), ("203.0.113.1", "65535"),
    ),
    "TCP6": (b"PROXY TCP6 2001:db8::7 2001:db8::1 1234 25\r\n", ("2001:db8::7", "1234"), ("2001:db8::1", "25")),
    "TCP6, mapped": (
        b"PROXY TCP6 ::ffff:198.51.100.7 ::ffff:203.0.113.1 1 25\r\n", ("198.51.100.7", "1"), ("203.0.113.1", "25"),
    ),
    "v2 IPv4": (binary(1, 0x11, V4), ("198.51.100.7", "1234"), ("203.0.113.1", "25")),
    "v2 IPv6": (binary(1, 0x21, V6), ("2001:db8::7", "1234"), ("2001:db8::1", "25")),
    "v2 IPv6, mapped": (binary(1, 0x21, MAPPED), ("198.51.100.7", "1234"), ("203.0.113.1", "25")),
    "v2 with TLVs": (binary(1, 0x11, V4 + b"\x04\x00\x03abc"), ("198.51.100.7", "1234"), ("203.0.113.1", "25")),
    "v2 LOCAL": (binary(0, 0x00, b""), None, None),
    "v2 LOCAL with addresses": (binary(0, 0x11, V4), None, None),
}  # fmt: skip

BAD = {
    "UNKNOWN": ("PROXY UNKNOWN", "bad or missing protocol type"),
    "no type": ("PROXY ", "bad or missing protocol type"),
    "no address": ("PROXY TCP4", "bad or missing client address"),
    "wrong family": ("PROXY TCP4 ::1 ::1 1 2", "bad or missing client address"),
    "scoped address": ("PROXY TCP6 fe80::1%1 ::1 1 2", "bad or missing client address"),
    "bad server": ("PROXY TCP4 1.2.3.4 x 1 2", "bad or missing server address"),
    "leading zero": ("PROXY TCP4 1.2.3.4 1.2.3.5 01 2", "bad or missing client port"),
    "port too large": ("PROXY TCP4 1.2.3.4 1.2.3.5 1 65536", "bad or missing server port"),
    "no port": ("PROXY TCP4 1.2.3.4 1.2.3.5", "bad or missing client port"),
}

BAD_BINARY = {
    "version": (binary(1, 0x11, V4, version=1), "unrecognized protocol version"),
    "command": (binary(2, 0x11, V4), "bad command in proxy header"),
    "family": (binary(1, 0x31, bytes(216)), "unsupported network protocol"),
    "datagrams": (binary(1, 0x12, V4), "unsupported network protocol"),
    "short": (binary(1, 0x11, V4[:-1]), "short address field"),
    "short IPv6": (binary(1, 0x21, V4), "short address field"),
}


@pytest.mark.parametrize("name", GOOD)
def test_good_headers(name: str) -> None:
    data, client, server = GOOD[name]
    assert parse(data) == Header(len(data), client, server)
    assert parse(data + b"EHLO x\r\n") == Header(len(data), client, server)


@pytest.mark.parametrize("name", GOOD)
def test_a_header_in_pieces_is_not_yet_one(name: str) -> None:
    data = GOOD[name][0]
    assert [parse(data[:length]) for length in range(len(data))] == [None] * len(data)


@pytest.mark.parametrize("name", BAD)
def test_bad_headers_in_words_of_postfix(name: str) -> None:
    line, reason = BAD[name]
    with pytest.raises(ProxyError) as caught:
        parse(line.encode() + b"\r\n")
    assert caught.value.reason == f"{reason}: {line}"


def test_a_client_without_a_header() -> None:
    with pytest.raises(ProxyError) as caught:
        parse(b"EHLO x\r\n")
    assert caught.value.reason == "unrecognized protocol header: EHLO x\\r\\n"


@pytest.mark.parametrize("name", BAD_BINARY)
def test_bad_binary_headers(name: str) -> None:
    data, reason = BAD_BINARY[name]
    with pytest.raises(ProxyError) as caught:
        parse(data)
    assert caught.value.reason.startswith(reason + ": ")


def test_a_line_without_end_is_bounded() -> None:
    line = b"PROXY TCP4 " + b"1" * LIMIT
    assert parse(line[: LIMIT - 1]) is None
    with pytest.raises(ProxyError, match="missing protocol header terminator"):
        parse(line[:LIMIT])


_WORD = st.sampled_from(["TCP4", "TCP6", "1.2.3.4", "::1", "25", "x", "65536", "%", "", "é", "-1", "1.2.3.4.5", "٣"])
_LINES = st.lists(_WORD, max_size=7).map(lambda words: ("PROXY " + " ".join(words) + "\n").encode())
_HEADS = st.tuples(st.integers(0, 255), st.integers(0, 255), st.binary(max_size=80)).map(
    lambda head: SIGNATURE + struct.pack("!BBH", head[0], head[1], len(head[2])) + head[2]
)


@given(st.one_of(st.binary(max_size=700), _LINES, _HEADS, st.binary(max_size=80).map(SIGNATURE.__add__)))
def test_rubbish_is_refused_and_never_anything_else(data: bytes) -> None:
    try:
        header = parse(data)
    except ProxyError as error:
        assert error.reason.isprintable()
        return
    assert header is None or header.length <= len(data)


@given(st.one_of(_LINES, _HEADS), st.binary(max_size=20))
def test_what_follows_does_not_change_a_header(data: bytes, behind: bytes) -> None:
    try:
        header = parse(data)
    except ProxyError:
        return
    if header is not None:
        assert parse(data + behind) == header
