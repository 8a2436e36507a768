"""What do the operator's content checks say? header_checks, mime_header_checks, nested_header_checks, body_checks; what
the MIME rules that are asked for say (strict_...), and which characters are refused or taken out.

header_checks(5): each logical header and each body line is looked up; the result's first word is an action. Effects on
the message are collected in `Findings`; PREPEND, REPLACE, IGNORE and STRIP change the content as it flows. Log lines
are cleanup(8)'s. After REJECT or DISCARD the rest is swallowed. LookupFailure is the caller's 451. This file must not
know MIME (content_mime.py), nor what becomes of the effects.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import gatepost.config.parameters as p
from gatepost.config.parameter import Parameter, Word
from gatepost.config.settings import Settings
from gatepost.deliver.content_characters import Characters
from gatepost.deliver.content_mime import (
    BODY,
    EIGHT_BIT_BODY,
    EIGHT_BIT_HEADER,
    ENCODING_DOMAIN,
    HEADER,
    MIME,
    NESTED,
    NESTING,
    OFFENCES,
    Structure,
    Unit,
)
from gatepost.deliver.envelope import Envelope
from gatepost.lookup.ask import Lookups, Table, is_immediate
from gatepost.observe.lines import external
from gatepost.smtp.reply import Reply

SHOWN = 200  # characters of a header or line that a log line shows
SHOWN_OFFENCE = 100  # ... that one about MIME shows
_STATUS = re.compile(r"([45]\.\d{1,3}\.\d{1,3})[ \t]+(.*)", re.DOTALL)
_PLACE = re.compile(r"\S+:\S*")


@dataclass(slots=True)
class Findings:
    """What the checks want done with the message."""

    reply: Reply | None = None  # refuse with this
    discard: bool = False
    hold: bool = False
    content_filter: str = ""
    redirect: str = ""
    bcc: list[str] = field(default_factory=list)

    def apply(self, envelope: Envelope) -> None:
        """Enter hold, filter, redirect and bcc into the envelope."""
        envelope.hold = envelope.hold or self.hold
        envelope.content_filter = self.content_filter or envelope.content_filter
        envelope.redirect = self.redirect or envelope.redirect
        envelope.bcc.extend(self.bcc)


class Rules:
    """Tables, opened once per service, and what is forbidden. False when there is nothing to check."""

    __slots__ = ("_structure", "body_limit", "characters", "offences", "tables")

    def __init__(self, settings: Settings, lookups: Lookups) -> None:
        sources: tuple[tuple[str, Parameter[tuple[Word, ...]]], ...] = (
            (HEADER, p.HEADER_CHECKS), (MIME, p.MIME_HEADER_CHECKS), (NESTED, p.NESTED_HEADER_CHECKS),
            (BODY, p.BODY_CHECKS))  # fmt: skip
        self.tables: dict[str, tuple[Table, ...]] = {}
        for kind, parameter in sources:
            opened = tuple(lookups.table(word.text) for word in settings[parameter])
            if opened:
                self.tables[kind] = opened
        self.body_limit = settings[p.BODY_CHECKS_SIZE_LIMIT]
        mime = not settings[p.DISABLE_MIME_INPUT_PROCESSING]
        self.offences = _forbidden(settings, bool(self.tables)) if mime else frozenset()
        self.characters = Characters(settings[p.MESSAGE_REJECT_CHARACTERS], settings[p.MESSAGE_STRIP_CHARACTERS])
        self._structure = (mime, settings[p.MIME_NESTING_LIMIT], settings[p.MIME_BOUNDARY_LENGTH_LIMIT],
                           settings[p.HEADER_SIZE_LIMIT], self.offences)

    def __bool__(self) -> bool:
        return bool(self.tables or self.offences or self.characters)

    def structure(self) -> Structure:
        """A fresh look at a message."""
        return Structure(*self._structure)


def _forbidden(settings: Settings, checked: bool) -> frozenset[str]:
    """The offences against MIME that the strict_ parameters name; too deep nesting with any of them, or with checks."""
    strict = settings[p.STRICT_8BITMIME]
    asked = {EIGHT_BIT_HEADER: strict or settings[p.STRICT_7BIT_HEADERS],
             EIGHT_BIT_BODY: strict or settings[p.STRICT_8BITMIME_BODY],
             ENCODING_DOMAIN: settings[p.STRICT_MIME_ENCODING_DOMAIN]}
    found = {offence for offence, wanted in asked.items() if wanted}
    return frozenset(found | {NESTING} if found or checked else found)


async def _find(tables: Sequence[Table], key: str) -> str | None:
    for table in tables:
        value = table.get_now(key) if is_immediate(table) else await table.get(key)
        if value is not None:
            return value
    return None


class Checker:
    """The checks of one message: feed content, take what is to be stored."""

    def __init__(self, rules: Rules, envelope: Envelope, info: Callable[[str], None],
                 warning: Callable[[str], None]) -> None:
        self.findings = Findings()
        self._rules = rules
        self._envelope = envelope
        self._info = info
        self._warning = warning
        self._structure = rules.structure()
        self._characters = rules.characters.reader() if rules.characters else None
        self._offence = len(OFFENCES)  # the most important one found
        self._passed = False  # PASS: tables and characters are not looked at any more
        self._part = -1
        self._seen = 0  # bytes of this part that body_checks saw

    async def feed(self, data: bytes) -> bytes:
        """Content to store for the content given. LookupFailure when a table cannot answer."""
        if self._characters is None or self._passed or self._over:
            return await self._units(data)
        data, refused, rest = self._characters.feed(data)
        data = await self._units(data)
        return data + await self._stopped(refused, rest) if refused else data

    async def _stopped(self, refused: str, rest: bytes) -> bytes:
        """A line with a refused character: the end, unless an action before it ended the checks."""
        if self._passed:
            return await self._units(rest)
        if not self._over:
            self.refuse(_Match("content", refused, "disallowed character", b""))
        return b""

    async def _units(self, data: bytes) -> bytes:
        if self._over:
            return b""
        if (self._rules.tables and not self._passed) or self._rules.offences:
            return b"".join([await self._unit(unit) for unit in self._structure.feed(data)])
        return data

    async def finish(self) -> bytes:
        """What is left at the end of the content."""
        if self._over:
            return b""
        rest = b"".join([await self._unit(unit) for unit in self._structure.finish()])
        if self._offence < len(OFFENCES) and not self._over:
            self.findings.reply = Reply(550, "5.6.0", OFFENCES[self._offence])
        return rest

    @property
    def _over(self) -> bool:
        return self.findings.reply is not None or self.findings.discard

    async def _unit(self, unit: Unit) -> bytes:
        if self._over:
            return b""
        if self._structure.offences:
            self._offended()
        tables = self._rules.tables.get(unit.kind)
        if self._passed or tables is None or (unit.kind == BODY and not self._within_limit(unit)):
            return unit.raw
        text = unit.raw.rstrip(b"\r\n").replace(b"\r\n", b"\n").decode("utf-8", "surrogateescape")
        if not text:
            return unit.raw
        value = await _find(tables, text)
        return unit.raw if value is None else self._act(value, text, unit)

    def _offended(self) -> None:
        """cleanup(8)'s line about each offence found; the message is read on, for there may be more."""
        envelope, origin = self._envelope, self._envelope.origin
        for offence, raw in self._structure.offences:
            shown = raw[:SHOWN_OFFENCE].rstrip(b"\r\n").replace(b"\r\n", b"\n").decode("utf-8", "surrogateescape")
            last = envelope.recipients[-1].address if envelope.recipients else "unknown"
            self._info(f"{envelope.queue_id}: reject: mime-error {offence}: {shown} from {origin.client_name}"
                       f"[{origin.client_address}]; from=<{external(envelope.sender)}> to=<{external(last)}>")
            self._offence = min(self._offence, OFFENCES.index(offence))
        self._structure.offences.clear()

    def _within_limit(self, unit: Unit) -> bool:
        if unit.part != self._part:
            self._part, self._seen = unit.part, 0
        within = self._seen < self._rules.body_limit
        self._seen += len(unit.raw)
        return within

    def _act(self, value: str, text: str, unit: Unit) -> bytes:
        """Do what the table says -> what is stored instead of the unit."""
        word, _, argument = value.strip().partition(" ")
        action, argument = word.upper(), argument.strip()
        handler = _ACTIONS.get(action)
        if handler is None:
            self._warning(f"unknown command in {_PARAMETER[unit.kind].name} map: {value}")
            return unit.raw
        return handler(self, _Match("body" if unit.kind == BODY else "header", text, argument, unit.raw))

    def log(self, action: str, match: _Match, reason: str) -> None:
        """cleanup(8)'s line about an action."""
        envelope, origin = self._envelope, self._envelope.origin
        shown = match.text[:SHOWN].replace("\n", "?")
        line = (f"{envelope.queue_id}: {action}: {match.what} {shown} from"
                f" {origin.client_name}[{origin.client_address}]; from=<{external(envelope.sender)}>")
        if envelope.recipients:
            line += f" to=<{external(envelope.recipients[-1].address)}>"
        line += f" proto={origin.protocol}" if origin.protocol else ""
        line += f" helo=<{origin.helo}>" if origin.helo else ""
        self._info(line + (f": {reason}" if reason else ""))

    def refuse(self, match: _Match) -> bytes:
        """REJECT [status] [text]."""
        found = _STATUS.fullmatch(match.argument)
        status, text = (found[1], found[2]) if found else ("5.7.1", match.argument)
        text = text or "message content rejected"
        self.log("reject", match, f"{status} {text}")
        self.findings.reply = Reply(451 if status.startswith("4") else 550, status, text)
        return b""

    def discard(self, match: _Match) -> bytes:
        """DISCARD [text]."""
        self.log("discard", match, match.argument)
        self.findings.discard = True
        return b""

    def hold(self, match: _Match) -> bytes:
        """HOLD [text]."""
        if not self.findings.hold:
            self.log("hold", match, match.argument)
        self.findings.hold = True
        return match.raw

    def content_filter(self, match: _Match) -> bytes:
        """FILTER transport:destination."""
        if _PLACE.fullmatch(match.argument) is None:
            self._warning(f"bad FILTER command: {match.argument or '(empty)'} -- need transport:destination")
            return match.raw
        self.log("filter", match, match.argument)
        self.findings.content_filter = match.argument
        return match.raw

    def redirect(self, match: _Match) -> bytes:
        """REDIRECT user@domain; ends the checks."""
        if "@" not in match.argument:
            self._warning(f"bad REDIRECT target: {match.argument or '(empty)'} -- need user@domain")
            return match.raw
        self.log("redirect", match, match.argument)
        self.findings.redirect = match.argument
        self._passed = True  # as in Postfix: nothing else is looked at then
        return match.raw

    def bcc(self, match: _Match) -> bytes:
        """BCC user@domain."""
        if "@" not in match.argument:
            self._warning(f"bad BCC address: {match.argument or '(empty)'} -- need user@domain")
            return match.raw
        self.log("bcc", match, match.argument)
        self.findings.bcc.append(match.argument)
        return match.raw

    def prepend(self, match: _Match) -> bytes:
        """PREPEND text, as a line of its own."""
        if not match.argument:
            self._warning("PREPEND action without text")
            return match.raw
        self.log("prepend", match, match.argument)
        return _line(match.argument) + match.raw

    def replace(self, match: _Match) -> bytes:
        """REPLACE text."""
        if not match.argument:
            self._warning("REPLACE action without text")
            return match.raw
        self.log("replace", match, match.argument)
        return _line(match.argument)

    def strip(self, match: _Match) -> bytes:
        """STRIP [text]: IGNORE with a log line."""
        self.log("strip", match, match.argument)
        return b""

    def ignore(self, _: _Match) -> bytes:
        """IGNORE: leave it out."""
        return b""

    def info(self, match: _Match) -> bytes:
        """INFO [text]."""
        self.log("info", match, match.argument)
        return match.raw

    def warn(self, match: _Match) -> bytes:
        """WARN [text]."""
        self.log("warning", match, match.argument)
        return match.raw

    def pass_rest(self, match: _Match) -> bytes:
        """PASS [text]: no more checks for this message."""
        self.log("pass", match, match.argument)
        self._passed = True
        return match.raw

    def dunno(self, match: _Match) -> bytes:
        """DUNNO, OK: go on with the next header or line."""
        return match.raw


@dataclass(slots=True)
class _Match:
    what: str  # header, body or content
    text: str
    argument: str
    raw: bytes


def _line(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape") + b"\r\n"


_ACTIONS: dict[str, Callable[[Checker, _Match], bytes]] = {
    "REJECT": Checker.refuse, "DISCARD": Checker.discard, "HOLD": Checker.hold, "FILTER": Checker.content_filter,
    "REDIRECT": Checker.redirect, "BCC": Checker.bcc, "PREPEND": Checker.prepend, "REPLACE": Checker.replace,
    "STRIP": Checker.strip, "IGNORE": Checker.ignore, "INFO": Checker.info, "WARN": Checker.warn,
    "PASS": Checker.pass_rest, "DUNNO": Checker.dunno, "OK": Checker.dunno,
}  # fmt: skip
_PARAMETER: dict[str, Parameter[tuple[Word, ...]]] = {
    HEADER: p.HEADER_CHECKS, MIME: p.MIME_HEADER_CHECKS, NESTED: p.NESTED_HEADER_CHECKS, BODY: p.BODY_CHECKS}
