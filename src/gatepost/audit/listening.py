"""Which listeners of a configuration can be rehearsed, and how? A subject's services as rehearsals.

A parameter that the subject's version does not know is not in force, whatever main.cf says. A listener whose settings
do not read cannot be rehearsed: it is left out, with the reason. This file must not know dialogues.
"""

from __future__ import annotations

from collections.abc import Iterator

import gatepost.config.parameters as p
from gatepost.audit.favour import Favour
from gatepost.audit.gate import Gate
from gatepost.audit.guest import Guest, at
from gatepost.audit.host import host
from gatepost.audit.listener import Listener
from gatepost.audit.networks import is_loopback, network_of
from gatepost.audit.rehearse import Rehearsal
from gatepost.audit.subject import Subject
from gatepost.audit.supposed import Read
from gatepost.config.settings import Settings
from gatepost.span import ConfigError

OFF = {"smtpd_forbid_unauth_pipelining": "no", "smtpd_forbid_bare_newline": "no"}
"""Parameters of a session that old versions lack -> what they do without."""


class Stages:
    """A subject's listeners by their place (`25`, `127.0.0.1:10025`, or the name of one without a port); each is made
    ready when it is first talked to. `broken`: place -> why it cannot be, as far as that was tried."""

    def __init__(self, subject: Subject, favoured: Favour | None = None) -> None:
        self.listeners = {place(listener): listener for listener in subject.listeners}
        self.broken: dict[str, ConfigError] = {}
        self._subject = subject
        self._favoured = favoured
        self._ready: dict[str, Rehearsal] = {}

    def rehearsal(self, place: str) -> Rehearsal | None:
        """The listener there, ready to be talked to; None when there is none, or when it cannot be."""
        if place in self._ready:
            return self._ready[place]
        if place not in self.listeners or place in self.broken:
            return None
        try:
            found = self._ready[place] = rehearsal_of(self._subject, self.listeners[place], self._favoured)
        except ConfigError as problem:
            self.broken[place] = problem
            return None
        return found


def rehearsal_of(subject: Subject, listener: Listener, favoured: Favour | None = None) -> Rehearsal:
    """One listener, with the screening in front of it. ConfigError when its settings do not read."""
    gate, read = None, _files(subject)
    if listener.screen_settings is not None and listener.smtpd is not listener.service:
        gate = Gate.of(host(_in_force(subject, listener.screen_settings), read, favoured))
    return Rehearsal(host(_in_force(subject, listener.settings), read, favoured), gate)


def _files(subject: Subject) -> Read:
    """The files beside the configuration, those included that a container makes at its start."""
    if subject.docker is None:
        return subject.read
    from gatepost.audit.docker_made import made  # only its users pay for it

    return made(subject.docker.folder, subject.read)


def place(listener: Listener) -> str:
    """Where clients find it: the same in two configurations that name it differently."""
    if not listener.port:
        return listener.name
    return f"{listener.address}:{listener.port}" if listener.address else str(listener.port)


def _in_force(subject: Subject, settings: Settings) -> Settings:
    unknown = {name: text for name, text in OFF.items() if not subject.has(name)}
    return settings.replace(unknown) if unknown else settings


def networks(settings: Settings) -> list[str]:
    """The items of mynetworks; none when it does not read."""
    try:
        return [word.text for word in settings[p.MYNETWORKS]]
    except ConfigError:
        return []


def inside(item: str, why: str) -> Iterator[Guest]:
    """A client of one network of mynetworks; none where no address can be named, or everybody is in it, or nobody but
    the host."""
    network = network_of(item)
    if network is not None and network.prefixlen and not is_loopback(network):
        yield at(str(network[1 if network.num_addresses > 2 else 0]), why)
