"""Which environment does the container start with? Variables with their defaults, and where the operator set each.

Values come from an environment file (`NAME=value`, the format of Compose's env_file) or from the `environment` of a
compose file; an empty value means the default, as in docker-mailserver itself. What depends on the operator's shell
cannot be known and is said. Only variables that reach Postfix's configuration have a default here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from gatepost.config.problem import Problem
from gatepost.span import Span

DEFAULTS: Mapping[str, str] = {
    "ACCOUNT_PROVISIONER": "FILE",
    "DEFAULT_RELAY_HOST": "",
    "ENABLE_AMAVIS": "1",
    "ENABLE_DNSBL": "0",
    "ENABLE_MTA_STS": "0",
    "ENABLE_OPENDKIM": "1",
    "ENABLE_OPENDMARC": "1",
    "ENABLE_POLICYD_SPF": "1",
    "ENABLE_POSTGREY": "0",
    "ENABLE_QUOTAS": "1",
    "ENABLE_RSPAMD": "0",
    "ENABLE_SASLAUTHD": "0",
    "ENABLE_SRS": "0",
    "LDAP_QUERY_FILTER_SENDERS": "",
    "OVERRIDE_HOSTNAME": "",
    "PERMIT_DOCKER": "none",
    "POSTFIX_DAGENT": "",
    "POSTFIX_INET_PROTOCOLS": "all",
    "POSTFIX_MAILBOX_SIZE_LIMIT": "0",
    "POSTFIX_MESSAGE_SIZE_LIMIT": "10240000",
    "POSTFIX_REJECT_UNKNOWN_CLIENT_HOSTNAME": "0",
    "POSTSCREEN_ACTION": "enforce",
    "RELAY_HOST": "",
    "RELAY_PASSWORD": "",
    "RELAY_USER": "",
    "SMTP_ONLY": "0",
    "SPOOF_PROTECTION": "0",
    "SRS_SENDER_CLASSES": "envelope_sender",
    "SSL_TYPE": "",
    "TLS_LEVEL": "modern",
}
LINE = re.compile(r"[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*(.*)$")
REFERENCE = re.compile(r"\$(?:\$|([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)(?:(:?[-+?])([^{}]*))?\})")


@dataclass(frozen=True, slots=True)
class Variable:
    """What was written for a variable, and where (the place of its name)."""

    value: str
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Environment:
    """The variables of the container. `unknown`: what could not be found out about them."""

    variables: Mapping[str, Variable] = field(default_factory=dict)
    unknown: tuple[Problem, ...] = ()

    def __getitem__(self, name: str) -> str:
        """The value in force, the default for one that is unset or empty; "" for a name without default."""
        found = self.variables.get(name)
        return found.value if found is not None and found.value else DEFAULTS.get(name, "")

    def on(self, name: str) -> bool:
        """Is it 1, docker-mailserver's word for yes?"""
        value = self[name].strip()
        return value.isascii() and value.isdigit() and int(value) == 1

    def span(self, name: str) -> Span | None:
        """Where the operator set it; None when it has its default."""
        found = self.variables.get(name)
        return found.span if found is not None and found.value else None

    def is_set(self, name: str) -> bool:
        """Did the operator give it a value that is not empty?"""
        found = self.variables.get(name)
        return found is not None and bool(found.value)


def parse(file: str, text: str, known: Mapping[str, str] | None = None) -> Environment:
    """Read an environment file. `known`: variables that `${NAME}` may refer to, besides those above it. Lines that are
    no assignment are reported in `unknown` and passed over."""
    variables: dict[str, Variable] = {}
    unknown: list[Problem] = []
    for number, line in enumerate(text.split("\n"), 1):
        line = line.removesuffix("\r")
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found = LINE.match(line)
        if found is None:
            unknown.append(Problem("warning", "not a variable of an environment file (NAME=value)",
                                   Span(file, number), line.strip()))
            continue
        span = Span(file, number, found.start(1) + 1, len(found[1]))
        value, fixed = _unquoted(found[2])
        if not fixed and "$" in value:
            earlier = {name: variable.value for name, variable in variables.items()} | dict(known or {})
            value = interpolated(value, earlier.get, span, unknown if found[1] in DEFAULTS else [])
        variables[found[1]] = Variable(value, span)
    return Environment(variables, tuple(unknown))


def _unquoted(written: str) -> tuple[str, bool]:
    """The value without quotes and a comment behind it; is it meant literally (single quotes)?"""
    written = written.strip()
    if written[:1] in ("'", '"'):
        end = written.find(written[0], 1)
        if end > 0:
            return written[1:end], written[0] == "'"
    return re.split(r"(?:^|\s)#", written, maxsplit=1)[0].rstrip(), False


def interpolated(text: str, lookup: Callable[[str], str | None], span: Span | None, unknown: list[Problem]) -> str:
    """`text` with $NAME, ${NAME}, ${NAME:-default} and $$ as Compose fills them in. A name that has neither value nor
    default is empty, and reported."""

    def filled(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        if name is None:
            return "$"
        value, operator, operand = lookup(name), found[3] or "", found[4] or ""
        present = value is not None and (bool(value) or not operator.startswith(":"))
        if operator.endswith("+"):
            return operand if present else ""
        if present:
            return value or ""
        if operator.endswith("-"):
            return operand
        unknown.append(Problem("warning", f"depends on ${name} of the shell that starts the container; taken as empty",
                               span, found[0]))
        return ""

    return REFERENCE.sub(filled, text)
