"""Where does a subject come from? Paths the operator names, read and recognised.

A Postfix directory; one main.cf (with the master.cf beside it, when there is one); what `postconf -n` and `postconf -M`
print, in one file or two; a docker-mailserver folder, recognised by its files. ConfigError, one clear sentence: nothing
there, not readable, not a configuration. This file must not know rules.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from gatepost.audit import template
from gatepost.audit.subject import Subject
from gatepost.audit.version import NEWEST, Version, version
from gatepost.config import master, source
from gatepost.config.dms import names
from gatepost.config.source import MainCf
from gatepost.span import ConfigError, Span

STOCK_NAME = "(stock master.cf)"
STOCK_MASTER = """\
smtp      inet  n       -       y       -       -       smtpd
pickup    unix  n       -       y       60      1       pickup
cleanup   unix  n       -       y       -       0       cleanup
qmgr      unix  n       -       n       300     1       qmgr
rewrite   unix  -       -       y       -       -       trivial-rewrite
bounce    unix  -       -       y       -       0       bounce
defer     unix  -       -       y       -       0       bounce
proxymap  unix  -       -       n       -       -       proxymap
smtp      unix  -       -       y       -       -       smtp
relay     unix  -       -       y       -       -       smtp
error     unix  -       -       y       -       -       error
local     unix  -       n       n       -       -       local
virtual   unix  -       n       n       -       -       virtual
lmtp      unix  -       -       y       -       -       lmtp
"""
CONFIGURATION = ("main.cf", "master.cf")
TEMPLATES = frozenset((".erb", ".epp", ".in", ".j2", ".jinja", ".jinja2", ".mustache", ".template", ".tmpl", ".tpl"))
"""Endings of files that something else is made of."""
MASTER_LINE = re.compile(r"\S+\s+(?:inet|unix|unix-dgram|fifo|pass)\s+[-yn]\s+[-yn]\s+[-yn]\s+\S+\s+\S+\s+\S")
@dataclass(frozen=True, slots=True)
class Wanted:
    """What the operator says besides paths. `postfix_version`, `dms_release`: "" when not said; `env`: the file with
    docker-mailserver's variables."""

    postfix_version: str = ""
    dms_release: str = ""
    env: str = ""


def subjects(*paths: str, postfix_version: str = "", dms_release: str = "", env: str = "") -> list[Subject]:
    """Read what the paths name, each configuration once: directories and main.cf or master.cf stand for their
    configuration, other files belong together. ConfigError when one cannot be read."""
    groups: dict[str, list[str]] = {}
    for path in paths:
        place = Path(path)
        in_place = place.name in (*CONFIGURATION, *names.OVERRIDES)
        home = str(place) if place.is_dir() else str(place.parent) if in_place else ""
        groups.setdefault(os.path.realpath(home) if home else "", []).append(path)
    return [subject(*(each[:1] if home else each), postfix_version=postfix_version, dms_release=dms_release, env=env)
            for home, each in groups.items()]


def subject(*paths: str, postfix_version: str = "", dms_release: str = "", env: str = "") -> Subject:
    """Read what the paths name. ConfigError when that cannot be done."""
    wanted = Wanted(postfix_version, dms_release, env)
    if wanted.postfix_version:
        version(wanted.postfix_version)
    places = [Path(path) for path in paths]
    for place in places:
        if not place.exists():
            raise ConfigError("there is no such file or directory", None, str(place))
    if len(places) > 1:
        return _of_files(places, wanted)
    place = places[0]
    if place.is_dir():
        return _of_directory(place, wanted)
    if place.name in (*names.OVERRIDES, *names.ENV_FILES, *names.COMPOSE_FILES):
        return _docker_mailserver(place.parent, wanted)
    if place.name in CONFIGURATION and place.with_name("main.cf").exists():
        return _of_directory(place.parent, wanted)
    return _of_files(places, wanted)


def _of_directory(place: Path, wanted: Wanted) -> Subject:
    if (place / "main.cf").exists() and not wanted.dms_release:
        files = [file for file in (place / "main.cf", place / "master.cf") if file.exists()]
        return _of_files(files, wanted)
    if wanted.dms_release or names.recognised(str(place)):
        return _docker_mailserver(place, wanted)
    for inner in (place / "postfix", place / "etc" / "postfix"):
        if (inner / "main.cf").exists():
            return _of_directory(inner, wanted)
    for template_file in sorted(place.glob("main.cf.*")):
        if template_file.suffix in TEMPLATES:
            raise ConfigError(template.MESSAGE, None, str(template_file))
    raise ConfigError("there is no configuration: neither main.cf nor a file of docker-mailserver such as "
                      "postfix-main.cf", None, str(place))


def _docker_mailserver(place: Path, wanted: Wanted) -> Subject:
    dms = import_module("gatepost.audit.dms")  # late: only its users pay for it
    found: Subject = dms.subject(str(place), release=wanted.dms_release, env=wanted.env,
                                 postfix_version=wanted.postfix_version)
    return found


def _of_files(places: Sequence[Path], wanted: Wanted) -> Subject:
    """main.cf and master.cf, or what postconf printed, whichever file holds what."""
    files = {str(place): text_of(place) for place in places}
    mains: list[tuple[str, str]] = []
    masters: list[tuple[str, str]] = []
    for name, text in files.items():
        template.check(name, text)
        if os.path.basename(name) == "master.cf":
            masters.append((name, text))
        elif os.path.basename(name) == "main.cf":
            mains.append((name, text))
        else:
            main, entries = _apart(text)
            mains += [(name, main)] * bool(main.strip())
            masters += [(name, entries)] * bool(entries.strip())
    if len(mains) > 1 or len(masters) > 1:
        which = "main.cf" if len(mains) > 1 else "master.cf"
        raise ConfigError(f"more than one of these files is a {which}", None, ", ".join(files))
    assumed = not masters
    main_name, main_text = (mains or [(str(places[0]), "")])[0]
    master_name, master_text = (masters or [(STOCK_NAME, STOCK_MASTER)])[0]
    directory = os.path.dirname(main_name) or "."
    return of_texts(files, main_name, main_text, master_name, master_text, directory=directory,
                    postfix_version=wanted.postfix_version, master_assumed=assumed)


def _apart(text: str) -> tuple[str, str]:
    """A text that may hold settings and master.cf entries -> (the settings, the entries), lines kept in their places:
    what belongs to the other is blank."""
    main: list[str] = []
    entries: list[str] = []
    in_entry = False
    for line in source.physical_lines(text):
        if not source.is_comment(line) and line[:1] not in " \t":
            in_entry = MASTER_LINE.match(line) is not None
        main.append("\n" if in_entry else line)
        entries.append(line if in_entry else "\n")
    return "".join(main), "".join(entries)


def of_texts(files: dict[str, str], main_name: str, main_text: str, master_name: str, master_text: str, *,
             directory: str = "", postfix_version: str = "", master_assumed: bool = False) -> Subject:
    """A subject from texts that have been read. ConfigError when main.cf is no main.cf: not one setting reads."""
    main_cf = source.parse(main_name, main_text)
    errors = [problem for problem in main_cf.problems if problem.severity == "error"]
    if len(errors) > len(main_cf.entries):
        raise ConfigError(f"this is no main.cf: {errors[0].message}", errors[0].span, errors[0].text[:80])
    master_cf = master.parse(master_name, master_text)
    broken = [problem for problem in master_cf.problems if problem.severity == "error"]
    if len(broken) > len(master_cf.services):
        raise ConfigError(f"this is no master.cf: {broken[0].message}", broken[0].span, broken[0].text[:80])
    found, why = version_of(postfix_version, main_cf)
    return Subject(files, main_cf, master_cf, directory, found, why, master_assumed)


def text_of(path: Path) -> str:
    """The text of a file or a pipe. ConfigError when it cannot be read."""
    try:
        if stat.S_ISCHR(path.stat().st_mode):
            raise ConfigError("this is a device, not a file", None, str(path))
        return path.read_bytes().decode("utf-8", "surrogateescape")
    except OSError as error:
        raise ConfigError(f"cannot open {path.name}: {error.strerror or error}", Span(str(path), 1)) from None


def version_of(wanted: str, main_cf: MainCf) -> tuple[Version, str]:
    """(version, how it was found out; "" when the newest is assumed)."""
    if wanted:
        return version(wanted), "--postfix-version"
    entry = main_cf.last().get("mail_version")
    if entry is not None and re.match(r"\d+\.\d+(\.\d+)?(-\w+)?$", entry.value.text):
        return version(entry.value.text), "mail_version"
    return NEWEST, ""
