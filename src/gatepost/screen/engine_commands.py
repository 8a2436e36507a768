"""What does a client hear that has not passed? The built-in engine's commands: its replies to each, Postfix's.

No command here does anything but remember a name. The table is the dispatch; `AUTH`, `XCLIENT` and `XFORWARD` are known
and switched off. Texts differ from the real session's where Postfix's do (postscreen(8)).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from gatepost.screen.facts import ContentWithoutRcpt, RcptRejected
from gatepost.smtp import grammar, sentences
from gatepost.smtp.reply import Reply

if TYPE_CHECKING:
    from gatepost.screen.engine import Engine
    from gatepost.screen.rules import Rules

UNKNOWN = Reply(502, "5.5.2", "Error: command not recognized")
PROMOTE = Reply(250, "", "")  # not said: the real session answers
TLS = Reply(220, "2.0.0", "Ready to start TLS")
_SYNTAX_VRFY = Reply(501, "5.5.4", "Syntax: VRFY address")
_SYNTAX_BDAT = Reply(501, "5.5.4", "Syntax: BDAT count [LAST]")
_BDAT_MAIL_FIRST = Reply(554, "5.5.1", "Error: need MAIL command")
_NOT_QUEUED = Reply(458, "", "Unable to queue messages")
_ROUTE = re.compile(r"@[^:]*:")


def _first_word(args: str) -> str:
    """Words are separated by spaces alone."""
    return args.strip(" ").partition(" ")[0]


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)


def helo(engine: Engine, args: str) -> Reply:
    """HELO name; what follows the name is not looked at."""
    name = _first_word(args)
    if not name:
        return sentences.SYNTAX_HELO
    engine.hello(_printable(name), esmtp=False)
    return Reply(250, "", engine.rules.hostname)


def ehlo(engine: Engine, args: str) -> Reply:
    """EHLO name."""
    name = _first_word(args)
    if not name:
        return sentences.SYNTAX_EHLO
    engine.hello(_printable(name), esmtp=True)
    return offered(engine.rules, engine.discarded, engine.tls)


@lru_cache(maxsize=64)  # nearly all clients of a service are offered the same
def offered(rules: Rules, discarded: frozenset[str], tls: bool) -> Reply:
    """The EHLO reply: what the real session offers, but for what ends with the connection or lets commands come
    together (PIPELINING, AUTH)."""
    size = f"SIZE {rules.message_size_limit}" if rules.message_size_limit else "SIZE"
    keywords = (
        ("size", size, True),
        ("vrfy", "VRFY", rules.vrfy_announced),
        ("etrn", "ETRN", True),
        ("starttls", "STARTTLS", rules.tls_offered and not tls),
        ("enhancedstatuscodes", "ENHANCEDSTATUSCODES", True),
        ("8bitmime", "8BITMIME", True),
        ("dsn", "DSN", True),
        ("smtputf8", "SMTPUTF8", rules.smtputf8),
        ("chunking", "CHUNKING", True),
    )
    lines = [line for keyword, line, on in keywords if on and keyword not in discarded]
    return Reply(250, "", "\n".join([rules.hostname, *lines]))


def starttls(engine: Engine, args: str) -> Reply:
    """STARTTLS (RFC 3207)."""
    if _first_word(args):
        return sentences.SYNTAX_EHLO if engine.rules.old_starttls_text else sentences.SYNTAX_STARTTLS
    if engine.tls:
        return sentences.TLS_ACTIVE
    if not engine.rules.tls_offered or "starttls" in engine.discarded:
        return sentences.NOT_IMPLEMENTED
    return TLS if engine.rules.tls_ready else sentences.TLS_UNAVAILABLE


def mail(engine: Engine, args: str) -> Reply:
    """MAIL FROM:address; nobody looks at more than the colon."""
    if engine.helo is None and engine.rules.helo_required:
        return sentences.SEND_HELO_FIRST
    if engine.sender is not None:
        return sentences.NESTED_MAIL
    if ":" not in args:
        return sentences.SYNTAX_MAIL
    engine.sender = address(args)
    engine.mail_line = engine.line
    return sentences.MAIL_OK


def rcpt(engine: Engine, args: str) -> Reply:
    """RCPT TO:address: refused, unless the client has earned the real session."""
    if engine.sender is None:
        return sentences.NEED_MAIL
    if ":" not in args:
        return Reply(501, "5.5.4", "Syntax: RCPT TO:<address>")
    if engine.promotable and _reads(engine.mail_line, "from:") and _reads(engine.line, "to:"):
        return PROMOTE
    refusal = engine.progress.refusal
    said = refusal.softened() if engine.rules.soft_bounce else refusal
    engine.observe(RcptRejected(str(said), engine.sender, address(args), "ESMTP" if engine.esmtp else "SMTP",
                                engine.helo or ""))
    return refusal


def _reads(line: bytes | None, word: str) -> bool:
    """Could the real session make sense of this MAIL or RCPT? If not, it need not be troubled with it."""
    words = grammar.tokenise((line or b"").decode("utf-8", "surrogateescape"))
    return len(words) > 2 and words[1].text.lower() == word and grammar.address(
        words[2], strict=False, empty=word == "from:") is not None


def data(engine: Engine, args: str) -> Reply:
    """DATA: there is no valid recipient, and a client that sends content without one is not heard out."""
    engine.observe(ContentWithoutRcpt("DATA"))
    if _first_word(args):
        return sentences.SYNTAX_DATA
    return sentences.NEED_RCPT if engine.sender is None else sentences.NO_VALID_RECIPIENTS


def bdat(engine: Engine, args: str) -> Reply:
    """BDAT (RFC 3030 2)."""
    engine.observe(ContentWithoutRcpt("BDAT"))
    if "chunking" in engine.discarded:
        return sentences.NOT_IMPLEMENTED
    if not _first_word(args):
        return _SYNTAX_BDAT
    return _BDAT_MAIL_FIRST if engine.sender is None else sentences.NO_VALID_RECIPIENTS


def rset(engine: Engine, args: str) -> Reply:
    """RSET."""
    engine.sender = engine.mail_line = None
    return sentences.OK


def noop(engine: Engine, args: str) -> Reply:
    """NOOP."""
    return sentences.OK


def vrfy(engine: Engine, args: str) -> Reply:
    """VRFY address: the answer to recipients, and no log line."""
    if not _first_word(args):
        return _SYNTAX_VRFY
    return sentences.VRFY_DISABLED if engine.rules.vrfy_disabled else engine.progress.refusal


def etrn(engine: Engine, args: str) -> Reply:
    """ETRN domain (RFC 1985)."""
    if engine.helo is None and engine.rules.helo_required:
        return sentences.SEND_HELO_FIRST
    return _NOT_QUEUED if _first_word(args) else sentences.ETRN_SYNTAX


def leave(engine: Engine, args: str) -> Reply:
    """QUIT."""
    return sentences.BYE


def address(args: str) -> str:
    """The address behind the colon, for the log: in brackets, or up to a space; quotes, backslashes and a route are
    taken off. Not a check of anything."""
    text = args.partition(":")[2].lstrip(" ")
    end = ">" if text[:1] == "<" else " "
    text = text.removeprefix("<")
    out: list[str] = []
    quoted = escaped = False
    for char in text:
        if escaped:
            escaped = False
        elif char == "\\":
            escaped = True
            continue
        elif char == '"':
            quoted = not quoted
            continue
        elif char == end and not quoted:
            break
        out.append(char)
    plain = "".join(out)
    return _ROUTE.sub("", plain, count=1) if plain.startswith("@") else plain


@dataclass(frozen=True, slots=True)
class Command:
    """One verb. `handle` None: known, and switched off. `last`: the session ends with it."""

    handle: Callable[[Engine, str], Reply] | None
    before_tls: bool = False
    last: bool = False


COMMANDS: dict[str, Command] = {
    "HELO": Command(helo, before_tls=True),
    "EHLO": Command(ehlo, before_tls=True),
    "STARTTLS": Command(starttls, before_tls=True),
    "XCLIENT": Command(None),
    "XFORWARD": Command(None),
    "AUTH": Command(None),
    "MAIL": Command(mail),
    "RCPT": Command(rcpt),
    "DATA": Command(data, last=True),
    "BDAT": Command(bdat, last=True),
    "RSET": Command(rset),
    "NOOP": Command(noop, before_tls=True),
    "VRFY": Command(vrfy),
    "ETRN": Command(etrn),
    "QUIT": Command(leave, before_tls=True, last=True),
}
