"""Which settings are for a test, and which limits are off? Findings of OPS-01 (operations.py)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import gatepost.config.parameters as p
from gatepost.audit.change import RemoveSetting, SetValue
from gatepost.audit.finding import Confidence, Finding, Fix, Severity
from gatepost.audit.listener import Listener, named
from gatepost.audit.rules.written import settings
from gatepost.audit.subject import Subject, together
from gatepost.config.source import is_comment

SOFT = "soft_bounce"
DELAY = "smtpd_delay_reject"
FAR = 1000
"""Nobody reaches such a limit: it is as good as none."""
WORDS_OF_A_REASON = 4

OFF: dict[str, Callable[[int], bool]] = {
    "smtpd_client_connection_count_limit": lambda limit: limit == 0,
    "smtpd_soft_error_limit": lambda limit: limit >= FAR,
    "smtpd_hard_error_limit": lambda limit: limit >= FAR or limit == 0,
    "smtpd_junk_command_limit": lambda limit: limit >= FAR,
    "message_size_limit": lambda limit: limit == 0,
    "smtpd_recipient_limit": lambda limit: limit >= 100000,
    "smtpd_error_sleep_time": lambda limit: limit == 0,
}
"""Limits that are on by default, and when they are off."""
PARAMETERS = {
    "smtpd_client_connection_count_limit": p.SMTPD_CLIENT_CONNECTION_COUNT_LIMIT,
    "smtpd_soft_error_limit": p.SMTPD_SOFT_ERROR_LIMIT, "smtpd_hard_error_limit": p.SMTPD_HARD_ERROR_LIMIT,
    "smtpd_junk_command_limit": p.SMTPD_JUNK_COMMAND_LIMIT, "message_size_limit": p.MESSAGE_SIZE_LIMIT,
    "smtpd_recipient_limit": p.SMTPD_RECIPIENT_LIMIT, "smtpd_error_sleep_time": p.SMTPD_ERROR_SLEEP_TIME,
}
EXCEPTIONS = "smtpd_client_event_limit_exceptions"
EVERYBODY = ("0.0.0.0/0", "::/0", "[::]/0", "static:all", "static:OK")


def found(subject: Subject) -> Iterator[Finding]:
    """Test settings and limits that are off."""
    for setting in settings(subject):
        if setting.name == SOFT and setting.value.text.lower() == "yes":
            yield Finding("", Severity.HIGH, "every refusal is a temporary one: spam is sent again and again, and "
                          "nobody is told of a wrong address", setting.span, SOFT, setting.service,
                          fix=Fix("take it out", (RemoveSetting(SOFT, setting.service),)))
    early = [each for each in subject.public if not each.delays_reject and not _has_reason(subject, each)]
    for place, same in together((each.place(DELAY), each) for each in early).items():
        here = str(same[0].smtpd) if same[0].is_set_here(DELAY) else ""
        yield Finding("", Severity.MEDIUM, f"{named(same)} refuses before the recipient is known, and no comment says "
                      "why: lists before RCPT see less, and logs do not tell whom mail was for", place, DELAY, here,
                      fix=Fix("refuse at RCPT, or say why not", (SetValue(DELAY, "yes", here),)))
    yield from _limits(subject)


def _has_reason(subject: Subject, listener: Listener) -> bool:
    """Is there a comment right above that has the words for a reason?"""
    place = listener.place(DELAY)
    read = subject.read(place.file) if place else None
    if read is None or place is None:
        return False
    lines = read[1].split("\n")
    above: list[str] = []
    for line in reversed(lines[:place.line - 1]):
        if not line.strip() or not is_comment(line) or "=" in line:
            break
        above += line.strip(" \t#\r").split()
    return len(above) >= WORDS_OF_A_REASON


def _limits(subject: Subject) -> Iterator[Finding]:
    for name, is_off in OFF.items():
        parameter = PARAMETERS[name]
        off = [each for each in subject.public if each.is_set(name) and is_off(each.value(parameter, 1))]
        for place, same in together((each.place(name), each) for each in off).items():
            here = str(same[0].smtpd) if same[0].is_set_here(name) else ""
            severity = Severity.LOW if name == "smtpd_error_sleep_time" else Severity.MEDIUM
            yield Finding("", severity, f"{name} is off on {named(same)}: one client may take all there is",
                          place, name, here, fix=Fix("leave it at its default", (RemoveSetting(name, here),)))
    for name in (EXCEPTIONS, "smtpd_client_connection_limit_exceptions"):
        free = [each for each in subject.public if set(each.text(name).replace(",", " ").split()) & set(EVERYBODY)]
        for place, same in together((each.place(name), each) for each in free).items():
            if place is not None:
                yield Finding("", Severity.MEDIUM, f"{name} excepts every client of {named(same)} from all limits",
                              place, name, str(same[0].smtpd) if same[0].is_set_here(name) else "", Confidence.HIGH,
                              Fix("name the clients that need it"))
