"""gatepost diff A B: which client behaviours end differently under two configurations, and by which lines.

Exit status: 0 no client would notice, 1 differences, 2 an input could not be read, or a service could not be compared.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gatepost.cli.options import fail
from gatepost.span import ConfigError

if TYPE_CHECKING:
    from gatepost.audit.compare import Comparison, Group, Side

app = typer.Typer(add_completion=False)

SHOWN = 6  # behaviours of one change, without --verbose
INPUT = ("a directory with main.cf and master.cf, one main.cf, output of postconf -n and -M in one file, or a "
         "docker-mailserver folder")


@app.command("diff")
def diff(
    before: Annotated[Path, typer.Argument(metavar="A", help=f"The configuration as it is: {INPUT}.")],
    after: Annotated[Path, typer.Argument(metavar="B", help="The configuration as it would be: the same.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Name every behaviour.")] = False,
    postfix_version: Annotated[str, typer.Option(metavar="VERSION", help="Postfix's version.")] = "",
    dms_release: Annotated[str, typer.Option(metavar="RELEASE", help="docker-mailserver's release.")] = "",
    env: Annotated[Path | None, typer.Option(metavar="FILE", help=(
        "docker-mailserver's environment: an env file or compose.yaml."))] = None,
    to_postfix_version: Annotated[str, typer.Option(metavar="VERSION", help="B's, when it is another.")] = "",
    to_dms_release: Annotated[str, typer.Option(metavar="RELEASE", help="B's, when it is another.")] = "",
    to_env: Annotated[Path | None, typer.Option(metavar="FILE", help="B's, when it is another.")] = None,
) -> None:
    """Compare two configurations by what clients would notice, with the lines that decide it."""
    from gatepost.audit import inputs
    from gatepost.audit.compare import compare

    sides = ((before, postfix_version, dms_release, env),
             (after, to_postfix_version or postfix_version, to_dms_release or dms_release, to_env or env))
    try:
        first, second = (inputs.subject(str(path), postfix_version=version, dms_release=release,
                                        env=str(variables) if variables else "")
                         for path, version, release, variables in sides)
        found = compare(first, second)
    except ConfigError as error:
        fail(error)
    sys.stdout.write(_json(found) if as_json else "\n".join(_text(found, verbose)) + "\n")
    raise typer.Exit(1 if not found.same else 2 if found.left_out else 0)


def _text(found: Comparison, verbose: bool) -> Iterator[str]:
    from gatepost.report.shown import escaped

    for group in found.groups:
        yield from map(escaped, _group(group, verbose))
        yield ""
    for names, side in ((found.only_before, "A"), (found.only_after, "B")):
        if names:
            yield escaped(f"only {side} listens on {', '.join(names)}")
    yield from (escaped(f"not compared: {each}") for each in found.left_out)
    yield from (escaped(f"supposed: {each}") for each in found.supposed if found.groups)
    changes = len(found.groups)
    noticed = sum(len(group.behaviours) for group in found.groups)
    if found.same:
        yield "what could be compared is the same" if found.left_out else "no client would notice a difference"
    else:
        yield (f"{changes} {'change' if changes == 1 else 'changes'}, {noticed} client "
               f"{'behaviour' if noticed == 1 else 'behaviours'}, {found.played} conversations compared")


def _group(group: Group, verbose: bool) -> Iterator[str]:
    count = len(group.behaviours)
    yield f"{count} client {'behaviour' if count == 1 else 'behaviours'}: {group.title}"
    for name, side in (("A", group.before), ("B", group.after)):
        if side.reason is not None:
            yield f"  {name}  {side.reason}"
    names = list(group.listeners)
    yield f"  on {', '.join(names[:4])}" + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    yield f"  by {'; '.join(group.clients)}"
    for at, (title, name) in enumerate(group.behaviours.items()):
        if at >= SHOWN and not verbose:
            yield f"    and {count - SHOWN} more (--verbose names them)"
            break
        yield f"    - {title} [{name}]"


def _json(found: Comparison) -> str:
    return json.dumps({
        "same": found.same,
        "differences": [{
            "change": group.title,
            "opens": group.opens,
            "before": _side(group.before),
            "after": _side(group.after),
            "services": list(group.listeners),
            "clients": list(group.clients),
            "behaviours": [{"title": title, "dialogue": name} for title, name in group.behaviours.items()],
        } for group in found.groups],
        "services": {"only_before": found.only_before, "only_after": found.only_after},
        "not_compared": found.left_out,
        "supposed": list(found.supposed),
        "conversations": found.played,
    }, indent=2, ensure_ascii=True) + "\n"


def _side(side: Side) -> dict[str, object]:
    reason = side.reason
    span = reason.span if reason is not None else None
    return {
        "ending": side.ending,
        "reason": reason.text if reason is not None else "",
        "parameter": reason.list if reason is not None else "",
        "token": reason.token if reason is not None else "",
        "file": span.file if span is not None else None,
        "line": span.line if span is not None else None,
    }
