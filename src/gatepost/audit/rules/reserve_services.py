"""Rules: what is not wrong, but seldom meant: in services and tables. RSV-02, RSV-05, RSV-06, RSV-07."""

from __future__ import annotations

import re
from collections.abc import Iterator

import gatepost.config.parameters as p
from gatepost.audit.change import SetValue
from gatepost.audit.finding import Confidence, Finding, Fix, Severity
from gatepost.audit.listener import Listener, Role, named
from gatepost.audit.rule import rule
from gatepost.audit.rules.written import settings
from gatepost.audit.subject import Subject, together
from gatepost.span import Span

MILTERS = "smtpd_milters"
OVERRIDES = "receive_override_options"
VRFY = "disable_vrfy_command"
DISCARDED = "smtpd_discard_ehlo_keywords"
TYPES = ("default_database_type", "default_cache_db_type")
BERKELEY = ("hash", "btree")
WITHOUT = ("lmdb", "cdb", "texthash", "dbm", "sdbm")
JAILS = ("fail2ban-jail.cf", "jail.local")
MODES = re.compile(r"^\s*(?:mode\s*=\s*(extra|aggressive)\b|filter\s*=\s*postfix\[.*mode=(extra|aggressive)\b)")
SECTION = re.compile(r"^\[([^\]]+)\]")


@rule("RSV-02", Severity.LOW)
def filtered_mail_goes_through_the_milters_again(subject: Subject) -> Iterator[Finding]:
    """What the content filter gives back goes through the milters a second time.

    What: A service that takes mail back from a content filter has `smtpd_milters` in force, and neither an empty value
    of its own nor `no_milters` in `receive_override_options`.

    Why: Every message is signed, scanned or counted twice, and the second time the client is the filter itself
    (MILTER_README; FILTER_README switches milters off in its example).

    Bad:
        smtpd_milters = inet:localhost:11332
        127.0.0.1:10025 inet n - n - - smtpd -o content_filter=

    Good:
        smtpd_milters = inet:localhost:11332
        127.0.0.1:10025 inet n - n - - smtpd -o content_filter= -o smtpd_milters=

    Fix: An empty `smtpd_milters` for that service.
    """
    for listener in subject.listeners:
        if listener.role is not Role.REINJECTION or not listener.value(p.SMTPD_MILTERS, ()):
            continue
        options = {word.text.lower() for word in listener.value(p.RECEIVE_OVERRIDE_OPTIONS, ())}
        if "no_milters" in options or listener.is_set_here(MILTERS):
            continue
        change = SetValue(MILTERS, "", str(listener.smtpd))
        yield Finding("", Severity.LOW, f"{listener.name} takes back what was filtered and sends it through the "
                      "milters again", listener.smtpd.span, MILTERS, str(listener.smtpd),
                      fix=Fix("switch them off there", (change,)))


@rule("RSV-05", Severity.INFORMATION)
def strangers_may_ask_more_than_they_need(subject: Subject) -> Iterator[Finding]:
    """Strangers may ask which users exist, or for notices of delivery.

    What: A service for strangers answers VRFY, and main.cf says so: `disable_vrfy_command = no`. Or the operator chose
    in `smtpd_discard_ehlo_keywords` what is not announced there, and DSN still is. What nobody said is not told of:
    both are Postfix's defaults.

    Why: VRFY tells whether an address exists without a message: address lists are made with it. RFC 5321 3.5.3 lets
    a server answer everything alike. DSN lets a stranger have notices of success sent to whomever it names as the
    sender (RFC 3461 4.1; docker-mailserver #3572).

    Bad:
        disable_vrfy_command = no
        smtpd_discard_ehlo_keywords = chunking

    Good:
        disable_vrfy_command = yes
        smtpd_discard_ehlo_keywords = silent-discard, dsn, chunking

    Fix: `disable_vrfy_command = yes`; `dsn` among the keywords, and `silent-discard` to keep the log quiet.
    """
    told = [each for each in subject.public if each.is_set(VRFY) and not each.value(p.DISABLE_VRFY_COMMAND, True)]
    for place, listeners in together((each.place(VRFY), each) for each in told).items():
        holder = listeners[0].holder(VRFY)
        yield Finding("", Severity.INFORMATION, f"{named(listeners)} answers strangers who ask which users exist",
                      place, VRFY, holder, fix=Fix("answer nobody", (SetValue(VRFY, "yes", holder),), safe=True))
    offering = [each for each in subject.public if each.is_set(DISCARDED) and "dsn" not in _discarded(each)]
    for place, listeners in together((each.place(DISCARDED), each) for each in offering).items():
        holder = listeners[0].holder(DISCARDED)
        words = [word for word in _discarded(listeners[0]) if word != "silent-discard"]
        fix = Fix("announce no DSN", (SetValue(DISCARDED, ", ".join(["silent-discard", "dsn", *words]), holder),))
        message = f"{named(listeners)} announces DSN: strangers may have notices of success sent to others"
        yield Finding("", Severity.INFORMATION, message, place, DISCARDED, holder, fix=fix)


def _discarded(listener: Listener) -> tuple[str, ...]:
    return tuple(word.text.lower() for word in listener.settings.words(DISCARDED))


@rule("RSV-06", Severity.MEDIUM)
def tables_of_a_type_that_the_build_avoids(subject: Subject) -> Iterator[Finding]:
    """Tables need Berkeley DB, and the configuration says that this build does without.

    What: `default_database_type` (or the type of caches) is set to something other than hash and btree, and some tables
    are still `hash:` or `btree:`.

    Why: Distributions leave Berkeley DB out (its licence changed); who sets the default type has such a build, or moves
    to one. There every lookup in a `hash:` table fails with "unsupported dictionary type", and mail is put off
    (NON_BERKELEYDB_README).

    Bad:
        default_database_type = lmdb
        virtual_alias_maps = hash:/etc/postfix/virtual

    Good:
        default_database_type = lmdb
        virtual_alias_maps = lmdb:/etc/postfix/virtual

    Fix: Name the type that the build has, and run postmap again; or write `$default_database_type:`.
    """
    chosen = ""
    for name in TYPES:
        text = subject.main.text(name) or ""
        if subject.is_set(name) and text in WITHOUT:
            chosen = chosen or text
    if not chosen:
        return
    told: set[Span] = set()
    for setting in settings(subject):
        for word, place in setting.words():
            found = re.match(r"(?:proxy:)?(hash|btree):", word)
            if found is None or place in told:
                continue
            told.add(place)
            yield Finding("", Severity.MEDIUM, f"{word} needs Berkeley DB, and {TYPES[0]} says that this build uses "
                          f"{chosen}", place, setting.name, setting.service, Confidence.MEDIUM,
                          Fix(f"use {chosen}: and run postmap again"))


@rule("RSV-07", Severity.LOW)
def log_watcher_bans_whom_the_server_tests(subject: Subject) -> Iterator[Finding]:
    """The log watcher bans clients for a pipelining error, which probes of your own may make.

    What: A fail2ban jail for Postfix beside the configuration has `mode = extra` or `aggressive`, while
    `reject_unauth_pipelining` or `smtpd_forbid_unauth_pipelining` is in force.

    Why: These modes match "improper command pipelining". Monitoring that sends its QUIT together with EHLO (an
    old check_smtp, nagios-plugins #145) is banned, and so is every user behind its address.

    Bad:
        [postfix]
        mode = extra

    Good:
        [postfix]
        mode = normal
        ignoreip = 192.0.2.7

    Fix: Name the addresses of your probes in `ignoreip`.
    """
    if not any(_refuses_talk(listener) for listener in subject.public):
        return
    for name in JAILS:
        read = subject.read(name)
        if read is None:
            continue
        file, text = read
        section, at, ignores = "", 0, False
        for number, line in enumerate(text.splitlines(), 1):
            head = SECTION.match(line)
            section = head[1] if head else section
            ignores = ignores or line.strip().startswith("ignoreip")
            if MODES.match(line) and section.startswith("postfix"):
                at = at or number
        if at and not ignores:
            yield Finding("", Severity.LOW, "fail2ban bans every client that once talks out of turn, probes of your "
                          "own as well", Span(file, at), "", "", Confidence.LOW,
                          Fix("name the addresses of your probes in ignoreip"))


def _refuses_talk(listener: Listener) -> bool:
    checked = any(listed.working("reject_unauth_pipelining") for listed in listener.lists)
    return checked or listener.value(p.SMTPD_FORBID_UNAUTH_PIPELINING, False)
