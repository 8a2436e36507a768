"""A served client meets address verification: it waits, or comes again; the next hop is one of our own kind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.house import House
from tests.serving import Warm

VERIFYING = ["virtual_mailbox_domains = box.test", "virtual_mailbox_maps = inline:{ joe@box.test=joe/ }",
             f"virtual_uid_maps = static:{65534}", f"virtual_gid_maps = static:{65534}", "virtual_minimum_uid = 1",
             "smtpd_recipient_restrictions = permit_mynetworks, reject_unverified_recipient, reject_unauth_destination",
             "smtpd_relay_restrictions = ", "unverified_recipient_reject_code = 550",
             "mynetworks = 192.0.2.0/24", "data_directory = @ROOT@"]


@pytest.fixture
def next_hop(warm: Warm, tmp_path: Path) -> Iterator[House]:
    """A server that takes mail for user@example.test only."""
    (tmp_path / "next").mkdir()
    with House(warm, tmp_path / "next") as house:
        yield house


def test_the_next_hop_decides(warm: Warm, tmp_path: Path, next_hop: House) -> None:
    (tmp_path / "first").mkdir()
    settings = [*VERIFYING, "mydestination =", "relay_domains = example.test", "myhostname = first.example.test",
                f"relayhost = [127.0.0.1]:{next_hop.port}", "myorigin = first.example.test"]
    with House(warm, tmp_path / "first", settings) as house, house.talk() as client:
        assert client.say("EHLO client.test").startswith("250")
        client.say("MAIL FROM:<sender@client.test>")
        assert client.say("RCPT TO:<user@example.test>") == "250 2.1.5 Ok"
        refused = client.say("RCPT TO:<nobody@example.test>")
        assert refused.startswith("550 5.1.1 <nobody@example.test>: Recipient address rejected: undeliverable address: "
                                  "host 127.0.0.1[127.0.0.1] said: 550 5.1.1 <nobody@example.test>"), refused
        assert client.say("RCPT TO:<double-bounce@first.example.test>") == "250 2.1.5 Ok", "never probed"
        assert house.logged("status=undeliverable") and house.logged("status=deliverable")
        assert (house.root / "verify_cache.sqlite").exists()
    assert next_hop.logged("from=<double-bounce@first.example.test>")


def test_a_client_that_is_not_kept_waiting_comes_again(warm: Warm, tmp_path: Path) -> None:
    with House(warm, tmp_path, [*VERIFYING, "address_verify_poll_count = 1"]) as house, house.talk() as client:
        client.say("EHLO client.test")
        client.say("MAIL FROM:<sender@client.test>")
        assert client.say("RCPT TO:<joe@box.test>") == ("450 4.1.1 <joe@box.test>: Recipient address rejected: "
                                                        "unverified address: Address verification in progress")
        assert house.logged("status=deliverable (delivers to maildir)")
        assert client.say("RCPT TO:<joe@box.test>") == "250 2.1.5 Ok"
