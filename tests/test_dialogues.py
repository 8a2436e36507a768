"""The specification that runs: every recorded dialogue against `gatepost serve`, a sample against a real Postfix.

With `gatepost_compatibility = postfix` every reply must be what Postfix said, and log lines too, in the shares that are
asserted below; with the default only the dialogues that docs/differences.md lists may differ, and they must.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit import ROOT, needs
from tests.lab import DIALOGUES, postfix
from tests.playing import Played, gatepost_in, play_all
from tests.serving import Warm

GROUPS = ("config-fatal", "content", "pipelining-smtpd", "postscreen", "restrictions", "smuggling")
EACH = int(os.environ.get("GATEPOST_TEST_EACH", "1"))  # one of so many dialogues is played: test_compiled.py takes some
RECORDED = dict(sorted((f"{path.parent.name}/{path.stem}", path) for group in GROUPS
                       for path in (DIALOGUES / group).glob("*.gold"))[::EACH])
SAMPLE = sorted(RECORDED)[::17]  # against Postfix in a normal run
OURS = sorted((DIALOGUES / "turns").glob("*.gold"))  # with parameters that Postfix does not have
MODES = {"postfix": "With gatepost_compatibility = postfix", "gatepost": "By default"}


def listed(mode: str) -> dict[str, str]:
    """Patterns of dialogue names whose difference is meant -> the reason, from docs/differences.md."""
    text = (ROOT / "docs" / "differences.md").read_text(encoding="utf-8")
    _, found, rest = text.partition(f"\n## {MODES[mode]}\n")
    assert found, f"docs/differences.md has no section {MODES[mode]!r}"
    section = rest.partition("\n## ")[0]
    return dict(re.findall(r"^\| `([^`]+)` +\| (.+?) +\|", section, re.MULTILINE))


def is_listed(name: str, mode: str) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in listed(mode))


def selected(request: pytest.FixtureRequest, test: str) -> list[str]:
    """The dialogue names with which one test of this file was chosen: -k may have chosen few."""
    items = (item for item in request.session.items if isinstance(item, pytest.Function))
    return [item.callspec.params["name"] for item in items if item.originalname == test and item.path == Path(__file__)]


@pytest.fixture(scope="module")
def warm() -> Iterator[Warm]:
    with Warm() as process:
        yield process


@pytest.fixture(scope="module")
def as_postfix(request: pytest.FixtureRequest, warm: Warm) -> dict[str, Played]:
    names = selected(request, "test_gatepost_answers_as_postfix")
    played = play_all([RECORDED[name] for name in names], gatepost_in(warm, "postfix"), logs=True)
    return {each.name: each for each in played}


@pytest.fixture(scope="module")
def by_default(request: pytest.FixtureRequest, warm: Warm) -> dict[str, Played]:
    names = selected(request, "test_by_default_only_listed_dialogues_differ")
    played = play_all([RECORDED[name] for name in names], gatepost_in(warm, "gatepost"),
                      meant=lambda name: is_listed(name, "gatepost") or is_listed(name, "postfix"))
    return {each.name: each for each in played}


@pytest.fixture(scope="module")
def in_postfix(request: pytest.FixtureRequest) -> dict[str, Played]:
    names = selected(request, "test_postfix_answers_as_recorded") + selected(request, "test_all_of_postfix")
    return {each.name: each for each in play_all([RECORDED[name] for name in names], postfix, logs=True)}


@pytest.mark.parametrize("name", sorted(RECORDED))
def test_gatepost_answers_as_postfix(name: str, as_postfix: dict[str, Played]) -> None:
    played = as_postfix[name]
    if is_listed(name, "postfix"):
        assert not played.same or played.log[0] < played.log[1], f"{name} is listed as a difference, but is none"
        return
    assert not played.failure and played.score.codes_same, str(played)


def test_texts_and_log_lines(request: pytest.FixtureRequest, as_postfix: dict[str, Played]) -> None:
    """Texts and log lines are equal in at least 99 %, and what is not is listed."""
    if len(as_postfix) < len(RECORDED):
        pytest.skip("only when every dialogue is played")
    texts = sum(played.score.text for played in as_postfix.values())
    replies = sum(played.score.replies for played in as_postfix.values())
    equal = sum(played.log[0] for played in as_postfix.values())
    lines = sum(played.log[1] for played in as_postfix.values())
    assert texts >= 0.99 * replies and equal >= 0.99 * lines, (texts, replies, equal, lines)
    unlisted = [
        "\n".join([str(played), *played.log_listing])
        for played in as_postfix.values()
        if not is_listed(played.name, "postfix") and (not played.score.same or played.log[0] < played.log[1])
    ]
    assert not unlisted, "\n".join(unlisted)


@pytest.mark.parametrize("name", sorted(RECORDED))
def test_by_default_only_listed_dialogues_differ(name: str, by_default: dict[str, Played]) -> None:
    played = by_default[name]
    if is_listed(name, "gatepost"):
        assert not played.same, f"{name} is listed as a difference, but is none"
    else:
        assert played.same or is_listed(name, "postfix"), str(played)


@pytest.mark.parametrize("mode", sorted(MODES))
def test_what_is_ours_alone_is_kept(mode: str, warm: Warm) -> None:
    for played in play_all(OURS, gatepost_in(warm, mode), logs=True):
        assert played.same and played.log[0] == played.log[1], "\n".join([str(played), *played.log_listing])


@pytest.mark.parametrize("mode", sorted(MODES))
def test_every_listed_difference_names_a_dialogue_and_a_reason(mode: str) -> None:
    for pattern, reason in listed(mode).items():
        assert fnmatch.filter(RECORDED, pattern), f"{pattern} names no dialogue"
        assert len(reason) > 10, f"{pattern} has no reason"


@pytest.mark.peer
@needs("postfix", root=True)
@pytest.mark.parametrize("name", SAMPLE)
def test_postfix_answers_as_recorded(name: str, in_postfix: dict[str, Played]) -> None:
    assert_as_recorded(in_postfix[name])


@pytest.mark.peer
@pytest.mark.long
@needs("postfix", root=True)
@pytest.mark.parametrize("name", sorted(set(RECORDED) - set(SAMPLE)))
def test_all_of_postfix(name: str, in_postfix: dict[str, Played]) -> None:
    assert_as_recorded(in_postfix[name])


def assert_as_recorded(played: Played) -> None:
    """Everything equal: were it not, the recording or the player would be wrong."""
    assert played.same, str(played)
    assert played.log[0] == played.log[1], played.log_listing
