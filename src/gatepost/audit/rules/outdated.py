"""Which parameters are outdated in this version? Findings of OPS-01 (operations.py); TLS's are TLS-02's, postscreen's
PSC-06's."""

from __future__ import annotations

from collections.abc import Iterator

from gatepost.audit import features
from gatepost.audit.change import Rename
from gatepost.audit.finding import Finding, Fix, Severity
from gatepost.audit.rules.written import settings
from gatepost.audit.subject import Subject


def found(subject: Subject) -> Iterator[Finding]:
    """Outdated parameters that are set."""
    for setting in settings(subject):
        gone = features.OUTDATED.get(setting.name)
        if gone is None or "_tls" in setting.name or setting.name.startswith("postscreen_"):
            continue
        removed = gone.removed is not None and subject.version >= gone.removed
        if not removed and subject.version < gone.since:
            continue
        what = f"is gone from Postfix {gone.removed} and has no effect" if removed else (
            f"is outdated since Postfix {gone.since}")
        instead = f": use {gone.instead}" if gone.instead else ""
        fix = Fix(f"use {gone.instead}" if gone.instead else "take it out")
        if gone.renamed:
            fix = Fix(f"write {gone.renamed}", (Rename(setting.name, gone.renamed, setting.service),), safe=True)
        yield Finding("", Severity.MEDIUM, f"{setting.name}{setting.where} {what}{instead}", setting.span, setting.name,
                      setting.service, fix=fix)
