"""What should be different in a configuration? Changes as an intention, before anybody knows how to write them.

A rule says what it wants; for a Postfix directory edits.py writes it into main.cf and master.cf with every comment
kept, for docker-mailserver docker.py writes it into the override that works. `service` is an entry of master.cf as
`name/type` ("" for main.cf). This file must not know files.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SetValue:
    """The parameter gets this value: the entry in force is rewritten, or a new one is made. `comment` (one or more
    lines without `#`) is put above a new entry, and above an old one that has no comment saying so."""

    name: str
    value: str
    service: str = ""
    comment: str = ""


@dataclass(frozen=True, slots=True)
class DropItems:
    """These items go out of the list, with the separators that are no longer needed: every occurrence of each text, a
    check with its argument written as one ("check_policy_service inet:127.0.0.1:10023"). An emptied list stays, empty.
    """

    name: str
    items: tuple[str, ...]
    service: str = ""


@dataclass(frozen=True, slots=True)
class AddItems:
    """These items come into the list before the item `before` (None: at the end), unless they stand there already.
    `comment` is put above the entry, as with SetValue."""

    name: str
    items: tuple[str, ...]
    before: str | None = None
    service: str = ""
    comment: str = ""


@dataclass(frozen=True, slots=True)
class ReplaceItem:
    """One item of a list is spelt differently, wherever it stands in it."""

    name: str
    item: str
    by: str
    service: str = ""


@dataclass(frozen=True, slots=True)
class RemoveSetting:
    """The parameter is not set any more: every entry of main.cf, or every -o override of the service."""

    name: str
    service: str = ""


@dataclass(frozen=True, slots=True)
class DropEarlier:
    """Of several entries (or -o overrides) of a name, only the one in force stays: the last."""

    name: str
    service: str = ""


@dataclass(frozen=True, slots=True)
class Rename:
    """The parameter is set under its other name, value and place kept."""

    name: str
    to: str
    service: str = ""


@dataclass(frozen=True, slots=True)
class SetField:
    """A column of a master.cf entry gets another value: private, unprivileged, chroot, wakeup, maxproc, command."""

    service: str
    field: str
    value: str


@dataclass(frozen=True, slots=True)
class AddService:
    """master.cf gets this entry, given as the whole logical line (continuation lines allowed)."""

    service: str
    text: str


Change = SetValue | DropItems | AddItems | ReplaceItem | RemoveSetting | DropEarlier | Rename | SetField | AddService
