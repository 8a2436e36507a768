"""The command line: arguments to calls, no decisions.

`gatepost serve | config | queue`. What is wrong with the operator's input is one clear line on standard error and exit
status 2; a bug is a traceback.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from gatepost.span import ConfigError

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False,
                  help="A mail gateway that makes SMTP clients take turns.")

ConfigDirectory = Annotated[
    Path | None, typer.Option("-c", "--config", metavar="DIR", help="Directory of main.cf and master.cf.")
]
State = Annotated[Path | None, typer.Option("--state", metavar="DIR", help="Where queue and mail are kept without -c.")]


def fail(error: ConfigError | str) -> NoReturn:
    """One line, status 2."""
    print(f"gatepost: {error}", file=sys.stderr)
    raise typer.Exit(2)


@app.command()
def serve(
    config: ConfigDirectory = None,
    state: State = None,
    listen: Annotated[str, typer.Option(metavar="HOST:PORT", help="Where to listen without -c.")] = "127.0.0.1:2525",
) -> None:
    """Receive mail: with -c as an operator's main.cf and master.cf say, otherwise on a port of this host only."""
    from gatepost.cli.serving import serve as run

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
    from gatepost.cli.serving import configuration
    from gatepost.config.show import show

    try:
        found = configuration(config, None, "127.0.0.1:2525")
        for line in show(found, names or [], only_set=only_set):
            print(line)
        errors = [problem.as_error() for problem in found.problems if problem.severity == "error"]
        for error in errors[:-1]:
            print(f"gatepost: {error}", file=sys.stderr)
        if errors:
            raise errors[-1]
    except ConfigError as error:
        fail(error)


def main() -> None:
    """The program."""
    from gatepost.cli import queue

    app.add_typer(queue.app, name="queue")
    app()


if __name__ == "__main__":
    main()
