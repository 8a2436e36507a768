"""Who talks out of turn and is not punished: harmless probes and exempt clients, by a real server and its log."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Sequence

import pytest

from tests.server.house import FROM, TO, House, Talk, house
from tests.server.test_serve_tls import TLS
from tests.serving import Warm

FORBID = "smtpd_forbid_unauth_pipelining = yes"
LINES = (f"MAIL FROM:<{FROM}>", f"RCPT TO:<{TO}>", "DATA", "Subject: x", "", "x", ".", "QUIT")
BLAST = "".join(f"{line}\r\n" for line in ("EHLO client.test", *LINES)).encode()
PAUSE = "gatepost_greet_pause = 300"  # what is sent at once comes before the greeting
HELLO_QUIT = b"EHLO we-guess.mozilla.org\r\nQUIT\r\n"
PUTTY = b"\xff\xfb\x1f\xff\xfb \xff\xfb\x18\xff\xfb'\xff\xfd\x01\xff\xfb\x03\xff\xfd\x03"


def heard(running: House, data: bytes, *, greeted: bool = True) -> list[str]:
    """Say this in one segment, after the greeting or at once -> every line that is answered."""
    with running.talk(greeted=False) as client:
        if greeted:
            client.read()
        client.send(data)
        return rest(client)


def rest(client: Talk) -> list[str]:
    return list(iter(client.line, ""))


def test_a_probe_is_answered_and_logged(warm: Warm) -> None:
    with house(warm, [FORBID, PAUSE]) as running:
        assert heard(running, HELLO_QUIT)[-1] == "221 2.0.0 Bye"
        assert running.logged("talk out of turn tolerated after EHLO from unknown[127.0.0.1]: hello-quit (")
        assert heard(running, HELLO_QUIT, greeted=False)[-1] == "221 2.0.0 Bye"
        assert running.logged("tolerated after CONNECT from unknown[127.0.0.1]: hello-quit (")
        assert "improper command pipelining" not in running.log()


def test_an_attack_is_refused_as_ever(warm: Warm) -> None:
    with house(warm, [FORBID]) as running:
        for data in (BLAST, HELLO_QUIT + BLAST):
            assert heard(running, data) == ["554 5.5.0 Error: SMTP protocol synchronization"]
        assert "tolerated" not in running.log()


def test_somebody_with_a_telnet_client_can_go_on(warm: Warm) -> None:
    with house(warm, [FORBID, PAUSE]) as running, running.talk(greeted=False) as client:
        client.send(PUTTY)
        assert client.read().startswith("220 ")
        assert client.say("HELP").startswith("214")
        assert client.say("EHLO client.test").startswith("250-")
        assert client.mail(b"Subject: x\r\n\r\nx\r\n").startswith("250 2.0.0")
        assert running.logged("tolerated after CONNECT from unknown[127.0.0.1]: telnet (buffered): \\377\\373\\037")


@pytest.mark.parametrize("settings", [["gatepost_compatibility = postfix"], ["gatepost_turn_tolerance ="],
                                      ["gatepost_turn_tolerance = early-hello, telnet"]])  # fmt: skip
def test_unless_it_is_not_tolerated(warm: Warm, settings: Sequence[str]) -> None:
    with house(warm, [FORBID, *settings]) as running:
        assert heard(running, HELLO_QUIT) == ["554 5.5.0 Error: SMTP protocol synchronization"]
        assert running.logged("improper command pipelining after EHLO from unknown[127.0.0.1]: QUIT\\r\\n")


@pytest.mark.parametrize("clients", ["127.0.0.0/8", "192.0.2.1, inline:{ 127.0.0.1=x }", "!127.0.0.2, 127.0.0.1"])
def test_an_exempt_client_may_say_what_it_likes(warm: Warm, clients: str) -> None:
    settings = [FORBID, "smtpd_data_restrictions = reject_unauth_pipelining",
                f"gatepost_turn_exempt_clients = {clients}"]
    with house(warm, settings) as running:
        assert any(line.startswith("250 2.0.0 Ok: queued") for line in heard(running, BLAST))
        assert running.logged("tolerated after EHLO from unknown[127.0.0.1]: exempt client (buffered): MAIL FROM:")
        assert running.log().count("tolerated") == 1 and "improper command" not in running.log()


@pytest.mark.parametrize("clients", ["$mynetworks", "!127.0.0.1, 127.0.0.0/8"])
def test_others_are_not_exempt(warm: Warm, clients: str) -> None:
    with house(warm, [FORBID, f"gatepost_turn_exempt_clients = {clients}"]) as running:
        assert heard(running, BLAST) == ["554 5.5.0 Error: SMTP protocol synchronization"]


def test_a_good_bye_of_tls_behind_quit_is_no_talk(warm: Warm) -> None:
    """check_ssmtp of the Nagios plugins: QUIT and close_notify in one segment."""
    with house(warm, [*TLS, FORBID]) as running, running.talk() as client:
        assert client.say("STARTTLS").startswith("220 ")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing)
        while True:
            with contextlib.suppress(ssl.SSLWantReadError):
                tls.do_handshake()
                break
            client.socket.sendall(outgoing.read())
            incoming.write(client.socket.recv(65536))
        tls.write(b"QUIT\r\n")
        with contextlib.suppress(ssl.SSLWantReadError):
            tls.unwrap()
        client.socket.sendall(outgoing.read())
        assert running.logged("disconnect from unknown[127.0.0.1]")
        assert "quit=1" in running.log() and "improper" not in running.log() and "tolerated" not in running.log()
