"""Which formats are there? One function each, by name; a format's module is loaded when it is wanted.

Start-up is a second for all of an audit, so that nobody waits for a template engine who asked for text.
"""

from __future__ import annotations

from importlib import import_module

from gatepost.report.finding import Report

FORMATS = ("text", "json", "sarif", "html", "github")


def write(report: Report, format: str) -> str:
    """The report in one of FORMATS; text without colour. KeyError for another name."""
    if format not in FORMATS:
        raise KeyError(format)
    written: str = import_module(f"gatepost.report.{format}").write(report)
    return written
