"""config/expand.py: $names are filled in as Postfix fills them in. The same table is played against postconf."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.config.expand import expand, names
from gatepost.config.located import Located
from gatepost.config.parameter import DECLARED
from gatepost.config.settings import Settings
from gatepost.span import ConfigError, Span

SET = {"compatibility_level": "3.6", "mail_name": "one", "relocated_maps": "", "myorigin": "a$$b", "mydomain": "dom.x",
       "myhostname": "h.dom.x"}

EXPANDED = [
    ("$mail_name", "one"), ("${mail_name}", "one"), ("$(mail_name)", "one"), ("x${mail_name}y", "xoney"),
    ("$mail_name-x", "one-x"), ("{$mail_name}", "{one}"),
    ("$$mail_name", "$mail_name"), ("$myorigin", "a$b"),  # $$ is not looked at again
    ("$nosuch", ""), ("${nosuch}", ""), ("${nosuch:d}", "d"), ("$nosuch$relocated_maps$$", "$"),
    ("${ mail_name }", "one"),
    ("${mail_name?y}", "y"), ("${mail_name? y }", " y "), ("${mail_name?{y}}", "y"), ("${mail_name?}", ""),
    ("${mail_name?{y}:{n}}", "y"), ("${mail_name?{y}:n}", "y"), ("${relocated_maps?{y}:n}", "n"),
    ("${mail_name?y:n}", "y:n"),  # without braces, everything behind ? is the text
    ("${relocated_maps?y:n}", ""), ("${mail_name?a}b}", "ab}"),
    ("${mail_name ? {y} : {n}}", "y"), ("${mail_name?{a} : {b}}", "a"), ("${mail_name? {y}}", "y"),
    ("${mail_name?{}:{b}}", ""), ("${mail_name?{a b, c}:{}}", "a b, c"),
    ("${relocated_maps:x}", "x"), ("${relocated_maps:{x}}", "x"), ("${relocated_maps : {q}}", "q"),
    ("${mail_name:{z}}", ""),
    ("${relocated_maps?{y}:{$mail_name}}", "one"), ("${mail_name?{$(mail_name)}:{}}", "one"),
    ("${mail_name?$myorigin}", "a$b"), ("$(mail_name?{x})", "x"), ("$(mail_name?(x))", "(x)"),
    ("${{$mail_name} == {one}}", "true"), ("${{1} != {1}}", ""), ("${{} == {}}", "true"),
    ("${{ $mail_name} == {one} ? {y} : {n} }", "n"),  # blanks inside operands count
    ("${{a}=={a}?{y}:{n}}", "y"), ("${{a}=={b}?y:n}", ""), ("${{a}=={a}?y:n}", "y:n"), ("${{a} == {b}:{n}}", "n"),
    ("${{a} == {a} ?{x}}", "x"), ("${{a} == {b} ?{x}}", ""), ("${{$mail_name}=={one}?{{a}}:{b}}", "{a}"),
    ("${{2} < {10}}", "true"), ("${{2a} < {10}}", ""),  # numbers only when both are
    ("${{01} == {1}}", "true"), ("${{1} == { 1}}", ""), ("${{-1}<{2}}", "true"), ("${{10}>={9}?{y}}", "y"),
    ("${{a}>{B}}", "true"), ("${{a}<{b}?{$$x}:{}}", "$x"),
    ("${{3.10} >=level {3.6} ? { a b } : {n}}", " a b "), ("${{3.6.1} >level {3.6} ? {y}:{n}}", "y"),
    ("${{3.6} ==level {3.6.0}?{y}:{n}}", "y"),
]

REFUSED = [
    ("end$", "empty macro name"), ("$-", "empty macro name"), ("${}", "empty macro name"),
    ("${mail_name", "truncated macro reference"),
    ("${mail.name}", 'attribute name syntax error at: "...mail>>>.name"'),
    ("${mail_name!}", 'attribute name syntax error at: "...mail_name>>>!"'),
    ("${mail_name?{y}x}", '":" expected at: "...mail_name?{y}>>>x"'),
    ("${mail_name?{a}:{b}:{c}}", 'unexpected input at: "...mail_name?{a}:{b}>>>:{c}"'),
    ("${relocated_maps:{y}z}", 'unexpected input at: "...relocated_maps:{y}>>>z"'),
    ("${{a} =>level {b}}", '"==" or "!=" or "<" or "<=" or ">=" or ">" expected at: "...{a} >>>=>level {b}"'),
    ("${{a} ==dom {b}}", 'bad operator suffix at: "...{a} ==>>>dom {b}"'),
    ("${{a} == b}", '"{" expected at: "...{a} == >>>b"'),
    ("${{abc} <=level {3}}", "malformed compatibility level syntax"),
]


@pytest.mark.parametrize(("text", "expected"), EXPANDED)
def test_expansion(text: str, expected: str) -> None:
    assert Settings.of(SET).expand(text) == expected


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_syntax_errors(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Settings.of(SET).expand(text)
    assert caught.value.message == message


def postconf(directory: Path, texts: list[str]) -> list[str]:
    """What Postfix makes of each text, between marks so that blanks at the ends show; "" where it finds it broken."""
    defaults = subprocess.run(["postconf", "-d"], capture_output=True, text=True, check=True).stdout
    theirs = {line.partition(" =")[0] for line in defaults.splitlines()} - set(SET)
    theirs -= {"process_id", "process_name", "service_name"}
    carriers = [name for name, parameter in DECLARED.items()
                if name in theirs and parameter.kind == "text" and not parameter.raw][: len(texts)]
    lines = [f"{name} = {text}" for name, text in SET.items()]
    lines += [f"{name} = <{text}>" for name, text in zip(carriers, texts, strict=True)]
    (directory / "main.cf").write_text("\n".join(lines) + "\n")
    (directory / "master.cf").write_text("")
    ran = subprocess.run(["postconf", "-c", str(directory), "-xh", *carriers],
                         capture_output=True, text=True, check=True)
    return ran.stdout.split("\n")[:-1]


@pytest.mark.skipif(not shutil.which("postconf"), reason="postconf is not installed")
def test_postconf_agrees(tmp_path: Path) -> None:
    theirs = postconf(tmp_path, [text for text, _ in EXPANDED])
    assert theirs == [f"<{expected}>" for _, expected in EXPANDED]


@pytest.mark.skipif(not shutil.which("postconf"), reason="postconf is not installed")
def test_postconf_refuses_the_same(tmp_path: Path) -> None:
    """All at once, because postconf sleeps before it dies."""
    running: list[tuple[str, subprocess.Popen[bytes]]] = []
    for at, (text, _) in enumerate(REFUSED):
        directory = tmp_path / str(at)
        directory.mkdir()
        (directory / "main.cf").write_text(f"mail_name = one\nrelayhost = <{text}>\n")
        (directory / "master.cf").write_text("")
        command = ["postconf", "-c", str(directory), "-xh", "relayhost"]
        running.append((text, subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)))
    assert [text for text, process in running if process.wait() == 0] == []


def test_nesting_ends() -> None:
    """A value that names itself is an error, not a crash."""
    with pytest.raises(ConfigError) as caught:
        Settings.of({"a": "$b", "b": "${c?$c}", "c": "x$a"}).text("a")
    assert caught.value.message == "unreasonable macro call nesting"


def test_pieces_keep_the_place_they_were_written_at() -> None:
    """What came in through a $name stands where that name was set."""
    values = {"list": Located.at("one two", "main.cf", 7, 8)}
    found = expand(Located.at("zero $list end", "main.cf", 2, 5), values.get)
    assert found.text == "zero one two end"
    assert found.span(0, 4) == Span("main.cf", 2, 5, 4)
    assert found.span(9, 12) == Span("main.cf", 7, 12, 3)
    assert found.span(13, 16) == Span("main.cf", 2, 16, 3)


@given(st.text(st.sampled_from("$(){}ab?:=<>!l \t"), max_size=30))
def test_any_text_expands_or_is_a_config_error(text: str) -> None:
    try:
        Settings.of({"a": "x", "b": ""}).expand(text)
    except ConfigError as error:
        assert error.message


def test_names_referred_to() -> None:
    text = "$a ${b} $(c) ${d?$e} ${{$f} == {x} ? {${g}} : {}} $$h"
    assert names(text) == set("abcdefg")
