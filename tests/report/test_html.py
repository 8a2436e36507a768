"""report/html.py: one page that loads nothing, runs nothing, and can be read by everybody."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser
from importlib import resources
from itertools import pairwise

import pytest
from hypothesis import given

from gatepost.report import html
from gatepost.report.finding import Report
from tests.report.samples import OPEN, REPORT, reports

VOID = {"meta", "input", "br", "hr", "img", "link"}
CSS = resources.files("gatepost.report").joinpath("report.css").read_text(encoding="utf-8")


class Page(HTMLParser):
    """What a browser sees: elements with attributes, the text, and whether every element is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-1:]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.text += data


@pytest.fixture(scope="module")
def page() -> Page:
    return Page(html.write(REPORT))


ELEMENTS = {tag for tag, _ in Page(html.write(REPORT)).elements}


@given(reports)
def test_nothing_of_an_operator_becomes_markup(report: Report) -> None:
    written = html.write(report)
    page = Page(written)
    assert page.open == []
    assert {tag for tag, _ in page.elements} <= ELEMENTS
    assert all(char == "\n" or char.isprintable() for char in written)
    written.encode("utf-8")


def test_markup_in_a_message_is_text() -> None:
    hostile = "</code><script>alert(1)</script><img src=x onerror=alert(1)>\" onload='x'"
    written = html.write(Report((replace(OPEN, message=hostile, parameter=hostile, file=hostile, service=hostile),)))
    assert hostile in Page(written).text
    assert "<script" not in written and "<img" not in written


def test_it_loads_nothing(page: Page) -> None:
    assert {tag for tag, _ in page.elements}.isdisjoint({"script", "link", "img", "iframe", "object", "embed", "base"})
    assert not re.search(r"url\(|@import|https?:", html.write(REPORT))
    assert all(not name.startswith("on") and name not in ("style", "src", "srcset")
               for _, attributes in page.elements for name in attributes)
    assert all((found["href"] or "").startswith("#") for tag, found in page.elements if tag == "a")


def test_it_allows_its_own_style_only(page: Page) -> None:
    policy = next(found["content"] or "" for _, found in page.elements if "http-equiv" in found)
    digest = base64.b64encode(hashlib.sha256(CSS.encode()).digest()).decode()
    assert policy.startswith("default-src 'none'")
    assert f"style-src 'sha256-{digest}'" in policy
    assert f"<style>{CSS}</style>" in html.write(REPORT)


def test_it_says_its_language_its_title_and_fits_a_phone(page: Page) -> None:
    found = dict(page.elements)
    assert found["html"]["lang"] == "en"
    assert "2 findings" in html.write(REPORT).partition("<title>")[2].partition("</title>")[0]
    assert any(each.get("content") == "width=device-width, initial-scale=1" for _, each in page.elements)
    assert "overflow-x: auto" in CSS and "max-width" in CSS


def test_headings_go_down_step_by_step(page: Page) -> None:
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_every_reference_inside_the_page_has_its_target(page: Page) -> None:
    ids = [found["id"] for _, found in page.elements if "id" in found]
    assert len(ids) == len(set(ids))
    wanted = {(found["href"] or "")[1:] for tag, found in page.elements if tag == "a"}
    wanted |= {found["aria-labelledby"] or "" for _, found in page.elements if "aria-labelledby" in found}
    assert wanted <= set(ids)


def test_the_marked_text_is_the_place() -> None:
    assert "    <mark>0.0.0.0/0</mark>\n" in html.write(REPORT)


def contrast(one: str, other: str) -> float:
    """WCAG 2's ratio of two colours #rrggbb."""
    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def schemes() -> dict[str, dict[str, str]]:
    light, _, dark = CSS.partition("@media (prefers-color-scheme: dark)")
    texts = {"light": light, "dark": dark}
    return {name: dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", text)) for name, text in texts.items()}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_its_background(scheme: str) -> None:
    colours = schemes()[scheme]
    texts = ("text", "quiet", "link", "critical", "high", "medium", "low", "information", "ins", "del")
    pairs = [(text, behind) for text in texts for behind in ("page", "raised")] + [("marked", "mark")]
    ratios = {pair: round(contrast(colours[pair[0]], colours[pair[1]]), 1) for pair in pairs}
    assert {pair: ratio for pair, ratio in ratios.items() if ratio < 4.5} == {}


def test_the_worst_comes_first() -> None:
    turned = html.write(replace(REPORT, findings=tuple(reversed(REPORT.findings))))
    badges = re.findall(r'class="badge">(\w+)<', turned)
    assert badges == ["critical", "medium"]


def test_no_finding_is_a_page_too() -> None:
    assert "Nothing was found." in Page(html.write(Report((), ("main.cf",)))).text
