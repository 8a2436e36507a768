"""What is declared works: every declared parameter is used by code, and documented; what is not is named unsupported.

An operator may rely on it: a parameter that `gatepost config` knows has an effect, and one that has none is named at
start-up.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

import pytest

import gatepost.config.parameters as p
from gatepost.config import expand
from gatepost.config.check import HONOURED_PER_TRANSPORT
from gatepost.config.computed import COMPUTED
from gatepost.config.load import loads
from gatepost.config.parameter import DECLARED, Parameter
from gatepost.config.parameters.lmtp import lmtp
from gatepost.config.unsupported import UNSUPPORTED

SOURCE = Path(__file__).resolve().parent.parent / "src" / "gatepost"
PYTHON_NAMES = {value.name: name for name, value in vars(p).items() if isinstance(value, Parameter)}

SET_BY_US = {"process_name"}
"""Values that config/load.py enters for each service."""


@functools.cache
def mentioned() -> frozenset[str]:
    """Python names that code outside the declarations takes from them: `p.NAME`, or imported by name."""
    return frozenset(name for path in SOURCE.rglob("*.py") if "parameters" not in path.parts
                     for name in names_in(ast.parse(path.read_text(encoding="utf-8"))))


def names_in(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("gatepost.config.parameters"):
            yield from (alias.name for alias in node.names)


def reached(directly: set[str]) -> set[str]:
    """Besides what code takes directly: twins (LMTP, TLS of screening), one transport's values, and what defaults of
    these refer to."""
    found = set(directly)
    found |= {lmtp(DECLARED[name]).name for name in directly if name.startswith("smtp_")}
    found |= {p.POSTSCREEN_TLS_TWINS[name] for name in directly if name in p.POSTSCREEN_TLS_TWINS}
    rests = {name.removeprefix("default_") for name in directly} & set(HONOURED_PER_TRANSPORT)
    found |= {name for name in DECLARED for rest in rests if name.endswith(f"_{rest}")}
    waiting = list(found)
    while waiting:
        parameter = DECLARED.get(waiting.pop())
        for name in expand.names(parameter.default) if parameter is not None else ():
            if name in DECLARED and name not in found:
                found.add(name)
                waiting.append(name)
    return found


def used() -> set[str]:
    return reached({name for name, python in PYTHON_NAMES.items() if python in mentioned()} | set(COMPUTED) | SET_BY_US)


def test_every_declared_parameter_is_used() -> None:
    assert sorted(set(DECLARED) - used()) == []


def test_every_used_parameter_is_declared() -> None:
    """`p.NAME` in code is an attribute that exists; a type checker sees it too."""
    taken = {node.attr for path in SOURCE.rglob("*.py")
             for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
             if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "p"
             and node.attr.isupper()}
    assert sorted(name for name in taken if not hasattr(p, name)) == []


def test_every_declared_parameter_is_documented() -> None:
    assert [name for name, parameter in DECLARED.items() if len(parameter.doc.strip()) < 10] == []


def test_nothing_is_both_declared_and_unsupported() -> None:
    assert sorted(set(DECLARED) & set(UNSUPPORTED)) == []


def test_a_parameter_that_nobody_uses_is_seen() -> None:
    directly = {name for name in PYTHON_NAMES if name != "smtpd_noop_commands"}
    assert "smtpd_noop_commands" not in reached(directly - {"smtpd_noop_commands"})


def test_use_is_seen_through_defaults_twins_and_transports() -> None:
    assert "smtpd_use_tls" in DECLARED
    assert "lmtp_tcp_port" in reached({"smtp_tcp_port"})
    assert "relay_destination_concurrency_limit" in reached({"default_destination_concurrency_limit"})
    assert "reject_tempfail_action" in reached({"unverified_sender_tempfail_action"})


NAMED: list[tuple[str, str, str, bool]] = [
    ("what is not supported and set is named", "tls_fast_shutdown_enable", "no", True),
    ("Postfix's own default is not", "tls_fast_shutdown_enable", "yes", False),
    ("Postfix's default written as Postfix writes it", "qmgr_ipc_timeout", "60s", False),
    ("what is so anyway is not: no notices are sent", "notify_classes", "", False),
    ("notices that somebody waits for", "notify_classes", "bounce", True),
    ("about Postfix's own files, never", "sendmail_path", "/opt/sendmail", False),
]


@pytest.mark.parametrize(("sentence", "name", "value", "warned"), NAMED, ids=[case[0] for case in NAMED])
def test_start_up_names_what_is_not_supported(sentence: str, name: str, value: str, warned: bool) -> None:
    configuration = loads(f"{name} = {value}\n", "smtp inet n - n - - smtpd\n", directory="/etc/x")
    said = [str(problem) for problem in configuration.problems]
    wanted = f"/etc/x/main.cf:1: warning: parameter {name} is not supported: it has no effect here"
    assert (wanted in said) is warned, said
