"""A scripted SMTP or LMTP server on loopback, for what no real server can be made to do.

It answers politely unless `says` has another reply for a line (or `CONNECT`, `.`): text, several lines, or None to
close the connection. It keeps the command lines and the messages it was given.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gatepost.deliver.envelope import Envelope, Origin, Recipient


@dataclass
class Peer:
    """`async with Peer() as peer`: listens on 127.0.0.1:peer.port, or on the unix socket `path`."""

    says: Mapping[str, str | None] = field(default_factory=dict)
    offers: Sequence[str] = ("PIPELINING", "SIZE 1000000", "8BITMIME")
    lmtp: bool = False
    tls: ssl.SSLContext | None = None
    path: str = ""
    injects: bytes = b""  # plaintext behind the 220 to STARTTLS
    port: int = 0
    lines: list[str] = field(default_factory=list)
    messages: list[bytes] = field(default_factory=list)
    connections: int = 0

    async def __aenter__(self) -> Peer:
        if self.path:
            self._server: asyncio.Server = await asyncio.start_unix_server(self._serve, self.path)
        else:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
            self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await asyncio.sleep(0)

    @property
    def nexthop(self) -> str:
        return f"unix:{self.path}" if self.path else f"[127.0.0.1]:{self.port}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await self._talk(reader, writer)
        except (ConnectionError, EOFError, ssl.SSLError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted = 0
        self._say(writer, "CONNECT", "220 peer ESMTP")
        while line := (await reader.readline()).decode().rstrip("\r\n"):
            self.lines.append(line)
            verb = line.split(" ")[0].upper()
            if verb in ("EHLO", "LHLO"):
                self._say(writer, verb, "\n".join(["250 peer", *self.offers]))
            elif verb == "STARTTLS" and self.tls:
                writer.write(b"220 go\r\n" + self.injects)
                await writer.start_tls(self.tls)
                self.offers = [offer for offer in self.offers if offer != "STARTTLS"]
            elif verb == "DATA":
                if self._say(writer, line, "354 go" if accepted else "554 5.5.1 no valid recipients") == "3":
                    content = b""
                    while (read := await reader.readline()) not in (b".\r\n", b""):
                        content += read
                    if not read:
                        return
                    self.messages.append(content)
                    for number in range(accepted if self.lmtp else 1):
                        self._say(writer, f".{number}" if self.lmtp else ".", "250 2.0.0 Ok: queued as PEER")
                accepted = 0
            elif self._say(writer, line, "250 2.1.0 Ok") == "2" and verb == "RCPT":
                accepted += 1
            await writer.drain()

    def _say(self, writer: asyncio.StreamWriter, to: str, default: str) -> str:
        reply = self.says.get(to, default)
        if reply is None:
            raise ConnectionError
        code, _, text = reply.partition(" ")
        lines = text.split("\n")
        writer.write("".join(f"{code}{' ' if at == len(lines) - 1 else '-'}{one}\r\n" for at, one in enumerate(lines))
                     .encode())
        return code[0]


@dataclass
class Text:
    """A message's content that is at hand."""

    data: bytes = b"Subject: x\r\n\r\n.dot\r\nbody\r\n"
    broken: bool = False  # reading fails in the middle

    @property
    def size(self) -> int:
        return len(self.data)

    async def read(self) -> bytes:
        return self.data

    async def chunks(self, size: int = 65536):  # type: ignore[no-untyped-def]
        for at in range(0, len(self.data), size):
            yield self.data[at : at + size]
        if self.broken:
            raise OSError("spool is broken")


def envelope(*recipients: str, sender: str = "a@b.example", **more: object) -> Envelope:
    """An envelope as the queue would hold it."""
    origin = Origin("client.example", "192.0.2.1", "4711", "helo.example", "ESMTP")
    return Envelope("QID1", sender, [Recipient(one) for one in recipients], 0.0, size=30, origin=origin,
                    **more)  # type: ignore[arg-type]
