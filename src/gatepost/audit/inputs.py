"""Where does a subject come from? A path the operator names, read and recognised.

ConfigError, one clear sentence: nothing there, not readable, no Postfix configuration. This file must not know rules.
"""

from __future__ import annotations

import re
from pathlib import Path

from gatepost.audit.subject import Subject
from gatepost.audit.version import NEWEST, Version, version
from gatepost.config import master, source
from gatepost.span import ConfigError, Span

STOCK_MASTER = """\
smtp      inet  n       -       y       -       -       smtpd
"""
STOCK_NAME = "(stock master.cf)"


def subject(path: str, *, postfix_version: str = "") -> Subject:
    """Read what `path` names."""
    place = Path(path)
    main_file = place / "main.cf" if place.is_dir() else place
    main_text = text_of(main_file)
    master_file = main_file.with_name("master.cf")
    files = {str(main_file): main_text}
    master_text, master_name = STOCK_MASTER, STOCK_NAME
    assumed = not master_file.exists() or main_file.name != "main.cf"
    if not assumed:
        master_name, master_text = str(master_file), text_of(master_file)
        files[master_name] = master_text
    return of_texts(files, str(main_file), main_text, master_name, master_text, directory=str(main_file.parent),
                    postfix_version=postfix_version, master_assumed=assumed)


def of_texts(files: dict[str, str], main_name: str, main_text: str, master_name: str, master_text: str, *,
             directory: str = "", postfix_version: str = "", master_assumed: bool = False) -> Subject:
    """A subject from texts that have been read."""
    main_cf = source.parse(main_name, main_text)
    found, why = _version(postfix_version, main_cf)
    return Subject(files, main_cf, master.parse(master_name, master_text), directory, found, why, master_assumed)


def text_of(path: Path) -> str:
    """The text of a file. ConfigError when it cannot be read."""
    try:
        return path.read_bytes().decode("utf-8", "surrogateescape")
    except OSError as error:
        raise ConfigError(f"cannot open {path.name}: {error.strerror or error}", Span(str(path), 1)) from None


def _version(wanted: str, main_cf: source.MainCf) -> tuple[Version, str]:
    """(version, how it was found out; "" when the newest is assumed)."""
    if wanted:
        return version(wanted), "--postfix-version"
    entry = main_cf.last().get("mail_version")
    if entry is not None and re.match(r"\d+\.\d+", entry.value.text):
        return version(entry.value.text), "mail_version"
    return NEWEST, ""
