"""A small name server on loopback, UDP and TCP, that answers from a dictionary: the fake behind resolver tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import cast

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

SILENT, GARBAGE = "silent", "garbage"  # answers instead of records: none at all, or bytes that are no DNS message
SOA = "ns.test. hostmaster.test. 1 3600 600 86400 30"

Zone = Mapping[tuple[str, str], list[str] | str]
"""(name, type) -> data of the records in zone file form; or an rcode in capitals, SILENT, GARBAGE. A name with other
types only has no data; a name with none does not exist. Records of type CNAME are followed once."""


class NameServer:
    """Answers and writes down what it was asked, as "name type transport"."""

    def __init__(self, zone: Zone, ttl: int = 300, truncate: bool = False) -> None:
        self.zone = zone
        self.ttl = ttl
        self.truncate = truncate  # UDP answers say: ask over TCP
        self.asked: list[str] = []
        self.port = 0

    def answer(self, wire: bytes, transport: str) -> bytes | None:
        """The reply to one query; None for silence."""
        query = dns.message.from_wire(wire)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked.append(f"{name} {kind} {transport}")
        reply = dns.message.make_response(query, recursion_available=True)
        found = self.zone.get((name, kind), [])
        if found == SILENT:
            return None
        if found == GARBAGE:
            return wire[:12] + b"\xff" * 5
        if isinstance(found, str):
            reply.set_rcode(dns.rcode.from_text(found))
        elif self.truncate and transport == "udp":
            reply.flags |= dns.flags.TC
        else:
            self._fill(reply, name, kind, found)
        return reply.to_wire()

    def _fill(self, reply: dns.message.Message, name: str, kind: str, data: list[str]) -> None:
        alias = self.zone.get((name, "CNAME"))
        if not data and alias:
            reply.answer.append(dns.rrset.from_text(f"{name}.", self.ttl, "IN", "CNAME", alias[0]))
            name = alias[0].rstrip(".")
            data = list(self.zone.get((name, kind), []))
        if data:
            reply.answer.append(dns.rrset.from_text(f"{name}.", self.ttl, "IN", kind, *data))
            return
        if all(known != name for known, _ in self.zone):
            reply.set_rcode(dns.rcode.NXDOMAIN)
        reply.authority.append(dns.rrset.from_text("test.", self.ttl, "IN", "SOA", SOA))


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: NameServer) -> None:
        self.server = server
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str | int, int]) -> None:
        reply = self.server.answer(data, "udp")
        if reply is not None and self.transport is not None:
            self.transport.sendto(reply, addr)


@asynccontextmanager
async def serving(server: NameServer) -> AsyncIterator[NameServer]:
    """Serve on a free loopback port while the block runs; `server.port` says which."""

    async def conversation(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        length = int.from_bytes(await reader.readexactly(2), "big")
        reply = server.answer(await reader.readexactly(length), "tcp")
        if reply is not None:
            writer.write(len(reply).to_bytes(2, "big") + reply)
            await writer.drain()
        writer.close()

    streams = await asyncio.start_server(conversation, "127.0.0.1", 0)
    server.port = streams.sockets[0].getsockname()[1]
    datagrams, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: _Datagrams(server), local_addr=("127.0.0.1", server.port))
    try:
        yield server
    finally:
        datagrams.close()
        streams.close()
        await streams.wait_closed()
