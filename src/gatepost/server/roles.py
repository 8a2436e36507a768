"""Who takes part in a connection? What server/connection.py needs of a session and of its performer.

The session decides, the performer does, the connection carries bytes and events between them: which actions there are
is a matter between the two (a session that screens has more of them).
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Protocol

from gatepost.smtp.events import Event


class Session(Protocol):
    """What the connection needs of the SMTP session."""

    @property
    def in_content(self) -> bool:
        """Is a message being read? Time is granted by the byte then."""

    @property
    def backlog(self) -> int:
        """Bytes received that are not yet parsed."""

    @property
    def wants_evidence(self) -> bool:
        """May Received.unacknowledged matter for the next bytes? A system call is saved when not."""

    def handle(self, event: Event) -> list[Any]:
        """What the session wants done; an Ask is always the last."""


class Performer(Protocol):
    """Performs a session's actions. One per connection, made when the client's address is known."""

    def act(self, actions: list[Any]) -> Awaitable[None] | None:
        """Perform them. What waits is returned and run as a task; the answer comes by feed(Answered), which may be
        called inside act. Observed(TlsFailed | Broken | ProxyRefused) comes from the connection itself."""

    def gone(self) -> None:
        """The client left while a question is open (told again for each further question). Lost follows after the
        answer; what only waits, a pause or a screening, may end now."""

    def closed(self) -> None:
        """The socket is closed: once, last, whatever happened. Nothing is fed afterwards."""


class Nobody:
    """Session and performer of a connection that has none yet, or none any more."""

    in_content = False
    backlog = 0
    wants_evidence = False

    def handle(self, event: Event) -> list[Any]:
        """Nothing."""
        return []

    def act(self, actions: list[Any]) -> None:
        """Nothing."""
        return None

    def gone(self) -> None:
        """Nothing."""

    def closed(self) -> None:
        """Nothing."""


NOBODY = Nobody()
