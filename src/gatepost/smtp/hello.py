"""HELO, EHLO, STARTTLS, NOOP, HELP, QUIT: the commands about the session itself (RFC 5321 4.1.1.1, RFC 3207)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from gatepost.smtp import events, sentences
from gatepost.smtp.actions import Send, Stage, StartTls
from gatepost.smtp.facts import DataError, KeywordsDiscarded, PlaintextDropped
from gatepost.smtp.grammar import Token
from gatepost.smtp.reply import Reply

if TYPE_CHECKING:
    from gatepost.smtp.session import Session

_NEUTERED: Final = re.compile(r"[\x00-\x1f\x7f <>()\\\";@]")
# The order in which Postfix names discarded keywords in its log; ENHANCEDSTATUSCODES it does not name.
_DISCARDABLE: Final = ("8BITMIME", "AUTH", "ETRN", "PIPELINING", "SIZE", "VERP", "VRFY", "XCLIENT", "XFORWARD",
                       "STARTTLS", "DSN", "SMTPUTF8", "CHUNKING", "REQUIRETLS")

_LOGGED: Final = {"SMTPUTF8": "EHLO_MASK_SMTPUTF8"}  # sic: what log analysers have always seen


def helo(session: Session, words: list[Token]) -> None:
    """HELO name."""
    _hello(session, words, Stage.HELO)


def ehlo(session: Session, words: list[Token]) -> None:
    """EHLO name."""
    _hello(session, words, Stage.EHLO)


def _hello(session: Session, words: list[Token], stage: Stage) -> None:
    if len(words) < 2:
        session.finish(sentences.SYNTAX_EHLO if stage is Stage.EHLO else sentences.SYNTAX_HELO)
        return
    if stage is Stage.EHLO and session.rights.features_unknown:
        reply = sentences.data_error(session.options.hostname)
        session.observe(DataError("EHLO", str(reply)))
        session.finish(reply)
        return
    name = " ".join(word.text for word in words[1:])

    def answered(answer: events.Answered) -> None:
        if answer.reply is not None and not answer.reply.positive:
            session.finish(answer.reply)
            return
        session.reset()
        session.helo_raw = name
        session.helo = _NEUTERED.sub("?", name)
        if stage is Stage.EHLO:
            session.esmtp = True
            session.finish(_features(session))
        else:
            session.finish(Reply(250, "", session.options.hostname))

    session.ask(stage, name, answered)


class _Offer(NamedTuple):
    """All that the EHLO reply depends on."""

    hostname: str
    size_limit: int
    vrfy: bool
    starttls: bool
    mechanisms: tuple[str, ...]
    broken_sasl_clients: bool
    verp: bool
    xclient: bool
    xforward: bool
    smtputf8: bool
    discarded: frozenset[str]


def _features(session: Session) -> Reply:
    """The EHLO reply to this client."""
    options, rights = session.options, session.rights
    if rights.discarded and not rights.silent_discard:
        names = [_LOGGED.get(word, word) for word in _DISCARDABLE if word.lower() in rights.discarded]
        if names:
            session.observe(KeywordsDiscarded(" ".join(names)))
    mechanisms = rights.mechanisms_tls if session.tls else rights.mechanisms
    return _offered(_Offer(
        options.hostname, options.message_size_limit, not options.vrfy_disabled,
        options.tls_offered and not session.tls, mechanisms, options.broken_sasl_clients, rights.verp,
        rights.xclient, rights.xforward, options.smtputf8, rights.discarded))


def offers_login(session: Session) -> bool:
    """Would EHLO name AUTH to this client now?"""
    rights = session.rights
    return bool(rights.mechanisms_tls if session.tls else rights.mechanisms) and "auth" not in rights.discarded


@lru_cache(maxsize=256)  # nearly all clients of a service are offered the same
def _offered(offered: _Offer) -> Reply:
    """Keyword lines in Postfix's order."""
    size = f"SIZE {offered.size_limit}" if offered.size_limit else "SIZE"
    mechanisms = " ".join(offered.mechanisms)
    lines = [offered.hostname]

    def offer(keyword: str, line: str, condition: bool = True) -> None:
        if condition and keyword not in offered.discarded:
            lines.append(line)

    offer("pipelining", "PIPELINING")
    offer("size", size)
    offer("vrfy", "VRFY", offered.vrfy)
    offer("etrn", "ETRN")
    offer("starttls", "STARTTLS", offered.starttls)
    offer("auth", f"AUTH {mechanisms}", bool(mechanisms))
    offer("auth", f"AUTH={mechanisms}", bool(mechanisms) and offered.broken_sasl_clients)
    offer("verp", "XVERP", offered.verp)
    offer("xclient", "XCLIENT NAME ADDR PROTO HELO REVERSE_NAME PORT LOGIN DESTADDR DESTPORT", offered.xclient)
    offer("xforward", "XFORWARD NAME ADDR PROTO HELO SOURCE PORT IDENT", offered.xforward)
    offer("enhancedstatuscodes", "ENHANCEDSTATUSCODES")
    offer("8bitmime", "8BITMIME")
    offer("dsn", "DSN")
    offer("smtputf8", "SMTPUTF8", offered.smtputf8)
    offer("chunking", "CHUNKING")
    return Reply(250, "", "\n".join(lines))


def starttls(session: Session, words: list[Token]) -> None:
    """STARTTLS (RFC 3207): what was pipelined behind it is dropped, and nothing said before survives."""
    options = session.options
    if len(words) > 1:
        session.finish(sentences.SYNTAX_STARTTLS)
    elif session.tls:
        session.finish(sentences.TLS_ACTIVE)
    elif not options.tls_offered or "starttls" in session.rights.discarded:
        session.finish(sentences.NOT_IMPLEMENTED)
    elif not options.tls_ready:
        session.finish(sentences.TLS_UNAVAILABLE)
    else:
        session.ask(Stage.STARTTLS, None, lambda answer: _start(session, answer))


def _start(session: Session, answer: events.Answered) -> None:
    if answer.reply is not None:
        session.finish(answer.reply)
        return
    session.act(Send(sentences.TLS_READY))
    session.turn.give()
    dropped = session.inbox.drop()
    if dropped:
        session.observe(PlaintextDropped(len(dropped), dropped[:100]))
    session.reset()
    session.helo = session.helo_raw = None
    session.authenticated = ""
    session.act(StartTls())
    session.mode(lambda: False)  # nothing is parsed until TlsStarted


def noop(session: Session, words: list[Token]) -> None:
    """NOOP, whatever stands behind it."""
    session.finish(sentences.OK)


def leave(session: Session, words: list[Token]) -> None:
    """QUIT, whatever stands behind it."""
    session.finish(sentences.BYE, last=True)


def help_(session: Session, words: list[Token]) -> None:
    """HELP: the commands that are compiled in, whatever is switched off."""
    session.finish(Reply(214, "2.0.0", "Commands: AUTH BDAT DATA EHLO ETRN HELO HELP MAIL NOOP QUIT RCPT RSET STARTTLS "
                                       "VRFY XCLIENT XFORWARD"))
