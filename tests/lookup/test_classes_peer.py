"""The same addresses put to a running Postfix and to us, on the same configuration: what each makes of them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from gatepost.config.load import load
from gatepost.dialogue.format import Dialogue
from gatepost.lookup.classes import Classes
from gatepost.lookup.fake import FakeLookups
from gatepost.smtp.grammar import address, external, tokenise
from tests.kit import needs
from tests.lab import postfix

BAD = "501"

WRITTEN = (
    'user a!b a%b a!b!c a%b%c a!b%c a%b!c user@ @ @example.test ""@example.test "a_b"@example.test "a@b"@example.test '
    '"a%b"@example.test "a!b"@example.test "a,b!c,d"@example.test a!b@example.test a%b@example.test a%b@virt.test '
    'a!b@virt.test "a%b"@virt.test "a@b"@virt.test "a,b"@virt.test x@virt.test. x@virt.test.. x@. user%@example.test '
    '!user@example.test a!@example.test %b@example.test a%b%example.test@example.test user@[127.0.0.1] '
    'example.test!user@example.test a%b@[127.0.0.1] user@[192.0.2.1] user@[IPv6:::1] user@1.2.3.4 user@localhost '
    'user@under_score.test user@a-.test user@-a.test user@[1.2.3] user@[junk] a..b@example.test .a@example.test '
    'a.@example.test user@sub.relay.test x@EXAMPLE.TEST a%b@relay.test a@b@example.test "a@b@c"@example.test '
    '"a@[127.0.0.1]"@example.test "a@example.test"@example.test a%b@c@example.test "a!b@c"@example.test '
    'user@example.test%x mailer-daemon postmaster@virt.test a!b.c!d@example.test b.!a@example.test x@1.2.3.4. x@123 '
    '"x" x@a.b. nobody@alias.test x@[127.0.0.1]. "a\\"b"@virt.test "a\\\\b"@virt.test'
)
ADDRESSES = [*WRITTEN.split(), f"user@{'a' * 63}.test", f"user@{'a' * 64}.test"]

SWITCHES = ["", "append_dot_mydomain = yes", "swap_bangpath = no", "allow_percent_hack = no",
            "resolve_dequoted_address = no", "resolve_null_domain = yes", "resolve_numeric_domain = yes",
            "append_at_myorigin = no"]


def replies(port: int, addresses: list[str]) -> Iterator[str]:
    """The reply to RCPT TO for each address."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client, client.makefile("rb") as lines:
        lines.readline()
        for command in ("HELO client.example", "MAIL FROM:<a@client.example>"):
            client.sendall(command.encode() + b"\r\n")
            lines.readline()
        for one in addresses:
            client.sendall(f"RCPT TO:<{one}>\r\n".encode())
            yield lines.readline().decode().strip()


def configured(*config: str, table: list[str] | None = None) -> Dialogue:
    dialogue = Dialogue("addresses")
    dialogue.config += ["smtpd_hard_error_limit = 1000", *(line for line in config if line)]
    if table is not None:
        dialogue.files.append(("t", table))
    return dialogue


def ours(root: Path) -> Classes:
    return Classes(load(str(root / "conf")).main, FakeLookups())


def internal(written: str) -> str | None:
    return address(tokenise(f"<{written}>")[0], strict=False, empty=False)


@pytest.mark.peer
@needs("postfix", root=True)
@pytest.mark.parametrize("switch", SWITCHES)
def test_canonical_addresses(switch: str) -> None:
    """Postfix shows the first key that an access table is asked for: the canonical address in external form."""
    echo = configured(switch, "smtpd_relay_restrictions =",
                      "smtpd_recipient_restrictions = check_recipient_access pcre:$config_directory/t, reject",
                      table=["/^(.*)$/ REJECT key=$1"])
    expected, found = {}, {}
    with postfix(echo) as (port, root):
        subject = ours(root)
        for written, reply in zip(ADDRESSES, replies(port, ADDRESSES), strict=True):
            expected[written] = BAD if reply.startswith(BAD) else reply.partition(" rejected: key=")[2]
            plain = internal(written)
            resolved = asyncio.run(subject.resolve(plain)) if plain else None
            found[written] = external(resolved.address).lower() if resolved and resolved.valid else BAD
    assert found == expected


@pytest.mark.peer
@needs("postfix", root=True)
@pytest.mark.parametrize("switch", SWITCHES)
def test_authorised_destinations_and_unlisted_recipients(switch: str) -> None:
    expected, found = {}, {}
    with postfix(configured(switch, "smtpd_relay_restrictions = permit_auth_destination, reject")) as (port, root):
        for written, reply in zip(ADDRESSES, replies(port, ADDRESSES), strict=True):
            expected[written] = _meaning(reply)
            found[written] = _verdict(ours(root), written)
    assert found == expected


def _meaning(reply: str) -> str:
    if reply.startswith((BAD, "250")):
        return reply[:3]
    return reply.partition(" rejected: ")[2]


def _verdict(subject: Classes, written: str) -> str:
    plain = internal(written)
    resolved = asyncio.run(subject.resolve(plain)) if plain else None
    if resolved is None or not resolved.valid:
        return BAD
    if not subject.authorised(resolved):
        return "Access denied"
    missing = asyncio.run(subject.unlisted(resolved, sender=False))
    return missing.text if missing else "250"


ASKED = ('u+e@d1.test u+e@d2.test u+e@d3.test u+e@s.d4.test u+e@s.d5.test "a,b"@d6.test u+e@example.test '
         'v+e@example.test w@example.test x+@d8.test +y@d8.test u+a+b@d9.test user+x@example.test other@virt.test '
         '"a,b+e"@d10.test U+E@D1.TEST owner-x+e@d11.test a.b.c@d12.sub.test z@nowhere.test m@1d.test q@[192.0.2.9] '
         'q@[127.0.0.1] k@mx.example.test info@alias.test no@alias.test')
TABLE = ('u+e@d1.test u@d1.test d1.test u@d2.test d2.test d3.test d4.test .d5.test "a,b"@d6.test u+e v '
         'w@example.test '
         'x@d8.test y@d8.test @d8.test d8.test u@d9.test u+a@d9.test user @virt.test "a,b"@d10.test owner-x@d11.test '
         'sub.test .sub.test [192.0.2.9] [127.0.0.1] k @d3.test @s.d4.test @d1.test @example.test @alias.test '
         'alias.test')
KEYED, KEYS = ASKED.split(), TABLE.split()
MAPS = ["transport_maps", "relocated_maps", "relay_recipient_maps", "local_recipient_maps", "virtual_mailbox_maps",
        "canonical_maps", "virtual_alias_maps", "sender_canonical_maps"]


@pytest.mark.peer
@needs("postfix", root=True)
@pytest.mark.parametrize("maps", MAPS)
@pytest.mark.parametrize("delimiter", ["+", "+-", ""])
@pytest.mark.parametrize("parents", ["", "transport_maps, relay_domains"])
def test_which_key_of_a_table_decides(maps: str, delimiter: str, parents: str) -> None:
    value = "error:hit" if maps == "transport_maps" else "hit"
    keyed = configured(
        f"recipient_delimiter = {delimiter}", f"parent_domain_matches_subdomains = {parents}",
        "virtual_mailbox_domains = virt.test d6.test d10.test",
        "relay_domains = d1.test, d2.test, d3.test, d4.test, .d5.test, d8.test, d9.test, d11.test",
        "smtpd_relay_restrictions =", "smtpd_recipient_restrictions = reject_unlisted_recipient, reject",
        f"{maps} = texthash:$config_directory/t", table=[f"{key} {value} {key}" for key in KEYS])
    expected, found = {}, {}
    with postfix(keyed) as (port, root):
        subject = ours(root)
        for written, reply in zip(KEYED, replies(port, KEYED), strict=True):
            expected[written] = reply.partition(" rejected: ")[2]
            resolved = asyncio.run(subject.resolve(internal(written) or ""))
            missing = asyncio.run(subject.unlisted(resolved, sender=False))
            found[written] = missing.text if missing else "Access denied"
    assert found == expected
