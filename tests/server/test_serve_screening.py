"""A postscreen service of `gatepost serve`: screened, promoted, demoted; its memory; what an operator sees of it."""

from __future__ import annotations

import contextlib
import re
import smtplib
import time
from collections.abc import Iterator, Sequence

from tests.server.house import FROM, TO, House, Talk, house
from tests.serving import Warm

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
        began = time.monotonic()
        with made.talk(greeted=False) as client:
            assert greeted(client).startswith("220 ")
            assert time.monotonic() - began < 0.3
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
