"""Is this login right? Client of Dovecot's authentication service (`smtpd_sasl_type = dovecot`).

Dovecot auth-protocol 1.1, reference section 1.14. One connection carries all exchanges under way, told apart by
request id; when it is lost they fail for now and the next one connects again. Texts stay in base64 as the client sent
them and as the client shall get them. Contract: every step of a login is a Challenge, a Success or a Failure, never an
exception. This file must not know SMTP replies.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from gatepost.config.parameter import Word
from gatepost.lookup.ask import LookupFailure
from gatepost.lookup.delegate import connected, explained
from gatepost.lookup.match import StringList

NO_REASON = "(reason unavailable)"
LOST = "Connection lost to authentication server"
UNREACHABLE = "Can't connect to authentication server"
BAD_MECHANISM = "Invalid authentication mechanism"


@dataclass(frozen=True, slots=True)
class Mechanism:
    """A SASL mechanism and its properties: plaintext, anonymous, dictionary, active, forward-secrecy, mutual-auth."""

    name: str
    properties: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Challenge:
    """The client must respond to this (base64)."""

    text: str


@dataclass(frozen=True, slots=True)
class Success:
    """The client is who it says."""

    username: str


@dataclass(frozen=True, slots=True)
class Failure:
    """The login is refused, or (`temporary`) cannot be checked now. `username` as the server gave it, "" when it gave
    none, None when it was not asked: what was known of the client's last attempt still holds."""

    reason: str
    temporary: bool = False
    username: str | None = None


Step = Challenge | Success | Failure


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What the server is told about the client's connection; addresses "" when unknown."""

    service: str = "smtp"
    local_ip: str = ""
    remote_ip: str = ""
    secured: bool = False  # within TLS

    def fields(self) -> list[str]:
        """As fields of the AUTH command."""
        words = [f"service={escaped(self.service)}", "nologin"]
        words += [f"{name}={escaped(value)}" for name, value in
                  (("lip", self.local_ip), ("rip", self.remote_ip)) if value]
        return words + ["secured"] * self.secured


@dataclass(slots=True)
class Link:
    """An open connection, shaken hands on."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    mechanisms: tuple[Mechanism, ...]
    waiting: dict[str, asyncio.Future[list[str] | None]] = field(default_factory=dict)  # None: the connection is lost
    listening: asyncio.Task[None] | None = None

    async def listen(self) -> None:
        """Hand each reply to the exchange that waits for it, until the connection ends."""
        try:
            while line := await self.reader.readline():
                words = line.rstrip(b"\r\n").decode("utf-8", "surrogateescape").split("\t")
                answer = self.waiting.pop(words[1], None) if len(words) > 1 else None
                if answer is not None and not answer.done():
                    answer.set_result(words)
        except (OSError, ValueError):
            pass
        finally:
            self.close()

    async def ask(self, request: str, line: str) -> list[str] | None:
        """Send a line and wait for the reply's fields; None when the connection is lost."""
        if self.writer.is_closing():
            return None
        answer = self.waiting[request] = asyncio.get_running_loop().create_future()
        self.writer.write(line.encode("utf-8", "surrogateescape") + b"\n")
        reply: list[str] | None = await answer
        return reply

    def close(self) -> None:
        """Nobody gets an answer any more."""
        self.writer.close()
        for answer in self.waiting.values():
            if not answer.done():
                answer.set_result(None)
        self.waiting.clear()


class Exchange:
    """One login: `step` is what came last."""

    __slots__ = ("_auth", "_link", "_request", "step")

    def __init__(self, auth: DovecotAuth, link: Link | None, request: str, step: Step) -> None:
        self._auth = auth
        self._link = link
        self._request = request
        self.step = step

    async def respond(self, text: str) -> Step:
        """The client's response (base64 as sent) to the challenge."""
        if not is_base64(text):
            self.step = Failure("Invalid base64 data in continued response")
        else:
            line = f"CONT\t{self._request}\t{text}"
            words = None if self._link is None else await self._auth.asked(self._link, self._request, line)
            self.step = read_reply(words)
        return self.step


class DovecotAuth:
    """The service at `/path`, `unix:/path` or `inet:host:port`; `timeout` in seconds for each answer of it."""

    __slots__ = ("_connecting", "_count", "_endpoint", "_link", "_timeout")

    def __init__(self, path_or_inet: str, *, timeout: float = 10.0) -> None:
        self._endpoint = f"unix:{path_or_inet}" if path_or_inet.startswith("/") else path_or_inet
        self._timeout = timeout
        self._count = 0
        self._link: Link | None = None
        self._connecting: asyncio.Task[Link] | None = None

    async def mechanisms(self) -> tuple[Mechanism, ...]:
        """What the server can do, in its order. LookupFailure when it cannot be reached."""
        return (await self._linked()).mechanisms

    async def start(self, mechanism: str, initial: str | None, circumstances: Circumstances | None = None, *,
                    offered: Collection[str] | None = None) -> Exchange:
        """Begin a login. `initial`: the initial response (base64 as sent), None when there was none; `offered`:
        mechanisms that may be used, None for all of the server's."""
        self._count += 1
        request, mechanism = str(self._count), mechanism.upper()
        for _ in range(2):  # a connection that was lost since its last use costs nothing
            known = self._link
            try:
                link = await self._linked()
            except LookupFailure:
                break
            if mechanism not in (offered if offered is not None else [one.name for one in link.mechanisms]):
                return Exchange(self, None, request, Failure(BAD_MECHANISM))
            if initial is not None and not is_base64(initial):
                return Exchange(self, None, request, Failure("Invalid base64 data in initial response"))
            words = ["AUTH", request, mechanism, *(circumstances or Circumstances()).fields()]
            words += [] if initial is None else [f"resp={initial}"]  # resp= is the last field: auth-protocol 1.1
            reply = await self.asked(link, request, "\t".join(words))
            if reply is not None or link is not known:
                return Exchange(self, link, request, read_reply(reply))
        return Exchange(self, None, request, Failure(UNREACHABLE, temporary=True))

    async def asked(self, link: Link, request: str, line: str) -> list[str] | None:
        """One question on the wire; None when no answer came."""
        return await asyncio.get_running_loop().create_task(self._asked(link, request, line))

    def close(self) -> None:
        """Close the connection."""
        if self._link is not None:
            self._link.close()

    async def _asked(self, link: Link, request: str, line: str) -> list[str] | None:
        try:
            async with asyncio.timeout(self._timeout):
                return await link.ask(request, line)
        except TimeoutError:
            link.waiting.pop(request, None)
            return None

    async def _linked(self) -> Link:
        """The open connection, or a new one, for which all who need it wait."""
        if self._link is not None and not self._link.writer.is_closing() and not self._link.reader.at_eof():
            return self._link
        if self._connecting is None:
            self._connecting = asyncio.get_running_loop().create_task(self._connect())
        connecting = self._connecting
        try:
            self._link = await asyncio.shield(connecting)
        except (OSError, EOFError, ValueError) as problem:
            raise LookupFailure(f"SASL: Connect to {self._endpoint} failed: {explained(problem)}") from None
        finally:
            if connecting.done() and self._connecting is connecting:
                self._connecting = None
        return self._link

    async def _connect(self) -> Link:
        async with asyncio.timeout(self._timeout):
            reader, writer = await connected(self._endpoint)
            try:
                writer.write(f"VERSION\t1\t1\nCPID\t{os.getpid()}\n".encode("ascii"))
                link = Link(reader, writer, await shaken_hands(reader))
            except BaseException:
                writer.close()
                raise
        link.listening = asyncio.get_running_loop().create_task(link.listen())
        return link


async def shaken_hands(reader: asyncio.StreamReader) -> tuple[Mechanism, ...]:
    """Read the server's greeting up to DONE. ValueError for another protocol, EOFError when it ends before."""
    mechanisms: list[Mechanism] = []
    while True:
        line = await reader.readuntil(b"\n")
        command, *words = line.rstrip(b"\r\n").decode("utf-8", "surrogateescape").split("\t")
        if command == "VERSION" and words[:1] != ["1"]:
            raise ValueError(f"authentication server speaks protocol version {'.'.join(words)}, not 1")
        if command == "MECH" and words and "private" not in words[1:]:
            mechanisms.append(Mechanism(words[0].upper(), frozenset(words[1:])))
        if command == "DONE":
            return tuple(mechanisms)


def read_reply(words: Sequence[str] | None) -> Step:
    """The meaning of OK, CONT or FAIL; None stands for a lost connection."""
    if words is None:
        return Failure(LOST, temporary=True)
    command, named = words[0], {}
    for word in words[2:]:
        name, _, value = word.partition("=")
        named[name] = unescaped(value)
    if command == "CONT":
        return Challenge(words[2] if len(words) > 2 else "")
    username = named.get("user", "")
    if command == "OK":
        return Success(username)
    temporary = "temp" in named or named.get("code") == "temp_fail"
    return Failure(named.get("reason") or NO_REASON, temporary, username)


SECURITY_OPTIONS = {"noplaintext": "plaintext", "noanonymous": "anonymous", "nodictionary": "dictionary",
                    "noactive": "active"}
"""smtpd_sasl_security_options that exclude mechanisms -> the property that is not wanted."""

SECURITY_NEEDS = {"forward_secrecy": "forward-secrecy", "mutual_auth": "mutual-auth"}
"""... and those that need one."""


def allowed(mechanisms: Sequence[Mechanism], options: Sequence[Word]) -> list[str]:
    """The names that smtpd_sasl_security_options leaves."""
    words = {word.text.lower() for word in options}
    unwanted = {SECURITY_OPTIONS[word] for word in words if word in SECURITY_OPTIONS}
    needed = {SECURITY_NEEDS[word] for word in words if word in SECURITY_NEEDS}
    return [one.name for one in mechanisms if not unwanted & one.properties and needed <= one.properties]


async def offered(mechanisms: Sequence[Mechanism], options: Sequence[Word], wanted: StringList) -> list[str]:
    """The names to announce: what the security options leave of what smtpd_sasl_mechanism_filter wants."""
    return [name for name in allowed(mechanisms, options) if await wanted.matches(name)]


_BASE64 = re.compile(r"[A-Za-z0-9+/=]*")


def is_base64(text: str) -> bool:
    """Only characters of base64? What they spell is the server's business, as it is with Postfix."""
    return _BASE64.fullmatch(text) is not None


_ESCAPES = {"0": "\0", "1": "\1", "t": "\t", "n": "\n", "r": "\r"}


def escaped(text: str) -> str:
    """A value for the wire: what would end a field is escaped (Dovecot's str_tabescape)."""
    for letter, char in (("1", "\1"), ("0", "\0"), ("t", "\t"), ("n", "\n"), ("r", "\r")):
        text = text.replace(char, f"\1{letter}")
    return text


def unescaped(text: str) -> str:
    """A value from the wire."""
    return re.sub("\1([01tnr])", lambda found: _ESCAPES[found[1]], text)
