"""What would an operator believe that is not so? Filters that mail would pass without, a service that is not there.

A milter or a before-queue filter that is set and not run is an error: mail would come in unexamined, and nobody would
see it; `gatepost_accept_unfiltered = yes` makes it a warning. This file must not know parameters that are not read at
all: those are check.py's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import gatepost.config.parameters as p
from gatepost.config.problem import Problem
from gatepost.config.settings import Settings
from gatepost.span import ConfigError

if TYPE_CHECKING:
    from gatepost.config.load import Configuration
    from gatepost.config.master import Service

PARTLY = {
    "canonical_maps": "addresses are not rewritten, it only says which recipients exist",
    "recipient_canonical_maps": "addresses are not rewritten, it only says which recipients exist",
    "sender_canonical_maps": "addresses are not rewritten, it only says which senders exist",
    "mailbox_command": "commands are not run, mail for local users waits in the queue",
}
"""Parameters that have some of their effect, and what is missing."""


def problems(configuration: Configuration) -> Iterator[Problem]:
    """Errors and warnings about services that take mail, and about what is honoured in part."""
    for service in configuration.services:
        command = service.command.rpartition("/")[2]
        if command == "postscreen" and service.type == "inet":
            yield from _behind_screening(configuration, service)
        if command in ("smtpd", "postscreen") and service.type in ("inet", "unix"):
            try:
                yield from _unfiltered(configuration.serving(service))
            except ConfigError:  # a value that does not read is reported by check.py
                continue
    for name, missing in PARTLY.items():
        written = configuration.main.written(name)
        span = configuration.main.span(name)
        if span is not None and written is not None and written.text.strip():
            yield Problem("warning", f"parameter {name} is honoured in part: {missing}", span)


def _behind_screening(configuration: Configuration, service: Service) -> Iterator[Problem]:
    try:
        behind = smtpd_behind(configuration, service)
        settings = configuration.settings(behind)
        if behind is service:
            name = settings[p.SMTPD_SERVICE_NAME]
            yield Problem("warning", f"service {service.name}: there is no service {name} of type pass: clients that "
                          f"passed screening are served with the settings of {service.name} itself", service.span)
        elif settings[p.SMTPD_UPSTREAM_PROXY_PROTOCOL]:
            yield Problem("warning", "ignoring non-empty smtpd_upstream_proxy_protocol setting behind postscreen",
                          settings.span(p.SMTPD_UPSTREAM_PROXY_PROTOCOL))
    except ConfigError:  # a value that does not read is reported by check.py
        return


def _unfiltered(settings: Settings) -> Iterator[Problem]:
    overrides = {word.text for word in settings[p.RECEIVE_OVERRIDE_OPTIONS]}
    found: list[tuple[str, str]] = []
    if "no_milters" not in overrides:
        for parameter in (p.SMTPD_MILTERS, p.SMTPD_MILTER_MAPS):
            if settings[parameter]:
                found.append((parameter.name, " ".join(word.text for word in settings[parameter])))
    if settings[p.SMTPD_PROXY_FILTER].strip():
        found.append((p.SMTPD_PROXY_FILTER.name, settings[p.SMTPD_PROXY_FILTER]))
    accepted = settings[p.GATEPOST_ACCEPT_UNFILTERED]
    for name, value in found:
        where = settings.service or "smtpd"
        if accepted:
            yield Problem("warning", f"service {where}: {name} is not supported: mail passes without it",
                          settings.span(name), value)
        else:
            yield Problem("error", f"service {where}: {name} is not supported: mail would pass without it "
                          "(gatepost_accept_unfiltered = yes accepts that)", settings.span(name), value)


def smtpd_behind(configuration: Configuration, service: Service) -> Service:
    """Whose settings count: for a postscreen service those of the smtpd that it would hand its clients to."""
    if service.command.rpartition("/")[2] != "postscreen":
        return service
    name = configuration.settings(service)[p.SMTPD_SERVICE_NAME]
    return configuration.service(name, "pass") or service
