"""The command line: which verb is meant, and its module. No decisions.

What is wrong with the operator's input is one clear line on standard error and exit status 2; a bug is a traceback.
Only the module of the verb that is given is imported: who audits does not wait for the server.
"""

from __future__ import annotations

import platform
import sys
from importlib import import_module
from typing import Annotated

import typer

from gatepost import compiled

VERBS = {
    "serve": "gatepost.cli.serve",
    "config": "gatepost.cli.serve",
    "queue": "gatepost.cli.queue",
    "screen": "gatepost.cli.screen",
    "audit": "gatepost.cli.audit",
    "diff": "gatepost.cli.diff",
    "explain": "gatepost.cli.explain",
}
"""Every verb and the module of its commands: its `app` is the verb, or holds it by name."""


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        modules = compiled.count()
        kind = f"{modules} modules compiled" if modules else "no module compiled"
        print(f"gatepost {version('gatepost')}, Python {platform.python_version()}, {kind}")
        raise typer.Exit


def program(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True,
                                          help="Print the version, and whether compiled modules are in use.")] = False,
) -> None:
    pass


def application(words: list[str]) -> typer.Typer:
    """The program with the verb that these words begin with; with all of them when they begin with none."""
    app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False,
                      help="A mail gateway that makes SMTP clients take turns.")
    app.callback()(program)
    wanted = words[:1] if words and words[0] in VERBS else list(VERBS)
    for module in dict.fromkeys(VERBS[verb] for verb in wanted):
        verbs = import_module(module).app
        names = {command.name or "" for command in verbs.registered_commands}
        if names <= VERBS.keys():
            app.registered_commands += verbs.registered_commands
        else:
            app.add_typer(verbs, name=next(verb for verb, other in VERBS.items() if other == module))
    return app


def main() -> None:
    """The program."""
    application(sys.argv[1:])()


if __name__ == "__main__":
    main()
