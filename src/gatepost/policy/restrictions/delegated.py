"""The restriction that asks a policy server (SMTPD_POLICY_README), and what the server is told."""

from __future__ import annotations

import gatepost.config.parameters as p
from gatepost.lookup.ask import LookupFailure
from gatepost.policy.access import Entry, act
from gatepost.policy.arguments import PolicyServer
from gatepost.policy.question import Question
from gatepost.policy.restriction import Answer, Restriction, Takes, restriction
from gatepost.policy.verdict import Outcome
from gatepost.smtp.grammar import to_xtext


def attributes(question: Question, context: str) -> dict[str, str]:
    """The request, in wire order; empty where something is unknown."""
    facts, client, settings = question.facts, question.facts.client, question.settings
    after_data = facts.where in ("DATA", "BDAT", "END-OF-MESSAGE")
    request = {
        "request": "smtpd_access_policy",
        "protocol_state": "DATA" if facts.where == "BDAT" else facts.where,
        "protocol_name": facts.protocol,
        "client_address": client.address, "client_name": client.name, "client_port": client.port,
        "reverse_client_name": client.reverse_name,
        "server_address": client.server_address, "server_port": client.server_port,
        "helo_name": facts.helo or "", "sender": facts.sender or "", "recipient": question.recipient or "",
        "recipient_count": str(facts.recipient_count if after_data else 0),
        "queue_id": facts.queue_id, "instance": str(facts.instance or ""), "size": str(facts.size),
        "etrn_domain": facts.etrn_domain or "", "stress": settings[p.STRESS],
        "sasl_method": facts.sasl_method, "sasl_username": facts.sasl_username, "sasl_sender": facts.sasl_sender,
    }
    return request | _tls(question) | {
        "policy_context": context, "compatibility_level": settings[p.COMPATIBILITY_LEVEL],
        "mail_version": settings[p.MAIL_VERSION]}


def _tls(question: Question) -> dict[str, str]:
    """Certificate names only of a certificate that was verified."""
    tls = question.facts.tls
    if tls is None:
        return dict.fromkeys(("ccert_subject", "ccert_issuer", "ccert_fingerprint", "ccert_pubkey_fingerprint",
                              "encryption_protocol", "encryption_cipher"), "") | {"encryption_keysize": "0"}
    return {"ccert_subject": to_xtext(tls.peer_subject_cn) if tls.peer_trusted else "",
            "ccert_issuer": to_xtext(tls.peer_issuer_cn) if tls.peer_trusted else "",
            "ccert_fingerprint": tls.peer_fingerprint, "ccert_pubkey_fingerprint": tls.peer_pubkey_fingerprint,
            "encryption_protocol": tls.protocol, "encryption_cipher": tls.cipher,
            "encryption_keysize": str(tls.keysize)}


@restriction(takes=Takes.SERVER,
             may=(Outcome.OK, Outcome.REJECT, Outcome.DEFER_IF_PERMIT, Outcome.DEFER_IF_REJECT), subject="generic")
async def check_policy_service(question: Question, server: PolicyServer) -> Answer:
    """Ask a policy server; its action is read as an access(5) value. When it does not answer,
    `smtpd_policy_service_default_action` is."""
    endpoint = server.delegation.endpoint
    try:
        action = await question.lookups.delegate(server.delegation, attributes(question, server.context))
    except LookupFailure as failure:
        question.warning(failure.reason)
        action = server.default_action
    question.note("policy server", endpoint, action)
    return await act(question, Entry(endpoint, "", action, question.subject))


DELEGATED: list[Restriction] = [check_policy_service]
