"""Restrictions that ask DNS lists: of addresses (RBL, RFC 5782) and of names (RHSBL), to refuse or to permit."""

from __future__ import annotations

import ipaddress
import re
from datetime import datetime

import gatepost.config.parameters as p
from gatepost.config.expand import expand
from gatepost.config.located import Located
from gatepost.lookup.ask import DnsFailure, DnsStatus
from gatepost.lookup.rewrite import split
from gatepost.policy.arguments import DnsList
from gatepost.policy.question import Question, Subject
from gatepost.policy.refusal import Refusal, fitting_status, split_status
from gatepost.policy.restriction import Answer, Needs, Restriction, Takes, restriction
from gatepost.policy.restrictions.recipient import authorised
from gatepost.policy.verdict import Outcome
from gatepost.smtp.grammar import valid_hostname

LONGEST_REASON = 500  # bytes of TXT that go into a reply
MAY_PERMIT = (Outcome.OK, Outcome.DEFER_IF_REJECT)


def reversed_address(address: str) -> str | None:
    """4.3.2.1 for 1.2.3.4; reversed nibbles for IPv6 (RFC 5782 2.1, 2.4); None for what is no address."""
    try:
        return re.sub(r"\.(in-addr|ip6)\.arpa$", "", ipaddress.ip_address(address).reverse_pointer)
    except ValueError:
        return None


def _is_name(domain: str) -> bool:
    """Worth asking a list of names: no literal, no address."""
    return valid_hostname(domain) and not domain.rpartition(".")[2].isdigit()


async def _listed(question: Question, query: str, argument: DnsList) -> bool:
    """DnsFailure when it cannot be known."""
    try:
        answers = await question.lookups.a_records(query)
    except DnsFailure as failure:
        question.dns("A", query, failure)
        if failure.status is DnsStatus.NOT_FOUND:
            return False
        raise
    question.dns("A", query, " ".join(answers))
    return any(map(argument.lists, answers))


async def _refused_if_listed(question: Question, key: str | None, what: str, argument: DnsList, class_: str) -> Answer:
    if key is None:
        return Outcome.DUNNO
    query = f"{key}.{argument.domain}"
    try:
        if not await _listed(question, query, argument):
            return Outcome.DUNNO
    except DnsFailure as failure:
        question.warning(f"{query}: RBL lookup error: {failure.reason or failure.status.value}")
        return Outcome.DUNNO
    try:
        reason = " / ".join(await question.lookups.text(query))
    except DnsFailure:
        reason = ""
    reason = reason.encode("utf-8", "surrogateescape")[:LONGEST_REASON].decode("utf-8", "surrogateescape")
    return await _reply(question, argument, {"rbl_what": what, "rbl_class": class_, "rbl_reason": reason})


async def _reply(question: Question, argument: DnsList, hit: dict[str, str]) -> Answer:
    """Fill in the template for this list."""
    replies = question.lists.rbl_replies
    template = (await replies.find(argument.text) or await replies.find(argument.domain)) if replies else None
    template = template or question.settings[p.DEFAULT_RBL_REPLY]
    names = attributes(question) | hit | {
        "rbl_code": str(question.settings[p.MAPS_RBL_REJECT_CODE]), "rbl_domain": argument.domain,
        "rbl_txt": hit["rbl_reason"]}
    text = expand(Located(template), lambda name: Located(names[name]) if name in names else None).text
    if not re.match(r"[45][0-9]{2} ", text):
        question.warning(f"{argument.text}: malformed DNS list reply: {text}")
        return Refusal(450, "4.7.1", "Service unavailable")
    status, words = split_status(text[4:].lstrip(" "), f"{text[0]}.7.1")
    return Refusal(int(text[:3]), fitting_status(status, hit["rbl_class"]), words)


def attributes(question: Question) -> dict[str, str]:
    """What reply templates may name besides (the reject footer's names)."""
    facts, client = question.facts, question.facts.client
    sender_name, sender_domain = split(facts.sender or "")
    recipient_name, recipient_domain = split(question.recipient or "")
    return {"client": client.namaddr, "client_address": client.address, "client_name": client.name,
            "client_port": client.port, "reverse_client_name": client.reverse_name, "helo_name": facts.helo or "",
            "sender": facts.sender or "<>" if facts.sender is not None else "", "sender_name": sender_name,
            "sender_domain": sender_domain, "recipient": question.recipient or "", "recipient_name": recipient_name,
            "recipient_domain": recipient_domain, "server_name": question.settings[p.MYHOSTNAME],
            "localtime": datetime.now().astimezone().strftime("%b %d %H:%M:%S")}


async def _refused_name(question: Question, name: str, argument: DnsList, subject: Subject) -> Answer:
    if not _is_name(name):
        return Outcome.DUNNO
    return await _refused_if_listed(question, name, subject.name, argument, subject.class_)


@restriction("reject_rbl", takes=Takes.DOMAIN, subject="client")
async def reject_rbl_client(question: Question, argument: DnsList) -> Answer:
    """Refuse clients whose address is on the DNS list. Reply: `rbl_reply_maps`, else `default_rbl_reply`. A list that
    does not answer refuses nobody."""
    address = question.facts.client.address
    return await _refused_if_listed(question, reversed_address(address), address, argument, "Client host")


@restriction(takes=Takes.NOTHING, subject="client", removed="use reject_rbl_client domain-name instead",
             warns='support for restriction "reject_maps_rbl" will be removed from Postfix; '
                   'use "reject_rbl_client domain-name" instead')
async def reject_maps_rbl(question: Question, _: None) -> Answer:
    """Refuse clients on one of the DNS lists of `maps_rbl_domains`. Gone since Postfix 3.9."""
    address = question.facts.client.address
    for word in question.settings[p.MAPS_RBL_DOMAINS]:
        answer = await _refused_if_listed(question, reversed_address(address), address, DnsList(word.text, word.text),
                                          "Client host")
        if answer is not Outcome.DUNNO:
            return answer
    return Outcome.DUNNO


@restriction(takes=Takes.DOMAIN, subject="client")
async def reject_rhsbl_client(question: Question, argument: DnsList) -> Answer:
    """Refuse clients whose verified name is on the DNS list of names."""
    name = question.facts.client.name
    return Outcome.DUNNO if name == "unknown" else await _refused_name(
        question, name, argument, Subject(name, "Client host"))


@restriction(takes=Takes.DOMAIN, subject="client")
async def reject_rhsbl_reverse_client(question: Question, argument: DnsList) -> Answer:
    """Refuse clients whose unverified reverse name is on the DNS list of names."""
    name = question.facts.client.reverse_name
    return Outcome.DUNNO if name == "unknown" else await _refused_name(
        question, name, argument, Subject(name, "Unverified Client host"))


@restriction(needs=Needs.HELO, takes=Takes.DOMAIN, subject="helo")
async def reject_rhsbl_helo(question: Question, argument: DnsList) -> Answer:
    """Refuse HELO names that are on the DNS list of names."""
    return await _refused_name(question, question.helo, argument, Subject(question.helo, "Helo command"))


@restriction(needs=Needs.NAMED_SENDER, takes=Takes.DOMAIN, subject="sender")
async def reject_rhsbl_sender(question: Question, argument: DnsList) -> Answer:
    """Refuse senders whose domain is on the DNS list of names."""
    domain = split(question.facts.sender or "")[1]
    return await _refused_name(question, domain, argument, question.sender)


@restriction(needs=Needs.RECIPIENT, takes=Takes.DOMAIN, subject="recipient")
async def reject_rhsbl_recipient(question: Question, argument: DnsList) -> Answer:
    """Refuse recipients whose domain is on the DNS list of names."""
    domain = split(question.recipient or "")[1]
    return await _refused_name(question, domain, argument, question.recipient_subject)


async def _permitted_if_listed(question: Question, key: str | None, argument: DnsList) -> Answer:
    """A list never makes an open relay: the recipient has to be ours."""
    if key is None:
        return Outcome.DUNNO
    if question.recipient is not None and not await authorised(question):
        return Outcome.DUNNO
    try:
        return Outcome.OK if await _listed(question, f"{key}.{argument.domain}", argument) else Outcome.DUNNO
    except DnsFailure as failure:
        question.warning(f"{key}.{argument.domain}: DNSWL lookup error: {failure.reason or failure.status.value}")
        return Refusal(450, "4.7.1", question.client.rejected("Service unavailable"), Outcome.DEFER_IF_REJECT)


@restriction(takes=Takes.DOMAIN, may=MAY_PERMIT, subject="client")
async def permit_dnswl_client(question: Question, argument: DnsList) -> Answer:
    """Permit clients whose address is on the DNS list, for recipients in our own domains."""
    return await _permitted_if_listed(question, reversed_address(question.facts.client.address), argument)


@restriction(takes=Takes.DOMAIN, may=MAY_PERMIT, subject="client")
async def permit_rhswl_client(question: Question, argument: DnsList) -> Answer:
    """Permit clients whose verified name is on the DNS list of names, for recipients in our own domains."""
    name = question.facts.client.name
    if name == "unknown" or not _is_name(name):
        return Outcome.DUNNO
    return await _permitted_if_listed(question, name, argument)


DNS_LISTS: list[Restriction] = [
    reject_rbl_client, reject_maps_rbl, reject_rhsbl_client, reject_rhsbl_reverse_client, reject_rhsbl_helo,
    reject_rhsbl_sender, reject_rhsbl_recipient, permit_dnswl_client, permit_rhswl_client]
