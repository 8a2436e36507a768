"""docker-mailserver folders for tests."""

from __future__ import annotations

from pathlib import Path

from gatepost.config.dms import effective
from gatepost.config.dms.effective import Effective

VOLUME = "docker-data/dms/config"


def folder(place: Path, *, env: str = "", compose: str = "", **volume: str) -> str:
    """Make a folder: `main`, `master` and `patches` are the overrides, other names files of the volume."""
    names = {"main": "postfix-main.cf", "master": "postfix-master.cf", "patches": "user-patches.sh",
             "send_access": "postfix-send-access.cf", "receive_access": "postfix-receive-access.cf"}
    (place / VOLUME).mkdir(parents=True)
    for name, text in volume.items():
        (place / VOLUME / names[name]).write_bytes(text.encode())
    if env:
        (place / "mailserver.env").write_text(env)
    if compose:
        (place / "compose.yaml").write_text(compose)
    return str(place)


def understood(place: Path, release: str = "v15.1.0", *, env: str = "", compose: str = "", **volume: str) -> Effective:
    """The same, read."""
    return effective.read(folder(place, env=env, compose=compose, **volume), release)


def value(found: Effective, name: str) -> str | None:
    """A parameter of main.cf as written, None when it is not set."""
    entry = found.main_cf.last().get(name)
    return None if entry is None else entry.value.text


def override(found: Effective, service: str, name: str) -> str | None:
    """An override of a service (`name/type`)."""
    said = [each.value.text for entry in found.master_cf.services if str(entry) == service
            for each in entry.overrides if each.name == name]
    return said[-1] if said else None


def places(found: Effective, name: str) -> tuple[str, int]:
    """File name without folders, and line, of a parameter's setting."""
    span = found.main_cf.last()[name].span
    return span.file.rpartition("/")[2], span.line
