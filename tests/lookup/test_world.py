"""World opens each table once, reports the broken ones with their place, and gives everything back."""

from __future__ import annotations

import asyncio
from pathlib import Path

from gatepost.config.parameter import Word
from gatepost.config.settings import Settings
from gatepost.lookup.ask import Lookups, Verification, is_immediate
from gatepost.lookup.world import World
from gatepost.span import Span


def world(values: dict[str, str] | None = None) -> tuple[World, list[str]]:
    warnings: list[str] = []
    return World(Settings.of(values or {}), warn=warnings.append), warnings


def test_a_table_is_opened_once() -> None:
    """Two lists that name one table share it."""
    real, _ = world()
    lookups: Lookups = real
    assert lookups.table("inline:{a=b}") is lookups.table("inline:{a=b}")


def test_problems_have_the_place_of_the_word(tmp_path: Path) -> None:
    """The error points at the list that names the table; the same table is warned about once."""
    real, warnings = world()
    span = Span("main.cf", 7, 3)
    words = [Word("inline:{a=b}"), Word(f"hash:{tmp_path}/absent", span), Word("nonsense:x", span),
             Word("unionmap:{inline:{a=b}, fail:x, texthash:/absent}", span)]
    problems = real.open_tables(words)
    assert [(problem.span, problem.text) for problem in problems] == [(span, word.text) for word in words[1:]]
    assert "No such file or directory" in problems[0].message
    assert "unsupported dictionary type: nonsense" in problems[1].message
    real.open_tables(words)
    assert len(warnings) == 3


def test_memory_tables_are_immediate_and_servers_are_not() -> None:
    """Combinations are what their members are."""
    real, _ = world()
    assert is_immediate(real.table("proxy:unionmap:{inline:{a=b}, cidr:{{1.2.3.4 x}}}"))
    assert not is_immediate(real.table("pipemap:{inline:{a=b}, tcp:127.0.0.1:1}"))
    assert real.table("unionmap:{inline:{a=b}, pcre:{{/x/ y}}}").partial
    assert not real.table("unionmap:{cidr:{{1.2.3.4 x}}, pcre:{{/x/ y}}}").partial


def test_parameters_of_database_tables_come_from_settings(tmp_path: Path) -> None:
    """NAME_query is expanded main.cf text."""
    real, _ = world({"data": str(tmp_path), "t_dbpath": "$data/x.db", "t_query": "SELECT 1"})
    assert real.open_tables(["sqlite:t"]) == []


def test_the_prober_is_injected() -> None:
    """Without one, every address is unknown."""
    real, _ = world()

    async def probe(address: str, *, sender: bool) -> Verification:
        return Verification("deliverable", f"{address} {sender}")

    async def play() -> list[str]:
        before = await real.verify("a@x", sender=True)
        real.prober = probe
        after = await real.verify("a@x", sender=True)
        await real.close()
        return [before.status, after.text]

    assert asyncio.run(play()) == ["unknown", "a@x True"]
