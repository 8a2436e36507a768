"""How are the findings about one subject mended? The way from a Subject to texts that can be changed, and back.

For plain Postfix only: main.cf and master.cf are files that can be written. What postconf printed, and a master.cf that
was only assumed, cannot. This file must not know any rule.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from gatepost.audit import run
from gatepost.audit.edits import written
from gatepost.audit.finding import Finding
from gatepost.audit.fix import Fixed, fixed_texts
from gatepost.audit.rule import Rule
from gatepost.audit.subject import Subject
from gatepost.audit.texts import CannotWrite, Texts


def texts_of(subject: Subject) -> Texts:
    """The files of a subject, to be changed. CannotWrite: they are no configuration files."""
    if subject.main_files != (subject.main_cf.file,) or subject.main_cf.file == subject.master_cf.file:
        raise CannotWrite("this is no main.cf that could be written")
    return Texts(subject.main_cf, None if subject.master_assumed else subject.master_cf)


def subject_of(texts: Texts, like: Subject) -> Subject:
    """The subject that these texts make, everything else as in another."""
    files = {name: texts.files().get(name, text) for name, text in like.files.items()}
    return replace(like, files=files, main_cf=texts.main, master_cf=texts.master or like.master_cf, _tables={},
                   _read={})


def mend(subject: Subject, rules: dict[str, Rule] | None = None, *, unsafe: bool = False) -> Fixed[Texts]:
    """Fix what these rules (None: all) find. CannotWrite: the subject has no files to fix."""
    return fixed_texts(texts_of(subject), lambda texts: list(run.audit(subject_of(texts, subject), rules).findings),
                       unsafe=unsafe)


def mended(subject: Subject) -> Callable[[Finding], Mapping[str, str]]:
    """What each finding's fix alone would make of the files: name -> text of those that it changes."""
    def of_finding(finding: Finding) -> Mapping[str, str]:
        try:
            before = after = texts_of(subject)
            for change in finding.fix.changes if finding.fix else ():
                after = written(change, after)
        except CannotWrite:
            return {}
        old = before.files()
        return {name: text for name, text in after.files().items() if text != old[name]}
    return of_finding
