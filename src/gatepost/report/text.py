"""What does a person at a terminal read? Each finding with its lines and a caret, then one line that sums up.

The reason is told at the first finding of a rule, and not again. Colours are the eight that every terminal has; they
repeat what the words say. This file must not know terminals: it is told whether colour is wanted.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Protocol

from gatepost.report.finding import SEVERITIES, Finding, Fix, Line, Report, counts
from gatepost.report.shown import block, code, escaped, width
from gatepost.span import Span

WIDTH = 100
COLOURS = {"critical": "1;31", "high": "31", "medium": "33", "low": "36", "information": "34", "plain": "1",
           "faint": "2", "added": "32", "removed": "31"}


class Stream(Protocol):
    """Where text goes."""

    def isatty(self) -> bool: ...


def colour_wanted(stream: Stream, environ: Mapping[str, str]) -> bool:
    """Colour only on a terminal that can, and that the user did not forbid (NO_COLOR)."""
    return stream.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"


def write(report: Report, *, colour: bool = False, diff: bool = False) -> str:
    """The whole report. `diff`: also show what each fix would write."""
    pen = _Pen(colour)
    told: set[str] = set()
    parts = ["\n".join(_finding(report, finding, told, pen, diff)) for finding in report.findings]
    remarks = [f"note: {escaped(remark)}" for remark in report.remarks]
    return "\n\n".join([*parts, "\n".join([*remarks, _summary(report, pen)])]) + "\n"


class _Pen:
    """Writes in colour, or not."""

    def __init__(self, colour: bool) -> None:
        self.colour = colour

    def __call__(self, kind: str, text: str) -> str:
        return f"\x1b[{COLOURS[kind]}m{text}\x1b[0m" if self.colour and text else text


def _finding(report: Report, finding: Finding, told: set[str], pen: _Pen, diff: bool) -> Iterator[str]:
    head = pen(finding.severity, f"{finding.severity}: {escaped(finding.rule)}")
    yield f"{head} {pen('plain', escaped(finding.message))}"
    place = str(finding.place) + f":{finding.place.column}" if finding.place else finding.file
    about = [finding.service, f"confidence {finding.confidence}" if finding.confidence != "high" else ""]
    behind = ", ".join(escaped(word) for word in about if word)
    yield f"  {pen('faint', '-->')} {escaped(place)}" + (f" ({behind})" if behind else "")
    yield from _excerpt(finding.excerpt, finding.place, finding.severity, pen)
    for note in finding.notes:
        where = f"{note.place}: " if note.place else ""
        yield from _labelled("note", escaped(where + note.text), pen)
    page = report.pages.get(finding.rule)
    if page is not None and page.summary and finding.rule not in told:
        told.add(finding.rule)
        yield from _labelled("why", escaped(" ".join(page.summary.split())), pen)
    if finding.fix is not None:
        yield from _labelled(_means(finding.fix), escaped(finding.fix.title), pen)
        if diff and finding.fix.diff:
            yield from [f"    {_changed(line, pen)}" for line in block(finding.fix.diff).rstrip("\n").split("\n")]
    yield from [f"  {pen('faint', '|')} {code(line)}".rstrip() for line in finding.evidence]


def _means(fix: Fix) -> str:
    """How the fix can be had."""
    if not _writes(fix):
        return "advice"
    return "fix (--fix)" if fix.safe else "fix (--unsafe-fixes)"


def _writes(fix: Fix) -> bool:
    return bool(fix.replacements or fix.diff)


def _labelled(label: str, text: str, pen: _Pen) -> list[str]:
    """A paragraph that hangs below its label."""
    lines = textwrap.wrap(f"{label}: {text}", WIDTH - 4, break_long_words=False, break_on_hyphens=False)
    first = lines[0].replace(f"{label}:", pen("plain", f"{label}:"), 1)
    return [f"  {pen('faint', '=')} {first}", *(f"    {line}" for line in lines[1:])]


def _excerpt(lines: tuple[Line, ...], place: Span | None, severity: str, pen: _Pen) -> Iterator[str]:
    margin = max([len(str(line.number)) for line in lines], default=0)
    for line in lines:
        yield f"  {pen('faint', f'{line.number:>{margin}} |')} {code(line.text)}".rstrip()
        if place is not None and line.number == place.line:
            before, marked = _split(line.text, place)
            carets = "^" * max(width(code(marked)), 1)
            yield f"  {pen('faint', ' ' * margin + ' |')} {' ' * width(code(before))}{pen(severity, carets)}"


def _split(text: str, place: Span) -> tuple[str, str]:
    """What stands before the place in its line, and what stands there."""
    start = min(max(place.column - 1, 0), len(text))
    return text[:start], text[start : start + place.length]


def _changed(line: str, pen: _Pen) -> str:
    return pen({"+": "added", "-": "removed"}.get(line[:1], "faint"), line)


def _summary(report: Report, pen: _Pen) -> str:
    found = counts(report.findings)
    total = len(report.findings)
    files = f" in {len(report.files)} file{'s' * (len(report.files) != 1)}" if report.files else ""
    silenced = f"; {report.silenced} allowed by comments" if report.silenced else ""
    if not total:
        return f"no findings{files}{silenced}"
    each = ", ".join(pen(severity, f"{found[severity]} {severity}") for severity in SEVERITIES if found[severity])
    return f"{total} finding{'s' * (total != 1)}{files}: {each}{_offers(report)}{silenced}"


def _offers(report: Report) -> str:
    """How many of them can be mended, and how."""
    fixes = [finding.fix for finding in report.findings if finding.fix is not None and _writes(finding.fix)]
    safe = sum(fix.safe for fix in fixes)
    unsafe = len(fixes) - safe
    return (f"; {safe} mended by --fix" if safe else "") + (f"; {unsafe} by --unsafe-fixes" if unsafe else "")
