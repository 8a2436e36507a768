"""Rules: screening of clients (postscreen): is it wired, does it act, is it named as this version names it."""

from __future__ import annotations

from collections.abc import Iterator

import gatepost.config.parameters as p
from gatepost.audit.change import AddService, RemoveSetting, Rename, SetField, SetValue
from gatepost.audit.finding import Confidence, Finding, Fix, Note, Severity
from gatepost.audit.listener import named
from gatepost.audit.rule import rule
from gatepost.audit.screens import Screen, every_setting, screens, settings_together
from gatepost.audit.subject import Subject, command
from gatepost.audit.version import Version

SMTPD = "smtpd      pass  -       -       n       -       -       smtpd"
DNSBLOG = "dnsblog    unix  -       -       n       -       0       dnsblog"
TLSPROXY = "tlsproxy   unix  -       -       n       -       0       tlsproxy"
RENAMED = Version(3, 6)


@rule("PSC-01", Severity.MEDIUM)
def screening_is_not_wired(subject: Subject) -> Iterator[Finding]:
    """Screening is configured, but master.cf does not run it, or not whole.

    What: `postscreen_...` is set and port 25 runs smtpd directly; or postscreen lacks the `pass` smtpd that it hands
    clients to, has another process limit than 1, or lacks the `dnsblog` or `tlsproxy` service that it needs.

    Why: The settings have no effect, postscreen does not start, its clients hear 421, or its DNS tests and STARTTLS
    fail (POSTSCREEN_README).

    Bad:
        smtp inet n - n - - postscreen

    Good:
        smtp     inet  n - n - 1 postscreen
        smtpd    pass  - - n - - smtpd
        dnsblog  unix  - - n - 0 dnsblog
        tlsproxy unix  - - n - 0 tlsproxy

    Fix: Write the four lines as in Postfix's own master.cf.
    """
    if subject.master_assumed:
        return
    found = screens(subject)
    if not found:
        yield from _unused(subject)
    for screen in found:
        yield from _wiring(subject, screen)


def _unused(subject: Subject) -> Iterator[Finding]:
    entries = [entry for entry in subject.main_cf.entries
               if entry.name.startswith("postscreen_") and entry.value.text.strip()]
    direct = [listener for listener in subject.listeners if listener.port == 25]
    if entries and direct:
        yield Finding("", Severity.MEDIUM, f"{entries[0].name} has no effect: no service runs postscreen, port 25 is "
                      f"served by {named(direct)} directly", entries[0].span, entries[0].name,
                      fix=Fix("put postscreen in front of smtpd in master.cf, or take its settings out"),
                      notes=(*[Note(f"so has {entry.name}", entry.span) for entry in entries[1:4]],
                             Note("this one runs smtpd", direct[0].service.span)))


def _wiring(subject: Subject, screen: Screen) -> Iterator[Finding]:
    service, name = screen.service, screen.name

    def finding(message: str, fix: Fix) -> Finding:
        return Finding("", Severity.MEDIUM, message, service.span, "", name, fix=fix)

    limit = subject.main[p.DEFAULT_PROCESS_LIMIT] if service.maxproc is None else service.maxproc
    if limit != 1:
        yield finding(f"{name} has a process limit of {limit or 'none'}: postscreen ends unless it is 1",
                      Fix("limit it to one process", (SetField(name, "maxproc", "1"),), safe=True))
    behind = screen.text("smtpd_service_name") or "smtpd"
    smtpd = subject.service(behind, "pass")
    if smtpd is None or command(smtpd) != "smtpd":
        yield finding(f"{name} hands clients to the service {behind}/pass, and there is no smtpd of that name and type",
                      Fix("add it", (AddService(f"{behind}/pass", SMTPD.replace("smtpd", behind, 1)),), safe=True))
    for helper, line, wanted in (("dnsblog", DNSBLOG, bool(screen.words(p.POSTSCREEN_DNSBL_SITES))),
                                 ("tlsproxy", TLSPROXY, screen.offers_tls)):
        called = screen.text(f"{helper}_service_name") or helper
        entry = subject.service(called, "unix")
        if wanted and entry is None:
            what = "look up postscreen_dnsbl_sites" if helper == "dnsblog" else "do STARTTLS"
            yield finding(f"{name} cannot {what}: there is no service {called}/unix",
                          Fix("add it", (AddService(f"{called}/unix", line.replace(helper, called, 1)),), safe=True))
        elif wanted and entry is not None and helper == "dnsblog" and entry.maxproc != 0:
            yield Finding("", Severity.MEDIUM, f"{entry} has a process limit: dnsblog ends unless it is 0 (none)",
                          entry.span, "", str(entry),
                          fix=Fix("take the limit away", (SetField(str(entry), "maxproc", "0"),), safe=True))


ACTIONS = (
    ("postscreen_greet_action", "postscreen_greet_banner", "clients that talk before the greeting is complete"),
    ("postscreen_dnsbl_action", "postscreen_dnsbl_sites", "clients on the DNS lists"),
    ("postscreen_denylist_action", "postscreen_access_list", "clients that postscreen_access_list rejects"),
)
"""Action, what makes its test find somebody, and whom."""


@rule("PSC-02", Severity.MEDIUM)
def screening_lets_everybody_pass(subject: Subject) -> Iterator[Finding]:
    """Screening finds offenders and lets them pass.

    What: The action for clients that talk too early, are on the DNS lists, or are rejected by the access list is
    `ignore`, which is Postfix's default, and the test can find somebody.

    Why: With `ignore` a failed test is logged, and repeated at the next connection (POSTSCREEN_README).

    Bad:
        postscreen_greet_action = ignore

    Good:
        postscreen_greet_action = enforce

    Fix: Set the action to `enforce` once the log shows that no good client fails.
    """
    for action, test, whom in ACTIONS:
        name = "postscreen_blacklist_action" if "deny" in action and subject.version < RENAMED else action
        idle = [screen for screen in screens(subject) if screen.is_public and _finds(screen, test)
                and (screen.text(name).lower() or "ignore") in ("ignore", "continue")]
        for (place, here), found in settings_together(idle, name).items():
            said = "is" if place is not None else "is by default"
            tested = found[0].settings.span(test)
            yield Finding("", Severity.MEDIUM, f"{name} {said} `ignore`: {whom} are served all the same", place, name,
                          here, fix=Fix("act on it", (SetValue(name, "enforce", here),)),
                          notes=(Note("whom it would concern", tested),) if tested else ())


def _finds(screen: Screen, test: str) -> bool:
    """Can the test find anybody?"""
    if test == "postscreen_dnsbl_sites":
        return any(site.weight > 0 for _, site in screen.sites)
    return screen.rejects if test == "postscreen_access_list" else bool(screen.text(test))


DEEP = ("pipelining", "non_smtp_command", "bare_newline")


@rule("PSC-03", Severity.MEDIUM)
def deep_tests_put_everybody_off(subject: Subject) -> Iterator[Finding]:
    """A test after the greeting puts off every new client.

    What: `postscreen_pipelining_enable`, `postscreen_non_smtp_command_enable` or `postscreen_bare_newline_enable` is
    `yes`. Where a score on DNS allow lists excuses known senders it is told for information.

    Why: postscreen cannot hand over a session that it has begun to talk in: it answers 4xx and the client must come
    again. Large senders come again from other addresses, for hours (POSTSCREEN_README).

    Bad:
        postscreen_bare_newline_enable = yes

    Good:
        postscreen_bare_newline_enable = no

    Fix: Switch it off, or excuse known senders by `postscreen_dnsbl_allowlist_threshold` and share the cache. Gatepost
    itself goes on in the same session.
    """
    for test in DEEP:
        name = f"postscreen_{test}_enable"
        on = [screen for screen in screens(subject) if screen.text(name).lower() == "yes"]
        for (place, here), found in settings_together(on, name).items():
            excused = all(screen.excuses for screen in found)
            rest = ", except those with a score on allow lists" if excused else ""
            yield Finding("", Severity.INFORMATION if excused else Severity.MEDIUM,
                          f"{name} answers 4xx to every new client{rest}", place, name, here,
                          fix=Fix("switch it off", (SetValue(name, "no", here),)))


@rule("PSC-04", Severity.INFORMATION)
def action_of_a_test_that_is_off(subject: Subject) -> Iterator[Finding]:
    """An action is set for a test that is off.

    What: The action of a test after the greeting is set while the test's `_enable` is `no`.

    Why: A test that is off runs only for clients that have failed an earlier one, and its action is for them alone: the
    setting looks as if it protected more (POSTSCREEN_README; docker-mailserver sets it so).

    Bad:
        postscreen_bare_newline_action = enforce

    Good:
        postscreen_bare_newline_action = enforce
        postscreen_bare_newline_enable = yes

    Fix: Say so in a comment, or take it out.
    """
    for test in DEEP:
        name = f"postscreen_{test}_action"
        off = [screen for screen in screens(subject) if screen.settings.span(name) is not None
               and screen.text(f"postscreen_{test}_enable").lower() != "yes"]
        for (place, here), _ in settings_together(off, name).items():
            yield Finding("", Severity.INFORMATION, f"{name} concerns only clients that failed an earlier test: "
                          f"postscreen_{test}_enable is not on", place, name, here,
                          fix=Fix("take it out, or say in a comment what it is for"))


NAMES = (
    ("postscreen_blacklist_action", "postscreen_denylist_action", RENAMED),
    ("postscreen_whitelist_interfaces", "postscreen_allowlist_interfaces", RENAMED),
    ("postscreen_dnsbl_whitelist_threshold", "postscreen_dnsbl_allowlist_threshold", RENAMED),
    ("postscreen_dnsbl_ttl", "postscreen_dnsbl_max_ttl", Version(3, 1)),
)
LEVELS = {"postscreen_use_tls": "may", "postscreen_enforce_tls": "encrypt"}


@rule("PSC-06", Severity.LOW)
def name_of_another_version(subject: Subject) -> Iterator[Finding]:
    """A screening parameter has the name of another version.

    What: `postscreen_blacklist_action`, `postscreen_whitelist_interfaces`, `postscreen_dnsbl_whitelist_threshold`
    (until 3.5), `postscreen_dnsbl_ttl` (until 3.0), `postscreen_use_tls` and `postscreen_enforce_tls`, or the names
    that replaced them, on a version that has the others.

    Why: The old names are warned about since 3.11 (TLS: 3.9) and will go; the new ones are ignored by a version before
    them, and Postfix's default is in force (DEPRECATION_README).

    Bad:
        postscreen_blacklist_action = drop

    Good:
        postscreen_denylist_action = drop

    Fix: Use the name of the version that runs.
    """
    for name, value, place, here in every_setting(subject, "postscreen_"):
        for old, new, since in NAMES:
            if name == old and subject.version >= since:
                both = any(each == new and at == here for each, _, _, at in every_setting(subject, "postscreen_"))
                change = RemoveSetting(old, here) if both else Rename(old, new, here)
                yield Finding("", Severity.LOW, f"{old} is called {new} since Postfix {since}", place, name, here,
                              fix=Fix("take it out: the new one is set" if both else "rename it", (change,), safe=True))
            elif name == new and subject.version < since:
                message = f"Postfix {subject.version} ignores {new}: before {since} it is called {old}"
                yield Finding("", Severity.MEDIUM, message, place, name, here,
                              fix=Fix("use the old name", (Rename(new, old, here),)))
        if name in LEVELS:
            level = LEVELS[name] if value.lower() == "yes" else "none"
            message = f"{name} is outdated: postscreen_tls_security_level = {level} says it"
            changes = (RemoveSetting(name, here), SetValue("postscreen_tls_security_level", level, here))
            yield Finding("", Severity.LOW, message, place, name, here, fix=Fix("say it with the level", changes))


@rule("PSC-07", Severity.HIGH)
def one_cache_for_two_screens(subject: Subject) -> Iterator[Finding]:
    """Two screening services want the same cache for themselves.

    What: Two services that run postscreen have one `postscreen_cache_map`, and it is not reached through `proxy:`.

    Why: postscreen opens its cache exclusively: the second service dies at every start with `unable to get exclusive
    lock` (docker-mailserver #4058).

    Bad:
        smtp  inet n - n - 1 postscreen
        12525 inet n - n - 1 postscreen

    Good:
        postscreen_cache_map = proxy:btree:$data_directory/postscreen_cache

    Fix: Set `postscreen_cache_map` as above for all of them.
    """
    seen: dict[str, Screen] = {}
    for screen in screens(subject):
        cache = screen.text("postscreen_cache_map")
        kind = cache.partition(":")[0].lower()
        if not cache or kind in ("proxy", "memcache", "redis"):
            continue
        first = seen.setdefault(cache, screen)
        if first is not screen:
            here = screen.name if screen.settings.span("postscreen_cache_map") not in (
                None, subject.main.span("postscreen_cache_map")) else ""
            sure = Confidence.LOW if kind == "lmdb" else Confidence.HIGH
            shared = SetValue("postscreen_cache_map", "proxy:btree:$data_directory/postscreen_cache", here)
            yield Finding("", Severity.HIGH, f"{screen.name} and {first.name} both want {cache} for themselves: one of "
                          "them cannot run", screen.service.span, "postscreen_cache_map", screen.name, sure,
                          Fix("share the cache through proxy:", (shared,)),
                          (Note("the other one", first.service.span),))
