"""Which overrides of docker-mailserver do not do what they say? Findings of OPS-01 (operations.py); mistyped names are
LST-01's (lists.py).

Lists that throw away what start-up put into them, lines of postfix-master.cf that nothing reads, parameters that are
dropped, settings that something later replaces. Plain Postfix has none of this.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping

from gatepost.audit.change import AddItems, Change, Rename, SetValue
from gatepost.audit.finding import Confidence, Finding, Fix, Note, Severity
from gatepost.audit.rules.names import near_parameter
from gatepost.audit.subject import Subject
from gatepost.config.dms.effective import Effective
from gatepost.config.dms.master_lines import TWINS, Ignored, MasterLine
from gatepost.config.dms.names import RECEIVE_ACCESS, SEND_ACCESS
from gatepost.config.dms.startup import INJECTED
from gatepost.config.source import Entry

ENTRY = re.compile(r"\S+\s+(?:inet|unix|unix-dgram|fifo|pass)\s+[-yn]\s")
"""An entry as master.cf has it."""
CERTIFICATES = ("smtpd_tls_cert_file", "smtpd_tls_key_file", "smtpd_tls_eccert_file", "smtpd_tls_eckey_file",
                "smtpd_tls_dcert_file", "smtpd_tls_dkey_file")
RECIPIENT = "smtpd_recipient_restrictions"


def found(subject: Subject) -> Iterator[Finding]:
    """Every trap the override files fell into."""
    understood = subject.docker
    if understood is None:
        return
    yield from _lost(subject, understood)
    yield from _lines(understood)
    yield from _certificates(understood)
    for entry in understood.dropped:
        if not near_parameter(entry.name):
            yield _dropped(understood, entry)
    for entry, by in understood.overwritten:
        if (finding := _overwritten(understood, entry, by)) is not None:
            yield finding


def misspelt(subject: Subject) -> Iterator[Finding]:
    """Parameters that docker-mailserver drops because their names are misspelt: findings of LST-01."""
    understood = subject.docker
    if understood is not None:
        yield from (_dropped(understood, entry) for entry in understood.dropped if near_parameter(entry.name))


def _injected(understood: Effective, name: str) -> Mapping[str, str]:
    """What start-up put into a parameter: item -> why."""
    value = understood.image.get(name, "")
    items = dict(INJECTED) if name == RECIPIENT else {}
    for match in re.finditer(r"check_\w+_access \S+/(\S+?)(?=,|\s|$)", value):
        if match[1] in (SEND_ACCESS, RECEIVE_ACCESS):
            items[match[0]] = match[1]
    if name in ("smtpd_milters", "non_smtpd_milters"):
        items |= {f"${milter}_milter": variable for milter, variable in (
            ("dkim", "ENABLE_OPENDKIM"), ("dmarc", "ENABLE_OPENDMARC"), ("rspamd", "ENABLE_RSPAMD"))}
    if name == "virtual_alias_maps":
        items["pcre:/etc/postfix/regexp"] = "postfix-regexp.cf"
    if name == "mua_sender_restrictions" and understood.folder.environment.on("SPOOF_PROTECTION"):
        items["reject_authenticated_sender_login_mismatch"] = "SPOOF_PROTECTION"
    return {item: why for item, why in items.items() if _has(value, item)}


def _has(value: str, item: str) -> bool:
    """Is the item in the list?"""
    words = " ".join(re.split(r"[,\s]+", value))
    return f" {item} " in f" {words} "


def _lost(subject: Subject, understood: Effective) -> Iterator[Finding]:
    """Lists in postfix-main.cf that replace what start-up put together."""
    in_force = understood.main_cf.last()
    for entry in (understood.override.last() if understood.override else {}).values():
        injected = _injected(understood, entry.name)
        now = in_force.get(entry.name)
        if not injected or now is None:
            continue
        text = f"{now.value.text} {subject.main.text(entry.name) or ''}"
        lost = {item: why for item, why in injected.items() if not _has(text, item)}
        if lost:
            told = ", ".join(f"{item} ({why})" for item, why in lost.items())
            severity = Severity.LOW if "milters" in entry.name else Severity.HIGH  # other milters are often meant
            yield Finding("", severity, f"{entry.name} here replaces the list that start-up puts together: {told} "
                          f"{'is' if len(lost) == 1 else 'are'} lost", entry.span, entry.name,
                          fix=Fix("put in again what start-up had there", tuple(_restored(entry, lost))))


def _restored(entry: Entry, lost: Mapping[str, str]) -> Iterator[Change]:
    words = re.split(r"[,\s]+", entry.value.text.strip())
    last = words[-1] if words[-1] in ("permit", "reject", "defer") else None
    first = words[0] if words and words[0] else None
    for item in lost:
        if item.startswith("check_policy_service"):
            yield AddItems(entry.name, (item,), last)
        else:
            yield AddItems(entry.name, (item,), None if "_milter" in item or "_maps" in entry.name else first)


def _lines(understood: Effective) -> Iterator[Finding]:
    """Lines of postfix-master.cf that do nothing; an entry in master.cf's own form is one finding with its options."""
    options: list[MasterLine] = []
    entry: MasterLine | None = None
    for line in [*understood.master_lines, None]:
        if entry is not None and line is not None and line.text.startswith("-o"):
            options.append(line)
            continue
        if entry is not None:
            yield _entry(entry, options)
        entry, options = None, []
        if line is None or line.ignored is None:
            continue
        if ENTRY.match(line.text):
            entry = line
        else:
            yield _ignored(understood, line)


def _entry(line: MasterLine, options: list[MasterLine]) -> Finding:
    name, kind = line.text.split()[:2]
    rest = f" and its {len(options)} options do nothing" if options else " does nothing"
    advice = f"write each option as {name}/{kind}/parameter=value; user-patches.sh can make a new service"
    return Finding("", Severity.HIGH, f"this entry{rest}: the file is no master.cf, each line is "
                   "service/type/parameter=value", line.span, fix=Fix(advice))


def _ignored(understood: Effective, line: MasterLine) -> Finding:
    """A line of postfix-master.cf that does nothing."""
    why = line.ignored
    assert why is not None, "asked of ignored lines only"
    hint, changes, confidence = "", list[Change](), Confidence.HIGH
    value = line.value.text if line.value else ""
    if why is Ignored.BLANK:
        hint = ": postconf -P takes none, write a list with commas only or a $name that postfix-main.cf sets"
        changes.append(SetValue(line.name, value, line.key))
    elif why is Ignored.LOST:
        hint = f": the {understood.release} image does not read it"
        if line.name:
            changes.append(SetValue(line.name, value, line.key))
    elif why is Ignored.SERVICE:
        hint, twin = _missing(understood, line)
        if twin:
            changes.append(SetValue(line.name, value, f"{twin}/{line.type}"))
    elif why is Ignored.NO_VALUE or line.text.startswith("-o"):
        hint = ": the file is no master.cf, each line is service/type/parameter=value"
    return Finding("", Severity.HIGH, f"this line does nothing: it {why.value}{hint}", line.ignored_span or line.span,
                   line.name, "", confidence, fix=Fix("write it so that it is read", tuple(changes)))


def _missing(understood: Effective, line: MasterLine) -> tuple[str, str]:
    """(what to say about a service that is not there, the name it has now)."""
    names = {str(service) for service in understood.master_cf.services}
    twin = TWINS.get(line.service, "")
    if f"{twin}/{line.type}" in names:
        return f": in {understood.release} {line.service} is called {twin}", twin
    if line.key in names:
        return ": user-patches.sh makes it, and runs later; set the option there", ""
    if line.service.endswith(":10025"):
        return ": without ENABLE_AMAVIS=1 there is none", ""
    near = difflib.get_close_matches(line.key, sorted(names), n=1)
    return (f": did you mean {near[0]}?" if near else ": user-patches.sh can make one, with postconf -M"), ""


def _dropped(understood: Effective, entry: Entry) -> Finding:
    """A parameter that docker-mailserver throws away."""
    broken = understood.release.name == "14.0"
    effect = "docker-mailserver drops it"
    if broken:
        effect += ", and v14.0 writes the warning about it into main.cf, which then does not read"
    if entry.name.count("/") == 2:
        return Finding("", Severity.HIGH, f"{entry.name} is no parameter: this line belongs into postfix-master.cf",
                       entry.span, entry.name)
    near = near_parameter(entry.name)
    if near:
        return Finding("", Severity.HIGH if broken else Severity.MEDIUM, f"Postfix has no parameter {entry.name}: "
                       f"{effect}; did you mean {near}?", entry.span, entry.name,
                       fix=Fix(f"write {near}", (Rename(entry.name, near),)))
    return Finding("", Severity.HIGH if broken else Severity.MEDIUM, f"Postfix has no parameter {entry.name}, and "
                   f"nothing that start-up has read by then refers to ${entry.name}: {effect}", entry.span, entry.name)


def _certificates(understood: Effective) -> Iterator[Finding]:
    """Certificate files that Postfix does not look at, because start-up sets smtpd_tls_chain_files."""
    chain = understood.main_cf.last().get("smtpd_tls_chain_files")
    for entry in (understood.override.last() if understood.override else {}).values():
        if entry.name in CERTIFICATES and chain is not None and chain.value.text and entry.value.text:
            yield Finding("", Severity.HIGH, f"{entry.name} has no effect: smtpd_tls_chain_files is set, and comes "
                          "before it", entry.span, entry.name, notes=(Note("set here", chain.span),),
                          fix=Fix("name key and certificates by SSL_TYPE in the environment"))


def _overwritten(understood: Effective, entry: Entry, by: str) -> Finding | None:
    """A setting of postfix-main.cf that something later replaces."""
    now = understood.main_cf.last().get(entry.name)
    if now is None or now.value.text.split() == entry.value.text.split():
        return None
    if by == "ENABLE_SRS":
        span = understood.folder.environment.span("ENABLE_SRS")
        return Finding("", Severity.HIGH, f"{entry.name} has no effect: with ENABLE_SRS=1 start-up sets it to "
                       f"{now.value.text} after reading this file", entry.span, entry.name,
                       fix=Fix("set it in user-patches.sh, which runs later, or do without SRS"),
                       notes=(Note("switched on here", span),) if span else ())
    kept = {run.place.file for run in now.value.runs if run.place is not None}
    if entry.span.file in kept:
        return None  # the script takes this value and changes it
    return Finding("", Severity.MEDIUM, f"{entry.name} has no effect: user-patches.sh sets it to {now.value.text}",
                   entry.span, entry.name, notes=(Note("set here", now.span),),
                   fix=Fix("keep one of the two"))
