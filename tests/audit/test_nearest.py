"""The nearest name is the one that a comparison with all of them finds."""

from __future__ import annotations

import difflib
import random
import string

import pytest

from gatepost.audit import features
from gatepost.audit.nearest import NEAR, Names

ALL = sorted(features.parameters())
NAMES = Names(ALL)


@pytest.mark.parametrize(("written", "meant"), [
    ("smtpd_recipient_restrictons", "smtpd_recipient_restrictions"), ("mynetwork", "mynetworks"),
    ("smtpd_tls_securitylevel", "smtpd_tls_security_level"), ("disable_vfry_command", "disable_vrfy_command"),
    ("my_own_list", ""), ("x", ""), ("", ""), ("smtp", "")])
def test_a_slip(written: str, meant: str) -> None:
    assert NAMES.nearest(written) == meant


def test_slips_of_every_name_are_found_as_by_comparing_all() -> None:
    chance = random.Random(7)
    missed = []
    for name in chance.sample([name for name in ALL if len(name) > 12], 120):
        at = chance.randrange(1, len(name) - 1)
        slip = chance.choice([name[:at] + name[at + 1 :], name[:at] + name[at + 1] + name[at] + name[at + 2 :],
                              name[:at] + chance.choice(string.ascii_lowercase) + name[at:]])
        best = difflib.get_close_matches(slip, ALL, n=1, cutoff=NEAR)
        if best and NAMES.nearest(slip) not in difflib.get_close_matches(slip, ALL, n=3, cutoff=NEAR):
            missed.append((slip, NAMES.nearest(slip), best[0]))
    assert missed == []
