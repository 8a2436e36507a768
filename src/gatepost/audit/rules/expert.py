"""Rules: how main.cf is written: lines that belong to another than was meant, comments and quotes that are none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from gatepost.audit.change import DropItems, ReplaceItem, SetValue
from gatepost.audit.finding import Confidence, Finding, Fix, Severity
from gatepost.audit.rule import rule
from gatepost.audit.rules.lines import ASSIGNMENT, Line, is_service, lines_of, unbalanced
from gatepost.audit.rules.written import Setting, own_names, postfix_names, settings
from gatepost.audit.subject import Subject
from gatepost.config.source import is_comment, logical_lines

ENVIRONMENT = ("import_environment", "export_environment", "debugger_command")
"""Parameters whose values hold NAME=value."""
FREE_TEXT = re.compile(r"_(command|footer|reply|banner|template|notice)$|_command_|debugger_command|_text_")
"""Parameters where # and quotes may be meant."""


@rule("EXP-01", Severity.HIGH)
def setting_swallowed_by_the_line_above(subject: Subject) -> Iterator[Finding]:
    """A setting that begins with white space belongs to the value above it.

    What: A line of main.cf that looks like `name = value`, but begins with a blank: it goes on with the setting above.

    Why: A line that begins with white space continues the one before, also over comments and empty lines (postconf(5)).
    The setting is not made, and its words become part of the other value, as items of a list perhaps.

    Bad:
        mynetworks = 127.0.0.0/8
          relayhost = [mail.example.org]

    Good:
        mynetworks = 127.0.0.0/8
        relayhost = [mail.example.org]

    Fix: Begin the line in the first column.
    """
    known = postfix_names() | own_names(subject)[0] | subject.main_cf.last().keys()
    for entry in subject.main_cf.entries:
        lines = lines_of(entry.whole) if entry.name not in ENVIRONMENT else []
        for at, line in enumerate(lines[1:], 1):
            found = ASSIGNMENT.match(line.text)
            if found is None or found[1] not in known or unbalanced(lines[:at]):
                continue
            fix = Fix("begin the line in the first column")
            if at + 1 == len(lines) and found[1] not in subject.main_cf.last():
                fix = Fix(fix.title, (DropItems(entry.name, (line.text,)), SetValue(found[1], found[2])))
            yield Finding("", Severity.HIGH, f"this line goes on with {entry.name}: {found[1]} is not set by it",
                          line.span, found[1], fix=fix)


@rule("EXP-03", Severity.MEDIUM)
def comment_behind_a_value(subject: Subject) -> Iterator[Finding]:
    """A comment behind a value is part of the value.

    What: A word that begins with `#` inside a value of main.cf, or behind the command of a master.cf entry.

    Why: Only a line that begins with `#` is a comment. What stands behind a value is read as items of the list, as the
    end of a word, or makes the value unreadable; each word of the comment counts (postconf(5)).

    Bad:
        smtpd_sender_restrictions = permit_mynetworks # the office

    Good:
        # the office
        smtpd_sender_restrictions = permit_mynetworks

    Fix: Put the comment into a line of its own above.
    """
    for setting in settings(subject):
        if "#" not in setting.value.text or FREE_TEXT.search(setting.name) or setting.name == "mynetworks":
            continue  # RLY-01 tells about mynetworks
        told: set[int] = set()
        for word, span in setting.words():
            if word.startswith("#") and span.line not in told:
                told.add(span.line)
                yield Finding("", Severity.MEDIUM, f"{word} and what follows is no comment, but part of "
                              f"{setting.name}{setting.where}", span, setting.name, setting.service,
                              fix=_moved(setting, word))
    for service in () if subject.master_assumed else subject.services:
        stray = next((arg for arg in service.args if arg.text.startswith("#")), None)
        if stray is not None and service.command not in ("pipe", "spawn"):
            yield Finding("", Severity.MEDIUM, f"{stray.text} and what follows is no comment, but an argument of "
                          f"{service.command}", stray.span(), "", str(service), fix=Fix("put it into a line above"))


def _moved(setting: Setting, word: str) -> Fix:
    title = "put the comment into a line of its own"
    if len(setting.value.runs) > 1 or setting.service:
        return Fix(title)
    value, comment = setting.value.text.split(word, 1)[0], word + setting.value.text.split(word, 1)[1]
    return Fix(title, (SetValue(setting.name, value.rstrip(" \t,"), comment=comment.strip("# \t")),))


@rule("EXP-04", Severity.HIGH)
def lines_of_what_is_commented_out(subject: Subject) -> Iterator[Finding]:
    """The first line is commented out, the lines that went on with it are not.

    What: A comment that is a whole setting (or an entry of master.cf), and below it a line that begins with white
    space: it now goes on with what stands above the comment.

    Why: Comments do not end a continued value (postconf(5), master(5)). Overrides of a service that was commented out
    become those of the service above.

    Bad:
        smtp       inet n - y - - smtpd
        #submission inet n - y - - smtpd
          -o smtpd_tls_security_level=encrypt

    Good:
        smtp       inet n - y - - smtpd
        #submission inet n - y - - smtpd
        #  -o smtpd_tls_security_level=encrypt

    Fix: Comment out the lines below as well.
    """
    for entry in subject.main_cf.entries:
        for before, line in _after_comments(lines_of(entry.whole)):
            name = _commented_setting(_above(subject, line), entry.name, before)
            if name:
                yield Finding("", Severity.HIGH, f"{name} is commented out, and this line goes on with {entry.name}",
                              line.span, entry.name, confidence=Confidence.MEDIUM,
                              fix=Fix("comment this line out as well, or move it"))
    if subject.master_assumed:
        return
    for service, whole in services_written(subject):
        for _, line in _after_comments(whole):
            comment = _above(subject, line).lstrip(" \t#")
            if is_service(comment):
                yield Finding("", Severity.HIGH, f"{comment.split()[0]} is commented out, and this line goes on with "
                              f"{service} now", line.span, "", service, fix=Fix("comment this line out as well"))


def _above(subject: Subject, line: Line) -> str:
    """The physical line above; "" when the file cannot be read."""
    read = subject.read(line.span.file)
    return read[1].split("\n")[line.number - 2] if read else ""


def _after_comments(lines: list[Line]) -> Iterator[tuple[Line, Line]]:
    """Continuation lines that stand right below a comment or an empty line, and the line they go on with."""
    for before, line in pairwise(lines):
        if line.number > before.number + 1:
            yield before, line


def _commented_setting(comment: str, name: str, before: Line) -> str:
    """The setting that a comment line holds, when the line below looks like its; "" otherwise."""
    found = ASSIGNMENT.match(comment.strip().lstrip("# \t")) if is_comment(comment) else None
    if found is None or found[1] == name or found[1] not in postfix_names():
        return ""
    goes_on = not found[2].strip() or found[2].rstrip().endswith(",")
    return found[1] if goes_on or not before.text.endswith(",") else ""


def services_written(subject: Subject) -> Iterator[tuple[str, list[Line]]]:
    """Each entry of master.cf with its lines."""
    for whole in logical_lines(subject.master_cf.file, subject.master_cf.lines)[0]:
        words = whole.text.split()
        yield "/".join(words[:2]), lines_of(whole)


@rule("EXP-05", Severity.MEDIUM)
def quotes_around_a_value(subject: Subject) -> Iterator[Finding]:
    """Quotes around a value are part of it.

    What: A value, or an item of a list, in double or single quotes.

    Why: Postfix knows no quotes in main.cf and master.cf: `"permit_mynetworks,` is no restriction, and a file with
    quotes in its name is not there (postconf(5)).

    Bad:
        smtpd_client_restrictions = "permit_mynetworks, reject_unknown_client_hostname"

    Good:
        smtpd_client_restrictions = permit_mynetworks, reject_unknown_client_hostname

    Fix: Take the quotes out.
    """
    for setting in settings(subject):
        text = setting.value.text
        if FREE_TEXT.search(setting.name) or setting.name in ENVIRONMENT or not set("\"'") & set(text):
            continue
        if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
            fix = Fix("take the quotes out", (SetValue(setting.name, text[1:-1].strip(), setting.service),))
            yield Finding("", Severity.MEDIUM, f"the quotes around the value of {setting.name}{setting.where} are part "
                          "of it", setting.value.span(0, 1), setting.name, setting.service, fix=fix)
            continue
        word, span = next(((word, span) for word, span in setting.words() if word[0] in "\"'"), ("", None))
        if word:
            yield Finding("", Severity.MEDIUM, f"the quote in {word} of {setting.name}{setting.where} is part of it",
                          span, setting.name, setting.service, fix=Fix("take the quotes out"))


@rule("EXP-10", Severity.MEDIUM)
def backslash_at_the_end_of_a_line(subject: Subject) -> Iterator[Finding]:
    """A backslash does not continue a line.

    What: A line of a value that ends with a backslash.

    Why: In Postfix's files the white space at the beginning of the next line continues a value. The backslash is one
    more word of the list, or the end of its last word: an unknown restriction, an unknown domain (postconf(5)).

    Bad:
        smtpd_recipient_restrictions = permit_mynetworks, \\
            reject_unauth_destination

    Good:
        smtpd_recipient_restrictions = permit_mynetworks,
            reject_unauth_destination

    Fix: Take the backslashes out; the next line must begin with white space.
    """
    for entry in subject.main_cf.last().values():
        ends = [line for line in lines_of(entry.whole) if line.text.endswith("\\")]
        if not ends:
            continue
        words = {line.text.split()[-1].rpartition(",")[2] for line in ends}
        changes = [ReplaceItem(entry.name, word, word[:-1]) for word in sorted(words) if word != "\\"]
        fix = Fix("take the backslashes out", (DropItems(entry.name, ("\\",)), *changes))
        yield Finding("", Severity.MEDIUM, f"the backslash is part of {entry.name}, it does not continue the line",
                      ends[0].end, entry.name, fix=fix)
