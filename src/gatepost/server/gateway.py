"""How does a configuration become a running gateway? Services built, checked, and joined to spool, queue and delivery.

The work that server/daemon.py starts, reloads and ends. What is wrong in the operator's text is a ConfigError before
the first socket is bound. This file must not know how a client is served.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Callable, Sequence

from gatepost.config import parameters as p
from gatepost.config.honesty import smtpd_behind
from gatepost.config.load import Configuration
from gatepost.config.master import Service as Entry
from gatepost.config.settings import Settings
from gatepost.deliver.content import ContentPolicy
from gatepost.deliver.content_received import Naming
from gatepost.deliver.verify import Verifier
from gatepost.lookup.bcc import Copies
from gatepost.lookup.classes import Classes
from gatepost.lookup.match import AddressList, DomainList, matches_subdomains
from gatepost.lookup.peer import Peers
from gatepost.lookup.world import World
from gatepost.observe.log import Log
from gatepost.policy.evaluate import Policy
from gatepost.policy.facts import Client, NameStatus
from gatepost.policy.options import ClientLists, options_of
from gatepost.server.attend import attendant
from gatepost.server.connection import Attend
from gatepost.server.connections import Connections
from gatepost.server.custodian import Custodian
from gatepost.server.endpoints import endpoints, is_screened, takes_smtp
from gatepost.server.limits import Limits
from gatepost.server.listener import Door
from gatepost.server.login import Logins
from gatepost.server.message import Intake
from gatepost.server.queue_manager import spool_directory
from gatepost.server.replies import Wording
from gatepost.server.room import Room
from gatepost.server.screening import Screening, Screenings
from gatepost.server.screening_terms import tls_settings
from gatepost.server.service import Rates, Service
from gatepost.server.terms import Terms
from gatepost.server.tls_kept import KeptTls
from gatepost.span import ConfigError, Span

Load = Callable[[], Configuration]

RETIRING = 5.0  # seconds between looks at whether an old configuration still serves anybody


class Gateway:
    """Everything behind the listening sockets of one process."""

    def __init__(self, load: Load, log: Log, custodian: Custodian) -> None:
        """`custodian` keeps and delivers what is accepted."""
        self._load = load
        self._log = log
        self._custodian = custodian
        self._begun = False
        self._limits: Limits | None = None
        self._world: World | None = None
        self._connections: Connections | None = None
        self._peers = Peers()
        self._tls = KeptTls()
        self._screenings = Screenings(log)
        self._screening: list[Screening] = []  # the services that screen
        self._to_screen: list[Screening] = []  # those of what was read and is not adopted
        self._read: tuple[Configuration, World] | None = None  # not adopted yet
        self._retiring: set[asyncio.Task[None]] = set()

    # ------------------------------------------------------------------ for server/daemon.py

    async def doors(self, connections: Connections) -> Sequence[Door]:
        """Read the configuration and build its services."""
        if self._read is not None:
            await self._read[1].close()
            self._read = None
        configuration = self._load()
        tag = _tag(configuration.main, "smtpd")
        world = World(configuration.main, warn=lambda text: self._log.warning(tag, text),
                      error=lambda text: self._log.error(tag, text))
        world.prober = Verifier(configuration, world, new_id=self._new_id,
                                info=lambda daemon, text: self._log.info(_tag(configuration.main, daemon), text),
                                warn=lambda text: self._log.warning(_tag(configuration.main, "verify"), text))
        self._read = configuration, world
        self._connections = connections
        if self._limits is None:
            self._limits = Limits.of(configuration.main)
        await self._custodian.open(configuration)
        entries = [entry for entry in configuration.services if takes_smtp(entry)]
        if not entries:
            raise ConfigError("no service of master.cf takes SMTP (an inet service whose command is smtpd)",
                              Span(f"{configuration.directory}/master.cf", 1))
        self._to_screen = []
        found: list[Door] = []
        for entry in entries:
            terms, attend = self._entrance(configuration, entry, world)
            settings = configuration.settings(entry)
            found += [Door(endpoint, terms, attend, entry.span) for endpoint in endpoints(entry, settings)]
        _check_tables(configuration, world)
        for warning in mailbox_warnings(configuration.main, root=os.geteuid() == 0):
            self._log.warning(tag, warning)
        return found

    async def adopt(self) -> None:
        """From now on what was read last counts."""
        assert self._read is not None
        configuration, world = self._read
        await self._custodian.adopt(configuration)
        old_world, self._world, self._read = self._world, world, None
        if old_world is not None:
            retiring = asyncio.create_task(self._retire(old_world, self._screening))
            self._retiring.add(retiring)
            retiring.add_done_callback(self._retiring.discard)
        self._screening, self._to_screen = self._to_screen, []
        if self._begun:
            self._screenings.adopt(self._screening)

    async def begin(self) -> None:
        """Deliver what the spool holds, and what will come."""
        await self._custodian.begin()
        self._begun = True
        self._screenings.adopt(self._screening)

    async def finish(self) -> None:
        """End deliveries, close the spool."""
        await self._custodian.finish()
        for retiring in self._retiring:
            retiring.cancel()
        await asyncio.gather(*self._retiring, return_exceptions=True)
        for screening in self._screening:
            screening.close()
        await self._screenings.close()
        if self._world is not None:
            await self._world.close()
        if self._read is not None:
            await self._read[1].close()
        self._peers.close()
        self._log.flush()

    # ------------------------------------------------------------------ building

    async def _retire(self, world: World, screening: Sequence[Screening]) -> None:
        """Sessions that began under an old configuration keep its lookups to the end."""
        assert self._connections is not None
        live = self._connections.live
        served = set(live)
        try:
            while not served.isdisjoint(live):  # noqa: ASYNC110 -- no hurry, and nobody else asks
                await asyncio.sleep(RETIRING)
        finally:
            for each in screening:
                each.close()
            await world.close()

    def _entrance(self, configuration: Configuration, entry: Entry, world: World) -> tuple[Terms, Attend]:
        """The terms of a service's clients, and who serves them."""
        service = self._service(configuration, smtpd_behind(configuration, entry), configuration.serving(entry), world)
        if not is_screened(entry):
            return service.terms, attendant(service)
        settings = configuration.settings(entry)
        tls = self._server_tls(tls_settings(settings), _tag(settings, "postscreen"))
        behind = configuration.service(service.name, "pass")
        screening = self._screenings.make(
            entry.name, settings, service, world, tls=tls, trusts_proxy=_trusted_proxies(settings, world),
            places=configuration.process_limit(behind) if behind else configuration.main[p.DEFAULT_PROCESS_LIMIT])
        self._to_screen.append(screening)
        return screening.doors

    def _service(self, configuration: Configuration, entry: Entry, settings: Settings, world: World) -> Service:
        assert self._limits is not None
        tag = _tag(settings, "smtpd")
        strict = settings[p.GATEPOST_COMPATIBILITY] != "postfix"
        tls = self._server_tls(settings, tag)
        options = options_of(settings, world, tls_ready=tls is not None)
        classes = Classes(settings, world)
        policy = Policy(settings, world, classes)
        for problem in policy.problems():
            raise problem
        for warning in policy.warnings():
            self._log.warning(tag, warning)
        for unreachable in policy.unreachable():
            if strict:
                self._log.warning(tag, str(unreachable))
        terms = Terms.of(settings, tls, _trusted_proxies(settings, world))
        below = matches_subdomains(settings[p.PARENT_DOMAIN_MATCHES_SUBDOMAINS], p.FAST_FLUSH_DOMAINS.name)
        command_filter = settings[p.SMTPD_COMMAND_FILTER]
        return Service(
            name=entry.name,
            tag=tag,
            settings=settings,
            options=options,
            terms=terms,
            lists=ClientLists(settings, world),
            rates=Rates.of(settings),
            limits=self._limits,
            policy=policy,
            lookups=world,
            classes=classes,
            copies=Copies(settings, world, classes),
            fast_flush=DomainList.of(settings[p.FAST_FLUSH_DOMAINS], below, world, strict=strict),
            intake=self._intake(settings, world, _tag(configuration.main, "cleanup")),
            room=Room(spool_directory(settings), settings[p.QUEUE_MINFREE], settings[p.MESSAGE_SIZE_LIMIT]),
            logins=Logins(settings, world, options.tls_auth_only),
            wording=Wording(settings, world),
            log=self._log,
            flush=lambda domain: self._custodian.flush(),
            name_client=self._name_client if settings[p.SMTPD_PEERNAME_LOOKUP] else None,
            command_filter=world.table(command_filter) if command_filter else None,
            greet_pause=settings[p.GATEPOST_GREET_PAUSE] / 1000,
        )

    def _server_tls(self, settings: Settings, tag: str) -> ssl.SSLContext | None:
        tls = self._tls.of(settings, lambda text: self._log.warning(tag, text))
        if tls.problem is not None:
            if settings[p.GATEPOST_COMPATIBILITY] != "postfix":
                self._log.warning(tag, str(tls.problem))
            self._log.warning(tag, "No server certs available. TLS won't be enabled")
        return tls.context

    def _intake(self, settings: Settings, world: World, cleanup: str) -> Intake:
        """`cleanup`: the tag of its lines, which is no service's own."""
        return Intake(
            keeper=self._custodian.keeper,
            content=ContentPolicy(settings, world),
            naming=Naming.of(settings),
            filter=settings[p.CONTENT_FILTER],
            overrides=frozenset(word.text for word in settings[p.RECEIVE_OVERRIDE_OPTIONS]),
            tag=_tag(settings, "smtpd"),
            info=lambda text: self._log.info(cleanup, text),
            warning=lambda text: self._log.warning(cleanup, text),
        )

    # ------------------------------------------------------------------ what services call

    async def _name_client(self, client: Client) -> Sequence[str]:
        found = await self._peers.peer(client.address)
        client.name, client.reverse_name = found.name, found.reverse_name
        client.name_status, client.reverse_name_status = NameStatus(found.status), NameStatus(found.reverse_status)
        client.namaddr = f"{client.name}[{client.address}]"
        return [found.warning] if found.warning else []

    def _new_id(self) -> str:
        return self._custodian.keeper.new_id()


def _trusted_proxies(settings: Settings, world: World) -> Callable[[str], bool]:
    """Which addresses may say who the client is."""
    trusted = AddressList.of(settings[p.GATEPOST_TRUSTED_PROXIES], world, strict=True)
    if not trusted.static:
        raise ConfigError("gatepost_trusted_proxies takes addresses, not tables",
                          settings.span(p.GATEPOST_TRUSTED_PROXIES))
    return trusted.matches_now if settings[p.GATEPOST_TRUSTED_PROXIES] else lambda _: True


def _tag(settings: Settings, daemon: str) -> str:
    return f"{settings[p.SYSLOG_NAME]}/{daemon}"


def mailbox_warnings(settings: Settings, *, root: bool) -> list[str]:
    """What an operator should know whose mailboxes belong to several users: without root we write as one."""
    user = settings[p.GATEPOST_USER]
    if not root or not user:
        return []
    found = []
    for agent, transport, domains in (("local", p.LOCAL_TRANSPORT, p.MYDESTINATION),
                                      ("virtual", p.VIRTUAL_TRANSPORT, p.VIRTUAL_MAILBOX_DOMAINS)):
        if settings[domains] and settings[transport].partition(":")[0].strip() == agent:
            found.append(f"{transport.name} = {settings[transport]}: mailboxes are written as {user}, and those of "
                         "other users cannot be; deliver by LMTP, or set gatepost_user to nothing to stay root")
    return found


def _check_tables(configuration: Configuration, world: World) -> None:
    """A table that cannot be opened is found now rather than by the first client; Postfix finds it at its use."""
    if configuration.main[p.GATEPOST_COMPATIBILITY] == "postfix":
        return
    for spec, problem in world.problems():
        for entry in (None, *configuration.services):
            settings = configuration.main if entry is None else configuration.settings(entry)
            for name in settings.names():
                for word in settings.words(name):
                    if spec in word.text:
                        raise ConfigError(f"{spec}: {problem.message}", word.span or problem.span, word.text)
        raise ConfigError(f"{spec}: {problem.message}", problem.span, spec)
