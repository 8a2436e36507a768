"""Who may log in, and how is a login told? AUTH between the session and Dovecot's authentication service.

Contract: a server that cannot be reached costs the client a temporary reply, never silence. This file must not know the
wire of either side.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from gatepost.config import parameters as p
from gatepost.config.settings import Settings
from gatepost.lookup.ask import LookupFailure, Lookups
from gatepost.lookup.dovecot import Challenge, Circumstances, DovecotAuth, Exchange, Success, allowed
from gatepost.lookup.match import StringList
from gatepost.smtp.events import Answered
from gatepost.smtp.facts import AuthFailed
from gatepost.smtp.reply import Reply
from gatepost.smtp.sentences import AUTHENTICATED
from gatepost.span import ConfigError

if TYPE_CHECKING:
    from gatepost.server.perform import Performer

NONE: Mapping[bool, tuple[str, ...]] = {False: (), True: ()}


class Logins:
    """The authentication service of one listening service."""

    def __init__(self, settings: Settings, lookups: Lookups, auth_only_tls: bool) -> None:
        self.auth: DovecotAuth | None = None
        self.service = settings[p.SMTPD_SASL_SERVICE]
        if not settings[p.SMTPD_SASL_AUTH_ENABLE]:
            return
        if settings[p.SMTPD_SASL_TYPE] != "dovecot":
            raise ConfigError("logins are checked by Dovecot only: set smtpd_sasl_type = dovecot",
                              settings.span(p.SMTPD_SASL_TYPE) or settings.span(p.SMTPD_SASL_AUTH_ENABLE),
                              settings[p.SMTPD_SASL_TYPE])
        path = settings[p.SMTPD_SASL_PATH]
        if not path.startswith(("inet:", "unix:", "/")):
            path = os.path.join(settings[p.QUEUE_DIRECTORY], path)
        self.auth = DovecotAuth(path)
        self._auth_only_tls = auth_only_tls
        self._options = {False: settings[p.SMTPD_SASL_SECURITY_OPTIONS],
                         True: settings[p.SMTPD_SASL_TLS_SECURITY_OPTIONS]}
        self._filter = StringList.of(settings[p.SMTPD_SASL_MECHANISM_FILTER], lookups)

    async def mechanisms(self) -> Mapping[bool, tuple[str, ...]]:
        """What may be offered, by "is TLS active". LookupFailure when the service cannot say."""
        if self.auth is None:
            return NONE
        known = await self.auth.mechanisms()
        offered: dict[bool, tuple[str, ...]] = {}
        for secured in (False, True):
            names = [] if self._auth_only_tls and not secured else allowed(known, self._options[secured])
            offered[secured] = tuple([name for name in names if await self._filter.matches(name)])
        return offered


class Login:
    """One login under way, or done."""

    __slots__ = ("_exchange", "mechanism")

    def __init__(self, mechanism: str) -> None:
        self.mechanism = mechanism
        self._exchange: Exchange | None = None

    async def _possible(self, on: Performer, logins: Logins, secured: bool) -> tuple[str, ...]:
        """What may be used: also what smtpd_sasl_exceptions_networks only keeps from being announced."""
        try:
            return (await logins.mechanisms())[secured]
        except LookupFailure:
            rights = on.session.rights
            return rights.mechanisms_tls if secured else rights.mechanisms

    async def step(self, on: Performer, response: str | None) -> Answered:
        """The client's next line (base64), None when there is none yet -> 334, 235 with the user name, or a refusal."""
        logins = on.service.logins
        assert logins.auth is not None
        if self._exchange is None:
            secured = on.session.tls
            told = Circumstances(logins.service, on.client.server_address, on.client.address, secured)
            self._exchange = await logins.auth.start(self.mechanism, response, told,
                                                     offered=await self._possible(on, logins, secured))
            step = self._exchange.step
        else:
            step = await self._exchange.respond(response or "")
        if isinstance(step, Challenge):
            return Answered(Reply(334, "", step.text))
        if isinstance(step, Success):
            return Answered(AUTHENTICATED, step.username)
        if step.username is not None:
            on.last_login = step.username
        on.teller.fact(AuthFailed(self.mechanism, step.reason, on.last_login))
        if step.temporary:
            return Answered(Reply(454, "4.7.0", f"Temporary authentication failure: {step.reason}"))
        return Answered(Reply(535, "5.7.8", f"Error: authentication failed: {step.reason}"))


async def offered(on: Performer) -> Mapping[bool, tuple[str, ...]]:
    """The mechanisms on offer to a client: none while the service cannot be asked."""
    try:
        return await on.service.logins.mechanisms()
    except LookupFailure as failure:
        on.teller.warning(failure.reason)
        return NONE
