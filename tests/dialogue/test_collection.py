"""The dialogues that ship: all read, each has its name, and the proofs are the client's side of whole conversations."""

from __future__ import annotations

import itertools

import pytest

from gatepost.dialogue.collection import dialogue, dialogues, home, names
from gatepost.dialogue.format import Expect, Send

PROOFS = names("proofs")


def test_every_group_is_found_and_reads() -> None:
    groups = [path.name for path in home().iterdir() if path.is_dir() and path.name != "base"]
    found = dict(dialogues(*groups))
    assert len(found) > 500 and len(found) == len(names(*groups))
    assert all(one.title for one in found.values())


def test_an_unknown_name_is_a_key_error() -> None:
    for name in ("proofs/none", "none", "../dialogues/proofs/relay.client"):
        with pytest.raises(KeyError):
            dialogue(name)


@pytest.mark.parametrize("name", PROOFS)
def test_a_proof_waits_for_each_answer_and_is_no_recording(name: str) -> None:
    steps = dialogue(name).steps
    assert any(isinstance(step, Send) for step in steps) and not (home() / f"{name}.gold").exists()
    for before, step in itertools.pairwise(steps):
        assert isinstance(before, Send) != isinstance(step, Send), "it speaks, and waits"
    assert all(not step.open for step in steps if isinstance(step, Expect)), "what it would like to hear is known"
