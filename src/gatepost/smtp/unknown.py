"""What is said to a line whose first word is no command? Perhaps that this is no SMTP client at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepost.smtp import sentences
from gatepost.smtp.actions import Send
from gatepost.smtp.facts import NonSmtpCommand

if TYPE_CHECKING:
    from gatepost.smtp.session import Session


def answer(session: Session, text: str, word: str) -> None:
    """`text`: the whole line; `word`: its first."""
    options = session.options
    if options.no_smtp(text, word):
        session.observe(NonSmtpCommand(text))
        session.act(Send(sentences.GOODBYE))
        session.end("")
    elif session.access_denied is not None:
        session.say(sentences.denied(session.access_denied, session.rights.namaddr), failed=True)
    elif options.strict_groups and session.overheard("UNKNOWN", True):
        return
    else:
        session.say(sentences.UNKNOWN_COMMAND, failed=True)
