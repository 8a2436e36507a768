"""What is in force, and where does each value come from? The lines that `gatepost config` prints.

`NAME = VALUE  # PLACE`, values expanded (templates as written), first for main.cf, then for each service that sees
another value or set it itself. This file must not print.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from gatepost.config.load import Configuration
from gatepost.config.parameter import DECLARED
from gatepost.config.settings import Settings
from gatepost.span import ConfigError

WIDTH = 40
"""The column that places begin at, unless the value is longer."""


def show(configuration: Configuration, names: Sequence[str] = (), *, only_set: bool = False) -> list[str]:
    """The lines for `names` (default: all that are declared or set). `only_set` leaves out values that nobody set.

    ConfigError for a name that is neither declared nor set anywhere.
    """
    main = configuration.main
    per_service = [(service, configuration.settings(service)) for service in configuration.services]
    settable = set(DECLARED).union(main.names(), *(settings.names() for _, settings in per_service))
    for name in names:
        if name not in settable:
            raise ConfigError("unknown parameter", None, name)
    wanted = list(names) or sorted(settable)
    lines = list(_lines(main, wanted, only_set))
    for service, settings in per_service:
        differing = [name for name in wanted if _differs(name, settings, main)]
        if differing:
            lines += ["", f"# {service} {service.command} ({service.span})"]
            lines += _lines(settings, differing, False)
    return lines


def _lines(settings: Settings, names: Iterable[str], only_set: bool) -> Iterator[str]:
    for name in names:
        text = _text(settings, name)
        if text is None or (only_set and not settings.is_set(name)):
            continue
        setting = f"{name} = {text}".rstrip()
        place = settings.span(name) or ("set by the service" if settings.is_set(name) else "default")
        yield f"{setting:<{WIDTH}}  # {place}"


def _text(settings: Settings, name: str) -> str | None:
    parameter = DECLARED.get(name)
    if parameter is not None and parameter.raw:
        written = settings.written(name)
        return written.text if written else None
    return settings.text(name)


def _differs(name: str, settings: Settings, main: Settings) -> bool:
    """Does this service see another value, or has it set the value itself?"""
    if name in ("process_name", "service_name"):
        return False
    return settings.span(name) != main.span(name) or _text(settings, name) != _text(main, name)
