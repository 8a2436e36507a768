"""How are the findings about one subject mended? The way from a Subject to texts that can be changed, and back.

Of plain Postfix main.cf and master.cf can be written, of docker-mailserver the override files. What postconf printed,
and a master.cf that was only assumed, cannot. This file must not know any rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import reduce
from typing import TYPE_CHECKING

from gatepost.audit import run
from gatepost.audit.change import Change
from gatepost.audit.edits import written
from gatepost.audit.finding import Finding
from gatepost.audit.fix import Fixed, fixed, fixed_texts
from gatepost.audit.rule import Rule
from gatepost.audit.subject import Subject
from gatepost.audit.texts import CannotWrite, Texts
from gatepost.span import ConfigError

if TYPE_CHECKING:
    from gatepost.audit.docker import Overrides  # imported late: only its users pay for it
    from gatepost.config.dms.effective import Effective


def texts_of(subject: Subject) -> Texts:
    """The files of a subject, to be changed. CannotWrite: they are no configuration files."""
    if subject.main_files != (subject.main_cf.file,) or subject.main_cf.file == subject.master_cf.file:
        raise CannotWrite("this is no main.cf that could be written")
    return Texts(subject.main_cf, None if subject.master_assumed else subject.master_cf)


def subject_of(texts: Texts | Overrides, like: Subject) -> Subject:
    """The subject that these texts make, everything else as in another."""
    if not isinstance(texts, Texts):
        from gatepost.audit import dms

        said = str(like.version) if like.version_from == dms.SAID else ""
        return dms.of_effective(texts.effective, said)
    files = {name: texts.files().get(name, text) for name, text in like.files.items()}
    return replace(like, files=files, main_cf=texts.main, master_cf=texts.master or like.master_cf, _tables={},
                   _read={})


def mend(subject: Subject, rules: dict[str, Rule] | None = None, *,
         unsafe: bool = False) -> Fixed[Texts] | Fixed[Overrides]:
    """Fix what these rules (None: all) find. CannotWrite: the subject has no files to fix."""
    if subject.docker is not None:
        from gatepost.audit import docker

        return fixed(docker.Overrides(subject.docker), lambda state: list(
            run.audit(subject_of(state, subject), rules).findings), docker.written, unsafe=unsafe)
    return fixed_texts(texts_of(subject), lambda texts: list(run.audit(subject_of(texts, subject), rules).findings),
                       unsafe=unsafe)


def consequences(done: Fixed[Texts] | Fixed[Overrides]) -> tuple[str, ...]:
    """What the operator is to know besides the files: for docker-mailserver what to do next and what differs then."""
    before, after = done.before, done.after
    if isinstance(before, Texts) or isinstance(after, Texts):
        return ()
    from gatepost.audit import docker

    return tuple(docker.consequences(before, after))


def overridden(understood: Effective, changes: Iterable[Change]) -> Overrides:
    """docker-mailserver's override files with these changes. CannotWrite: one of them is not possible."""
    from gatepost.audit import docker

    return reduce(lambda state, change: docker.written(change, state), changes, docker.Overrides(understood))


def mended(subject: Subject) -> Callable[[Finding], Mapping[str, str]]:
    """What each finding's fix alone would make of the files: name -> text of those that it changes."""
    def of_finding(finding: Finding) -> Mapping[str, str]:
        changes = finding.fix.changes if finding.fix else ()
        try:
            if subject.docker is not None:
                old, new = overridden(subject.docker, ()).files(), overridden(subject.docker, changes).files()
            else:
                texts = texts_of(subject)
                old, new = texts.files(), reduce(lambda state, change: written(change, state), changes, texts).files()
        except (CannotWrite, ConfigError):
            return {}
        return {name: text for name, text in new.items() if text != old.get(name)}
    return of_finding
