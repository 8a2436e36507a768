"""How is a change said in user-patches.sh? Commands for bash that change what start-up made, whatever that was.

Lists are read with `postconf -h`, changed and written back, so that what the environment puts into them stays. Every
line made here is one that config/dms/patches.py follows. This file must not know which change goes where.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from gatepost.audit.change import AddItems, DropItems, ReplaceItem
from gatepost.config.dms import shell

HEADER = "#!/bin/bash\n"
BETWEEN = r"[,[:space:]]"


def quoted(text: str) -> str:
    """One word of the shell."""
    return "'" + text.replace("'", "'\\''") + "'"


def of_items(change: DropItems | AddItems | ReplaceItem, name: str) -> str:
    """The command that makes the change in the list `name`, as it is by then."""
    match change:
        case DropItems(items=items):
            return _edited(name, [f"s/(^|{BETWEEN}+){_pattern(item)}({BETWEEN}|$)/\\2/g" for item in items])
        case ReplaceItem(item=item, by=by):
            return _edited(name, [f"s/(^|{BETWEEN}){_pattern(item)}({BETWEEN}|$)/\\1{_replacement(by)}\\2/g"])
        case AddItems(items=items, before=None):
            return f'postconf "{name} = $(postconf -h {name}), {_in_double_quotes(", ".join(items))}"'
        case AddItems(items=items, before=before):
            new = _replacement(", ".join(items))
            return _edited(name, [f"s/(^|{BETWEEN})({_pattern(before or '')})({BETWEEN}|$)/\\1{new}, \\2\\3/"])
    raise AssertionError(change)


def _edited(name: str, scripts: Sequence[str]) -> str:
    options = " ".join(f"-e {quoted(script)}" for script in scripts)
    return f'postconf "{name} = $(postconf -h {name} | sed -E {options})"'


def _pattern(item: str) -> str:
    """An item as an extended expression; between its words may be any blanks."""
    return "[[:space:]]+".join(re.sub(r"([\\/.\[\](){}*+?^$|])", r"\\\1", word) for word in item.split())


def _replacement(text: str) -> str:
    return re.sub(r"([\\/&])", r"\\\1", text)


def _in_double_quotes(text: str) -> str:
    return re.sub(r'([\\"$`])', r"\\\1", text)


def of_value(name: str, value: str) -> str:
    """`name = value` in main.cf."""
    return f"postconf {quoted(f'{name} = {value}'.rstrip())}"


def of_override(service: str, name: str, value: str) -> str:
    """`-o name=value` of a service."""
    return f"postconf -P {quoted(f'{service}/{name}={value}')}"


def without_value(name: str) -> str:
    """Out of main.cf."""
    return f"postconf -X {name}"


def without_override(service: str, name: str) -> str:
    """Out of a service's options."""
    return f"postconf -PX {quoted(f'{service}/{name}')}"


def of_field(service: str, field: str, value: str) -> str:
    """A column of a service."""
    column = {"maxproc": "process_limit"}.get(field, field)
    return f"postconf -F {quoted(f'{service}/{column}={value}')}"


def of_service(service: str, text: str) -> str:
    """A new service."""
    return "postconf -M " + quoted(f"{service}={' '.join(text.split())}")


def appended(script: str | None, command: str, comment: str, file: str = "user-patches.sh") -> str:
    """The script with one more command at its end, before an `exit` there; a new script when there is none."""
    text = HEADER if script is None or not script.strip() else script
    lines = text.split("\n")
    at = len(lines) if lines[-1] else len(lines) - 1
    for each in shell.commands(file, text):
        if each.certain and each.name in ("exit", "exec"):
            at = each.span.line - 1
            break
    new = [f"# {line}".rstrip() for line in comment.splitlines()] + [command]
    if at and lines[at - 1].strip():
        new.insert(0, "")
    if at == len(lines) or lines[at].strip():
        new.append("")
    return "\n".join(lines[:at] + new + lines[at:])
