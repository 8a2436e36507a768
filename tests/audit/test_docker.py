"""docker-mailserver: fixes go into the override that works, a second audit is quieter, and nothing is found in vain."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gatepost.audit import docker, patch_lines
from gatepost.audit.change import (
    AddItems,
    AddService,
    Change,
    DropEarlier,
    DropItems,
    RemoveSetting,
    Rename,
    ReplaceItem,
    SetField,
    SetValue,
)
from gatepost.audit.docker import Overrides
from gatepost.audit.inputs import subject
from gatepost.audit.mend import consequences, mend, mended, subject_of
from gatepost.audit.rule import RULES
from gatepost.audit.run import audit
from gatepost.audit.texts import CannotWrite
from gatepost.audit.write import write
from gatepost.config.dms.names import OVERRIDES
from gatepost.span import ConfigError
from tests.audit.test_rules import options
from tests.config.dms.house import VOLUME, folder, override, places, understood, value

FIXTURES = Path(__file__).parent / "fixtures"
FIXED = sorted(path for path in FIXTURES.glob("*/fixed-docker-*"))
LISTS = ("smtpd_client_restrictions", "smtpd_helo_restrictions", "smtpd_sender_restrictions",
         "smtpd_relay_restrictions", "smtpd_recipient_restrictions", "smtpd_data_restrictions")
IN_13_1 = {"PIPE-01", "PIPE-02", "PIPE-03", "SMUG-01"}
BASELINE = {"PIPE-11", "PIPE-12", "PSC-04", "TLS-02", "RLY-05", "AUTH-02", "TLS-01"}
"""What may be found with every variable at its default."""


def restrictions(found: object) -> dict[str, list[str]]:
    """The lists in force, separators aside."""
    return {name: [word for word in re.split(r"[,\s]+", value(found, name) or "") if word]  # type: ignore[arg-type]
            for name in LISTS}


def test_the_lists_before_3744_become_those_after_it(tmp_path: Path) -> None:
    named = folder(tmp_path / "old")
    before = subject(named, dms_release="v13.1.0")
    done = mend(before)
    assert isinstance(done.after, Overrides)
    after = done.after.effective
    expected = understood(tmp_path / "new", "v13.2.0")
    assert restrictions(after) == restrictions(expected)
    assert override(after, "127.0.0.1:10025/inet", "smtpd_data_restrictions") == "reject_unauth_pipelining"
    main, patches = done.after.texts["postfix-main.cf"], done.after.texts["user-patches.sh"]
    assert re.match(r"# Reject clients that talk out of turn.*\n(?:# .*\n)*smtpd_data_restrictions = permit_", main)
    assert patches.startswith("#!/bin/bash\n\n# ") and patches.count("reject_unauth_pipelining") == 4
    assert {finding.rule for finding in done.findings} & {"PIPE-01", "PIPE-02", "PIPE-03"} == set()


def test_files_are_written_and_a_second_audit_is_quieter(tmp_path: Path) -> None:
    named = folder(tmp_path)
    before = subject(named, dms_release="v13.1.0")
    done = mend(before)
    write(done.before.files(), done.after.files())
    assert (tmp_path / VOLUME / "user-patches.sh").exists() and (tmp_path / VOLUME / "postfix-main.cf").exists()
    again = audit(subject(named, dms_release="v13.1.0")).findings
    assert sum(4 ** each.severity for each in again) < sum(4 ** each.severity for each in audit(before).findings)
    assert not {each.rule for each in again} & {"PIPE-01", "PIPE-02", "PIPE-03"}
    assert mend(subject(named, dms_release="v13.1.0")).after.files() == done.after.files()


def test_what_to_do_next_is_said(tmp_path: Path) -> None:
    said = list(consequences(mend(subject(folder(tmp_path), dms_release="v13.1.0"))))
    assert said[0].startswith("recreate the container")
    assert any(line.startswith("in the container: smtpd_data_restrictions = permit_mynetworks") for line in said)


@pytest.mark.parametrize(("release", "expected"), [("edge", BASELINE), ("v13.1.0", BASELINE | IN_13_1)])
def test_defaults_are_nearly_silent(release: str, expected: set[str], tmp_path: Path) -> None:
    """Section 6.7 of the reference: on the development branch only these may fire, on v13.1.0 four more."""
    found = audit(subject(folder(tmp_path), dms_release=release)).findings
    assert [f"{finding.rule} {finding.message}" for finding in found if finding.rule not in expected] == []


def test_a_sensible_folder_is_silent(tmp_path: Path) -> None:
    named = folder(tmp_path, env="SSL_TYPE=letsencrypt\nSPOOF_PROTECTION=1\nENABLE_POSTGREY=1\n",
                   main="# limits\nmessage_size_limit = 20000000\n")
    found = audit(subject(named, dms_release="v15.1.0")).findings
    assert {finding.rule for finding in found if finding.severity > 1} <= {"TLS-02"}


def state(tmp_path: Path, release: str = "v15.1.0", env: str = "SSL_TYPE=manual\n", **files: str) -> Overrides:
    return Overrides(understood(tmp_path, release, env=env, **files))


CHANGES: list[tuple[Change, str, str]] = [
    (SetValue("smtpd_helo_required", "no", comment="why"), "postfix-main.cf", "# why\nsmtpd_helo_required = no\n"),
    (SetValue("smtpd_data_restrictions", "reject", "submission/inet", "why"), "postfix-master.cf",
     "# why\nsubmission/inet/smtpd_data_restrictions=reject\n"),
    (SetValue("smtpd_helo_restrictions", "permit_mynetworks, reject", "submission/inet"), "postfix-master.cf",
     "submission/inet/smtpd_helo_restrictions=permit_mynetworks,reject\n"),
    (RemoveSetting("postscreen_bare_newline_action"), "user-patches.sh",
     "postconf -X postscreen_bare_newline_action\n"),
    (RemoveSetting("smtp_tls_security_level", "127.0.0.1:10025/inet"), "user-patches.sh",
     "postconf -PX '127.0.0.1:10025/inet/smtp_tls_security_level'\n"),
    (SetField("smtp/inet", "maxproc", "2"), "user-patches.sh", "postconf -F 'smtp/inet/process_limit=2'\n"),
    (AddService("10465/inet", "10465 inet n - n - - smtpd\n  -o smtpd_tls_wrappermode=yes"), "user-patches.sh",
     "postconf -M '10465/inet=10465 inet n - n - - smtpd -o smtpd_tls_wrappermode=yes'\n"),
    (AddItems("smtpd_recipient_restrictions", ("reject_unlisted_recipient",), "reject_unknown_recipient_domain"),
     "user-patches.sh", "postconf -h smtpd_recipient_restrictions | sed -E"),
    (AddItems("smtpd_recipient_restrictions", ("check_policy_service inet:x:1",)), "user-patches.sh",
     "$(postconf -h smtpd_recipient_restrictions), check_policy_service inet:x:1\"\n"),
    (ReplaceItem("smtpd_relay_restrictions", "defer_unauth_destination", "reject_unauth_destination"),
     "user-patches.sh", "reject_unauth_destination"),
    (DropItems("smtpd_recipient_restrictions", ("check_policy_service inet:localhost:65265",)), "user-patches.sh",
     "postconf -h smtpd_recipient_restrictions | sed -E"),
]


@pytest.mark.parametrize(("change", "file", "text"), CHANGES, ids=lambda each: str(each)[:60])
def test_a_change_goes_into_the_override_that_works(change: Change, file: str, text: str, tmp_path: Path) -> None:
    after = docker.written(change, state(tmp_path))
    assert list(after.texts) == [file] and text in after.texts[file]
    places_unknown = [problem.span.file for problem in after.effective.unknown if problem.span]
    assert not any(place.endswith("user-patches.sh") for place in places_unknown)


@pytest.mark.peer
@pytest.mark.parametrize(("change", "file", "text"), [each for each in CHANGES if each[1] == "user-patches.sh"],
                         ids=lambda each: str(each)[:60])
def test_a_shell_and_postconf_agree(change: Change, file: str, text: str, tmp_path: Path) -> None:
    if not all(map(shutil.which, ("bash", "postconf", "sed"))):
        pytest.skip("bash, postconf or sed is not installed")
    before = state(tmp_path)
    after = docker.written(change, before)
    place = tmp_path / "etc"
    place.mkdir()
    texts = docker._in_force(before.effective).files()
    for name, written in texts.items():
        (place / name).write_text(written)
    script = after.texts[file].replace("postconf ", f"postconf -c {place} ")
    run = subprocess.run(["bash", "-c", script], capture_output=True, check=True)
    assert b"fatal" not in run.stderr
    now = {}
    for line in (place / "main.cf").read_text().splitlines():
        name, _, said = line.partition("=")
        now[name.strip()] = [word for word in re.split(r"[,\s]+", said) if word]
    for name, entry in after.effective.main_cf.last().items():
        assert now.pop(name) == [word for word in re.split(r"[,\s]+", entry.value.text) if word]
    assert now == {}


def test_the_operators_own_line_is_edited_where_it_stands(tmp_path: Path) -> None:
    main = "# mine\nsmtpd_client_restrictions =\n    permit_mynetworks,\n    reject_unauth_pipelining,\n    reject\n"
    after = docker.written(DropItems("smtpd_client_restrictions", ("reject_unauth_pipelining",)),
                           state(tmp_path, main=main))
    assert after.texts == {"postfix-main.cf": main.replace("    reject_unauth_pipelining,\n", "")}


def test_the_operators_own_override_is_edited_where_it_stands(tmp_path: Path) -> None:
    master = "# one\nsubmission/inet/smtpd_data_restrictions=permit_mynetworks\n# two\n"
    change = SetValue("smtpd_data_restrictions", "reject", "submission/inet")
    after = docker.written(change, state(tmp_path / "a", master=master))
    assert after.texts == {"postfix-master.cf": "# one\nsubmission/inet/smtpd_data_restrictions=reject\n# two\n"}
    gone = docker.written(RemoveSetting("smtpd_data_restrictions", "submission/inet"),
                          state(tmp_path / "b", master=master))
    assert gone.texts == {"postfix-master.cf": "# one\n# two\n"}


@pytest.mark.parametrize(("release", "files"), [
    ("v15.1.0", ["postfix-main.cf", "postfix-master.cf"]), ("v13.1.0", ["user-patches.sh"])])
def test_a_value_with_blanks_gets_a_name(release: str, files: list[str], tmp_path: Path) -> None:
    after = docker.written(SetValue("smtpd_banner", "$myhostname ESMTP, for users", "submission/inet"),
                           state(tmp_path, release))
    assert sorted(after.texts) == files
    service = after.effective.configuration.service("submission", "inet")
    assert service is not None
    settings = after.effective.configuration.settings(service)
    assert settings.text("smtpd_banner") == "mail.example.com ESMTP, for users"


def test_what_a_script_set_is_changed_in_the_script(tmp_path: Path) -> None:
    patches = "postconf -e soft_bounce=yes\npostconf -M 2525/inet='2525 inet n - n - - smtpd'\nexit 0\n"
    before = state(tmp_path, patches=patches)
    after = docker.written(SetValue("soft_bounce", "no"), before)
    assert list(after.texts) == ["user-patches.sh"] and after.texts["user-patches.sh"].endswith("exit 0\n")
    assert value(after.effective, "soft_bounce") == "no" and places(after.effective, "soft_bounce")[1] == 5
    after = docker.written(SetValue("smtpd_helo_required", "yes", "2525/inet"), before)
    assert override(after.effective, "2525/inet", "smtpd_helo_required") == "yes"


def test_what_start_up_sets_last_is_set_in_the_script(tmp_path: Path) -> None:
    after = docker.written(SetValue("sender_canonical_maps", "hash:/x"), state(tmp_path, env="ENABLE_SRS=1\n"))
    assert list(after.texts) == ["user-patches.sh"] and value(after.effective, "sender_canonical_maps") == "hash:/x"


def test_tls_without_a_certificate_is_for_the_environment(tmp_path: Path) -> None:
    with pytest.raises(CannotWrite, match="SSL_TYPE"):
        docker.written(SetValue("smtpd_tls_security_level", "may"), state(tmp_path, env=""))


def test_names_are_changed_and_earlier_lines_go(tmp_path: Path) -> None:
    before = state(tmp_path, main="soft_bounce = no\nsoft_bounce = yes\n",
                   master="smtp/inet/syslog_name=a\nsmtp/inet/syslog_name=b\n")
    assert docker.written(DropEarlier("soft_bounce"), before).texts["postfix-main.cf"] == "soft_bounce = yes\n"
    assert docker.written(DropEarlier("syslog_name", "smtp/inet"), before).texts["postfix-master.cf"] == (
        "smtp/inet/syslog_name=b\n")
    change = Rename("postscreen_dnsbl_allowlist_threshold", "postscreen_dnsbl_whitelist_threshold")
    after = docker.written(change, before)
    assert value(after.effective, "postscreen_dnsbl_whitelist_threshold") == "-1"
    assert value(after.effective, "postscreen_dnsbl_allowlist_threshold") is None


@pytest.mark.parametrize("path", FIXED, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_bad_becomes_fixed(path: Path) -> None:
    bad = path.with_name(path.name.replace("fixed", "bad", 1))
    rule = path.parent.name
    done = mend(subject(str(bad), dms_release=options(bad).get("dms-release", "")), {rule: RULES[rule]}, unsafe=True)
    files = {name: (path / name).read_text() for name in OVERRIDES if (path / name).exists()}
    assert {Path(name).name: text for name, text in done.after.files().items()} == files, done.left


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("*/bad-docker-*")), ids=lambda path: path.name)
def test_fixes_do_not_make_it_worse(path: Path) -> None:
    one = subject(str(path), dms_release=options(path).get("dms-release", ""))
    done = mend(one, unsafe=True)
    again = audit(subject_of(done.after, one)).findings
    assert sum(4 ** each.severity for each in again) <= sum(4 ** each.severity for each in audit(one).findings)


def test_each_fix_alone(tmp_path: Path) -> None:
    one = subject(folder(tmp_path), dms_release="v13.1.0")
    alone = mended(one)
    texts = {finding.rule: alone(finding) for finding in audit(one).findings}
    assert [Path(name).name for name in texts["PIPE-03"]] == ["user-patches.sh"]
    assert sorted(Path(name).name for name in texts["PIPE-02"]) == ["postfix-main.cf", "user-patches.sh"]


@pytest.mark.parametrize("name", [*OVERRIDES, "mailserver.env", "compose.yaml"])
def test_random_bytes_are_a_clear_error(name: str, tmp_path: Path) -> None:
    named = Path(folder(tmp_path, main="soft_bounce = no\n"))
    where = named / VOLUME if name in OVERRIDES else named
    (where / name).write_bytes(b"docker-mailserver" + bytes(range(256)) * 8)
    run = subprocess.run([sys.executable, "-m", "gatepost", "audit", str(named)], capture_output=True, text=True,
                         check=False)
    assert run.returncode == 2 and "Traceback" not in run.stderr
    assert run.stderr.startswith("gatepost: ") and name in run.stderr and run.stderr.count("\n") == 1


def test_text_for_a_shell_is_quoted() -> None:
    assert patch_lines.of_value("a", "it's $x") == "postconf 'a = it'\\''s $x'"
    assert patch_lines.appended("exit 0\n", "x", "") == "x\n\nexit 0\n"
    assert patch_lines.appended("y", "x", "note") == "y\n\n# note\nx\n"


def test_trust_that_the_environment_gives_is_told_and_mended_there(tmp_path: Path) -> None:
    one = subject(folder(tmp_path, env="SSL_TYPE=manual\nPERMIT_DOCKER=network\n"), dms_release="v15.1.0")
    [trust] = [finding for finding in audit(one).findings if finding.rule == "TRU-01"]
    assert trust.span is not None and (Path(trust.span.file).name, trust.span.line) == ("mailserver.env", 2)
    with pytest.raises(CannotWrite, match="PERMIT_DOCKER"):
        docker.written(DropItems("mynetworks", ("172.16.0.0/12",)), Overrides(one.docker))  # type: ignore[arg-type]


def test_access_files_are_read_as_tables(tmp_path: Path) -> None:
    one = subject(folder(tmp_path, receive_access="a@example.org REJECT\n"), dms_release="v15.1.0")
    table = one.table("texthash:/tmp/docker-mailserver/postfix-receive-access.cf")
    assert table.rows is not None and [(row.key, row.value) for row in table.rows] == [("a@example.org", "REJECT")]


def test_what_the_image_says_is_allowed_by_a_comment_in_an_override(tmp_path: Path) -> None:
    main = "# gatepost: allow TLS-01 the proxy in front of it ends TLS\n"
    one = subject(folder(tmp_path, main=main), dms_release="edge")
    result = audit(one)
    assert "TLS-01" not in {finding.rule for finding in result.findings} and len(result.allowed) == 3


def test_the_volume_may_not_be_there_yet(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text("services:\n  m:\n    image: docker.io/mailserver/docker-mailserver:13.1.0\n"
                                           "    volumes: ['./dms/conf/:/tmp/docker-mailserver/']\n")
    run = subprocess.run([sys.executable, "-m", "gatepost", "audit", str(tmp_path), "--fix"], capture_output=True,
                         text=True, check=False)
    assert "recreate the container" in run.stderr and "postfix-main.cf is new" in run.stderr
    assert sorted(path.name for path in (tmp_path / "dms" / "conf").iterdir()) == ["postfix-main.cf", "user-patches.sh"]


def test_an_environment_may_come_from_a_compose_file_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    named = folder(tmp_path / "here" / "root", main="soft_bounce = no\n")
    (tmp_path / "there" / "compose.yml").write_text(
        "services:\n  m:\n    image: docker.io/mailserver/docker-mailserver:13.1.0\n"
        "    environment: {SSL_TYPE: manual}\n")
    one = subject(str(Path(named) / VOLUME), env=str(tmp_path / "there" / "compose.yml"))
    assert one.docker is not None and str(one.docker.release) == "v13.1.0"
    assert one.docker.folder.environment["SSL_TYPE"] == "manual"
    assert one.docker.folder.volume == str(Path(named) / VOLUME)


def test_a_proof_knows_the_fix(tmp_path: Path) -> None:
    named = folder(tmp_path, env="SSL_TYPE=manual\n")
    run = subprocess.run([sys.executable, "-m", "gatepost", "audit", named, "--dms-release", "v13.1.0", "--select",
                          "PIPE-02", "--prove"], capture_output=True, text=True, check=False)
    assert re.search(r"verdict +accepted +refused", run.stdout), run.stdout


@pytest.mark.parametrize("name", ["compose.yaml", "mailserver.env", f"{VOLUME}/postfix-main.cf"])
def test_any_of_its_files_stands_for_the_folder(name: str, tmp_path: Path) -> None:
    text = "services: {m: {image: 'x/docker-mailserver:13.1', env_file: mailserver.env}}\n"
    named = folder(tmp_path, env="SSL_TYPE=manual\n", compose=text, main="soft_bounce = no\n")
    one = subject(f"{named}/{name}")
    assert one.docker is not None and str(one.docker.release) == "v13.1.0"
    assert one.docker.folder.environment["SSL_TYPE"] == "manual"


def test_what_the_operator_need_not_set_is_the_images_again(tmp_path: Path) -> None:
    before = state(tmp_path, main="# mine\nsmtpd_forbid_bare_newline = no\n",
                   master="submission/inet/smtpd_relay_restrictions=permit\n")
    after = docker.written(RemoveSetting("smtpd_forbid_bare_newline"), before)
    assert after.texts["postfix-main.cf"] == "# mine\n" and value(after.effective, "smtpd_forbid_bare_newline") == "yes"
    after = docker.written(RemoveSetting("smtpd_relay_restrictions", "submission/inet"), before)
    assert after.texts["postfix-master.cf"] == "" and "user-patches.sh" not in after.texts
    assert override(after.effective, "submission/inet", "smtpd_relay_restrictions") == (
        "permit_sasl_authenticated,reject")


@pytest.mark.parametrize(("name", "text"), [
    (f"{VOLUME}/postfix-main.cf", "{{ smtpd_settings }}\n"), (f"{VOLUME}/postfix-main.cf", "myhostname = {{ host }}\n"),
    (f"{VOLUME}/postfix-master.cf", "submission/inet/smtpd_banner={{ banner }}\n"),
    ("compose.yaml", "services:\n  m:\n    image: docker-mailserver:1\n{% if x %}\n    tty: 1\n")])
def test_a_template_is_said_to_be_one(name: str, text: str, tmp_path: Path) -> None:
    named = folder(tmp_path, main="soft_bounce = no\n")
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError, match="this is a template") as error:
        subject(named)
    assert error.value.span is not None and error.value.span.file.endswith(name)
