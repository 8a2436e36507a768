"""What does another program read? Findings as JSON, in a shape that stays.

The schema is docs/reference/findings.schema.json. `schema` rises only when a reader of the old shape would be misled;
new keys may come at any time. Lines and columns count from 1, in characters; they are null when something is absent.
"""

from __future__ import annotations

import json
from typing import Any

from gatepost.report.finding import Finding, Fix, Report, counts
from gatepost.report.shown import encodable
from gatepost.span import Span

SCHEMA = 1


def write(report: Report) -> str:
    """One document, indented, ASCII."""
    return json.dumps(document(report), indent=2) + "\n"


def document(report: Report) -> dict[str, Any]:
    """The document as Python's values."""
    return {
        "schema": SCHEMA,
        "tool": {"name": "gatepost", "version": report.version},
        "files": [encodable(file) for file in report.files],
        "summary": {"findings": len(report.findings), **counts(report.findings), "silenced": report.silenced},
        "remarks": [encodable(remark) for remark in report.remarks],
        "findings": [_finding(report, finding) for finding in report.findings],
    }


def _finding(report: Report, finding: Finding) -> dict[str, Any]:
    return {
        "rule": finding.rule,
        "title": encodable(report.page(finding).title),
        "severity": finding.severity,
        "confidence": finding.confidence,
        "file": encodable(finding.file),
        **_place(finding.place),
        "parameter": encodable(finding.parameter),
        "service": encodable(finding.service),
        "message": encodable(finding.message),
        "notes": [{"message": encodable(note.text), "file": encodable(note.place.file) if note.place else None,
                   **_place(note.place)} for note in finding.notes],
        "excerpt": [{"line": line.number, "text": encodable(line.text)} for line in finding.excerpt],
        "fix": _fix(finding.fix) if finding.fix else None,
        "evidence": [encodable(line) for line in finding.evidence],
    }


def _place(place: Span | None) -> dict[str, int | None]:
    if place is None:
        return {"line": None, "column": None, "end_column": None}
    return {"line": place.line, "column": place.column, "end_column": place.column + place.length}


def _fix(fix: Fix) -> dict[str, Any]:
    return {
        "title": encodable(fix.title),
        "safe": fix.safe,
        "diff": encodable(fix.diff),
        "edits": [{"file": encodable(each.file), "line": each.line, "column": each.column, "end_line": each.end_line,
                   "end_column": each.end_column, "text": encodable(each.text)} for each in fix.replacements],
    }
