"""What did reading a configuration find to complain about? One value for all of it.

A Problem is data: load collects them, serve prints them and refuses to start on errors, audit shows them. Broken syntax
is a ConfigError instead, because nothing can be read after it. This file must not know the rules.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gatepost.span import ConfigError, Span

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, where, and the offending text. "error": a service that needs it must not start."""

    severity: Severity
    message: str
    span: Span | None = None
    text: str = ""

    def __str__(self) -> str:
        where = f"{self.span}: " if self.span else ""
        what = f": {self.text!r}" if self.text else ""
        return f"{where}{self.severity}: {self.message}{what}"

    def as_error(self) -> ConfigError:
        """The same as an exception."""
        return ConfigError(self.message, self.span, self.text)
