"""What do code scanners read? SARIF 2.1.0: one run with its rules, results, fixes and fingerprints.

Files below the report's root get relative URIs, others `file:` ones. A fingerprint is made of what a finding says about
which text, not of its line, so that it stays when lines above are added. Specification: OASIS SARIF 2.1.0, Errata 01.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
from collections import Counter
from typing import Any
from urllib.parse import quote

from gatepost.report.finding import Finding, Fix, Line, Page, Report
from gatepost.report.shown import encodable
from gatepost.span import Span

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
"""The name of the format, as documents carry it."""
LEVELS = {"critical": "error", "high": "error", "medium": "warning", "low": "note", "information": "note"}
SCORES = {"critical": "9.5", "high": "8.0", "medium": "5.5", "low": "3.0"}
"""`security-severity`, a score from 0 to 10 that GitHub sorts by; information is no weakness and has none."""
RANKS = {"high": 90.0, "medium": 50.0, "low": 10.0}
ROOT = "%SRCROOT%"  # the name, by convention, of where relative URIs start

Json = dict[str, Any]


def write(report: Report) -> str:
    """One document, indented, ASCII."""
    return json.dumps(document(report), indent=2) + "\n"


def document(report: Report) -> Json:
    """The document as Python's values."""
    pages = list({finding.rule: report.page(finding) for finding in report.findings}.values())
    pages += [page for page in report.pages.values() if page.id not in {each.id for each in pages}]
    pages.sort(key=lambda page: page.id)
    driver: Json = {"name": "Gatepost", "version": report.version, "rules": [_rule(page) for page in pages]}
    run: Json = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "artifacts": [{"location": dict(each)} for each in dict.fromkeys(
            tuple(_location(report.root, file).items()) for file in report.files)],
        "invocations": [{"executionSuccessful": True, "toolExecutionNotifications": [
            {"level": "note", "message": _message(remark)} for remark in report.remarks]}],
        "results": _results(report, {page.id: at for at, page in enumerate(pages)}),
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(page: Page) -> Json:
    properties: Json = {"tags": ["security"] if page.severity in SCORES else ["maintainability"]}
    if page.severity in SCORES:
        properties["security-severity"] = SCORES[page.severity]
    return {
        "id": page.id,
        "name": "".join(word.capitalize() for word in re.split(r"[^A-Za-z0-9]+", page.name)) or page.id,
        "shortDescription": {"text": encodable(page.title) or page.id},
        "fullDescription": {"text": encodable(" ".join(page.summary.split())) or encodable(page.title) or page.id},
        "help": {"text": encodable(page.text) or encodable(page.title) or page.id},
        "defaultConfiguration": {"level": LEVELS[page.severity]},
        "properties": properties,
    }


def _results(report: Report, order: dict[str, int]) -> list[Json]:
    seen: Counter[str] = Counter()
    results: list[Json] = []
    for finding in report.findings:
        what = _identity(report.root, finding)
        seen[what] += 1
        results.append(_result(report.root, finding, order[finding.rule], f"{what}:{seen[what]}"))
    return results


def _result(root: str, finding: Finding, index: int, fingerprint: str) -> Json:
    result: Json = {
        "ruleId": finding.rule,
        "ruleIndex": index,
        "level": LEVELS[finding.severity],
        "rank": RANKS[finding.confidence],
        "message": _message(finding.message),
        "locations": [{"physicalLocation": _physical(root, finding.file, finding.place, finding.excerpt)}],
        "partialFingerprints": {"gatepostFinding/v1": fingerprint},
        "properties": {"severity": finding.severity, "confidence": finding.confidence,
                       "parameter": encodable(finding.parameter), "service": encodable(finding.service)},
    }
    related = [_related(root, at, note.text, note.place, finding.file)
               for at, note in enumerate(finding.notes)]
    if related:
        result["relatedLocations"] = related
    if finding.evidence:
        result["properties"]["evidence"] = [encodable(line) for line in finding.evidence]
    if finding.fix is not None and finding.fix.replacements:
        result["fixes"] = [_fix(root, finding.fix)]
    return result


def _related(root: str, at: int, text: str, place: Span | None, file: str) -> Json:
    location: Json = {"id": at, "message": _message(text)}
    location["physicalLocation"] = _physical(root, place.file if place else file, place, ())
    return location


def _physical(root: str, file: str, place: Span | None, excerpt: tuple[Line, ...]) -> Json:
    physical: Json = {"artifactLocation": _location(root, file)}
    if place is None:
        return physical
    region: Json = {"startLine": place.line, "startColumn": place.column, "endColumn": place.column + place.length}
    line = next((line for line in excerpt if line.number == place.line), None)
    if line is not None:
        region["snippet"] = {"text": encodable(line.text[place.column - 1 : place.column - 1 + place.length])}
        physical["contextRegion"] = {"startLine": excerpt[0].number, "endLine": excerpt[-1].number,
                                     "snippet": {"text": encodable("\n".join(each.text for each in excerpt) + "\n")}}
    return physical | {"region": region}


def _fix(root: str, fix: Fix) -> Json:
    """All replacements in one file are one change of an artifact."""
    changes: dict[str, Json] = {}
    for each in fix.replacements:
        location = _location(root, each.file)
        change = changes.setdefault(location["uri"], {"artifactLocation": location, "replacements": []})
        change["replacements"].append({
            "deletedRegion": {"startLine": each.line, "startColumn": each.column, "endLine": each.end_line,
                              "endColumn": each.end_column},
            "insertedContent": {"text": encodable(each.text)}})
    return {"description": _message(fix.title), "artifactChanges": list(changes.values())}


def _location(root: str, file: str) -> Json:
    """Where a file is: relative when it can be said so."""
    if not file.startswith("/"):
        return {"uri": _uri(posixpath.normpath(file or ".")), "uriBaseId": ROOT}
    path = posixpath.normpath(file).replace("//", "/")
    below = posixpath.normpath(root) if root else ""
    if below and path.startswith(below.rstrip("/") + "/"):
        return {"uri": _uri(posixpath.relpath(path, below)), "uriBaseId": ROOT}
    return {"uri": "file://" + _uri(path)}


def _uri(path: str) -> str:
    """Percent-encoded; a first segment with a colon is no scheme."""
    encoded = quote(path, safe="/:@!$&'()*+,;=~", errors="surrogateescape")
    return "./" + encoded if ":" in encoded.partition("/")[0] else encoded


def _identity(root: str, finding: Finding) -> str:
    """What makes a finding the same one in the next run: rule, file, setting, and the words of its line."""
    at = finding.place.line if finding.place else 0
    text = next((line.text for line in finding.excerpt if line.number == at), "")
    parts = (finding.rule, _location(root, finding.file)["uri"], finding.parameter, finding.service,
             " ".join(text.split()))
    return hashlib.sha256("\0".join(encodable(part) for part in parts).encode()).hexdigest()[:32]


def _message(text: str) -> Json:
    """Plain text: what a reader would take for a placeholder or an embedded link is written so that it is none."""
    text = re.sub(r"\{(\d+)\}", r"{{\1}}", encodable(text))
    return {"text": re.sub(r"\[(?=[^\]]*\]\()", r"\\[", text) or " "}
