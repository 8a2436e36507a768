"""How long, how often, how many at a time? The scheduler's parameters, and Postfix's rule for the next try.

qmgr(8): the pause before the next try is the time since arrival, but at least minimal_backoff_time and at most
maximal_backoff_time. TRANSPORT_destination_concurrency_limit and TRANSPORT_destination_recipient_limit say for one
transport what default_destination_... says for all. This file must not know messages.
"""

from __future__ import annotations

import gatepost.config.parameters as p
from gatepost.config.settings import Settings


class QueueRules:
    """The parameters, read once."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._concurrency_of: dict[str, int] = {}  # by transport
        self._recipients_of: dict[str, int] = {}
        self.hostname = settings[p.MYHOSTNAME]
        self.mail_name = settings[p.MAIL_NAME]
        self.syslog_name = settings[p.SYSLOG_NAME]
        self.run_delay = settings[p.QUEUE_RUN_DELAY]
        self.minimal_backoff = settings[p.MINIMAL_BACKOFF_TIME]
        self.maximal_backoff = settings[p.MAXIMAL_BACKOFF_TIME]
        self.lifetime = settings[p.MAXIMAL_QUEUE_LIFETIME]
        self.bounce_lifetime = settings[p.BOUNCE_QUEUE_LIFETIME]
        self.warning_time = settings[p.DELAY_WARNING_TIME]
        self.active_limit = settings[p.QMGR_MESSAGE_ACTIVE_LIMIT]
        self.process_limit = settings[p.DEFAULT_PROCESS_LIMIT]
        self.bounce_size_limit = settings[p.BOUNCE_SIZE_LIMIT]
        self.defer_transports = frozenset(word.text for word in settings[p.DEFER_TRANSPORTS])
        self._concurrency = settings[p.DEFAULT_DESTINATION_CONCURRENCY_LIMIT]
        self._recipients = settings[p.DEFAULT_DESTINATION_RECIPIENT_LIMIT]

    def next_try(self, arrived: float, now: float) -> float:
        """When a message that could not be delivered now is tried again (seconds since the epoch)."""
        return now + min(max(now - arrived, self.minimal_backoff), self.maximal_backoff)

    def expires(self, arrived: float, *, bounce: bool) -> float:
        """When it is given up; `bounce`: the sender is the null sender."""
        return arrived + (self.bounce_lifetime if bounce else self.lifetime)

    def concurrency(self, transport: str) -> int:
        """Deliveries to one destination of the transport at a time; 0: no limit."""
        found = self._concurrency_of.get(transport)
        if found is None:
            found = self._limit(transport, "destination_concurrency_limit", self._concurrency)
            self._concurrency_of[transport] = found
        return found

    def recipients(self, transport: str) -> int:
        """Recipients in one delivery of the transport; 0: no limit."""
        found = self._recipients_of.get(transport)
        if found is None:
            found = self._limit(transport, "destination_recipient_limit", self._recipients)
            self._recipients_of[transport] = found
        return found

    def _limit(self, transport: str, name: str, default: int) -> int:
        text = self._settings.text(f"{transport}_{name}") if transport else None
        usable = text is not None and text.strip().isdecimal()  # a bad one is found when the configuration is read
        return int(text) if text is not None and usable else default
