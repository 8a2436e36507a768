"""audit/mend.py: the fixer makes of each bad fixture the fixed one beside it, and a second audit is quieter."""

from __future__ import annotations

from pathlib import Path

import pytest

from gatepost.audit.inputs import subject
from gatepost.audit.mend import mend, mended, subject_of
from gatepost.audit.rule import RULES
from gatepost.audit.run import audit
from gatepost.audit.subject import Subject


def bad_of(folder: Path) -> Path:
    """badX of fixedX."""
    return folder.with_name(folder.name.replace("fixed", "bad", 1))


FIXTURES = Path(__file__).parent / "fixtures"
# docker-mailserver's folders have no main.cf: test_docker.py mends them.
BAD = sorted(path.parent for path in FIXTURES.glob("*/bad*/main.cf"))
FIXED = sorted(folder for folder in FIXTURES.glob("*/fixed*") if bad_of(folder) in BAD)


def read(folder: Path) -> Subject:
    options = folder / "options"
    lines = options.read_text().split("\n") if options.exists() else []
    version = dict(line.split(None, 1) for line in lines if line).get("postfix-version", "")  # type: ignore[misc]
    return subject(str(folder), postfix_version=version)


def cf(folder: Path) -> list[Path]:
    return [file for file in (folder / "main.cf", folder / "master.cf") if file.exists()]


@pytest.mark.parametrize("folder", FIXED, ids=lambda folder: f"{folder.parent.name}/{folder.name}")
def test_bad_becomes_fixed(folder: Path) -> None:
    bad = bad_of(folder)
    rule = folder.parent.name
    done = mend(read(bad), {rule: RULES[rule]}, unsafe=True)
    after = done.after.files()
    for file in cf(folder):
        assert after[str(bad / file.name)] == file.read_text(), done.left


@pytest.mark.parametrize("folder", BAD, ids=lambda folder: f"{folder.parent.name}/{folder.name}")
def test_a_second_audit_is_quieter(folder: Path) -> None:
    one = read(folder)
    done = mend(one, unsafe=True)
    before, again = audit(one).findings, audit(subject_of(done.after, one)).findings
    assert sum(4 ** finding.severity for finding in again) <= sum(4 ** finding.severity for finding in before)
    assert bool(done.made) == (done.after != done.before)
    assert mend(subject_of(done.after, one), unsafe=True).after == done.after, "twice is once"


def test_each_fix_alone() -> None:
    one = subject(str(FIXTURES / "LST-01" / "bad-old-spelling"))
    alone = mended(one)
    texts = [alone(finding) for finding in audit(one).findings if finding.rule == "LST-01"]
    assert [len(each) for each in texts] == [1, 1]
    assert "reject_unknown_client_hostname\n" in texts[0][one.main_cf.file]
