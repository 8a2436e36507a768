"""How is a refusal worded at last? soft_bounce, smtpd_reject_footer(_maps): what is done to replies on their way out.

Postfix's order: footer, then soft_bounce. This file must not know why a reply is given.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gatepost.config import parameters as p
from gatepost.config.parameter import Parameter, Word
from gatepost.config.settings import Settings
from gatepost.lookup.ask import ImmediateTable, LookupFailure, Lookups, is_immediate
from gatepost.smtp.reply import Reply
from gatepost.span import ConfigError

if TYPE_CHECKING:
    from gatepost.server.perform import Performer

_NAME = re.compile(r"\$(?:\{([a-z_]+)\}|\(([a-z_]+)\)|([a-z_]+)|(\$))")
_ESCAPE = re.compile(r"\\([0-7]{1,3}|.)")


@dataclass(frozen=True, slots=True)
class Footers:
    """The parameters that say how one daemon words its refusals."""

    footer: Parameter[str]
    maps: Parameter[tuple[Word, ...]]
    expansion_filter: Parameter[str]


SMTPD = Footers(p.SMTPD_REJECT_FOOTER, p.SMTPD_REJECT_FOOTER_MAPS, p.SMTPD_EXPANSION_FILTER)
POSTSCREEN = Footers(p.POSTSCREEN_REJECT_FOOTER, p.POSTSCREEN_REJECT_FOOTER_MAPS, p.POSTSCREEN_EXPANSION_FILTER)


class Wording:
    """What the settings say about 4xx and 5xx replies."""

    def __init__(self, settings: Settings, lookups: Lookups, daemon: Footers = SMTPD) -> None:
        self.soft = settings[p.SOFT_BOUNCE]
        self.footer = settings[daemon.footer]
        self.host = settings[p.MYHOSTNAME]
        self.maps: list[ImmediateTable] = []
        for word in settings[daemon.maps]:
            table = lookups.table(word.text)
            if not is_immediate(table):
                raise ConfigError(f"{daemon.maps.name} takes tables that are in memory",
                                  word.span or settings.span(daemon.maps), word.text)
            self.maps.append(table)
        self._allowed = _characters(settings[daemon.expansion_filter])

    def __bool__(self) -> bool:
        return bool(self.soft or self.footer or self.maps)

    def apply(self, reply: Reply, performer: Performer) -> Reply:
        """The reply as it goes out."""
        return self.worded(reply, lambda: _attributes(performer, self.host), performer.teller.warning)

    def worded(self, reply: Reply, attributes: Callable[[], Mapping[str, str]], warn: Callable[[str], None]) -> Reply:
        """The reply as it goes out to the session with these attributes."""
        try:
            footer = self._footer(reply)
        except LookupFailure as failure:
            warn(failure.reason)
            footer = ""
        if footer:
            text = self._expand(footer, attributes(), warn)
            joined = text[2:] if text.startswith("\\c") else "\n" + text
            reply = Reply(reply.code, reply.status, reply.text + joined.replace("\\n", "\n"))
        return reply.softened() if self.soft else reply

    def _footer(self, reply: Reply) -> str:
        for table in self.maps:
            found = table.get_now(str(reply))
            if found:
                return found
        return self.footer

    def _expand(self, template: str, values: Mapping[str, str], warn: Callable[[str], None]) -> str:
        def value(found: re.Match[str]) -> str:
            if found[4]:
                return "$"
            name = found[1] or found[2] or found[3]
            text = values.get(name)
            if text is None:
                warn(f'unknown macro name "{name}" in expansion request')
                return ""
            return "".join(char if char in self._allowed else "_" for char in text)

        return _NAME.sub(value, template)


def _characters(text: str) -> frozenset[str]:
    """smtpd_expansion_filter: characters, with C escapes."""
    return frozenset(_ESCAPE.sub(lambda m: chr(int(m[1], 8)) if m[1].isdigit() else
                                 {"t": "\t", "n": "\n", "r": "\r"}.get(m[1], m[1]), text))


def _attributes(performer: Performer, host: str) -> dict[str, str]:
    client, session = performer.client, performer.session
    transaction = session.transaction
    sender = transaction.sender if transaction else ""
    recipients = transaction.recipients if transaction else []
    recipient = recipients[-1].address if recipients else ""
    return {
        "client": client.namaddr, "client_address": client.address, "client_name": client.name,
        "client_port": client.port, "helo_name": session.helo or "", "reverse_client_name": client.reverse_name,
        "sender": sender, "sender_name": sender.rpartition("@")[0] or sender, "sender_domain": sender.partition("@")[2],
        "recipient": recipient, "recipient_name": recipient.rpartition("@")[0] or recipient,
        "recipient_domain": recipient.partition("@")[2], "localtime": time.strftime("%b %d %H:%M:%S"),
        "server_name": host,
    }
