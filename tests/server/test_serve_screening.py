"""A postscreen service of `gatepost serve`: screened, promoted, demoted; its memory; what an operator sees of it."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import smtplib
import subprocess
import time
from collections.abc import Iterator, Sequence

import pytest

from tests.kit import free_port, needs, program
from tests.server.house import FROM, TO, House, Talk, house
from tests.server.test_serve_tls import TLS
from tests.serving import GATEPOST, NotServing, Warm

DEEP = ["postscreen_pipelining_enable = yes", "postscreen_non_smtp_command_enable = yes",
        "postscreen_bare_newline_enable = yes"]
POSTFIX = ["gatepost_compatibility = postfix", "postscreen_greet_wait = 1s"]
MESSAGE = "Subject: test\r\n\r\nbody\r\n"


@contextlib.contextmanager
def screened(warm: Warm, settings: Sequence[str] = (), services: Sequence[str] = (), options: Sequence[str] = ()
             ) -> Iterator[House]:
    """A house whose service screens."""
    more = ["mynetworks =", "smtpd_peername_lookup = no", "postscreen_cache_map = btree:@ROOT@/queue/passes", *settings]
    behind = services or ["smtpd pass - - n - - smtpd"]
    with house(warm, more, options, behind, command="postscreen") as made:
        yield made


def lines(made: House, program: str = "postscreen") -> list[str]:
    """What the log tells of screening, without what changes."""
    found = re.findall(rf"postfix/{program}\[\d+\]: (.*)", made.log())
    return [re.sub(r"\]:\d+", "]:P", re.sub(r"after [\d.]+ ", "after T ", each)) for each in found
            if not each.startswith("cache ")]


def operator(made: House, *words: str) -> subprocess.CompletedProcess[str]:
    """`gatepost screen ...` beside the running server."""
    time.sleep(0.2)  # what was just learned is being written
    command = [str(GATEPOST), "screen", words[0], *words[1:], "-c", str(made.conf)]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def greeted(client: Talk) -> str:
    """The greeting, whole."""
    return client.read()


def test_a_polite_client_is_served_in_its_first_connection(warm: Warm) -> None:
    with screened(warm, DEEP) as made:
        with smtplib.SMTP("127.0.0.1", made.port, timeout=20) as client:
            assert client.sendmail(FROM, [TO], MESSAGE) == {}
        assert [message for message in made.spooled() if b"Subject: test" in message]
        assert made.logged("disconnect from unknown[127.0.0.1] ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5")
        assert lines(made) == ["CONNECT from [127.0.0.1]:P to [127.0.0.1]:P", "PASS NEW [127.0.0.1]:P"]
        with made.talk(greeted=False) as client:
            assert greeted(client).startswith("220 ")  # whoever has to wait hears "220-" first
            assert "250-PIPELINING" in client.say("EHLO client.test")
        assert made.logged("PASS OLD [127.0.0.1]")


def test_as_postfix_it_has_to_come_again(warm: Warm) -> None:
    with screened(warm, [*DEEP, *POSTFIX]) as made:
        with made.talk(greeted=False) as client:
            assert greeted(client).startswith("220-")
            client.say("EHLO client.test")
            assert client.mail() == "450 4.3.2 Service currently unavailable"
            assert client.say("QUIT") == "221 2.0.0 Bye"
        with made.talk() as client:
            assert client.mail().startswith("250 2.0.0 Ok: queued as ")
        assert made.logged("PASS OLD [127.0.0.1]")


@pytest.mark.parametrize("peer", [
    pytest.param("swaks", marks=needs("swaks")), pytest.param("smtp-source", marks=needs("smtp-source")),
])
def test_no_polite_client_is_put_off(warm: Warm, peer: str) -> None:
    with screened(warm, DEEP) as made:
        command = {"swaks": ["swaks", "--server", f"127.0.0.1:{made.port}", "--from", FROM, "--to", TO],
                   "smtp-source": [program("smtp-source"), "-m", "3", "-s", "3", "-f", FROM, "-t", TO,
                                   f"inet:127.0.0.1:{made.port}"]}[peer]
        ran = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=60, check=False)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        assert list(made.spooled()) and " 450 " not in made.log() and made.logged("PASS NEW")


def test_who_talks_early_is_caught_at_once(warm: Warm) -> None:
    with screened(warm, [*DEEP, "postscreen_greet_action = drop", "postscreen_greet_wait = 30s"]) as made:
        with made.talk(greeted=False) as client:
            assert client.line() == "220-mx.example.test ESMTP Postfix"
            client.send(b"EHLO client.test\r\n")
            assert client.line() == "521 5.5.1 Protocol error" and client.ended()
        with made.talk(greeted=False) as client:
            client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert client.line().startswith("220-") and client.line() == "521 5.5.1 Protocol error"
        assert lines(made)[1] == "PREGREET 18 after T from [127.0.0.1]:P: EHLO client.test\\r\\n"
        shown = operator(made, "show", "127.0.0.1")
        assert shown.stdout.count("PREGREET") == 2 and "drop" in shown.stdout and "waiting" in shown.stdout


def test_a_late_offence_takes_the_pass_back(warm: Warm) -> None:
    with screened(warm, DEEP) as made:
        with made.talk(greeted=False) as client:
            greeted(client)
            assert client.say("EHLO c.test", f"MAIL FROM:<{FROM}>", f"RCPT TO:<{TO}>") == "250 2.1.5 Ok"
            client.send(b"DATA\r\nSubject: x\r\n\r\nbody\r\n.\r\nQUIT\r\n")
            assert client.read() == "554 5.5.1 Error: no valid recipients" and client.ended()
        assert made.logged("DISCONNECT [127.0.0.1]") and list(made.spooled()) == []
        assert lines(made)[1:] == [
            "PASS NEW [127.0.0.1]:P",
            "COMMAND PIPELINING from [127.0.0.1]:P after DATA: Subject: x\\r\\n\\r\\nbody\\r\\n.\\r\\nQUIT\\r\\n",
            "DATA without valid RCPT from [127.0.0.1]:P", "DISCONNECT [127.0.0.1]:P"]
        assert "disconnect from unknown[127.0.0.1] ehlo=1 mail=1 rcpt=1 commands=3" in made.log()
        with made.talk(greeted=False) as client:
            assert greeted(client).startswith("220-"), "it is tried again"


@pytest.mark.parametrize("mode", ["promote", "defer"])
def test_a_remembered_client_that_talks_out_of_turn_is_remembered_no_more(warm: Warm, mode: str) -> None:
    settings = [*DEEP, "smtpd_forbid_unauth_pipelining = yes", f"gatepost_screen_promotion = {mode}"]
    with screened(warm, settings) as made:
        for _ in range(2):
            with made.talk(greeted=False) as client:
                greeted(client)
                client.say("EHLO c.test", f"MAIL FROM:<{FROM}>", f"RCPT TO:<{TO}>", "QUIT")
        with made.talk() as client:
            client.send(b"EHLO c.test\r\nVRFY x\r\n")
            assert client.line() == "554 5.5.0 Error: SMTP protocol synchronization" and client.ended()
        assert made.logged("improper command pipelining after EHLO from unknown[127.0.0.1]: VRFY x")
        shown = operator(made, "show", "127.0.0.1")
        counted = json.loads(operator(made, "stats", "--json").stdout)
        with made.talk(greeted=False) as client:
            assert greeted(client).startswith("220")
            assert ("PIPELINING" in client.say("EHLO c.test")) == (mode == "defer")
        offence = "COMMAND PIPELINING from [127.0.0.1]:P after EHLO: VRFY x\\r\\n"
        assert lines(made).count(offence) == (mode == "promote")
        assert ("buffered" in shown.stdout and "COMMAND PIPELINING" in shown.stdout) == (mode == "promote")
        found = [(each["trial"], each["evidence"]) for each in counted["memories"][0]["caught"]]
        assert found == [("pipelining", "buffered")] * (mode == "promote")


def test_a_client_beside_another_that_passed_has_its_line(warm: Warm) -> None:
    with screened(warm, DEEP) as made:
        with made.talk(greeted=False) as client:
            greeted(client)
            client.say("EHLO c.test", f"MAIL FROM:<{FROM}>", f"RCPT TO:<{TO}>", "QUIT")
        with contextlib.ExitStack() as beside:
            clients = [beside.enter_context(made.talk(greeted=False)) for _ in range(5)]
            assert all(greeted(client).startswith("220 ") for client in clients)
        assert lines(made).count("PASS OLD [127.0.0.1]:P") == 5


def test_observed_nobody_is_refused(warm: Warm) -> None:
    settings = [*DEEP, "gatepost_screen_promotion = observe", "postscreen_greet_action = drop",
                "smtpd_forbid_unauth_pipelining = no"]
    with screened(warm, settings) as made:
        with made.talk(greeted=False) as client:
            client.send(f"EHLO c.test\r\nMAIL FROM:<{FROM}>\r\nRCPT TO:<{TO}>\r\n".encode())
            replies = [client.read() for _ in range(4)]
            assert [reply[:3] for reply in replies] == ["220", "250", "250", "250"]
        found = json.loads(operator(made, "stats", "--json").stdout)["memories"][0]["caught"]
        assert {(each["trial"], each["action"]) for each in found} == {("pregreet", "ignore"), ("pipelining", "ignore")}


@pytest.mark.parametrize("header", [b"PROXY TCP4 203.0.113.7 127.0.0.1 4711 25\r\n",
                                    b"PROXY TCP6 2001:db8::7 ::1 4711 25\r\n"], ids=["ipv4", "ipv6"])
def test_behind_a_proxy_it_is_the_client_who_is_screened(warm: Warm, header: bytes) -> None:
    seen = header.split()[2].decode()
    with screened(warm, [*DEEP, "smtpd_upstream_proxy_protocol = haproxy"],
                  options=["postscreen_upstream_proxy_protocol=haproxy"]) as made:
        with made.talk(greeted=False) as client:
            client.send(header)
            assert greeted(client).startswith("220-")
            client.say("EHLO c.test")
            assert client.mail().startswith("250 2.0.0 Ok: queued")
        assert made.logged(f"PASS NEW [{seen}]:4711") and made.logged(f"connect from unknown[{seen}]")
        with made.talk(greeted=False) as client:
            client.send(b"EHLO c.test\r\n")
            assert client.read() == "421 4.3.2 No system resources" and client.ended()
        assert made.logged("postscreen[") and made.logged("warning: haproxy read: unrecognized protocol header")


def test_tls_before_the_pass_goes_on(warm: Warm) -> None:
    with screened(warm, [*DEEP, *TLS]) as made:
        with made.talk(greeted=False) as client:
            greeted(client)
            assert "250-STARTTLS" in client.say("EHLO c.test")
            assert client.start_tls() == "220 2.0.0 Ready to start TLS"
            assert "STARTTLS" not in client.say("EHLO c.test")
            assert client.mail().startswith("250 2.0.0 Ok: queued")
        assert b"using TLS" in next(made.spooled())
        assert lines(made, "tlsproxy") == ["CONNECT from [127.0.0.1]:P", "DISCONNECT [127.0.0.1]:P"]
        assert lines(made) == ["CONNECT from [127.0.0.1]:P to [127.0.0.1]:P", "PASS NEW [127.0.0.1]:P"]


def test_by_ipv6_and_several_entrances(warm: Warm) -> None:
    other, third = free_port(), free_port()
    services = ["smtpd pass - - n - - smtpd", f"[::1]:{other} inet n - n - 1 postscreen",
                f"127.0.0.1:{third} inet n - n - 1 postscreen -o postscreen_greet_banner="]
    with screened(warm, [*DEEP, "inet_protocols = all"], services) as made:
        with Talk(("::1", other)) as client:
            assert client.read().startswith("220-")
            client.say("EHLO c.test")
            assert client.mail().startswith("250 2.0.0 Ok: queued")
        assert made.logged("PASS NEW [::1]")
        with made.talk(third, greeted=False) as client:
            assert client.read().startswith("220 ")
            client.say("EHLO c.test")
            assert client.mail().startswith("250 2.0.0 Ok: queued")
        with made.talk(greeted=False) as client:
            assert greeted(client).startswith("220-"), "one memory: what is due is the greeting's trial alone"
            assert "250-PIPELINING" in client.say("EHLO c.test")


def test_so_many_clients_mean_stress(warm: Warm) -> None:
    settings = ["postscreen_pre_queue_limit = 10", "gatepost_greet_wait = full",
                "postscreen_greet_wait = ${stress?{1}:{30}}s", "postscreen_client_connection_count_limit = 0"]
    with screened(warm, settings) as made, contextlib.ExitStack() as open_:
        for _ in range(9):
            open_.enter_context(made.talk(greeted=False))
        assert made.logged("entering STRESS mode with 9 connections")
        with made.talk(greeted=False) as client:
            assert client.read() == "421 4.3.2 All screening ports are busy" and client.ended()
        open_.close()
        assert made.logged("leaving STRESS mode with 7 connections")


def test_no_place_behind(warm: Warm) -> None:
    with (screened(warm, DEEP, ["smtpd pass - - n - 1 smtpd"]) as made, made.talk(greeted=False) as first,
          made.talk(greeted=False) as second):
        for client in (first, second):
            greeted(client)
            client.say("EHLO c.test", f"MAIL FROM:<{FROM}>")
        assert first.say(f"RCPT TO:<{TO}>") == "250 2.1.5 Ok"
        assert second.say(f"RCPT TO:<{TO}>") == "450 4.3.2 Service currently unavailable"
        first.say("QUIT")
        assert second.say(f"RCPT TO:<{TO}>") == "250 2.1.5 Ok"


def test_who_waits_for_a_place_and_leaves_takes_none(warm: Warm) -> None:
    with screened(warm, DEEP, ["smtpd pass - - n - 1 smtpd"]) as made, made.talk(greeted=False) as first:
        greeted(first)
        first.say("EHLO c.test", f"MAIL FROM:<{FROM}>")
        assert first.say(f"RCPT TO:<{TO}>") == "250 2.1.5 Ok"
        made.talk(greeted=False).socket.close()
        with made.talk(greeted=False) as third:
            time.sleep(0.3)
            first.say("QUIT")
            assert greeted(third).startswith("220 ")
            third.say("EHLO c.test")
            assert third.mail().startswith("250 2.0.0")


def test_at_the_end_nobody_is_blamed(warm: Warm) -> None:
    with screened(warm, DEEP) as made, made.talk(greeted=False) as client:
        greeted(client)
        client.say("EHLO c.test")
        made.signal(signal.SIGTERM)
        time.sleep(0.2)
        made.signal(signal.SIGTERM)  # no patience
        assert client.read() == "421 4.3.2 mx.example.test Service shutting down"
        assert made.logged("DISCONNECT") and lines(made)[1:] == ["DISCONNECT [127.0.0.1]:P"]


def test_a_reload_forgets_nobody(warm: Warm) -> None:
    with screened(warm, DEEP) as made:
        with made.talk(greeted=False) as before:
            greeted(before)
            before.say("EHLO c.test", f"MAIL FROM:<{FROM}>")
            made.settings.append("postscreen_greet_banner = changed")
            made.write()
            made.reload()
            assert before.say(f"RCPT TO:<{TO}>") == "250 2.1.5 Ok", "begun before, it goes on as it began"
            assert made.logged("PASS NEW [127.0.0.1]")
            with made.talk(greeted=False) as client:
                assert greeted(client).startswith("220 mx.example.test"), "known, also by whoever comes after"
        assert operator(made, "forget", "127.0.0.1").returncode == 0
        time.sleep(2.1)  # what a process knows it believes for two seconds
        with made.talk(greeted=False) as client:
            assert greeted(client).startswith("220-changed")


def test_a_reload_that_fails_changes_no_limit(warm: Warm) -> None:
    with (screened(warm, DEEP, ["smtpd pass - - n - 1 smtpd"]) as made, made.talk(greeted=False) as first,
          made.talk(greeted=False) as second):
        for client in (first, second):
            greeted(client)
            client.say("EHLO c.test", f"MAIL FROM:<{FROM}>")
        assert first.say(f"RCPT TO:<{TO}>") == "250 2.1.5 Ok"
        made.services[:] = ["smtpd pass - - n - 9 smtpd"]
        made.settings.append("postscreen_greet_action = frob")
        made.write()
        assert "not reloaded" in made.reload() + made.log()
        assert second.say(f"RCPT TO:<{TO}>") == "450 4.3.2 Service currently unavailable"
        made.settings.pop()
        made.write()
        made.reload()
        assert second.say(f"RCPT TO:<{TO}>") == "250 2.1.5 Ok"


def test_what_an_operator_sees(warm: Warm) -> None:
    with screened(warm, DEEP) as made:
        assert operator(made, "show", "127.0.0.1").returncode == 1
        with smtplib.SMTP("127.0.0.1", made.port, timeout=20) as client:
            client.sendmail(FROM, [TO], MESSAGE)
        assert made.logged("PASS NEW")
        found = json.loads(operator(made, "list", "--json").stdout)
        assert [each["address"] for each in found["passed"]] == ["127.0.0.1"] and not found["caught"]
        assert found["passed"][0]["trials"]["pipelining"]["state"] == "valid"
        assert "127.0.0.1" in operator(made, "list").stdout


@pytest.mark.parametrize(("setting", "wanted"), [
    ("postscreen_greet_action = frob", "postscreen_greet_action"),
    ("postscreen_access_list = permit_mynetwork", "postscreen_access_list: unknown command"),
    ("postscreen_dnsbl_sites = list.test=1.2.3", "bad DNSBL filter syntax"),
    ("postscreen_upstream_proxy_protocol = haprox", "unsupported postscreen_upstream_proxy_protocol value"),
    ("postscreen_command_filter = tcp:127.0.0.1:1", "postscreen_command_filter"),
])
def test_what_is_wrong_is_one_line(warm: Warm, setting: str, wanted: str) -> None:
    with pytest.raises(NotServing) as ended, screened(warm, [setting]):
        pass
    said = [line for line in ended.value.said.splitlines() if not line.startswith("exit status")]
    assert ended.value.status == 2 and len(said) == 1 and wanted in said[0] and "main.cf:" in said[0], said
