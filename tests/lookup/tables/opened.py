"""Open a table the way World does, and ask it at once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from gatepost.lookup.ask import LookupFailure
from gatepost.lookup.tables.registry import open_table
from gatepost.lookup.tables.table import Opening, OpenTable


class Tables:
    """Opens specs, members included; `warnings` holds what was told, `parameters` what main.cf would say."""

    def __init__(self, parameters: Mapping[str, str] | None = None) -> None:
        self.warnings: list[str] = []
        self._parameters = parameters or {}
        self._opening = Opening(open=self.open, parameter=self._parameters.get, warn=self.warnings.append,
                                error=self.warnings.append)

    def open(self, spec: str) -> OpenTable:
        return open_table(spec, self._opening)

    def ask(self, spec: str, *keys: str) -> list[str | None]:
        """The answers; a failed lookup is the text "FAILED"."""
        table = self.open(spec)

        async def every() -> list[str | None]:
            answers: list[str | None] = []
            for key in keys:
                try:
                    answers.append(await table.get(key))
                except LookupFailure:
                    answers.append("FAILED")
            await table.close()
            return answers

        return asyncio.run(every())
