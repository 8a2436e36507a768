"""Options that several commands share, and how a command ends that cannot do its work."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from gatepost.span import ConfigError

ConfigDirectory = Annotated[
    Path | None, typer.Option("-c", "--config", metavar="DIR", help="Directory of main.cf and master.cf.")
]
State = Annotated[
    Path | None, typer.Option("--state", metavar="DIR", help="Where queue and mail are kept without -c.")
]


def fail(error: ConfigError | str) -> NoReturn:
    """One line on standard error, exit status 2. It stands behind what was printed, also where both go to one file."""
    sys.stdout.flush()
    print(f"gatepost: {error}", file=sys.stderr)
    raise typer.Exit(2)
