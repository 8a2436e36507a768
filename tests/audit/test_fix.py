"""audit/fix.py: fixes are made in rounds, and none that does more harm than good."""

from __future__ import annotations

from gatepost.audit.change import AddItems, Change, DropItems, RemoveSetting, SetValue
from gatepost.audit.finding import Finding, Fix, Severity
from gatepost.audit.fix import fixed_texts
from gatepost.audit.texts import Home, Texts
from gatepost.span import ConfigError


def found(rule: str, *changes: Change, severity: Severity = Severity.MEDIUM, safe: bool = True) -> Finding:
    return Finding(rule, severity, rule, parameter="x", fix=Fix("do it", changes, safe))


def value(texts: Texts, name: str) -> str:
    placed = texts.placed(Home("", name))
    return placed.value.text if placed else "(unset)"


def test_fixes_of_different_settings_go_together_and_the_audit_is_asked_again() -> None:
    looks = []

    def look(texts: Texts) -> list[Finding]:
        looks.append(str(texts.main))
        findings = []
        if "b" in value(texts, "one"):
            findings.append(found("A", DropItems("one", ("b",))))
        if value(texts, "two") != "yes":
            findings.append(found("B", SetValue("two", "yes")))
        if value(texts, "two") == "yes" and "c" in value(texts, "one"):
            findings.append(found("C", DropItems("one", ("c",))))
        return findings

    fixed = fixed_texts(Texts.of("one = a, b, c\ntwo = no\n"), look)
    assert str(fixed.after.main) == "one = a\ntwo = yes\n"
    assert [finding.rule for finding in fixed.made] == ["A", "B", "C"]
    assert fixed.findings == () and fixed.left == ()
    assert len(looks) == 3


def test_fixes_of_the_same_setting_wait_for_the_next_round() -> None:
    def look(texts: Texts) -> list[Finding]:
        if value(texts, "one") == "(unset)":
            return []
        return [found("A", SetValue("one", "b")), found("B", RemoveSetting("one"))] if (
            value(texts, "one") == "a") else [found("C", RemoveSetting("one"))]

    fixed = fixed_texts(Texts.of("one = a\n"), look)
    assert [finding.rule for finding in fixed.made] == ["A", "C"]
    assert str(fixed.after.main) == ""


def test_unsafe_fixes_only_when_asked() -> None:
    def look(texts: Texts) -> list[Finding]:
        return [found("A", RemoveSetting("one"), safe=False)] if value(texts, "one") != "(unset)" else []

    assert str(fixed_texts(Texts.of("one = a\n"), look).after.main) == "one = a\n"
    assert str(fixed_texts(Texts.of("one = a\n"), look, unsafe=True).after.main) == ""


def test_what_leads_to_worse_is_taken_back_and_the_others_are_made() -> None:
    def look(texts: Texts) -> list[Finding]:
        findings = []
        if value(texts, "one") == "(unset)":
            findings.append(found("OPEN", severity=Severity.CRITICAL))
        else:
            findings.append(found("A", RemoveSetting("one")))
        if value(texts, "two") != "(unset)":
            findings.append(found("B", RemoveSetting("two")))
        return findings

    fixed = fixed_texts(Texts.of("one = a\ntwo = b\n"), look)
    assert str(fixed.after.main) == "one = a\n"
    assert [(finding.rule, why) for finding, why in fixed.left] == [("A", "it would lead to OPEN: OPEN")]


def test_what_would_not_read_is_taken_back() -> None:
    def look(texts: Texts) -> list[Finding]:
        if value(texts, "one") != "a":
            raise ConfigError("bad value")
        return [found("A", SetValue("one", "b"))]

    fixed = fixed_texts(Texts.of("one = a\n"), look)
    assert fixed.after == fixed.before
    assert [why for _, why in fixed.left] == ["the result would not read: bad value"]


def test_what_cannot_be_written_is_said() -> None:
    def look(texts: Texts) -> list[Finding]:
        return [found("A", AddItems("one", ("b",), "nowhere")), found("B", SetValue("two", "b"))]

    fixed = fixed_texts(Texts.of("one = a\ntwo = b\n"), look)
    assert [why for _, why in fixed.left] == ["one has no nowhere to put anything before",
                                              "it is written like that already"]


def test_rules_that_undo_each_other_come_to_an_end() -> None:
    def look(texts: Texts) -> list[Finding]:
        return [found("A", SetValue("one", "b" if value(texts, "one") == "a" else "a"))]

    assert value(fixed_texts(Texts.of("one = a\n"), look).after, "one") == "a"


def test_what_could_not_be_made_at_first_is_tried_again_after_the_others() -> None:
    def look(texts: Texts) -> list[Finding]:
        if value(texts, "one") == "a":
            broken = value(texts, "two") == "(unset)"
            return [found("A", SetValue("one", "b")), found("B", SetValue("two", "b"))] if broken else [
                found("A", SetValue("one", "b"))]
        return [found("OPEN", severity=Severity.CRITICAL)] if value(texts, "two") == "(unset)" else []

    fixed = fixed_texts(Texts.of("one = a\n"), look)
    assert [finding.rule for finding in fixed.made] == ["B", "A"] or str(fixed.after.main) == "one = b\ntwo = b\n"
    assert fixed.left == ()
