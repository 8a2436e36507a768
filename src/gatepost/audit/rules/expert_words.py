"""Rules: words that are none of those a parameter knows, and login that needs no name."""

from __future__ import annotations

from collections.abc import Iterator

import gatepost.config.parameters as p
from gatepost.audit.change import AddItems, ReplaceItem
from gatepost.audit.finding import Finding, Fix, Severity
from gatepost.audit.nearest import Names
from gatepost.audit.rule import rule
from gatepost.audit.rules.authentication import offers_login
from gatepost.audit.rules.written import settings
from gatepost.audit.subject import Subject, together

SASL = "noplaintext noactive nodictionary noanonymous mutual_auth forward_secrecy"
EHLO = "8bitmime auth chunking dsn enhancedstatuscodes etrn pipelining requiretls silent-discard size smtputf8 " \
       "starttls vrfy xclient xforward"
ACTIONS = "ignore enforce drop"
WORDS: dict[str, frozenset[str]] = {name: frozenset(words.split()) for name, words in {
    "smtpd_discard_ehlo_keywords": EHLO,
    "smtp_discard_ehlo_keywords": EHLO,
    "lmtp_discard_ehlo_keywords": EHLO,
    "postscreen_discard_ehlo_keywords": EHLO,
    "receive_override_options": "no_unknown_recipient_checks no_address_mappings no_header_body_checks no_milters",
    "smtpd_sasl_security_options": SASL,
    "smtpd_sasl_tls_security_options": SASL,
    "smtp_sasl_security_options": SASL,
    "smtp_sasl_tls_security_options": SASL,
    "inet_protocols": "all ipv4 ipv6",
    "mynetworks_style": "host subnet class",
    "notify_classes": "2bounce bounce data delay policy protocol resource software",
    "postscreen_greet_action": ACTIONS,
    "postscreen_dnsbl_action": ACTIONS,
    "postscreen_denylist_action": ACTIONS,
    "postscreen_blacklist_action": ACTIONS,
    "postscreen_pipelining_action": ACTIONS,
    "postscreen_non_smtp_command_action": ACTIONS,
    "postscreen_bare_newline_action": ACTIONS,
    "smtpd_upstream_proxy_protocol": "haproxy",
    "postscreen_upstream_proxy_protocol": "haproxy",
    "milter_default_action": "accept reject tempfail quarantine shutdown",
}.items()}
"""The words that these parameters know (postconf(5))."""


@rule("EXP-18", Severity.HIGH)
def word_that_the_parameter_does_not_know(subject: Subject) -> Iterator[Finding]:
    """A word that is none of those a parameter knows.

    What: An option, keyword or action that the parameter does not have, most often misspelt.

    Why: An unknown `receive_override_options` or `..._security_options` word, or action of postscreen ends the program
    with a fatal error; an unknown EHLO keyword is only warned about, and the keyword that was meant stays announced
    (postconf(5)).

    Bad:
        receive_override_options = no_unknown_recipient_check, no_milters

    Good:
        receive_override_options = no_unknown_recipient_checks, no_milters

    Fix: Write the word that was meant.
    """
    for setting in settings(subject):
        known = WORDS.get(setting.name)
        if known is None or "$" in setting.value.text or "#" in setting.value.text:
            continue
        for word, span in setting.words():
            if word.lower() in known or word[0] in "\"'":
                continue
            near = Names(known).nearest(word.lower())
            fix = Fix(f"write {near}", (ReplaceItem(setting.name, word, near, setting.service),)) if near else None
            yield Finding("", Severity.HIGH, f"{setting.name}{setting.where} does not know {word}"
                          + (f": did you mean {near}?" if near else ""), span, setting.name, setting.service, fix=fix)


@rule("EXP-19", Severity.HIGH)
def login_without_a_name(subject: Subject) -> Iterator[Finding]:
    """Anybody may log in without a name.

    What: `smtpd_sasl_security_options` is set without `noanonymous` on a service that offers login.

    Why: With a password server that has the ANONYMOUS mechanism everybody logs in, and what
    `permit_sasl_authenticated` permits is permitted to everybody: an open relay (postconf(5), SASL_README).

    Bad:
        smtpd_sasl_security_options = noplaintext

    Good:
        smtpd_sasl_security_options = noanonymous, noplaintext

    Fix: Add noanonymous.
    """
    for parameter in (p.SMTPD_SASL_SECURITY_OPTIONS, p.SMTPD_SASL_TLS_SECURITY_OPTIONS):
        name = parameter.name
        free = [each for each in subject.listeners if offers_login(each) and each.is_set(name)
                and "noanonymous" not in {word.text.lower() for word in each.value(parameter, ())}]
        for place, same in together((each.place(name), each) for each in free).items():
            here = str(same[0].smtpd) if same[0].is_set_here(name) else ""
            fix = Fix("add noanonymous", (AddItems(name, ("noanonymous",), service=here),), safe=True)
            yield Finding("", Severity.HIGH, f"{name} lets clients log in without a name: noanonymous is missing",
                          place, name, here, fix=fix)
