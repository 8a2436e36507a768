"""Restrictions about the client: its networks, names, login and certificate."""

from __future__ import annotations

from collections.abc import Awaitable

import gatepost.config.parameters as p
from gatepost.lookup.match import NameAddrList
from gatepost.lookup.patterns import address_number
from gatepost.policy.facts import Client, NameStatus
from gatepost.policy.question import Question
from gatepost.policy.refusal import Refusal
from gatepost.policy.restriction import Answer, Restriction, restriction
from gatepost.policy.verdict import Outcome


@restriction(may=(Outcome.OK,), subject="client")
def permit_mynetworks(question: Question, _: None) -> Answer | Awaitable[Answer]:
    """Permit clients in `mynetworks`."""
    networks, client = question.lists.mynetworks, question.facts.client
    if not networks.static:
        return _in_tables(networks, client)
    return Outcome.OK if networks.matches_now(client.name, client.address) else Outcome.DUNNO


async def _in_tables(networks: NameAddrList, client: Client) -> Answer:
    return Outcome.OK if await networks.matches(client.name, client.address) else Outcome.DUNNO


@restriction(may=(Outcome.OK,), subject="client")
def permit_inet_interfaces(question: Question, _: None) -> Answer:
    """Permit clients that use an address of this machine (`inet_interfaces`)."""
    own = address_number(question.facts.client.address) in question.lists.interfaces
    return Outcome.OK if own else Outcome.DUNNO


@restriction(may=(Outcome.OK,), subject="client")
def permit_sasl_authenticated(question: Question, _: None) -> Answer:
    """Permit clients that have logged in (AUTH)."""
    return Outcome.OK if question.facts.sasl_username else Outcome.DUNNO


async def _certificate_is_listed(question: Question) -> bool:
    tls = question.facts.tls
    if tls is None:
        return False
    for fingerprint in (tls.peer_fingerprint, tls.peer_pubkey_fingerprint):
        if fingerprint:
            found = await question.lists.relay_certificates.find(fingerprint)
            question.note("relay_clientcerts", fingerprint, found or "not found")
            if found is not None:
                return True
    return False


@restriction(may=(Outcome.OK,), subject="client")
async def permit_tls_clientcerts(question: Question, _: None) -> Answer:
    """Permit clients whose certificate or public key fingerprint is in `relay_clientcerts`."""
    return Outcome.OK if await _certificate_is_listed(question) else Outcome.DUNNO


@restriction(may=(Outcome.OK,), subject="client")
async def permit_tls_all_clientcerts(question: Question, _: None) -> Answer:
    """Permit clients with any certificate that a trusted authority signed, or with a listed fingerprint."""
    tls = question.facts.tls
    if tls is not None and tls.peer_trusted:
        return Outcome.OK
    return Outcome.OK if await _certificate_is_listed(question) else Outcome.DUNNO


def _unknown_client_code(question: Question, status: NameStatus) -> int:
    settled = status in (NameStatus.PERM, NameStatus.FORGED)
    return question.settings[p.UNKNOWN_CLIENT_REJECT_CODE] if settled else 450


@restriction("reject_unknown_client", subject="client")
def reject_unknown_client_hostname(question: Question, _: None) -> Answer:
    """Refuse clients whose address has no name, or a name that does not lead back to the address.

    The code is `unknown_client_reject_code`, 450 while the DNS only fails for now. Many honest clients are without.
    """
    client = question.facts.client
    if client.name_status is NameStatus.OK:
        return Outcome.DUNNO
    return Refusal(_unknown_client_code(question, client.name_status), "4.7.25",
                   f"Client host rejected: cannot find your hostname, [{client.address}]")


@restriction(subject="client")
def reject_unknown_reverse_client_hostname(question: Question, _: None) -> Answer:
    """Refuse clients whose address has no name at all (`unknown_client_reject_code`, 450 while the DNS fails)."""
    client = question.facts.client
    if client.reverse_name_status is NameStatus.OK:
        return Outcome.DUNNO
    return Refusal(_unknown_client_code(question, client.reverse_name_status), "4.7.1",
                   f"Client host rejected: cannot find your reverse hostname, [{client.address}]")


CLIENT: list[Restriction] = [
    permit_mynetworks, permit_inet_interfaces, permit_sasl_authenticated, permit_tls_clientcerts,
    permit_tls_all_clientcerts, reject_unknown_client_hostname, reject_unknown_reverse_client_hostname]
