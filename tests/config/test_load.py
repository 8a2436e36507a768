"""config/load.py and config/check.py: a directory becomes settings per service, and what is wrong with it is found."""

from __future__ import annotations

from pathlib import Path

import pytest

import gatepost.config.parameters as p
from gatepost.config.load import load, loads
from gatepost.span import ConfigError

MASTER = """\
smtp inet n - - - 1 postscreen
smtpd pass - - - - - smtpd
submission inet n - - - - smtpd
  -o syslog_name=postfix/submission
  -o { smtpd_client_restrictions = $mua_client_restrictions, reject }
  -o mua_client_restrictions=permit_sasl_authenticated
smtp unix - - - - - smtp
amavis unix - - - - 2 smtp
  -o smtp_send_xforward_command=yes
pipe unix - n n - - pipe flags=R -x ${recipient}
"""


def problems(main_cf: str, master_cf: str = "") -> list[str]:
    return [str(problem) for problem in loads(main_cf, master_cf, directory="d").problems]


def test_settings_of_a_service() -> None:
    configuration = loads("smtpd_client_restrictions = permit\nmail_name = X\n", MASTER, directory="d")
    submission = configuration.service("submission", "inet")
    assert submission is not None
    settings = configuration.settings(submission)
    assert settings is configuration.settings(submission)
    assert settings.service == "submission" and settings[p.SERVICE_NAME] == "submission"
    assert settings[p.PROCESS_NAME] == "smtpd"
    assert settings[p.SYSLOG_NAME] == "postfix/submission"
    assert [(word.text, str(word.span)) for word in settings[p.SMTPD_CLIENT_RESTRICTIONS]] == [
        ("permit_sasl_authenticated", "d/master.cf:6"), ("reject", "d/master.cf:5")]
    assert settings[p.MAIL_NAME] == "X"
    assert [word.text for word in configuration.main[p.SMTPD_CLIENT_RESTRICTIONS]] == ["permit"]


def test_transports() -> None:
    configuration = loads("default_process_limit = 7\n", MASTER)
    amavis = configuration.transport("amavis")
    assert amavis is not None and configuration.settings(amavis)[p.SMTP_SEND_XFORWARD_COMMAND]
    assert configuration.transport("submission") is None and configuration.transport("nobody") is None
    assert configuration.process_limit(amavis) == 2
    smtp, pipe = configuration.transport("smtp"), configuration.transport("pipe")
    assert smtp is not None and configuration.process_limit(smtp) == 7
    assert pipe is not None and configuration.command(pipe) == ["flags=R", "-x", "${recipient}"]


def test_command_words_stand_behind_options() -> None:
    service = "s unix - - - - - smtp -v -o a=b -s 3 x y"
    configuration = loads("", service)
    assert configuration.command(configuration.services[0]) == ["x", "y"]


@pytest.mark.parametrize(("disabled", "left"), [
    ("", ["smtp/inet", "smtpd/pass", "submission/inet", "smtp/unix", "amavis/unix", "pipe/unix"]),
    ("inet", ["smtpd/pass", "smtp/unix", "amavis/unix", "pipe/unix"]),
    ("smtp.inet amavis/unix", ["smtpd/pass", "submission/inet", "smtp/unix", "pipe/unix"]),
    ("!smtp.inet inet pass", ["smtp/inet", "smtp/unix", "amavis/unix", "pipe/unix"]),
])
def test_disabled_services(disabled: str, left: list[str]) -> None:
    configuration = loads(f"master_service_disable = {disabled}\n", MASTER)
    assert [str(service) for service in configuration.services] == left


def test_the_last_of_two_equal_services_is_used() -> None:
    configuration = loads("", "a inet n - - - - smtpd\na inet n - - - - other\n", directory="d")
    assert [service.command for service in configuration.services] == ["other"]
    assert [str(problem) for problem in configuration.problems] == [
        "d/master.cf:2: warning: duplicate master.cf entry for service \"a\" -- using the last entry"
        ": 'earlier entry: d/master.cf:1'"]


def test_nothing_to_complain_about() -> None:
    main_cf = """\
smtpd_restriction_classes = friends
friends = permit
mua_client_restrictions = permit
amavis_destination_recipient_limit = 1
virtual_alias_maps = proxy:mysql:accounts, hash:/x
accounts_query = SELECT 1
smtpd_client_connection_limit_exceptions = $ours
ours = 192.0.2.0/24
readme_directory = no
gatepost_log_format = json
"""
    assert problems(main_cf, MASTER.replace("1 postscreen", "- smtpd")) == []


@pytest.mark.parametrize(("main_cf", "problem"), [
    ("smtpd_helo_require = yes", "d/main.cf:1: warning: unknown parameter smtpd_helo_require, and nothing refers to "
     "$smtpd_helo_require; did you mean smtpd_helo_required?"),
    ("zzz = yes", "d/main.cf:1: warning: unknown parameter zzz, and nothing refers to $zzz"),
    ("gatepost_log_fromat = json", "d/main.cf:1: warning: unknown parameter gatepost_log_fromat, and nothing refers to "
     "$gatepost_log_fromat; did you mean gatepost_log_format?"),
    ("other_query = x", "d/main.cf:1: warning: unknown parameter other_query, and nothing refers to $other_query"),
    ("tcp_windowsize = 3", "d/main.cf:1: warning: parameter tcp_windowsize is not supported: it has no effect here"),
    ("amavis_delivery_slot_cost = 3",
     "d/main.cf:1: warning: parameter amavis_delivery_slot_cost is not supported: it has no effect here"),
    ("smtpd_helo_required = maybe",
     "d/main.cf:1: error: bad boolean configuration: smtpd_helo_required = maybe"),
    ("mydestination = ${x", "d/main.cf:1: error: truncated macro reference: '${x'"),
    ("a = $b\nb = $a", "d/main.cf:2: error: unreasonable macro call nesting: 'a'"),
])
def test_what_is_wrong(main_cf: str, problem: str) -> None:
    assert problem in problems(main_cf, MASTER)


def test_what_is_wrong_in_master_cf() -> None:
    found = problems("", "a inet n - - - - smtpd -o smtpd_timeout=x -o smtpd_banna=y\n")
    assert found == [
        "d/master.cf:1: warning: unknown parameter smtpd_banna, and nothing refers to $smtpd_banna; "
        "did you mean smtpd_banner?",
        "d/master.cf:1: error: parameter smtpd_timeout: bad time value or unit: x"]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(str(tmp_path))
    assert caught.value.span is not None and caught.value.span.file == str(tmp_path / "main.cf")
    assert caught.value.message == "cannot open main.cf: No such file or directory"
    (tmp_path / "main.cf").write_text("")
    with pytest.raises(ConfigError, match=r"cannot open master\.cf"):
        load(str(tmp_path))
    (tmp_path / "master.cf").write_text("a b\n")
    with pytest.raises(ConfigError, match="bad transport type: b"):
        load(str(tmp_path))


def test_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "main.cf").write_bytes(b"mail_name = caf\xe9\n")
    (tmp_path / "master.cf").write_text(MASTER)
    configuration = load(str(tmp_path))
    assert configuration.main[p.MAIL_NAME].encode("utf-8", "surrogateescape") == b"caf\xe9"
    assert configuration.main[p.CONFIG_DIRECTORY] == str(tmp_path)
    assert len(configuration.services) == 6
