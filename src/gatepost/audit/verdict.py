"""How did a rehearsal end, and what decided it? A conversation in a few words, and the line of the file behind a reply.

This file must not know which verdict is the better one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gatepost.audit.judge import Judged
from gatepost.audit.rehearse import Played, Said
from gatepost.config.settings import Settings
from gatepost.policy.verdict import Outcome, Step
from gatepost.smtp.reply import Reply
from gatepost.span import ConfigError, Span

BY_TEXT = tuple((re.compile(pattern), name) for pattern, name in (
    (r"Error: SMTP protocol synchronization", "smtpd_forbid_unauth_pipelining"),
    (r"Error: bare <LF> received", "smtpd_forbid_bare_newline"),
    (r"Must issue a STARTTLS command first", "smtpd_tls_security_level"),
    (r"TLS not available", "smtpd_tls_cert_file"),
    (r"authentication not enabled", "smtpd_sasl_auth_enable"),
    (r"Error: send HELO/EHLO first", "smtpd_helo_required"),
    (r"VRFY command is disabled", "disable_vrfy_command"),
    (r"exceeds .*size limit|message file too big", "message_size_limit"),
    (r"too many recipients", "smtpd_recipient_limit"),
    (r"too many errors", "smtpd_hard_error_limit"),
    (r"insufficient authorization", "smtpd_authorized_xclient_hosts"),
    (r"DSN support is disabled", "smtpd_discard_ehlo_keywords"),
    (r"command too long", "line_length_limit"),
    (r"too many hops", "hopcount_limit"),
    (r"message content rejected", "header_checks"),
    (r"I can break rules, too", "smtpd_forbidden_commands"),
))
"""Replies of the SMTP core -> the parameter that they come from."""

LAST_WORD = {"rcpt": "smtpd_recipient_restrictions", "data": "smtpd_data_restrictions"}
"""Stage -> the list that has the last word."""

SESSION = ("smtpd_forbid_bare_newline", "smtpd_forbid_bare_newline_exclusions", "mynetworks",
           "smtpd_forbid_unauth_pipelining", "smtpd_discard_ehlo_keywords", "smtpd_discard_ehlo_keyword_address_maps",
           "smtpd_tls_security_level", "smtpd_tls_auth_only", "smtpd_sasl_auth_enable", "smtpd_helo_required",
           "disable_vrfy_command", "smtpd_noop_commands", "smtpd_forbidden_commands", "smtpd_command_filter",
           "smtpd_authorized_xclient_hosts", "smtputf8_enable", "strict_rfc821_envelopes", "message_size_limit",
           "smtpd_delay_reject")
"""Parameters that change a conversation without any list, the most telling first."""


@dataclass(frozen=True, slots=True)
class Reason:
    """What decided: `text` for people; `list`, `token` and `span` where a restriction did."""

    text: str
    span: Span | None = None
    list: str = ""
    token: str = ""

    def __str__(self) -> str:
        return f"{self.text}   {self.span}" if self.span else self.text


def word(reply: Reply | None) -> str:
    """One reply in a word."""
    if reply is None:
        return "nothing said"
    return f"{reply.code}" if reply.positive else f"refused {reply.code}"


def refusal_of(played: Played) -> Said | None:
    """The first refusal; None when there is none."""
    return next((said for said in played.said if not said.reply.positive), None)


def ending(played: Played) -> str:
    """How it went, in a few words: accepted | refused 503 at DATA | accepted 2 messages, then refused ..."""
    count = len([message for message in played.accepted if not message.discarded])
    lost = len(played.accepted) - count
    parts = [] if not count else ["accepted" if count == 1 else f"accepted as {count} messages"]
    parts += [f"discarded {lost}"] if lost else []
    refusal = refusal_of(played)
    if refusal is not None:
        text = f"refused {refusal.reply.code} at {refusal.where}" if refusal.reply.text else "cut off"
        parts.append(f"then {text}" if parts and _later(played, refusal) else text)
    return ", ".join(parts) or "nothing refused, no message"


def tells(before: Played, left: Said | None, after: Played, right: Said | None) -> bool:
    """Do the endings tell what changed at this point? Not when they are the same, nor when one of them is a refusal
    that has nothing to do with it: an earlier one, or a later one of another kind."""
    if ending(before) == ending(after):
        return False
    codes = set()
    for played, here in ((before, left), (after, right)):
        refusal = refusal_of(played)
        if refusal is None:
            continue
        if refusal is not here and (here is None or not here.reply.positive or _before(played, refusal, here)):
            return False
        codes.add(refusal.reply.code)
    return len(codes) < 2


def _before(played: Played, one: Said, other: Said) -> bool:
    return next(said for said in played.said if said is one or said is other) is one


def _later(played: Played, refusal: Said) -> bool:
    """Was a message accepted before it?"""
    for said in played.said:
        if said is refusal:
            return False
        if said.where in ("END-OF-MESSAGE", "BDAT") and "queued as" in said.reply.text:
            return True
    return False


def parting(before: Played, after: Played) -> tuple[Said | None, Said | None] | None:
    """Where two rehearsals of one behaviour part: what each said there, None for nothing. None instead of the two when
    no reply differs in code or place, and the same messages were accepted."""
    for at in range(max(len(before.said), len(after.said))):
        left = before.said[at] if at < len(before.said) else None
        right = after.said[at] if at < len(after.said) else None
        if left is None or right is None or (left.reply.code, left.where) != (right.reply.code, right.where):
            return left, right
    return None if _messages(before) == _messages(after) else (None, None)


def turning(left: Said | None, right: Said | None) -> str:
    """The first difference of two conversations that end alike, in words."""
    here = left or right
    if here is None:
        return "other messages are accepted"
    if left is not None and right is not None and left.where != right.where:
        return f"at {left.where}: {word(left.reply)} -> at {right.where}: {word(right.reply)}"
    return f"at {here.where}: {word(left.reply if left else None)} -> {word(right.reply if right else None)}"


def _messages(played: Played) -> list[tuple[str, tuple[str, ...], bool]]:
    return [(one.sender.partition("@")[0], tuple(each.partition("@")[0] for each in one.recipients), one.discarded)
            for one in played.accepted]


def reason(said: Said | None, settings: Settings, other: Said | None = None) -> Reason | None:
    """What decided this reply; None when no check did. `other`: the refusal that the same command got elsewhere:
    without one there is no saying which check a positive reply is due to."""
    if said is None:
        return None
    judged = [each for each in said.judged if each.decision.trace or each.decision.reply is not None]
    if not said.reply.positive:
        for each in reversed(judged):
            step = _refusing(each)
            if step is not None:
                return _of_step(step)
        return _by_parameter(said.reply, settings)
    refused = _refused_by(other)
    if not said.judged or not refused:
        return None
    permits = [step for each in judged for step in each.decision.trace if step.outcome is Outcome.OK]
    counted = [step for step in permits if step.list_name == refused]
    return _of_step(counted[-1]) if counted else _unopposed(refused, settings)


def _refused_by(said: Said | None) -> str:
    """The list that refused, "" when none did."""
    for each in said.judged if said is not None and not said.reply.positive else ():
        step = _refusing(each)
        if step is not None:
            return step.list_name
    return ""


def _refusing(judged: Judged) -> Step | None:
    """The step whose reply a decision gave."""
    reply, trace = judged.decision.reply, judged.decision.trace
    if judged.decision.hangup_silently and trace:
        return trace[-1]
    if reply is None:
        return None
    fitting = [step for step in trace if step.reply is not None and str(step.reply) == str(reply)]
    inner = [step for step in fitting if step.outcome is not Outcome.OK] or trace[-1:]
    return inner[0] if inner else None


def _of_step(step: Step) -> Reason:
    if step.token == "yes":  # a parameter that stands for a restriction
        return Reason(f"{step.list_name} = yes" + ("" if step.span else " (default)"), step.span, step.list_name, "yes")
    if step.token.startswith(f"{step.list_name} = "):  # screening's
        return Reason(step.token + ("" if step.span else " (default)"), step.span, step.list_name, step.token)
    return Reason(f"{step.token} in {step.list_name}", step.span, step.list_name, step.token)


def _by_parameter(reply: Reply, settings: Settings) -> Reason | None:
    text = str(reply)
    for pattern, name in BY_TEXT:
        if pattern.search(text):
            return of_parameter(name, settings)
    return None


def _unopposed(name: str, settings: Settings) -> Reason:
    """Accepted because a list (or a parameter that stands for one) has nothing to say against it."""
    span = settings.span(name)
    if _text(name, settings) == "no":
        return of_parameter(name, settings)
    if not _text(name, settings):
        return Reason(f"{name} is empty", span, name)
    return Reason(f"nothing in {name} refuses it", span, name)


def _text(name: str, settings: Settings) -> str:
    try:
        return " ".join((settings.text(name) or "").split())
    except ConfigError:
        return ""


def of_parameter(name: str, settings: Settings) -> Reason:
    """A parameter's value as a reason."""
    value, span = _text(name, settings), settings.span(name)
    shown = value if len(value) <= 60 else value[:57] + "..."
    return Reason(f"{name} = {shown}" + ("" if span else " (default)"), span, name)


@dataclass(frozen=True, slots=True)
class Difference:
    """How two rehearsals of one behaviour differ. `change`: in words; `endings`: how each ends, None where they do not
    tell what changed; `reasons`: what decided on each side."""

    change: str
    endings: tuple[str, str] | None
    reasons: tuple[Reason | None, Reason | None]


def difference(first: Played, before: Settings, second: Played, after: Settings, *, strays: bool) -> Difference | None:
    """What differs between two rehearsals under two settings; None when no client would notice. `strays`: the behaviour
    sends CR or LF alone, so that parameters about them may be the reason."""
    parted = parting(first, second)
    if parted is None:
        return None
    left, right = parted
    told = tells(first, left, second, right)
    if told:  # a check that only moved refuses later
        left, right = refusal_of(first) or left, refusal_of(second) or right
    reasons = reason(left, before, right), reason(right, after, left)
    if not any(each is not None and each.token for each in reasons):
        names = (name for name in differing(before, after) if strays or "bare_newline" not in name)
        name = next(names, None)
        reasons = reasons if name is None else (of_parameter(name, before), of_parameter(name, after))
    if not told:
        return Difference(turning(left, right), None, reasons)
    endings = ending(first), ending(second)
    return Difference(" -> ".join(endings), endings, reasons)


def permit(played: Played, stage: str, settings: Settings) -> Reason | None:
    """Which check let it pass at a stage: the last one that said OK, or that none refused."""
    for judged in reversed(played.judged):
        if judged.stage != stage:
            continue
        permits = [step for step in judged.decision.trace if step.outcome is Outcome.OK]
        return _of_step(permits[-1]) if permits else _unopposed(LAST_WORD[stage], settings)
    return None


def differing(before: Settings, after: Settings, names: Iterable[str] = SESSION) -> Iterator[str]:
    """The parameters of a session that are not the same in both."""
    for name in names:
        if _text(name, before) != _text(name, after):
            yield name
