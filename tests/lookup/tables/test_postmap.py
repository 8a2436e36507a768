"""Do our tables answer what Postfix's own answer? Each case is asked of both; skipped by name without postmap."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.lookup.tables.opened import Tables

POSTMAP = shutil.which("postmap") or shutil.which("postmap", path="/usr/sbin:/sbin")
pytestmark = [pytest.mark.peer, pytest.mark.skipif(POSTMAP is None, reason="postmap (Postfix) is not installed")]


@functools.cache
def configuration() -> str:
    """A configuration directory that says nothing, so that this machine's Postfix has no say."""
    directory = tempfile.mkdtemp(prefix="gatepost-postmap-")
    atexit.register(shutil.rmtree, directory)
    path = Path(directory, "main.cf")
    path.write_text("compatibility_level = 3.6\nmyhostname = mx.example.com\n")
    os.utime(path, (1, 1))  # Postfix waits until a file is two seconds old
    return directory


def run_postmap(spec: str, key: str) -> tuple[str | None, list[str]]:
    """postmap's answer ("FAILED" for a fatal error, None for none) and its warnings."""
    assert POSTMAP
    with subprocess.Popen([POSTMAP, "-c", configuration(), "-q", key, spec], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout and process.stderr
        warnings = []
        for line in process.stderr:
            if "fatal:" in line:
                process.kill()  # it would sleep for a second before it ends
                return "FAILED", warnings
            warnings.append(line.removeprefix("postmap: warning: ").removesuffix("\n"))
        answer = process.stdout.read().removesuffix("\n")
        return (answer if process.wait() == 0 else None), warnings


def ask_postmap(spec: str, key: str) -> str | None:
    """postmap's answer alone."""
    return run_postmap(spec, key)[0]


INLINE = [
    ("inline:{a=b,{c = d e}}", "c"),
    ("inline:{ a=b, {c = d {e} f} }", "C"),
    ("inline:{a=b,a=c}", "a"),
    ("inline:{b = c}", "b"),
    ("inline:{}", "b"),
    ("inline:abc", "b"),
    ("inline:{a=b}x", "a"),
    ("inline:{{b=c} x}", "b"),
    ("inline:{{b=c}x}", "b"),
    ("inline:{a=b=c}", "a"),
    ('inline:{{"a b" = c}}', '"a b"'),
    ('inline:{{"a b" = c}}', "a b"),
    ('inline:{{"a=b" = c}}', '"a=b"'),
    ("inline:{É=x}", "é"),
    ("inline:{a,b=c}", "b"),
    ("inline:{=c}", "b"),
    ("static:abc", "whatever"),
    ("static:{ a b }", "whatever"),
    ("static:{a b} c", "whatever"),
    ("static:", "a"),
    ("nonsense:abc", "a"),
    ("fail:x", "a"),
    ("unix:passwd.byname", "ROOT"),
    ("unix:group.byname", "root"),
    ("unix:shadow.byname", "root"),
    ("unix:passwd.byname", "no-such-user"),
    ("pipemap:{inline:{a=b},inline:{b=c}}", "a"),
    ("pipemap:{inline:{a=b}, inline:{x=c}}", "a"),
    ("pipemap:{inline:{a=b},fail:x}", "a"),
    ("pipemap:{inline:{a=b},fail:x}", "z"),
    ("pipemap:{inline:{a=B},regexp:{{/B/i yes}}}", "A"),
    ("pipemap:foo", "A"),
    ("unionmap:{inline:{a=b},inline:{x=c},static:z}", "a"),
    ("unionmap:{inline:{a=b},inline:{x=c}}", "q"),
    ("unionmap:{inline:{a=b},fail:x}", "a"),
    ("unionmap:{inline:{a=b},foo}", "a"),
    ("unionmap:{}", "a"),
    ("randmap:{one}", "a"),
    ("randmap:{{b c}}", "a"),
    ("randmap:{}", "a"),
]

CIDR = [
    ("{{1.2.3.4 x},{if 1.2.0.0/16},{0.0.0.0/0 y},{endif}}", ["1.2.3.4", "1.2.3.5", "9.9.9.9"]),
    ("{{if 1.2.0.0/16},{0.0.0.0/0 y}}", ["1.2.3.5", "9.9.9.9"]),
    ("{{endif},{0.0.0.0/0 y}}", ["1.2.3.5", "name", ""]),
    ("{{1.2.3.5/33 z},{0.0.0.0/0 y}}", ["1.2.3.5"]),
    ("{{1.2.3.5/ z},{0.0.0.0/0 y}}", ["1.2.3.5"]),
    ("{{1.2.3.5/+8 z},{0.0.0.0/0 y}}", ["1.2.3.5"]),
    ("{{1.2.3.5/24 z},{0.0.0.0/0 y}}", ["1.2.3.5"]),
    ("{{1.2.3.5},{0.0.0.0/0 y}}", ["1.2.3.5"]),
    ("{{1.2.3.5/32 one}}", ["1.2.3.5", "1.2.3.4"]),
    ("{{[::]/0 y}}", ["::1", "1.2.3.4"]),
    ("{{[::/0] y}}", ["::1"]),
    ("{{2001:db8::/32 y}}", ["2001:DB8::1", "2001:db9::1", "[2001:db8::1]"]),
    ("{{!::2 y}}", ["::1", "::2", "1.2.3.4", "name"]),
    ("{{! ::2 y}}", ["::1", "::2"]),
    ("{{!!::2 y}}", ["::1", "::2"]),
    ("{{!10.0.0.0/8 NOT}}", ["10.1.1.1", "11.1.1.1", "::1"]),
    ("{{1.2.3.010 y}}", ["1.2.3.8", "1.2.3.10"]),
    ("{{1.2.3.10 y}}", ["1.2.3.010"]),
    ("{{1.2.3.4 y}}", ["::ffff:1.2.3.4", " 1.2.3.4", "1.2.3", "1.2.3.4.5"]),
    ("{{!if 1.2.3.4 y}}", ["1.2.3.4"]),
    ("{{if !1.2.3.5},{1.2.3.4 foo $1 bar},{endif}}", ["1.2.3.4", "1.2.3.5"]),
    ("{{if ! 1.2.3.5},{1.2.3.4 foo},{ENDIF}}", ["1.2.3.4"]),
    ("{{if !1.2.3.5 abc},{1.2.3.4 foo},{endif xx}}", ["1.2.3.4"]),
    ("{{if 1.0.0.0/8},{if 1.2.0.0/16},{0.0.0.0/0 in},{endif},{0.0.0.0/0 mid},{endif},{0.0.0.0/0 out}}",
     ["1.2.3.4", "1.3.3.4", "2.2.2.2"]),
    ("{{#1.2.3.4 x},{1.2.3.4 y}}", ["1.2.3.4"]),
    ("{1.2.3.4 foo}", ["1.2.3.4"]),
    ("{{1.2.3.4 foo}, 1.2.3.4}", ["1.2.3.4"]),
    ("{}", ["1.2.3.4"]),
    (" {{1.2.3.4 foo}}", ["1.2.3.4"]),
]

PATTERNS = [
    ("{{/^(1)/ foo $1 ${1} $(1) $$}}", ["1.2", "2"]),
    ("{{/^(1)/ foo $$1}}", ["1"]),
    ("{{!/^(1)/ foo $1},{/1/ b}}", ["1", "2"]),
    ("{{!/^(1)/ foo},{/1/ b}}", ["1", "2"]),
    ("{{/^(1)/ foo $2},{/1/ b}}", ["1"]),
    ("{{/^(1)/ foo $x},{/1/ b}}", ["1"]),
    ("{{/^(1)/ foo $1x},{/1/ b}}", ["1"]),
    ("{{/^(1)/ foo ${1}x $},{/1/ b}}", ["1"]),
    ("{{/^(1)/ foo $0},{/1/ b}}", ["1"]),
    ("{{/^abc/ foo}}", ["ABC", "abc", "xabc"]),
    ("{{/^abc/i foo}}", ["ABC", "abc"]),
    ("{{/ab/iii foo},{/AB/ b}}", ["ABC", "abc"]),
    ("{{/^abc/q foo},{/AB/ b}}", ["ABC"]),
    ("{{/^abc/i},{/AB/ b}}", ["ABC", "abc"]),
    ("{{/^abc foo},{/AB/ b}}", ["ABC"]),
    ("{{/a\\(/x foo},{/AB/ b}}", ["ABC"]),
    ("{{/a(/ foo},{/AB/ b}}", ["ABC"]),
    ("{{/a/!/b/ foo},{/AB/ b}}", ["ABC", "AC"]),
    ("{{/(a)/!/d/ x $1}}", ["ABC", "ABCD"]),
    ("{{/(a)/!/D/i x $1}}", ["ABC", "ABCD", "ABCd"]),
    ("{{!/a/!/b/ z},{/C/ d}}", ["ABC", "C", "BC"]),
    ("{{!!/b/ z},{/C/ d}}", ["ABC", "C"]),
    ("{{! /z/ z},{/C/ d}}", ["ABC", "zC"]),
    ("{{if /a/},{/d/ foo},{endif},{if !/a/},{/a/ bad},{endif},{//i x}}", ["ABC", "AD", "D"]),
    ("{{if /a/},{if !/b/},{/./ a-not-b},{endif},{/./ a},{endif},{/./ rest}}", ["AC", "AB", "C"]),
    ("{{if /a/},{/d/ foo},{/c/ z}}", ["ABC", "C"]),
    ("{{endif},{/d/ foo},{/c/ z}}", ["ABC"]),
    ("{{if /a/ foo},{/c/ z},{endif foo}}", ["ABC", "C"]),
    ("{{if! /q/},{/C/ d},{endif}}", ["ABC", "qC"]),
    ("{{if/b/},{/C/ d},{endif}}", ["ABC", "C"]),
    ("{{IF /b/},{/C/ d},{EndIf}}", ["ABC", "C"]),
    ("{{if /x(/},{/AB/ b},{endif},{/C/ d}}", ["ABC", "C"]),
    ("{{iffy},{/C/ d}}", ["ABC"]),
    ("{{abca foo},{/c/ z}}", ["ABC"]),
    ('{{"(a)" x}}', ["ABC"]),
    ("{{|a\\|B| x}}", ["A|B", "AB"]),
    ("{{/a\\/B/ x}}", ["A/B"]),
    ("{{#a/B# x}}", ["A/B"]),
    ("{{/^b/ x}}", ["A\nB", "b"]),
    ("{{/^b/m x}}", ["A\nB"]),
    ("{{/a$/ x}}", ["A\nB", "A", "A\n"]),
    ("{{/a.b/ x}}", ["A\nB"]),
    ("{{/a.b/m x}}", ["A\nB"]),
    ("{{/a[^c]b/ x}}", ["A\nB", "ACB"]),
    ("{{/^.$/ one},{/^..$/ two}}", ["é", "a"]),
    ("{{/^é$/ x}}", ["é", "É"]),
    ("{{/(a)|(x)/ <$1><$2>}}", ["ab", "x"]),
    ("{{/a(x)?/ foo<$1>}}", ["ab", "ax"]),
    ("{{/^(a{1,2})b/ <$1>}}", ["aab", "b"]),
    ("{{/(a)\\1/ q}}", ["ab", "aa"]),
    ("{{/[[:space:]]x[[:digit:]]+/ q}}", [" x12", "x12"]),
    ("{{/[[:upper:]]/ q}}", ["a", "1"]),
    ("{{/a]b/ q}}", ["a]b"]),
    ("{{/a[]x]b/ q}}", ["a]b", "axb", "ab"]),
    ("{{/a[x-]b/ q}}", ["a-b", "ayb"]),
    ("{{/a[^]x]b/ q}}", ["a]b", "ayb"]),
    ("{}", ["a"]),
    ("{{/a/ b}}x", ["a"]),
    ("{{/a/ b}x}", ["a"]),
    ("{/a/ b}", ["a"]),
]

POSIX_ONLY = [
    ("{{/a**b/ q}}", ["ab", "aab", "c"]),
    ("{{/a*+b/ q}}", ["ab", "b"]),
    ("{{/^(ab)*+$/ q}}", ["abab", "aba"]),
    ("{{/a[\\]b/ q}}", ["a\\b"]),
    ("{{/a[[.-.]x]b/ q}}", ["a-b", "axb"]),
    ("{{/a[[=x=]]b/ q}}", ["axb", "a=b"]),
    ("{{/a[b-a]/ q},{/a/ w}}", ["ab"]),
    ("{{/[[:nope:]]/ q},{/a/ w}}", ["ab"]),
    ("{{/a)b/ q}}", ["a)b", "ab"]),
    ("{{/()ab/ q}}", ["ab"]),
    ("{{/a||b/ q}}", ["ab", "x"]),
    ("{{/*ab/ q},{/a/ w}}", ["ab"]),
    ("{{/(*b)/ q},{/a/ w}}", ["ab"]),
    ("{{/(?b)/ q},{/a/ w}}", ["ab"]),
    ("{{/a|*b/ q},{/a/ w}}", ["ab"]),
    ("{{/^*b/ q},{/a/ w}}", ["ab"]),
    ("{{/a{x}/ q},{/a/ w}}", ["ab"]),
    ("{{/a{,2}b/ q}}", ["b", "aab"]),
    ("{{/a{2}{2}b/ q}}", ["aaaab", "aaab"]),
    ("{{/x$y/ q}}", ["x$y"]),
    ("{{/\\<b\\>/ x}}", ["a b c", "abc"]),
    ("{{/a\\sb\\Sc\\wd\\We/ x}}", ["a bxcxd e", "a b cxd e"]),
    ("{{/\\`a\\'/ x}}", ["a", "ab"]),
    ("{{/a\\bb/ x}}", ["ab", "a b"]),
    ("{{/a\\.b\\-c/ x}}", ["a.b-c", "axb-c"]),
    ("{{/a\\d/ x}}", ["a1"]),
    ("{{/a[^c]b/m x}}", ["A\nB", "AxB"]),
    ("{{/a$/m x}}", ["A\nB", "AB"]),
    ("{{/\\(a\\)\\{1,2\\}/x BRE$1},{/a+b/x plus},{/a\\+b/x gplus},{/^*c/x star},{/a^b/x caret},{/d$e/x dollar}}",
     ["a", "A+b", "*c", "q", "d$e"]),
    ("{{/a^b/x caret},{/d$e/x dollar},{/c{1}/x brace},{/(f)/x paren},{/*g/x star},{/\\(*h\\)/x s2}}",
     ["a^b", "d$e", "c{1}", "(f)", "*g", "*h"]),
    ("{{/a\\?b/x q},{/c\\|d/x bar},{/e**/x two},{/./x rest}}", ["b", "d", "e"]),
]

PCRE_ONLY = [
    ("{{/a(?<n>b)?/ foo ${n}},{/AB/ b}}", ["ABC"]),
    ("{{/a/X q}}", ["a"]),
    ("{{/a$/E q}}", ["a", "a\n"]),
    ("{{/(b+)/U q$1}}", ["bbb"]),
    ("{{/b/A q}}", ["b", "ab"]),
    ("{{/a b # c/x q}}", ["ab", "a b"]),
    ("{{/a.b/s x}}", ["A\nB"]),
    ("{{/(?<=a)b(?!c)/ x}}", ["ab", "abc"]),
    ("{{/\\d+\\s/ x}}", ["12 ", "a"]),
]


def pairs(kind: str, cases: list[tuple[str, list[str]]]) -> list[tuple[str, str]]:
    return [(f"{kind}:{name}", key) for name, keys in cases for key in keys]


@pytest.mark.parametrize(("spec", "key"), [
    *INLINE, *pairs("cidr", CIDR), *pairs("regexp", PATTERNS), *pairs("pcre", PATTERNS),
    *pairs("regexp", POSIX_ONLY), *pairs("pcre", PCRE_ONLY)])
def test_named_table(spec: str, key: str) -> None:
    """A table that is written in its own name gives Postfix's answer."""
    assert Tables().ask(spec, key) == [ask_postmap(spec, key)]


SOURCES = {
    "plain": "a b\n",
    "continued": "key value\n  goes on\n# comment\n\n and on\nother x",
    "continued key": "key\n value\n",
    "missing value": "key\nother value\n",
    "quoted key": '"first last"@example.com  v w \nz y\n',
    "unbalanced quote": '"first last@example.com v\nz y\n',
    "escaped blank": "foo\\ bar z\n",
    "escaped quote": 'foo\\" bar\nz y\n',
    "colon": "key: value\n",
    "leading blank": "#\n  lead x\nb y\n",
    "first of a line is a comment sign": "#a b\na #b\n",
    "mixed case": "KEY Value\n",
    "carriage return": "key value\r\nother value\r\n",
    "not UTF-8": "\udcff x\nz y\n",
    "UTF-8": "É x\n",
    "empty": "",
}
KEYS = ["a", "key", "other", "lead", "#a", "é", "KEY",
        '"first last"@example.com', "z", "foo\\ bar", 'foo\\"', "key:", "b"]


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("kind", ["texthash", "hash"])
def test_source(kind: str, name: str, tmp_path: Path) -> None:
    """Source texts read as postmap reads them; hash, which postmap would index, reads the same source."""
    path = tmp_path / "table"
    path.write_bytes(SOURCES[name].encode("utf-8", "surrogateescape"))
    os.utime(path, (1, 1))  # as above
    assert Tables().ask(f"{kind}:{path}", *KEYS) == [ask_postmap(f"texthash:{path}", key) for key in KEYS]


@pytest.mark.parametrize("kind", ["texthash", "cidr", "regexp", "pcre"])
def test_missing_file(kind: str, tmp_path: Path) -> None:
    """Lookups in a table whose file is absent fail."""
    spec = f"{kind}:{tmp_path}/absent"
    assert Tables().ask(spec, "a") == [ask_postmap(spec, "a")] == ["FAILED"]


WARNED = [
    "cidr:{{1.2.3.5/24 z}}",
    "cidr:{{1.2.3.5/33 z}}",
    "cidr:{{1.2.3.5}}",
    "cidr:{{1.2.3.010 y}}",
    "cidr:{{if 1.2.3.4}}",
    "cidr:{{endif}}",
    "cidr:{{if !1.2.3.5 abc},{1.2.3.4 foo},{endif xx}}",
    "regexp:{{/abc foo}}",
    "regexp:{{/abc/q foo}}",
    "regexp:{{/abc/i}}",
    "regexp:{{/a(/ foo}}",
    "regexp:{{/*a/ foo}}",
    "regexp:{{/a[b/ foo}}",
    "regexp:{{if /a/ foo},{endif bar}}",
    "regexp:{{endif},{word}}",
    "regexp:{{!/(a)/ $1}}",
    "pcre:{{/abc foo}}",
    "pcre:{{/a(/ foo}}",
    "pcre:{{if /a/}}",
    "pcre:{{/a/X b}}",
    "pcre:{{/(a)/ $2}}",
]


@pytest.mark.parametrize("spec", WARNED)
def test_warnings(spec: str) -> None:
    """Rules that do not read are warned about in Postfix's words."""
    tables = Tables()
    tables.open(spec)
    assert tables.warnings == run_postmap(spec, "key")[1]


ALIASES = """# aliases
root: a@b.c, "d e"@f
Postmaster:   root
"Mail List": |"/bin/x y"
plain value
noval:
multi:
  x, y
multi: z
a@b: c
"""


@pytest.mark.parametrize("key", ["root", "ROOT", "postmaster", "mail list", '"mail list"', "plain", "noval", "multi",
                                 "a@b"])
def test_aliases(key: str, tmp_path: Path) -> None:
    """A table that alias_maps names is read as postalias reads it."""
    path = tmp_path / "aliases"
    path.write_text(ALIASES)
    os.utime(path, (1, 1))
    assert POSTMAP
    subprocess.run([POSTMAP.replace("postmap", "postalias"), "-c", configuration(), f"hash:{path}"],
                   capture_output=True, check=True)
    os.utime(f"{path}.db", (2, 2))
    tables = Tables({"alias_maps": f"hash:{path}, nis:mail.aliases"})
    answer, warnings = run_postmap(f"hash:{path}", key)
    assert tables.ask(f"hash:{path}", key) == [answer]
    assert not warnings
