"""What does the machine itself know? `unix:passwd.byname`, `unix:group.byname`, `environ:`, `nis:`, `fail:`.

Postfix DATABASE_README. The passwd and group databases are asked through the C library at every lookup; a name service
that waits for a network makes these lookups wait too, as it does in Postfix. This file must not read files itself.
"""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Callable

from gatepost.lookup.ask import LookupFailure
from gatepost.lookup.tables.table import MemoryTable, Opener, Opening, OpenTable, fold
from gatepost.span import ConfigError


class AskedTable(MemoryTable):
    """A fixed-string table behind a function of the folded key."""

    __slots__ = ("_ask",)

    def __init__(self, spec: str, ask: Callable[[str], str | None]) -> None:
        super().__init__(spec)
        self._ask = ask

    def get_now(self, key: str) -> str | None:
        """Ask the function."""
        return self._ask(fold(key))


class FailingTable(MemoryTable):
    """Every lookup fails."""

    __slots__ = ()

    def get_now(self, key: str) -> str | None:
        """Always LookupFailure."""
        raise LookupFailure(f'{self.spec} lookup error for "{key}"')


def find_user(name: str) -> str | None:
    """The passwd line of a user."""
    try:
        user = pwd.getpwnam(name)
    except (KeyError, ValueError):  # ValueError: a NUL in the name
        return None
    return f"{user.pw_name}:{user.pw_passwd}:{user.pw_uid}:{user.pw_gid}:{user.pw_gecos}:{user.pw_dir}:{user.pw_shell}"


def find_group(name: str) -> str | None:
    """The group line of a group."""
    try:
        group = grp.getgrnam(name)
    except (KeyError, ValueError):
        return None
    return f"{group.gr_name}:{group.gr_passwd}:{group.gr_gid}:{','.join(group.gr_mem)}"


DATABASES: dict[str, Callable[[str], str | None]] = {"passwd.byname": find_user, "group.byname": find_group}


def open_unix(name: str, _: Opening) -> OpenTable:
    """`unix:passwd.byname`, `unix:group.byname`."""
    if name not in DATABASES:
        raise ConfigError(f"unknown table: unix:{name}", text=name)
    return AskedTable(f"unix:{name}", DATABASES[name])


def open_environ(name: str, _: Opening) -> OpenTable:
    """`environ:anything`: the variable named by the (folded) key."""
    return AskedTable(f"environ:{name}", os.environ.get)


def open_fail(name: str, _: Opening) -> OpenTable:
    """`fail:anything`."""
    return FailingTable(f"fail:{name}", partial=False)


def open_nis(name: str, opening: Opening) -> OpenTable:
    """`nis:map`, which stands in the default of alias_maps: as Postfix without a NIS domain, it knows no key."""
    opening.warn(f"nis:{name}: NIS lookups disabled")
    return AskedTable(f"nis:{name}", lambda _: None)


OPENERS: dict[str, Opener] = {"unix": open_unix, "environ": open_environ, "fail": open_fail, "nis": open_nis}
