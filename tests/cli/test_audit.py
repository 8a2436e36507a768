"""gatepost audit as an operator runs it: status, streams, and what cannot be read."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from bench.auditing import LARGE_LINES, LARGE_SERVICES, large

GATEPOST = Path(sys.executable).parent / "gatepost"
BARE = "mail_version = 3.8.0\nmyhostname = mx.example.org\nsmtpd_data_restrictions =\n"


def run(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([GATEPOST, "audit", *map(str, arguments)], capture_output=True, text=True, timeout=60,
                          check=False, cwd=cwd)


def wrong(done: subprocess.CompletedProcess[str]) -> str:
    """The one line of an input that cannot be read."""
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stdout == "" and done.stderr.count("\n") == 1 and "Traceback" not in done.stderr, done.stderr
    return done.stderr.rstrip("\n")


def test_findings_are_status_1_with_place(tmp_path: Path) -> None:
    (tmp_path / "main.cf").write_text(BARE)
    done = run(tmp_path, "--format", "json", "--select", "PIPE-01")
    assert (done.returncode, done.stderr) == (1, "")
    (finding,) = json.loads(done.stdout)["findings"]
    assert (finding["rule"], finding["severity"], finding["confidence"]) == ("PIPE-01", "high", "high")
    assert (finding["file"], finding["line"], finding["column"]) == (str(tmp_path / "main.cf"), 3, 1)
    assert finding["parameter"] == "smtpd_data_restrictions" and finding["service"] == ""


def test_nothing_found_is_status_0(tmp_path: Path) -> None:
    (tmp_path / "main.cf").write_text(BARE + "smtpd_data_restrictions = reject_unauth_pipelining\n")
    assert run(tmp_path, "--select", "PIPE-01").returncode == 0


def test_fail_on_is_a_bound(tmp_path: Path) -> None:
    (tmp_path / "main.cf").write_text(BARE)
    assert [run(tmp_path, "--select", "PIPE-01", "--fail-on", word).returncode
            for word in ("critical", "high", "medium", "never")] == [0, 1, 1, 0]


def test_an_allow_silences_and_is_counted(tmp_path: Path) -> None:
    (tmp_path / "main.cf").write_text(BARE.replace("smtpd_data", "# gatepost: allow PIPE-01 lab\nsmtpd_data"))
    done = run(tmp_path, "--select", "PIPE-01", "--select", "ALLOW", "--format", "json")
    assert done.returncode == 0, done.stdout
    assert json.loads(done.stdout)["summary"]["silenced"] == 1


def test_the_master_cf_beside_a_main_cf_counts(tmp_path: Path) -> None:
    (tmp_path / "main.cf").write_text(BARE)
    (tmp_path / "master.cf").write_text("smtp inet n - n - - smtpd\n"
                                        "  -o smtpd_data_restrictions=reject_unauth_pipelining\n")
    for path in (tmp_path, tmp_path / "main.cf", tmp_path / "master.cf"):
        assert run(path, "--select", "PIPE-01").returncode == 0, path


@pytest.mark.parametrize("together", [True, False])
def test_what_postconf_prints(tmp_path: Path, together: bool) -> None:
    entries = "smtp       inet  n       -       n       -       -       smtpd\n    -o smtpd_delay_reject=no\n"
    if together:
        files = [tmp_path / "postconf.txt"]
        files[0].write_text(BARE + entries)
    else:
        files = [tmp_path / "M.txt", tmp_path / "n.txt"]
        files[0].write_text(entries)
        files[1].write_text(BARE)
    done = run(*files, "--select", "PIPE-01", "--format", "json")
    (finding,) = json.loads(done.stdout)["findings"]
    assert (finding["file"], finding["line"]) == (str(files[-1]), 3)
    assert json.loads(done.stdout)["remarks"] == []


def test_several_configurations_are_told_together(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "main.cf").write_text(BARE)
        (tmp_path / name / "master.cf").write_text("smtp inet n - n - - smtpd\n")
    (tmp_path / "c" / "main.cf").write_text("smtpd_data_restrictions = reject_unauth_pipelining\n")
    files = [tmp_path / "a" / "main.cf", tmp_path / "a" / "master.cf", tmp_path / "b", tmp_path / "c" / "main.cf"]
    done = run(*files, "--format", "json", "--select", "PIPE-01")
    told = json.loads(done.stdout)
    assert [finding["file"] for finding in told["findings"]] == [str(tmp_path / name / "main.cf") for name in "ab"]
    assert done.returncode == 1 and len(told["files"]) == 6


TEMPLATES = [
    "myhostname = {{ mail_hostname }}", "{% if tls %}", "mydomain = {{ .Values.domain | quote }}",
    "myhostname = <%= @hostname %>", "myhostname = %%HOSTNAME%%", "myhostname = @MAILNAME@", "myhostname=__DOMAIN__",
    "myhostname = ${HOSTNAME}", "${EXTRA_SETTINGS}", "$RELAY_LINE", "${PREFIX}_limit = 3", "mydestination = $DOMAINS",
    "relay_domains = proxy:mysql:{config_dir}/relay.cf", "myhostname = {hostname}",
    "mynetworks = ${NETWORKS:-127.0.0.1}", "myhostname = %hostname", "queue_directory = PH_QUEUE_DIRECTORY",
    "relay_domains = proxy:%{driver}:/etc/postfix/x.cf", "myhostname = _HOST_NAME_",
    "smtpd_tls_key_file=##SSL_KEY_PATH##",
]


@pytest.mark.parametrize("line", TEMPLATES)
def test_a_template_is_said_to_be_one(tmp_path: Path, line: str) -> None:
    (tmp_path / "main.cf").write_text(f"compatibility_level = 3.6\n{line}\n")
    said = wrong(run(tmp_path))
    assert said.startswith(f"gatepost: {tmp_path}/main.cf:2: this is a template, not a configuration"), said


PLAIN = [
    "x = ${{$compatibility_level} <level {1} ? {yes} : {no}}", "a = inline:{{k = v}, {l = w}}",
    "b = ${stress?{1}:{20}}", "b2 = ${stress?{one}:{two}}",
    "smtpd_forbidden_commands = CONNECT regexp:{{/^[^A-Z]/ Bogus}}", "mydestination=$myhostname",
    "# {{ not }} a %%template%% in a comment",
    "smtpd_client_restrictions = check_client_access cidr:{{!172.16.0.42 REJECT}}, reject", "c = $a ${b} $(a) $$HOME",
    "smtpd_banner = $myhostname ESMTP 100%% <hostmaster@example.org>", "recipient_delimiter = +-_", "FOO = bar",
    "relocated = static:user@example.org", "mailbox_command = /usr/bin/procmail -a \"$EXTENSION\" $USER",
    "query = select %s", "format = %s", "y = a_B_c _", "z = x_NAME_y",
    "d = pcre:{{/^(.*)@example\\.org$/ ${1}@example.net}}", "e = @example.org",
    "smtpd_sender_login_maps = unionmap:{ texthash:/etc/postfix/virtual, hash:/etc/aliases }",
]


def test_what_looks_like_a_template_and_is_none(tmp_path: Path) -> None:
    (tmp_path / "main.cf").write_text("mail_version = 3.10.2\n" + "\n".join(PLAIN) + "\n")
    (tmp_path / "master.cf").write_text("smtp inet n - n - - smtpd\nx unix - n n - - pipe\n  flags=R user={vmail} argv="
                                        "/bin/x ${recipient} ${nexthop} $sender {a b}\n")
    done = run(tmp_path, "--select", "PIPE-01")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", ["main.cf", "master.cf", "postconf.txt"])
def test_random_bytes_are_a_clear_error(tmp_path: Path, name: str, seed: int) -> None:
    (tmp_path / "main.cf").write_text(BARE)
    (tmp_path / name).write_bytes(random.Random(seed).randbytes(10 ** (seed % 4 + 1)))
    assert str(tmp_path / name) in wrong(run(tmp_path / name))


def test_what_postconf_prints_into_pipes(tmp_path: Path) -> None:
    command = ('"$0" audit <(printf "mail_version = 3.8.0\\n") <(printf "smtp inet n - n - - smtpd\\n") '
               "--select PIPE-01 --format json")
    done = subprocess.run(["bash", "-c", command, GATEPOST], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1 and done.stderr == ""
    assert [finding["rule"] for finding in json.loads(done.stdout)["findings"]] == ["PIPE-01"]


def test_a_device_is_no_file() -> None:
    assert "this is a device, not a file" in wrong(run("/dev/zero"))


WRONG: list[tuple[str, str]] = [
    ("nothing", "there is no such file or directory: "),
    ("empty", "there is no configuration: neither main.cf nor a file of docker-mailserver"),
    ("role", "/role/main.cf.j2'"),
    ("prose.txt", "prose.txt:1: this is no main.cf: missing '=' after attribute name"),
]


@pytest.mark.parametrize(("path", "said"), WRONG)
def test_what_cannot_be_read(tmp_path: Path, path: str, said: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "role").mkdir()
    (tmp_path / "role" / "main.cf.j2").write_text("myhostname = {{ name }}\n")
    (tmp_path / "prose.txt").write_text("Dear reader,\nthis is a letter.\n")
    assert said in wrong(run(tmp_path / path))


def test_options_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "main.cf").write_text(BARE)
    assert "not a Postfix version: 'three'" in wrong(run(tmp_path, "--postfix-version", "three"))
    assert "no rule begins like that: 'NIX'" in wrong(run(tmp_path, "--select", "nix"))
    assert "there is no rule 'NIX'" in wrong(run("--explain", "NIX"))
    assert "cannot write" in wrong(run(tmp_path, "--output", tmp_path / "no" / "file"))


def test_a_rule_is_explained() -> None:
    done = run("--explain", "pipe-01")
    assert done.returncode == 0 and "RFC 2920" in done.stdout and "reject_unauth_pipelining" in done.stdout


def test_a_file_that_nobody_may_read(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("not here: an ordinary user")
    (tmp_path / "main.cf").write_text(BARE)
    (tmp_path / "main.cf").chmod(0)
    assert "cannot open main.cf: Permission denied" in wrong(run(tmp_path))


def test_the_hook_for_pre_commit_runs_an_audit_of_configurations() -> None:
    (hook,) = yaml.safe_load((Path(__file__).resolve().parents[2] / ".pre-commit-hooks.yaml").read_text())
    assert hook["entry"] == "gatepost audit" and hook["require_serial"]
    files = [name for name in ("main.cf", "etc/postfix/master.cf", "dms/postfix-main.cf", "main.cf.proto", "domain.cf")
             if re.search(hook["files"], name)]
    assert files == ["main.cf", "etc/postfix/master.cf", "dms/postfix-main.cf"]


def test_a_pipe_where_a_table_should_be_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "helo")
    (tmp_path / "main.cf").write_text(BARE + "smtpd_helo_restrictions = check_helo_access texthash:/etc/postfix/helo\n")
    assert run(tmp_path).returncode == 1


def test_a_large_configuration_is_audited_whole(tmp_path: Path) -> None:
    """How long it takes is measured by bench/auditing.py."""
    large(tmp_path)
    assert sum(path.read_text().count("\n") for path in tmp_path.iterdir()) >= LARGE_LINES - 10
    done = run(tmp_path, "--format", "json", "--select", "LST-01")
    assert done.returncode == 1, done.stderr
    assert {f"n{number}" for number in range(LARGE_SERVICES)} <= {
        finding["message"].split()[0] for finding in json.loads(done.stdout)["findings"]}


def test_prove_shows_the_conversation_before_and_after(tmp_path: Path) -> None:
    (tmp_path / "main.cf").write_text(BARE + "mydestination = example.org\ncompatibility_level = 3.6\n")
    done = run(tmp_path, "--select", "PIPE-01", "--prove")
    assert done.returncode == 1 and "proof: the message is sent before the 354 can have been read" in done.stdout
    (verdict,) = [line.split() for line in done.stdout.splitlines() if line.startswith("  |   verdict")]
    assert verdict == ["|", "verdict", "accepted", "refused", "503", "at", "DATA"]
    told = json.loads(run(tmp_path, "--select", "PIPE-01", "--prove", "--format", "json").stdout)
    assert told["findings"][0]["evidence"][0].startswith("proof: ")
    assert "proof:" not in run(tmp_path, "--select", "PIPE-01").stdout
