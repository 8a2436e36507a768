"""Every sentence the core can say, by name: one page for translators, testers and the compatibility comparison.

Texts and codes are Postfix's (its smtpd, level 3.10); what carries a name or a number is a function.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from gatepost.smtp.reply import Reply

OK: Final = Reply(250, "2.0.0", "Ok")
MAIL_OK: Final = Reply(250, "2.1.0", "Ok")
RCPT_OK: Final = Reply(250, "2.1.5", "Ok")
BYE: Final = Reply(221, "2.0.0", "Bye")
GO_AHEAD: Final = Reply(354, "", "End data with <CR><LF>.<CR><LF>")
TLS_READY: Final = Reply(220, "2.0.0", "Ready to start TLS")
AUTHENTICATED: Final = Reply(235, "2.7.0", "Authentication successful")

OUT_OF_TURN: Final = Reply(554, "5.5.0", "Error: SMTP protocol synchronization")
GOODBYE: Final = Reply(221, "2.7.0", "Error: I can break rules, too. Goodbye.")
BAD_SYNTAX: Final = Reply(500, "5.5.2", "Error: bad syntax")
BAD_UTF8: Final = Reply(500, "5.5.2", "Error: bad UTF-8 syntax")
UNKNOWN_COMMAND: Final = Reply(500, "5.5.2", "Error: command not recognized")
NOT_IMPLEMENTED: Final = Reply(502, "5.5.1", "Error: command not implemented")
NO_CHUNKING: Final = Reply(521, "5.5.1", "Error: command not implemented")
STARTTLS_FIRST: Final = Reply(530, "5.7.0", "Must issue a STARTTLS command first")
SEND_HELO_FIRST: Final = Reply(503, "5.5.1", "Error: send HELO/EHLO first")

NESTED_MAIL: Final = Reply(503, "5.5.1", "Error: nested MAIL command")
MAIL_AFTER_BDAT: Final = Reply(503, "5.5.1", "Error: MAIL after BDAT")
RCPT_AFTER_BDAT: Final = Reply(503, "5.5.1", "Error: RCPT after BDAT")
DATA_AFTER_BDAT: Final = Reply(503, "5.5.1", "Error: DATA after BDAT")
NEED_MAIL: Final = Reply(503, "5.5.1", "Error: need MAIL command")
NEED_RCPT: Final = Reply(503, "5.5.1", "Error: need RCPT command")
NO_VALID_RECIPIENTS: Final = Reply(554, "5.5.1", "Error: no valid recipients")
IN_TRANSACTION: Final = Reply(503, "5.5.1", "Error: MAIL transaction in progress")

SYNTAX_HELO: Final = Reply(501, "", "Syntax: HELO hostname")
SYNTAX_EHLO: Final = Reply(501, "", "Syntax: EHLO hostname")
SYNTAX_MAIL: Final = Reply(501, "5.5.4", "Syntax: MAIL FROM:<address>")
SYNTAX_RCPT: Final = Reply(501, "5.5.4", "Syntax: RCPT TO:<address>")
SYNTAX_DATA: Final = Reply(501, "5.5.4", "Syntax: DATA")
SYNTAX_RSET: Final = Reply(501, "5.5.4", "Syntax: RSET")
SYNTAX_VRFY: Final = Reply(501, "5.5.4", "Syntax: VRFY address")
SYNTAX_VRFY_UTF8: Final = Reply(501, "5.5.4", "Syntax: VRFY address [SMTPUTF8]")
SYNTAX_AUTH: Final = Reply(501, "5.5.4", "Syntax: AUTH mechanism")
SYNTAX_STARTTLS: Final = Reply(501, "5.5.4", "Syntax: STARTTLS")
SYNTAX_BDAT: Final = Reply(521, "5.5.4", "Syntax: BDAT count [LAST]")
SYNTAX_XCLIENT: Final = Reply(501, "5.5.4", "Syntax: XCLIENT attribute=value...")
SYNTAX_XFORWARD: Final = Reply(501, "5.5.4", "Syntax: XFORWARD attribute=value...")

BAD_SENDER: Final = Reply(501, "5.1.7", "Bad sender address syntax")
BAD_RECIPIENT: Final = Reply(501, "5.1.3", "Bad recipient address syntax")
BAD_SIZE: Final = Reply(501, "5.5.4", "Bad message size syntax")
BAD_RET: Final = Reply(501, "5.5.4", "Bad RET parameter syntax")
BAD_ENVID: Final = Reply(501, "5.5.4", "Bad ENVID parameter syntax")
BAD_NOTIFY: Final = Reply(501, "5.5.4", "Error: Bad NOTIFY parameter syntax")
BAD_ORCPT: Final = Reply(501, "5.5.4", "Error: Bad ORCPT parameter syntax")
BAD_VERP: Final = Reply(501, "5.5.4", "Error: XVERP needs two characters from -=+")
VERP_NULL_SENDER: Final = Reply(503, "5.5.4", "Error: XVERP requires non-null sender")
MULTIPLE_AUTH: Final = Reply(503, "5.5.4", "Error: multiple AUTH= options")
NO_DSN: Final = Reply(501, "5.7.1", "DSN support is disabled")
DECLARE_SMTPUTF8: Final = Reply(553, "5.6.7", "Must declare SMTPUTF8 to send unicode address")
SIZE_LIMIT: Final = Reply(552, "5.3.4", "Message size exceeds fixed limit")
SIZE_OVERFLOW: Final = Reply(552, "5.3.4", "Message size exceeds file system imposed limit")
CHUNK_TOO_BIG: Final = Reply(552, "5.3.4", "Chunk exceeds message size limit")
MESSAGE_TOO_BIG: Final = Reply(552, "5.3.4", "Error: message file too big")
NULL_BDAT: Final = Reply(551, "5.7.1", "Null BDAT request")
TOO_MANY_RECIPIENTS: Final = Reply(452, "4.5.3", "Error: too many recipients")

VRFY_DISABLED: Final = Reply(502, "5.5.1", "VRFY command is disabled")
ETRN_HELO_FIRST: Final = Reply(503, "", "Error: send HELO/EHLO first")
ETRN_IN_TRANSACTION: Final = Reply(503, "", "Error: MAIL transaction in progress")
ETRN_SYNTAX: Final = Reply(500, "", "Syntax: ETRN domain")
ETRN_PARAMETER: Final = Reply(501, "", "Error: invalid parameter syntax")
ETRN_QUEUED: Final = Reply(250, "", "Queuing started")

TLS_ACTIVE: Final = Reply(554, "5.5.1", "Error: TLS already active")
TLS_UNAVAILABLE: Final = Reply(454, "4.7.0", "TLS not available due to local problem")
AUTH_NOT_ENABLED: Final = Reply(503, "5.5.1", "Error: authentication not enabled")
AUTH_TWICE: Final = Reply(503, "5.5.1", "Error: already authenticated")
AUTH_ABORTED: Final = Reply(501, "5.7.0", "Authentication aborted")
AUTH_TOO_LONG: Final = Reply(500, "5.5.6", "SASL response limit exceeded")
NOT_AUTHORISED: Final = Reply(550, "5.7.0", "Error: insufficient authorization")


@lru_cache(maxsize=64)
def greeting(banner: str) -> Reply:
    """The first words (RFC 5321 3.1): the same to every client of a service."""
    return Reply(220, "", banner)


def unsupported(argument: str) -> Reply:
    """A MAIL or RCPT parameter that we do not know (RFC 5321 4.1.1.11)."""
    return Reply(555, "5.5.4", f"Unsupported option: {argument}")


def denied(first: Reply, namaddr: str) -> Reply:
    """What a client hears that was refused before: a reply that hangs up is said again."""
    if first.hangs_up:
        return first
    return Reply(503, "5.7.0", f"Error: access denied for {namaddr}")


def bare_lf(code: int, host: str) -> Reply:
    """A line ended in a bare LF."""
    return Reply(code, f"{code // 100}.5.2", f"{host} Error: bare <LF> received")


def too_long(host: str) -> Reply:
    """A command line beyond line_length_limit."""
    return Reply(500, "5.5.2", f"{host} Error: command too long")


def too_many_errors(host: str) -> Reply:
    """smtpd_hard_error_limit is reached."""
    return Reply(421, "4.7.0", f"{host} Error: too many errors")


def timeout(host: str) -> Reply:
    """The client was silent for too long."""
    return Reply(421, "4.4.2", f"{host} Error: timeout exceeded")


def data_error(host: str) -> Reply:
    """A table that the session itself depends on failed."""
    return Reply(421, "4.3.0", f"{host} Server local data error")


def discarded(count: int) -> Reply:
    """A chunk of `count` bytes behind a failed one."""
    return Reply(551, "5.0.0", f"Discarded {count} bytes after earlier error")


def chunk_ok(count: int) -> Reply:
    """A chunk of `count` bytes is taken."""
    return Reply(250, "2.0.0", f"Ok: {count} bytes")
