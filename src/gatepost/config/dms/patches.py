"""What does user-patches.sh change in Postfix's configuration? postconf and sed -i, where they can be followed.

postconf without option or with -e, -X, -#, -P, -PX, -M, -MX, -F; sed -i on the two files; `cat >>FILE <<EOF`, echo and
printf behind `>>`; `$NAME` of the script and of the environment. Every other command that names Postfix's files or
programs is reported as not followed, and so is one of these that may or may not run or whose arguments need more of the
shell. Programs that have nothing to do with Postfix are passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from gatepost.config import master, source
from gatepost.config.dms import sed, shell
from gatepost.config.dms.places import at_place, kept
from gatepost.config.dms.shell import Command, Word
from gatepost.config.dms.state import State
from gatepost.config.located import BLANKS, Located
from gatepost.config.problem import Problem

MAIN_CF, MASTER_CF = "/etc/postfix/main.cf", "/etc/postfix/master.cf"
CONCERNS = re.compile(r"postconf|main\.cf|master\.cf|/etc/postfix(?![A-Za-z0-9_/.-])")
"""A command that has this in it may change the configuration."""
NOT_FOLLOWED = "may change Postfix's configuration in a way that was not followed"
FILES = "|".join(map(re.escape, (MAIN_CF, MASTER_CF)))
MATCHES_NOTHING = "changes nothing, as far as these files are known"
SUBSTITUTION = re.compile(r"""\$\(\s*postconf\s+-h\s+["']?([A-Za-z0-9_-]+)["']?\s*(?:\|\s*sed\s+(.*))?\)$""", re.DOTALL)


class NothingMatched(Exception):
    """A sed that is understood, and finds nothing to change."""


def replay(state: State, file: str, text: str, variables: Mapping[str, str] | None = None) -> Iterator[Problem]:
    """Change `state` as the script does; gives what could not be followed. `variables`: the container's environment."""
    known = {name: Located(value) for name, value in (variables or {}).items()}
    for command in shell.commands(file, text):
        understood = False
        if command.certain:
            try:
                understood = _Run(state, known).command(command)
            except NothingMatched:
                yield Problem("warning", MATCHES_NOTHING, command.span, _shown(command))
                continue
            except master.BadEntry:
                understood = False
        if not understood and _concerns(command):
            yield Problem("warning", NOT_FOLLOWED, command.span, _shown(command))


def _concerns(command: Command) -> bool:
    if command.name in ("echo", "printf", "cp", "grep", "test", "[", "[[", "postmap", "chmod", "chown") and not any(
            ">" in word.text.text for word in command.words):
        last = command.words[-1].text.text
        return command.name == "cp" and bool(CONCERNS.search(last))
    return any(CONCERNS.search(word.text.text) for word in command.words)


def _shown(command: Command) -> str:
    return " ".join(word.text.text for word in command.words).replace("\n", " ")[:100]


class _Run:
    """One command, run on a state; `known` are the variables that have a value by then."""

    def __init__(self, state: State, known: dict[str, Located]) -> None:
        self.state = state
        self.known = known

    def command(self, command: Command) -> bool:
        """Do what it does; False when it is not understood."""
        arguments = list(command.words[1:])
        match command.name:
            case "postconf":
                return self.postconf(arguments)
            case "sed":
                return _sed(self.state, arguments)
            case "cat":
                return self.cat(command)
            case "echo" | "printf":
                return self.echo(command)
        return self.assignments(command)

    def assignments(self, command: Command) -> bool:
        """`NAME=value`, with `export` or without; never understood as a change of Postfix's configuration."""
        words = command.words[1:] if command.name in ("export", "readonly", "declare", "local") else command.words
        for word in words:
            name, equals, _ = word.text.text.partition("=")
            if not equals or not name.isidentifier():
                break
            value = self.value(word)
            if value is None:
                self.known.pop(name, None)
            else:
                self.known[name] = value.slice(len(name) + 1)
        return False

    def value(self, word: Word) -> Located | None:
        """A word with each kept `$NAME` and `$(postconf -h NAME)` filled in; None when something in it is not known."""
        if not word.plain:
            return None
        parts: list[Located] = []
        at = 0
        for start, end in word.substitutions:
            current = self.substituted(word.text.slice(start, end))
            if current is None:
                return None
            parts += [word.text.slice(at, start), current]
            at = end
        return Located.join([*parts, word.text.slice(at)]) if parts else word.text

    def substituted(self, written: Located) -> Located | None:
        """What `$NAME`, `${NAME}` or `$(postconf -h NAME | sed ...)` gives; None: not known."""
        variable = shell.VARIABLE.fullmatch(written.text)
        if variable is not None:
            found = self.known.get(variable[1] or variable[2])
            return None if found is None else at_place(found.text, written.span())
        shown = SUBSTITUTION.match(written.text)
        if shown is None:
            return None
        current = self.state.written(shown[1])
        if not shown[2]:
            return current
        inner = list(shell.commands("", "sed " + shown[2]))
        change = _change([each.text.text for each in inner[0].words[1:]]) if len(inner) == 1 else None
        changed = change([current.text])[0] if change else []
        if len(changed) != 1:
            return None
        return current if changed[0] == current.text else kept(current, changed[0], written.span())

    def postconf(self, arguments: list[Word]) -> bool:
        options = ""
        operands: list[Word] = []
        while arguments:
            word = arguments.pop(0)
            text = word.text.text
            if text == "-c" and arguments:
                if arguments.pop(0).text.text.rstrip("/") != "/etc/postfix":
                    return False
            elif text.startswith("-") and len(text) > 1 and not operands:
                options += text[1:]
            else:
                operands.append(word)
        action = options.replace("v", "").replace("e", "")
        if set(action) & set("hdnNxfmaltT") or not operands:
            return True  # only shows
        done = True
        for word in operands:
            value = self.value(word)
            done = value is not None and _edit(self.state, action, value) and done
        return done

    def cat(self, command: Command) -> bool:
        """`cat >>/etc/postfix/main.cf <<EOF`."""
        target = "".join(word.text.text for word in command.words[1:])
        found = re.match(rf">>({FILES})<<|<<-?['\"]?\w+['\"]?>>({FILES})$", target)
        if found is None or command.document is None or re.search(r"[$`\\]", command.document.text):
            return False
        self.state.append(command.document, main=PurePosixPath(found[1] or found[2]).name == "main.cf")
        return True

    def echo(self, command: Command) -> bool:
        """`echo 'name = value' >>/etc/postfix/main.cf`, printf with a text that is all its output."""
        texts = [word.text.text for word in command.words]
        at = next((at for at, text in enumerate(texts) if text.startswith(">>")), len(texts))
        target = re.fullmatch(rf">>({FILES})", "".join(texts[at:]))
        if target is None:
            return False
        words = list(command.words[1:at])
        options = ""
        while words and command.name == "echo" and re.fullmatch(r"-[neE]+", words[0].text.text):
            options += words.pop(0).text.text[1:]
        values = [self.value(word) for word in words]
        if command.name == "printf" and (len(values) != 1 or "%" in texts[1]):
            return False
        told = [value for value in values if value is not None]
        whole = Located.join([part for value in told for part in (value, Located(" "))][:-1])
        if "e" in options or command.name == "printf":
            whole = _unescaped(whole)
        if len(told) != len(values) or not told or "\\" in whole.text:
            return False
        self.state.append(whole, main=PurePosixPath(target[1]).name == "main.cf")
        return True


def _unescaped(text: Located) -> Located:
    """With `\\n` and `\\t` as the characters they stand for."""
    parts = []
    at = 0
    for found in re.finditer(r"\\([nt])", text.text):
        parts += [text.slice(at, found.start()), Located("\n" if found[1] == "n" else "\t")]
        at = found.end()
    return Located.join([*parts, text.slice(at)])


def _edit(state: State, action: str, value: Located) -> bool:
    """One operand of postconf."""
    text = value.text
    match "".join(sorted(action)):
        case "":
            entry = source.split_name_value(value)
            if isinstance(entry, Problem):
                return "=" not in text  # shows one parameter
            state.set(entry.name, entry.value, entry.span)
        case "#" | "X":
            state.unset(text.strip())
        case "P":
            fields, equals, _ = text.partition("=")
            if not equals or fields.count("/") != 2:
                return not equals
            end = len(fields)
            service, kind, name = (field.strip(BLANKS) for field in fields.split("/"))
            at = fields.rindex("/") + 1
            return state.override(service, kind, name, value.slice(end + 1).strip(), value.span(at, at + len(name)))
        case "PX":
            if text.count("/") != 2:
                return False
            service, kind, name = text.strip(BLANKS).split("/")
            return state.drop_override(service, kind, name)
        case "M":
            name, equals, _ = text.partition("=")
            if not equals:
                return True
            return state.entry(name.strip(BLANKS), value.slice(len(name) + 1).strip())
        case "MX" | "#M":
            return state.drop_service(text.strip(BLANKS))
        case "F":
            fields, equals, _ = text.partition("=")
            if not equals or fields.count("/") != 2:
                return not equals
            service, kind, name = (field.strip(BLANKS) for field in fields.split("/"))
            return state.field(service, kind, name, value.slice(len(fields) + 1).strip())
        case _:
            return False
    return True


def _change(arguments: list[str]) -> sed.Change | None:
    """What a sed with these options does to a line; file names must be gone."""
    scripts: list[str] = []
    extended = False
    while arguments:
        word = arguments.pop(0)
        if word in ("-e", "--expression") and arguments:
            scripts.append(arguments.pop(0))
        elif re.fullmatch(r"-[Eirn]+|--regexp-extended|--in-place|-i\.\w+", word):
            if "n" in word.strip("-") and not word.startswith("--"):
                return None
            extended = extended or word == "--regexp-extended" or (not word.startswith("--") and bool(
                {"E", "r"} & set(word)))
        elif not word.startswith("-") and not scripts:
            scripts.append(word)
        else:
            return None
    return sed.change(scripts, extended=extended)


def _sed(state: State, arguments: list[Word]) -> bool:
    """`sed -i ... FILE...` on Postfix's files."""
    words = [word.text.text for word in arguments]
    files = [word for word in words if word in (MAIN_CF, MASTER_CF)]
    if not files:
        return not any(CONCERNS.search(word) for word in words)
    in_place = any(re.match(r"-[Er]*i|--in-place", word) for word in words)
    if not in_place:
        return True
    if not all(word.plain and not word.substitutions for word in arguments):
        return False
    options = [word for word in words if word not in files]
    change = _change(options)
    if change is None:
        return False
    script = next((word.text for word in arguments if word.text.text in _scripts(options)), Located(""))
    changed = [state.rewrite(change(state.lines(main=file == MAIN_CF)), script, main=file == MAIN_CF) for file in files]
    if not any(changed):
        raise NothingMatched
    return True


def _scripts(options: list[str]) -> list[str]:
    return [word for word in options if not word.startswith("-")]
