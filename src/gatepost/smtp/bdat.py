"""BDAT (RFC 3030): a message in counted chunks, held to every rule of DATA.

A refused chunk's payload is read to its end before the refusal is given, so it never runs as commands; but a BDAT that
does not read, or that is switched off, ends the session, because nobody knows how much payload follows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from gatepost.smtp import content, events, sentences
from gatepost.smtp.actions import Content, Stage
from gatepost.smtp.facts import ContentLimit, MalformedBdat, NullBdat
from gatepost.smtp.grammar import Token
from gatepost.smtp.options import BareLf
from gatepost.smtp.reply import Reply
from gatepost.smtp.transaction import State

if TYPE_CHECKING:
    from gatepost.smtp.session import Session

_BIGGEST: Final = 2**63 - 1
PIECE: Final = 65536


class Chunk:
    """One chunk that is being read: bytes to come, whether it is the last, how its payload is used."""

    __slots__ = ("count", "last", "left", "size")

    def __init__(self, count: int, last: bool, size: int) -> None:
        self.count = self.left = count
        self.last = last
        self.size = size  # of the message so far, for the log of a lost connection


def available(session: Session) -> Reply | None:
    """BDAT where CHUNKING is discarded."""
    return sentences.NO_CHUNKING if "chunking" in session.rights.discarded else None


def bdat(session: Session, words: list[Token]) -> None:
    """BDAT count [LAST]."""
    text = " ".join(word.text for word in words)
    number = words[1].text if len(words) > 1 else ""
    last = len(words) == 3 and words[2].text.upper() == "LAST"
    if (len(words) not in (2, 3) or (len(words) == 3 and not last) or not number.isascii() or not number.isdigit()
            or int(number) > _BIGGEST):
        session.observe(MalformedBdat(text))
        session.finish(sentences.SYNTAX_BDAT)
        return
    count = int(number)
    if session.options.strict_groups and not session.esmtp and session.overheard("BDAT", True, skip=count):
        return
    if not count and not last:
        session.observe(NullBdat())
        _failed(session, last)
        session.finish(sentences.NULL_BDAT)
    elif session.state in (State.BDAT_FAILED, State.BDAT_LOST):
        _skip(session, count, last, sentences.discarded(count))
    elif session.state is State.READY:
        _skip(session, count, last, sentences.NEED_RCPT)
    elif session.state is State.MAIL:
        _skip(session, count, last, sentences.NO_VALID_RECIPIENTS)
    elif session.state is State.RCPT:
        session.ask(Stage.DATA, None, lambda answer: _first(session, count, last, answer))
    else:
        _payload(session, count, last)


def _first(session: Session, count: int, last: bool, answer: events.Answered) -> None:
    if answer.reply is not None:
        _skip(session, count, last, answer.reply)
    else:
        _payload(session, count, last)


def _payload(session: Session, count: int, last: bool) -> None:
    transaction, limit = session.transaction, session.options.message_size_limit
    assert transaction is not None
    if limit and transaction.size + count > limit:
        session.observe(ContentLimit(True))
        _skip(session, count, last, sentences.CHUNK_TOO_BIG)
        return
    session.state = State.BDAT
    chunk = Chunk(count, last, transaction.size)
    frame = content.chunk_frame(session)

    def use(payload: bytes) -> None:
        piece = frame.feed(payload)
        transaction.size += len(piece)
        chunk.size = transaction.size
        if piece:
            session.act(Content(piece))

    _read_chunk(session, chunk, use, lambda: _taken(session, chunk))


def _taken(session: Session, chunk: Chunk) -> None:
    transaction = session.transaction
    assert transaction is not None
    frame = content.chunk_frame(session)
    if chunk.last:
        rest = frame.finish()
        transaction.size += len(rest)
        if rest:
            session.act(Content(rest))
    mode = session.rights.bare_lf
    session.noted_bare_lf |= frame.bare_lf and mode is BareLf.NOTE
    bare = frame.bare_lf and mode is BareLf.REJECT
    if chunk.last:
        reply = Reply(250, "2.0.0", f"Ok: {transaction.size} bytes queued")
        content.end_of_message(session, transaction.size, bare=bare, overflown=False, reply=reply)
    elif bare:
        content.observe_bare(session)
        session.reset()
        session.state = State.BDAT_LOST
        session.finish(sentences.bare_lf(session.options.bare_lf_reject_code, session.options.hostname))
    else:
        session.finish(sentences.chunk_ok(chunk.count))


def _skip(session: Session, count: int, last: bool, reply: Reply) -> None:
    def skipped() -> None:
        _failed(session, last)
        session.finish(reply)

    _read_chunk(session, Chunk(count, last, 0), lambda payload: None, skipped)


def _failed(session: Session, last: bool) -> None:
    """A chunk was refused: the rest of the message is too, until BDAT LAST, RSET, HELO, EHLO or STARTTLS."""
    if last:
        session.reset()
    elif session.state is not State.BDAT_LOST:
        session.state = State.BDAT_FAILED if session.transaction is not None else State.BDAT_LOST


def _read_chunk(session: Session, chunk: Chunk, use: Callable[[bytes], None], then: Callable[[], None]) -> None:
    session.content = chunk
    session.in_content = True

    def read() -> bool:
        piece = session.inbox.take(min(chunk.left, PIECE))
        chunk.left -= len(piece)
        if piece:
            use(piece)
        if not chunk.left:
            session.in_content = False
            session.content = None
            session.mode(None)
            then()
            return True
        return bool(piece)

    session.mode(read)
