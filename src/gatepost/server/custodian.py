"""Who is to keep and deliver what the gateway accepts? What server/gateway.py needs of a queue manager, wherever it is.

This file must not know processes.
"""

from __future__ import annotations

from typing import Protocol

from gatepost.config.load import Configuration
from gatepost.deliver.keeper import Keeper


class Custodian(Protocol):
    """A QueueManager in this process (queue_manager.py), or one in a process of its own (queue_process.py)."""

    @property
    def keeper(self) -> Keeper:
        """Who takes messages. After open()."""

    async def open(self, configuration: Configuration) -> None:
        """Open the spool, once. ConfigError."""

    async def adopt(self, configuration: Configuration) -> None:
        """Deliver under this configuration from now on. ConfigError."""

    async def begin(self) -> None:
        """Deliver what the spool holds, and what will come."""

    def flush(self) -> None:
        """Try everything that is deferred, now."""

    async def finish(self) -> None:
        """End deliveries, close the spool."""
