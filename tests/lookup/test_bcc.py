"""lookup/bcc.py: who gets copies."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from gatepost.config.settings import Settings
from gatepost.lookup.bcc import Copies
from gatepost.lookup.classes import Classes
from gatepost.lookup.fake import FakeLookups

TABLES = {"hash:s": {"a@x.test": "audit@arc.test", "@y.test": "y"},
          "hash:r": {"user": "copy@arc.test", "b@x.test": "audit@arc.test"}}
BASE = {"myhostname": "mx.test", "myorigin": "mx.test", "mydestination": "mx.test", "inet_interfaces": "127.0.0.1",
        "mynetworks": ""}

CASES = [
    ("nobody", {}, []),
    ("always", {"always_bcc": "arc"}, ["arc@mx.test"]),
    ("by sender", {"sender_bcc_maps": "hash:s"}, ["audit@arc.test"]),
    ("by recipient: local part alone when the domain is ours", {"recipient_bcc_maps": "hash:r"},
     ["copy@arc.test", "audit@arc.test"]),
    ("each once", {"sender_bcc_maps": "hash:s", "recipient_bcc_maps": "hash:r", "always_bcc": "audit@arc.test"},
     ["audit@arc.test", "copy@arc.test"]),
    ("not where addresses are not mapped",
     {"always_bcc": "arc", "receive_override_options": "no_address_mappings"}, []),
]


@pytest.mark.parametrize(("sentence", "settings", "copies"), CASES, ids=[case[0] for case in CASES])
def test_who_gets_a_copy(sentence: str, settings: Mapping[str, str], copies: list[str]) -> None:
    read = Settings.of(BASE | dict(settings))
    lookups = FakeLookups(tables=TABLES)
    made = Copies(read, lookups, Classes(read, lookups))
    assert asyncio.run(made.of("a@x.test", ["user@mx.test", "b@x.test"])) == copies
    assert bool(made) is bool(copies)
