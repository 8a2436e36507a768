"""XCLIENT and XFORWARD: who is the client really? What a trusted proxy or filter says (Postfix XCLIENT_README).

The attributes' values are judged by whoever answers the question; this file must not know clients.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gatepost.smtp import events, sentences
from gatepost.smtp.actions import Stage
from gatepost.smtp.grammar import Token, xtext
from gatepost.smtp.reply import Reply

if TYPE_CHECKING:
    from gatepost.smtp.session import Session

VALUE_LIMIT: Final = 255


def xclient(session: Session, words: list[Token]) -> None:
    """XCLIENT attribute=value...: on success the session begins again at the greeting."""
    read = _attributes(session, words, "XCLIENT", session.rights.xclient)
    if read is not None:
        session.ask(Stage.XCLIENT, read, lambda answer: _become(session, answer))


def _become(session: Session, answer: events.Answered) -> None:
    if answer.reply is not None:
        session.finish(answer.reply)
        return
    # Postfix counts a successful XCLIENT as failed because its handler does not return.
    said = answer.context if isinstance(answer.context, dict) else {}
    session.reset()
    session.helo = session.helo_raw = said.get("helo")
    session.esmtp = said.get("protocol") == "ESMTP"
    session.authenticated = said.get("login", "")
    session.access_denied = None
    session.greet("XCLIENT")


def xforward(session: Session, words: list[Token]) -> None:
    """XFORWARD attribute=value...: the original client, for the log and for the next hop."""
    read = _attributes(session, words, "XFORWARD", session.rights.xforward)
    if read is not None:
        session.ask(Stage.XFORWARD, read, lambda answer: session.finish(answer.reply or sentences.OK))


def _attributes(session: Session, words: list[Token], verb: str, allowed: bool) -> list[tuple[str, str]] | None:
    """The attributes in order, names in upper case, values decoded; None when they were refused."""
    if len(words) < 2:
        session.finish(sentences.SYNTAX_XCLIENT if verb == "XCLIENT" else sentences.SYNTAX_XFORWARD)
        return None
    if not allowed:
        session.finish(sentences.NOT_AUTHORISED)
        return None
    read: list[tuple[str, str]] = []
    for word in words[1:]:
        name, equals, raw = word.text.partition("=")
        if not equals or not raw:
            session.finish(Reply(501, "5.5.4", "Error: attribute=value expected"))
            return None
        if len(raw) > VALUE_LIMIT:
            session.finish(Reply(501, "5.5.4", "Error: attribute value too long"))
            return None
        value = xtext(raw.replace("=", "+3D"))
        if value is None:
            session.finish(Reply(501, "5.5.4", f"Bad {name.upper()} syntax: {raw}"))
            return None
        read.append((name.upper(), value))
    return read
