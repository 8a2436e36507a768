"""Would mail for this address be taken? Address verification by probes (verify(8)), with a memory.

A probe is a delivery attempt that ends before there is a message: aliases and routes as for mail, with the
address_verify_ settings in the place of relayhost and transports; SMTP and LMTP servers are asked as far as RCPT (or
DATA), local users and mailboxes are looked up. What is known is answered at once, and probed again in the background
when it grows old; what is not known is waited for, address_verify_poll_count - 1 times address_verify_poll_delay at
most, then it is `unknown`. With address_verify_negative_cache = no only those who wait hear of a failure. Our own probe
sender is never probed. This file must not know what restrictions make of the answer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from gatepost.config import parameters as p
from gatepost.config.load import Configuration
from gatepost.config.parameter import Parameter
from gatepost.config.settings import Settings
from gatepost.deliver.delivery import Deliverer
from gatepost.deliver.envelope import Envelope, Origin, Recipient
from gatepost.deliver.result import BOUNCED, DEFERRED, Result
from gatepost.deliver.verify_cache import Cache, Entry
from gatepost.lookup.ask import Lookups, Verification
from gatepost.lookup.rewrite import split
from gatepost.lookup.verify_sender import VerifySender
from gatepost.observe import lines

DELIVERABLE, UNDELIVERABLE = "deliverable", "undeliverable"
PROBE_AGAIN = 1000  # seconds after which a probe without an answer is made again, as verify(8) does
UNKNOWN = Verification("unknown", "Address verification in progress")

ROUTING: tuple[tuple[Parameter[str], str], ...] = (
    (p.ADDRESS_VERIFY_LOCAL_TRANSPORT, "local_transport"), (p.ADDRESS_VERIFY_VIRTUAL_TRANSPORT, "virtual_transport"),
    (p.ADDRESS_VERIFY_RELAY_TRANSPORT, "relay_transport"), (p.ADDRESS_VERIFY_DEFAULT_TRANSPORT, "default_transport"),
    (p.ADDRESS_VERIFY_RELAYHOST, "relayhost"))


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds after which a result is probed again, and after which it is forgotten."""

    refresh: int
    expire: int


class NoContent:
    """The content of a probe."""

    size = 0

    async def read(self) -> bytes:
        """Nothing."""
        return b""

    async def chunks(self, size: int = 65536) -> AsyncIterator[bytes]:
        """Nothing."""
        if self.size:
            yield b""


class Verifier:
    """A lookup.world.Prober. `new_id` gives queue ids for the log, `info(daemon, text)` takes its lines."""

    def __init__(self, configuration: Configuration, lookups: Lookups, *, new_id: Callable[[], str],
                 info: Callable[[str, str], None], warn: Callable[[str], None],
                 clock: Callable[[], float] = time.time) -> None:
        settings = configuration.main
        self._configuration = configuration
        self._lookups = lookups
        self._new_id = new_id
        self._info = info
        self._clock = clock
        self._sender = VerifySender.of(settings, clock)
        self._cache = Cache(_file(settings[p.ADDRESS_VERIFY_MAP]), warn)
        self._good = Times(settings[p.ADDRESS_VERIFY_POSITIVE_REFRESH_TIME],
                           settings[p.ADDRESS_VERIFY_POSITIVE_EXPIRE_TIME])
        self._bad = Times(settings[p.ADDRESS_VERIFY_NEGATIVE_REFRESH_TIME],
                          settings[p.ADDRESS_VERIFY_NEGATIVE_EXPIRE_TIME])
        self._keep_bad = settings[p.ADDRESS_VERIFY_NEGATIVE_CACHE]
        self._patience = (settings[p.ADDRESS_VERIFY_POLL_COUNT] - 1) * settings[p.ADDRESS_VERIFY_POLL_DELAY]
        self._limit = settings[p.ADDRESS_VERIFY_PENDING_REQUEST_LIMIT]
        self._sweeping = settings[p.ADDRESS_VERIFY_CACHE_CLEANUP_INTERVAL]
        self._swept = 0.0
        self._pending: dict[str, asyncio.Task[Entry]] = {}
        self._deliverer: Deliverer | None = None

    async def __call__(self, address: str, *, sender: bool) -> Verification:
        """What is known of the address; it may take as long as the poll settings allow."""
        if self._sender.is_ours(address) or not address:
            return Verification(DELIVERABLE, "our own address")
        key = _folded(address)
        entry = self._known(key)
        if entry is not None:
            if entry.updated + self._times(entry).refresh < self._clock():
                self._probe(key, address)
            return _verification(entry)
        probe = self._probe(key, address)
        if probe is None or not self._patience:
            return UNKNOWN
        await asyncio.wait([probe], timeout=self._patience)
        return _verification(probe.result()) if probe.done() and not probe.cancelled() else UNKNOWN

    async def close(self) -> None:
        """End probes that run, close the file."""
        for probe in self._pending.values():
            probe.cancel()
        await asyncio.gather(*self._pending.values(), return_exceptions=True)
        self._cache.close()
        if self._deliverer is not None:
            await self._deliverer.close()

    def _times(self, entry: Entry) -> Times:
        return self._good if entry.status == DELIVERABLE else self._bad

    def _known(self, key: str) -> Entry | None:
        entry = self._cache.get(key)
        if entry is None or entry.updated + self._times(entry).expire >= self._clock():
            return entry
        self._cache.remove(key)
        return None

    def _probe(self, key: str, address: str) -> asyncio.Task[Entry] | None:
        """The probe that is under way, or a new one; None when there are too many."""
        probe = self._pending.get(key)
        if probe is None and len(self._pending) < self._limit:
            probe = self._pending[key] = asyncio.get_running_loop().create_task(self._ask(key, address))
            probe.add_done_callback(lambda _: self._pending.pop(key, None))
        return probe

    async def _ask(self, key: str, address: str) -> Entry:
        envelope = Envelope(self._new_id(), self._sender.now(), [Recipient(address)], self._clock(), probe=True,
                            origin=Origin(source="LOCAL"), service="verify")
        result = await self._attempt(envelope)
        entry = Entry(_status(result), result.dsn, result.text, int(self._clock()))
        self._remember(key, entry)
        delays = (0.0, max(0.0, self._clock() - envelope.arrived - sum(result.delays)), *result.delays)
        self._info(result.service or "error", lines.delivery(
            envelope.queue_id, result.recipient.address, entry.status, result.dsn, result.text,
            original=address, relay=result.relay, delays=delays))
        return entry

    async def _attempt(self, envelope: Envelope) -> Result:
        recipient = envelope.recipients[0]
        try:
            async with asyncio.timeout(PROBE_AGAIN):
                return (await self._mail().deliver(envelope, envelope.recipients, NoContent()))[0]
        except TimeoutError:
            return Result(recipient, DEFERRED, "4.4.2", "address probe timed out", service="verify")
        except Exception as failure:  # as for a delivery: whoever waits is told to come again
            text = f"unexpected probe failure: {type(failure).__name__}: {failure}"
            return Result(recipient, DEFERRED, "4.3.0", text, service="verify")

    def _remember(self, key: str, entry: Entry) -> None:
        """A failure does not take the place of a good result while that counts: a server may be down for an hour."""
        now = self._clock()
        if self._sweeping and now - self._swept >= self._sweeping:
            self._swept = now
            self._cache.sweep(int(now) - self._good.expire, int(now) - self._bad.expire)
        if entry.status != DELIVERABLE:
            before = self._known(key)
            if not self._keep_bad or (before is not None and before.status == DELIVERABLE):
                return
        self._cache.put(key, entry)

    def _mail(self) -> Deliverer:
        if self._deliverer is None:
            self._deliverer = Deliverer(self._configuration, self._lookups, routing(self._configuration.main))
        return self._deliverer


def routing(settings: Settings) -> Settings:
    """The settings by which probes are routed."""
    values = {name: settings[parameter] for parameter, name in ROUTING}
    values["transport_maps"] = ", ".join(word.text for word in settings[p.ADDRESS_VERIFY_TRANSPORT_MAPS])
    return settings.replace(values)


def _file(spec: str) -> str:
    """The file behind `type:/path`; "" for none. Whatever its type, it is ours, and SQLite."""
    path = spec.removeprefix("proxy:").partition(":")[2].strip()
    return f"{path}.sqlite" if path else ""


def _folded(address: str) -> str:
    local, domain = split(address)
    return f"{local}@{domain.lower()}" if domain else local


def _status(result: Result) -> str:
    if result.status == BOUNCED:
        return UNDELIVERABLE
    return DEFERRED if result.status == DEFERRED else DELIVERABLE


def _verification(entry: Entry) -> Verification:
    return Verification(entry.status, entry.text, entry.dsn)
