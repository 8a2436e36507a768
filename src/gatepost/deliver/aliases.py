"""Who are the recipients really? Virtual aliases for any address, then aliases(5) for local users.

virtual(5): keys in full, without extension, the local part alone when the domain is ours, then @domain; results are
expanded again until nothing changes, within limits. aliases(5): keys are local parts; lists, :include: files,
commands (refused) and files. New recipients keep the address that the sender named in `original` and are marked
`expanded`: a retry does not expand them again. What cannot be expanded is a Result. This file must not know
transports.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

from gatepost.config import parameters as p
from gatepost.config.settings import Settings
from gatepost.deliver.alias_text import Destination, destinations, included
from gatepost.deliver.envelope import Recipient
from gatepost.deliver.local import local_user
from gatepost.deliver.result import Result
from gatepost.lookup.ask import LookupFailure, Lookups
from gatepost.lookup.classes import Classes
from gatepost.lookup.kept import Kept
from gatepost.lookup.maps import Maps, full_keys, rest_keys
from gatepost.lookup.rewrite import forms, split, without_extension

INCLUDE_LIMIT = 1 << 20  # bytes of an :include: file

Expanded = list[Recipient | Result]


class VirtualAliases:
    """virtual_alias_maps."""

    def __init__(self, settings: Settings, lookups: Lookups, classes: Classes) -> None:
        self._classes = classes
        self._maps = Maps.of(settings[p.VIRTUAL_ALIAS_MAPS], lookups)
        self._kept: Kept[str, list[str] | None] = Kept(time.monotonic)
        self._delimiters = settings[p.RECIPIENT_DELIMITER]
        self._expansion_limit = settings[p.VIRTUAL_ALIAS_EXPANSION_LIMIT]
        self._recursion_limit = settings[p.VIRTUAL_ALIAS_RECURSION_LIMIT]
        self._length_limit = settings[p.VIRTUAL_ALIAS_ADDRESS_LENGTH_LIMIT]
        self._propagate = any(word.text.lower() == "virtual" for word in settings[p.PROPAGATE_UNMATCHED_EXTENSIONS])

    async def expand(self, recipient: Recipient) -> Expanded:
        """All addresses that it stands for, itself when it is no alias; a deferred Result when that cannot be known."""
        if not self._maps:
            return [marked(recipient, recipient.address)]
        try:
            addresses = self._kept.get(recipient.address, None)
            if addresses is None:
                addresses = await self._all(self._classes.rules.rewritten(recipient.address))
                self._kept.keep(recipient.address, addresses)
        except LookupFailure as failure:
            text = f"virtual_alias_maps lookup failure: {failure.reason}"
            return [Result(recipient, "deferred", "4.3.0", text, service="cleanup")]
        except OverflowError as limit:
            return [Result(recipient, "deferred", "4.6.0", str(limit), service="cleanup")]
        return [marked(recipient, address) for address in addresses]

    async def _all(self, first: str) -> list[str]:
        """Every address, expanded until it stands for itself. OverflowError when a limit is passed."""
        done: dict[str, None] = {}
        seen: set[str] = set()
        waiting = [(first, 0)]
        while waiting:
            address, depth = waiting.pop(0)
            if address.lower() in seen:
                continue
            seen.add(address.lower())
            if len(seen) > self._expansion_limit or depth > self._recursion_limit:
                raise OverflowError("alias expansion error" if depth > self._recursion_limit else
                                    "too many recipients after alias expansion")
            found = await self._once(address)
            if found is None:
                done[address] = None
                continue
            # An address that stands among its own results is final there: `a: a, b`.
            done |= {one: None for one in found if one.lower() == address.lower()}
            waiting += [(one, depth + 1) for one in found]
        if not done:
            raise OverflowError("alias expansion loop")  # an empty list would lose the message
        return list(done)

    async def _once(self, address: str) -> list[str] | None:
        local, domain = split(address)
        short = domain.lower() == self._classes.rules.myorigin.lower() or await self._classes.is_local(domain)
        exact = set(forms(address))
        keys = chain(full_keys(address, self._delimiters), rest_keys(address, self._delimiters, short=short))
        for key, partial in keys:
            value = await self._maps.find(key, partial=partial)
            if value is None:
                continue
            user = without_extension(local, self._delimiters)
            unmatched = key not in exact and not key.startswith("@") and key != local and user is not None
            extension = local[len(user) :] if unmatched and user is not None and self._propagate else ""
            return [self._result(item.text, local, extension) for item in destinations(value)]
        return None

    def _result(self, text: str, local: str, extension: str) -> str:
        """One address of a result: `@domain` keeps the local part; others get the extension that did not match."""
        if text.startswith("@"):
            return local + text
        found = self._classes.rules.rewritten(text)
        if extension:
            name, domain = split(found)
            found = f"{name}{extension}@{domain}"
        if len(found) > self._length_limit:
            raise OverflowError("alias expansion makes an address that is too long")
        return found


class LocalAliases:
    """alias_maps, luser_relay."""

    def __init__(self, settings: Settings, lookups: Lookups, classes: Classes) -> None:
        self._settings = settings
        self._classes = classes
        self._maps = Maps.of(settings[p.ALIAS_MAPS], lookups)
        self._delimiters = settings[p.RECIPIENT_DELIMITER]
        self._files = {word.text for word in settings[p.ALLOW_MAIL_TO_FILES]}
        self._luser_relay = settings[p.LUSER_RELAY]

    async def expand(self, recipient: Recipient) -> Expanded:
        """What a local recipient stands for: users, addresses elsewhere, files; refusals as Results."""
        try:
            return await self._expand(recipient, frozenset())
        except LookupFailure as failure:
            text = f"alias database unavailable: {failure.reason}"
            again = replace(recipient, original="")  # both expansions begin anew at the next try
            return [_refused(again, "deferred", "4.3.0", text)]

    async def _expand(self, recipient: Recipient, above: frozenset[str]) -> Expanded:
        local, domain = split(recipient.address)
        for name in (local.lower(), without_extension(local.lower(), self._delimiters)):
            if not name or name in above:
                continue
            value = await self._maps.find(name)
            if value is not None:
                found = await self._each(recipient, destinations(value), domain, above | {name}, "alias")
                nothing = _refused(recipient, "deferred", "4.3.0", f"no recipient in alias lookup result for {name}")
                return found or [nothing]
        if self._luser_relay and local_user(local, self._delimiters) is None:
            return await self._relayed(recipient)
        return [recipient]

    async def _each(self, recipient: Recipient, items: Sequence[Destination], domain: str, above: frozenset[str],
                    place: str) -> Expanded:
        if len(above) > 100:
            return [_refused(recipient, "bounced", "5.4.6", "possible alias database loop")]
        found: Expanded = []
        for item in items:
            match item.kind:
                case "address":
                    found += await self._address(recipient, item.text, above)
                case "include":
                    found += await self._include(recipient, item.text, domain, above)
                case "file" if place in self._files:
                    found.append(marked(recipient, item.text))
                case "file":
                    found.append(_refused(recipient, "bounced", "5.7.1", "mail to file is restricted"))
                case "command":
                    found.append(_refused(recipient, "bounced", "5.7.1", "mail to command is restricted"))
                case _:
                    found.append(_refused(recipient, "bounced", "5.1.3", f"bad alias destination: {item.text}"))
        return found

    async def _address(self, recipient: Recipient, address: str, above: frozenset[str]) -> Expanded:
        resolved = await self._classes.resolve(address)
        one = marked(recipient, resolved.address)
        return await self._expand(one, above) if resolved.kind == "local" and resolved.valid else [one]

    async def _include(self, recipient: Recipient, path: str, domain: str, above: frozenset[str]) -> Expanded:
        key = f":include:{path}"
        if key in above:
            return []
        try:
            text = await asyncio.get_running_loop().run_in_executor(None, _read, path)
        except OSError as failure:
            reason = f"cannot open include file {path}: {failure.strerror or failure}"
            return [_refused(recipient, "deferred", "4.2.0", reason)]
        return await self._each(recipient, included(text), domain, above | {key}, "include")

    async def _relayed(self, recipient: Recipient) -> Expanded:
        local, domain = split(recipient.address)
        user = without_extension(local, self._delimiters) or local
        values = {"local": local, "user": user, "recipient": recipient.address, "domain": domain,
                  "extension": local[len(user) + 1 :], "recipient_delimiter": self._delimiters}
        text = re.sub(r"\$(?:\{(\w+)\}|\((\w+)\)|(\w+))",
                      lambda found: values.get(found[1] or found[2] or found[3], ""), self._luser_relay)
        if text.startswith("@"):
            return [marked(recipient, local + text)]
        return [marked(recipient, (await self._classes.resolve(text)).address)]


class Aliases:
    """Both, in order."""

    def __init__(self, settings: Settings, lookups: Lookups, classes: Classes) -> None:
        self.virtual = VirtualAliases(settings, lookups, classes)
        self.local = LocalAliases(settings, lookups, classes)

    async def expand_virtual(self, recipients: Sequence[Recipient], *, mappings: bool = True) -> Expanded:
        """virtual_alias_maps for recipients that are not expanded yet; `mappings` False (no_address_mappings): they
        stay as they are. Each address of one original once."""
        found: Expanded = []
        for recipient in recipients:
            if recipient.expanded or not mappings:
                found.append(recipient)
            else:
                found += await self.virtual.expand(recipient)
        return once(found)


def once(expanded: Expanded) -> Expanded:
    """Without recipients that stand there already under the same original (enable_original_recipient = yes)."""
    if len(expanded) == 1:
        return expanded
    seen: set[tuple[str, str]] = set()
    found: Expanded = []
    for one in expanded:
        if isinstance(one, Recipient):
            key = (one.address, one.original)
            if key in seen:
                continue
            seen.add(key)
        found.append(one)
    return found


def marked(recipient: Recipient, address: str) -> Recipient:
    """The expanded recipient."""
    return Recipient(address, recipient.original or recipient.address, recipient.orcpt, recipient.notify)


def _refused(recipient: Recipient, status: str, dsn: str, text: str) -> Result:
    return Result(recipient, status, dsn, text, relay="local", service="local")


def _read(path: str) -> str:
    with Path(path).open("rb") as file:
        return file.read(INCLUDE_LIMIT).decode("utf-8", "surrogateescape")
