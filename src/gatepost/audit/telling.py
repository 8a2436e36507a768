"""How is what was found told? Findings of the audit as the values that reports print, with excerpts and changes.

A change is told as a unified diff and as replacements of whole lines, made from the texts before and after; whoever can
write a fix says what the files would become. This file must not know formats, nor how a fix is written.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache

from gatepost.audit import finding as found
from gatepost.audit.rule import RULES, Rule
from gatepost.audit.subject import Subject
from gatepost.config.source import physical_lines
from gatepost.report.finding import Confidence, Finding, Fix, Line, Note, Page, Replacement, Report, Severity
from gatepost.span import Span

AROUND = 1  # lines of an excerpt before and after the place
CONTEXT = 3  # lines of a diff before and after a change

Mended = Callable[[found.Finding], Mapping[str, str]]
"""What the files that a finding's fix changes would become: name -> text. Empty when it changes none."""

Proven = Callable[[found.Finding], Sequence[str]]
"""The lines of a proof that shows the finding; none where there is none."""

SEVERITIES: dict[found.Severity, Severity] = {
    found.Severity.CRITICAL: "critical", found.Severity.HIGH: "high", found.Severity.MEDIUM: "medium",
    found.Severity.LOW: "low", found.Severity.INFORMATION: "information"}
CONFIDENCES: dict[found.Confidence, Confidence] = {
    found.Confidence.HIGH: "high", found.Confidence.MEDIUM: "medium", found.Confidence.LOW: "low"}


def report(subject: Subject, findings: tuple[found.Finding, ...], *, mended: Mended | None = None,
           proven: Proven | None = None, silenced: int = 0, root: str = "", version: str = "0",
           every_page: bool = False) -> Report:
    """The report on a subject. `every_page`: the pages of all rules, not only of those that found something."""
    teller = _Teller(subject, mended, proven)
    ids = {finding.rule for finding in findings}
    pages = {id: page(rule) for id, rule in RULES.items() if every_page or id in ids}
    return Report(tuple(map(teller.tell, findings)), tuple(subject.files), pages, tuple(_remarks(subject)), silenced,
                  root, version)


def page(rule: Rule) -> Page:
    """The page of a rule."""
    why = rule.part("Why").partition("\n\n")[0]
    return Page(rule.id, rule.name, rule.title, SEVERITIES[rule.severity], why, rule.page)


def _remarks(subject: Subject) -> Iterator[str]:
    if not subject.version_from:
        yield f"nothing says which Postfix this is: {subject.version} is assumed (--postfix-version says otherwise)"
    if subject.master_assumed:
        yield "there is no master.cf: one service, smtp on port 25, is assumed"
    yield from subject.assumptions


class _Teller:
    """Tells findings of one subject; files are cut into lines once."""

    def __init__(self, subject: Subject, mended: Mended | None, proven: Proven | None) -> None:
        self._subject = subject
        self._mended = mended
        self._proven = proven
        self._lines = cache(self._read)

    def _read(self, file: str) -> tuple[str, ...]:
        read = self._subject.read(file)
        return physical_lines(read[1]) if read else ()

    def tell(self, finding: found.Finding) -> Finding:
        span = finding.span
        return Finding(
            finding.rule, SEVERITIES[finding.severity], CONFIDENCES[finding.confidence], finding.message,
            span.file if span else self._file(finding), span, finding.parameter, finding.service,
            tuple(Note(note.text, note.span) for note in finding.notes), self._excerpt(span) if span else (),
            self._fix(finding, finding.fix) if finding.fix else None,
            evidence=tuple(self._proven(finding)) if self._proven is not None else ())

    def _file(self, finding: found.Finding) -> str:
        """Where something is absent."""
        in_master = finding.service and not self._subject.master_assumed
        return self._subject.master_cf.file if in_master else self._subject.main_cf.file

    def _excerpt(self, span: Span) -> tuple[Line, ...]:
        lines = self._lines(span.file)
        first, last = max(span.line - AROUND, 1), min(span.line + AROUND, len(lines))
        return tuple(Line(at, lines[at - 1].removesuffix("\n")) for at in range(first, last + 1))

    def _fix(self, finding: found.Finding, fix: found.Fix) -> Fix:
        after = self._mended(finding) if self._mended is not None and fix.changes else {}
        pairs = [(file, self._lines(file), physical_lines(text)) for file, text in after.items()]
        return Fix(fix.title, fix.safe, "".join(unified(*pair) for pair in pairs),
                   tuple(each for pair in pairs for each in replacements(*pair)))


def unified(file: str, before: tuple[str, ...], after: tuple[str, ...]) -> str:
    """The unified diff of two texts cut into lines; "" when they are equal."""
    start, end, end_after = _differing(before, after)
    start, more = max(start - CONTEXT, 0), CONTEXT
    lines = difflib.unified_diff(before[start : end + more], after[start : end_after + more], file, file, n=CONTEXT)
    return "".join(_hunk(line, start) if line.endswith("\n") else line + "\n\\ No newline at end of file\n"
                   for line in lines)


def _hunk(line: str, start: int) -> str:
    """The heading of a hunk with its line numbers counted from the start of the file; other lines as they are."""
    heading = re.fullmatch(r"@@ -(\d+)(.*) \+(\d+)(.*) @@\n", line)
    if heading is None or not start:
        return line
    return f"@@ -{int(heading[1]) + start}{heading[2]} +{int(heading[3]) + start}{heading[4]} @@\n"


def replacements(file: str, before: tuple[str, ...], after: tuple[str, ...]) -> Iterator[Replacement]:
    """What makes `after` of `before`: whole lines, in order, not overlapping."""
    first, last, last_after = _differing(before, after)
    matcher = difflib.SequenceMatcher(None, before[first:last], after[first:last_after], autojunk=False)
    for kind, start, end, low, high in matcher.get_opcodes():
        if kind != "equal":
            line, column = _position(before, first + start)
            end_line, end_column = _position(before, first + end)
            yield Replacement(file, line, column, end_line, end_column, "".join(after[first + low : first + high]))


def _differing(before: tuple[str, ...], after: tuple[str, ...]) -> tuple[int, int, int]:
    """Where two texts differ: the first line, and behind the last one in each. Comparing all of a long file for each
    fix would take longer than finding it."""
    shorter = min(len(before), len(after))
    start = next((at for at in range(shorter) if before[at] != after[at]), shorter)
    same = next((at for at in range(shorter - start) if before[-1 - at] != after[-1 - at]), shorter - start)
    return start, len(before) - same, len(after) - same


def _position(lines: tuple[str, ...], at: int) -> tuple[int, int]:
    """Line and column where line number `at` (from 0) begins; behind the last, where the text ends."""
    if at and at == len(lines) and not lines[-1].endswith("\n"):
        return at, len(lines[-1]) + 1
    return at + 1, 1
