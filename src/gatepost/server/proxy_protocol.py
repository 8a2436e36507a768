"""Whose connection is it really? The PROXY protocol header that a load balancer sends first, versions 1 and 2.

Pure: parse(bytes so far) gives the header, None for "not yet", or ProxyError with Postfix's words. A header may come in
pieces; a version 1 header without its line end in LIMIT bytes is none. UNKNOWN is refused: it would pass every check of
the client's address; LOCAL keeps the addresses of the socket (health checks of the proxy). TLVs are skipped.
Source: the PROXY protocol specification 2.1 and 2.2 (haproxy.org). This file must not know who may send a header.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

LIMIT = 536  # bytes; what one TCP segment always carries
SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
_FIXED = 16  # bytes of a version 2 header before the addresses
_PORT = re.compile(r"0|[1-9][0-9]{0,4}")
_SHOWN = 100


class ProxyError(Exception):
    """Not a usable header; `reason` in Postfix's words, with the offending input where it helps."""

    def __init__(self, reason: str, data: bytes = b"") -> None:
        self.reason = f"{reason}: {_escaped(data)}" if data else reason
        super().__init__(self.reason)


def _escaped(data: bytes) -> str:
    return data[:_SHOWN].decode("latin-1").encode("unicode_escape").decode("ascii")


@dataclass(frozen=True, slots=True)
class Header:
    """A header of `length` bytes. `client` and `server` are (address, port); None: the socket's own (LOCAL)."""

    length: int
    client: tuple[str, str] | None = None
    server: tuple[str, str] | None = None


def parse(data: bytes) -> Header | None:
    """The header at the beginning of `data`; None when more bytes are needed."""
    if data.startswith(SIGNATURE):
        return _parse_binary(data)
    if SIGNATURE.startswith(data):
        return None
    if data.startswith(b"PROXY "):
        return _parse_text(data)
    if b"PROXY ".startswith(data):
        return None
    raise ProxyError("unrecognized protocol header", data)


def _parse_text(data: bytes) -> Header | None:
    end = data.find(b"\n", 0, LIMIT)
    if end < 0:
        if len(data) >= LIMIT:
            raise ProxyError("missing protocol header terminator", data)
        return None
    line = data[:end].removesuffix(b"\r")
    words = [word for word in line.decode("latin-1").split(" ") if word][1:]
    kind = words[0].upper() if words else ""
    if kind not in ("TCP4", "TCP6"):
        raise ProxyError("bad or missing protocol type", line)
    version = 4 if kind == "TCP4" else 6
    words += [""] * 4
    client = _address(words[1], version, "client", line)
    server = _address(words[2], version, "server", line)
    return Header(end + 1, (client, _port(words[3], "client", line)), (server, _port(words[4], "server", line)))


def _address(text: str, version: int, whose: str, line: bytes) -> str:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        address = None
    if address is None or address.version != version or "%" in text:
        raise ProxyError(f"bad or missing {whose} address", line)
    return _plain(address)


def _plain(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """As text; an IPv4-mapped IPv6 address as IPv4."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def _port(text: str, whose: str, line: bytes) -> str:
    if not _PORT.fullmatch(text) or int(text) > 65535:
        raise ProxyError(f"bad or missing {whose} port", line)
    return text


def _parse_binary(data: bytes) -> Header | None:
    if len(data) < _FIXED:
        return None
    version, command = data[12] >> 4, data[12] & 15
    if version != 2:
        raise ProxyError("unrecognized protocol version", data)
    if command > 1:
        raise ProxyError("bad command in proxy header", data)
    length = _FIXED + int.from_bytes(data[14:16], "big")
    size = {0x11: 4, 0x21: 16}.get(data[13], 0)
    if command == 1:
        if not size:
            raise ProxyError("unsupported network protocol", data)
        if length < _FIXED + 2 * size + 4:
            raise ProxyError("short address field", data)
    if len(data) < length:
        return None
    if command == 0:
        return Header(length)
    at = _FIXED
    client, server = data[at : at + size], data[at + size : at + 2 * size]
    at += 2 * size
    ports = [str(int.from_bytes(data[start : start + 2], "big")) for start in (at, at + 2)]
    return Header(
        length, (_plain(ipaddress.ip_address(client)), ports[0]), (_plain(ipaddress.ip_address(server)), ports[1])
    )
