"""gatepost screen: who passed which trial until when, and who was caught at what. Works while the gateway runs and
while not: it looks into the memory itself."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gatepost.cli.options import ConfigDirectory, State, fail
from gatepost.cli.serving import configuration
from gatepost.config import parameters as p
from gatepost.config.load import Configuration
from gatepost.config.settings import Settings
from gatepost.observe.log import printable
from gatepost.screen import memory_view as view
from gatepost.screen.memory_places import bounds_of, open_store
from gatepost.screen.memory_store import Catch, Store, StoreFailure
from gatepost.screen.trials import TRIALS
from gatepost.span import ConfigError

SHOWN = 20  # catches that `list` shows
WIDE = 500  # columns where no terminal says how many there are: nothing is folded
T = TypeVar("T")
Question = Callable[[Store, float], Awaitable[T]]  # of a store; the float: since when catches count

app = typer.Typer(no_args_is_help=True, help="Look at what screening remembers of clients, and forget it.")

Json = Annotated[bool, typer.Option("--json", help="One JSON document instead of text.")]
Address = Annotated[str, typer.Argument(metavar="ADDRESS", help="A client's IP address.")]


@app.command("list")
def list_(config: ConfigDirectory = None, state: State = None, as_json: Json = False,
          everything: Annotated[bool, typer.Option("--all", help=f"Every catch, not only the last {SHOWN}.")] = False,
          ) -> None:
    """Clients with the trials that they passed, and until when; then what was caught, newest first."""

    async def ask(store: Store, since: float) -> tuple[list[view.Remembered], Sequence[Catch]]:
        return await view.remembered(store, time.time()), await store.history(since)

    found = _ask(config, state, ask)
    passed = [client for clients, _ in found for client in clients]
    caught = sorted((catch for _, catches in found for catch in catches), key=lambda catch: -catch.time)
    shown = caught if everything else caught[:SHOWN]
    if as_json:
        return _json({"passed": [_client(client) for client in passed], "caught": [asdict(catch) for catch in shown],
                      "caught_not_shown": len(caught) - len(shown)})
    if passed:
        _table(["passed until", *(trial.name for trial in TRIALS)],
               ([client.address, *map(_until, client.passes)] for client in passed))
    else:
        print("no client has passed")
    print()
    _caught(shown)
    if len(caught) > len(shown):
        print(f"{len(caught) - len(shown)} more: --all")


@app.command()
def show(address: Address, config: ConfigDirectory = None, state: State = None, as_json: Json = False) -> None:
    """What is remembered of one client. Status 1: nothing."""
    wanted = _address(address)

    async def ask(store: Store, since: float) -> tuple[str, view.Remembered | None]:
        return store.place, await view.show(store, wanted, time.time(), since)

    found = [(place, client) for place, client in _ask(config, state, ask) if client is not None]
    if not found:
        _unknown(wanted)
    if as_json:
        return _json({"memories": [{"place": place} | _client(client) | {
            "caught": [asdict(catch) for catch in client.caught]} for place, client in found]})
    for _, client in found:
        print(client.address)
        for one in client.passes:
            print(f"  {one.trial:<17} {_until(one)}")
        _caught(client.caught)


@app.command()
def forget(address: Address, config: ConfigDirectory = None, state: State = None) -> None:
    """Forget a client, its passes and what it was caught at. A running gateway follows within seconds. Status 1: there
    was nothing to forget."""
    wanted = _address(address)

    async def ask(store: Store, _: float) -> bool:
        return await store.forget(wanted)

    if not any(_ask(config, state, ask)):
        _unknown(wanted)


@app.command()
def stats(config: ConfigDirectory = None, state: State = None, as_json: Json = False) -> None:
    """How many clients passed which trial, and how many were caught."""

    async def ask(store: Store, since: float) -> tuple[str, view.Statistics]:
        return store.place, await view.statistics(store, time.time(), since)

    found = _ask(config, state, ask)
    if as_json:
        return _json({"memories": [{"place": place} | asdict(counted) | {"caught": [
            {"trial": trial, "action": action, "evidence": evidence, "count": count}
            for (trial, action, evidence), count in counted.caught.items()]} for place, counted in found]})
    for place, counted in found:
        _statistics(place, counted)


# ----------------------------------------------------------------------------------------------------------------------


def _ask(config: Path | None, state: Path | None, question: Question[T]) -> list[T]:
    """One answer a memory; what goes wrong is one line and status 2."""
    try:
        found = _memories(configuration(config, state, "127.0.0.1:2525"))
        if not found:
            fail("nothing is remembered: postscreen_cache_map is empty")
        return asyncio.run(_answers(found, question))
    except (ConfigError, StoreFailure) as error:
        fail(error if isinstance(error, ConfigError) else str(error))


async def _answers(found: Mapping[str, Settings], question: Question[T]) -> list[T]:
    answers: list[T] = []
    for settings in found.values():
        store = open_store(settings, lambda _: None, create=False)
        assert store is not None
        try:
            answers.append(await question(store, time.time() - bounds_of(settings).seconds))
        finally:
            await store.close()
    return answers


def _memories(found: Configuration) -> dict[str, Settings]:
    """postscreen_cache_map of every screening service -> settings to open it with; main.cf's when none screens."""
    screening = [found.settings(service) for service in found.services
                 if service.type == "inet" and service.command.rpartition("/")[2] == "postscreen"]
    named = {settings[p.POSTSCREEN_CACHE_MAP].strip(): settings for settings in screening or [found.main]}
    named.pop("", None)
    return named


def _address(text: str) -> str:
    """As the memory writes it; brackets may be around it."""
    try:
        found = ipaddress.ip_address(text.removeprefix("[").removesuffix("]"))
    except ValueError:
        fail(f"not an IP address: {text}")
    return str(getattr(found, "ipv4_mapped", None) or found)


def _unknown(address: str) -> None:
    print(f"gatepost: nothing is remembered of {address}", file=sys.stderr)
    raise typer.Exit(1)


def _date(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))


def _until(one: view.Pass) -> str:
    if one.until is None:
        return one.state
    return _date(one.until) + (" (expired)" if one.state == "expired" else "")


def _client(client: view.Remembered) -> dict[str, Any]:
    return {"address": client.address,
            "trials": {one.trial: {"state": one.state, "until": one.until} for one in client.passes}}


def _statistics(place: str, found: view.Statistics) -> None:
    print(f"{place}: {_addresses(found.addresses)},"
          f" last cleanup {'never' if found.cleaned is None else _date(found.cleaned)}\n")
    _table(["passes", *view.STATES], ([trial, *(str(counts[state]) for state in view.STATES)]
                                      for trial, counts in found.passes.items()))
    total = sum(found.caught.values())
    since = "" if found.oldest is None else f" since {_date(found.oldest)}"
    print(f"\n{total} caught, {_addresses(found.offenders)}{since}")
    if total:
        _table(["caught", "action", "evidence", "count"],
               ([*key, str(count)] for key, count in sorted(found.caught.items(), key=lambda item: -item[1])))


def _addresses(count: int) -> str:
    return f"{count} address{'es' * (count != 1)}"


def _caught(catches: Sequence[Catch]) -> None:
    if not catches:
        print("nothing was caught")
        return
    _table(["caught", "address", "trial", "action", "evidence", "log"],
           ([_date(catch.time), f"[{catch.address}]:{catch.port}", catch.trial, catch.action, catch.evidence,
             catch.text] for catch in catches))


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    console = Console(width=None if sys.stdout.isatty() else WIDE, highlight=False)
    table = Table(box=None, pad_edge=False)
    for head in heads:
        table.add_column(head.upper(), overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell) or "-") for cell in row))
    with console.capture() as drawn:
        console.print(table)
    print("\n".join(line.rstrip() for line in drawn.get().splitlines()))


def _json(document: Mapping[str, Any]) -> None:
    print(json.dumps(document, indent=2))
