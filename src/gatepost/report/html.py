"""What does a person pass on? The whole report as one page that needs nothing else: no script, no picture, no request.

The page is report.html.j2. Everything is escaped twice over, controls as visible escapes and markup by the template
engine, and the page forbids itself to load anything (its one style sheet is named by its hash). Light and dark follow
the reader's setting. This file must not know rules.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib import resources
from typing import Any

import jinja2

from gatepost.report.finding import SEVERITIES, Finding, Line, Report, counts
from gatepost.report.shown import block, code, escaped

TEMPLATE = "report.html.j2"
STYLE = "report.css"


def write(report: Report) -> str:
    """The page."""
    style = _text(STYLE)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    used = {finding.rule: report.page(finding) for finding in report.findings}
    worst_first = sorted(report.findings, key=lambda finding: SEVERITIES.index(finding.severity))
    return _template().render(report=report, findings=worst_first, style=_Style(style), digest=digest,
                              severities=SEVERITIES, counts=counts(report.findings),
                              pages=[used[rule] for rule in sorted(used)])


class _Style:
    """Our own style sheet: the one text that is put into the page as it is."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __html__(self) -> str:
        return self.text


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
                                     undefined=jinja2.StrictUndefined)
    environment.filters |= {"shown": escaped, "block": block, "pieces": _pieces}
    environment.globals["rows"] = _rows
    return environment.from_string(_text(TEMPLATE))


def _text(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _rows(finding: Finding) -> list[tuple[int, tuple[str, str, str]]]:
    """The excerpt: each line's number, and its text before, at and behind the place."""
    return [(line.number, _cut(line, finding)) for line in finding.excerpt]


def _cut(line: Line, finding: Finding) -> tuple[str, str, str]:
    place = finding.place
    if place is None or place.line != line.number:
        return code(line.text), "", ""
    start = max(place.column - 1, 0)
    end = start + max(place.length, 1)
    return code(line.text[:start]), code(line.text[start:end]), code(line.text[end:])


def _pieces(diff: str) -> list[tuple[str, str]]:
    """A unified diff by line: what kind of line, and the line."""
    kinds = {"+": "ins", "-": "del", "@": "at"}
    lines: list[Any] = block(diff).rstrip("\n").split("\n")
    return [(kinds.get(line[:1], "same") if not line.startswith(("+++", "---")) else "at", line) for line in lines]
