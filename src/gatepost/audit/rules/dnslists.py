"""Rules: the DNS lists that screening asks, their weights and what they answer."""

from __future__ import annotations

from collections.abc import Iterator

import gatepost.config.parameters as p
from gatepost.audit.change import DropItems
from gatepost.audit.finding import Confidence, Finding, Fix, Note, Severity
from gatepost.audit.rule import rule
from gatepost.audit.screens import Screen, screens
from gatepost.audit.subject import Subject
from gatepost.config.parameter import Word
from gatepost.screen.dnsbl_sites import Site
from gatepost.span import Span

DEAD = {
    "sorbs.net": "closed in June 2024", "rfc-ignorant.org": "closed in 2012", "ahbl.org": "closed in 2015",
    "njabl.org": "closed in 2013", "dsbl.org": "closed in 2008", "ordb.org": "closed in 2006",
    "osirusoft.com": "closed in 2003", "spamcannibal.org": "closed in 2018", "five-ten-sg.com": "closed",
    "dnsbl.inps.de": "closed in 2018", "ix.dnsbl.manitu.net": "closed in 2025",
}
"""Zones that answer no more, or answer that everybody is listed."""
REFUSALS = {
    "spamhaus.org": ("127.255.255.252", "127.255.255.254", "127.255.255.255"),
    "dq.spamhaus.net": ("127.255.255.252", "127.255.255.254", "127.255.255.255"),
    "dnswl.org": ("127.0.0.255",),
}
"""Zones that answer with these addresses, whatever client is asked about, when they refuse the question: it came from a
public resolver, or too often."""
LISTS = ("reject_rbl_client", "reject_rhsbl_client", "reject_rhsbl_helo", "reject_rhsbl_reverse_client",
         "reject_rhsbl_sender", "reject_rhsbl_recipient", "permit_dnswl_client", "permit_rhswl_client")
THRESHOLD, ALLOW = "postscreen_dnsbl_threshold", "postscreen_dnsbl_allowlist_threshold"
SITES = "postscreen_dnsbl_sites"


def below(domain: str, zones: dict[str, str] | dict[str, tuple[str, ...]]) -> str:
    """The zone of `zones` that the domain is or lies below; "" when none."""
    domain = domain.lower().rstrip(".")
    return next((zone for zone in zones if domain == zone or domain.endswith(f".{zone}")), "")


@rule("PSC-05", Severity.HIGH)
def dns_lists_do_not_add_up(subject: Subject) -> Iterator[Finding]:
    """The DNS lists of screening block nobody, everybody, or ask for nothing.

    What: `postscreen_dnsbl_threshold` is more than all weights together; an allow list threshold cannot be reached or
    is above zero; a list that answers with an error code is asked without a filter that leaves the code out; a list
    that has closed; a list that smtpd asks again with `reject_rbl_client`.

    Why: The score is the sum of the weights of what matches. Spamhaus and DNSWL answer questions that come through
    public resolvers with an address of their own: without a filter every client is listed. A closed list costs time, or
    lists everybody on the day its domain is sold (POSTSCREEN_README; docker-mailserver #2976, MailCleaner #614).

    Bad:
        postscreen_dnsbl_sites = zen.spamhaus.org*2, dnsbl.sorbs.net
        postscreen_dnsbl_threshold = 4

    Good:
        postscreen_dnsbl_sites = zen.spamhaus.org=127.0.0.[2..11]*3, bl.mailspike.net
        postscreen_dnsbl_threshold = 3

    Fix: Correct the sum, add the filter, take the list out.
    """
    for screen in screens(subject):
        for word, site in screen.sites:
            yield from _site(screen, word, site)
        yield from _threshold(screen)
        yield from _allow_threshold(screen)
        yield from _asked_again(screen)
    yield from _dead_in_lists(subject)


def _here(screen: Screen, span: Span | None, name: str) -> str:
    """The service whose override the setting is; "" for main.cf."""
    place = screen.settings.span(name)
    return screen.name if place is not None and place != screen.subject.main.span(name) else ""


def _site(screen: Screen, word: Word, site: Site) -> Iterator[Finding]:
    here = _here(screen, word.span, SITES)
    dead = below(site.domain, DEAD)
    if dead:
        yield Finding("", Severity.MEDIUM, f"the list {site.domain} is no more ({DEAD[dead]})", word.span, SITES, here,
                      fix=Fix("take it out", (DropItems(SITES, (word.text,), here),), safe=True))
        return
    zone = below(site.domain, REFUSALS)
    codes = [code for code in REFUSALS.get(zone, ()) if site.matches([bytes(map(int, code.split(".")))])]
    if codes:
        what = "its filter lets in" if site.filter else "without a filter it counts"
        threshold = screen.number(p.POSTSCREEN_DNSBL_THRESHOLD) or 1
        severity = Severity.HIGH if site.weight >= threshold else Severity.MEDIUM
        effect = "blocks" if site.weight > 0 else "excuses"
        example = "=127.0.0.[2..11]" if "spamhaus" in zone else "=127.0.[0..255].[1..3]"
        yield Finding("", severity, f"{site.domain} answers refused questions with {codes[0]}, and {what} that too: it "
                      f"then {effect} everybody", word.span, SITES, here,
                      fix=Fix(f"filter its answers, as in {site.domain}{example}"))


def _threshold(screen: Screen) -> Iterator[Finding]:
    threshold = screen.number(p.POSTSCREEN_DNSBL_THRESHOLD)
    if threshold is None or not _readable(screen):
        return
    place, here = screen.settings.span(THRESHOLD), _here(screen, None, THRESHOLD)
    most = sum(site.weight for _, site in screen.sites if site.weight > 0)
    if threshold < 1:
        yield Finding("", Severity.HIGH, f"{THRESHOLD} = {threshold} is reached by everybody: the score starts at 0",
                      place, THRESHOLD, here, fix=Fix("set it to 1 or more"))
    elif threshold > most and (most or place is not None):
        yield Finding("", Severity.HIGH, f"{THRESHOLD} = {threshold} is never reached: all lists together count {most}",
                      place, THRESHOLD, here, notes=(Note("the lists", screen.settings.span(SITES)),),
                      fix=Fix(f"lower it to {most} or less, or raise the weights" if most else "add lists that block"))


def _allow_threshold(screen: Screen) -> Iterator[Finding]:
    name = next((name for name in (ALLOW, ALLOW.replace("allow", "white")) if screen.settings.span(name)), "")
    threshold = screen.number(p.POSTSCREEN_DNSBL_ALLOWLIST_THRESHOLD)
    if not name or not threshold or not _readable(screen):
        return
    least = sum(site.weight for _, site in screen.sites if site.weight < 0)
    if threshold > 0:
        message = f"{name} = {threshold} excuses nobody: only a threshold below zero does"
    elif least > threshold:
        message = f"{name} = {threshold} is never reached: all lists together count {least}"
    else:
        return
    yield Finding("", Severity.MEDIUM, message, screen.settings.span(name), name, _here(screen, None, name),
                  notes=(Note("the lists", screen.settings.span(SITES)),),
                  fix=Fix("set it below zero, to a sum that lists with negative weights reach"))


def _readable(screen: Screen) -> bool:
    """Are there lists, and can all of them be read?"""
    return bool(screen.sites) and len(screen.sites) == len(screen.words(p.POSTSCREEN_DNSBL_SITES))


def _asked_again(screen: Screen) -> Iterator[Finding]:
    """Lists that block at the door and are asked again behind it."""
    if screen.text("postscreen_dnsbl_action").lower() not in ("enforce", "drop"):
        return
    blocking = {site.domain.lower(): word for word, site in screen.sites if site.weight > 0}
    for listed in screen.listener.lists:
        for item in listed.find("reject_rbl_client"):
            domain = (item.argument or "").partition("=")[0].lower()
            if item.reached and domain in blocking and not below(domain, DEAD):
                owner = str(screen.listener.smtpd) if screen.listener.is_set_here(listed.name) else ""
                yield Finding("", Severity.MEDIUM, f"{domain} is asked twice: screening has done it before", item.span,
                              listed.name, owner, notes=(Note("here", blocking[domain].span),),
                              fix=Fix("leave it to screening", (DropItems(listed.name, (item.text,), owner),)))


def _dead_in_lists(subject: Subject) -> Iterator[Finding]:
    """Closed lists that smtpd asks."""
    for listener in subject.listeners:
        for listed in listener.lists:
            for item in listed.find(*LISTS):
                dead = below((item.argument or "").partition("=")[0], DEAD)
                if dead and item.reached:
                    owner = str(listener.smtpd) if listener.is_set_here(listed.name) else ""
                    yield Finding("", Severity.MEDIUM, f"{item.text}: that list is no more ({DEAD[dead]})", item.span,
                                  listed.name, owner, Confidence.HIGH,
                                  Fix("take it out", (DropItems(listed.name, (item.text,), owner),), safe=True))
