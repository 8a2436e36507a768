"""By which transport does this recipient leave? The content filter first, then what address resolution says.

A message with a content filter goes there whole; what comes back from the filter is a new message without one.
Otherwise lookup/classes.py answers (transport_maps, relayhost, class transports), and for local users
mailbox_transport and fallback_transport may send it elsewhere. This file must not know what a transport does.
"""

from __future__ import annotations

from gatepost.config import parameters as p
from gatepost.config.settings import Settings
from gatepost.deliver.envelope import Envelope, Recipient
from gatepost.deliver.local import local_user
from gatepost.deliver.result import Destination, Result
from gatepost.lookup.ask import LookupFailure, Lookups
from gatepost.lookup.classes import Classes
from gatepost.lookup.maps import Maps
from gatepost.lookup.rewrite import split
from gatepost.lookup.verify_sender import VerifySender

LOCAL = "local"


class Router:
    """Routes under the main settings."""

    def __init__(self, settings: Settings, lookups: Lookups, classes: Classes) -> None:
        self._classes = classes
        self._filter_nexthop = settings[p.DEFAULT_FILTER_NEXTHOP]
        self._mailbox_transport = settings[p.MAILBOX_TRANSPORT]
        self._mailbox_transport_maps = Maps.of(settings[p.MAILBOX_TRANSPORT_MAPS], lookups)
        self._fallback_transport = settings[p.FALLBACK_TRANSPORT]
        self._fallback_transport_maps = Maps.of(settings[p.FALLBACK_TRANSPORT_MAPS], lookups)
        self._delimiters = settings[p.RECIPIENT_DELIMITER]
        self._double_bounce = settings[p.DOUBLE_BOUNCE_SENDER].partition("@")[0].lower()
        self._verify_sender = VerifySender.of(settings)
        self.depends_on_sender = bool(settings[p.SENDER_DEPENDENT_DEFAULT_TRANSPORT_MAPS]
                                      or settings[p.SENDER_DEPENDENT_RELAYHOST_MAPS])

    def filtered(self, envelope: Envelope, recipient: Recipient) -> Destination | None:
        """Where the content filter is; None without one."""
        if not envelope.content_filter:
            return None
        domain = split(recipient.address)[1]
        return _written(envelope.content_filter, self._filter_nexthop or domain)

    async def route(self, envelope: Envelope, recipient: Recipient) -> Destination | Result:
        """Transport and next hop; a Result when the recipient goes nowhere now."""
        filtered = self.filtered(envelope, recipient)
        if filtered is not None:
            return filtered
        if is_file(recipient):
            return Destination(LOCAL, "")
        try:
            resolved = await self._classes.resolve(recipient.address, mail_from=envelope.sender)
        except LookupFailure as failure:
            text = f"address resolver failure: {failure.reason}"
            return Result(recipient, "deferred", "4.3.0", text, service="error")
        if not resolved.valid:
            return Result(recipient, "bounced", "5.1.3", "bad address syntax", service="error")
        if resolved.kind == "local" and (
                resolved.local.lower() == self._double_bounce or self._verify_sender.is_ours(resolved.address)):
            # Answers to notices about notices and to our address probes: nobody is there to read them.
            return Result(recipient, "sent", "2.0.0", "undeliverable postmaster notification discarded", service="qmgr")
        return Destination(resolved.transport, resolved.nexthop)

    async def of_user(self, recipient: Recipient, destination: Destination) -> Destination | Result:
        """For a recipient of the transport `local`, aliases expanded: mailbox_transport, fallback_transport."""
        if is_file(recipient):
            return destination
        user, domain = split(recipient.address)
        try:
            written = await self._mailbox_transport_maps.find(user) or self._mailbox_transport
            if not written and local_user(user, self._delimiters) is None:
                written = await self._fallback_transport_maps.find(user) or self._fallback_transport
        except LookupFailure as failure:
            return Result(recipient, "deferred", "4.3.0", failure.reason, relay=LOCAL, service=LOCAL)
        return _written(written, domain) if written else destination


def is_file(recipient: Recipient) -> bool:
    """A /file/name out of an alias table: no address from outside can look like it, for those have a domain."""
    return recipient.expanded and recipient.address.startswith("/") and "@" not in recipient.address


def _written(text: str, nexthop: str) -> Destination:
    transport, _, given = text.partition(":")
    return Destination(transport.strip(), given.strip() or nexthop)
