"""Who is served or refused without trials, and at which addresses a client may pass."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.config.located import Located
from gatepost.config.settings import Settings, Value
from gatepost.lookup.ask import LookupFailure
from gatepost.lookup.fake import FakeLookups, TableAnswers
from gatepost.screen.access import Access, AccessList, Interfaces
from gatepost.span import ConfigError

PERMIT, REJECT, DUNNO, ERROR = Access.PERMIT, Access.REJECT, Access.DUNNO, Access.ERROR
CLIENT = "192.0.2.1"
DOWN = LookupFailure("down")


@dataclass
class Heard:
    infos: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def judged(text: str, address: str = CLIENT, tables: Mapping[str, TableAnswers] | None = None, *,
           heard: Heard | None = None, **more: str) -> Access:
    """The answer, which must come without waiting; in Postfix's mode, so that bad words are met at use."""
    own = heard or Heard()
    settings = Settings.of({"postscreen_access_list": text, "mynetworks": "127.0.0.0/8",
                            "gatepost_compatibility": "postfix", **more})
    access = AccessList.of(settings, FakeLookups(tables=tables), info=own.infos.append, warn=own.warnings.append)
    begun = access.judge(address)
    try:
        begun.send(None)
    except StopIteration as done:
        assert heard is not None or own.warnings == []
        return done.value  # type: ignore[no-any-return]
    raise AssertionError("it waits")


@pytest.mark.parametrize(("text", "address", "access"), [
    ("permit_mynetworks", "127.0.0.9", PERMIT),
    ("permit_mynetworks", CLIENT, DUNNO),
    ("Permit_MyNetworks, REJECT", CLIENT, REJECT),
    ("permit", CLIENT, PERMIT),
    ("reject permit", CLIENT, REJECT),
    ("dunno, reject", CLIENT, DUNNO),
    ("", CLIENT, DUNNO),
    ("cidr:{{192.0.2.0/24 reject}}, permit", CLIENT, REJECT),
    ("cidr:{{192.0.2.0/24 dunno}}, permit", CLIENT, PERMIT),
    ("inline:{192.0.2=reject}", CLIENT, DUNNO),  # the whole address or nothing
    ("inline:{ {192.0.2.1=permit_mynetworks reject} }", CLIENT, REJECT),
    ("inline:{ {127.0.0.9=permit_mynetworks,reject} }", "127.0.0.9", PERMIT),
    ("inline:{ {192.0.2.1=dunno reject} }, permit", CLIENT, PERMIT),  # dunno leaves the table, not the list
    ("inline:{ {2001:db8::25=Reject} }", "2001:db8::25", REJECT),
    ("inline:{192.0.2.9=reject}", CLIENT, DUNNO),
])
def test_the_first_decision_counts(text: str, address: str, access: Access) -> None:
    assert judged(text, address) is access


IGNORED = "-- ignoring the remainder of this access list"


@pytest.mark.parametrize(("text", "tables", "access", "warning"), [
    ("OK, reject", {}, ERROR, f"postscreen_access_list: unknown command: OK {IGNORED}"),
    ("hash:/t, reject", {"hash:/t": {CLIENT: "OK"}}, ERROR, f"hash:/t: unknown command: OK {IGNORED}"),
    ("hash:/t, reject", {"hash:/t": {CLIENT: "dunno, 550 go away"}}, REJECT, ""),
    ("hash:/t, reject", {"hash:/t": {CLIENT: ""}}, ERROR, f"hash:/t: unknown command:  {IGNORED}"),
    ("hash:/t, reject", {"hash:/t": DOWN}, ERROR, f"postscreen_access_list: hash:/t: table lookup error {IGNORED}"),
    ("hash:/t, reject", {"hash:/t": {CLIENT: "cidr:/u"}}, REJECT,
     'table hash:/t: lookup result "cidr:/u" is not allowed -- ignoring remainder of access list'),
    ("hash:/t, permit", {"hash:/t": {CLIENT: "reject cidr:/u"}}, REJECT,
     'table hash:/t: lookup result "cidr:/u" is not allowed -- ignoring remainder of access list'),
])
def test_what_is_wrong_is_said_and_decides_nothing(text: str, tables: dict[str, TableAnswers], access: Access,
                                                   warning: str) -> None:
    heard = Heard()
    assert judged(text, tables=tables, heard=heard) is access
    assert heard.warnings == ([warning] if warning else [])


def test_networks_that_cannot_be_asked() -> None:
    heard = Heard()
    access = judged("permit_mynetworks, permit", tables={"cidr:/nets": DOWN}, heard=heard, mynetworks="cidr:/nets")
    assert access is ERROR
    assert heard.warnings == [f"postscreen_access_list: permit_mynetworks: mynetworks lookup error {IGNORED}"]


@pytest.mark.parametrize(("more", "said"), [
    ({"compatibility_level": "1"}, True), ({"compatibility_level": "2"}, False),
    ({"compatibility_level": "1", "mynetworks_style": "host"}, False)])
def test_an_old_default_of_mynetworks_is_told(more: dict[str, str], said: bool) -> None:
    heard = Heard()
    settings = Settings.of({"postscreen_access_list": "permit_mynetworks", "inet_interfaces": "loopback-only", **more})
    access = AccessList.of(settings, FakeLookups(), info=heard.infos.append, warn=heard.warnings.append)
    assert asyncio.run(access.judge("127.0.0.1")) is PERMIT
    assert asyncio.run(access.judge(CLIENT)) is DUNNO
    assert heard.infos == ['using backwards-compatible default setting mynetworks_style=subnet to permit request '
                           'from client "127.0.0.1"'] * said


@pytest.mark.parametrize(("values", "message"), [
    ({"postscreen_access_list": "permit_mynetworks, OK"}, "main.cf:3: postscreen_access_list: unknown command: 'OK'"),
    ({"mynetworks": "127.0.0.0/99"}, "main.cf:3: bad net/mask pattern: '127.0.0.0/99'"),
])
def test_what_is_wrong_ends_the_start(values: dict[str, str], message: str) -> None:
    settings = Settings({name: Value(Located.at(text, "main.cf", 3)) for name, text in values.items()})
    with pytest.raises(ConfigError) as caught:
        AccessList.of(settings, FakeLookups(), info=print, warn=print)
    assert str(caught.value) == message


WORDS = st.sampled_from(["permit", "reject", "dunno", "permit_mynetworks", "OK", "", "{", "a:b", ",", "550 no"])


@given(st.lists(WORDS).map(" ".join))
def test_any_entry_of_a_table_is_an_answer(entry: str) -> None:
    heard = Heard()
    answer = judged("texthash:/t", tables={"texthash:/t": {CLIENT: entry}}, heard=heard)
    assert (answer is ERROR) <= (len(heard.warnings) > 0)


def held(text: str, address: str, tables: Mapping[str, TableAnswers] | None = None,
         heard: Heard | None = None) -> bool:
    settings = Settings.of({"postscreen_allowlist_interfaces": text} if text else {})
    interfaces = Interfaces.of(settings, FakeLookups(tables=tables), warn=(heard or Heard()).warnings.append)
    return asyncio.run(interfaces.hold(address))


@pytest.mark.parametrize(("text", "address", "answer"), [
    ("", "192.0.2.8", True),
    ("!192.0.2.8, static:all", "192.0.2.8", False),
    ("!192.0.2.8, static:all", "192.0.2.7", True),
    ("[2001:db8::25]", "2001:db8::25", True),
    ("192.0.2.0/29", "192.0.2.8", False),
])
def test_interfaces(text: str, address: str, answer: bool) -> None:
    assert held(text, address) is answer


def test_interfaces_that_cannot_be_asked_hold_nobody() -> None:
    heard = Heard()
    assert not held("cidr:/t, static:all", CLIENT, {"cidr:/t": DOWN}, heard)
    assert heard.warnings == ["postscreen_allowlist_interfaces: down"]


def test_the_old_name_of_the_interfaces_counts() -> None:
    settings = Settings.of({"postscreen_whitelist_interfaces": "!192.0.2.8 static:all"})
    interfaces = Interfaces.of(settings, FakeLookups(), warn=print)
    assert not asyncio.run(interfaces.hold("192.0.2.8"))
