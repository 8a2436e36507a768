"""report/json.py: what it prints fits the documented schema, and says what was found."""

from __future__ import annotations

import json as standard
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given

from gatepost.report import json
from gatepost.report.finding import Report
from tests.report.samples import REPORT, reports

SCHEMA = standard.loads((Path(__file__).resolve().parents[2] / "docs/reference/findings.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@given(reports)
def test_every_report_fits_the_schema(report: Report) -> None:
    VALIDATOR.validate(standard.loads(json.write(report).encode("ascii")))


def test_every_key_is_documented() -> None:
    """The schema allows new keys, so that this is asked apart."""
    def undocumented(value: Any, schema: dict[str, Any]) -> list[str]:
        schema = SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
        if isinstance(value, list):
            return [name for each in value for name in undocumented(each, schema["items"])]
        if isinstance(value, dict) and "properties" in schema:
            known = schema["properties"]
            return [name for name in value if name not in known] + [
                deeper for name in value if name in known for deeper in undocumented(value[name], known[name])]
        return []

    document = json.document(REPORT)
    assert set(undocumented(document, SCHEMA)) <= set(document["summary"])


def test_a_finding_says_where_and_what() -> None:
    first, second = json.document(REPORT)["findings"]
    said = {"rule": "RLY-01", "severity": "critical", "confidence": "high", "file": "conf/main.cf", "line": 2,
            "column": 5, "end_column": 14, "parameter": "mynetworks", "service": "",
            "message": "mynetworks trusts every IPv4 address"}
    assert {key: first[key] for key in said} == said
    assert first["fix"]["edits"] == [
        {"file": "conf/main.cf", "line": 1, "column": 25, "end_line": 2, "end_column": 14, "text": ""}]
    assert (second["file"], second["line"], second["service"]) == ("conf/main.cf", None, "smtp/inet")


@pytest.mark.parametrize("key", ["severity", "line", "message"])
def test_a_document_that_lacks_something_does_not_fit(key: str) -> None:
    document = json.document(REPORT)
    del document["findings"][0][key]
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(document)
