"""Who is the client really, and how is it said? STARTTLS, AUTH, XCLIENT, XFORWARD and smtpd_command_filter."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gatepost.config import parameters as p
from gatepost.lookup.ask import LookupFailure
from gatepost.policy import identity
from gatepost.server.answers.asking import Answer, find_rights
from gatepost.server.answers.envelope import too_often
from gatepost.server.login import Login
from gatepost.smtp.events import Answered
from gatepost.smtp.reply import Reply
from gatepost.smtp.sasl import AuthStep
from gatepost.smtp.sentences import NOT_AUTHORISED, OK

if TYPE_CHECKING:
    from gatepost.server.perform import Performer


async def starttls(on: Performer, _: object) -> Answer:
    """smtpd_client_new_tls_session_rate_limit: asked before the handshake, counted after it."""
    service, client = on.service, on.client
    limit = service.rates.new_tls
    if not limit or not on.limited or service.limits.new_tls_so_far(service.name, client.address) <= limit:
        return None
    on.teller.warning(f"Refusing STARTTLS request from {client.namaddr} for service {service.name}")
    return Reply(454, "4.7.0", f"Error: too many new TLS sessions from {client.namaddr}")


async def new_tls(on: Performer, _: object) -> Answer:
    """The same limit after the handshake (a resumed session is not a new one), and smtpd_tls_req_ccert."""
    service, client = on.service, on.client
    lacking = _lacking_certificate(on)
    if lacking:
        on.teller.info(f"NOQUEUE: abort: TLS from {client.namaddr}: {lacking}")
        return Answered(Reply(421, "4.7.1", f"{service.options.hostname} Error: {lacking}"), "next command")
    if not service.rates.new_tls or on.connection.resumed or not on.limited:
        return None
    count = service.limits.new_tls(service.name, client.address)
    if count <= service.rates.new_tls:
        return None
    on.teller.warning(f"New TLS session rate limit exceeded: {count} from {client.namaddr} for service {service.name}")
    text = f"{service.options.hostname} Error: too many new TLS sessions from {client.namaddr}"
    return Reply(421, "4.7.0", text)


def _lacking_certificate(on: Performer) -> str:
    """What smtpd_tls_req_ccert misses, where TLS is demanded; "" for nothing."""
    tls = on.connection.secured
    if tls is None or not on.service.settings[p.SMTPD_TLS_REQ_CCERT] or not on.service.options.tls_enforced:
        return ""
    if not tls.peer_present:
        return "No client certificate presented"
    return "" if tls.peer_trusted else "Client certificate not trusted"


async def auth_rate(on: Performer, _: object) -> Answer:
    """smtpd_client_auth_rate_limit."""
    service, address = on.service, on.client.address
    count = service.limits.auth(service.name, address) if on.limited else 0
    return too_often(on, count, service.rates.auth, "AUTH command", "too many AUTH commands")


async def auth(on: Performer, step: AuthStep) -> Answer:
    """One step of a login."""
    if step.first:
        on.login = Login(step.mechanism)
    login = on.login
    assert login is not None
    answer = await login.step(on, step.response)
    if answer.reply is not None and answer.reply.code != 334:
        if answer.reply.positive:
            on.teller.sasl = (("sasl_method", login.mechanism), ("sasl_username", str(answer.context)))
        else:
            on.login = None
    return answer


async def xclient(on: Performer, attributes: list[tuple[str, str]]) -> Answer:
    """A new identity, with its own rights."""
    found = identity.xclient(on.client, attributes)
    if isinstance(found, Reply):
        return found
    on.client, presented = found
    on.teller.client = on.client
    on.login = Login("XCLIENT") if presented.login else None
    on.teller.sasl = (("sasl_method", "XCLIENT"), ("sasl_username", presented.login)) if presented.login else ()
    xforward = on.session.rights.xforward  # the peer's own right, whoever it speaks for
    await find_rights(on)
    on.session.rights = replace(on.session.rights, xforward=xforward)
    return Answered(None, {"helo": presented.helo, "protocol": presented.protocol, "login": presented.login})


async def xforward(on: Performer, attributes: list[tuple[str, str]]) -> Answer:
    """The original client, for logs and the next hop."""
    if not on.session.rights.xforward:
        return NOT_AUTHORISED
    found = identity.xforward(on.forwarded, attributes)
    if isinstance(found, Reply):
        return found
    on.forwarded = found
    return OK


async def command(on: Performer, text: str) -> Answer:
    """smtpd_command_filter: another command instead of this one."""
    table = on.service.command_filter
    assert table is not None
    try:
        found = await table.get(text.lstrip())
    except LookupFailure as failure:
        on.teller.warning(failure.reason)
        return Reply(421, "4.3.0", f"{on.service.options.hostname} Server local data error")
    if found is None:
        return Answered(None, text)
    on.teller.info(f'{on.client.namaddr}: replacing command "{text[:100]}" with "{found[:100]}"')
    return Answered(None, found)
