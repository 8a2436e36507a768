"""Which TLS settings are old or have no effect? The findings of TLS-02 (tls.py)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gatepost.audit import features
from gatepost.audit.change import Change, RemoveSetting, SetValue
from gatepost.audit.finding import Finding, Fix, Severity
from gatepost.audit.rules.ignoring import ignored
from gatepost.audit.rules.written import Setting, settings
from gatepost.audit.subject import Subject
from gatepost.audit.version import Version
from gatepost.span import ConfigError

PROTOCOLS = re.compile(r"(smtpd?|lmtp)_tls_(mandatory_)?protocols$|tlsproxy_(client|tls)_(mandatory_)?protocols$")
CIPHERS = re.compile(r"(smtpd?|lmtp)_tls_(mandatory_)?ciphers$|tlsproxy_(client|tls)_(mandatory_)?ciphers$")
NAMES = ("SSLv2", "SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
OLD = NAMES[:4]
RANGES = Version(3, 6)
"""From here on `>=TLSv1.2` is understood."""
GOOD, GOOD_BEFORE = ">=TLSv1.2", "!SSLv2, !SSLv3, !TLSv1, !TLSv1.1"


def protocols(subject: Subject) -> Iterator[Finding]:
    """Protocol lists that are set. The built-in default allows TLS 1.0, too, but nobody wrote it."""
    for setting in settings(subject):
        if not PROTOCOLS.match(setting.name) or not setting.value.text or "$" in setting.value.text:
            continue
        problem, old = read(setting.value.text, subject.version)
        good = GOOD if subject.version >= RANGES else GOOD_BEFORE
        fix = Fix("allow TLS 1.2 and newer", (SetValue(setting.name, good, setting.service),))
        if problem:
            yield Finding("", Severity.HIGH, f"{setting.name}{setting.where}: {problem}", setting.span, setting.name,
                          setting.service, fix=fix)
        elif old:
            serious = "mandatory" in setting.name or old[0].startswith("SSL")
            yield Finding("", Severity.MEDIUM if serious else Severity.LOW,
                          f"{setting.name}{setting.where} allows {', '.join(old)}", setting.span, setting.name,
                          setting.service, fix=fix)


def read(text: str, version: Version) -> tuple[str, list[str]]:
    """(why this version cannot read a protocol list, or ""; the old protocols that it allows)."""
    known = {name.lower(): at for at, name in enumerate(NAMES)}
    excluded, included = set[int](), set[int]()
    low, high = 0, len(NAMES)
    for word in filter(None, re.split(r"[\s,:]+", text)):
        mark = re.match(r">=|<=|!|", word)
        assert mark is not None, "it may be empty"
        name = word[mark.end():].lower()
        if mark[0] in (">=", "<="):
            if version < RANGES:
                return f"Postfix {version} does not know {mark[0]}: there is no TLS at all", []
            if name.startswith("0"):
                continue
        if name not in known:
            return f"{word} is no version of TLS: there is no TLS at all", []
        match mark[0]:
            case ">=":
                low = known[name]
            case "<=":
                high = known[name] + 1
            case "!":
                excluded.add(known[name])
            case _:
                included.add(known[name])
    allowed = (included or set(range(len(NAMES)))) - excluded
    if not included:
        allowed &= set(range(low, high))
    if allowed and max(allowed) < NAMES.index("TLSv1.2"):
        return "neither TLS 1.2 nor 1.3 is allowed", []
    return "", [name for at, name in enumerate(NAMES) if at in allowed and name in OLD and name != "SSLv2"]


def ciphers(subject: Subject) -> Iterator[Finding]:
    """Grades of ciphers that protect nobody."""
    for setting in settings(subject):
        word = setting.value.text.lower()
        if CIPHERS.match(setting.name) and word in ("export", "low", "null"):
            yield Finding("", Severity.MEDIUM, f"{setting.name}{setting.where} = {word}: such ciphers protect nothing",
                          setting.span, setting.name, setting.service,
                          fix=Fix("write medium", (SetValue(setting.name, "medium", setting.service),)))


def outdated(subject: Subject) -> Iterator[Finding]:
    """Outdated TLS parameters, apart from postscreen's (PSC-06). Those that a security level replaced have been
    outdated since long before Postfix said so."""
    for setting in settings(subject):
        gone = features.OUTDATED.get(setting.name)
        if gone is None or "tls" not in setting.name or setting.name.startswith("postscreen_"):
            continue
        by_level = re.match(r"(\w+)_(use|enforce)_tls$", setting.name)
        if by_level:
            yield _by_level(subject, setting, by_level[1], by_level[2] == "enforce")
        elif subject.version >= gone.since:
            removed = gone.removed is not None and subject.version >= gone.removed
            what = f"is gone from Postfix {gone.removed}" if removed else f"is outdated since Postfix {gone.since}"
            instead = f"; use {gone.instead}" if gone.instead else ""
            fix = Fix("take it out", (RemoveSetting(setting.name, setting.service),), safe=True) if (
                not gone.instead) else Fix(f"use {gone.instead}")
            yield Finding("", Severity.MEDIUM, f"{setting.name}{setting.where} {what}{instead}", setting.span,
                          setting.name, setting.service, fix=fix)


def _by_level(subject: Subject, setting: Setting, program: str, enforces: bool) -> Finding:
    """`..._use_tls` and `..._enforce_tls`: in force only where no level is set, in main.cf or here."""
    level = f"{program}_tls_security_level"
    now = _level(subject, setting, level)
    severity = Severity.MEDIUM if subject.version >= features.OUTDATED[setting.name].since else Severity.LOW
    remove: Change = RemoveSetting(setting.name, setting.service)
    on = setting.value.text.lower() == "yes"
    if now:
        message = f"{setting.name}{setting.where} has no effect: {level} = {now} is in force"
        if on and enforces and now in ("none", "may"):
            return Finding("", Severity.HIGH, f"{message}, and TLS is not required", setting.span, setting.name,
                           setting.service,
                           fix=Fix(f"set {level}", (SetValue(level, "encrypt", setting.service), remove)))
        return Finding("", severity, message, setting.span, setting.name, setting.service,
                       fix=Fix("take it out", (remove,), safe=True))
    word = ("encrypt" if enforces else "may") if on else "none"
    fix = Fix(f"write {level} = {word}", (SetValue(level, word, setting.service), remove)) if on else Fix(
        "take it out", (remove,))
    return Finding("", severity, f"{setting.name}{setting.where} is outdated: write {level} = {word}", setting.span,
                   setting.name, setting.service, fix=fix)


def _level(subject: Subject, setting: Setting, level: str) -> str:
    """The security level that is set where an older parameter is, "" when none is."""
    here = subject.main if setting.entry is None else subject.settings(setting.entry)
    try:
        return (here.text(level) or "").strip()
    except ConfigError:
        return ""


def of_the_other_side(subject: Subject) -> Iterator[Finding]:
    """TLS parameters on a service that does not read them."""
    for setting in settings(subject):
        if setting.service and "_tls_" in setting.name and (why := ignored(setting)):
            yield Finding("", Severity.MEDIUM, f"{setting.name} on {setting.service} has no effect: {why}",
                          setting.span, setting.name, setting.service,
                          fix=Fix("take it out", (RemoveSetting(setting.name, setting.service),), safe=True))
