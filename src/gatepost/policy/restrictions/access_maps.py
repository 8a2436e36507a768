"""Restrictions that look something up in an access(5) table: who, or the servers behind a domain.

Each judges what it looks up, whatever list it stands in. For servers that somebody else's DNS names, an OK is an error.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import gatepost.config.parameters as p
from gatepost.lookup.ask import DnsFailure, DnsStatus, Table
from gatepost.lookup.rewrite import literal_address
from gatepost.policy.access import Key, address_keys, client_keys, mail_keys, name_keys, search
from gatepost.policy.arguments import CertificateTable
from gatepost.policy.question import Question, Subject
from gatepost.policy.restriction import Answer, Needs, Restriction, Takes, restriction
from gatepost.policy.verdict import Outcome

MAY = (Outcome.OK, Outcome.REJECT, Outcome.DEFER_IF_PERMIT, Outcome.DEFER_IF_REJECT)
MAY_NOT_PERMIT = MAY[1:]


@restriction(takes=Takes.TABLE, may=MAY, subject="client")
async def check_client_access(question: Question, table: Table) -> Answer:
    """Look up the client: its name, parent domains, address, and networks by cutting the address at dots."""
    client = question.facts.client
    keys = client_keys(client.name, client.address, question.lists.access_parents)
    return await search(question, table, keys, question.client) or Outcome.DUNNO


@restriction(takes=Takes.TABLE, may=MAY_NOT_PERMIT, subject="client")
async def check_reverse_client_hostname_access(question: Question, table: Table) -> Answer:
    """Look up the unverified reverse name of the client, then its address."""
    client = question.facts.client
    keys = client_keys(client.reverse_name, client.address, question.lists.access_parents)
    return await search(question, table, keys, Subject(client.reverse_name, "Unverified Client host"),
                        never_ok=("check_reverse_client_hostname_access", client.reverse_name)) or Outcome.DUNNO


@restriction(needs=Needs.HELO, takes=Takes.TABLE, may=MAY, subject="helo")
async def check_helo_access(question: Question, table: Table) -> Answer:
    """Look up the HELO name and its parent domains."""
    keys = name_keys(question.helo, question.lists.access_parents)
    return await search(question, table, keys, Subject(question.helo, "Helo command")) or Outcome.DUNNO


@restriction(needs=Needs.ETRN, takes=Takes.TABLE, may=MAY, subject="etrn")
async def check_etrn_access(question: Question, table: Table) -> Answer:
    """Look up the ETRN domain and its parent domains."""
    domain = question.facts.etrn_domain or ""
    keys = name_keys(domain, question.lists.access_parents)
    return await search(question, table, keys, Subject(domain, "Etrn command")) or Outcome.DUNNO


@restriction(needs=Needs.SENDER, takes=Takes.TABLE, may=MAY, subject="sender")
async def check_sender_access(question: Question, table: Table) -> Answer:
    """Look up the sender address: in full, without extension, its domain and parents, `user@`. The null sender is
    looked up as `smtpd_null_access_lookup_key`."""
    if not question.facts.sender:
        null: list[Key] = [(question.settings[p.SMTPD_NULL_ACCESS_LOOKUP_KEY], False)]
        return await search(question, table, null, question.sender) or Outcome.DUNNO
    resolved = await question.resolve(question.facts.sender, sender=True)
    keys = mail_keys(resolved.address, question.lists.access_parents, question.settings[p.RECIPIENT_DELIMITER])
    return await search(question, table, keys, question.sender) or Outcome.DUNNO


@restriction(needs=Needs.RECIPIENT, takes=Takes.TABLE, may=MAY, subject="recipient")
async def check_recipient_access(question: Question, table: Table) -> Answer:
    """Look up the recipient address: in full, without extension, its domain and parents, `user@`. An OK counts as DUNNO
    when the local part asks for more routing (`a%b@c`): it would make an open relay."""
    resolved = await question.resolve(question.recipient or "")
    keys = mail_keys(resolved.address, question.lists.access_parents, question.settings[p.RECIPIENT_DELIMITER])
    answer = await search(question, table, keys, question.recipient_subject) or Outcome.DUNNO
    return Outcome.DUNNO if answer is Outcome.OK and resolved.routed and not question.discarded else answer


@restriction(takes=Takes.TABLE, may=MAY, subject="client")
async def check_sasl_access(question: Question, table: Table) -> Answer:
    """Look up the login name (AUTH)."""
    user = question.facts.sasl_username
    if not user:
        if not question.settings[p.SMTPD_SASL_AUTH_ENABLE]:
            question.warning("restriction `check_sasl_access' ignored: no SASL support")
        return Outcome.DUNNO
    return await search(question, table, [(user, False)], Subject(user, "SASL login name")) or Outcome.DUNNO


@restriction(takes=Takes.CERTIFICATE_TABLE, may=MAY, subject="client")
async def check_ccert_access(question: Question, argument: CertificateTable) -> Answer:
    """Look up the fingerprint of the client's certificate, then of its public key (or as `search_order` says)."""
    tls = question.facts.tls
    if tls is None or not tls.peer_present:
        return Outcome.DUNNO
    prints = {"cert_fingerprint": tls.peer_fingerprint, "pubkey_fingerprint": tls.peer_pubkey_fingerprint}
    keys: list[Key] = [(prints[name], False) for name in argument.order if prints[name]]
    subject = Subject(tls.peer_subject_cn, "Client certificate")
    return await search(question, argument.table, keys, subject) or Outcome.DUNNO


# --- the servers of a domain ---

async def _mail_servers(question: Question, domain: str) -> list[str]:
    """MX hosts; the domain itself where it has none; nobody for a null MX."""
    try:
        records = await question.lookups.mx(domain)
    except DnsFailure as failure:
        if failure.status is DnsStatus.NOT_FOUND:
            return [domain]
        raise
    return [record.host for record in records if record.host]


async def _name_servers(question: Question, domain: str) -> list[str]:
    """NS hosts of the domain, or of the nearest parent that has some."""
    while True:
        try:
            return list(await question.lookups.name_servers(domain))
        except DnsFailure as failure:
            _, _, parent = domain.partition(".")
            if failure.status is not DnsStatus.NOT_FOUND or "." not in parent:
                raise
            domain = parent


async def _itself(question: Question, domain: str) -> list[str]:
    return [domain]


Servers = Callable[[Question, str], Awaitable[list[str]]]
SERVERS: dict[str, Servers] = {"a": _itself, "mx": _mail_servers, "ns": _name_servers}


async def _addresses(question: Question, host: str, domain: str, kind: str) -> list[str]:
    try:
        found = await question.lookups.addresses(host)
    except DnsFailure as failure:
        question.dns("A", host, failure)
        question.warning(f"Unable to look up {kind.upper()} host {host} for {domain}: {failure.reason}")
        return []
    return list(found)[: question.settings[p.DNS_RR_LIST_LIMIT]]


async def _servers_access(question: Question, table: Table, kind: str, domain: str, subject: Subject,
                          name: str) -> Answer:
    """Judge the servers of a domain: host names (not for `a`), then their addresses."""
    never_ok = (name, domain)
    if domain.startswith("["):
        literal = literal_address(domain)
        if literal is None or kind == "ns":
            return Outcome.DUNNO
        return await search(question, table, address_keys(literal), subject, never_ok=never_ok) or Outcome.DUNNO
    try:
        hosts = await SERVERS[kind](question, domain)
    except DnsFailure as failure:
        question.dns(kind.upper(), domain, failure)
        if kind != "ns" or failure.status is not DnsStatus.NOT_FOUND:
            question.warning(f"Unable to look up {kind.upper()} host for {domain}: {failure.reason}")
        return Outcome.DUNNO
    for host in hosts[: question.settings[p.DNS_RR_LIST_LIMIT]]:
        found = None
        if kind != "a":
            keys = name_keys(host, question.lists.access_parents)
            found = await search(question, table, keys, subject, never_ok=never_ok)
        for address in [] if found else await _addresses(question, host, domain, kind):
            found = found or await search(question, table, address_keys(address), subject, never_ok=never_ok)
        if found:
            return found
    return Outcome.DUNNO


Target = Callable[[Question], Awaitable[tuple[str, Subject]]]


async def _client_target(question: Question) -> tuple[str, Subject]:
    return question.facts.client.name, question.client


async def _reverse_target(question: Question) -> tuple[str, Subject]:
    name = question.facts.client.reverse_name
    return name, Subject(name, "Unverified Client host")


async def _helo_target(question: Question) -> tuple[str, Subject]:
    return question.helo, Subject(question.helo, "Helo command")


async def _sender_target(question: Question) -> tuple[str, Subject]:
    return (await question.resolve(question.facts.sender or "", sender=True)).domain, question.sender


async def _recipient_target(question: Question) -> tuple[str, Subject]:
    return (await question.resolve(question.recipient or "")).domain, question.recipient_subject


def _of_servers(what: str, kind: str, needs: Needs, target: Target, subject: str) -> Restriction:
    name = f"check_{what}_{kind}_access"

    async def check(question: Question, table: Table) -> Answer:
        domain, judged = await target(question)
        if domain == "unknown" and subject == "client":
            return Outcome.DUNNO
        return await _servers_access(question, table, kind, domain, judged, name)

    servers = {"a": "addresses", "mx": "MX hosts and their addresses", "ns": "name servers and their addresses"}[kind]
    check.__doc__ = f"Look up the {servers} of {what.replace('_', ' ')}. An OK is an error: use DUNNO for exceptions."
    return restriction(name=name, takes=Takes.TABLE, needs=needs, may=MAY_NOT_PERMIT, subject=subject)(check)


TARGETS: list[tuple[str, Needs, Target, str]] = [
    ("client", Needs.NOTHING, _client_target, "client"),
    ("reverse_client_hostname", Needs.NOTHING, _reverse_target, "client"),
    ("helo", Needs.HELO, _helo_target, "helo"),
    ("sender", Needs.NAMED_SENDER, _sender_target, "sender"),
    ("recipient", Needs.RECIPIENT, _recipient_target, "recipient")]

ACCESS_MAPS: list[Restriction] = [
    check_client_access, check_reverse_client_hostname_access, check_helo_access, check_etrn_access,
    check_sender_access, check_recipient_access, check_sasl_access, check_ccert_access,
    *(_of_servers(what, kind, needs, target, subject)
      for what, needs, target, subject in TARGETS for kind in SERVERS)]
