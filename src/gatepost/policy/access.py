"""What does an access(5) value do? The search through a table, and the language of its right-hand sides.

The same language is what a policy server answers (SMTPD_POLICY_README). The table of first words below is the language;
what is none of them is a list of restrictions. Keys: Postfix access(5); a fixed-string table is asked for partial keys
too, others only for the first key of each sequence. This file must not know which restriction asks.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass

import gatepost.config.parameters as p
from gatepost.lookup.ask import LookupFailure, Table
from gatepost.lookup.patterns import fold
from gatepost.lookup.rewrite import forms, parts, without_extension
from gatepost.policy.question import Question, Subject
from gatepost.policy.refusal import SERVER_ERROR, Refusal, fitting_status, split_status
from gatepost.policy.restriction import Answer
from gatepost.policy.verdict import Effect, Outcome

BLANKS = re.compile(r"[ \t]+")

Key = tuple[str, bool]
"""A key, and whether only fixed-string tables are asked for it."""


# --- keys ---

def name_keys(name: str, parents: bool, *, only_partial: bool = False) -> Iterator[Key]:
    """A host or domain name, then its parent domains; a name that ends in a digit has none."""
    key = name.lower()
    yield key, only_partial
    if key[-1:].isdigit():
        return
    while (dot := key.find(".", 1)) >= 0:
        key = key[dot + 1 :] if parents else key[dot:]
        if not key:
            return
        yield key, True


def address_keys(address: str) -> Iterator[Key]:
    """An IP address, then its parts, cut at dots (IPv6: colons) from the right."""
    yield address, False
    mark = ":" if ":" in address else "."
    key = address
    while (at := key.rfind(mark)) > 0:
        key = key[:at].rstrip(":")
        if key:
            yield key, True


def client_keys(name: str, address: str, parents: bool) -> Iterator[Key]:
    """A client: its name and parents, then its address and parts."""
    yield from name_keys(name, parents)
    yield from address_keys(address)


def mail_keys(address: str, parents: bool, delimiters: str) -> Iterator[Key]:
    """A mail address: in full, without extension, its domain and parents, `user@`; the quoted form first. Pattern
    tables see lower case too."""
    for form in forms(fold(address)):
        local, domain = parts(form)
        user = without_extension(local, delimiters)
        if domain is None:
            yield form, False
            continue
        yield form, False
        if user is not None:
            yield f"{user}@{domain}", True
        yield from name_keys(domain, parents, only_partial=True)
        yield f"{local}@", True
        if user is not None:
            yield f"{user}@", True


# --- search ---

async def search(question: Question, table: Table, keys: Iterable[Key], subject: Subject, *,
                 never_ok: tuple[str, str] | None = None) -> Answer | None:
    """What the first entry found says, None when there is none. `never_ok` (restriction, what for): an OK would open a
    hole, because somebody else chooses the key; it is an error."""
    key = ""
    try:
        for key, partial in keys:
            if partial and not table.partial:
                continue
            value = await question.get(table, key)
            if value is not None:
                return await _judge(question, table.spec, key, value, subject, never_ok)
    except LookupFailure as failure:
        problem = f'{table.spec} lookup error for "{key}"'
        if failure.reason != problem:
            question.warning(failure.reason)
        question.warning(problem)
        return Refusal(451, "4.3.5", subject.rejected("Server configuration error"))
    return None


async def _judge(question: Question, spec: str, key: str, value: str, subject: Subject,
                 never_ok: tuple[str, str] | None) -> Answer:
    answer = await act(question, Entry(spec, key, value, subject))
    if answer is Outcome.OK and never_ok and not question.discarded:
        question.warning(f"restriction {never_ok[0]} returns OK for {never_ok[1]}")
        question.warning("this is not allowed for security reasons")
        question.warning("use DUNNO instead of OK if you want to make an exception")
        return SERVER_ERROR
    return answer


# --- right-hand sides ---

@dataclass(frozen=True, slots=True)
class Entry:
    """What was found: the table (or policy server), the key, the value, and what is being judged by it."""

    origin: str
    key: str
    value: str
    subject: Subject


Action = Callable[[Question, Entry, str], Answer | Awaitable[Answer]]


async def act(question: Question, entry: Entry) -> Answer:
    """Do what the value says; its first word decides."""
    value = entry.value.strip(" \t")
    if not value:
        question.warning(f'access table {entry.origin} entry "{entry.key}" has empty value')
        return Outcome.OK
    word = BLANKS.split(value, 1)[0]
    text = value[len(word) :].lstrip(" \t")
    action = ACTIONS.get(word.upper())
    if action is None:
        return await _otherwise(question, entry, value, word, text)
    answer = action(question, entry, text)
    return answer if isinstance(answer, Outcome | Refusal) else await answer


async def _otherwise(question: Question, entry: Entry, value: str, word: str, text: str) -> Answer:
    """Digits alone permit; 4NN and 5NN refuse; anything else is a list of restrictions."""
    if value.isascii() and value.isdigit():
        return await permitted(question, value, entry.subject, entry.origin)
    if text and re.fullmatch(r"[45][0-9]{2}", word):
        return refused(question, entry, int(word), f"{word[0]}.7.1", text)
    if ":" in value:
        question.warning(f"access table {entry.origin} has entry with lookup table: {value}")
        question.warning("do not specify lookup tables inside SMTPD access maps")
        question.warning("define a restriction class and specify its name instead.")
        return SERVER_ERROR
    return await question.engine.evaluate_text(question, value, entry.subject, entry.origin)


def refused(question: Question, entry: Entry, code: int, default: str, text: str,
            stored: Outcome = Outcome.REJECT) -> Refusal:
    """A refusal in the operator's words; a status code in front of them is fitted to what is refused."""
    status, why = split_status(text, default)
    fitting = fitting_status(status, entry.subject.class_)
    if fitting != status:
        question.log.append(("plain", f"mapping DSN status {status} into {entry.subject.class_} status {fitting}"))
    return Refusal(code, fitting, entry.subject.rejected(why), stored)


async def permitted(question: Question, action: str, subject: Subject, origin: str = "") -> Answer:
    """OK, logged where smtpd_log_access_permit_actions asks for it."""
    logged = question.lists.logged_permits
    if logged is not None and await logged.matches(action):
        source = f"from {origin}" if origin else ""
        question.log.append(("permit", f"action={action} for {subject.class_}={subject.name} {source}"))
    return Outcome.OK


def _reject(question: Question, entry: Entry, text: str) -> Answer:
    return refused(question, entry, question.settings[p.ACCESS_MAP_REJECT_CODE], "5.7.1", text or "Access denied")


def _defer(question: Question, entry: Entry, text: str) -> Answer:
    return refused(question, entry, question.settings[p.ACCESS_MAP_DEFER_CODE], "4.7.1", text or "Access denied")


def _defer_if_permit(question: Question, entry: Entry, text: str) -> Answer:
    return refused(question, entry, question.settings[p.ACCESS_MAP_DEFER_CODE], "4.7.1", text or "Service unavailable",
                   Outcome.DEFER_IF_PERMIT)


def _defer_if_reject(question: Question, entry: Entry, text: str) -> Answer:
    return refused(question, entry, question.settings[p.ACCESS_MAP_DEFER_CODE], "4.7.1", text or "Service unavailable",
                   Outcome.DEFER_IF_REJECT)


def _dunno(question: Question, entry: Entry, text: str) -> Answer:
    return Outcome.DUNNO


def _logged(action: str) -> Action:
    def logged(question: Question, entry: Entry, text: str) -> Answer:
        _effect(question, action, text, text)
        return Outcome.DUNNO
    return logged


def _hangup(question: Question, entry: Entry, text: str) -> Answer:
    question.log.append(("hangup", text))
    question.hangup = True
    return SERVER_ERROR  # never sent: the connection closes without a word


def _delegable(question: Question, entry: Entry, action: str) -> bool:
    """May the message be changed at this point? There must be one, and it must be ours to change."""
    if question.settings[p.SMTPD_PROXY_FILTER]:
        why = f"with smtpd_proxy_filter specified, action {action} is unavailable"
    elif question.facts.where == "ETRN":
        why = f"action {action} is unavailable in smtpd_etrn_restrictions"
    else:
        return _in_transaction(question, entry, action)
    question.warning(f"access table {entry.origin}: {why}")
    return False


def _in_transaction(question: Question, entry: Entry, action: str) -> bool:
    if question.facts.sender is not None:
        return True
    question.warning(f"access table {entry.origin}: with smtpd_delay_reject=no, action {action} is always skipped in "
                     "Client host or Helo command restrictions")
    return False


def _wants(question: Question, entry: Entry, missing: bool, what: str) -> bool:
    if missing:
        question.warning(f'access table {entry.origin} entry "{entry.key}" {what}')
    return missing


def _effect(question: Question, action: str, argument: str, log_text: str) -> None:
    question.effects.append(Effect(action, argument, log_text))
    if log_text or action in ("warn", "info"):
        question.log.append((action, log_text))


def _filter(question: Question, entry: Entry, text: str) -> Answer:
    missing = "requires transport:destination" if text else "has FILTER entry without value"
    if _delegable(question, entry, "FILTER") and not _wants(question, entry, ":" not in text, missing):
        _effect(question, "filter", text, f"<{entry.subject.name}>: {entry.subject.class_} triggers FILTER {text}")
    return Outcome.DUNNO


def _hold(question: Question, entry: Entry, text: str) -> Answer:
    if _delegable(question, entry, "HOLD"):
        told = bool(question.facts.carried.get("held"))  # once a message is enough for the log
        question.facts.carried["held"] = True
        line = f"<{entry.subject.name}>: {entry.subject.class_} {text or 'triggers HOLD action'}"
        _effect(question, "hold", text, "" if told else line)
    return Outcome.DUNNO


def _discard(question: Question, entry: Entry, text: str) -> Answer:
    if not _delegable(question, entry, "DISCARD"):
        return Outcome.DUNNO
    _effect(question, "discard", text,
            f"<{entry.subject.name}>: {entry.subject.class_} {text or 'triggers DISCARD action'}")
    question.discarded = True
    return Outcome.OK


def _to_address(action: str) -> Action:
    def redirected(question: Question, entry: Entry, text: str) -> Answer:
        if _delegable(question, entry, action) and not _wants(question, entry, "@" not in text,
                                                              "requires user@domain target"):
            _effect(question, action.lower(), text,
                    f"<{entry.subject.name}>: {entry.subject.class_} triggers {action} {text}")
        return Outcome.DUNNO
    return redirected


def _prepend(question: Question, entry: Entry, text: str) -> Answer:
    if question.facts.where == "END-OF-MESSAGE":
        question.warning(f"access table {entry.origin}: action PREPEND is too late in smtpd_end_of_data_restrictions")
    elif question.facts.where == "ETRN":
        question.warning(f"access table {entry.origin}: action PREPEND is unavailable in smtpd_etrn_restrictions")
    elif _in_transaction(question, entry, "PREPEND") and not _wants(
            question, entry, not re.match(r"[!-9;-~]+[ \t]*:", text), "requires header: text"):
        _effect(question, "prepend", text, "")
    return Outcome.DUNNO


def _permit(word: str) -> Action:
    def permit(question: Question, entry: Entry, text: str) -> Awaitable[Answer]:
        return permitted(question, word, entry.subject, entry.origin)
    return permit


ACTIONS: dict[str, Action] = {
    "DUNNO": _dunno, "REJECT": _reject, "DEFER": _defer, "HANGUP": _hangup, "INFO": _logged("info"),
    "WARN": _logged("warn"), "FILTER": _filter, "HOLD": _hold, "DISCARD": _discard,
    "REDIRECT": _to_address("REDIRECT"), "BCC": _to_address("BCC"), "DEFER_IF_PERMIT": _defer_if_permit,
    "DEFER_IF_REJECT": _defer_if_reject, "PREPEND": _prepend, "OK": _permit("OK"), "RELAY": _permit("RELAY"),
}
"""The first word of a value -> what it does, in the order of access(5)."""
