"""Wrong configuration: one line on standard error with file, line and the offending text; status 2; no traceback."""

from __future__ import annotations

import os
import re
import socket
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.kit import wait_for
from tests.lab import directory
from tests.server.house import House
from tests.serving import GATEPOST, Warm


@dataclass(frozen=True)
class Wrong:
    """What is wrong, and the line it must give: a regular expression behind "gatepost: "."""

    name: str
    wanted: str
    settings: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    spoil: Callable[[House], None] | None = None
    config: bool = False  # `gatepost config` must say the same


def lose(name: str) -> Callable[[House], None]:
    return lambda house: (house.conf / name).unlink()


def unreadable(house: House) -> None:
    """A directory cannot be read as a file, not even by root."""
    (house.conf / "main.cf").unlink()
    (house.conf / "main.cf").mkdir()


def no_directory(house: House) -> None:
    house.conf = house.conf / "nowhere"


def set_line(text: str) -> Callable[[House], None]:
    """Put this line in place of the service of master.cf."""
    return lambda house: ((house.conf / "master.cf").write_text(text + "\n", encoding="utf-8") and None) or None


MAIN, MASTER = r"\S+/conf/main\.cf:\d+: ", r"\S+/conf/master\.cf:\d+: "
CASES = [
    Wrong("unknown restriction", MAIN + ".*reject_everybody", ("smtpd_sender_restrictions = reject_everybody",)),
    Wrong("unknown pattern of early talk", MAIN + "no pattern of early talk.*hello-quit.*telnets",
          ("gatepost_turn_tolerance = hello-quit, telnets",)),
    Wrong("unknown restriction in -o", MASTER + ".*reject_everybody",
          options=("smtpd_sender_restrictions=reject_everybody",)),
    Wrong("missing argument", MAIN + ".*check_sender_access", ("smtpd_sender_restrictions = check_sender_access",)),
    Wrong("missing table", MAIN + ".*hash:@ROOT@/conf/nothing",
          ("smtpd_sender_restrictions = check_sender_access hash:@ROOT@/conf/nothing",)),
    Wrong("missing table of addresses", MAIN + ".*hash:@ROOT@/conf/nothing",
          ("virtual_alias_maps = hash:@ROOT@/conf/nothing",)),
    Wrong("unknown table type", MAIN + ".*nosuch", ("virtual_alias_maps = nosuch:/etc/virtual",)),
    Wrong("unknown table type in a restriction", MAIN + ".*nosuch",
          ("smtpd_sender_restrictions = check_sender_access nosuch:/x",)),
    Wrong("bad unit", MAIN + ".*5x", ("smtpd_timeout = 5x",), config=True),
    Wrong("bad boolean", MAIN + ".*maybe", ("smtpd_helo_required = maybe",), config=True),
    Wrong("bad number", MAIN + ".*many", ("smtpd_recipient_limit = many",), config=True),
    Wrong("negative number", MAIN + ".*-5", ("smtpd_hard_error_limit = -5",), config=True),
    Wrong("bad number in -o", MASTER + ".*many", options=("smtpd_recipient_limit=many",), config=True),
    Wrong("bad choice", MAIN + ".*sometimes", ("smtpd_forbid_bare_newline = sometimes",)),
    Wrong("bad choice of ours", MAIN + ".*exim", ("gatepost_compatibility = exim",), config=True),
    Wrong("main.cf is unreadable", MAIN + "cannot open main.cf: ", spoil=unreadable, config=True),
    Wrong("main.cf is missing", MAIN + "cannot open main.cf: ", spoil=lose("main.cf"), config=True),
    Wrong("master.cf is missing", MASTER + "cannot open master.cf: ", spoil=lose("master.cf"), config=True),
    Wrong("no such directory", r"\S+/conf/nowhere/main\.cf:\d+: cannot open main.cf: No such file or directory",
          spoil=no_directory, config=True),
    Wrong("text without =", MAIN + ".*smtpd_helo_required", spoil=lambda house: ((house.conf / "main.cf").write_text(
        "smtpd_helo_required yes\n") and None) or None, config=True),
    Wrong("too few fields", MASTER + ".*smtp inet n", spoil=set_line("smtp inet n"), config=True),
    Wrong("bad service type", MASTER + ".*carrier-pigeon",
          spoil=set_line("smtp carrier-pigeon n - n - - smtpd"), config=True),
    Wrong("bad field", MASTER + ".*maybe", spoil=set_line("127.0.0.1:25 inet maybe - n - - smtpd"), config=True),
    Wrong("bad port", MASTER + ".*99999", spoil=set_line("127.0.0.1:99999 inet n - n - - smtpd")),
    Wrong("unknown port name", MASTER + ".*nosuchport", spoil=set_line("127.0.0.1:nosuchport inet n - n - - smtpd")),
    Wrong("no SMTP service", r"\S+/conf/master\.cf.*no service", spoil=set_line("qmgr unix n - n 300 1 qmgr")),
    Wrong("address that is not ours", MASTER + "cannot listen at 192.0.2.1:2525: .*",
          services=("192.0.2.1:2525 inet n - n - - smtpd",)),
    Wrong("relay protection is missing", MAIN + ".*(reject_unauth_destination).*",
          ("smtpd_relay_restrictions =", "smtpd_recipient_restrictions = permit_mynetworks")),
    Wrong("classes in a loop", MAIN + "restriction class contains itself: one -> two -> one",
          ("smtpd_restriction_classes = one, two", "one = two", "two = one", "smtpd_sender_restrictions = one")),
    Wrong("class without a value", MAIN + "restriction class `one' needs a definition",
          ("smtpd_restriction_classes = one", "smtpd_sender_restrictions = one")),
    Wrong("encrypt without certificate", MAIN + ".*", ("smtpd_tls_security_level = encrypt",)),
    Wrong("certificate that does not exist", MAIN + ".*nocert.pem", (
        "smtpd_tls_security_level = encrypt", "smtpd_tls_cert_file = @ROOT@/conf/nocert.pem")),
    Wrong("certificate that is none", MAIN + ".*master.cf", (
        "smtpd_tls_security_level = encrypt", "smtpd_tls_cert_file = @ROOT@/conf/master.cf")),
    Wrong("logins without Dovecot", MAIN + ".*cyrus", ("smtpd_sasl_auth_enable = yes", "smtpd_sasl_type = cyrus")),
    Wrong("upstream protocol", MAIN + ".*x-proxy", ("smtpd_upstream_proxy_protocol = x-proxy",)),
    Wrong("queue directory that cannot be made", MAIN + ".*main.cf/queue.*",
          ("queue_directory = @ROOT@/conf/main.cf/queue",)),
    Wrong("log file outside of its prefixes", MAIN + ".*/nowhere/log.*", ("maillog_file = /nowhere/log",)),
    Wrong("bad address in a list", MAIN + ".*300.1.2.3.*", ("mynetworks = 300.1.2.3/8",)),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_one_clear_line(warm: Warm, case: Wrong) -> None:
    with directory("gatepost-house-") as root:
        house = House(warm, root, case.settings, case.options, case.services)
        if case.spoil is not None:
            case.spoil(house)
        wanted = "gatepost: " + case.wanted.replace("@ROOT@", re.escape(str(root)))
        for verb in ("serve", "config") if case.config else ("serve",):
            output = root / f"{verb}.out"
            child = warm.start(output, verb, "-c", str(house.conf))
            assert wait_for(lambda c=child: not c.alive, 10), "it does not end: " + child.said()  # type: ignore[misc]
            *lines, last = child.said().splitlines()
            lines = [line for line in lines if line.startswith("gatepost: ") or verb == "serve"]  # config shows values
            assert (last, len(lines)) == ("exit status 2", 1), child.said()[:2000]
            assert re.fullmatch(wanted + ".*", lines[0]), lines[0]
            child.end()


def test_the_log_says_it_too(warm: Warm) -> None:
    with directory("gatepost-house-") as root:
        house = House(warm, root, ["smtpd_sender_restrictions = reject_everybody"])
        child = warm.start(root / "out", "serve", "-c", str(house.conf))
        assert wait_for(lambda: not child.alive, 10)
        child.end()
        told = child.said().splitlines()[0].removeprefix("gatepost: ")
        assert house.log().endswith(f"fatal: {told}\n"), house.log()


@pytest.mark.skipif(os.path.exists("/dev/log"), reason="not here: a system without syslogd")
def test_one_line_also_when_the_log_is_standard_error(warm: Warm) -> None:
    with directory("gatepost-house-") as root:
        house = House(warm, root, ["maillog_file =", "smtpd_sender_restrictions = reject_everybody"])
        child = warm.start(root / "out", "serve", "-c", str(house.conf))
        assert wait_for(lambda: not child.alive, 10)
        child.end()
        assert len(child.said().splitlines()) == 2, child.said()


def test_a_port_in_use(warm: Warm) -> None:
    with directory("gatepost-house-") as root, socket.socket() as taken:
        house = House(warm, root)
        taken.bind(("127.0.0.1", house.port))
        taken.listen()
        child = warm.start(root / "out", "serve", "-c", str(house.conf))
        assert wait_for(lambda: not child.alive, 10)
        line, status = child.said().splitlines()
        assert status == "exit status 2"
        wanted = rf"gatepost: \S+/master\.cf:1: cannot listen at 127\.0\.0\.1:{house.port}: Address already in use.*"
        assert re.fullmatch(wanted, line)
        child.end()


def test_a_queue_that_another_server_uses(warm: Warm) -> None:
    with directory("gatepost-house-") as root, House(warm, root) as house:
        child = warm.start(root / "out", "serve", "-c", str(house.conf))
        assert wait_for(lambda: not child.alive, 10)
        line, status = child.said().splitlines()
        assert status == "exit status 2"
        assert "in use" in line and "queue" in line
        child.end()


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([GATEPOST, *arguments], capture_output=True, text=True, timeout=30, check=False)


def test_the_program_itself_ends_with_status_2(tmp_path: Path) -> None:
    ended = run("serve", "-c", str(tmp_path))
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == f"gatepost: {tmp_path}/main.cf:1: cannot open main.cf: No such file or directory\n"


def test_config_prints_what_is_set_and_where(warm: Warm) -> None:
    with directory("gatepost-house-") as root:
        house = House(warm, root, ["smtpd_banner = $myhostname ESMTP"], ["smtpd_timeout=7s"])

        def said(*arguments: str) -> str:
            output = root / "-".join(["out", *arguments])
            child = warm.start(output, "config", "-c", str(house.conf), *arguments)
            assert wait_for(lambda: not child.alive, 10)
            child.end()
            return output.read_text()

        shown = said("-n", "smtpd_banner", "smtpd_timeout", "smtpd_helo_required")
        assert re.search(r"^smtpd_banner = mx\.example\.test ESMTP +# \S+/main\.cf:\d+$", shown, re.MULTILINE), shown
        assert re.search(r"^smtpd_timeout = 7s +# \S+/master\.cf:2$", shown, re.MULTILINE), shown
        assert "smtpd_helo_required" not in shown
        assert len(said().splitlines()) > 300
        assert said("nosuch_parameter") == "gatepost: unknown parameter: 'nosuch_parameter'\nexit status 2\n"


def test_port_below_1024_without_root(warm: Warm) -> None:
    if os.geteuid() == 0:
        pytest.skip("not here: an ordinary user")
    with directory("gatepost-house-") as root:
        house = House(warm, root, services=["127.0.0.1:25 inet n - n - - smtpd"])
        child = warm.start(root / "out", "serve", "-c", str(house.conf))
        assert wait_for(lambda: not child.alive, 10)
        assert "cannot listen at 127.0.0.1:25: Permission denied" in child.said()
        child.end()
