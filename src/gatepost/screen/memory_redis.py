"""How does the memory lie in Valkey or Redis, which several hosts share?

`postscreen_cache_map = redis:/FILE` (or `redis:NAME` with NAME_hosts and so on in main.cf) has the same settings as a
redis: table: hosts (the first is used), port, user, password, dbname, timeout; and key_prefix. Below that prefix:

    pass:ADDRESS   Postfix's record; the server lets it expire when the last of its passes has been over for
                   postscreen_cache_retention_time
    caught         the history, a stream of JSON arrays
    offenders      sorted set: address, time of its last catch
    cleaned        when the last full cleanup ended

Needs Redis 6.2 or any Valkey. The library (redis, its asyncio client) is an extra. A server that is not there is a
failure at each call; the next call connects again. This file must not know what a record means beyond its latest time.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

from gatepost.lookup.tables.clientconfig import read_client_config
from gatepost.lookup.tables.table import Opening
from gatepost.lookup.tables.threaded import library
from gatepost.screen.memory_store import Catch, HistoryBounds, StoreFailure
from gatepost.screen.trials import Stamps

PAGE = 500  # keys of one portion, catches of one page

# Remove a key that still has the value it had; a client that passed again meanwhile keeps its record.
DROP = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) else return 0 end"


class RedisStore:
    """A memory_store.Store. `make` gives a client of the library; `retention` in seconds."""

    def __init__(self, place: str, make: Callable[[], Any], errors: tuple[type[Exception], ...], prefix: str,
                 bounds: HistoryBounds, retention: int) -> None:
        self.place = place
        self._make = make
        self._errors = errors
        self._prefix = prefix
        self._bounds = bounds
        self._retention = retention
        self._client: Any = None

    @classmethod
    def of(cls, name: str, opening: Opening, bounds: HistoryBounds, retention: int) -> RedisStore:
        """`name` is what stands behind `redis:`. ConfigError when the library or the file is not there."""
        redis = library("redis.asyncio", "redis", "redis")
        retrying, backoff = library("redis.asyncio.retry", "redis", "redis"), library("redis.backoff", "redis", "redis")
        config = read_client_config("redis", name, opening)
        host = (config.words("hosts") or config.words("host", "localhost"))[0]
        port, database = config.number("port", 6379), config.number("dbname", 0)
        timeout = config.seconds("timeout", 2)
        user, password = config.text("user") or None, config.text("password") or None
        place = {"unix_socket_path": host} if host.startswith("/") else {"host": host, "port": port}

        def make() -> Any:
            return redis.Redis(**place, db=database, username=user, password=password, socket_timeout=timeout,
                               socket_connect_timeout=timeout, retry=retrying.Retry(backoff.NoBackoff(), 1))

        return cls(config.spec, make, (redis.RedisError, OSError), config.text("key_prefix", "gatepost:screen:"),
                   bounds, retention)

    # -- memory_store.Store -----------------------------------------------------------------------------------------

    async def get(self, address: str) -> str | None:
        """GET."""
        async with self._asking() as client:
            found = await client.get(self._key(address))
        return None if found is None else found.decode("ascii", "replace")

    async def offended(self, address: str, since: float) -> bool:
        """ZSCORE."""
        async with self._asking() as client:
            score = await client.zscore(f"{self._prefix}offenders", address)
        return score is not None and score >= since

    async def write(self, records: Mapping[str, str | None], catches: Sequence[Catch], now: float) -> None:
        """One MULTI."""
        async with self._asking() as client, client.pipeline(transaction=True) as pipe:
            for address, record in records.items():
                if record is None:
                    pipe.delete(self._key(address))
                else:
                    pipe.set(self._key(address), record, ex=self._lifetime(record, now))
            for catch in catches:
                pipe.xadd(f"{self._prefix}caught", {"catch": catch.dump()}, maxlen=self._bounds.limit,
                          approximate=False)
                pipe.zadd(f"{self._prefix}offenders", {catch.address: catch.time}, gt=True)
            if catches:
                self._bound(pipe, now)
            await pipe.execute()

    async def pages(self) -> AsyncIterator[Sequence[tuple[str, str]]]:
        """SCAN and MGET; an address may come twice when keys are added meanwhile."""
        pattern = re.sub(r"([*?\[\]\\])", r"\\\1", self._key("")) + "*"
        cursor = 0
        while True:
            async with self._asking() as client:
                cursor, keys = await client.scan(cursor, match=pattern, count=PAGE)
                values = await client.mget(keys) if keys else []
            page = [(key.decode()[len(self._key("")):], value.decode("ascii", "replace"))
                    for key, value in zip(keys, values, strict=True) if value is not None]
            if page:
                yield page
            if not cursor:
                return

    async def drop(self, records: Sequence[tuple[str, str]]) -> int:
        """A script a record."""
        async with self._asking() as client, client.pipeline(transaction=False) as pipe:
            for address, record in records:
                pipe.eval(DROP, 1, self._key(address), record)
            return sum(await pipe.execute())

    async def forget(self, address: str) -> bool:
        """The history is searched for the address."""
        caught = f"{self._prefix}caught"
        async with self._asking() as client:
            ids = [at async for at, catch in self._catches(client) if catch.address == address]
            async with client.pipeline(transaction=True) as pipe:
                pipe.delete(self._key(address))
                pipe.zrem(f"{self._prefix}offenders", address)
                if ids:
                    pipe.xdel(caught, *ids)
                return any(await pipe.execute())

    async def history(self, since: float, address: str = "") -> Sequence[Catch]:
        """The stream from its end."""
        async with self._asking() as client:
            return [catch async for _, catch in self._catches(client)
                    if catch.time >= since and (not address or catch.address == address)]

    async def cleaned(self) -> float:
        """GET."""
        async with self._asking() as client:
            found = await client.get(f"{self._prefix}cleaned")
        try:
            return float(found or 0)
        except ValueError:
            return 0.0

    async def set_cleaned(self, when: float) -> None:
        """SET, and the history is bounded."""
        async with self._asking() as client, client.pipeline(transaction=True) as pipe:
            pipe.set(f"{self._prefix}cleaned", repr(when))
            self._bound(pipe, when)
            await pipe.execute()

    async def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(*self._errors):
                await client.aclose()

    # -----------------------------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def _asking(self) -> AsyncIterator[Any]:
        """The client; what goes wrong is a StoreFailure."""
        if self._client is None:
            self._client = self._make()
        try:
            yield self._client
        except self._errors as error:
            raise StoreFailure(f"cache {self.place}: {error or type(error).__name__}") from error

    async def _catches(self, client: Any) -> AsyncIterator[tuple[bytes, Catch]]:
        """The stream, newest first; an entry that is not ours is passed over."""
        last: Any = "+"
        while entries := await client.xrevrange(f"{self._prefix}caught", last, "-", count=PAGE):
            for at, fields in entries:
                try:
                    catch = Catch.load(fields.get(b"catch", b"null"))
                except (ValueError, TypeError):
                    continue
                yield at, catch
            last = b"(" + entries[-1][0]

    def _key(self, address: str) -> str:
        return f"{self._prefix}pass:{address}"

    def _lifetime(self, record: str, now: float) -> int:
        """Seconds from now."""
        return max(0, *Stamps.parse(record).times, int(now)) - int(now) + self._retention

    def _bound(self, pipe: Any, now: float) -> None:
        since = now - self._bounds.seconds
        pipe.xtrim(f"{self._prefix}caught", minid=str(max(0, int(since * 1000))), approximate=False)
        pipe.zremrangebyscore(f"{self._prefix}offenders", "-inf", f"({since!r}")
        pipe.zremrangebyrank(f"{self._prefix}offenders", 0, -(self._bounds.limit + 1))
