"""What do we say to a server, and which reply answers what? One SMTP or LMTP conversation, command by command.

Contract: every method that speaks gives the bytes to send and remembers that a reply is owed; `receive` takes any
bytes and gives what was heard, in order, each reply with the command it answers. Nothing is sent here: a caller may
join the bytes of several commands into one segment, cut them, or send them too early (the prober does). After 220 to
STARTTLS the caller upgrades and calls `tls_started`: buffer and capabilities die (RFC 3207 4.2). This file must not
know the order in which commands make sense (client_session.py does), nor sockets, nor time.
"""

from __future__ import annotations

import base64
import re
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gatepost.smtp import grammar
from gatepost.smtp.client_replies import Malformed, Replies
from gatepost.smtp.reply import Reply

_FORBIDDEN = re.compile(r"[\x00\r\n]")
_UNSAFE_DOMAIN = re.compile(r"[\x00-\x20\x7f<>]")
_EHLO_LINE = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)(?:[ =](.*))?", re.DOTALL)
XFORWARD_LIMIT = 512  # bytes of one XFORWARD command (Postfix XFORWARD_README)


@dataclass(frozen=True, slots=True)
class Heard:
    """A reply, or what should have been one, with the command that it answers: verb, and for RCPT and the end of LMTP
    data the recipient's number. Verb "" means that no reply was owed."""

    verb: str
    reply: Reply | Malformed
    number: int = 0


class Capabilities(dict[str, str]):
    """EHLO keywords in upper case with their parameters; AUTH from `AUTH=` lines too, as old servers write it."""

    @classmethod
    def of(cls, reply: Reply) -> Capabilities:
        """Read the lines behind the first of a reply to EHLO or LHLO (RFC 5321 4.1.1.1)."""
        found = cls()
        for line in reply.text.split("\n")[1:]:
            read = _EHLO_LINE.fullmatch(line)
            if read is None:
                continue
            name, argument = read[1].upper(), read[2] or ""
            found[name] = f"{found[name]} {argument}" if found.get(name) else argument
        return found

    def words(self, name: str) -> frozenset[str]:
        """The parameters of a keyword in upper case; empty when it is not offered."""
        return frozenset(self.get(name, "").upper().split())


class Client:
    """The client's side of one connection. `greeting` tells that a reply is owed before we speak."""

    __slots__ = ("_owed", "_replies", "capabilities", "lmtp")

    def __init__(self, *, lmtp: bool = False, greeting: bool = True) -> None:
        self.lmtp = lmtp
        self.capabilities = Capabilities()
        self._replies = Replies()
        self._owed: deque[tuple[str, int]] = deque([("CONNECT", 0)] if greeting else [])

    @property
    def owed(self) -> int:
        """How many replies are still to come."""
        return len(self._owed)

    @property
    def awaited(self) -> str:
        """The verb of the oldest command without a reply, "" when nothing is owed."""
        return self._owed[0][0] if self._owed else ""

    @property
    def bare_newlines(self) -> int:
        """How many of the server's lines ended in LF alone."""
        return self._replies.bare_newlines

    def receive(self, data: bytes) -> list[Heard]:
        """Bytes came from the server: all that is heard. A Malformed is the last, and answers the oldest command."""
        self.feed(data)
        heard: list[Heard] = []
        while (one := self.hear()) is not None:
            heard.append(one)
            if isinstance(one.reply, Malformed) or (one.verb == "STARTTLS" and one.reply.code == 220):
                break
        return heard

    def feed(self, data: bytes) -> None:
        """Bytes came from the server; `hear` tells what they were. For a caller that speaks between two replies of one
        segment, so that nothing depends on how the server's bytes were cut."""
        self._replies.feed(data)

    def hear(self) -> Heard | None:
        """The next reply; None: more bytes are needed, or a Malformed was given."""
        if self._replies.broken is not None:
            return None
        reply = self._replies.pull()
        if reply is None:
            return None
        verb, number = self._owed.popleft() if self._owed else ("", 0)
        if verb in ("EHLO", "LHLO") and isinstance(reply, Reply) and reply.positive:
            self.capabilities = Capabilities.of(reply)
        return Heard(verb, reply, number)

    def tls_started(self) -> bytes:
        """The handshake is done: forget plaintext and capabilities -> the plaintext that came behind the 220."""
        self.capabilities = Capabilities()
        self._owed.clear()
        return self._replies.discard()

    def say(self, line: str | bytes, verb: str | None = None, number: int = 0) -> bytes:
        """Any command line; its verb is its first word. ValueError when it holds CR, LF or NUL: no text can become two
        commands. Use `raw` to say what no client may."""
        text = line if isinstance(line, str) else line.decode("utf-8", "surrogateescape")
        if _FORBIDDEN.search(text):
            raise ValueError("a command line cannot hold CR, LF or NUL")
        self._owed.append((text.partition(" ")[0].upper() if verb is None else verb, number))
        return text.encode("utf-8", "surrogateescape") + b"\r\n"

    def raw(self, data: bytes, *verbs: str) -> bytes:
        """Bytes as they are, for which replies to `verbs` are then owed."""
        self._owed.extend((verb, 0) for verb in verbs)
        return data

    def hello(self, name: str, verb: str = "") -> bytes:
        """EHLO, or LHLO for LMTP, or the verb that is given (HELO)."""
        return self.say(f"{verb or ('LHLO' if self.lmtp else 'EHLO')} {name}")

    def mail(self, sender: str, parameters: Sequence[str] = ()) -> bytes:
        """MAIL; sender in internal form, "" is the null sender; parameters as SIZE=1000."""
        return self.say(" ".join((f"MAIL FROM:<{_external(sender)}>", *parameters)))

    def rcpt(self, recipient: str, parameters: Sequence[str] = (), number: int = 0) -> bytes:
        """RCPT; `number` comes back with the reply."""
        return self.say(" ".join((f"RCPT TO:<{_external(recipient)}>", *parameters)), number=number)

    def data(self) -> bytes:
        """DATA; after 354 send the content through a DotWriter, then `content_sent`."""
        return self.say("DATA")

    def content_sent(self, accepted: Sequence[int] = (0,)) -> None:
        """The final dot (or the last BDAT chunk) was sent: one reply is owed, or for LMTP one for each accepted
        recipient in the order of RCPT (RFC 2033 4.2)."""
        self._owed.extend((".", number) for number in (accepted if self.lmtp else (0,)))

    def bdat(self, chunk: bytes, *, last: bool, accepted: Sequence[int] = (0,)) -> bytes:
        """BDAT with its chunk (RFC 3030 2); the last one of LMTP owes a reply for each accepted recipient."""
        line = f"BDAT {len(chunk)}{' LAST' if last else ''}\r\n".encode()
        if last:
            self.content_sent(accepted)
        else:
            self._owed.append(("BDAT", 0))
        return line + chunk

    def xforward(self, attributes: Mapping[str, str]) -> list[bytes]:
        """The XFORWARD commands for those attributes that the server takes; "" is sent as [UNAVAILABLE]."""
        offered = self.capabilities.words("XFORWARD")
        commands: list[bytes] = []
        line = "XFORWARD"
        for name, value in attributes.items():
            if name not in offered:
                continue
            word = f" {name}={grammar.to_xtext(value) if value else '[UNAVAILABLE]'}"
            if len(line) + len(word) > XFORWARD_LIMIT and line != "XFORWARD":
                commands.append(self.say(line))
                line = "XFORWARD"
            line += word
        if line != "XFORWARD":
            commands.append(self.say(line))
        return commands

    def auth_plain(self, username: str, password: str) -> bytes:
        """AUTH PLAIN with its initial response (RFC 4616)."""
        return self.say("AUTH PLAIN " + _base64(f"\0{username}\0{password}"))

    def auth_login(self) -> bytes:
        """AUTH LOGIN; answer both 334 with `auth_response`."""
        return self.say("AUTH LOGIN")

    def auth_response(self, text: str) -> bytes:
        """The answer to a 334, in base64; the reply to it answers AUTH again."""
        return self.say(_base64(text), verb="AUTH")

    def starttls(self) -> bytes:
        """STARTTLS; nothing may be sent behind it before the handshake."""
        return self.say("STARTTLS")

    def rset(self) -> bytes:
        """RSET."""
        return self.say("RSET")

    def quit(self) -> bytes:
        """QUIT."""
        return self.say("QUIT")


def _external(address: str) -> str:
    if _UNSAFE_DOMAIN.search(address.rpartition("@")[2] if "@" in address else ""):
        raise ValueError("a domain cannot hold blanks or angle brackets")
    return grammar.external(address) if address else ""


def speakable(address: str) -> bool:
    """Whether the address can stand in MAIL or RCPT without becoming something else."""
    if _FORBIDDEN.search(address):
        return False
    return "@" not in address or not _UNSAFE_DOMAIN.search(address.rpartition("@")[2])


def _base64(text: str) -> str:
    return base64.b64encode(text.encode("utf-8", "surrogateescape")).decode("ascii")
