"""What does a compose file say about the mail server? Its image, environment, host name and mounts, with places.

The YAML is read into nodes, not into objects: a node knows its line, and nothing is constructed from the text. Only the
service that runs docker-mailserver is looked at. This file must not know what the variables mean.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from gatepost.config.dms.environment import DEFAULTS, Variable, interpolated
from gatepost.config.problem import Problem
from gatepost.span import ConfigError, Span

MOUNTED_AT = "/tmp/docker-mailserver"
IMAGE_NAMES = ("docker-mailserver", "/mailserver")


@dataclass(frozen=True, slots=True)
class Compose:
    """The service that runs docker-mailserver. `config` and `env_files` are paths as written, relative to the compose
    file; `tag` and `hostname` are "" when they are absent."""

    file: str
    service: str
    image: str
    tag: str
    tag_span: Span | None
    hostname: str
    environment: Mapping[str, Variable]
    env_files: tuple[str, ...]
    config: str
    network_mode: str
    unknown: tuple[Problem, ...]


def read(file: str, text: str, known: Mapping[str, str]) -> Compose | None:
    """Read a compose file; None when no service of it runs docker-mailserver. `known`: what ${NAME} may refer to (the
    .env beside the file). ConfigError: not YAML, or not the shape of a compose file."""
    services = _entries(_composed(file, text)).get("services")
    found = _mail_service(_entries(services[1])) if services is not None else None
    if found is None:
        return None
    name, entries = found
    reading = _Reading(file, known)
    image = reading.scalar(entries, "image")
    host, domain = reading.scalar(entries, "hostname"), reading.scalar(entries, "domainname")
    tag = image.partition("@")[0].rpartition("/")[2].partition(":")[2]
    return Compose(file, name, image, tag, reading.span(entries["image"][1]) if tag else None,
                   f"{host}.{domain}" if host and domain and "." not in host else host,
                   reading.environment(entries), tuple(reading.env_files(entries)), reading.config(entries),
                   reading.scalar(entries, "network_mode"), tuple(reading.unknown))


def _composed(file: str, text: str) -> Node | None:
    try:
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise ConfigError(f"not YAML: {error.problem or error.context or 'cannot be read'}",
                          Span(file, mark.line + 1, mark.column + 1) if mark else Span(file, 1)) from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise ConfigError("not YAML: " + (str(error).splitlines() or ["nested too deeply"])[0], Span(file, 1)) from None


def _entries(node: Node | None) -> dict[str, tuple[Node, Node]]:
    """The entries of a mapping by key, each as (key node, value node), merge keys (`<<`) filled in; of anything else
    none."""
    found: dict[str, tuple[Node, Node]] = {}
    for key, value in _pairs(node, 0):
        found.setdefault(key.value, (key, value))
    return found


def _pairs(node: Node | None, depth: int) -> Iterator[tuple[Node, Node]]:
    """The pairs of a mapping, its own before those merged into it."""
    if not isinstance(node, MappingNode) or depth > 10:
        return
    merged: list[Node] = []
    for key, value in reversed(node.value):  # the last of a key wins
        if not isinstance(key, ScalarNode):
            continue
        if key.value == "<<":
            merged += value.value if isinstance(value, SequenceNode) else [value]
        else:
            yield key, value
    for other in merged:
        yield from _pairs(other, depth + 1)


def _mail_service(services: dict[str, tuple[Node, Node]]) -> tuple[str, dict[str, tuple[Node, Node]]] | None:
    by_name = None
    for name, (_, node) in reversed(services.items()):
        entries = _entries(node)
        image = str(entries["image"][1].value) if "image" in entries else ""
        if any(known in image for known in IMAGE_NAMES):
            return name, entries
        if name in ("mailserver", "docker-mailserver") and by_name is None:
            by_name = name, entries
    return by_name


class _Reading:
    """Values of one service, and what could not be known about them."""

    def __init__(self, file: str, known: Mapping[str, str]) -> None:
        self.file = file
        self.known = known
        self.unknown: list[Problem] = []

    def span(self, node: Node, start: int = 0, length: int | None = None) -> Span:
        """The place of a scalar, or of some characters in it (quotes not counted)."""
        mark, end = node.start_mark, node.end_mark
        quoted = getattr(node, "style", None) in ("'", '"')
        if length is None:
            length = end.column - mark.column if end.line == mark.line else 0
        return Span(self.file, mark.line + 1, mark.column + 1 + start + (quoted and start > 0), length)

    def text(self, node: Node, *, counts: bool = True) -> str:
        """A scalar with its ${NAME}s filled in; "" for anything else. `counts`: a name without value is worth telling.
        """
        if not isinstance(node, ScalarNode):
            return ""
        return interpolated(str(node.value), self.known.get, self.span(node), self.unknown if counts else [])

    def scalar(self, entries: dict[str, tuple[Node, Node]], key: str) -> str:
        return self.text(entries[key][1]) if key in entries else ""

    def environment(self, entries: dict[str, tuple[Node, Node]]) -> dict[str, Variable]:
        """`environment`, as a mapping or as a list of NAME=value."""
        variables: dict[str, Variable] = {}
        node = entries["environment"][1] if "environment" in entries else None
        if node is None:
            return variables
        for name, (key, value) in reversed(_entries(node).items()):
            null = isinstance(value, ScalarNode) and value.tag.endswith(":null")
            self.note(variables, name, None if null else self.text(value, counts=name in DEFAULTS), self.span(key))
        for item in node.value if isinstance(node, SequenceNode) else ():
            name, equals, text = self.text(item, counts=False).partition("=")
            if name in DEFAULTS:
                self.text(item)  # tells what is not known
            self.note(variables, name.strip(), text if equals else None, self.span(item, 0, len(name)))
        return variables

    def note(self, variables: dict[str, Variable], name: str, value: str | None, span: Span) -> None:
        if value is None and name not in self.known and name in DEFAULTS:
            message = "comes from the shell that starts the container; taken as unset"
            self.unknown.append(Problem("warning", message, span, name))
        variables[name] = Variable(self.known.get(name, "") if value is None else value, span)

    def env_files(self, entries: dict[str, tuple[Node, Node]]) -> Iterator[str]:
        """`env_file`: a path, a list of paths, or of mappings with `path`."""
        node = entries["env_file"][1] if "env_file" in entries else None
        for item in node.value if isinstance(node, SequenceNode) else [node] if node is not None else ():
            path = self.text(item) if isinstance(item, ScalarNode) else self.scalar(_entries(item), "path")
            if path:
                yield path

    def config(self, entries: dict[str, tuple[Node, Node]]) -> str:
        """The folder of the host that is mounted where docker-mailserver looks for its configuration; "" for none."""
        node = entries["volumes"][1] if "volumes" in entries else None
        for item in node.value if isinstance(node, SequenceNode) else ():
            if isinstance(item, ScalarNode):
                source, _, rest = self.text(item).partition(":")
                target = rest.partition(":")[0]
            else:
                source, target = self.scalar(_entries(item), "source"), self.scalar(_entries(item), "target")
            if target.rstrip("/") == MOUNTED_AT:
                return source
        return ""
