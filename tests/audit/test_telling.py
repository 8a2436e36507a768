"""audit/telling.py: places become excerpts, fixes become diffs and replacements that do what they say."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gatepost.audit.change import RemoveSetting
from gatepost.audit.finding import Confidence, Finding, Fix, Note, Severity
from gatepost.audit.inputs import of_texts
from gatepost.audit.run import chosen
from gatepost.audit.telling import replacements, report, unified
from gatepost.config.source import physical_lines
from gatepost.report.finding import Line, Replacement
from gatepost.span import Span

MAIN = "a = 1\nsoft_bounce = yes\nb = 2\n"
SUBJECT = of_texts({"main.cf": MAIN}, "main.cf", MAIN, "(stock)", "smtp inet n - y - - smtpd\n", master_assumed=True)
FOUND = Finding("X-1", Severity.HIGH, "soft", Span("main.cf", 2, 1, 11), "soft_bounce", confidence=Confidence.LOW,
                fix=Fix("take it out", (RemoveSetting("soft_bounce"),), safe=True), notes=(Note("see", None),))


def test_a_finding_is_told_with_its_lines_and_its_change() -> None:
    told = report(SUBJECT, (FOUND,), mended=lambda finding: {"main.cf": "a = 1\nb = 2\n"})
    (finding,) = told.findings
    assert (finding.severity, finding.confidence, finding.file) == ("high", "low", "main.cf")
    assert finding.excerpt == (Line(1, "a = 1"), Line(2, "soft_bounce = yes"), Line(3, "b = 2"))
    assert finding.fix is not None and finding.fix.safe
    assert finding.fix.replacements == (Replacement("main.cf", 2, 1, 3, 1, ""),)
    assert finding.fix.diff == "--- main.cf\n+++ main.cf\n@@ -1,3 +1,2 @@\n a = 1\n-soft_bounce = yes\n b = 2\n"


def test_what_is_absent_is_told_of_a_file() -> None:
    (finding,) = report(SUBJECT, (Finding("X-1", Severity.LOW, "none", None, "mynetworks"),)).findings
    assert (finding.file, finding.place, finding.excerpt) == ("main.cf", None, ())


def test_what_is_assumed_is_told() -> None:
    remarks = " ".join(report(SUBJECT, ()).remarks)
    assert "3.11 is assumed" in remarks and "no master.cf" in remarks


def test_pages_come_from_the_rules() -> None:
    assert "PIPE-01" in chosen()
    page = report(SUBJECT, (), every_page=True).pages["PIPE-01"]
    assert page.title == "Clients that talk out of turn are not refused"
    assert page.summary.startswith("A message that was sent before the 354")


LINES = st.lists(st.sampled_from(["a\n", "b\n", "\n", "c = d\n"]), max_size=8)
TEXTS = st.tuples(LINES, st.sampled_from(["", "end", "a"])).map(lambda pair: "".join(pair[0]) + pair[1])


def applied(text: str, changes: list[Replacement]) -> str:
    """The text after the replacements, the last first."""
    starts = [0]
    for line in physical_lines(text):
        starts.append(starts[-1] + len(line))

    def offset(line: int, column: int) -> int:
        return starts[line - 1] + column - 1

    for each in reversed(changes):
        text = text[: offset(each.line, each.column)] + each.text + text[offset(each.end_line, each.end_column) :]
    return text


@given(TEXTS, TEXTS)
def test_replacements_make_one_text_of_the_other(before: str, after: str) -> None:
    changes = list(replacements("f", physical_lines(before), physical_lines(after)))
    assert applied(before, changes) == after
    assert bool(unified("f", physical_lines(before), physical_lines(after))) is (before != after)


def patched(before: tuple[str, ...], diff: str) -> list[str]:
    """The lines after a unified diff, each hunk at the line that its heading says."""
    after: list[str] = []
    at = 0
    for line in diff.split("\n")[2:-1]:
        if line.startswith("@@"):
            first, _, count = line.split()[1].lstrip("-").partition(",")
            start = int(first) - (count != "0")
            after += before[at:start]
            at = start
        elif line.startswith("\\"):
            after[-1] = after[-1].removesuffix("\n")
        else:
            if line[0] in " -":
                assert before[at].removesuffix("\n") == line[1:]
                at += 1
            if line[0] in " +":
                after.append(line[1:] + "\n")
    return [*after, *before[at:]]


@given(TEXTS, TEXTS, st.integers(0, 12))
def test_a_diff_makes_one_text_of_the_other(before: str, after: str, more: int) -> None:
    """Wherever in the file they differ: a diff is made of the differing lines only."""
    around = tuple(f"line {at}\n" for at in range(more))
    old, new = around + physical_lines(before), around + physical_lines(after)
    if old and new and old[-1].endswith("\n") and new[-1].endswith("\n"):
        assert "".join(patched(old, unified("f", old, new))) == "".join(new)
