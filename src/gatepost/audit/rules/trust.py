"""Rules: who is trusted for its address alone, or may say who else it is."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import gatepost.config.parameters as p
from gatepost.audit.change import DropItems, RemoveSetting, SetValue
from gatepost.audit.finding import Confidence, Finding, Fix, Note, Severity
from gatepost.audit.listener import Listener, Role, named
from gatepost.audit.networks import Taken, is_everybody, is_inside, is_loopback, taken
from gatepost.audit.rule import rule
from gatepost.audit.subject import Subject
from gatepost.config.parameter import Word
from gatepost.config.settings import Settings
from gatepost.span import ConfigError, Span

MYNETWORKS = "mynetworks"
WIDE = {4: 16, 6: 32}
"""A public network this long or shorter is more than one organisation's clients."""
CONTAINERS = ipaddress.ip_network("172.16.0.0/12")
"""Where Docker takes the networks of its bridges from, one /16 each."""


@dataclass(frozen=True)
class Setting:
    """A match list as one place sets it, and the listeners that it is in force for. `here`: the service whose override
    it is, "" for main.cf."""

    name: str
    place: Span | None
    settings: Settings
    listeners: tuple[Listener, ...]
    here: str

    @property
    def words(self) -> tuple[Word, ...]:
        """The items, none when they do not expand."""
        try:
            return self.settings.words(self.name)
        except ConfigError:
            return ()

    @property
    def is_outside(self) -> bool:
        """Can it concern clients of other hosts?"""
        return not self.listeners or not all(listener.is_loopback for listener in self.listeners)


def set_lists(subject: Subject, name: str) -> list[Setting]:
    """Every setting of a match list that is in force for a listener, screening included; main.cf's when there is no
    listener at all. What nobody sets is left out."""
    found: dict[Span, tuple[Settings, list[Listener], str]] = {}
    for listener in subject.listeners:
        for settings in (listener.settings, listener.screen_settings):
            place = settings.span(name) if settings is not None else None
            if settings is None or place is None:
                continue
            owner = str(listener.smtpd) if settings is listener.settings else listener.name
            here = owner if place != subject.main.span(name) else ""
            listeners = found.setdefault(place, (settings, [], here))[1]
            if listener not in listeners:
                listeners.append(listener)
    place = subject.main.span(name)
    if place is not None and not subject.listeners:
        found[place] = (subject.main, [], "")
    return [Setting(name, place, settings, tuple(listeners), here)
            for place, (settings, listeners, here) in found.items()]


def by_item(items: Iterable[Taken]) -> Iterator[Taken]:
    """For each item the widest of what it takes in."""
    widest: dict[tuple[str, Span | None], Taken] = {}
    for each in items:
        key = each.word, each.span
        if key not in widest or each.size > widest[key].size:
            widest[key] = each
    yield from widest.values()


def notes(each: Taken) -> tuple[Note, ...]:
    """Where a table or file says it."""
    return (Note(f"{each.network} stands here", each.inside),) if each.inside else ()


@rule("RLY-01", Severity.CRITICAL)
def networks_of_strangers_are_trusted(subject: Subject) -> Iterator[Finding]:
    """Strangers are trusted by their address.

    What: `mynetworks` takes in all addresses or a large public range, has text behind `#` in it, or is not set while
    `mynetworks_style` says `class` or `subnet`.

    Why: Whoever is in mynetworks may relay, and is excused from most checks. `#` begins a comment only at the start of
    a line: behind a value it ends the list or becomes part of it (postconf(5), docker-mailserver #4416 and #4409).

    Bad:
        mynetworks = 0.0.0.0/0  # for testing

    Good:
        mynetworks = 127.0.0.0/8 [::1]/128 192.0.2.0/28

    Fix: Name exact addresses or networks of your own; comments stand on lines of their own.
    """
    for setting in set_lists(subject, MYNETWORKS):
        for each in by_item(taken(setting.words, subject)):
            found = _comment(setting, each) if each.network is None else _strangers(setting, each)
            if found is not None:
                yield found
    yield from _style(subject)


def _comment(setting: Setting, each: Taken) -> Finding:
    words = [word.text for word in setting.words]
    rest = tuple(words[words.index(each.word):])
    return Finding("", Severity.HIGH, f"`{' '.join(rest)}` is no comment: it is in the value of mynetworks", each.span,
                   MYNETWORKS, setting.here,
                   fix=Fix("take it out, or put it on a line of its own", (DropItems(MYNETWORKS, rest, setting.here),)))


def _strangers(setting: Setting, each: Taken) -> Finding | None:
    network = each.network
    if network is None or is_inside(network) or network.prefixlen > WIDE[network.version]:
        return None
    whom = "every" if not network.prefixlen else f"{network.num_addresses:,} public"
    address = f"IPv{network.version} address" + ("es" if network.prefixlen else "")
    severity = Severity.CRITICAL if is_everybody(network) else Severity.HIGH
    where = f" at {named(list(setting.listeners))}" if setting.here else ""
    if not setting.is_outside:
        severity, where = Severity.MEDIUM, where + ", although only this host can reach it"
    return Finding("", severity, f"mynetworks trusts {whom} {address} ({each.word}){where}", each.span, MYNETWORKS,
                   setting.here, notes=notes(each),
                   fix=Fix(f"take {each.word} out, name the addresses of your own clients",
                           (DropItems(MYNETWORKS, (each.word,), setting.here),)))


def _style(subject: Subject) -> Iterator[Finding]:
    """The default of mynetworks, when nobody sets it."""
    default = [listener for listener in subject.listeners
               if listener.place(MYNETWORKS) is None and not listener.is_loopback]
    style = subject.main.text("mynetworks_style")
    if not default or style not in ("class", "subnet"):
        return
    place = subject.main.span("mynetworks_style")
    addresses = _interfaces(subject)
    if addresses and all(address.is_private for address in addresses):
        return
    what = "the whole class A, B or C network" if style == "class" else "the whole subnet"
    if place is None:
        severity, sure = Severity.INFORMATION, Confidence.LOW
        message = f"mynetworks is not set: its default below compatibility_level 2 trusts {what} of each address here"
    else:
        message = f"mynetworks_style = {style} trusts {what} of each address that this host has"
        severity = Severity.CRITICAL if style == "class" else Severity.MEDIUM
        sure = Confidence.HIGH if style == "class" else Confidence.LOW
    yield Finding("", severity, message, place, "mynetworks_style", confidence=sure,
                  fix=Fix("trust this host only", (SetValue("mynetworks_style", "host"),)))


def _interfaces(subject: Subject) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """The addresses in inet_interfaces; none when they are not all said there."""
    found = []
    try:
        for word in subject.main[p.INET_INTERFACES]:
            if word.text.lower() != "loopback-only":
                found.append(ipaddress.ip_address(word.text.strip("[]")))
    except (ConfigError, ValueError):
        return []
    return found


@rule("TRU-01", Severity.HIGH)
def container_networks_are_trusted(subject: Subject) -> Iterator[Finding]:
    """The address that a container engine gives to strangers is trusted.

    What: `mynetworks` holds a whole network of container bridges (172.16.0.0/12, 172.17.0.0/16 to 172.31.0.0/16), or
    the gateway of one (172.17.0.1).

    Why: Where the engine rewrites source addresses (userland proxy, IPv6 to an IPv4-only container), every client of
    the Internet comes from the gateway: it may relay and is not screened (docker-mailserver #1405, #1303, #4409).

    Bad:
        mynetworks = 127.0.0.0/8 172.16.0.0/12

    Good:
        mynetworks = 127.0.0.0/8 172.18.0.5/32

    Fix: Trust the one container that must send without login, or none: programs can log in on the submission port.
    """
    for setting in set_lists(subject, MYNETWORKS):
        if not setting.is_outside:
            continue
        for each in by_item(taken(setting.words, subject)):
            what = _bridge(each)
            if what:
                yield Finding("", Severity.HIGH, f"mynetworks trusts {what} ({each.word}): strangers whose address the "
                              "container engine rewrites come from there", each.span, MYNETWORKS, setting.here,
                              Confidence.HIGH if subject.docker is not None else Confidence.MEDIUM,
                              notes=notes(each),
                              fix=Fix(f"take {each.word} out, let programs log in",
                                      (DropItems(MYNETWORKS, (each.word,), setting.here),)))


def _bridge(each: Taken) -> str:
    """What of a container engine's it is; "" when nothing."""
    network = each.network
    if not isinstance(network, ipaddress.IPv4Network) or not network.subnet_of(CONTAINERS):  # type: ignore[arg-type]
        return ""
    if network.prefixlen <= 16:
        return "whole container networks" if network.prefixlen < 16 else "a whole container network"
    first = network.network_address
    return "the gateway of a container network" if network.prefixlen == 32 and first.packed[2:] == b"\0\1" else ""


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


def _claimants(setting: Setting, subject: Subject) -> Iterator[tuple[str, Span | None, Confidence]]:
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


def _stands_in(span: Span | None, setting: Setting) -> bool:
    """Is it written in the setting itself, not in what it refers to?"""
    written = setting.settings.written(setting.name)
    places = {run.place.line for run in written.runs if run.place is not None} if written else set()
    file = setting.place.file if setting.place else ""
    return span is not None and span.file == file and span.line in places
