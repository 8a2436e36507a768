"""What is said twice? Entries of master.cf, parameters, overrides. Findings of OPS-01 (operations.py)."""

from __future__ import annotations

from collections.abc import Iterator

from gatepost.audit.change import DropEarlier
from gatepost.audit.finding import Finding, Fix, Note, Severity
from gatepost.audit.subject import Subject
from gatepost.config.located import Located
from gatepost.config.master import Service
from gatepost.span import Span


def found(subject: Subject) -> Iterator[Finding]:
    """Each name that is given more than once, at the place that is in force."""
    earlier: dict[str, tuple[Located, Span]] = {}
    for entry in subject.main_cf.entries:
        if entry.name in earlier:
            value, span = earlier[entry.name]
            yield _twice("parameter", entry.name, "", (value, span), (entry.value, entry.span))
        earlier[entry.name] = entry.value, entry.span
    if subject.master_assumed:
        return
    services: dict[str, Service] = {}
    for service in subject.master_cf.services:
        first = services.get(str(service))
        if first is not None:
            same = _plain(first) == _plain(service)
            yield Finding("", Severity.LOW if same else Severity.HIGH, f"service {service} is given twice: only this "
                          "entry is in force", service.span, "", str(service), fix=Fix("keep one of them"),
                          notes=(Note("given before", first.span),))
        services[str(service)] = service
    yield from _ports(subject)
    for service in services.values():
        overrides: dict[str, tuple[Located, Span]] = {}
        for override in service.overrides:
            if override.name in overrides:
                yield _twice("override", override.name, str(service), overrides[override.name],
                             (override.value, override.span))
            overrides[override.name] = override.value, override.span


def _ports(subject: Subject) -> Iterator[Finding]:
    """Two entries that listen at the same place under different names."""
    ports: dict[tuple[str, int], Service] = {}
    for listener in subject.listeners:
        if listener.service.type != "inet" or not listener.port:
            continue
        first = ports.setdefault((listener.address.strip("*"), listener.port), listener.service)
        if first is not listener.service:
            yield Finding("", Severity.HIGH, f"{listener.name} listens at port {listener.port} as {first} does: the "
                          "master cannot start", listener.service.span, "", listener.name, fix=Fix("keep one of them"),
                          notes=(Note("the other", first.span),))


def _plain(service: Service) -> tuple[object, ...]:
    return (service.command, service.chroot, service.maxproc, service.private, service.wakeup,
            tuple(word.text for word in service.args))


def _twice(what: str, name: str, service: str, first: tuple[Located, Span], second: tuple[Located, Span]) -> Finding:
    where = f" of {service}" if service else ""
    if first[0].text.split() == second[0].text.split():
        severity, message = Severity.INFORMATION, f"{what} {name}{where} is given twice, with the same value"
    else:
        severity = Severity.MEDIUM
        was = first[0].text.strip()
        was = was if len(was) <= 40 else was[:37] + "..."
        message = f"{what} {name}{where} is given twice: {was!r} of line {first[1].line} is not in force"
    return Finding("", severity, message, second[1], name, service,
                   fix=Fix("take the earlier one out", (DropEarlier(name, service),), safe=True),
                   notes=(Note("given before", first[1]),))
