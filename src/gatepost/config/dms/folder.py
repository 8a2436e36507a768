"""Which files of a docker-mailserver folder count? Its config volume, compose file and environment.

An operator may name the folder of the compose file (the volume is then what the compose file mounts, or
docker-data/dms/config, or config) or the volume itself (a compose file is then looked for above it). This file must not
know what the files mean to Postfix.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gatepost.config.dms import environment
from gatepost.config.dms.environment import Environment, Variable
from gatepost.config.dms.names import ENV_FILES, OVERRIDES, VOLUME_FILES, VOLUMES, compose_files
from gatepost.config.problem import Problem
from gatepost.span import ConfigError, Span

if TYPE_CHECKING:
    from gatepost.config.dms.compose import Compose

LEVELS_UP = 3


@dataclass(frozen=True, slots=True)
class Folder:
    """What was found. `volume`: the folder that the container sees as its configuration; `texts`: the overrides in it,
    by file name, only those that exist; `files`: names of everything in it; `sources`: file -> text of whatever was
    read."""

    named: str
    volume: str
    files: frozenset[str]
    texts: Mapping[str, str]
    sources: Mapping[str, str]
    compose: Compose | None
    environment: Environment

    def path(self, name: str) -> str:
        """The path of a file of the volume, whether it exists or not."""
        return str(Path(self.volume) / name)


def find(named: str, env: str = "") -> Folder:
    """Read the folder. `env`: the environment file or compose file to use, "" for what is found. ConfigError: it is no
    directory, or a file of it cannot be read or is not in its syntax."""
    place = Path(named)
    if not place.is_dir():
        raise ConfigError("not a directory", Span(named, 1))
    reading = _Reading()
    root = place
    if env and Path(env).suffix in (".yaml", ".yml"):
        found = reading.compose_file(Path(env))
        if found is None:
            raise ConfigError("no service in it runs docker-mailserver", Span(env, 1))
        return _folder(named, _volume(place, root, found), reading, found,
                       reading.environment([Path(env).parent / name for name in found.env_files], found))
    found = reading.compose(place)
    if found is None and any((place / name).is_file() for name in VOLUME_FILES):
        for above in _above(place):
            found = reading.compose(above)
            if found is not None:
                root = above
                break
            if any((above / name).is_file() for name in ENV_FILES):
                root = above
                break
    volume = _volume(place, root, found)
    if env:
        paths = [Path(env)]
    elif found is not None:
        paths = [root / name for name in found.env_files]
    else:
        paths = _env_files(root) or (_env_files(volume) if volume != root else [])
    return _folder(named, volume, reading, found, reading.environment(paths, found))


def _folder(named: str, volume: Path, reading: _Reading, found: Compose | None, variables: Environment) -> Folder:
    files = frozenset(each.name for each in volume.iterdir() if each.is_file()) if volume.is_dir() else frozenset()
    texts = {name: reading.text(volume / name) for name in OVERRIDES if name in files}
    return Folder(named, str(volume), files, texts, reading.sources, found, variables)


def _above(place: Path) -> list[Path]:
    """The folders above, written as shortly as the operator's own path allows."""
    above = []
    here = place
    for _ in range(LEVELS_UP):
        here = here.parent if here.name not in ("", "..") else here / ".."
        above.append(here)
    return above


def _volume(place: Path, root: Path, found: Compose | None) -> Path:
    if root != place:
        return place
    candidates = [*VOLUMES]
    if found is not None and found.config:
        candidates.insert(0, found.config)
    for candidate in candidates:
        if (place / candidate).is_dir():
            return place / candidate
    if any((place / name).is_file() for name in VOLUME_FILES) or found is None:
        return place
    return place / (found.config or VOLUMES[0])


class _Reading:
    """Files as they are read, remembered by path."""

    def __init__(self) -> None:
        self.sources: dict[str, str] = {}
        self.unknown: list[Problem] = []

    def text(self, path: Path) -> str:
        try:
            text = path.read_bytes().decode("utf-8", "surrogateescape")
        except OSError as error:
            raise ConfigError(f"cannot open {path.name}: {error.strerror or error}", Span(str(path), 1)) from None
        if "\0" in text:
            at = text.index("\0")
            line = text.count("\n", 0, at) + 1
            raise ConfigError("this is not a text file: it has bytes that no configuration has", Span(str(path), line))
        self.sources[str(path)] = text
        return text

    def compose(self, place: Path) -> Compose | None:
        return next((found for path in compose_files(place) if (found := self.compose_file(path)) is not None), None)

    def compose_file(self, path: Path) -> Compose | None:
        from gatepost.config.dms import compose  # the YAML library only where there is YAML

        beside, known = path.parent / ".env", dict[str, str]()
        if beside.is_file():
            read = environment.parse(str(beside), self.text(beside))
            known = {name: variable.value for name, variable in read.variables.items()}
        return compose.read(str(path), self.text(path), known)

    def environment(self, paths: Sequence[Path], found: Compose | None) -> Environment:
        """The variables: those of environment files, overridden by the compose file's own."""
        variables: dict[str, Variable] = {}
        self.unknown += found.unknown if found is not None else ()
        for path in paths:
            if not path.is_file():
                message = "environment file is not there; its variables are taken as unset"
                self.unknown.append(Problem("warning", message, Span(found.file if found else str(path), 1), path.name))
                continue
            read = environment.parse(str(path), self.text(path))
            variables |= read.variables
            self.unknown += read.unknown
        if found is not None:
            variables |= found.environment
        for name, variable in list(variables.items()):
            bare = name.removesuffix("__FILE")
            if bare != name and variable.value and not (bare in variables and variables[bare].value):
                message = f"{bare} is read from a file inside the container; taken as unset"
                self.unknown.append(Problem("warning", message, variable.span, variable.value))
        return Environment(variables, tuple(self.unknown))


def _env_files(place: Path) -> list[Path]:
    for name in ENV_FILES:
        if (place / name).is_file():
            return [place / name]
    found = sorted(path for path in place.glob("*.env") if path.is_file() and path.name != ".env")
    return found[:1] or [path for path in [place / ".env"] if path.is_file()]
