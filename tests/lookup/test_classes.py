"""Address classes, transports and unlisted addresses; expectations of the first table are recordings of Postfix 3.7."""

from __future__ import annotations

import asyncio

import pytest

from gatepost.config.settings import Settings
from gatepost.lookup.ask import LookupFailure
from gatepost.lookup.classes import Classes, Resolved, Unlisted
from gatepost.lookup.fake import FakeLookups
from gatepost.lookup.kept import KEPT_SECONDS

LAB = {
    "compatibility_level": "3.6", "myhostname": "mx.example.test", "mydomain": "example.test",
    "myorigin": "example.test", "mydestination": "example.test", "inet_interfaces": "127.0.0.1",
    "inet_protocols": "ipv4", "append_dot_mydomain": "no", "recipient_delimiter": "", "alias_maps": "",
    "local_recipient_maps": "inline:{ user=x, other=x, third=x, postmaster=x, abuse=x }",
    "virtual_mailbox_domains": "virt.test", "virtual_mailbox_maps": "inline:{ box@virt.test=x }",
    "virtual_alias_domains": "alias.test", "virtual_alias_maps": "inline:{ info@alias.test=user@example.test }",
    "relay_domains": "relay.test", "relay_recipient_maps": "inline:{ known@relay.test=x }",
    "local_transport": "discard:local", "virtual_transport": "discard:virtual", "relay_transport": "discard:relay",
    "default_transport": "discard:default",
}


def classes(lookups: FakeLookups | None = None, **values: str) -> Classes:
    return Classes(Settings.of(LAB | values), lookups or FakeLookups())


def resolve(subject: Classes, address: str, mail_from: str = "") -> Resolved:
    """Everything is in memory: one step must do."""
    step = subject.resolve(address, mail_from=mail_from)
    try:
        step.send(None)
    except StopIteration as done:
        result: Resolved = done.value
        return result
    raise AssertionError("it waits")


def unlisted(subject: Classes, address: str, *, sender: bool = False) -> Unlisted | None:
    return asyncio.run(subject.unlisted(resolve(subject, address), sender=sender))


DENIED, LISTED = "Relay access denied", "accepted"
RECORDED = [  # unauth-destination-reject
    ("user@example.test", LISTED), ("x@elsewhere.example", DENIED), ("box@virt.test", LISTED),
    ("nobox@virt.test", "User unknown in virtual mailbox table"), ("known@relay.test", LISTED),
    ("unknown@relay.test", "User unknown in relay recipient table"), ("info@alias.test", LISTED),
    ("nope@alias.test", "User unknown in virtual alias table"),
    ("nobody@example.test", "User unknown in local recipient table"), ("user@[127.0.0.1]", LISTED),
    ("user@[192.0.2.1]", DENIED), ("user@sub.example.test", DENIED),
    ("x@sub.relay.test", "User unknown in relay recipient table"), ("user%elsewhere.example@example.test", DENIED),
    ("elsewhere.example!user@example.test", DENIED), ("user%example.test@elsewhere.example", DENIED),
    ("postmaster", LISTED), ("POSTMASTER@EXAMPLE.TEST", LISTED), ("User@Example.Test", LISTED), ("user", LISTED),
    ("user@mx.example.test", DENIED), ("postmaster@elsewhere.example", DENIED), ("abuse", LISTED),
    ("user+ext@example.test", "User unknown in local recipient table"),
    ("a%b@virt.test", DENIED), ("a!b@relay.test", DENIED), ("user%example.test@example.test", LISTED),
    ("user@remote.example@example.test", DENIED), ("|ls@example.test", "User unknown in local recipient table"),
]


@pytest.mark.parametrize(("address", "expected"), RECORDED)
def test_as_postfix_answers_a_stranger(address: str, expected: str) -> None:
    subject = classes()
    resolved = resolve(subject, address)
    assert resolved.valid
    if not subject.authorised(resolved):
        assert expected == DENIED
    else:
        missing = unlisted(subject, address)
        assert (missing.text if missing else LISTED) == expected


@pytest.mark.parametrize("address", ["@", "user@", "-a@example.test", "user@example..test", "a@1.2.3.4", "a@[junk]",
                                     "a@-x.example", "user%@example.test"])
def test_addresses_that_are_refused_as_bad_syntax(address: str) -> None:
    assert not resolve(classes(), address).valid


RESOLVED = [
    ("user", "user@example.test", "local", False, "our origin is appended"),
    ("", "MAILER-DAEMON@mx.example.test", "default", False, "nobody is the mailer daemon, here at a host not ours"),
    ("@example.test", "MAILER-DAEMON@example.test", "local", False, "an empty local part too"),
    ("user%far.example@example.test", "user@far.example", "default", False, "our domain is stripped, % followed"),
    ("user@far.example@example.test", "user@far.example", "default", False, "a quoted @ too"),
    ("a!b!user@example.test", "b!user@a", "default", True, "what is left of a bang path is routed"),
    ("a%b@virt.test", "a%b@virt.test", "virtual-mailbox", True, "routing through a hosted domain"),
    ("two words@virt.test", "two words@virt.test", "virtual-mailbox", False, "a quoted local part"),
    ("user@Relay.Test", "user@Relay.Test", "relay", False, "case is kept"),
    ("user@sub.relay.test", "user@sub.relay.test", "relay", False, "relay_domains match sub-domains by default"),
    ("user@alias.test", "user@alias.test", "virtual-alias", False, "a virtual alias domain"),
    ("user@example.test.", "user@example.test", "local", False, "one trailing dot"),
]


@pytest.mark.parametrize(("address", "canonical", "kind", "routed", "why"), RESOLVED)
def test_resolution(address: str, canonical: str, kind: str, routed: bool, why: str) -> None:
    resolved = resolve(classes(), address)
    assert (resolved.address, resolved.kind, resolved.routed) == (canonical, kind, routed), why


def test_class_order_is_local_alias_mailbox_relay() -> None:
    everywhere = {name: "one.test two.test three.test four.test"[start:] for name, start in
                  (("mydestination", 24), ("virtual_alias_domains", 14), ("virtual_mailbox_domains", 9),
                   ("relay_domains", 0))}
    subject = classes(**everywhere)
    kinds = [resolve(subject, f"x@{domain}.test").kind for domain in ("four", "three", "two", "one")]
    assert kinds == ["local", "virtual-alias", "virtual-mailbox", "relay"]


def test_codes_and_shorter_text() -> None:
    subject = classes(unknown_local_recipient_reject_code="450", unknown_virtual_mailbox_reject_code="551",
                      unknown_virtual_alias_reject_code="552", unknown_relay_recipient_reject_code="553",
                      show_user_unknown_table_name="no")
    found = [unlisted(subject, address) for address in
             ("nobody@example.test", "nobox@virt.test", "nope@alias.test", "unknown@relay.test")]
    assert [(one.code, one.text) for one in found if one] == [
        (450, "User unknown"), (551, "User unknown"), (552, "User unknown"), (553, "User unknown")]


SENDERS = [
    ("user@example.test", None), ("x@elsewhere.example", None), ("", None),
    ("nobox@virt.test", Unlisted(550, "5.1.0", "User unknown in virtual mailbox table")),
    ("nope@alias.test", Unlisted(550, "5.1.1", "User unknown in virtual alias table", adjust=True)),
    ("unknown@relay.test", Unlisted(550, "5.1.0", "User unknown in relay recipient table")),
]


@pytest.mark.parametrize(("address", "expected"), SENDERS)
def test_senders(address: str, expected: Unlisted | None) -> None:
    assert unlisted(classes(), address, sender=True) == expected


def test_empty_tables_accept_all() -> None:
    subject = classes(local_recipient_maps="", virtual_mailbox_maps="", relay_recipient_maps="")
    assert [unlisted(subject, f"any@{domain}.test") for domain in ("example", "virt", "relay")] == [None] * 3


@pytest.mark.parametrize("name", ["postmaster", "MAILER-DAEMON", "double-bounce"])
def test_our_own_addresses_need_no_entry(name: str) -> None:
    assert unlisted(classes(local_recipient_maps="inline:{nobody=x}"), f"{name}@example.test") is None


REWRITING = [
    ("canonical_maps", "nobody@example.test", False, "full address"),
    ("canonical_maps", "nobody", False, "local part of a local domain"),
    ("canonical_maps", "@example.test", False, "whole domain"),
    ("virtual_alias_maps", "@virt.test", True, "another domain says nothing here"),
    ("recipient_canonical_maps", "nobody@example.test", False, "recipients"),
    ("sender_canonical_maps", "nobody@example.test", True, "not for recipients"),
]


@pytest.mark.parametrize(("parameter", "key", "refused", "why"), REWRITING)
def test_what_is_rewritten_is_taken_to_exist(parameter: str, key: str, refused: bool, why: str) -> None:
    subject = classes(**{parameter: f"inline:{{ {key}=other@elsewhere.example }}"})
    assert (unlisted(subject, "nobody@example.test") is not None) is refused, why


def test_sender_canonical_counts_for_senders() -> None:
    subject = classes(sender_canonical_maps="inline:{ nobody@example.test=x@y.example }")
    assert unlisted(subject, "nobody@example.test", sender=True) is None


def test_relocated_users() -> None:
    subject = classes(relocated_maps="inline:{ {moved@example.test = new@elsewhere.example} }")
    assert unlisted(subject, "moved@example.test") == Unlisted(
        550, "5.1.6", "User has moved to new@elsewhere.example", adjust=True)


ROUTES = [
    ("user@example.test", "discard", "local", "the class default with its own next hop"),
    ("x@elsewhere.example", "discard", "default", "a remote address"),
    ("user+a@mapped.example", "smtp", "full.example", "the address with extension"),
    ("other+a@mapped.example", "smtp", "user.example", "the address without extension"),
    ("x@mapped.example", "lmtp", "unix:private/lmtp", "the domain"),
    ("x@sub.mapped.example", "parent", "sub.mapped.example", "a parent; a transport alone resets the next hop"),
    ("x@same.example", "discard", "default", "nothing but a colon changes nothing"),
    ("x@hop.example", "discard", "[192.0.2.25]:2525", "a next hop alone"),
    ("x@gone.example", "error", "5.1.2 no such host", "a reason for refusing"),
    ("x@mute.example", "error", "Address is undeliverable", "without a reason"),
]


@pytest.mark.parametrize(("address", "transport", "nexthop", "why"), ROUTES)
def test_transport_maps(address: str, transport: str, nexthop: str, why: str) -> None:
    subject = classes(FakeLookups(tables={"hash:/transport": {
        "user+a@mapped.example": "smtp:full.example", "other@mapped.example": "smtp:user.example",
        "mapped.example": "lmtp:unix:private/lmtp", ".mapped.example": "parent:", "same.example": ":",
        "hop.example": ":[192.0.2.25]:2525", "gone.example": "error:5.1.2 no such host", "mute.example": "error:",
    }}), transport_maps="hash:/transport", recipient_delimiter="+", parent_domain_matches_subdomains="")
    resolved = resolve(subject, address)
    assert (resolved.transport, resolved.nexthop) == (transport, nexthop), why


def test_a_wildcard_takes_what_is_left_but_not_virtual_aliases() -> None:
    subject = classes(transport_maps="inline:{ *=smtp:smart.example }")
    assert resolve(subject, "x@elsewhere.example").nexthop == "smart.example"
    assert resolve(subject, "x@alias.test").transport == "error"


ERRORS = [
    ("error:5.7.1 go away", Unlisted(550, "5.7.1", "go away", adjust=True)),
    ("error:go away", Unlisted(550, "5.1.1", "go away", adjust=True)),
    ("retry:4.4.1 later", Unlisted(450, "4.4.1", "later", adjust=True)),
    ("retry:later", Unlisted(450, "4.1.1", "later", adjust=True)),
]


@pytest.mark.parametrize(("entry", "expected"), ERRORS)
def test_error_and_retry_transports_are_refused_at_rcpt(entry: str, expected: Unlisted) -> None:
    subject = classes(transport_maps=f"inline:{{ {{user@example.test = {entry}}} }}")
    assert unlisted(subject, "user@example.test") == expected


def test_relayhost_and_what_overrules_it() -> None:
    subject = classes(default_transport="smtp", relay_transport="relay", relayhost="[smart.example]:587",
                      sender_dependent_relayhost_maps="inline:{ @own.example=[own.example], {a@own.example=DUNNO} }",
                      sender_dependent_default_transport_maps="inline:{ {b@own.example=slow:} }")
    assert resolve(subject, "x@far.example").nexthop == "[smart.example]:587"
    assert resolve(subject, "x@relay.test").nexthop == "[smart.example]:587"
    assert resolve(subject, "x@virt.test").nexthop == "virtual", "not for what we deliver ourselves"
    assert resolve(subject, "x@far.example", "c@own.example").nexthop == "[own.example]"
    assert resolve(subject, "x@far.example", "a@own.example").nexthop == "[smart.example]:587"
    assert resolve(subject, "x@far.example", "b@own.example").transport == "slow"


def test_a_failing_table_is_told() -> None:
    lookups = FakeLookups(tables={"hash:/d": LookupFailure("down"), "hash:/r": LookupFailure("down")})
    with pytest.raises(LookupFailure):
        asyncio.run(classes(lookups, mydestination="hash:/d").resolve("x@elsewhere.example"))
    subject = classes(lookups, local_recipient_maps="hash:/r")
    with pytest.raises(LookupFailure):
        unlisted(subject, "user@example.test")
    with pytest.raises(LookupFailure, match="empty string"):
        unlisted(classes(local_recipient_maps="inline:{ {user= } }"), "user@example.test")


def test_results_are_kept_for_seconds_and_can_be_forgotten() -> None:
    now = [0.0]
    lookups = FakeLookups(tables={"hash:/d": {}})
    subject = Classes(Settings.of(LAB | {"mydestination": "hash:/d"}), lookups, clock=lambda: now[0])

    def asked(at: float) -> bool:
        before, now[0] = len(lookups.asked), at
        resolve(subject, "x@elsewhere.example")
        return len(lookups.asked) > before

    assert [asked(0), asked(KEPT_SECONDS - 1), asked(KEPT_SECONDS + 1)] == [True, False, True]
    subject.forget()
    assert asked(KEPT_SECONDS + 1)


def test_untrusted_routing_may_be_allowed() -> None:
    subject = classes(allow_untrusted_routing="yes")
    assert subject.authorised(resolve(subject, "a%b@virt.test"))
