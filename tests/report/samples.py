"""Reports to print: a small ordinary one, and any that a hostile operator could bring about."""

from __future__ import annotations

from hypothesis import strategies as st

from gatepost.report.finding import SEVERITIES, Finding, Fix, Line, Note, Page, Replacement, Report
from gatepost.span import Span

LINES = ("mynetworks = 127.0.0.0/8,", "    0.0.0.0/0", "smtpd_banner = $myhostname")

OPEN = Finding(
    "RLY-01", "critical", "high", "mynetworks trusts every IPv4 address", "conf/main.cf", Span("conf/main.cf", 2, 5, 9),
    parameter="mynetworks", service="", notes=(Note("used here", Span("conf/main.cf", 9, 1, 4)),),
    excerpt=tuple(Line(at, text) for at, text in enumerate(LINES, 1)),
    fix=Fix("take 0.0.0.0/0 out", False, "--- conf/main.cf\n+++ conf/main.cf\n@@ -1,2 +1 @@\n"
            "-mynetworks = 127.0.0.0/8,\n-    0.0.0.0/0\n+mynetworks = 127.0.0.0/8\n",
            (Replacement("conf/main.cf", 1, 25, 2, 14, ""),)),
    evidence=("C: RCPT TO:<stranger@elsewhere.example>", "S: 250 2.1.5 Ok"))
ABSENT = Finding("RLY-02", "medium", "low", "no list stops relaying", "conf/main.cf", service="smtp/inet",
                 parameter="smtpd_relay_restrictions", fix=Fix("set smtpd_relay_restrictions", True))

REPORT = Report(
    (OPEN, ABSENT), ("conf/main.cf", "conf/master.cf"),
    {"RLY-01": Page("RLY-01", "broad_trust", "Trusted networks are too wide", "critical",
                    "Whoever is trusted\nmay relay.", "Trusted networks are too wide.\n\nWhy: trusted clients relay.")},
    ("Postfix 3.11 is assumed",), 1, "/srv/mail", "0.1.0")

texts = st.text(max_size=30)
spoken = st.text(min_size=1, max_size=30)
numbers = st.integers(1, 10**6)
spans = st.builds(Span, spoken, numbers, numbers, st.integers(0, 100))
fixes = st.builds(Fix, spoken, st.booleans(), texts, st.lists(st.builds(
    lambda file, line, column, more, text: Replacement(file, line, column, line + more, column, text),
    spoken, numbers, numbers, st.integers(0, 3), texts), max_size=3).map(tuple))
findings = st.builds(
    Finding, spoken, st.sampled_from(SEVERITIES), st.sampled_from(("high", "medium", "low")), spoken, spoken,
    st.none() | spans, texts, texts, st.lists(st.builds(Note, texts, st.none() | spans), max_size=2).map(tuple),
    st.lists(st.builds(Line, numbers, texts), max_size=3).map(tuple), st.none() | fixes,
    st.lists(texts, max_size=2).map(tuple))
pages = st.builds(Page, spoken, texts, texts, st.sampled_from(SEVERITIES), texts, texts)
reports = st.builds(
    Report, st.lists(findings, max_size=3).map(tuple), st.lists(texts, max_size=3).map(tuple),
    st.lists(pages, max_size=2).map(lambda found: {page.id: page for page in found}),
    st.lists(texts, max_size=2).map(tuple), st.integers(0, 3), st.sampled_from(("", "/", "/srv/mail")), texts)
