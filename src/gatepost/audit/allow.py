"""Which findings does the operator allow? Comments `# gatepost: allow RULE reason` in the files.

Above an entry (or a service) such a comment covers the whole entry, with its continuation lines; inside a continued
value it covers the next line of the value. Where something absent is what is wrong, or a line of docker-mailserver's
own, it may stand anywhere in main.cf (postfix-main.cf, postfix-master.cf). It silences what that rule finds there. This
file must not know any rule.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gatepost.audit.finding import Finding
from gatepost.audit.subject import Subject
from gatepost.config.source import is_comment
from gatepost.span import Span

COMMENT = re.compile(r"\s*#+\s*gatepost:\s*allow\b[ \t]*(\S*)[ \t]*(.*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Allow:
    """One such comment: the rule and the reason as written ("" when missing), its place, the lines it covers."""

    rule: str
    reason: str
    span: Span
    first: int
    last: int

    def covers(self, finding: Finding) -> bool:
        """Is the finding in its lines?"""
        return (finding.rule == self.rule and finding.span is not None and finding.span.file == self.span.file
                and self.first <= finding.span.line <= self.last)


def allows(subject: Subject) -> list[Allow]:
    """Every such comment of the subject's files."""
    return [allow for file, text in subject.files.items() if "gatepost:" in text for allow in _of_file(file, text)]


def _of_file(file: str, text: str) -> Iterator[Allow]:
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        found = COMMENT.match(line)
        if found is None:
            continue
        first = next((at for at in range(number, len(lines)) if not is_comment(lines[at])), len(lines)) + 1
        last = first
        if first <= len(lines) and lines[first - 1][:1] not in " \t":
            for at in range(first, len(lines)):
                if is_comment(lines[at]):
                    continue
                if lines[at][:1] not in " \t":
                    break
                last = at + 1
        start = len(line) - len(line.lstrip())
        yield Allow(found[1].upper(), found[2].strip(), Span(file, number, start + 1, len(line.strip())), first, last)


def apart(found: Iterable[Finding], subject: Subject) -> tuple[list[Finding], list[Finding], list[Allow]]:
    """(findings that stay, findings that are allowed, comments that silenced nothing)."""
    comments = allows(subject)
    places = subject.main_files if subject.docker is None else (*subject.main_files, subject.master_cf.file)
    used: set[Span] = set()
    stay: list[Finding] = []
    silenced: list[Finding] = []
    for finding in found:
        mine = [allow for allow in comments if allow.covers(finding)]
        if finding.span is None or _is_of_image(finding.span, subject):
            mine = [allow for allow in comments if allow.rule == finding.rule and allow.span.file in places]
        used |= {allow.span for allow in mine}
        (silenced if mine else stay).append(finding)
    return stay, silenced, [allow for allow in comments if allow.span not in used]


def _is_of_image(span: Span, subject: Subject) -> bool:
    """Is that a line of docker-mailserver's, which no comment can stand above?"""
    return subject.docker is not None and not subject.docker.is_operators(span.file)
