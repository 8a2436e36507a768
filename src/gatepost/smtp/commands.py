"""Which commands are there, and when may each be said? Two tables, and the tables are the dispatch.

COMMANDS: verb -> how it is handled and what kind of command it is (RFC 5321 4.1.1, RFC 2920 3.1, RFC 3030, RFC 3207,
RFC 4954). OUT_OF_ORDER: state -> verb -> the refusal; a pair that is absent is allowed (RFC 5321 4.1.4). The protocol
page is printed from them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gatepost.smtp import bdat, hello, identity, mail, sasl, sentences
from gatepost.smtp.grammar import Token
from gatepost.smtp.reply import Reply
from gatepost.smtp.transaction import State

if TYPE_CHECKING:
    from gatepost.smtp.session import Session


@dataclass(frozen=True, slots=True)
class Command:
    """One verb. `counted`: its name in the disconnect line. `available` refuses where it is switched off."""

    handle: Callable[[Session, list[Token]], None]
    counted: str
    ends_group: bool = False  # in Postfix and in RFC 2920
    ends_strict_group: bool = False  # in RFC 2920, 3207 or 4954, not in Postfix
    junk: bool = False  # counts towards smtpd_junk_command_limit
    before_tls: bool = False  # allowed when TLS is mandatory and not active
    chunk: bool = False  # its payload may stand in the same segment
    needs_helo: Reply | None = None  # what is said without HELO when smtpd_helo_required
    available: Callable[[Session], Reply | None] | None = None


COMMANDS: Final[dict[str, Command]] = {
    "HELO": Command(hello.helo, "helo", ends_group=True, junk=True, before_tls=True),
    "EHLO": Command(hello.ehlo, "ehlo", ends_group=True, junk=True, before_tls=True),
    "XCLIENT": Command(identity.xclient, "xclient", before_tls=True),
    "XFORWARD": Command(identity.xforward, "xforward"),
    "STARTTLS": Command(hello.starttls, "starttls", ends_strict_group=True, before_tls=True),
    "AUTH": Command(sasl.auth, "auth", ends_strict_group=True, needs_helo=sentences.SEND_HELO_FIRST,
                    available=sasl.available),
    "MAIL": Command(mail.mail, "mail", needs_helo=sentences.SEND_HELO_FIRST),
    "RCPT": Command(mail.rcpt, "rcpt"),
    "DATA": Command(mail.data, "data", ends_group=True),
    "BDAT": Command(bdat.bdat, "bdat", chunk=True, available=bdat.available),
    "RSET": Command(mail.rset, "rset", junk=True),
    "NOOP": Command(hello.noop, "noop", ends_group=True, junk=True, before_tls=True),
    "VRFY": Command(mail.vrfy, "vrfy", ends_group=True, junk=True, available=mail.vrfy_available),
    "ETRN": Command(mail.etrn, "etrn", junk=True, needs_helo=sentences.ETRN_HELO_FIRST),
    "QUIT": Command(hello.leave, "quit", ends_strict_group=True, before_tls=True),
    "HELP": Command(hello.help_, "help", before_tls=True),
}

_OPEN = {"MAIL": sentences.NESTED_MAIL, "AUTH": sentences.IN_TRANSACTION, "XCLIENT": sentences.IN_TRANSACTION,
         "XFORWARD": sentences.IN_TRANSACTION, "ETRN": sentences.ETRN_IN_TRANSACTION}
_CHUNKED = {"RCPT": sentences.RCPT_AFTER_BDAT, "DATA": sentences.DATA_AFTER_BDAT}

OUT_OF_ORDER: Final[dict[State, dict[str, Reply]]] = {
    State.READY: {"RCPT": sentences.NEED_MAIL, "DATA": sentences.NEED_RCPT},
    State.MAIL: {**_OPEN, "DATA": sentences.NO_VALID_RECIPIENTS},
    State.RCPT: _OPEN,
    State.BDAT: {**_OPEN, **_CHUNKED},
    State.BDAT_FAILED: {**_OPEN, **_CHUNKED},
    State.BDAT_LOST: {"MAIL": sentences.MAIL_AFTER_BDAT, "RCPT": sentences.NEED_MAIL,
                      "DATA": sentences.DATA_AFTER_BDAT},
}
