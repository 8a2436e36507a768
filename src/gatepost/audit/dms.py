"""What is audited in a docker-mailserver folder? The configuration that its container runs with, as a subject.

The computing is config/dms; here it becomes what rules ask, with the Postfix of the release and with what could not be
known. Subject.docker is the Effective. This file must not know any rule.
"""

from __future__ import annotations

from pathlib import Path

from gatepost.audit import template
from gatepost.audit.subject import Subject
from gatepost.audit.version import version
from gatepost.config.dms import effective, folder
from gatepost.config.dms.effective import Effective
from gatepost.config.dms.folder import Folder
from gatepost.config.dms.names import MAIN, MASTER
from gatepost.span import ConfigError

SAID = "--postfix-version"
"""Subject.version_from when the operator said which Postfix it is."""


def subject(named: str, *, release: str = "", env: str = "", postfix_version: str = "") -> Subject:
    """Read a folder. `release` as --dms-release has it, `env` a file of variables; "" for what is found. ConfigError:
    something cannot be read or is not in its syntax."""
    found = _folder(named, env)
    for name in (MAIN, MASTER):
        if name in found.texts:
            template.check(found.path(name), found.texts[name])
    return of_effective(effective.of_folder(found, release), postfix_version)


def _folder(named: str, env: str) -> Folder:
    """The folder's files; a compose file that is a template is said to be one."""
    try:
        return folder.find(named, env)
    except ConfigError as error:
        file = error.span.file if error.span else ""
        if file.endswith((".yaml", ".yml")):
            template.check(file, Path(file).read_bytes().decode("utf-8", "surrogateescape"))
        raise


def of_effective(found: Effective, postfix_version: str = "") -> Subject:
    """The subject of a folder that has been understood."""
    postfix = version(postfix_version or found.release.postfix)
    why = SAID if postfix_version else f"docker-mailserver {found.release}"
    return Subject(dict(found.files), found.main_cf, found.master_cf, found.folder.volume, postfix, why,
                   assumptions=tuple(_assumptions(found)), docker=found)


def _assumptions(found: Effective) -> list[str]:
    said = []
    if not found.release_from:
        said.append(f"nothing says which docker-mailserver this is: {found.release} is assumed "
                    "(--dms-release says otherwise)")
    said.append("docker-mailserver reads the override files when a container is made: after a change, recreate it "
                "(docker compose up -d --force-recreate), a restart is not enough")
    for problem in found.unknown:
        text = f": {problem.text}" if problem.text else ""
        said.append(f"{problem.span}: {problem.message}{text}" if problem.span else problem.message + text)
    return said
