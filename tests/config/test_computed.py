"""config/computed.py and config/interfaces.py: what this machine is called and which networks it is in."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

import gatepost.config.parameters as p
from gatepost.config.computed import own_interfaces
from gatepost.config.interfaces import local_interfaces
from gatepost.config.settings import Settings
from gatepost.span import ConfigError


def networks(**values: str) -> list[str]:
    return [word.text for word in Settings.of(values)[p.MYNETWORKS]]


@pytest.mark.parametrize(("values", "expected"), [
    ({"mynetworks_style": "host", "inet_interfaces": "10.1.2.3"}, ["10.1.2.3/32"]),
    ({"mynetworks_style": "class", "inet_interfaces": "10.1.2.3"}, ["10.0.0.0/8"]),
    ({"mynetworks_style": "class", "inet_interfaces": "172.16.2.3"}, ["172.16.0.0/16"]),
    ({"mynetworks_style": "subnet", "inet_interfaces": "203.0.113.9"}, ["203.0.113.9/32"]),  # not ours: a network alone
    ({"mynetworks_style": "host", "inet_interfaces": "2001:db8::1"}, ["[2001:db8::1]/128"]),
    ({"mynetworks_style": "host", "inet_interfaces": "10.1.2.3, 2001:db8::1", "inet_protocols": "ipv6"},
     ["[2001:db8::1]/128"]),
    ({"mynetworks_style": "host", "inet_interfaces": "no-such-host.invalid"}, []),
    ({"mynetworks": "192.0.2.0/24", "mynetworks_style": "class"}, ["192.0.2.0/24"]),
])
def test_mynetworks(values: dict[str, str], expected: list[str]) -> None:
    assert networks(**values) == expected


def test_loopback_is_ours() -> None:
    assert "127.0.0.1" in {str(interface.ip) for interface in local_interfaces()}
    only = own_interfaces(Settings.of({"inet_interfaces": "loopback-only"}))
    assert only and all(interface.is_loopback for interface in only)


@pytest.mark.skipif(not shutil.which("postconf"), reason="postconf is not installed")
@pytest.mark.parametrize("style", ["host", "subnet", "class"])
def test_postconf_finds_the_same_networks(tmp_path: Path, style: str) -> None:
    (tmp_path / "main.cf").write_text(f"mynetworks_style = {style}\n")
    (tmp_path / "master.cf").write_text("")
    command = ["postconf", "-c", str(tmp_path), "-xh", "mynetworks"]
    theirs = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert networks(mynetworks_style=style) == theirs.split()


@pytest.mark.parametrize("values", [
    {"myhostname": "mail.$mydomain"},
    {"myhostname": "$name", "name": "mail.$mydomain"},
    {"mynetworks_style": "$mynetworks"},
    {"myhostname": "mail.$mynetworks", "inet_interfaces": "$myhostname"},
])
def test_a_name_that_is_found_out_by_itself_is_empty_there(values: dict[str, str]) -> None:
    settings = Settings.of(values)
    for name in ("myhostname", "mydomain", "mynetworks"):
        try:
            assert settings.text(name) is not None
        except ConfigError:
            pass  # the style is no style then


def test_postfix_takes_a_host_name_with_its_own_domain_for_localdomain() -> None:
    settings = Settings.of({"myhostname": "mail.$mydomain"})
    assert (settings[p.MYHOSTNAME], settings[p.MYDOMAIN]) == ("mail.localdomain", "localdomain")
