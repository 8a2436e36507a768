"""Rules: who is trusted for its address alone."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

import gatepost.config.parameters as p
from gatepost.audit.broad import CONTAINERS
from gatepost.audit.change import Change, DropItems, SetValue
from gatepost.audit.finding import Confidence, Finding, Fix, Note, Severity
from gatepost.audit.listener import named
from gatepost.audit.networks import ListSetting, Taken, by_item, is_everybody, is_too_wide, set_lists, taken
from gatepost.audit.rule import rule
from gatepost.audit.subject import Subject
from gatepost.span import ConfigError

MYNETWORKS = "mynetworks"
PERMIT = "PERMIT_DOCKER"


def notes(each: Taken) -> tuple[Note, ...]:
    """Where a table or file says it."""
    return (Note(f"{each.network} stands here", each.inside),) if each.inside else ()


def without(setting: ListSetting, each: Taken) -> Change:
    """The networks without that item; this host stays trusted when it is the only one."""
    if all(word.text == each.word for word in setting.words):
        return SetValue(setting.name, "127.0.0.0/8, [::1]/128", setting.here)
    return DropItems(setting.name, (each.word,), setting.here)


@rule("RLY-01", Severity.CRITICAL)
def networks_of_strangers_are_trusted(subject: Subject) -> Iterator[Finding]:
    """Strangers are trusted by their address.

    What: `mynetworks` takes in all addresses or a large public range, has text behind `#` in it, or is not set while
    `mynetworks_style` says `class` or `subnet`.

    Why: Whoever is in mynetworks may relay, and is excused from most checks. `#` begins a comment only at the start of
    a line: behind an item it ends the list, and what stands there is lost (docker-mailserver #4416 and #4409; measured
    with Postfix 3.7).

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


def _comment(setting: ListSetting, each: Taken) -> Finding:
    words = [word.text for word in setting.words]
    rest = tuple(words[words.index(each.word):])
    message = f"`{' '.join(rest)}` is no comment: Postfix warns, and mynetworks ends there"
    return Finding("", Severity.HIGH, message, each.span, MYNETWORKS, setting.here,
                   fix=Fix("take it out, or put it on a line of its own", (DropItems(MYNETWORKS, rest, setting.here),)))


def _strangers(setting: ListSetting, each: Taken) -> Finding | None:
    network = each.network
    if network is None or not is_too_wide(network):
        return None
    whom = "every" if not network.prefixlen else f"{network.num_addresses:,} public"
    address = f"IPv{network.version} address" + ("es" if network.prefixlen else "")
    severity = Severity.CRITICAL if is_everybody(network) else Severity.HIGH
    where = f" at {named(list(setting.listeners))}" if setting.here else ""
    if not setting.is_outside:
        severity, where = Severity.MEDIUM, where + ", although only this host can reach it"
    return Finding("", severity, f"mynetworks trusts {whom} {address} ({each.word}){where}", each.span, MYNETWORKS,
                   setting.here, notes=notes(each),
                   fix=Fix(f"take {each.word} out, name the addresses of your own clients", (without(setting, each),)))


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
                sure = Confidence.HIGH if subject.docker is not None else Confidence.MEDIUM
                yield _permitted(subject, setting, what) or Finding(
                    "", Severity.HIGH, f"mynetworks trusts {what} ({each.word}): strangers whose address the container "
                    "engine rewrites come from there", each.span, MYNETWORKS, setting.here, sure, notes=notes(each),
                    fix=Fix(f"take {each.word} out, let programs log in", (without(setting, each),)))


def _permitted(subject: Subject, setting: ListSetting, what: str) -> Finding | None:
    """The same where docker-mailserver's PERMIT_DOCKER put it in; None when it did not."""
    docker = subject.docker
    if docker is None or setting.place is None or docker.is_operators(setting.place.file):
        return None
    place = docker.folder.environment.span(PERMIT)
    if place is None:
        return None
    value, compose = docker.folder.environment[PERMIT], docker.folder.compose
    severity = Severity.HIGH
    if value == "host" and compose is not None and compose.network_mode == "host":
        severity, what = Severity.CRITICAL, "the /16 around the host's own address (network_mode: host)"
    message = f"{PERMIT}={value} trusts {what}: strangers, too, come from there"
    return Finding("", severity, message, place, PERMIT, fix=Fix(f"set {PERMIT}=none, let programs log in"))


def _bridge(each: Taken) -> str:
    """What of a container engine's it is; "" when nothing."""
    network = each.network
    if not isinstance(network, ipaddress.IPv4Network) or not network.subnet_of(CONTAINERS):
        return ""
    if network.prefixlen <= 16:
        return "whole container networks" if network.prefixlen < 16 else "a whole container network"
    first = network.network_address
    return "the gateway of a container network" if network.prefixlen == 32 and first.packed[2:] == b"\0\1" else ""
