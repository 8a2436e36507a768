"""Rules: values that do not read, refer to nothing, or contradict another value."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gatepost.audit.change import SetValue
from gatepost.audit.finding import Confidence, Finding, Fix, Severity
from gatepost.audit.nearest import Names
from gatepost.audit.rule import rule
from gatepost.audit.rules.turns import DATA
from gatepost.audit.rules.written import Setting, kind, postfix_names, settings
from gatepost.audit.subject import Subject
from gatepost.config.parameter import DECLARED
from gatepost.config.settings import Settings
from gatepost.span import ConfigError

YES, NO = ("true", "on", "1", "enable", "enabled", "y", "ja", "oui"), ("false", "off", "0", "disable", "disabled", "n")
BARE_NEWLINE = "smtpd_forbid_bare_newline"  # SMUG-02 judges its words, by version
REFERENCE = re.compile(r"(?<!\$)\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\}|\(([A-Za-z_]\w*)\))")
OF_A_DELIVERY = re.compile(r"_command|_footer$|_reply$|_path$|_filter$|luser_relay|debugger|_template|_directory$"
                           r"|_checks$|_transport_maps$|_command_maps$|mailbox_(base|command)|^proxy_(read|write)_maps$|_size_notice|_notice")
"""Parameters whose $names may be attributes of a message, a delivery or a session."""


def in_force(subject: Subject, setting: Setting) -> Settings:
    """What is in force where a setting stands."""
    return subject.main if setting.entry is None else subject.settings(setting.entry)


def _is_spoilt(setting: Setting) -> bool:
    """Do quotes or a comment make the value unreadable? Other rules tell."""
    marks = ("#", '"', "'")
    return any(mark in setting.value.text for mark in marks) and any(
        word.startswith(marks) for word, _ in setting.words())


@rule("EXP-08", Severity.HIGH)
def value_that_does_not_read(subject: Subject) -> Iterator[Finding]:
    """A value that Postfix cannot read.

    What: Something else than yes or no where one of them is wanted, a number with a unit or a word behind it, a time
    with an unknown unit, an unknown word where one of a few is wanted, a $name that leads back to itself, a brace that
    is not closed.

    Why: The program that reads the parameter ends with a fatal error: `bad boolean configuration`, `bad numerical
    configuration`, `bad time value or unit`, `unreasonable macro call nesting` (postconf(5)).

    Bad:
        smtpd_helo_required = true
        message_size_limit = 50M

    Good:
        smtpd_helo_required = yes
        message_size_limit = 52428800

    Fix: Write the value as the parameter wants it.
    """
    for setting in settings(subject):
        declared = DECLARED.get(setting.name)
        if setting.name == BARE_NEWLINE or (declared is not None and declared.raw) or _is_spoilt(setting):
            continue
        here = in_force(subject, setting)
        try:
            problem = _problem(here, setting.name)
            if declared is not None:
                here[declared]
        except ConfigError as error:
            problem = error.message
        if problem:
            end = "" if problem.endswith("match") else ": what reads it ends with a fatal error"
            yield Finding("", Severity.HIGH, f"{problem}{end}", setting.span, setting.name, setting.service,
                          fix=_readable(setting))


def _problem(here: Settings, name: str) -> str:
    """Why the value of a parameter that is not declared does not read; "" when it does."""
    text = (here.text(name) or "").strip()
    if (kind(name) == "words" or name.endswith("_maps")) and text.count("{") != text.count("}"):
        return f"the braces of {name} do not match"
    if name in DECLARED:
        return ""
    match kind(name):
        case "yes_no":
            return "" if text.lower() in ("yes", "no") else f"bad boolean configuration: {name} = {text}"
        case "number":
            return "" if re.fullmatch(r"[+-]?\d+", text) else f"bad numerical configuration: {name} = {text}"
        case "duration":
            good = re.fullmatch(r"\d+([smhdw].*)?", text, re.IGNORECASE | re.DOTALL)
            return "" if good else f"parameter {name}: bad time value or unit: {text}"
    return ""


def _readable(setting: Setting) -> Fix:
    word = setting.value.text.lower()
    size = re.fullmatch(r"(\d+)\s*([kmg])i?b?", word)
    if kind(setting.name) == "yes_no" and word in YES + NO:
        value = "yes" if word in YES else "no"
    elif kind(setting.name) == "number" and size:
        value = str(int(size[1]) << {"k": 10, "m": 20, "g": 30}[size[2]])
    else:
        return Fix("write it as the parameter wants it")
    return Fix(f"write {value}", (SetValue(setting.name, value, setting.service),))


@rule("EXP-09", Severity.MEDIUM)
def reference_to_nothing(subject: Subject) -> Iterator[Finding]:
    """A $name that stands for nothing.

    What: A value refers to a name that is neither a parameter of Postfix nor set here.

    Why: It expands to nothing; postconf warns of an `undefined parameter`. In a list the items that were meant are
    missing (postconf(5)).

    Bad:
        smtpd_recipient_restrictions = $my_check, reject_unauth_destination

    Good:
        my_checks = permit_mynetworks
        smtpd_recipient_restrictions = $my_checks, reject_unauth_destination

    Fix: Correct the name, or set it.
    """
    everywhere = subject.main_cf.last().keys() | postfix_names()
    names: Names | None = None
    for setting in settings(subject):
        declared = DECLARED.get(setting.name)
        if "$" not in setting.value.text or OF_A_DELIVERY.search(setting.name) or (
                declared is not None and declared.raw):
            continue
        here = everywhere if not setting.service else everywhere | set(in_force(subject, setting).names())
        told: set[str] = set()
        for found in REFERENCE.finditer(setting.value.text):
            name = found[found.lastindex or 1]
            if name in here or name in told or (setting.name == DATA and setting.value.text == found[0]):
                continue  # the last is PIPE-07's
            told.add(name)
            names = names or Names(everywhere)  # not before one is needed
            near = names.nearest(name)
            hint = f"; did you mean ${near}?" if near else ""
            yield Finding("", Severity.MEDIUM, f"${name} in {setting.name}{setting.where} stands for nothing{hint}",
                          setting.value.span(found.start(), found.end()), setting.name, setting.service,
                          Confidence.HIGH if near else Confidence.MEDIUM,
                          Fix(f"write ${near}" if near else f"set {name}, or take it out"))


@rule("EXP-12", Severity.HIGH)
def mailboxes_smaller_than_messages(subject: Subject) -> Iterator[Finding]:
    """A mailbox may not be as large as a message.

    What: `mailbox_size_limit` (local) or `virtual_mailbox_limit` (virtual) is smaller than `message_size_limit`.

    Why: local(8) and virtual(8) end with a fatal error when they start, and all their mail waits in the queue
    (postconf(5)). The default of both limits is 51200000.

    Bad:
        message_size_limit = 104857600

    Good:
        message_size_limit = 104857600
        mailbox_size_limit = 0
        virtual_mailbox_limit = 0

    Fix: Raise the mailbox's limit, or take it away (0).
    """
    size = _number(subject, "message_size_limit")
    for limit_name, domains, transport in (("mailbox_size_limit", "mydestination", "local_transport"),
                                           ("virtual_mailbox_limit", "virtual_mailbox_domains", "virtual_transport")):
        limit = _number(subject, limit_name)
        if size is None or not limit or (size and limit >= size) or not _uses(subject, domains, transport):
            continue
        place = subject.main.span(limit_name) or subject.main.span("message_size_limit")
        certain = Confidence.HIGH if subject.is_set(domains) else Confidence.MEDIUM
        told = f"{limit_name} ({limit}) is smaller than message_size_limit ({size or 'none'})"
        yield Finding("", Severity.HIGH, f"{told}: the delivery program does not start", place,
                      limit_name if subject.is_set(limit_name) else "message_size_limit", confidence=certain,
                      fix=Fix(f"no {limit_name}", (SetValue(limit_name, "0"),)))


def _number(subject: Subject, name: str) -> int | None:
    try:
        return int(subject.main.text(name) or "")
    except (ConfigError, ValueError):
        return None


def _uses(subject: Subject, domains: str, transport: str) -> bool:
    """Does mail for these domains go to the delivery program of this name?"""
    try:
        program = (subject.main.text(transport) or "").partition(":")[0]
        return program == transport.removesuffix("_transport") and bool((subject.main.text(domains) or "").strip())
    except ConfigError:
        return False
