"""Rules: who may say who somebody else is (PROXY, XCLIENT, XFORWARD)."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from gatepost.audit.change import RemoveSetting
from gatepost.audit.finding import Confidence, Finding, Fix, Severity
from gatepost.audit.listener import Listener, Role, named
from gatepost.audit.networks import ListSetting, by_item, is_inside, is_loopback, set_lists, taken
from gatepost.audit.rule import rule
from gatepost.audit.subject import Subject
from gatepost.span import Span

MYNETWORKS = "mynetworks"
PROXIED = ("smtpd_upstream_proxy_protocol", "postscreen_upstream_proxy_protocol")
PUBLISHED = (25, 465, 587)


@rule("TRU-02", Severity.HIGH)
def proxy_headers_are_believed(subject: Subject) -> Iterator[Finding]:
    """Any client of a public port may say which address it has.

    What: `smtpd_upstream_proxy_protocol` or `postscreen_upstream_proxy_protocol` is in force on the ports that clients
    use themselves: 25, 465 or 587 on every or a public address.

    Why: Postfix believes whoever connects: it has no list of trusted proxies. A client that sends its own header has
    any address it likes, one in mynetworks too; one that sends none is refused (docker-mailserver #960, #4058).

    Bad:
        smtp inet n - n - 1 postscreen -o postscreen_upstream_proxy_protocol=haproxy

    Good:
        12525 inet n - n - 1 postscreen -o postscreen_upstream_proxy_protocol=haproxy

    Fix: Give the proxy ports of its own that nobody else can reach. Gatepost can be told whom to believe
    (`gatepost_trusted_proxies`).
    """
    found: dict[tuple[Span, str], list[Listener]] = {}
    for listener in subject.listeners:
        name = PROXIED[listener.screen is not None]
        settings = listener.screen_settings or listener.settings
        place = settings.span(name)
        believed = (settings.text(name) or "").strip() and not (settings.text("gatepost_trusted_proxies") or "").strip()
        if place is not None and believed and _published(listener):
            found.setdefault((place, name), []).append(listener)
    for (place, name), listeners in found.items():
        here = listeners[0].name if place != subject.main.span(name) else ""
        everywhere = "" if here else ": it is in force for every such service"
        yield Finding("", Severity.HIGH, f"clients of {named(listeners)} can connect directly and forge the PROXY "
                      f"header that {name} believes{everywhere}", place, name, here, Confidence.MEDIUM,
                      fix=Fix("give the proxy a port of its own, take it out here",
                              (RemoveSetting(name, here),)))


def _published(listener: Listener) -> bool:
    """A port that clients know, not on an inner address."""
    if listener.port not in PUBLISHED or listener.is_loopback or listener.role is Role.REINJECTION:
        return False
    try:
        address = ipaddress.ip_network(listener.address)
    except ValueError:
        return True
    return not is_inside(address) or address.network_address.is_unspecified


CLAIMS = {
    "smtpd_authorized_xclient_hosts": (Severity.CRITICAL, "may claim any address, name and login (XCLIENT)"),
    "smtpd_authorized_xforward_hosts": (Severity.HIGH, "may have any address logged for its own (XFORWARD)"),
}
FRONT_END = {4: 28, 6: 124}
"""A network this short or shorter is more than a front end's few hosts."""


@rule("TRU-03", Severity.CRITICAL)
def too_many_may_speak_for_others(subject: Subject) -> Iterator[Finding]:
    """Clients that are no front end may say who somebody else is.

    What: `smtpd_authorized_xclient_hosts` or `smtpd_authorized_xforward_hosts` holds networks, everybody, or
    `$mynetworks` where that is more than this host.

    Why: XCLIENT replaces the client's address, name and login: whoever may use it is in mynetworks or logged in as it
    likes (XCLIENT_README, postconf(5)).

    Bad:
        smtpd_authorized_xclient_hosts = $mynetworks

    Good:
        smtpd_authorized_xclient_hosts = 127.0.0.1, 192.0.2.7

    Fix: Name the hosts of the front end one by one.
    """
    for name, (severity, what) in CLAIMS.items():
        for setting in set_lists(subject, name):
            if not setting.is_outside:
                continue
            for word, span, sure in _claimants(setting, subject):
                yield Finding("", severity, f"{name}: too many clients ({word}) {what}", span, name, setting.here, sure,
                              fix=Fix("name the hosts of the front end one by one"))


def _claimants(setting: ListSetting, subject: Subject) -> Iterator[tuple[str, Span | None, Confidence]]:
    """Items that are more than a front end: as written, where, and how sure it is."""
    written = setting.settings.written(setting.name)
    if written is not None and MYNETWORKS in written.text and setting.settings.span(MYNETWORKS) is None:
        if setting.settings.text("mynetworks_style") != "host":
            yield "$mynetworks", setting.place, Confidence.LOW
        return
    for each in by_item(each for each in taken(setting.words, subject) if each.network is not None):
        network = each.network
        if network is None or is_loopback(network) or network.prefixlen >= FRONT_END[network.version]:
            continue
        span = each.span
        if written is not None and MYNETWORKS in written.text and not _stands_in(span, setting):
            at = written.text.index(MYNETWORKS)
            yield f"$mynetworks: {each.word}", written.span(max(at - 1, 0), at + len(MYNETWORKS)), Confidence.HIGH
            return
        yield each.word, span, Confidence.HIGH


def _stands_in(span: Span | None, setting: ListSetting) -> bool:
    """Is it written in the setting itself, not in what it refers to?"""
    written = setting.settings.written(setting.name)
    places = {run.place.line for run in written.runs if run.place is not None} if written else set()
    file = setting.place.file if setting.place else ""
    return span is not None and span.file == file and span.line in places
