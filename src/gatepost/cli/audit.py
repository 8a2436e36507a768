"""gatepost audit: what is wrong with a Postfix or docker-mailserver configuration, where, and how it is mended.

Exit status: 0 nothing found, 1 findings at or above --fail-on, 2 the input or an option could not be read. Modules that
only one option needs are imported when it is given: an audit is to be over in a second.
"""

from __future__ import annotations

import gc
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gatepost.cli.options import fail
from gatepost.span import ConfigError

if TYPE_CHECKING:
    from gatepost.audit.rule import Rule
    from gatepost.audit.run import Result
    from gatepost.audit.subject import Subject
    from gatepost.audit.telling import Proven
    from gatepost.report.finding import Report

app = typer.Typer(add_completion=False)

Format = Literal["text", "json", "sarif", "html", "github"]
FailOn = Literal["critical", "high", "medium", "low", "information", "never"]

QUICK = 10_000
"""Lines of the files times fixes: up to here the report has what each fix alone would write; beyond it --diff has."""

Paths = Annotated[list[Path] | None, typer.Argument(metavar="[PATH]...", help=(
    "Directories with main.cf and master.cf, a main.cf, what postconf -n and postconf -M printed (one file or two), "
    "docker-mailserver folders. Without any: /etc/postfix."))]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the options say."""

    format: str
    output: Path | None
    fail_on: str
    fix: bool
    diff: bool
    unsafe: bool
    prove: bool = False


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
    fix: Annotated[bool, typer.Option("--fix", help="Write the safe fixes, keep backups, tell what is left.")] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Print what --fix would write; write nothing.")] = False,
    unsafe_fixes: Annotated[bool, typer.Option("--unsafe-fixes", help=(
        "With --fix or --diff: those too that may treat wanted mail differently."))] = False,
    select: Annotated[list[str] | None, typer.Option(metavar="RULES", help=(
        "Only these rules, or all that begin so: PIPE,TLS-01."))] = None,
    ignore: Annotated[list[str] | None, typer.Option(metavar="RULES", help="Not these.")] = None,
    prove: Annotated[bool, typer.Option("--prove", help=(
        "Play the conversation that shows a finding about turns, smuggling, relaying or trust, before and after its "
        "fix."))] = False,
    explain: Annotated[str, typer.Option(metavar="RULE", help="Print a rule's page and end.")] = "",
) -> None:
    """Find what is wrong in a configuration, by file and line."""
    if explain:
        print(_page(explain))
        return
    gc.disable()  # what is made lives as long as the program, and looking through it takes a fifth of the time
    from gatepost.audit import inputs

    try:
        rules = _rules(_words(select), _words(ignore))
        subjects = inputs.subjects(*map(str, paths or [Path("/etc/postfix")]), postfix_version=postfix_version,
                                   dms_release=dms_release, env=str(env) if env else "")
        status = _audit(subjects, rules, Wanted(format, output, fail_on, fix, diff, unsafe_fixes, prove))
    except ConfigError as error:
        fail(error)
    raise typer.Exit(status)


def _rules(select: list[str], ignore: list[str]) -> dict[str, Rule]:
    from gatepost.audit.run import chosen

    try:
        return chosen(select, ignore)
    except KeyError as unknown:
        raise ConfigError("no rule begins like that", None, unknown.args[0]) from None


def _audit(subjects: list[Subject], rules: dict[str, Rule], wanted: Wanted) -> int:
    from gatepost.audit.run import audit
    from gatepost.report.finding import merged

    diffs: list[str] = []
    if wanted.fix or wanted.diff:
        subjects = [_mended(subject, rules, wanted, diffs) for subject in subjects]
        if wanted.diff:
            _print("".join(diffs), None if wanted.fix else wanted.output)
    results = [audit(subject, rules) for subject in subjects]
    if wanted.fix or not wanted.diff:
        reports = [_told(subject, result, wanted) for subject, result in zip(subjects, results, strict=True)]
        _print(_written(merged(reports), wanted), wanted.output)
    return max(_status(result, wanted) for result in results)


def _status(result: Result, wanted: Wanted) -> int:
    from gatepost.audit.finding import Severity

    worst = max((finding.severity for finding in result.findings), default=None)
    return int(worst is not None and wanted.fail_on != "never" and worst >= Severity[wanted.fail_on.upper()])


def _mended(subject: Subject, rules: dict[str, Rule], wanted: Wanted, diffs: list[str]) -> Subject:
    """What --fix leaves, written; what it would write goes to `diffs`. What cannot be mended is said at once."""
    from gatepost.audit.mend import consequences, mend, subject_of
    from gatepost.audit.texts import CannotWrite
    from gatepost.audit.write import diff, write
    from gatepost.report.shown import block, escaped

    try:
        done = mend(subject, rules, unsafe=wanted.unsafe)
    except CannotWrite as cannot:
        raise ConfigError(f"nothing can be fixed here: {cannot}", None, subject.main_cf.file) from None
    before, after = done.before.files(), done.after.files()
    for finding, why in done.left:
        where = f"{finding.span}: " if finding.span else ""
        print(f"gatepost: {escaped(where)}{finding.rule} is not fixed: {escaped(why)}", file=sys.stderr)
    shown = diff(before, after)
    diffs.append(block(shown) if wanted.output is None or wanted.fix else shown)
    for line in consequences(done):
        print(f"gatepost: {escaped(line)}", file=sys.stderr)
    if not wanted.fix:
        return subject
    if subject.docker is not None:  # its volume may not be there yet
        os.makedirs(subject.docker.folder.volume, exist_ok=True)
    for replaced in write(before, after):
        kept = f"fixed; as it was: {escaped(replaced.backup)}" if replaced.backup else "new"
        print(f"gatepost: {escaped(replaced.file)} is {kept}", file=sys.stderr)
    return subject_of(done.after, subject)


def _told(subject: Subject, result: Result, wanted: Wanted) -> Report:
    from gatepost.audit.mend import mended
    from gatepost.audit.telling import report

    lines = sum(text.count("\n") for text in subject.files.values())
    fixes = sum(finding.fix is not None and bool(finding.fix.changes) for finding in result.findings)
    return report(subject, result.findings, mended=mended(subject) if lines * fixes <= QUICK else None,
                  proven=_prover(subject) if wanted.prove else None, silenced=len(result.allowed), root=os.getcwd(),
                  version=_version() if wanted.format != "text" else "", every_page=wanted.format == "sarif")


def _version() -> str:
    from importlib.metadata import version

    return version("gatepost")


def _prover(subject: Subject) -> Proven:
    from gatepost.audit.prove import Prover

    return Prover(subject).lines


def _written(report: Report, wanted: Wanted) -> str:
    from gatepost.report import formats, text

    if wanted.format == "text" and wanted.output is None:
        return text.write(report, colour=text.colour_wanted(sys.stdout, os.environ))
    return formats.write(report, wanted.format)


def _print(text: str, output: Path | None) -> None:
    if output is None:
        sys.stdout.write(text)
        return
    try:
        output.write_text(text, encoding="utf-8", errors="surrogateescape")
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
