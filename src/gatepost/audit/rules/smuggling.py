"""Rules: second messages smuggled in by line ends that two servers read differently. SMUG-01 to SMUG-04."""

from __future__ import annotations

from collections.abc import Iterator

import gatepost.config.parameters as p
from gatepost.audit.broad import is_of_containers, is_wide
from gatepost.audit.change import Change, RemoveSetting, SetValue
from gatepost.audit.features import BARE_NEWLINE_NOTE, BARE_NEWLINE_WORDS
from gatepost.audit.finding import Confidence, Finding, Fix, Note, Severity
from gatepost.audit.listener import Listener, named
from gatepost.audit.networks import by_item, taken
from gatepost.audit.rule import rule
from gatepost.audit.rules.turns import CHECK, DATA, is_in_force
from gatepost.audit.subject import Subject, together

NAME = "smtpd_forbid_bare_newline"
EXCLUSIONS = "smtpd_forbid_bare_newline_exclusions"
COMMENT = "Only CRLF.CRLF ends a message: no second one can be smuggled in behind it (CVE-2023-51764)."


def knows_words(subject: Subject) -> bool:
    """Does this version know normalize and reject, and is yes its name for normalize?"""
    return subject.version.has(*BARE_NEWLINE_WORDS)


def said(listener: Listener) -> str:
    """The value in force, lower case."""
    return listener.text(NAME).strip().lower()


def is_open(listener: Listener, subject: Subject) -> bool:
    """May a bare newline end a message here?"""
    return not subject.has(NAME) or said(listener) == "no"


@rule("SMUG-01", Severity.CRITICAL)
def messages_can_be_smuggled(subject: Subject) -> Iterator[Finding]:
    """A second message, with any sender, can be smuggled behind a first one.

    What: `smtpd_forbid_bare_newline` is no, off by default (before 3.9), or unknown to this version, on a service that
    strangers can reach.

    Why: Without it smtpd takes `<LF>.<CR><LF>` for the end of a message. A sending server that does not passes the rest
    on as text, which smtpd runs as commands of that server: the second message has its good name (CVE-2023-51764;
    postconf(5)).

    Bad:
        smtpd_forbid_bare_newline = no

    Good:
        smtpd_forbid_bare_newline = normalize

    Fix: `normalize` (`yes` on 3.5.23, 3.6.13, 3.7.9 and 3.8.4, which refuse then); upgrade a version that lacks it.
    """
    open_ = [listener for listener in subject.public if is_open(listener, subject)]
    for place, listeners in together((listener.place(NAME), listener) for listener in open_).items():
        holder = listeners[0].holder(NAME)
        change: Change = SetValue(NAME, "normalize" if knows_words(subject) else "yes", holder, COMMENT)
        if place is not None and subject.version >= BARE_NEWLINE_NOTE:
            change = RemoveSetting(NAME, holder)
        fix = Fix("take only CRLF.CRLF for the end of a message", (change,), safe=knows_words(subject))
        why = f"{NAME} is off" if place else f"{NAME} is off by default before Postfix 3.9"
        if not subject.has(NAME):
            why = f"Postfix {subject.version} does not know {NAME}"
            fix = Fix("upgrade to 3.5.24, 3.6.14, 3.7.10, 3.8.5 or 3.9; until then discard chunking and check at DATA")
        yield Finding("", Severity.CRITICAL, f"{named(listeners)}: messages can be smuggled in: {why}", place, NAME,
                      holder, fix=fix)


@rule("SMUG-02", Severity.MEDIUM)
def bare_newline_word_means_something_else(subject: Subject) -> Iterator[Finding]:
    """The value of smtpd_forbid_bare_newline means something else in this version, or nothing.

    What: `yes` on 3.5.23, 3.6.13, 3.7.9 or 3.8.4, where it refuses instead of tolerating; `normalize` or `reject` on
    those, which only know yes and no; `note` before 3.9.

    Why: The same word changed its meaning between two patch levels (postconf(5); release notes of 3.8.5). A word that
    smtpd does not know is a fatal error: it answers nobody.

    Bad:
        mail_version = 3.7.9
        smtpd_forbid_bare_newline = normalize

    Good:
        mail_version = 3.7.10
        smtpd_forbid_bare_newline = normalize

    Fix: Upgrade by one patch level, or use the word that the version knows: with `yes` sloppy senders get 521 and are
    hung up on there.
    """
    if not subject.has(NAME):
        return
    set_ = [listener for listener in subject.listeners if listener.is_set(NAME)]
    for place, listeners in together((listener.place(NAME), listener) for listener in set_).items():
        listener, holder = listeners[0], listeners[0].holder(NAME)
        word, severity = said(listener), Severity.MEDIUM
        changes: tuple[Change, ...] = ()
        if not knows_words(subject):
            if word == "no":
                continue
            if word == "yes":
                message = f"on Postfix {subject.version} yes refuses every bare newline with 521 and hangs up"
                advice = "upgrade by one patch level, where yes tolerates bare newlines as normalize does"
            else:
                message = f"Postfix {subject.version} only knows yes and no: with {word} smtpd does not start"
                advice, changes, severity = "say yes", (SetValue(NAME, "yes", holder),), Severity.HIGH
        elif word == "note" and subject.version < BARE_NEWLINE_NOTE:
            message = f"Postfix {subject.version} does not know note: smtpd does not start"
            advice, changes, severity = "say normalize", (SetValue(NAME, "normalize", holder),), Severity.HIGH
        else:
            continue
        yield Finding("", severity, message, place, NAME, holder, fix=Fix(advice, changes))


@rule("SMUG-03", Severity.HIGH)
def strangers_may_smuggle(subject: Subject) -> Iterator[Finding]:
    """Clients that need not be trusted are exempt from the check for smuggled messages.

    What: `smtpd_forbid_bare_newline_exclusions` (by default `$mynetworks`) holds a public range or a network of
    containers.

    Why: Excluded clients may end a message with a bare newline. A container's gateway stands for every client whose
    address was lost on the way: docker-mailserver empties `mynetworks` for that reason (its pull request 3727).

    Bad:
        smtpd_forbid_bare_newline_exclusions = 0.0.0.0/0

    Good:
        smtpd_forbid_bare_newline_exclusions =

    Fix: Leave it empty, or name exact addresses.
    """
    closed = [listener for listener in subject.public if not is_open(listener, subject)]
    items = together(((each.span, each), listener) for listener in closed
                     for each in by_item(taken(listener.value(p.SMTPD_FORBID_BARE_NEWLINE_EXCLUSIONS, ()), subject))
                     if each.span is not None and each.network is not None
                     and (is_wide(each.network) or is_of_containers(each.network)))
    for (span, each), listeners in items.items():
        assert each.network is not None, "it was looked at"
        listener, wide = listeners[0], is_wide(each.network)
        explicit = listener.is_set(EXCLUSIONS)
        via = "" if explicit else " (it is $mynetworks by default)"
        message = f"clients in {each.word} may smuggle messages in: {EXCLUSIONS} holds it{via}"
        yield Finding("", Severity.HIGH if explicit or wide else Severity.MEDIUM, message, span, EXCLUSIONS,
                      listener.holder(EXCLUSIONS), Confidence.HIGH if wide else Confidence.MEDIUM,
                      Fix("exempt nobody", (SetValue(EXCLUSIONS, "", listener.holder(EXCLUSIONS)),)))


@rule("SMUG-04", Severity.MEDIUM)
def smuggling_by_chunks(subject: Subject) -> Iterator[Finding]:
    """The workaround for smuggled messages leaves BDAT open.

    What: Only the check for clients that talk out of turn keeps messages from being smuggled in: the bare-newline check
    is off or unknown, and CHUNKING is announced.

    Why: With BDAT a whole session may come in one piece, and smtpd does not take that for talking out of turn
    (smtpd's `bdat_cmd`; docker-mailserver #3719; Postfix' advice on smuggling hides chunking for that reason).

    Bad:
        mail_version = 3.5.18
        smtpd_data_restrictions = reject_unauth_pipelining

    Good:
        mail_version = 3.5.18
        smtpd_data_restrictions = reject_unauth_pipelining
        smtpd_discard_ehlo_keywords = chunking, silent-discard

    Fix: Set `smtpd_forbid_bare_newline`; until a version has it, discard `chunking` and `silent-discard`.
    """
    name = p.SMTPD_DISCARD_EHLO_KEYWORDS
    open_ = [listener for listener in subject.public if is_open(listener, subject)
             and (listener.list(DATA).working(CHECK) or is_in_force(listener, subject))
             and not {"chunking", "bdat"} & {word.text.lower() for word in listener.value(name, ())}]
    for place, listeners in together((listener.place(name.name), listener) for listener in open_).items():
        holder = listeners[0].holder(name.name)
        words = [word.text for word in listeners[0].value(name, ())]
        value = ", ".join(dict.fromkeys(["silent-discard", *words, "chunking"]))
        message = f"{named(listeners)}: CHUNKING is announced: what BDAT carries is not held to the rules of turns"
        yield Finding("", Severity.MEDIUM, message, place, name.name, holder,
                      fix=Fix("do not announce CHUNKING", (SetValue(name.name, value, holder),)),
                      notes=(Note(f"{NAME} closes it for good"),))
