"""gatepost diff as an operator runs it: status, streams, text and JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

GATEPOST = Path(sys.executable).parent / "gatepost"
BARE = ("mail_version = 3.9.0\ncompatibility_level = 3.6\nmyhostname = mx.example.org\n"
        "mydestination = example.org\nmynetworks = 127.0.0.0/8\n")
CHECKED = BARE + "smtpd_data_restrictions = reject_unauth_pipelining\nsmtpd_forbid_unauth_pipelining = no\n"


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([GATEPOST, "diff", *map(str, arguments)], capture_output=True, text=True, timeout=60,
                          check=False)


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    for name, text in (("a", BARE + "smtpd_forbid_unauth_pipelining = no\n"), ("b", CHECKED)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "main.cf").write_text(text, encoding="utf-8")
    return tmp_path / "a", tmp_path / "b"


def test_no_difference_is_status_0(two: tuple[Path, Path]) -> None:
    done = run(two[0], two[0] / "main.cf")
    assert (done.returncode, done.stdout, done.stderr) == (0, "no client would notice a difference\n", "")


def test_differences_are_status_1_with_both_lines(two: tuple[Path, Path]) -> None:
    done = run(*two)
    assert done.returncode == 1 and done.stderr == ""
    first = done.stdout.split("\n\n")[0].split("\n")
    assert first[0].endswith("client behaviours: accepted -> refused 503 at DATA")
    assert first[1:4] == ["  A  smtpd_data_restrictions is empty",
                          f"  B  reject_unauth_pipelining in smtpd_data_restrictions   {two[1]}/main.cf:6",
                          "  on smtp/inet"]
    assert "a stranger" in first[4] and "--verbose" in first[-1]


def test_verbose_names_all(two: tuple[Path, Path]) -> None:
    assert "--verbose" not in run(*two, "--verbose").stdout
    assert run(*two, "--verbose").stdout.count("\n    - ") > 20


def test_json(two: tuple[Path, Path]) -> None:
    told = json.loads(run(*two, "--json").stdout)
    assert told["same"] is False and told["conversations"] > 200
    found = next(each for each in told["differences"] if each["change"] == "accepted -> refused 503 at DATA")
    assert found["after"] == {
        "ending": "refused 503 at DATA", "reason": "reject_unauth_pipelining in smtpd_data_restrictions",
        "parameter": "smtpd_data_restrictions", "token": "reject_unauth_pipelining",
        "file": str(two[1] / "main.cf"), "line": 6}
    assert {"title": "the message is sent before the 354 can have been read",
            "dialogue": "proofs/body-before-354"} in found["behaviours"]


def test_what_cannot_be_read_is_status_2(two: tuple[Path, Path], tmp_path: Path) -> None:
    noise = tmp_path / "noise.cf"
    noise.write_bytes(bytes(range(256)) * 4)
    for wrong in (tmp_path / "nothing", noise):
        done = run(two[0], wrong)
        assert (done.returncode, done.stdout) == (2, "") and done.stderr.count("\n") == 1
        assert "Traceback" not in done.stderr


def test_a_service_that_cannot_be_compared_is_no_success(two: tuple[Path, Path], tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "main.cf").write_text(BARE + "smtpd_hard_error_limit = many\n", encoding="utf-8")
    done = run(two[0], broken)
    assert done.returncode == 2 and "not compared: 25 (after): " in done.stdout
    assert done.stdout.endswith("what could be compared is the same\n")


def test_an_upgrade_of_docker_mailserver(tmp_path: Path) -> None:
    (tmp_path / "postfix-main.cf").write_text("smtpd_helo_required = yes\n", encoding="utf-8")
    (tmp_path / "postfix-accounts.cf").write_text("user@example.org|{SHA512}x\n", encoding="utf-8")
    done = run(tmp_path, tmp_path, "--dms-release", "13.1.0", "--to-dms-release", "15.1.0", "--json")
    assert done.returncode == 1, done.stderr
    told = json.loads(done.stdout)["differences"]
    moved = next(each for each in told if each["change"] == "refused 503 at RCPT -> refused 503 at DATA")
    assert moved["before"]["parameter"] == "smtpd_client_restrictions"
    assert moved["after"]["parameter"] == "smtpd_data_restrictions"
    assert run(tmp_path, tmp_path, "--dms-release", "15.1.0").returncode == 0
