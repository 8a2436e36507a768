"""Which tables does docker-mailserver make when it starts? What will stand in them, from the files of its folder.

The container writes its domains, mailboxes and aliases into /etc/postfix from postfix-accounts.cf and
postfix-virtual.cf (its setup of accounts and aliases). Passwords are not kept. This file must not know rehearsals.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

from gatepost.audit.supposed import Read
from gatepost.config.dms.folder import Folder

ACCOUNTS, ALIASES = "postfix-accounts.cf", "postfix-virtual.cf"


def made(folder: Folder, read: Read) -> Read:
    """`read`, and for what is not there what the container will have made."""
    makes: dict[str, Callable[[], str]] = {
        "/etc/postfix/vhost": lambda: "".join(f"{name}\n" for name in _domains(folder)),
        "/etc/postfix/vmailbox": lambda: "".join(f"{address} {_place(address)}\n" for address in _accounts(folder)),
        "/etc/postfix/virtual": lambda: _text(folder, ALIASES),
    }

    @cache
    def found(path: str) -> tuple[str, str] | None:
        known = read(path)
        if known is not None or path not in makes:
            return known
        text = makes[path]()
        return (path, text) if text or _accounts(folder) else None

    return found


def _text(folder: Folder, name: str) -> str:
    place = Path(folder.path(name))
    try:
        return place.read_text(encoding="utf-8", errors="surrogateescape") if place.is_file() else ""
    except OSError:
        return ""


def _accounts(folder: Folder) -> list[str]:
    """Addresses with a mailbox."""
    lines = (line.strip() for line in _text(folder, ACCOUNTS).splitlines())
    names = (line.partition("|")[0].strip() for line in lines if line and not line.startswith("#"))
    return [name for name in names if "@" in name and " " not in name]


def _domains(folder: Folder) -> list[str]:
    """Domains of mailboxes and aliases."""
    aliases = (line.split()[0] for line in _text(folder, ALIASES).splitlines()
               if line.strip() and not line.startswith(("#", " ", "\t")))
    every = (address.rpartition("@")[2] for address in (*_accounts(folder), *aliases))
    return [name for name in dict.fromkeys(every) if "." in name]


def _place(address: str) -> str:
    user, _, domain = address.rpartition("@")
    return f"{domain}/{user}/"
