"""The command line: arguments to calls, no decisions.

`gatepost serve | config | queue | screen`. What is wrong with the operator's input is one clear line on standard error
and exit status 2; a bug is a traceback.
"""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import Annotated

import typer

from gatepost import compiled
from gatepost.cli import queue, screen
from gatepost.cli.options import ConfigDirectory, State, fail
from gatepost.cli.serving import configuration
from gatepost.cli.serving import serve as run
from gatepost.config.show import show
from gatepost.span import ConfigError

LISTEN = "127.0.0.1:2525"

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False,
                  help="A mail gateway that makes SMTP clients take turns.")
app.add_typer(queue.app, name="queue")
app.add_typer(screen.app, name="screen")


def _version(wanted: bool) -> None:
    if wanted:
        modules = compiled.count()
        kind = f"{modules} modules compiled" if modules else "no module compiled"
        print(f"gatepost {version('gatepost')}, Python {platform.python_version()}, {kind}")
        raise typer.Exit


@app.callback()
def program(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True,
                                          help="Print the version, and whether compiled modules are in use.")] = False,
) -> None:
    pass


@app.command()
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


def main() -> None:
    """The program."""
    app()


if __name__ == "__main__":
    main()
