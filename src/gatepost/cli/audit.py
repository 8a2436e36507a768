"""gatepost audit: what is wrong with a Postfix or docker-mailserver configuration, where, and how it is mended.

Exit status: 0 nothing found, 1 findings at or above --fail-on, 2 the input or an option could not be read. Modules that
only one option needs are imported when it is given: an audit is to be over in a second.
"""

from __future__ import annotations

import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Literal

import typer

from gatepost.cli.options import fail
from gatepost.span import ConfigError

app = typer.Typer(add_completion=False)

Format = Literal["text", "json", "sarif", "html", "github"]
FailOn = Literal["critical", "high", "medium", "low", "information", "never"]

Paths = Annotated[list[Path] | None, typer.Argument(metavar="[PATH]...", help=(
    "A directory with main.cf and master.cf, one main.cf, what postconf -n and postconf -M printed (one file or two), "
    "or a docker-mailserver folder. Without it: /etc/postfix."))]


@app.command("audit")
def audit(
    paths: Paths = None,
    dms_release: Annotated[str, typer.Option(metavar="RELEASE", help="docker-mailserver's release, e.g. 13.1.0.")] = "",
    env: Annotated[Path | None, typer.Option(metavar="FILE", help=(
        "docker-mailserver's environment: an env file or compose.yaml."))] = None,
    postfix_version: Annotated[str, typer.Option(metavar="VERSION", help=(
        "Postfix's version, e.g. 3.7.11; without it what the files say, else the newest."))] = "",
    format: Annotated[Format, typer.Option(help="How to tell it.")] = "text",
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Where to write it.")] = None,
    fail_on: Annotated[FailOn, typer.Option(help="Exit with 1 from this severity on.")] = "low",
    select: Annotated[list[str] | None, typer.Option(metavar="RULES", help=(
        "Only these rules, or all that begin so: PIPE,TLS-01."))] = None,
    ignore: Annotated[list[str] | None, typer.Option(metavar="RULES", help="Not these.")] = None,
    explain: Annotated[str, typer.Option(metavar="RULE", help="Print a rule's page and end.")] = "",
) -> None:
    """Find what is wrong in a configuration, by file and line."""
    if explain:
        print(_page(explain))
        return
    try:
        status = _audit(paths or [Path("/etc/postfix")], dms_release, env, postfix_version, format, output,
                        fail_on, _words(select), _words(ignore))
    except ConfigError as error:
        fail(error)
    raise typer.Exit(status)


def _audit(paths: list[Path], dms_release: str, env: Path | None, postfix_version: str, format: str,
           output: Path | None, fail_on: str, select: list[str], ignore: list[str]) -> int:
    from gatepost.audit import inputs
    from gatepost.audit.finding import Severity
    from gatepost.audit.run import audit, chosen
    from gatepost.audit.telling import report

    try:
        rules = chosen(select, ignore)
    except KeyError as unknown:
        raise ConfigError("no rule begins like that", None, unknown.args[0]) from None
    subject = inputs.subject(*map(str, paths), postfix_version=postfix_version, dms_release=dms_release,
                             env=str(env) if env else "")
    result = audit(subject, rules)
    told = report(subject, result.findings, silenced=len(result.allowed), root=os.getcwd(), version=version("gatepost"),
                  every_page=format == "sarif")
    _print(_written(told, format, output), output)
    worst = max((finding.severity for finding in result.findings), default=None)
    return int(worst is not None and fail_on != "never" and worst >= Severity[fail_on.upper()])


def _written(report: object, format: str, output: Path | None) -> str:
    from gatepost.report import formats, text
    from gatepost.report.finding import Report

    assert isinstance(report, Report)
    if format == "text" and output is None:
        return text.write(report, colour=text.colour_wanted(sys.stdout, os.environ))
    return formats.write(report, format)


def _print(text: str, output: Path | None) -> None:
    if output is None:
        sys.stdout.write(text)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot write: {error.strerror or error}", None, str(output)) from None


def _page(word: str) -> str:
    """A rule's page; what is no rule ends the program."""
    from gatepost.audit.rule import RULES
    from gatepost.audit.rules import all as declared

    assert declared
    found = RULES.get(word.upper())
    if found is None:
        fail(f"there is no rule {word!r}; there are: {', '.join(RULES)}")
    return f"{found.id}, usually {found.severity.label}\n\n{found.page}"


def _words(options: list[str] | None) -> list[str]:
    """Options that may be given twice and hold several words."""
    return [word for option in options or [] for word in option.replace(",", " ").split()]
