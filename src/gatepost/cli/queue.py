"""gatepost queue: what is in the queue, and what to do with it."""

from __future__ import annotations

import typer

app = typer.Typer(no_args_is_help=True, help="Look at the queue and change it.")
