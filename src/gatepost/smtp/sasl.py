"""AUTH (RFC 4954): the dialogue. Whether a name and a password are right is asked of somebody else.

The answer to Ask(AUTH) is a 334 (the client must respond), a 235 with the user name as context, or a refusal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gatepost.smtp import events, sentences
from gatepost.smtp.actions import Stage
from gatepost.smtp.facts import AuthFailed
from gatepost.smtp.grammar import Token
from gatepost.smtp.reply import Reply

if TYPE_CHECKING:
    from gatepost.smtp.session import Session


@dataclass(slots=True)
class AuthStep:
    """One line from the client: the first carries the mechanism as typed; `response` is base64 as sent, None when
    the AUTH command had no initial response."""

    mechanism: str
    response: str | None
    first: bool


def available(session: Session) -> Reply | None:
    """AUTH where it is switched off, or may not be used without TLS."""
    options = session.options
    if not options.sasl_enabled or "auth" in session.rights.discarded or (options.tls_auth_only and not session.tls):
        return sentences.AUTH_NOT_ENABLED
    return None


def auth(session: Session, words: list[Token]) -> None:
    """AUTH mechanism [initial-response]."""
    if Stage.AUTH_RATE not in session.options.rate_limits:
        _auth(session, words)
        return
    session.ask(Stage.AUTH_RATE, None,
                lambda answer: _auth(session, words) if answer.reply is None else session.finish(answer.reply))


def _auth(session: Session, words: list[Token]) -> None:
    if session.authenticated:
        session.finish(sentences.AUTH_TWICE)
    elif not 2 <= len(words) <= 3:
        session.finish(sentences.SYNTAX_AUTH)
    else:
        initial = words[2].text if len(words) == 3 else None
        _step(session, AuthStep(words[1].text, initial, True))


def _step(session: Session, step: AuthStep) -> None:
    session.ask(Stage.AUTH, step, lambda answer: _answered(session, step.mechanism, answer))


def _answered(session: Session, mechanism: str, answer: events.Answered) -> None:
    reply = answer.reply or sentences.AUTH_NOT_ENABLED
    if reply.code == 334:
        session.mode(lambda: _response(session, mechanism))
        session.say(reply)
        return
    session.mode(None)
    if reply.positive:
        session.authenticated = str(answer.context)
    session.finish(reply)


def _response(session: Session, mechanism: str) -> bool:
    raw = session.read_line(session.options.sasl_response_limit)
    if raw is None:
        return False
    line = raw.rstrip(b"\r").decode("utf-8", "surrogateescape")
    if session.options.strict_groups and session.overheard("AUTH", True):
        return True
    if len(line) >= session.options.sasl_response_limit - 1:
        session.mode(None)
        session.finish(sentences.AUTH_TOO_LONG)
    elif line == "*":
        session.mode(None)
        session.observe(AuthFailed(mechanism, "", ""))
        session.finish(sentences.AUTH_ABORTED)
    else:
        _step(session, AuthStep(mechanism, line, False))
    return True
