"""What do we store of what a client sent? Content prepared for the queue: own headers, repairs, header facts, checks.

    preparation = policy.start(envelope, local=..., info, warning)
    draft.write(preparation.begin(prepended headers + Received:))
    draft.write(preparation.feed(chunk))            as it arrives; `await check(chunk)` when .checked
    draft.write(preparation.finish())               `await check_end()` when .checked
    preparation.hops, .message_id, .findings        known at the end

What cleanup(8) does for SMTP mail, and no more: a first line `From ` becomes X-Mailbox-Line:, blanks before a header's
colon go, headers of message_drop_headers go, missing ones are added for local clients, an empty line is put behind
headers that end without one. Line ends are CRLF and stray CR and LF are blanks already (smtp/framing.py). The header
block is passed over once by one regular expression and then searched for a few names; a body chunk costs nothing. This
file must not know sessions or the spool.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

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

_HEADERS = re.compile(rb"(?:[!-9;-~]++[ \t]*+:.*+\n(?:[ \t].*+\n)*+)*+")
_BEFORE_COLON = re.compile(rb"^([!-9;-~]+)[ \t]+:", re.MULTILINE)
_NAMES = re.compile(rb"\n([!-9;-~]++):")  # in headers with a line end before them and no blanks before the colons
_NAME = re.compile(rb"^[!-9;-~]++[ \t]*:", re.MULTILINE)
_VALUE = re.compile(rb"[^\n]*\n(?:[ \t][^\n]*\n)*")
_MAILBOX_LINE = re.compile(rb">*From ")
_ID = b"\nmessage-id:"

_NOTHING = Findings()  # what no checks found
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
        self._checks = bool(self.rules)
        self.hopcount_limit = settings[p.HOPCOUNT_LIMIT]
        self.completion = Completion(settings[p.MYHOSTNAME], settings[p.MYORIGIN],
                                     settings[p.ALWAYS_ADD_MISSING_HEADERS], settings[p.UNDISCLOSED_RECIPIENTS_HEADER])
        self.drop = frozenset(word.text.lower().encode() for word in settings[p.MESSAGE_DROP_HEADERS])
        dropped = b"|".join(map(re.escape, self.drop)) or b"(?!)"
        self.dropped = re.compile(rb"^(?:" + dropped + rb")[ \t]*:[^\n]*\n(?:[ \t][^\n]*\n)*",
                                  re.MULTILINE | re.IGNORECASE)
        local = {word.text.lower() for word in settings[p.LOCAL_HEADER_REWRITE_CLIENTS]}
        interfaces = own_interfaces(settings) if "permit_inet_interfaces" in local else ()
        self._own = frozenset(str(own.ip) for own in interfaces)
        self._logged_in = "permit_sasl_authenticated" in local
        self._tls_trusted = "permit_tls_all_clientcerts" in local
        networks = NameAddrList.of(settings[p.MYNETWORKS], False, strict=False)
        self._networks = networks if "permit_mynetworks" in local and networks.static else None

    def is_local(self, origin: Origin, *, tls_trusted: bool = False) -> bool:
        """Is the client one of local_header_rewrite_clients? (Table items are not looked at.)"""
        return (origin.client_address in self._own
                or (self._logged_in and origin.sasl_username != "")
                or (self._tls_trusted and tls_trusted)
                or (self._networks is not None
                    and self._networks.matches_now(origin.client_name, origin.client_address)))

    def start(self, envelope: Envelope, *, local: bool, info: Callable[[str], None],
              warning: Callable[[str], None]) -> Preparation:
        """Begin with a message. `info` and `warning` take cleanup's log lines (without prefix "warning: ")."""
        checker = None
        if self._checks and "no_header_body_checks" not in envelope.overrides:
            checker = Checker(self.rules, envelope, info, warning)
        return Preparation(self, envelope, checker, local, warning)


class Preparation:
    """One message's content on its way to the queue."""

    __slots__ = ("_checker", "_complete", "_envelope", "_first", "_headers", "_names", "_policy", "_tail",
                 "_waiting", "_warning", "checked", "findings", "hops", "message_id")  # fmt: skip

    def __init__(self, policy: ContentPolicy, envelope: Envelope, checker: Checker | None, local: bool,
                 warning: Callable[[str], None]) -> None:
        self.checked = checker is not None  # content checks are configured: use check and check_end
        self.hops = 0
        self.message_id = ""
        self.findings = checker.findings if checker else _NOTHING
        self._policy = policy
        self._envelope = envelope
        self._checker = checker
        self._complete = local or policy.completion.all_clients
        self._first = True
        self._tail = b""  # the beginning of a first line that may be a mailbox separator
        self._headers = True
        self._names: set[bytes] = set()  # of the headers so far, in lower case
        self._waiting = b""  # headers whose end was not seen yet
        self._warning = warning

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
        if self._first:
            data = self._first_line(data)
        return self._scan(data) if self._headers else data

    def finish(self) -> bytes:
        """The end of the content -> what is still to be stored."""
        if not self._headers:
            return self._tail
        return (self._scan(self._tail) if self._tail else b"") + self._end()

    async def check_begin(self, own: bytes) -> bytes:
        """begin, with checks. LookupFailure when a table cannot answer, here and below."""
        assert self._checker is not None
        return self._scan(await self._checker.feed(own))

    async def check(self, data: bytes) -> bytes:
        """feed, with checks."""
        assert self._checker is not None
        return self._scan(await self._checker.feed(self._first_line(data) if self._first else data))

    async def check_end(self) -> bytes:
        """finish, with checks."""
        assert self._checker is not None
        tail = await self._checker.feed(self._tail) + await self._checker.finish()
        return self._scan(tail) + self._end()

    def _first_line(self, data: bytes) -> bytes:
        """The first line's rule; holds back what is not enough of it to tell."""
        data, self._tail = self._tail + data, b""
        if not data:
            return b""
        if data.find(b"\n") < 0 and data.lstrip(b">")[:5] in (b"", b"F", b"Fr", b"Fro", b"From") and len(data) < 998:
            self._tail = data
            return b""
        self._first = False
        if data.startswith((b">", b"F")) and _MAILBOX_LINE.match(data):
            return b"X-Mailbox-Line: " + data
        return b"\r\n" + data if data.startswith((b" ", b"\t")) else data

    def _scan(self, data: bytes) -> bytes:
        if not self._headers:
            return data
        held = self._waiting + data
        if held.startswith(b"\r\n"):
            return self._behind_headers(b"", held)
        at = held.find(b"\r\n\r\n", len(self._waiting) - 3 if len(self._waiting) > 3 else 0)
        if at < 0 and len(held) < BLOCK_LIMIT:
            self._waiting = held
            return b""
        block = held[:at + 2] if at >= 0 else held[:held.rfind(b"\n") + 1]
        end = _end_of_headers(block)
        if at >= 0 or end < len(block):
            return self._behind_headers(held[:end], held[end:])
        # Very long headers: pass on all but the last, which may not be complete.
        cut = max((found.start() for found in _NAME.finditer(block)), default=0)
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
        # Not `in`, here and above: it first takes what is looked for to be a number, at the cost of an exception.
        if block.find(b" :") >= 0 or block.find(b"\t:") >= 0:
            block = _BEFORE_COLON.sub(rb"\1:", block)
        folded = b"\n" + block.lower()
        names = _NAMES.findall(folded)
        self._names.update(names)
        received = names.count(b"received")
        if received:
            self._count_hops(received)
        if not self.message_id and b"message-id" in names:
            found = _VALUE.match(block, folded.find(_ID) + len(_ID) - 1)
            self.message_id = b" ".join(found[0].split()).decode("utf-8", "surrogateescape") if found else ""
        return block if self._policy.drop.isdisjoint(names) else self._policy.dropped.sub(b"", block)

    def _count_hops(self, more: int) -> None:
        limit = self._policy.hopcount_limit
        if self.hops < limit <= self.hops + more:
            self._warning(f"{self._envelope.queue_id}: message rejected: hopcount exceeded")
        self.hops += more

    def _missing(self) -> bytes:
        """Message-ID, Date, From and perhaps To, in cleanup's order."""
        completion, envelope, names = self._policy.completion, self._envelope, self._names
        resent = b"resent-" if any(name.startswith(b"resent-") for name in names) else b""
        prefix = "Resent-" if resent else ""
        out = ""
        if resent + b"message-id" not in names:
            value = f"<{_stamp(int(envelope.arrived))}.{envelope.queue_id}@{completion.hostname}>"
            self.message_id = self.message_id or value
            out += f"{prefix}Message-Id: {value}\r\n"
        if resent + b"date" not in names:
            out += f"{prefix}Date: {mail_date(envelope.arrived)}\r\n"
        if resent + b"from" not in names:
            sender = envelope.sender or "MAILER-DAEMON"
            sender = sender if "@" in sender else f"{sender}@{completion.origin}"
            out += f"{prefix}From: {external(sender)}\r\n"
        if completion.undisclosed and names.isdisjoint(_recipient_headers(resent)):
            out += f"{completion.undisclosed}\r\n"
        return out.encode("utf-8", "surrogateescape")


@lru_cache(maxsize=1)  # the messages of one second share it
def _stamp(second: int) -> str:
    return time.strftime("%Y%m%d%H%M%S", time.gmtime(second))


def _recipient_headers(prefix: bytes) -> Sequence[bytes]:
    return [prefix + name for name in (b"to", b"cc", b"bcc")]


def _end_of_headers(block: bytes) -> int:
    found = _HEADERS.match(block)
    return found.end() if found else 0
