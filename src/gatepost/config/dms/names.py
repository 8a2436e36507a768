"""Is this a docker-mailserver folder? By the names of its files.

This file must not read any of them, a compose file excepted, which may be anybody's.
"""

from __future__ import annotations

from pathlib import Path

COMPOSE_FILES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
MAIN, MASTER, PATCHES = "postfix-main.cf", "postfix-master.cf", "user-patches.sh"
OVERRIDES = (MAIN, MASTER, PATCHES)
SEND_ACCESS, RECEIVE_ACCESS = "postfix-send-access.cf", "postfix-receive-access.cf"
VOLUME_FILES = (*OVERRIDES, SEND_ACCESS, RECEIVE_ACCESS, "postfix-accounts.cf", "postfix-virtual.cf",
                "postfix-regexp.cf", "postfix-aliases.cf", "postfix-relaymap.cf", "postfix-sasl-password.cf",
                "dovecot-quotas.cf")
VOLUMES = ("docker-data/dms/config", "config")
"""Where the volume is, below the compose file, when the compose file does not say."""
ENV_FILES = ("mailserver.env", "env-mailserver", "docker-mailserver.env")


def recognised(named: str) -> bool:
    """Does the folder look like docker-mailserver's? A main.cf in it means that it is Postfix's own."""
    place = Path(named)
    if not place.is_dir() or (place / "main.cf").exists():
        return False
    if any((place / name).is_file() for name in VOLUME_FILES):
        return True
    if any((place / volume / name).is_file() for volume in VOLUMES for name in VOLUME_FILES):
        return True
    if (place / VOLUMES[0]).is_dir() or any((place / name).is_file() for name in ENV_FILES):
        return True
    return any(compose_files(place))


def compose_files(place: Path) -> list[Path]:
    """The compose files of a folder that may run docker-mailserver."""
    return [place / name for name in COMPOSE_FILES if (place / name).is_file()
            and any(known in _bytes(place / name) for known in (b"docker-mailserver", b"/mailserver"))]


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
