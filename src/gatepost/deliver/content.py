"""What do we store of what a client sent? Content prepared for the queue: own headers, repairs, header facts, checks.

    preparation = policy.start(envelope, local=..., info, warning)
    draft.write(preparation.begin(prepended headers + Received:))
    draft.write(preparation.feed(chunk))            as it arrives (CRLF line ends); `await check(chunk)` when .checked
    draft.write(preparation.finish())               `await check_end()` when .checked
    preparation.hops, .message_id, .findings        known at the end

What cleanup(8) does for SMTP mail, and no more: a first line `From ` becomes X-Mailbox-Line:, stray CR and LF become
blanks, blanks before a header's colon go, headers of message_drop_headers go, missing ones are added for local clients,
an empty line is put behind headers that end without one. The header block is passed over once by one regular
expression; a body chunk costs three counts of its line ends. This file must not know sessions or the spool.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import gatepost.config.parameters as p
from gatepost.config.computed import own_interfaces
from gatepost.config.settings import Settings
from gatepost.deliver.content_checks import Checker, Findings, Rules
from gatepost.deliver.content_received import mail_date
from gatepost.deliver.envelope import Envelope, Origin
from gatepost.lookup.ask import Lookups
from gatepost.lookup.match import NameAddrList
from gatepost.observe.lines import external
from gatepost.smtp.reply import Reply

BLOCK_LIMIT = 65536  # bytes of headers that are held until their end is seen

_STRAY = re.compile(rb"\r(?!\n)|(?<!\r)\n")
_HEADERS = re.compile(rb"(?:[!-9;-~]+[ \t]*:[^\n]*\n(?:[ \t][^\n]*\n)*+)*+")
_BEFORE_COLON = re.compile(rb"^([!-9;-~]+)[ \t]+:", re.MULTILINE)
_NAMES = re.compile(rb"^([!-9;-~]+)[ \t]*:", re.MULTILINE)
_MESSAGE_ID = re.compile(rb"^message-id[ \t]*:([^\n]*\n(?:[ \t][^\n]*\n)*)", re.MULTILINE | re.IGNORECASE)
_MAILBOX_LINE = re.compile(rb">*From ")

TOO_MANY_HOPS = Reply(554, "5.4.0", "Error: too many hops")


@dataclass(frozen=True, slots=True)
class Completion:
    """What is added to mail that lacks headers. `all_clients`: strangers' mail too."""

    hostname: str
    origin: str  # domain put behind a bare sender
    all_clients: bool
    undisclosed: str


class ContentPolicy:
    """What the settings say about content; made once per service."""

    def __init__(self, settings: Settings, lookups: Lookups) -> None:
        self.rules = Rules(settings, lookups)
        self.replace_stray = settings[p.CLEANUP_REPLACE_STRAY_CR_LF]
        self.hopcount_limit = settings[p.HOPCOUNT_LIMIT]
        self.completion = Completion(settings[p.MYHOSTNAME], settings[p.MYORIGIN],
                                     settings[p.ALWAYS_ADD_MISSING_HEADERS], settings[p.UNDISCLOSED_RECIPIENTS_HEADER])
        self.drop = frozenset(word.text.lower().encode() for word in settings[p.MESSAGE_DROP_HEADERS])
        dropped = b"|".join(map(re.escape, self.drop)) or b"(?!)"
        self.dropped = re.compile(rb"^(?:" + dropped + rb")[ \t]*:[^\n]*\n(?:[ \t][^\n]*\n)*",
                                  re.MULTILINE | re.IGNORECASE)
        self._local = [word.text.lower() for word in settings[p.LOCAL_HEADER_REWRITE_CLIENTS]]
        self._own = {str(own.ip) for own in own_interfaces(settings)} if self._local else set()
        self._networks = NameAddrList.of(settings[p.MYNETWORKS], False, strict=False)

    def is_local(self, origin: Origin, *, tls_trusted: bool = False) -> bool:
        """Is the client one of local_header_rewrite_clients? (Table items are not looked at.)"""
        for item in self._local:
            if (item == "permit_inet_interfaces" and origin.client_address in self._own) or (
                item == "permit_sasl_authenticated" and bool(origin.sasl_username)) or (
                item == "permit_tls_all_clientcerts" and tls_trusted) or (
                item == "permit_mynetworks" and self._networks.static
                and self._networks.matches_now(origin.client_name, origin.client_address)):
                return True
        return False

    def start(self, envelope: Envelope, *, local: bool, info: Callable[[str], None],
              warning: Callable[[str], None]) -> Preparation:
        """Begin with a message. `info` and `warning` take cleanup's log lines (without prefix "warning: ")."""
        checker = None
        if self.rules and "no_header_body_checks" not in envelope.overrides:
            checker = Checker(self.rules, envelope, info, warning)
        return Preparation(self, envelope, checker, local, warning)


class Preparation:
    """One message's content on its way to the queue."""

    __slots__ = ("_checker", "_complete", "_envelope", "_first", "_headers", "_names", "_policy", "_stray", "_tail",
                 "_waiting", "_warning", "findings", "hops", "message_id")  # fmt: skip

    def __init__(self, policy: ContentPolicy, envelope: Envelope, checker: Checker | None, local: bool,
                 warning: Callable[[str], None]) -> None:
        self.hops = 0
        self.message_id = ""
        self.findings = checker.findings if checker else Findings()
        self._policy = policy
        self._envelope = envelope
        self._checker = checker
        self._complete = local or policy.completion.all_clients
        self._stray = policy.replace_stray and "no_header_body_checks" not in envelope.overrides
        self._first = True
        self._tail = b""  # a CR whose LF may come with the next chunk
        self._headers = True
        self._names: set[bytes] = set()
        self._waiting = b""  # headers whose end was not seen yet
        self._warning = warning

    @property
    def checked(self) -> bool:
        """Content checks are configured: use check and check_end."""
        return self._checker is not None

    @property
    def refusal(self) -> Reply | None:
        """What the content costs the client, once all of it was seen."""
        if self.hops >= self._policy.hopcount_limit:
            return TOO_MANY_HOPS
        return self.findings.reply

    def begin(self, own: bytes) -> bytes:
        """Our headers, CRLF line ends, before everything."""
        return own if self._checker else self._scan(own)

    def feed(self, data: bytes) -> bytes:
        """The next content -> what is to be stored now."""
        data = self._repair(data)
        return self._scan(data) if self._headers else data

    def finish(self) -> bytes:
        """The end of the content -> what is still to be stored."""
        tail = self._last()
        return (self._scan(tail) if tail else b"") + self._end()

    async def check_begin(self, own: bytes) -> bytes:
        """begin, with checks. LookupFailure when a table cannot answer, here and below."""
        assert self._checker is not None
        return self._scan(await self._checker.feed(own))

    async def check(self, data: bytes) -> bytes:
        """feed, with checks."""
        assert self._checker is not None
        return self._scan(await self._checker.feed(self._repair(data)))

    async def check_end(self) -> bytes:
        """finish, with checks."""
        assert self._checker is not None
        tail = await self._checker.feed(self._last()) + await self._checker.finish()
        return self._scan(tail) + self._end()

    def _repair(self, data: bytes) -> bytes:
        """The first line's rule, and stray CR and LF."""
        if self._tail:
            data, self._tail = self._tail + data, b""
        if self._first and data:
            if b"\n" not in data and data.lstrip(b">")[:5] in (b"", b"F", b"Fr", b"Fro", b"From") and len(data) < 998:
                self._tail = data  # not enough of it to tell
                return b""
            self._first = False
            if _MAILBOX_LINE.match(data):
                data = b"X-Mailbox-Line: " + data
            elif data[:1] in (b" ", b"\t"):
                data = b"\r\n" + data
        if data.endswith(b"\r"):
            data, self._tail = data[:-1], b"\r"
        if self._stray and not data.count(b"\r") == data.count(b"\n") == data.count(b"\r\n"):
            data = _STRAY.sub(b" ", data)
        return data

    def _last(self) -> bytes:
        tail, self._tail = self._tail, b""
        return tail.replace(b"\r", b" ") if self._stray else tail

    def _scan(self, data: bytes) -> bytes:
        if not self._headers:
            return data
        held = self._waiting + data
        if held.startswith(b"\r\n"):
            return self._behind_headers(b"", held)
        at = held.find(b"\r\n\r\n", max(0, len(self._waiting) - 3))
        if at < 0 and len(held) < BLOCK_LIMIT:
            self._waiting = held
            return b""
        block = held[:at + 2] if at >= 0 else held[:held.rfind(b"\n") + 1]
        end = _end_of_headers(block)
        if at >= 0 or end < len(block):
            return self._behind_headers(held[:end], held[end:])
        # Very long headers: pass on all but the last, which may not be complete.
        cut = max((found.start() for found in _NAMES.finditer(block)), default=0)
        cut = cut if cut or len(held) < 16 * BLOCK_LIMIT else len(held)
        self._waiting = held[cut:]
        return self._look(held[:cut])

    def _end(self) -> bytes:
        if not self._headers:
            return b""
        held = self._waiting
        end = _end_of_headers(held)
        rest = held[end:]
        return self._behind_headers(held[:end], rest)

    def _behind_headers(self, block: bytes, rest: bytes) -> bytes:
        """The header block is complete; `rest` begins behind it."""
        self._headers = False
        self._waiting = b""
        out = self._look(block)
        if self._complete:
            out += self._missing()
        return out + rest if rest.startswith(b"\r\n") or not rest else out + b"\r\n" + rest

    def _look(self, block: bytes) -> bytes:
        """Take from headers what is to be known; leave out what is to be dropped."""
        names = [name.lower() for name in _NAMES.findall(block)]
        seen = set(names)
        if b"received" in seen:
            self._count_hops(names.count(b"received"))
        if b"message-id" in seen and not self.message_id:
            found = _MESSAGE_ID.search(block)
            self.message_id = b" ".join(found[1].split()).decode("utf-8", "surrogateescape") if found else ""
        self._names |= seen
        if b" :" in block or b"\t:" in block:
            block = _BEFORE_COLON.sub(rb"\1:", block)
        return self._policy.dropped.sub(b"", block) if not seen.isdisjoint(self._policy.drop) else block

    def _count_hops(self, more: int) -> None:
        limit = self._policy.hopcount_limit
        if self.hops < limit <= self.hops + more:
            self._warning(f"{self._envelope.queue_id}: message rejected: hopcount exceeded")
        self.hops += more

    def _missing(self) -> bytes:
        """Message-ID, Date, From and perhaps To, in cleanup's order."""
        completion, envelope = self._policy.completion, self._envelope
        resent = b"resent-" if any(name.startswith(b"resent-") for name in self._names) else b""
        prefix = "Resent-" if resent else ""
        out = ""
        if resent + b"message-id" not in self._names:
            stamp = time.strftime("%Y%m%d%H%M%S", time.gmtime(envelope.arrived))
            value = f"<{stamp}.{envelope.queue_id}@{completion.hostname}>"
            self.message_id = self.message_id or value
            out += f"{prefix}Message-Id: {value}\r\n"
        if resent + b"date" not in self._names:
            out += f"{prefix}Date: {mail_date(envelope.arrived)}\r\n"
        if resent + b"from" not in self._names:
            sender = envelope.sender or "MAILER-DAEMON"
            sender = sender if "@" in sender else f"{sender}@{completion.origin}"
            out += f"{prefix}From: {external(sender)}\r\n"
        if completion.undisclosed and self._names.isdisjoint(_recipient_headers(resent)):
            out += f"{completion.undisclosed}\r\n"
        return out.encode("utf-8", "surrogateescape")


def _recipient_headers(prefix: bytes) -> Sequence[bytes]:
    return [prefix + name for name in (b"to", b"cc", b"bcc")]


def _end_of_headers(block: bytes) -> int:
    found = _HEADERS.match(block)
    return found.end() if found else 0
