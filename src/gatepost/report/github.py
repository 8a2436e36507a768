"""What does a workflow on GitHub read? One command a finding, which it shows beside the changed line.

Syntax: GitHub's workflow commands. A command ends with its line and its properties are cut at `,` and `:`, so these are
percent-encoded: no text of an operator can begin a command of its own.
"""

from __future__ import annotations

import posixpath

from gatepost.report.finding import Finding, Report
from gatepost.report.shown import block, escaped

COMMANDS = {"critical": "error", "high": "error", "medium": "warning", "low": "notice", "information": "notice"}


def write(report: Report) -> str:
    """The commands, one a line."""
    return "".join([_annotation(report, finding) + "\n" for finding in report.findings])


def _annotation(report: Report, finding: Finding) -> str:
    properties = {"file": _below(report.root, finding.file)}
    if finding.place is not None:
        properties |= {"line": str(finding.place.line), "endLine": str(finding.place.line),
                       "col": str(finding.place.column),
                       "endColumn": str(finding.place.column + max(finding.place.length, 1))}
    properties["title"] = f"{finding.rule} ({finding.severity})"
    said = ",".join(f"{name}={_property(value)}" for name, value in properties.items() if value)
    lines = [finding.message, *(note.text for note in finding.notes)]
    if finding.fix is not None:
        lines.append(f"Fix: {finding.fix.title}")
    return f"::{COMMANDS[finding.severity]} {said}::{_data(chr(10).join(lines))}"


def _below(root: str, file: str) -> str:
    """The name as the workflow knows it: relative to its working directory when it lies below that."""
    if root and file.startswith(root.rstrip("/") + "/"):
        return posixpath.relpath(file, root)
    return file


def _data(text: str) -> str:
    return block(text).replace("%", "%25").replace("\n", "%0A")


def _property(text: str) -> str:
    return escaped(text).replace("%", "%25").replace(":", "%3A").replace(",", "%2C")
