"""Whatever the files hold, an audit ends: with findings that can be told, or with a ConfigError."""

from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gatepost.audit.inputs import STOCK_MASTER, of_texts
from gatepost.audit.run import audit
from gatepost.audit.telling import report
from gatepost.report import formats
from gatepost.span import ConfigError

FIXTURES = Path(__file__).parent / "fixtures"
MAINS = [path.read_text() for path in sorted(FIXTURES.glob("*/*/main.cf"))]
MASTERS = [path.read_text() for path in sorted(FIXTURES.glob("*/*/master.cf"))] or [STOCK_MASTER]
PIECES = st.sampled_from([
    "{", "}", "$", "${", "$(x)", ",", "=", " ", "#", "\n", "\n ", "\r", "\0", "\udc80", "é", ":", "!", "/", "0", "-1",
    "yes", "permit", "reject", "hash:", "regexp:{", "[", "]", "/0", "-o", "-", "inet"])
VERSIONS = st.sampled_from(["", "2.9", "3.5.18", "3.7.9", "3.8.6", "3.10.2"])


@st.composite
def spoilt(draw: st.DrawFn, texts: list[str]) -> str:
    """One of the texts with pieces put in and taken out."""
    text = draw(st.sampled_from(texts))
    for _ in range(draw(st.integers(0, 5))):
        at = draw(st.integers(0, len(text)))
        text = text[:at] + draw(PIECES) + text[at + draw(st.integers(0, 6)) :]
    return text


def told(main: str, master: str, version: str) -> None:
    try:
        subject = of_texts({"main.cf": main, "master.cf": master}, "main.cf", main, "master.cf", master,
                           postfix_version=version)
    except ConfigError:
        return
    found = report(subject, audit(subject).findings)
    for format in formats.FORMATS:
        formats.write(found, format).encode()
    for finding in found.findings:
        assert finding.place is None or finding.place.line >= 1
        written = subject.files[finding.file].split("\n")
        for line in finding.excerpt:
            assert line.text.removesuffix("\r") == written[line.number - 1].removesuffix("\r")


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(spoilt(MAINS), spoilt(MASTERS), VERSIONS)
def test_configurations_that_are_spoilt(main: str, master: str, version: str) -> None:
    told(main, master, version)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=200), st.text(max_size=100))
def test_any_text(main: str, master: str) -> None:
    told(main, master, "")
