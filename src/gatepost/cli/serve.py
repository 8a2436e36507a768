"""gatepost serve, gatepost config: run the gateway; what is in force."""

from __future__ import annotations

from typing import Annotated

import typer

from gatepost.cli.options import ConfigDirectory, State, fail
from gatepost.cli.serving import configuration
from gatepost.cli.serving import serve as run
from gatepost.config.show import show
from gatepost.span import ConfigError

LISTEN = "127.0.0.1:2525"

app = typer.Typer()


@app.command("serve")
def serve(
    config: ConfigDirectory = None,
    state: State = None,
    listen: Annotated[str, typer.Option(metavar="HOST:PORT", help="Where to listen without -c.")] = LISTEN,
) -> None:
    """Receive mail: with -c as an operator's main.cf and master.cf say, otherwise on a port of this host only."""
    try:
        run(config, state, listen)
    except ConfigError as error:
        fail(error)


@app.command("config")
def config_(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...")] = None,
    config: ConfigDirectory = None,
    only_set: Annotated[bool, typer.Option("-n", help="Only what is set, no defaults.")] = False,
) -> None:
    """Print effective values per service, and where each comes from."""
    try:
        found = configuration(config, None, LISTEN)
        lines = show(found, names or [], only_set=only_set)
    except ConfigError as error:
        fail(error)
    print("\n".join(lines))
    wrong = [str(problem.as_error()) for problem in found.problems if problem.severity == "error"]
    if wrong:
        fail("\ngatepost: ".join(wrong))
