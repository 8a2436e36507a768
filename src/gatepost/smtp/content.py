"""The content behind a 354, and the end of a message however it came (RFC 5321 4.1.1.4, 4.5.2).

Content flows out as it comes; only its end decides. Refused content is read to its true end all the same: stopping
earlier would turn the rest of the message into commands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepost.smtp import events, sentences
from gatepost.smtp.actions import Abandon, Content, Stage
from gatepost.smtp.facts import BareNewline, ContentLimit
from gatepost.smtp.framing import Chunks, DotData
from gatepost.smtp.options import BareLf, Options, Rights
from gatepost.smtp.reply import Reply
from gatepost.smtp.transaction import State

if TYPE_CHECKING:
    from gatepost.smtp.session import Session


class Data:
    """Content that is being read after DATA. `size` counts its bytes with CRLF line ends."""

    __slots__ = ("frame", "overflown", "size")

    def __init__(self, options: Options, rights: Rights) -> None:
        self.frame = DotData(strict=rights.bare_lf is not BareLf.NO, replace_stray=options.replace_stray_cr_lf)
        self.size = 0
        self.overflown = False


def begin(session: Session) -> None:
    """The next bytes are content."""
    reading = Data(session.options, session.rights)
    session.content = reading
    session.in_content = True
    session.mode(lambda: _read(session, reading))


def _read(session: Session, reading: Data) -> bool:
    waiting = session.inbox.rest()
    if not waiting:
        return False
    piece, count = reading.frame.feed(waiting)
    session.inbox.used(count)
    if piece:
        take(session, reading, piece)
    if reading.frame.done:
        _ended(session, reading)
        return True
    return count > 0 and session.backlog > 0


def take(session: Session, reading: Data, piece: bytes) -> None:
    """Count a part of the content and pass it on while it is within message_size_limit."""
    reading.size += len(piece)
    limit = session.options.message_size_limit
    if not limit or reading.size <= limit:
        session.act(Content(piece))
    elif not reading.overflown:
        reading.overflown = True
        session.observe(ContentLimit(False))
        session.act(Abandon())


def _ended(session: Session, reading: Data) -> None:
    session.in_content = False
    session.content = None
    session.mode(None)
    note = session.rights.bare_lf
    session.noted_bare_lf |= reading.frame.bare_lf and note is BareLf.NOTE
    refused = reading.frame.bare_lf and note is BareLf.REJECT
    end_of_message(session, reading.size, bare=refused, overflown=reading.overflown, reply=None)


def end_of_message(session: Session, size: int, *, bare: bool, overflown: bool, reply: Reply | None) -> None:
    """The message is whole: refuse it for what is wrong with its framing, or ask what becomes of it."""
    session.where = "END-OF-MESSAGE"
    session.turn.take(session.where, False, b"")  # anything may stand behind the final dot (RFC 2920 3.1)
    assert session.transaction is not None
    session.transaction.size = size
    options = session.options
    if bare:
        observe_bare(session)
        _refuse(session, sentences.bare_lf(options.bare_lf_reject_code, options.hostname))
    elif overflown:
        _refuse(session, sentences.MESSAGE_TOO_BIG)
    else:
        session.ask(Stage.END_OF_MESSAGE, size, lambda answer: _decided(session, answer, reply))


def observe_bare(session: Session) -> None:
    """Tell of a bare newline in content, while the transaction is still there."""
    transaction = session.transaction
    assert transaction is not None
    session.observe(BareNewline("END-OF-MESSAGE", transaction.sender, transaction.recipients[0].address))


def _refuse(session: Session, reply: Reply) -> None:
    session.reset()
    session.finish(reply)


def _keep_transaction(session: Session) -> None:
    """Only the content is forgotten, as in Postfix before 3.7.22 and 3.10.13: the next MAIL is nested."""
    assert session.transaction is not None
    session.act(Abandon())
    session.transaction.size = 0
    session.state = State.RCPT if session.chunks is None else State.BDAT_FAILED
    session.chunks = None


def _decided(session: Session, answer: events.Answered, default: Reply | None) -> None:
    reply = answer.reply or default or sentences.OK
    if not reply.positive:
        if answer.context == "restrictions" and session.options.keep_refused:
            _keep_transaction(session)
            session.finish(reply)
        else:
            _refuse(session, reply)
        return
    # Accepted: the outside owns the message, so this is no Abandon.
    session.transaction = None
    session.reset()
    session.errors = session.junk = 0
    session.finish(reply)


def chunk_frame(session: Session) -> Chunks:
    """The framing of the message that BDAT brings, made at its first chunk."""
    if not isinstance(session.chunks, Chunks):
        session.chunks = Chunks(strict=session.rights.bare_lf is not BareLf.NO,
                                replace_stray=session.options.replace_stray_cr_lf)
    return session.chunks
