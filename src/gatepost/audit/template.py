"""Is a text a configuration at all? A template with placeholders, and bytes that are no text, are told at once.

What a template engine would fill in cannot be judged: `{{ name }}`, `{% if %}`, `<% %>`, `%%NAME%%`, `@NAME@`,
`__NAME__`, `{name}` where a value is expected, and `${NAME}` of a shell, which Postfix would take for an empty
variable. Postfix's own braces (`${name?{a}:{b}}`, `inline:{{a = b}}`) are none. This file must not know any parameter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from gatepost.config.source import is_comment
from gatepost.span import ConfigError, Span

MESSAGE = "this is a template, not a configuration: its placeholders must be filled in before it can be audited"
CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f\udc80-\udcff]")
BAD_SHARE = 0.05  # of all characters; Latin-1 in comments stays below, random bytes are at 0.5

PLACEHOLDERS = re.compile(r"""
    (?<![${:]) \{\{ [-~\s]* [\w.$"'(] [^{}]* \}\}    # Jinja, Go, Handlebars; not ${{a} == {b}}, inline:{{a = b}}
    | \{% .*? %\} | \{%- | \{\# .*? \#\}
    | <% .*? %> | <%[=-]? | <\?(?:php|=) | </?tmpl_\w+ | <\#(?:if|list)\b
    | \#\#\w+\#\# | %%\w+%% | %\{\w+\} | (?<==)\s*%[a-z_]{3,}\s*$
    | (?<![\w.@%+-]) @@? [A-Za-z]\w* @@? (?![\w.-])
    | (?<!\w) __? [A-Z][A-Z0-9_]* __? (?<=_) (?!\w) | (?<!\w) PH_[A-Z_]{3,}
    | \$\(\( | \#\{ \w+ \}
    """, re.VERBOSE)
BRACED = re.compile(r"(?:^\w+\s*=\s*|[:/,])\{[a-z_]\w*\}")
"""`{name}` for a value or a part of a path. In master.cf braces are quotes, behind `${` they are branches."""
SHELL = re.compile(r"(?<!\$)\$(?:\{([A-Z][A-Z0-9_]*)(?:[:?=+-][^}]*)?\}|([A-Z][A-Z0-9_]*)\b)")
OF_LOCAL = frozenset(("DOMAIN", "EXTENSION", "HOME", "LOCAL", "LOGNAME", "ORIGINAL_RECIPIENT", "RECIPIENT", "SENDER",
                      "SHELL", "USER"))
"""What local(8) sets in the environment of mailbox_command."""
COMMAND = re.compile(r"\s*mailbox_command|\s|.*\bprocmail\b|.*\bdeliver\b|.*dovecot-lda\b")
NAMED = re.compile(r"\s*[^\s=]*\$[{(]?\w+[})]?\S*\s*(?:=|$)")
"""A whole line, or a name before `=`, that a variable is to fill in."""


def check(file: str, text: str) -> None:
    """ConfigError when the text is no configuration: one sentence, at the first place that shows it."""
    bad = len(CONTROLS.findall(text))
    if bad and ("\0" in text or bad > len(text) * BAD_SHARE):
        found = CONTROLS.search(text)
        line = text.count("\n", 0, found.start()) + 1 if found else 1
        raise ConfigError("this is not a text file: it has bytes that no configuration has", Span(file, line))
    for span, placeholder in placeholders(file, text):
        raise ConfigError(MESSAGE, span, placeholder)


def placeholders(file: str, text: str) -> Iterator[tuple[Span, str]]:
    """Every line's first placeholder."""
    lines = text.split("\n")
    defined = {name for line in lines if (name := line.partition("=")[0].strip()).isupper()} if "$" in text else set()
    is_main = not file.endswith("master.cf")
    for number, line in enumerate(lines, 1):
        if is_comment(line):
            continue
        found = PLACEHOLDERS.search(line)
        if found is None and "$" in line:
            found = _shell(line, defined)
        if found is None and is_main and "{" in line and "${" not in line:
            found = BRACED.search(line)
        if found is not None:
            shown = found[0].strip(" ,:/")
            yield Span(file, number, found.start() + 1 + found[0].find(shown), len(shown)), shown


def _shell(line: str, defined: set[str]) -> re.Match[str] | None:
    for found in SHELL.finditer(line):
        name = found[1] or found[2]
        if name not in defined and not (name in OF_LOCAL and COMMAND.match(line)):
            return found
    return NAMED.match(line) if line[:1] not in " \t" else None
