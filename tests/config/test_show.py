"""config/show.py and config/builtin.py: values with their places; the configuration that needs no directory."""

from __future__ import annotations

import pytest

import gatepost.config.parameters as p
from gatepost.config import builtin
from gatepost.config.load import loads
from gatepost.config.show import show
from gatepost.span import ConfigError

MAIN = "myhostname = mx.example\nmail_name = X\nours = 1 $mail_name\nsmtpd_banner = $ours\n"
MASTER = "a inet n - - - - smtpd\n -o mail_name=Y\nb inet n - - - - smtpd\n"


def squeezed(lines: list[str]) -> list[str]:
    return [" ".join(line.split()) for line in lines]


def test_values_and_where_they_come_from() -> None:
    """Service a sees another banner because its mail_name is another; b sees what main.cf says."""
    lines = show(loads(MAIN, MASTER, directory="d"), ["smtpd_banner", "mail_name", "line_length_limit"])
    assert squeezed(lines) == [
        "smtpd_banner = 1 X # d/main.cf:4", "mail_name = X # d/main.cf:2", "line_length_limit = 2048 # default", "",
        "# a/inet smtpd (d/master.cf:1)", "smtpd_banner = 1 Y # d/main.cf:4", "mail_name = Y # d/master.cf:2"]


def test_only_what_is_set() -> None:
    lines = show(loads(MAIN, "", directory="d"), only_set=True)
    assert squeezed(lines) == [
        "mail_name = X # d/main.cf:2", "myhostname = mx.example # d/main.cf:1", "ours = 1 X # d/main.cf:3",
        "smtpd_banner = 1 X # d/main.cf:4"]


def test_everything() -> None:
    assert len(show(loads("", ""))) == len(p.DECLARED)


def test_a_name_that_nobody_knows() -> None:
    with pytest.raises(ConfigError, match="unknown parameter: 'nobody'"):
        show(loads(MAIN, MASTER), ["nobody"])


def test_the_built_in_configuration() -> None:
    configuration = builtin.configuration("/state", "127.0.0.1:2626")
    assert configuration.problems == []
    service = configuration.services[0]
    assert (service.name, service.type, service.command) == ("127.0.0.1:2626", "inet", "postscreen")
    settings = configuration.serving(service)
    assert [word.text for word in settings[p.SMTPD_RELAY_RESTRICTIONS]] == ["reject_unauth_destination"]
    assert [word.text for word in settings[p.SMTPD_DATA_RESTRICTIONS]] == ["reject_unauth_pipelining"]
    assert (settings[p.MYNETWORKS], settings[p.RELAY_DOMAINS], settings[p.VIRTUAL_ALIAS_DOMAINS]) == ((), (), ())
    assert settings[p.QUEUE_DIRECTORY] == "/state/queue"
    assert settings[p.VIRTUAL_MAILBOX_BASE] == "/state/mail"
    assert configuration.transport("virtual") is not None
