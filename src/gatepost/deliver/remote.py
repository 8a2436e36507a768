"""Who takes this message? Delivery of a message to one next hop over SMTP or LMTP: servers in order, kept connections.

Servers are tried until every recipient is sent or bounced: a server that cannot be reached, refuses to talk or
answers with a temporary code gives way to the next (RFC 5321 5.1). Connections stay open for a while and serve the
next message to the same server, a bounded number of each. This file must not know routing, aliases or the queue.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from gatepost.deliver.envelope import Envelope, Recipient
from gatepost.deliver.nexthop import Finder, Unreachable
from gatepost.deliver.remote_connection import Connection, Login, Refusal, open_connection
from gatepost.deliver.remote_options import RemoteOptions
from gatepost.deliver.remote_texts import Verdict
from gatepost.deliver.result import Content, Result
from gatepost.deliver.tls_policy import LEVELS
from gatepost.deliver.wire import Endpoint
from gatepost.lookup.ask import LookupFailure, Lookups
from gatepost.smtp.client import speakable
from gatepost.smtp.client_session import Mail, Target

KEPT_EACH = 20  # idle connections to one server


@dataclass(slots=True)
class Pool:
    """Connections that wait for the next message."""

    seconds: float
    reuse_seconds: float
    reuse_count: int
    _idle: dict[tuple[Endpoint, Login], list[tuple[Connection, asyncio.TimerHandle]]] = field(default_factory=dict)

    def take(self, server: Endpoint, login: Login) -> Connection | None:
        """A connection that still looks alive."""
        waiting = self._idle.get((server, login), [])
        while waiting:
            connection, timer = waiting.pop()
            timer.cancel()
            if connection.reusable:
                return connection
            connection.bid_farewell()
        return None

    def keep(self, connection: Connection) -> None:
        """Keep it for a while, or say goodbye."""
        loop = asyncio.get_running_loop()
        waiting = self._idle.setdefault((connection.server, connection.login), [])
        worn = (self.reuse_count and connection.used >= self.reuse_count) or \
            loop.time() - connection.since >= self.reuse_seconds
        if worn or not self.seconds or not connection.reusable or len(waiting) >= KEPT_EACH:
            connection.bid_farewell()
            return
        waiting.append((connection, loop.call_later(self.seconds, self._expire, connection)))

    def _expire(self, connection: Connection) -> None:
        key = (connection.server, connection.login)
        left = [entry for entry in self._idle.get(key, []) if entry[0] is not connection]
        if left:
            self._idle[key] = left
        else:
            self._idle.pop(key, None)
        connection.bid_farewell()

    def close(self) -> None:
        """Say goodbye to all."""
        for waiting in self._idle.values():
            for connection, timer in waiting:
                timer.cancel()
                connection.bid_farewell()
        self._idle.clear()


class Remote:
    """One SMTP or LMTP transport."""

    def __init__(self, options: RemoteOptions, lookups: Lookups) -> None:
        self.options = options
        self._lookups = lookups
        self._agent = "lmtp" if options.lmtp else "smtp"
        self._finder = Finder(lookups, options.port, options.mx, options.native, options.shuffle, options.is_own,
                              options.own_names, options.myhostname, options.unix_directory)
        self._pool = Pool(options.cache_seconds, options.reuse_seconds, options.reuse_count)

    async def deliver(self, envelope: Envelope, recipients: Sequence[Recipient], content: Content,
                      nexthop: str) -> list[Result]:
        """Hand over to the next hop; one result for each recipient, in order."""
        attempt = _Attempt(self._agent, envelope, recipients, self.options.probe if envelope.probe else "")
        servers = await self._finder.find(nexthop)
        if isinstance(servers, Unreachable):
            status = "bounced" if servers.dsn.startswith("5") else "deferred"
            attempt.settle_all(Verdict(status, servers.dsn, servers.text), None)
            return attempt.results()
        answered = 0
        for tried, server in enumerate(servers, 1):
            answered += await self._try(server, attempt, content, nexthop)
            if not attempt.open or tried == self.options.address_limit or \
                    (self.options.session_limit and answered >= self.options.session_limit):
                break
        return attempt.results()

    def close(self) -> None:
        """Close kept connections."""
        self._pool.close()

    async def _try(self, server: Endpoint, attempt: _Attempt, content: Content, nexthop: str) -> bool:
        """One server, for the recipients that are still open. Whether it answered."""
        try:
            login = await self._login(server, attempt.envelope.sender, nexthop)
        except LookupFailure as failure:
            attempt.settle_all(Verdict("deferred", "4.3.0", f"lookup failure: {failure.reason}"), None)
            return False
        kept = self._pool.take(server, login)
        if kept is not None and await self._send(kept, attempt, content):
            return True
        connection = await open_connection(server, self.options, login)
        if isinstance(connection, Refusal) and connection.tls and login.tls == "may":
            login = Login("none", login.domain, login.credentials)
            connection = await open_connection(server, self.options, login)
        if isinstance(connection, Refusal):
            attempt.settle_all(connection.verdict, server if connection.answered else None)
            return connection.answered
        await self._send(connection, attempt, content, fresh=True)
        return True

    async def _send(self, connection: Connection, attempt: _Attempt, content: Content, *, fresh: bool = False) -> bool:
        """Send on a connection. False: a kept connection proved dead before the server answered anything."""
        attempt.connected()
        try:
            verdicts = await connection.send(attempt.mail(connection.server), content)
        except BaseException:
            connection.bid_farewell()
            raise
        if not fresh and not connection.reusable and all(verdict.stale for verdict in verdicts):
            return False
        attempt.settle(verdicts, connection.server)
        self._pool.keep(connection)
        return True

    async def _login(self, server: Endpoint, sender: str, nexthop: str) -> Login:
        options = self.options
        level, credentials = options.tls, None
        domain = nexthop.partition(":")[0].strip("[]") if not nexthop.startswith("[") else nexthop[1:].partition("]")[0]
        for spec in options.tls_policy_maps:
            policy = await self._lookups.table(spec).get(nexthop) or await self._lookups.table(spec).get(domain)
            words = (policy or "").split()
            if words and words[0] in LEVELS:
                level = "may" if words[0] == "dane" else words[0]
                break
        if options.password_maps:
            keys = ([sender] if options.sender_passwords and sender else []) + [server.host, nexthop]
            credentials = await self._credentials(keys)
        return Login(level, domain, credentials)

    async def _credentials(self, keys: Sequence[str]) -> tuple[str, str] | None:
        for key in keys:
            for spec in self.options.password_maps:
                found = await self._lookups.table(spec).get(key)
                if found:
                    username, _, password = found.partition(":")
                    return username, password
        return None


class _Attempt:
    """The recipients of one delivery and what is known of each."""

    def __init__(self, agent: str, envelope: Envelope, recipients: Sequence[Recipient], probe: str = "") -> None:
        self.envelope = envelope
        self._agent = agent
        self._probe = probe
        self._recipients = recipients
        self._results: list[Result | None] = [None] * len(recipients)
        self._loop = asyncio.get_running_loop()
        self._began = self._sending = self._loop.time()
        for number, recipient in enumerate(recipients):
            if not speakable(recipient.address) or not speakable(envelope.sender):
                self._results[number] = Result(recipient, "bounced", "5.1.3", "bad address syntax", service=agent)
        self.open = [number for number, result in enumerate(self._results) if result is None]

    def connected(self) -> None:
        """Transmission begins."""
        self._sending = self._loop.time()

    def mail(self, server: Endpoint) -> Mail:
        """The message as it is handed to a server, for the recipients that are still open."""
        envelope, origin = self.envelope, self.envelope.origin
        address = f"IPV6:{origin.client_address}" if ":" in origin.client_address else origin.client_address
        return Mail(
            envelope.sender,
            [Target(one.address, one.notify, one.orcpt) for one in (self._recipients[number] for number in self.open)],
            envelope.size, envelope.body_type, envelope.smtputf8, envelope.ret, envelope.envid,
            {"NAME": _known(origin.client_name), "ADDR": _known(address), "PORT": _known(origin.client_port),
             "PROTO": origin.protocol, "HELO": origin.helo, "IDENT": origin.ident or envelope.queue_id,
             "SOURCE": origin.source}, self._probe)

    def settle(self, verdicts: Sequence[Verdict], server: Endpoint) -> None:
        """What one server made of the open recipients; deferred ones stay open."""
        still: list[int] = []
        for number, verdict in zip(self.open, verdicts, strict=True):
            self._results[number] = self._result(number, verdict, server)
            if verdict.status == "deferred":
                still.append(number)
        self.open = still

    def settle_all(self, verdict: Verdict, server: Endpoint | None) -> None:
        """The same for all open recipients. Without a server the relay is none."""
        for number in self.open:
            self._results[number] = self._result(number, verdict, server)
        if verdict.status != "deferred":
            self.open = []

    def results(self) -> list[Result]:
        """One for each recipient."""
        return [result for result in self._results if result is not None]

    def _result(self, number: int, verdict: Verdict, server: Endpoint | None) -> Result:
        now = self._loop.time()
        sending = max(self._sending, self._began) if server is not None else now
        return Result(
            self._recipients[number], verdict.status, verdict.dsn, verdict.text,
            relay=server.relay if server is not None else "none",
            delays=(sending - self._began, now - sending),
            remote_mta=server.host if server is not None and verdict.reply else "",
            diagnostic=verdict.reply, service=self._agent)


def _known(text: str) -> str:
    return "" if text == "unknown" else text
