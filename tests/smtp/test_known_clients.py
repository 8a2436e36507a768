"""The catalogue is true: each entry talks to a session, and what becomes of it is what the entry says."""

from __future__ import annotations

import importlib.util

import pytest

from gatepost.smtp import events
from gatepost.smtp.known_clients import KNOWN_CLIENTS, KnownClient
from gatepost.smtp.options import Options, Rights
from gatepost.smtp.tolerance import PATTERNS, Tolerated
from gatepost.smtp.turn import EarlyTalk
from tests.kit import ROOT
from tests.smtp.drive import Talk

OPTIONS = Options(hostname="mx", banner="mx ESMTP", forbid_pipelining=False, tolerated=frozenset(PATTERNS))
TALKING = [client for client in KNOWN_CLIENTS if client.after]


def meet(client: KnownClient) -> list[EarlyTalk | Tolerated]:
    """Be that client -> what the session made of it."""
    talk = Talk(OPTIONS, Rights(xclient=True))
    if client.after == "CONNECT":
        talk.feed(events.Received(client.sends))
        talk.begin()
    else:
        talk.begin()
        command = "XCLIENT NAME=c" if client.after == "XCLIENT" else f"{client.after} c"
        talk.send(command.encode() + b"\r\n" + client.sends)
    talk.feed(events.Lost())
    return [fact for fact in talk.facts if isinstance(fact, EarlyTalk | Tolerated)]


@pytest.mark.parametrize("client", TALKING, ids=lambda client: client.name)
def test_what_becomes_of_it(client: KnownClient) -> None:
    (fact,) = meet(client)
    assert fact.after == client.after
    assert (fact.pattern if isinstance(fact, Tolerated) else "") == client.pattern


def test_every_pattern_has_a_client_that_needs_it() -> None:
    assert {client.pattern for client in KNOWN_CLIENTS} == {"", *PATTERNS}


@pytest.mark.parametrize("client", KNOWN_CLIENTS, ids=lambda client: client.name)
def test_every_entry_has_its_source(client: KnownClient) -> None:
    assert client.source.startswith("GitHub ") and 2010 <= client.since <= 2026 and len(client.told) > 20


def test_the_page_is_what_is_declared() -> None:
    spec = importlib.util.spec_from_file_location("turn_catalogue", ROOT / "tools" / "turn_catalogue.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    page = (ROOT / "docs" / "turn-catalogue.md").read_text(encoding="utf-8")
    assert page == module.catalogue(), "python tools/turn_catalogue.py > docs/turn-catalogue.md"
