"""Address verification: probes against a scripted next hop, tables, and what is remembered of them."""

from __future__ import annotations

import asyncio
import os
import pwd
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import pytest

from gatepost.config.load import loads
from gatepost.config.settings import Settings
from gatepost.deliver.verify import Verifier
from gatepost.deliver.verify_cache import Cache, Entry
from gatepost.lookup.ask import Verification
from gatepost.lookup.fake import FakeLookups
from gatepost.lookup.verify_sender import VerifySender
from tests.deliver.peer import Peer

ME = pwd.getpwuid(os.getuid())
MASTER = """\
smtp       unix - - n - - smtp
ask        unix - - n - - smtp
  -o smtp_address_verify_target=data
lmtp       unix - - n - - lmtp
local      unix - n n - - local
virtual    unix - n n - - virtual
error      unix - - n - - error
"""
MAIN = {"myhostname": "mx.example", "mydestination": "mx.example", "inet_interfaces": "loopback-only",
        "address_verify_map": "", "virtual_mailbox_domains": "box.example", "virtual_mailbox_base": "/nowhere",
        "virtual_mailbox_maps": "hash:boxes", "virtual_uid_maps": "static:5000", "virtual_gid_maps": "static:5000",
        "virtual_alias_maps": "hash:virtual", "alias_maps": "hash:aliases", "relay_domains": "relay.example",
        "address_verify_poll_delay": "1000s"}
TABLES = {"hash:boxes": {"joe@box.example": "joe/"}, "hash:aliases": {"list": "joe@box.example, gone@box.example"},
          "hash:virtual": {"both@box.example": "joe@box.example, gone@box.example",
                           "one@box.example": "joe@box.example"}}


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class Lab:
    """A verifier with its log. `ask` waits for the probe unless the poll settings say not to."""

    def __init__(self, main: Mapping[str, str] = {}) -> None:
        self.log: list[str] = []
        self.clock = Clock()
        text = "".join(f"{name} = {value}\n" for name, value in (MAIN | dict(main)).items())
        self.verifier = Verifier(loads(text, MASTER), FakeLookups(tables=TABLES), new_id=lambda: "PROBE1",
                                 info=lambda daemon, line: self.log.append(f"{daemon}: {line}"),
                                 warn=lambda line: self.log.append(f"warning: {line}"), clock=self.clock)

    async def ask(self, address: str) -> Verification:
        return await self.verifier(address, sender=False)

    async def settled(self) -> None:
        """Until no probe is under way."""
        await asyncio.gather(*self.verifier._pending.values())


def run(play: Callable[[Lab, Peer], Awaitable[None]], main: Mapping[str, str] = {}, **peer: object) -> list[str]:
    """Play against a peer that is the relayhost of the lab; its log."""

    async def go() -> list[str]:
        async with Peer(**peer) as next_hop:  # type: ignore[arg-type]
            lab = Lab({"relayhost": next_hop.nexthop} | dict(main))
            try:
                await play(lab, next_hop)
            finally:
                await lab.verifier.close()
            return lab.log

    return asyncio.run(go())


REMOTE: list[tuple[str, dict[str, str | None], str, str]] = [
    ("an address that the next server takes", {}, "deliverable", "250 2.1.0 Ok"),
    ("one that it refuses", {"RCPT TO:<a@away.example>": "550 5.1.1 nobody"}, "undeliverable",
     "said: 550 5.1.1 nobody (in reply to RCPT TO command)"),
    ("one that it does not want now", {"RCPT TO:<a@away.example>": "450 4.2.0 greylisted"}, "deferred",
     "said: 450 4.2.0 greylisted (in reply to RCPT TO command)"),
    ("a sender that it refuses", {"MAIL FROM:<double-bounce@mx.example>": "553 5.1.8 go"}, "undeliverable",
     "said: 553 5.1.8 go (in reply to MAIL FROM command)"),
    ("a server that is not there", {"CONNECT": None}, "deferred", "lost connection"),
]


@pytest.mark.parametrize("offers", [("PIPELINING",), ()], ids=["pipelining", "plain"])
@pytest.mark.parametrize(("sentence", "says", "status", "text"), REMOTE, ids=[case[0] for case in REMOTE])
def test_the_next_server_is_asked(sentence: str, says: dict[str, str | None], status: str, text: str,
                                  offers: tuple[str, ...]) -> None:
    async def play(lab: Lab, peer: Peer) -> None:
        found = await lab.ask("a@away.example")
        assert (found.status, text in found.text) == (status, True), found
        assert not peer.messages and "DATA" not in peer.lines
        assert f"status={status} (" in lab.log[0] and lab.log[0].startswith("smtp: PROBE1: to=<a@away.example>, relay=")

    run(play, says=says, offers=offers)


def test_a_connection_serves_probe_after_probe() -> None:
    async def play(lab: Lab, peer: Peer) -> None:
        await lab.ask("a@away.example")
        await lab.ask("b@away.example")
        assert peer.connections == 1 and peer.lines[-3:] == ["RSET", "MAIL FROM:<double-bounce@mx.example>",
                                                             "RCPT TO:<b@away.example>"]

    run(play)


@pytest.mark.parametrize(("reply", "status"), [("354 go", "deliverable"), ("554 5.7.1 no", "undeliverable")])
def test_data_may_be_the_step_that_answers(reply: str, status: str) -> None:
    async def play(lab: Lab, peer: Peer) -> None:
        assert (await lab.ask("a@away.example")).status == status
        assert "DATA" in peer.lines and not peer.messages

    run(play, {"address_verify_default_transport": "ask"}, says={"DATA": reply})


def test_probes_have_a_route_of_their_own() -> None:
    async def play(lab: Lab, peer: Peer) -> None:
        assert (await lab.ask("a@away.example")).status == "undeliverable"
        assert not peer.connections
        assert (await lab.ask("a@relay.example")).status == "deliverable"

    run(play, {"address_verify_default_transport": "error:5.1.2 not there", "address_verify_sender": "",
               "address_verify_relayhost": "", "address_verify_relay_transport": "smtp:$relayhost"})


HERE = [
    ("a mailbox", "joe@box.example", "deliverable", "delivers to maildir"),
    ("no mailbox", "gone@box.example", "undeliverable", 'unknown user: "gone@box.example"'),
    ("an alias of a mailbox", "one@box.example", "deliverable", "delivers to maildir"),
    ("an alias of several", "both@box.example", "deliverable", "aliased to multiple recipients"),
    ("a local alias", "list@mx.example", "deliverable", "aliased to multiple recipients"),
    ("a local user", f"{ME.pw_name}@mx.example", "deliverable", "delivers to mailbox"),
    ("no local user", "nobody-has-this-name@mx.example", "undeliverable", 'unknown user: "nobody-has-this-name"'),
    ("our own probe sender", "double-bounce@mx.example", "deliverable", "our own address"),
]


@pytest.mark.parametrize(("sentence", "address", "status", "text"), HERE, ids=[case[0] for case in HERE])
def test_what_is_here_is_answered_from_tables(sentence: str, address: str, status: str, text: str) -> None:
    async def play(lab: Lab, peer: Peer) -> None:
        found = await lab.ask(address)
        assert (found.status, found.text) == (status, text) and not peer.connections

    run(play)


def test_whoever_does_not_wait_learns_it_the_next_time() -> None:
    async def play(lab: Lab, peer: Peer) -> None:
        assert (await lab.ask("a@away.example")).status == "unknown"
        assert (await lab.ask("a@away.example")).status == "unknown"
        await lab.settled()
        assert (await lab.ask("A@away.example")).status == "unknown", "local parts differ by case"
        assert (await lab.ask("a@AWAY.example")).status == "deliverable"
        assert peer.lines.count("RCPT TO:<a@away.example>") == 1

    run(play, {"address_verify_poll_count": "1"})


def test_what_is_known_is_not_asked_again_until_it_grows_old() -> None:
    async def play(lab: Lab, peer: Peer) -> None:
        async def probes_after(seconds: int) -> int:
            lab.clock.now += seconds
            assert (await lab.ask("a@away.example")).status == "deliverable"
            await lab.settled()
            return peer.lines.count("RCPT TO:<a@away.example>")

        assert [await probes_after(0), await probes_after(99), await probes_after(2)] == [1, 1, 2]
        lab.clock.now += 1001
        assert lab.verifier._known("a@away.example") is None, "expired"

    run(play, {"address_verify_positive_refresh_time": "100s", "address_verify_positive_expire_time": "1000s"})


def test_a_good_result_outlives_a_broken_server() -> None:
    async def play(lab: Lab, peer: Peer) -> None:
        await lab.ask("a@away.example")
        peer.says = {"RCPT TO:<a@away.example>": "450 4.3.0 broken"}
        lab.clock.now += 101
        await lab.ask("a@away.example")
        await lab.settled()
        assert (await lab.ask("a@away.example")).status == "deliverable"

    run(play, {"address_verify_positive_refresh_time": "100s"})


@pytest.mark.parametrize(("keep", "probes"), [("yes", 1), ("no", 2)])
def test_failures_may_be_kept_or_not(keep: str, probes: int) -> None:
    async def play(lab: Lab, peer: Peer) -> None:
        for _ in range(2):
            assert (await lab.ask("a@away.example")).status == "undeliverable"
        assert peer.lines.count("RCPT TO:<a@away.example>") == probes

    run(play, {"address_verify_negative_cache": keep}, says={"RCPT TO:<a@away.example>": "550 5.1.1 no"})


def test_a_file_outlives_the_process(tmp_path: Path) -> None:
    main = {"address_verify_map": f"btree:{tmp_path}/verify_cache"}

    async def ask(lab: Lab, peer: Peer) -> None:
        assert (await lab.ask("ä@away.example")).status == "deliverable"

    async def ask_without_server(lab: Lab, peer: Peer) -> None:
        await ask(lab, peer)
        assert not peer.connections

    run(ask, main, offers=("SMTPUTF8",))
    assert (tmp_path / "verify_cache.sqlite").exists()
    run(ask_without_server, main)


def test_a_file_that_cannot_be_used_costs_one_warning(tmp_path: Path) -> None:
    (tmp_path / "cache").write_bytes(b"this is no database, whatever its name may be" * 100)
    said: list[str] = []
    cache = Cache(str(tmp_path / "cache"), said.append)
    entry = Entry("deliverable", "2.0.0", "ok", 100)
    cache.put("a", entry)
    assert cache.get("a") == entry and len(said) == 1
    cache.remove("a")
    assert cache.get("a") is None


@pytest.mark.parametrize("path", ["", "cache"], ids=["memory", "file"])
def test_sweeping_forgets_what_no_longer_counts(path: str, tmp_path: Path) -> None:
    cache = Cache(path and str(tmp_path / path), lambda text: None)
    cache.put("good", Entry("deliverable", "", "", 50))
    cache.put("bad", Entry("undeliverable", "", "", 50))
    cache.sweep(40, 60)
    assert cache.get("good") is not None and cache.get("bad") is None
    cache.close()


def test_the_probe_sender_changes_with_the_time_and_is_known() -> None:
    clock = Clock()
    settings = {"myhostname": "mx.example", "myorigin": "mx.example", "address_verify_sender_ttl": "3600s"}
    sender = VerifySender.of(Settings.of(settings), clock)
    first = sender.now()
    assert first != "double-bounce@mx.example" and sender.is_ours(first.upper())
    clock.now += 3600
    assert sender.now() != first and sender.is_ours(first) and sender.is_ours(sender.now())
    clock.now += 3600
    assert not sender.is_ours(first) and not sender.is_ours("double-bounce@mx.example")


def test_a_broken_table_is_no_verdict() -> None:
    async def play(lab: Lab, peer: Peer) -> None:
        assert (await lab.ask("a@away.example")).status == "deferred"

    run(play, {"address_verify_transport_maps": "nosuch:table"})
