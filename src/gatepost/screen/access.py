"""Need this client be tried at all? postscreen_access_list, and postscreen_allowlist_interfaces.

The list is Postfix's (postconf(5), server access lists): permit_mynetworks, permit, reject, dunno, and tables that are
asked for the client's address and answer with the same words. Malformed networks and words that do not exist end the
start with a ConfigError, unless gatepost_compatibility is postfix: then, as in Postfix, a word is complained of when it
is reached, and the rest of the list is ignored. Words in tables are known only then in any case. Contract: nothing is
raised by a client's address; nothing suspends when no table has to wait. This file must not know what the answer costs.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence

import gatepost.config.parameters as p
from gatepost.config.parameter import Word, split_list
from gatepost.config.settings import Settings
from gatepost.lookup.ask import LookupFailure, Lookups, Table, is_immediate
from gatepost.lookup.match import AddressList
from gatepost.span import ConfigError

Say = Callable[[str], None]


class Access(enum.Enum):
    """What the list says. ERROR is treated as DUNNO; it says that the rest of the list was not looked at."""

    PERMIT = "permit"
    REJECT = "reject"
    DUNNO = "dunno"
    ERROR = "error"


NETWORKS = "permit_mynetworks"
WORDS = {access.value: access for access in (Access.PERMIT, Access.REJECT, Access.DUNNO)}
IGNORING = "-- ignoring the remainder of this access list"

Step = str | Access | Table
"""One item: a table, a decision, NETWORKS, or a word that does not exist."""


class AccessList:
    """postscreen_access_list, compiled."""

    __slots__ = ("_info", "_networks", "_reminder", "_steps", "_warn")

    def __init__(self, steps: Sequence[tuple[str, Step]], networks: AddressList, *, reminder: str, info: Say,
                 warn: Say) -> None:
        """`steps`: each as written, and what it means; `reminder`: the style of mynetworks when it is an old default
        that nobody chose, else ""."""
        self._steps = tuple(steps)
        self._networks = networks
        self._reminder = reminder
        self._info = info
        self._warn = warn

    @classmethod
    def of(cls, settings: Settings, lookups: Lookups, *, info: Say, warn: Say) -> AccessList:
        """What the settings say. ConfigError for what cannot be understood; see the module about when."""
        strict = settings[p.GATEPOST_COMPATIBILITY] != "postfix"
        steps = [(word.text, _step(word, lookups, strict)) for word in settings[p.POSTSCREEN_ACCESS_LIST]]
        networks = AddressList.of(settings[p.MYNETWORKS], lookups, strict=strict)
        return cls(steps, networks, reminder=_unchosen_style(settings), info=info, warn=warn)

    async def judge(self, address: str) -> Access:
        """The first decision for a client's address (text, no brackets)."""
        return await self._judge(address, self._steps, p.POSTSCREEN_ACCESS_LIST.name)

    async def _judge(self, address: str, steps: Sequence[tuple[str, Step]], origin: str) -> Access:
        for written, step in steps:
            if isinstance(step, Access):
                return step
            if step == NETWORKS:
                answer = await self._ours(address, origin, written)
            elif isinstance(step, str):
                self._warn(f"{origin}: unknown command: {written} {IGNORING}")
                return Access.ERROR
            else:
                answer = await self._found(address, step, origin)
            if answer is not Access.DUNNO:
                return answer
        return Access.DUNNO

    async def _ours(self, address: str, origin: str, written: str) -> Access:
        """PERMIT for a client in $mynetworks."""
        try:
            ours = self._networks.matches_now(address) if self._networks.static else \
                await self._networks.matches(address)
        except LookupFailure:
            self._warn(f"{origin}: {written}: mynetworks lookup error {IGNORING}")
            return Access.ERROR
        if not ours:
            return Access.DUNNO
        if self._reminder:
            self._info(f"using backwards-compatible default setting mynetworks_style={self._reminder} "
                       f'to permit request from client "{address}"')
        return Access.PERMIT

    async def _found(self, address: str, table: Table, origin: str) -> Access:
        """What a table's entry for the address says, itself an access list; DUNNO in it leaves the table only."""
        try:
            entry = table.get_now(address) if is_immediate(table) else await table.get(address)
        except LookupFailure:
            self._warn(f"{origin}: {table.spec}: table lookup error {IGNORING}")
            return Access.ERROR
        if entry is None:
            return Access.DUNNO
        steps: list[tuple[str, Step]] = []
        for _, word in split_list(entry) or [(0, entry)]:
            if ":" in word:
                self._warn(f'table {table.spec}: lookup result "{word}" is not allowed '
                           "-- ignoring remainder of access list")
                steps.append((word, Access.DUNNO))
                break
            steps.append((word, _meaning(word)))
        return await self._judge(address, steps, table.spec)


class Interfaces:
    """postscreen_allowlist_interfaces: the server addresses at which a client may pass."""

    __slots__ = ("_list", "_warn")

    def __init__(self, addresses: AddressList, warn: Say) -> None:
        self._list = addresses
        self._warn = warn

    @classmethod
    def of(cls, settings: Settings, lookups: Lookups, *, warn: Say) -> Interfaces:
        """What the settings say. ConfigError for a malformed item, unless gatepost_compatibility is postfix: then such
        an item is complained of when it is reached."""
        strict = settings[p.GATEPOST_COMPATIBILITY] != "postfix"
        return cls(AddressList.of(settings[p.POSTSCREEN_ALLOWLIST_INTERFACES], lookups, strict=strict), warn)

    async def hold(self, server_address: str) -> bool:
        """Is that address of ours (text, no brackets) one of them? A table that cannot answer holds nobody."""
        try:
            return self._list.matches_now(server_address) if self._list.static else \
                await self._list.matches(server_address)
        except LookupFailure as failure:
            self._warn(f"{p.POSTSCREEN_ALLOWLIST_INTERFACES.name}: {failure.reason}")
            return False


def _meaning(word: str) -> Step:
    """A word that is no table, any case; what does not exist stays as it is."""
    folded = word.lower()
    return NETWORKS if folded == NETWORKS else WORDS.get(folded, word)


def _step(word: Word, lookups: Lookups, strict: bool) -> Step:
    if ":" in word.text:
        return lookups.table(word.text)
    step = _meaning(word.text)
    if strict and isinstance(step, str) and step != NETWORKS:
        raise ConfigError(f"{p.POSTSCREEN_ACCESS_LIST.name}: unknown command", word.span, word.text)
    return step


def _unchosen_style(settings: Settings) -> str:
    """The style of mynetworks, when it is the one of Postfix before 3.0 because nobody chose."""
    old = settings.expand("${{$compatibility_level} <level {2} ? {old} : {}}")
    if not old or settings.is_set(p.MYNETWORKS) or settings.is_set(p.MYNETWORKS_STYLE):
        return ""
    return settings[p.MYNETWORKS_STYLE]
