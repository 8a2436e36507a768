"""Where on this machine does the message go? Delivery to local users (local) and to virtual mailboxes (virtual).

local(8): the user's home_mailbox, else a file or Maildir in mail_spool_directory. virtual(8): virtual_mailbox_base
and virtual_mailbox_maps, owner by virtual_uid_maps and virtual_gid_maps. Files are written in a bounded number of
threads, so that no disk stops the loop; large messages in pieces. Aliases are expanded already (aliases.py). Texts
and codes are those of Postfix. This file must not know how a mailbox is written, nor routing.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import pwd
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from gatepost.config import parameters as p
from gatepost.config.settings import Settings
from gatepost.deliver.envelope import Envelope, Recipient
from gatepost.deliver.mailbox import Owner, Writing, open_mailbox
from gatepost.deliver.result import Content, Result
from gatepost.lookup.ask import LookupFailure, Lookups
from gatepost.lookup.maps import Maps
from gatepost.lookup.rewrite import split, without_extension
from gatepost.smtp.grammar import external

T = TypeVar("T")

THREADS = 8  # mailboxes written at a time
WHOLE = 1 << 20  # bytes up to which a message is written in one go
HEADERS = 1 << 16  # bytes in which Delivered-To: is looked for


@dataclass(frozen=True, slots=True)
class Place:
    """A mailbox: `path` below `root`, a Maildir when it ends in a slash."""

    root: str
    path: str
    owner: Owner

    @property
    def kind(self) -> str:
        """As the log says it."""
        return "maildir" if self.path.endswith("/") else "mailbox"


class Mailboxes:
    """Both agents; one for all transports, because they share the threads."""

    def __init__(self, threads: int = THREADS) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="mailbox")

    def close(self) -> None:
        """Let the threads end when they are done; nothing can be stored any more."""
        self._threads.shutdown(wait=False)

    async def store(self, place: Place, header: bytes, content: Content, attempts: int) -> None:
        """Write a message into a mailbox. OSError when it cannot be."""
        opening = partial(open_mailbox, place.root, place.path, place.owner, header, attempts=attempts)
        if content.size <= WHOLE:
            await self._run(partial(_store_whole, opening, await content.read()))
            return
        writing = await self._run(opening)
        try:
            async for chunk in content.chunks(WHOLE):
                await self._run(partial(writing.write, chunk))
            await self._run(writing.finish)
        except BaseException:
            await asyncio.shield(self._run(writing.abandon))
            raise

    def _run(self, call: Callable[[], T]) -> asyncio.Future[T]:
        return asyncio.get_running_loop().run_in_executor(self._threads, call)


def _store_whole(opening: Callable[[], Writing], data: bytes) -> None:
    writing = opening()
    try:
        writing.write(data)
        writing.finish()
    except BaseException:
        with contextlib.suppress(OSError):
            writing.abandon()
        raise


class LocalAgent:
    """local(8) without aliases: one recipient at a time, in the mailbox of a user of this machine."""

    def __init__(self, settings: Settings, mailboxes: Mailboxes) -> None:
        self._settings = settings
        self._mailboxes = mailboxes
        self._home_mailbox = settings[p.HOME_MAILBOX]
        self._spool = settings[p.MAIL_SPOOL_DIRECTORY]
        self._delimiters = settings[p.RECIPIENT_DELIMITER]
        self._command = settings[p.MAILBOX_COMMAND]
        self._attempts = settings[p.DELIVER_LOCK_ATTEMPTS]

    async def deliver(self, envelope: Envelope, recipient: Recipient, content: Content) -> Result:
        """One recipient."""
        if recipient.expanded and recipient.address.startswith("/") and "@" not in recipient.address:
            return await self._to_file(envelope, recipient, content)
        user = local_user(split(recipient.address)[0] if "@" in recipient.address else recipient.address,
                          self._delimiters)
        if user is None:
            name = split(recipient.address)[0] or recipient.address
            return _result(recipient, "bounced", "5.1.1", f'unknown user: "{name.lower()}"', "local")
        if self._command:
            return _result(recipient, "deferred", "4.3.5", "mailbox_command is not supported", "local")
        if envelope.probe:
            return _result(recipient, "sent", "2.0.0", "delivers to mailbox", "local")
        if await _delivered_before(recipient.address, content):
            text = f"mail forwarding loop for {recipient.address}"
            return _result(recipient, "bounced", "5.4.6", text, "local")
        return await _store(self._mailboxes, self._place(user), envelope, recipient, content, "local", self._attempts)

    def _place(self, user: pwd.struct_passwd) -> Place:
        owner = Owner(user.pw_uid, user.pw_gid)
        if self._home_mailbox:
            return Place(user.pw_dir, self._home_mailbox, owner)
        return Place(self._spool, user.pw_name + ("/" if self._spool.endswith("/") else ""), owner)

    async def _to_file(self, envelope: Envelope, recipient: Recipient, content: Content) -> Result:
        """A /file/name that stood in an alias table, written with the rights of default_privs."""
        path = recipient.address
        if envelope.probe:
            return _result(recipient, "sent", "2.0.0", f"delivers to file: {path}", "local")
        if path == "/dev/null":
            return _result(recipient, "sent", "2.0.0", "delivered to file: /dev/null", "local")
        try:
            user = pwd.getpwnam(self._settings[p.DEFAULT_PRIVS])
        except KeyError:
            return _result(recipient, "deferred", "4.3.5", "unknown default_privs user", "local")
        place = Place("/", path, Owner(user.pw_uid, user.pw_gid))
        return await _store(self._mailboxes, place, envelope, recipient, content, "local", self._attempts, path)


def local_user(name: str, delimiters: str) -> pwd.struct_passwd | None:
    """The user of a local part, in full or without its extension; None when there is none."""
    for candidate in (name.lower(), without_extension(name.lower(), delimiters)):
        if candidate and "/" not in candidate and "\0" not in candidate:
            with contextlib.suppress(KeyError, UnicodeError):
                return pwd.getpwnam(candidate)
    return None


class VirtualAgent:
    """virtual(8)."""

    def __init__(self, settings: Settings, lookups: Lookups, mailboxes: Mailboxes) -> None:
        self._mailboxes = mailboxes
        self._base = settings[p.VIRTUAL_MAILBOX_BASE]
        if self._base:
            with contextlib.suppress(OSError):
                os.mkdir(self._base, 0o755)
        self._maps = Maps.of(settings[p.VIRTUAL_MAILBOX_MAPS], lookups)
        self._uids = Maps.of(settings[p.VIRTUAL_UID_MAPS], lookups)
        self._gids = Maps.of(settings[p.VIRTUAL_GID_MAPS], lookups)
        self._minimum = settings[p.VIRTUAL_MINIMUM_UID]
        self._delimiters = settings[p.RECIPIENT_DELIMITER]
        self._attempts = settings[p.DELIVER_LOCK_ATTEMPTS]

    async def deliver(self, envelope: Envelope, recipient: Recipient, content: Content) -> Result:
        """One recipient."""
        address = recipient.address.lower()
        try:
            path = await self._maps.find_address(address, self._delimiters, short=False)
            if path is None:
                return _result(recipient, "bounced", "5.1.1", f'unknown user: "{address}"', "virtual")
            owner = await self._owner(address)
        except LookupFailure as failure:
            text = f"mail system configuration error: {failure.reason}"
            return _result(recipient, "deferred", "4.3.0", text, "virtual")
        if isinstance(owner, str) or not self._base:
            reason = owner if isinstance(owner, str) else "virtual_mailbox_base is empty"
            return _result(recipient, "deferred", "4.3.5", f"mail system configuration error: {reason}", "virtual")
        place = Place(self._base, path.lstrip("/"), owner)
        if envelope.probe:
            return _result(recipient, "sent", "2.0.0", f"delivers to {place.kind}", "virtual")
        return await _store(self._mailboxes, place, envelope, recipient, content, "virtual", self._attempts)

    async def _owner(self, address: str) -> Owner | str:
        """Who owns the mailbox, or what is wrong with the tables that should say so."""
        found: list[int] = []
        for name, maps, least in (("uid", self._uids, self._minimum), ("gid", self._gids, min(self._minimum, 1))):
            text = await maps.find_address(address, self._delimiters, short=False)
            if text is None:
                if os.geteuid() == 0:
                    return f"no {name} for {address} in virtual_{name}_maps"
                text = str(os.geteuid() if name == "uid" else os.getegid())
                least = 0
            if not text.isascii() or not text.isdigit() or int(text) < least:
                return f"bad {name} {text} for {address} in virtual_{name}_maps"
            found.append(int(text))
        return Owner(found[0], found[1])


async def _store(mailboxes: Mailboxes, place: Place, envelope: Envelope, recipient: Recipient, content: Content,
                 agent: str, attempts: int, file: str = "") -> Result:
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        await mailboxes.store(place, _header(envelope, recipient), content, attempts)
    except OSError as failure:
        reason = failure.strerror or str(failure)
        text = f"{place.kind} delivery failed: {place.root.rstrip('/')}/{place.path.lstrip('/')}: {reason}"
        return _result(recipient, "deferred", _dsn(failure), text, agent)
    text = f"delivered to file: {file}" if file else f"delivered to {place.kind}"
    result = _result(recipient, "sent", "2.0.0", text, agent)
    result.delays = (0.0, loop.time() - began)
    return result


def _dsn(failure: OSError) -> str:
    match failure.errno:
        case errno.EDQUOT:
            return "4.2.2"
        case errno.ENOSPC | errno.EMFILE | errno.ENFILE | errno.EIO:
            return "4.3.0"
    return "4.2.0"


def _header(envelope: Envelope, recipient: Recipient) -> bytes:
    """What local delivery puts in front of a message."""
    sender = external(envelope.sender) if envelope.sender else ""
    lines = [f"Return-Path: <{sender}>"]
    if recipient.original:
        lines.append(f"X-Original-To: {external(recipient.original)}")
    lines.append(f"Delivered-To: {external(_delivered_to(recipient))}")
    safe = ("".join(char for char in line if char not in "\r\n\0") for line in lines)
    return "".join(line + "\n" for line in safe).encode("utf-8", "surrogateescape")


def _delivered_to(recipient: Recipient) -> str:
    return recipient.original if recipient.address.startswith("/") else recipient.address


async def _delivered_before(address: str, content: Content) -> bool:
    """Does the message carry our own Delivered-To: for this address? Then it goes round in circles."""
    head = b""
    async for chunk in content.chunks(HEADERS):
        head = chunk
        break
    head = head.partition(b"\r\n\r\n")[0]
    wanted = b"delivered-to: " + external(address).lower().encode("utf-8", "surrogateescape")
    return any(line.lower() == wanted for line in head.split(b"\r\n"))


def _result(recipient: Recipient, status: str, dsn: str, text: str, agent: str) -> Result:
    return Result(recipient, status, dsn, text, relay=agent, service=agent)
