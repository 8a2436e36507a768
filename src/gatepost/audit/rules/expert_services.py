"""Rules: entries of master.cf that do not do what is written there, and mail that goes round and round."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from gatepost.audit.change import RemoveSetting, SetField, SetValue
from gatepost.audit.finding import Confidence, Finding, Fix, Severity
from gatepost.audit.listener import Role, is_loopback
from gatepost.audit.rule import rule
from gatepost.audit.rules.ignoring import PROGRAMS, ignored
from gatepost.audit.rules.lines import is_service
from gatepost.audit.rules.written import settings
from gatepost.audit.subject import Subject, command
from gatepost.config.located import Located
from gatepost.config.master import OPTIONS_WITH_ARGUMENT, Service
from gatepost.span import ConfigError

WITH_ARGUMENTS = ("pipe", "spawn")
FILTERS = ("content_filter", "smtpd_proxy_filter")
TRANSPORTS = ("content_filter", "local_transport", "virtual_transport", "relay_transport", "default_transport",
              "mailbox_transport", "fallback_transport")


def words_behind(service: Service) -> tuple[Located, ...]:
    """The words behind the command's options."""
    at = 0
    while at < len(service.args) and (option := service.args[at].text).startswith("-"):
        at += 1 + (len(option) == 2 and option[1] in "o" + OPTIONS_WITH_ARGUMENT)
    rest = service.args[at:]
    if command(service) in ("smtp", "lmtp"):  # smtp(8): flags=DORX
        rest = tuple(word for word in rest if not word.text.startswith("flags="))
    return rest


@rule("EXP-02", Severity.HIGH)
def words_behind_the_options(subject: Subject) -> Iterator[Finding]:
    """A word behind a command that is no option: a blank in a value, a forgotten -o, a swallowed entry.

    What: Words that are left behind the options of a Postfix program in master.cf.

    Why: A blank ends an option's value: of `-o smtpd_client_restrictions=permit_mynetworks, reject` only the first half
    is in force, and smtpd ends with `unexpected command-line argument` for every client (master(5), Postfix smtpd).

    Bad:
        submission inet n - y - - smtpd
          -o smtpd_client_restrictions=permit_sasl_authenticated, reject
          smtpd_tls_security_level=encrypt

    Good:
        submission inet n - y - - smtpd
          -o smtpd_client_restrictions=permit_sasl_authenticated,reject
          -o smtpd_tls_security_level=encrypt

    Fix: No blanks in the value, or `-o { name = value }`; `-o` before each setting; entries in the first column.
    """
    for service in () if subject.master_assumed else subject.services:
        program = command(service)
        stray = words_behind(service)
        if not stray or program not in PROGRAMS or program in WITH_ARGUMENTS or stray[0].text.startswith("#"):
            continue
        word, last = stray[0], service.overrides[-1] if service.overrides else None
        if is_service(" ".join(each.text for each in stray)):
            why, advice = "an entry of its own begins in the first column", "begin it in the first column"
        elif "=" in word.text and not word.text.startswith("="):
            why, advice = "-o is missing before it", f"write -o {word.text}"
        elif last is not None:
            why, advice = f"a blank ends the value of {last.name}", "no blanks in the value, or -o { name = value }"
        else:
            why, advice = f"{program} takes no words", "take it out"
        yield Finding("", Severity.HIGH, f"{word.text} of {service} is no option: {why}", word.span(), "", str(service),
                      fix=Fix(advice))


@rule("EXP-06", Severity.HIGH)
def mail_goes_round(subject: Subject) -> Iterator[Finding]:
    """What the content filter gives back is sent to it again.

    What: The service that takes mail back from a content filter has that filter in force itself, most often because
    main.cf sets it and the override that empties it is missing; or the filter's address is a service of this Postfix.

    Why: Each message goes from filter to smtpd to filter until it has too many Received: headers, and bounces
    (FILTER_README, SMTPD_PROXY_README).

    Bad:
        content_filter = smtp-amavis:[127.0.0.1]:10024
        (master.cf)
        127.0.0.1:10025 inet n - n - - smtpd -o mynetworks=127.0.0.0/8

    Good:
        content_filter = smtp-amavis:[127.0.0.1]:10024
        (master.cf)
        127.0.0.1:10025 inet n - n - - smtpd -o mynetworks=127.0.0.0/8 -o content_filter=

    Fix: Empty the filter on the service that takes mail back.
    """
    for name in FILTERS:
        everywhere = (subject.main.text(name) or "").strip() if _expands(subject, name) else ""
        back = [listener for listener in subject.listeners if listener.role is Role.REINJECTION or (
            listener.role is Role.OTHER and listener.address and listener.is_loopback)]
        filtered = {listener.text(name).strip() for listener in subject.listeners if listener not in back}
        filtered.add(everywhere)
        free = [listener for listener in back if not listener.text(name).strip()]
        for listener in back:
            value = listener.text(name).strip()
            if value and value in filtered and (not free or listener.port == _port(value) + 1):
                yield Finding("", Severity.HIGH, f"mail comes back from the filter by {listener.name} and goes there "
                              f"again: {name} = {value} is in force", listener.smtpd.span, name, str(listener.smtpd),
                              fix=Fix(f"no {name} on {listener.name}", (SetValue(name, "", str(listener.smtpd)),),
                                      safe=True))
        for value in sorted(filtered - {""}):
            yield from _to_ourselves(subject, name, value)


def _expands(subject: Subject, name: str) -> bool:
    try:
        subject.main.text(name)
    except ConfigError:
        return False
    return True


def _port(value: str) -> int:
    """The port at the end of a filter's address; -1: none."""
    port = value.rpartition(":")[2]
    return int(port) if port.isascii() and port.isdigit() else -1


def _to_ourselves(subject: Subject, name: str, value: str) -> Iterator[Finding]:
    """A filter that is an smtpd of ours, on this host."""
    host = value.rpartition(":")[0].rpartition("[")[2].rstrip("]") if "[" in value else (
        value.removeprefix("inet:").rpartition(":")[0].rpartition(":")[2])
    if not is_loopback(host or "localhost"):
        return
    for listener in subject.listeners:
        if listener.port == _port(value) and (not listener.address or listener.is_loopback):
            using = next((each for each in subject.listeners if each.text(name).strip() == value), None)
            yield Finding("", Severity.HIGH, f"{name} = {value} is {listener.name} of this Postfix, not a filter",
                          using.place(name) if using else subject.main.span(name), name,
                          str(using.smtpd) if using and using.is_set_here(name) else "",
                          fix=Fix("give the filter's own port"))


@rule("EXP-07", Severity.MEDIUM)
def override_that_nobody_reads(subject: Subject) -> Iterator[Finding]:
    """An override of a service whose program does not read that parameter.

    What: `-o smtpd_...` on a client such as smtp or lmtp, `-o smtp_...` on smtpd, `-o header_checks=` or
    `-o relayhost=` on a service that leaves that to cleanup or to trivial-rewrite. (TLS parameters: TLS-02.)

    Why: Each program reads its own parameters (the manual pages of smtpd(8), smtp(8), cleanup(8), trivial-rewrite(8)).
    Nothing warns; what the override was to do is not done.

    Bad:
        submission inet n - y - - smtpd -o header_checks=pcre:/etc/postfix/submission_headers

    Good:
        submission inet n - y - - smtpd -o cleanup_service_name=submission-cleanup
        submission-cleanup unix n - - - 0 cleanup -o header_checks=pcre:/etc/postfix/submission_headers

    Fix: Put the override on the service whose program reads it, or take it out.
    """
    for setting in settings(subject):
        if setting.service and "_tls_" not in setting.name and (why := ignored(setting)):
            yield Finding("", Severity.MEDIUM, f"{setting.name} on {setting.service} has no effect: {why}",
                          setting.span, setting.name, setting.service,
                          fix=Fix("take it out", (RemoveSetting(setting.name, setting.service),)))


@rule("EXP-21", Severity.HIGH)
def program_that_postfix_does_not_have(subject: Subject) -> Iterator[Finding]:
    """An entry of master.cf runs a program that Postfix does not have.

    What: The command of an entry, without a directory, is none of Postfix's programs.

    Why: The master looks for it in `daemon_directory`. When it is not there, the service is not served: `bad command
    startup -- throttling` (master(5)).

    Bad:
        smtp inet n - y - - smptd

    Good:
        smtp inet n - y - - smtpd

    Fix: Write the program's name; one from elsewhere with its directory.
    """
    for service in () if subject.master_assumed else subject.services:
        if "/" in service.command or service.command in PROGRAMS:
            continue
        near = next(iter(difflib.get_close_matches(service.command, sorted(PROGRAMS), 1, 0.75)), "")
        name = str(service)
        fix = Fix(f"write {near}", (SetField(name, "command", near),)) if near else Fix("write the program's name")
        yield Finding("", Severity.HIGH if near else Severity.LOW, f"Postfix has no program {service.command}"
                      + (f": did you mean {near}?" if near else ""), service.span, "", name,
                      Confidence.HIGH if near else Confidence.LOW, fix)


@rule("EXP-11", Severity.HIGH)
def transport_without_a_service(subject: Subject) -> Iterator[Finding]:
    """Mail is sent to a transport that master.cf does not have.

    What: A transport parameter, or `content_filter`, names a service that is no entry of type unix in master.cf.

    Why: qmgr defers all such mail: `mail transport unavailable` (qmgr(8)).

    Bad:
        content_filter = smtp-amavis:[127.0.0.1]:10024

    Good:
        content_filter = smtp-amavis:[127.0.0.1]:10024
        (master.cf)
        smtp-amavis unix - - n - 2 smtp

    Fix: Add the entry to master.cf, or name one that is there.
    """
    names = {service.name for service in subject.services if service.type in ("unix", "fifo")}
    if subject.master_assumed or not {"qmgr", "cleanup"} <= names:  # a part of a master.cf
        return
    for setting in settings(subject):
        value = setting.value.text.split(":", 1)[0].strip()
        if setting.name in TRANSPORTS and value and "$" not in value and value not in names and " " not in value:
            yield Finding("", Severity.HIGH, f"{setting.name}{setting.where} names the transport {value}, which master."
                          "cf does not have: mail waits in the queue", setting.span, setting.name, setting.service,
                          fix=Fix(f"add a service {value} to master.cf"))
