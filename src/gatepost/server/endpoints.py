"""Where does a service listen? A service of master.cf as addresses, by inet_interfaces and inet_protocols.

`port`, `name`, `host:port`, `[address]:port` (master(5)); without a host, each address of inet_interfaces. Unix
services listen below $queue_directory, in private/ or public/. What cannot be read is a ConfigError at the service's
place. This file must not bind anything.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass, field

from gatepost.config import parameters as p
from gatepost.config.master import Service
from gatepost.config.settings import Settings
from gatepost.span import ConfigError, Span

COMMANDS = ("smtpd", "postscreen")
LOOPBACK = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}
ANY = {socket.AF_INET: "0.0.0.0", socket.AF_INET6: "::"}
_FAMILIES = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address to listen at. `host` is a numeric address, or the path of a unix socket (port 0). `optional`: it
    comes from a wildcard, and a system without that protocol does without it."""

    family: socket.AddressFamily
    host: str
    port: int = 0
    optional: bool = field(default=False, compare=False)

    def __str__(self) -> str:
        if self.family == socket.AF_UNIX:
            return self.host
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def takes_smtp(service: Service) -> bool:
    """Is it a service that clients connect to? (A `pass` service gets its clients from postscreen.)"""
    return service.type in ("inet", "unix") and service.command.rpartition("/")[2] in COMMANDS


def is_screened(service: Service) -> bool:
    """Are its clients tried before they are served?"""
    return service.type == "inet" and service.command.rpartition("/")[2] == "postscreen"


def endpoints(service: Service, settings: Settings) -> list[Endpoint]:
    """Every address of one service, each once."""
    if service.type == "unix":
        folder = "private" if service.private else "public"
        return [Endpoint(socket.AF_UNIX, os.path.join(settings[p.QUEUE_DIRECTORY], folder, service.name))]
    host, port = _split(service)
    families = _families(settings)
    if host:
        found = _resolve(host, port, families, service.span, settings)
    else:
        found = []
        for word in settings[p.INET_INTERFACES]:
            if word.text.lower() == "all":
                found = [Endpoint(family, ANY[family], port, len(families) > 1) for family in families]
                break
            if word.text.lower() == "loopback-only":
                found += [Endpoint(family, LOOPBACK[family], port, len(families) > 1) for family in families]
            else:
                found += _resolve(word.text.strip("[]"), port, families, word.span or service.span, settings)
    return list(dict.fromkeys(found))


def _split(service: Service) -> tuple[str, int]:
    """(host or "", port number) of an inet service's name."""
    host, colon, port = service.name.rpartition(":")
    if colon and not host:
        raise ConfigError("bad hostname or network address", service.span, service.name)
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ConfigError("an IPv6 address needs [brackets]", service.span, service.name)
    if port.isascii() and port.isdigit():
        if int(port) > 65535:
            raise ConfigError("bad port number", service.span, port)
        return host, int(port)
    try:
        return host, socket.getservbyname(port, "tcp")
    except (OSError, UnicodeError):
        raise ConfigError("unknown service name: neither a port number nor in the services file",
                          service.span, port) from None  # fmt: skip


def _families(settings: Settings) -> list[socket.AddressFamily]:
    words = [word.text.lower() for word in settings[p.INET_PROTOCOLS]]
    if "all" in words:
        return list(_FAMILIES.values())
    unknown = [word for word in words if word not in _FAMILIES]
    if unknown or not words:
        raise ConfigError("bad inet_protocols value", settings.span(p.INET_PROTOCOLS), " ".join(unknown))
    return [family for name, family in _FAMILIES.items() if name in words]


def _resolve(
    host: str, port: int, families: list[socket.AddressFamily], span: Span | None, settings: Settings
) -> list[Endpoint]:
    """The addresses of a host within inet_protocols."""
    try:
        answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"host not found: {reason}", span, host) from None
    found = [Endpoint(family, str(address[0]), port) for family, _, _, _, address in answers if family in families]
    if not found:
        raise ConfigError("no address within inet_protocols", span or settings.span(p.INET_PROTOCOLS), host)
    return found
