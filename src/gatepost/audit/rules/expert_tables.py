"""Rules: tables that are none, domains of two kinds, classes without a list."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator

from gatepost.audit.finding import Finding, Fix, Note, Severity
from gatepost.audit.flow import Kind
from gatepost.audit.rule import rule
from gatepost.audit.rules.expert_values import in_force
from gatepost.audit.rules.names import arguments_of_unknown
from gatepost.audit.rules.written import lists, postfix_names, settings
from gatepost.audit.subject import Subject
from gatepost.config.unsupported import UNSUPPORTED
from gatepost.span import ConfigError, Span

TYPES = frozenset("""
    btree cdb cidr dbm environ fail hash inline internal ldap lmdb memcache mongodb mysql netinfo nis nisplus pcre pgsql
    pipemap proxy randmap regexp sdbm socketmap sqlite static tcp texthash unionmap unix
    """.split())  # noqa: SIM905 -- 30 words read better without quotes
TABLES = re.compile(r"(?:_maps|_checks)$|^alias_database$")
NO_TABLES = re.compile(r"^proxy_(?:read|write)_maps$")


@rule("EXP-15", Severity.HIGH)
def table_of_no_kind(subject: Subject) -> Iterator[Finding]:
    """A table whose type is missing or misspelt.

    What: A `..._maps` or `..._checks` item, or the table of a check, that is not `type:name` with a type that Postfix
    has.

    Why: The program ends with a fatal error (`expecting "type:name" form`), or answers every lookup with a temporary
    error (`unsupported dictionary type`), and with it the mail (Postfix dict_open).

    Bad:
        virtual_alias_maps = /etc/postfix/virtual
        transport_maps = hahs:/etc/postfix/transport

    Good:
        virtual_alias_maps = hash:/etc/postfix/virtual
        transport_maps = hash:/etc/postfix/transport

    Fix: Write the type, such as hash, texthash, pcre.
    """
    told: set[Span] = set()
    for setting in settings(subject):
        if TABLES.search(setting.name) and not NO_TABLES.search(setting.name) and setting.name in postfix_names():
            for word, span in setting.words():
                if span not in told and (problem := bad_table(word)):
                    told.add(span)
                    yield Finding("", Severity.HIGH, f"{problem} in {setting.name}{setting.where}", span, setting.name,
                                  setting.service, fix=Fix("write type:name"))
    for listed, _ in lists(subject):
        taken = arguments_of_unknown(listed)
        for item in listed.every:
            if id(item) in taken:
                continue
            spec = item.word if item.kind is Kind.TABLE else item.argument if item.table else ""
            span_here = item.span if item.kind is Kind.TABLE else item.argument_span
            if not spec or ":" not in spec or span_here is None or span_here in told:
                continue
            if problem := bad_table(spec):
                told.add(span_here)
                yield Finding("", Severity.HIGH, f"{problem} in {listed.name}", span_here, listed.name,
                              fix=Fix("write type:name"))


def bad_table(spec: str) -> str:
    """What is wrong with a table's name; "" when nothing is that can be known."""
    if spec.startswith(("$", "{", "#", '"', "'")) or spec == "\\":
        return ""
    type, colon, name = spec.partition(":")
    if not colon:
        return f"{spec} has no type: a table is written type:name" if spec.startswith(("/", "./")) else ""
    if "$" in type or not re.fullmatch(r"[A-Za-z0-9_-]+", type):
        return ""
    if type not in TYPES:
        near = next(iter(difflib.get_close_matches(type, sorted(TYPES), 1, 0.7)), "")
        return f"there is no table type {type}" + (f": did you mean {near}?" if near else "")
    return bad_table(name) if type == "proxy" else ""


@rule("EXP-16", Severity.MEDIUM)
def domain_in_two_classes(subject: Subject) -> Iterator[Finding]:
    """A domain is of two kinds at a time.

    What: A domain in two of `mydestination`, `virtual_mailbox_domains` and `virtual_alias_domains`, or in a virtual
    list and in `relay_domains`.

    Why: Mail for it is delivered as one kind only, recipients of the other kind are unknown; Postfix warns: `do not
    list domain in BOTH` (ADDRESS_CLASS_README).

    Bad:
        mydestination = localhost, example.org
        virtual_mailbox_domains = example.org

    Good:
        mydestination = localhost
        virtual_mailbox_domains = example.org

    Fix: Take it out of one of them.
    """
    lists = {name: _domains(subject, name) for name in
             ("mydestination", "virtual_alias_domains", "virtual_mailbox_domains", "relay_domains")}
    for one, two in (("mydestination", "virtual_alias_domains"), ("mydestination", "virtual_mailbox_domains"),
                     ("virtual_alias_domains", "virtual_mailbox_domains"), ("virtual_alias_domains", "relay_domains"),
                     ("virtual_mailbox_domains", "relay_domains")):
        for domain in lists[one].keys() & lists[two].keys():
            yield Finding("", Severity.MEDIUM, f"{domain} is in {one} and in {two}: its mail is delivered as one of "
                          "them only", lists[two][domain], two, fix=Fix(f"take it out of {one} or {two}"),
                          notes=(Note(f"in {one}", lists[one][domain]),))


def _domains(subject: Subject, name: str) -> dict[str, Span]:
    """The domains that a list names, and those of its tables that can be read here."""
    if not subject.is_set(name):
        return {}
    found: dict[str, Span] = {}
    try:
        words = subject.main.words(name)
    except ConfigError:
        return {}
    for word in words:
        if word.span is None:
            continue
        if ":" in word.text:
            for row in subject.table(word.text).rows or ():
                if row.key and row.span and not re.search(r"[/@^\s]", row.key):
                    found.setdefault(row.key.lower(), word.span)
        elif re.fullmatch(r"[A-Za-z0-9.-]+", word.text):
            found.setdefault(word.text.lower(), word.span)
    return found


@rule("EXP-17", Severity.MEDIUM)
def class_of_nothing(subject: Subject) -> Iterator[Finding]:
    """A restriction class that is named, but has no list.

    What: A word in `smtpd_restriction_classes` for which no parameter of that name is set.

    Why: The class is an empty list: where it is used, nothing is checked (RESTRICTION_CLASS_README).

    Bad:
        smtpd_restriction_classes = greylist

    Good:
        smtpd_restriction_classes = greylist
        greylist = check_policy_service inet:127.0.0.1:10023

    Fix: Set the class, or take its name out.
    """
    for setting in settings(subject):
        if setting.name != "smtpd_restriction_classes":
            continue
        here = in_force(subject, setting)
        for word, span in setting.words():
            if re.fullmatch(r"\w+", word) and word not in here.names() and word not in UNSUPPORTED:
                yield Finding("", Severity.MEDIUM, f"the class {word} has no list: where it is used nothing is checked",
                              span, setting.name, setting.service, fix=Fix(f"set {word}"))
