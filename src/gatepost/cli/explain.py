"""gatepost explain DIALOGUE: a conversation played against a configuration, decision by decision, with file and line.

Exit status: 0 it was played, 2 the dialogue or the configuration could not be read.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gatepost.cli.options import fail
from gatepost.span import ConfigError

if TYPE_CHECKING:
    from gatepost.audit.explain import Answered, Explanation
    from gatepost.audit.host import Host
    from gatepost.dialogue.format import Step

app = typer.Typer(add_completion=False)


@app.command("explain")
def explain(
    dialogue: Annotated[str, typer.Argument(metavar="DIALOGUE", help=(
        "A file in the format of dialogues/README.md, or the name of one of the program's own (proofs/relay), which is "
        "then addressed to a domain that the configuration serves."))],
    config: Annotated[Path, typer.Option("-c", "--config", metavar="PATH", help=(
        "Anything that audit reads."))] = Path("/etc/postfix"),
    service: Annotated[str, typer.Option(metavar="NAME", help="The service of master.cf, or its port.")] = "",
    client: Annotated[str, typer.Option(metavar="ADDRESS", help="The client's address.")] = "198.51.100.7",
    name: Annotated[str, typer.Option(metavar="NAME", help="The client's verified host name.")] = "",
    login: Annotated[bool, typer.Option("--login", help="The client has logged in, over TLS where offered.")] = False,
    tls: Annotated[bool, typer.Option("--tls", help="The client speaks TLS where offered.")] = False,
    known: Annotated[bool, typer.Option("--known", help="The client has passed screening before.")] = False,
    postfix_version: Annotated[str, typer.Option(metavar="VERSION", help="Postfix's version.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Tell why: which checks a conversation meets, what each comes to, and the line that decides."""
    from gatepost.audit import inputs
    from gatepost.audit.explain import chosen
    from gatepost.audit.explain import explain as explained
    from gatepost.audit.guest import Guest

    try:
        subject = inputs.subject(str(config), postfix_version=postfix_version)
        listener, rehearsal = chosen(subject, service)
        guest = Guest("a user who has logged in" if login else "a client", client, name, login, login or tls,
                      not known)
        found = explained(listener, rehearsal, _steps(dialogue, rehearsal.host), guest)
    except ConfigError as error:
        fail(error)
    sys.stdout.write(_json(found) if as_json else "\n".join(_text(found)) + "\n")


def _steps(dialogue: str, host: Host) -> Sequence[Step]:
    """The client's side. ConfigError when there is no such dialogue, or it does not read."""
    from gatepost.audit.behaviour import named
    from gatepost.dialogue.format import parse

    path = Path(dialogue)
    if not path.is_file():
        try:
            return named(dialogue).addressed(host)
        except KeyError:
            raise ConfigError("there is no such dialogue, as a file or in the program", None, dialogue) from None
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the dialogue: {error}", None, dialogue) from None
    return parse(text if "\n---\n" in f"\n{text}" else f"---\n{text}", dialogue).steps


def _text(found: Explanation) -> Iterator[str]:
    from gatepost.report.shown import escaped

    yield escaped(f"{found.client}, talks to {found.listener}")
    yield ""
    for moment in found.moments:
        yield from map(escaped, moment.says)
        for answer in moment.answers:
            yield from map(escaped, _answer(answer))
    yield ""
    if found.early:
        yield escaped(f"out of turn: {found.early}")
    yield f"in the end: {found.ending}"
    yield from (escaped(f"supposed: {each}") for each in found.supposed)


def _answer(answer: Answered) -> Iterator[str]:
    listed = ""
    for check in answer.checks:
        if check.list != listed:
            listed = check.list
            yield f"     {listed}"
        yield f"       {check.token:44} {check.came_to:16} {check.place}".rstrip()
        yield from (f"         asked {about} for {key!r}: {said}" for about, key, said in check.asked)
    lines = answer.reply.render().decode("utf-8", "replace").split("\r\n")[:-1]
    yield from (f"S: {line}" for line in lines)
    if answer.reason is not None and not answer.reason.token:
        yield f"     because of {answer.reason}"


def _json(found: Explanation) -> str:
    told = asdict(found)
    for moment in told["moments"]:
        for answer in moment["answers"]:
            answer["reply"] = {"code": answer["reply"]["code"], "status": answer["reply"]["status"],
                               "text": answer["reply"]["text"]}
            reason = answer["reason"]
            if reason is not None:
                span = reason.pop("span")
                reason["file"], reason["line"] = (span["file"], span["line"]) if span else (None, None)
    return json.dumps(told, indent=2, ensure_ascii=True) + "\n"
