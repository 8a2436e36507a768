"""MAIL, RCPT, DATA, RSET, VRFY, ETRN: the commands of a mail transaction (RFC 5321 4.1.1, RFC 1985, RFC 3461)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from gatepost.smtp import content, events, grammar, sentences
from gatepost.smtp.actions import Stage
from gatepost.smtp.facts import IllegalAddress, Refused, UnknownNotify
from gatepost.smtp.grammar import Token
from gatepost.smtp.reply import Reply
from gatepost.smtp.transaction import RecipientRequest, State, Transaction

if TYPE_CHECKING:
    from gatepost.smtp.session import Session

_BIGGEST: Final = 2**63 - 1


def _rated(session: Session, stage: Stage, then: Callable[[], None]) -> None:
    """Ask first whether this client may do that so often, where a rate is limited."""
    if stage not in session.options.rate_limits:
        then()
        return
    session.ask(stage, None, lambda answer: then() if answer.reply is None else session.finish(answer.reply))


def _tell_illegal(session: Session, verb: str, token: Token) -> None:
    """An address that does not read is logged; one whose quote or bracket is not closed is not."""
    if not token.broken:
        session.observe(IllegalAddress(verb, token.text))


# ---------------------------------------------------------------------- MAIL


def mail(session: Session, words: list[Token]) -> None:
    """MAIL FROM:<reverse-path> [parameters] (RFC 5321 4.1.1.2)."""
    if len(words) < 3 or words[1].text.lower() != "from:":
        session.finish(sentences.SYNTAX_MAIL)
    elif session.options.rate_limits:
        _rated(session, Stage.MAIL_RATE, lambda: _mail(session, words))
    else:
        _mail(session, words)


def _mail(session: Session, words: list[Token]) -> None:
    options = session.options
    sender = grammar.address(words[2], strict=options.strict_envelopes, empty=True)
    if sender is None:
        _tell_illegal(session, "MAIL", words[2])
        session.finish(sentences.BAD_SENDER)
        return
    transaction = Transaction(sender, words[2].text)
    for word in words[3:]:
        keyword, equals, value = word.text.partition("=")
        reader = _MAIL_PARAMETERS.get(keyword.upper())
        refusal = reader(session, transaction, value, equals) if reader else sentences.unsupported(word.text)
        if refusal is not None:
            session.finish(sentences.unsupported(word.text) if refusal is _UNKNOWN else refusal)
            return
    if options.message_size_limit and transaction.declared_size > options.message_size_limit:
        reply = sentences.SIZE_LIMIT.softened() if options.soft_bounce else sentences.SIZE_LIMIT
        session.observe(Refused(str(reply), sender))
        session.finish(sentences.SIZE_LIMIT)
        return
    if transaction.verp and not sender:
        session.finish(sentences.VERP_NULL_SENDER)
        return
    if options.strict_smtputf8 and not transaction.smtputf8 and not sender.isascii():
        session.finish(sentences.DECLARE_SMTPUTF8)
        return
    session.ask(Stage.MAIL, transaction, lambda answer: _mailed(session, transaction, answer))


def _mailed(session: Session, transaction: Transaction, answer: events.Answered) -> None:
    if answer.reply is not None and not answer.reply.positive:
        session.finish(answer.reply)
        return
    session.transaction = transaction
    session.state = State.MAIL
    session.finish(answer.reply or sentences.MAIL_OK)


_UNKNOWN: Final = Reply(555, "", "")  # the caller knows the argument


def _size(session: Session, transaction: Transaction, value: str, equals: str) -> Reply | None:
    if not value.isascii() or not value.isdigit():
        return sentences.BAD_SIZE
    if int(value) > _BIGGEST:
        return sentences.SIZE_OVERFLOW
    transaction.declared_size = int(value)
    return None


def _body(session: Session, transaction: Transaction, value: str, equals: str) -> Reply | None:
    if value.upper() not in ("8BITMIME", "7BIT"):
        return _UNKNOWN
    transaction.body = value.upper()
    return None


def _smtputf8(session: Session, transaction: Transaction, value: str, equals: str) -> Reply | None:
    if equals or not session.options.smtputf8 or "smtputf8" in session.rights.discarded:
        return _UNKNOWN
    transaction.smtputf8 = True
    return None


def _auth(session: Session, transaction: Transaction, value: str, equals: str) -> Reply | None:
    if not equals:
        return _UNKNOWN
    if not session.options.sasl_enabled:
        return None  # it says nothing about a client that cannot log in
    if transaction.auth_sender:
        return sentences.MULTIPLE_AUTH
    transaction.auth_sender = value or "<>"
    return None


def _ret(session: Session, transaction: Transaction, value: str, equals: str) -> Reply | None:
    if "dsn" in session.rights.discarded:
        return sentences.NO_DSN
    if transaction.ret or value.upper() not in ("FULL", "HDRS"):
        return sentences.BAD_RET
    transaction.ret = value.upper()
    return None


def _envid(session: Session, transaction: Transaction, value: str, equals: str) -> Reply | None:
    if "dsn" in session.rights.discarded:
        return sentences.NO_DSN
    decoded = grammar.xtext(value)
    if transaction.envid or not decoded or not all(" " <= char <= "~" for char in decoded):
        return sentences.BAD_ENVID
    transaction.envid = value
    return None


def _verp(session: Session, transaction: Transaction, value: str, equals: str) -> Reply | None:
    if not session.rights.verp:
        return _UNKNOWN
    if equals and (len(value) != 2 or any(char not in "-=+" for char in value)):
        return sentences.BAD_VERP
    transaction.verp = value or "+="
    return None


_MAIL_PARAMETERS: Final[dict[str, Callable[[Session, Transaction, str, str], Reply | None]]] = {
    "SIZE": _size, "BODY": _body, "SMTPUTF8": _smtputf8, "AUTH": _auth, "RET": _ret, "ENVID": _envid, "XVERP": _verp,
}


# ---------------------------------------------------------------------- RCPT


def rcpt(session: Session, words: list[Token]) -> None:
    """RCPT TO:<forward-path> [parameters] (RFC 5321 4.1.1.3)."""
    if len(words) < 3 or words[1].text.lower() != "to:":
        session.finish(sentences.SYNTAX_RCPT)
    elif session.options.rate_limits:
        _rated(session, Stage.RCPT_RATE, lambda: _rcpt(session, words))
    else:
        _rcpt(session, words)


def _rcpt(session: Session, words: list[Token]) -> None:
    options, transaction = session.options, session.transaction
    assert transaction is not None  # the table of states saw to it
    address = grammar.address(words[2], strict=options.strict_envelopes, empty=False)
    if address is None:
        _tell_illegal(session, "RCPT", words[2])
        session.finish(sentences.BAD_RECIPIENT)
        return
    request = RecipientRequest(address, given=words[2].text)
    for word in words[3:]:
        refusal = _rcpt_parameter(session, request, word.text)
        if refusal is not None:
            session.finish(refusal)
            return
    if len(transaction.recipients) >= options.recipient_limit:
        _overshoot(session, transaction)
        return
    if options.strict_smtputf8 and not transaction.smtputf8 and not address.isascii():
        session.finish(sentences.DECLARE_SMTPUTF8)
        return
    session.ask(Stage.RCPT, request, lambda answer: _accepted(session, transaction, request, answer))


def _accepted(session: Session, transaction: Transaction, request: RecipientRequest, answer: events.Answered) -> None:
    if answer.reply is not None and not answer.reply.positive:
        session.finish(answer.reply)
        return
    transaction.recipients.append(request)
    session.state = State.RCPT
    session.finish(answer.reply or sentences.RCPT_OK)


def _overshoot(session: Session, transaction: Transaction) -> None:
    transaction.overshoot += 1
    if transaction.overshoot > session.options.recipient_overshoot_limit:
        session.finish(sentences.TOO_MANY_RECIPIENTS)
    else:
        # A client that goes on as RFC 5321 4.5.3.1.10 allows makes no error, but is refused.
        session.count_success()
        session.say(sentences.TOO_MANY_RECIPIENTS)


def _rcpt_parameter(session: Session, request: RecipientRequest, text: str) -> Reply | None:
    keyword, equals, value = text.partition("=")
    keyword = keyword.upper()
    if not equals or keyword not in ("NOTIFY", "ORCPT"):
        return sentences.unsupported(text)
    if "dsn" in session.rights.discarded:
        return sentences.NO_DSN
    if keyword == "NOTIFY":
        read, unknown = grammar.notify(value)
        if unknown:
            session.observe(UnknownNotify(unknown, value))
        if request.notify or read is None:
            return sentences.BAD_NOTIFY
        request.notify = read
        return None
    original = grammar.orcpt(value)
    if request.orcpt or original is None:
        return sentences.BAD_ORCPT
    request.orcpt = original
    return None


# ---------------------------------------------------------------------- DATA, RSET


def data(session: Session, words: list[Token]) -> None:
    """DATA (RFC 5321 4.1.1.4)."""
    if len(words) > 1:
        session.finish(sentences.SYNTAX_DATA)
    else:
        session.ask(Stage.DATA, None, lambda answer: _go_ahead(session, answer))


def _go_ahead(session: Session, answer: events.Answered) -> None:
    if answer.reply is not None:
        session.finish(answer.reply)
        return
    content.begin(session)
    session.say(sentences.GO_AHEAD)


def rset(session: Session, words: list[Token]) -> None:
    """RSET (RFC 5321 4.1.1.5)."""
    if len(words) > 1:
        session.finish(sentences.SYNTAX_RSET)
        return
    session.reset()
    session.finish(sentences.OK)


# ---------------------------------------------------------------------- VRFY, ETRN


def vrfy_available(session: Session) -> Reply | None:
    """disable_vrfy_command."""
    return sentences.VRFY_DISABLED if session.options.vrfy_disabled else None


def vrfy(session: Session, words: list[Token]) -> None:
    """VRFY address [SMTPUTF8] (RFC 5321 4.1.1.6)."""
    if len(words) < 2:
        session.finish(sentences.SYNTAX_VRFY_UTF8 if session.options.smtputf8 else sentences.SYNTAX_VRFY)
    elif session.options.rate_limits:
        _rated(session, Stage.RCPT_RATE, lambda: _vrfy(session, words))
    else:
        _vrfy(session, words)


def _vrfy(session: Session, words: list[Token]) -> None:
    options = session.options
    declared = False
    if len(words) > 2 and words[-1].text.upper() == "SMTPUTF8" and options.smtputf8:
        declared, words = True, words[:-1]
    given = " ".join(word.text for word in words[1:])
    token = Token(given, any(word.broken for word in words))
    single = len(words) == 2 or "<" in given
    address = grammar.address(token, strict=False, empty=False) if single else None
    if address is None:
        _tell_illegal(session, "VRFY", token)
        session.finish(sentences.BAD_RECIPIENT)
        return
    if options.strict_smtputf8 and not declared and not address.isascii():
        session.finish(sentences.DECLARE_SMTPUTF8)
        return
    session.ask(Stage.VRFY, RecipientRequest(address, given=given),
                lambda answer: session.finish(answer.reply or Reply(252, "2.0.0", given)))


def etrn(session: Session, words: list[Token]) -> None:
    """ETRN domain (RFC 1985)."""
    if len(words) != 2:
        session.finish(sentences.ETRN_SYNTAX)
        return
    name = words[1].text
    domain = name[1:] if name[0] in "@#" else name
    literal = domain.startswith("[") and domain.endswith("]")
    if not domain.isascii() or not (literal or grammar.valid_hostname(domain)):
        session.finish(sentences.ETRN_PARAMETER)
        return
    session.ask(Stage.ETRN, domain, lambda answer: session.finish(answer.reply or sentences.ETRN_QUEUED))
