"""audit/flow.py reads a list as smtpd runs it: the engine's compiler is the yardstick; tables count by their rows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import gatepost.config.parameters as p
from gatepost.audit.flow import ANYTHING, LISTS, Item, Kind, May, Reader, RestrictionList, Who
from gatepost.audit.inputs import of_texts
from gatepost.audit.subject import Subject
from gatepost.audit.table import table
from gatepost.config.parameter import Word, split_list
from gatepost.config.settings import Settings
from gatepost.lookup.fake import FakeLookups
from gatepost.policy.program import Compiler
from gatepost.policy.restrictions import RESTRICTIONS

NAME = "smtpd_recipient_restrictions"


def audited(main: str, **tables: str) -> Subject:
    texts = {f"/etc/postfix/{name}": text for name, text in tables.items()}
    return of_texts({"main.cf": main, **texts}, "main.cf", main, "(stock)", "smtp inet n - y - - smtpd\n")


def listed(value: str, more: str = "", **tables: str) -> RestrictionList:
    return audited(f"{NAME} = {value}\n{more}", **tables).listeners[0].list(NAME)


def only(value: str, **tables: str) -> Item:
    (item,) = listed(value, **tables).items
    return item


WORDS = st.sampled_from([
    "permit", "reject", "defer", "permit_mynetworks", "reject_unauth_destination", "warn_if_reject", "REJECT", "Permit",
    "reject_rbl_client", "check_sender_access", "hash:/etc/postfix/x", "check_policy_service", "sleep", "1", "strict",
    "open", "nonsense", "zen.example.org", "inet:127.0.0.1:1", "check_relay_domains", "defer_if_permit"])


@given(st.lists(WORDS, max_size=8), st.lists(WORDS, max_size=3), st.lists(WORDS, max_size=3))
def test_items_are_those_that_the_engine_runs(words: list[str], strict: list[str], open_: list[str]) -> None:
    strict, open_ = ([word for word in words if word not in ("strict", "open")] for words in (strict, open_))
    while words and words[-1] == "warn_if_reject":  # no item, yet the engine says it is ignored
        words.pop()
    values = {NAME: " ".join(words), "strict": " ".join(strict) or "permit_mynetworks",
              "open": " ".join(open_) or "reject", "smtpd_restriction_classes": "strict, open"}
    settings = Settings.of(values)
    compiled = Compiler(settings, FakeLookups(tables={"hash:/etc/postfix/x": {}}), strict=False)
    program = compiled.compile(NAME, settings[p.SMTPD_RECIPIENT_RESTRICTIONS], "check_recipient_access")
    mine = Reader(settings.words, lambda spec: table(spec, lambda _: None), frozenset({"strict", "open"})).read(NAME)
    assert [item.warned for item in mine.items] == [check.warn for check in program.checks]
    assert [item.word for item in mine.items] == [check.token.split()[0] for check in program.checks]
    ignored = [item.ends and at + 1 < len(mine.items) for at, item in enumerate(mine.items)
               if item.kind is not Kind.CLASS]
    assert ignored == [bool(check.ignored) for check, item in zip(program.checks, mine.items, strict=True)
                       if item.kind is not Kind.CLASS]


@given(st.lists(WORDS, max_size=8))
def test_nothing_is_reached_behind_an_end(words: list[str]) -> None:
    found = listed(" ".join(words))
    ended = False
    for item in found.items:
        assert item.reached is not ended
        ended = ended or item.ends
    assert found.every == found.items


ENDS: list[tuple[str, str | None]] = [
    ("permit", "permit"), ("reject", "reject"), ("defer", "defer"), ("PERMIT", "PERMIT"),
    ("warn_if_reject reject", None), ("warn_if_reject permit", "permit"), ("permit_mynetworks", None),
    ("reject_rbl_client reject", None), ("closed", "closed"), ("half", None), ("deep", "deep"),
    ("defer_if_permit", None)]


@pytest.mark.parametrize(("value", "by"), ENDS)
def test_what_ends_a_list(value: str, by: str | None) -> None:
    classes = ("smtpd_restriction_classes = closed, half, deep\nclosed = permit_mynetworks, reject\n"
               "half = permit_mynetworks\ndeep = half, closed, half\n")
    found = listed(f"{value}, reject_unauth_pipelining", classes)
    last = found.items[-1]
    assert last.name == "reject_unauth_pipelining"
    assert (last.ended_by.word if last.ended_by else None) == by


RESULTS: list[tuple[str, May]] = [
    ("OK", May.PERMIT), ("ok", May.PERMIT), ("12345", May.PERMIT), ("550", May.PERMIT), ("permit", May.PERMIT),
    ("REJECT", May.REJECT), ("REJECT no spam", May.REJECT), ("550 no", May.REJECT), ("521 5.7.1 go", May.REJECT),
    ("450 later", May.DEFER), ("DEFER", May.DEFER), ("DEFER_IF_PERMIT busy", May.DEFER), ("DUNNO", May.DUNNO),
    ("PREPEND X-A: b", May.DUNNO), ("FILTER smtp:[::1]:1", May.DUNNO), ("HOLD", May.DUNNO), ("WARN ok", May.DUNNO),
    ("permit_mynetworks, reject", May.PERMIT | May.REJECT), ("reject, permit", May.REJECT),
    ("strict", May.PERMIT | May.REJECT), ("check_client_access hash:/etc/postfix/none", ANYTHING)]


@pytest.mark.parametrize(("value", "may"), RESULTS)
def test_a_result_of_a_table(value: str, may: May) -> None:
    more = "smtpd_restriction_classes = strict\nstrict = permit_mynetworks, reject\n"
    item = listed("check_sender_access hash:/etc/postfix/senders", more, senders=f"a@example.org {value}\n").items[0]
    assert item.may == may, item.may


@pytest.mark.parametrize(("value", "text"), [
    ("check_client_access cidr:/etc/postfix/t", "192.0.2.0/24 OK\n!10.0.0.0/8 REJECT\n"),
    ("check_client_access regexp:/etc/postfix/t", "# rules\n/^mail\\./ OK\nif /x/\n/y/ REJECT\nendif\n"),
    ("check_client_access pcre:/etc/postfix/t", "/a\\/b/i OK\n!/x y/ REJECT x\n"),
    ("check_client_access proxy:hash:/etc/postfix/t", '"a b" OK\nc\n  REJECT\n'),
    ("check_client_access inline:{{a = OK}, {b = REJECT x}}", ""),
    ("hash:/etc/postfix/t", "a OK\nb REJECT\n")])
def test_tables_of_every_kind_are_read(value: str, text: str) -> None:
    item = only(value, t=text)
    assert item.may == May.PERMIT | May.REJECT and item.table is not None and item.table.rows is not None
    assert len(item.table.rows) == 2


def test_what_cannot_be_read_may_be_anything() -> None:
    for value in ("check_client_access hash:/etc/postfix/gone", "check_client_access mysql:/etc/postfix/x.cf",
                  "check_policy_service inet:127.0.0.1:10023"):
        item = only(value)
        assert item.permits and item.refuses and bool(item.may & May.UNKNOWN), value
    assert only("check_policy_service unix:x").who is Who.SERVER


def test_a_restriction_takes_the_next_word() -> None:
    found = listed("reject_rbl_client, reject_unauth_destination")
    assert [(item.name, item.argument) for item in found.items] == [("reject_rbl_client", "reject_unauth_destination")]
    assert found.barrier is None
    assert only("reject_rbl_client").missing


def test_a_warned_barrier_is_none() -> None:
    assert listed("warn_if_reject reject_unauth_destination").barrier is None
    barrier = listed("permit_mynetworks, defer_unauth_destination").barrier
    assert barrier is not None and barrier.name == "defer_unauth_destination"


def test_permits_before_say_whom() -> None:
    found = listed("permit_mynetworks, mine, check_helo_access hash:/etc/postfix/h, reject_unauth_destination",
                   "smtpd_restriction_classes = mine\nmine = permit_sasl_authenticated, reject_unknown_sender_domain\n")
    barrier = found.barrier
    assert barrier is not None
    assert [item.who for item in found.permits_before(barrier)] == [Who.NETWORKS, Who.LOGIN, Who.TABLE]
    assert found.lets_in is None and listed("permit_mynetworks, reject").lets_in == {Who.NETWORKS}


def test_places_are_those_of_the_items() -> None:
    main = (f"mine = permit_mynetworks,\n  reject_unauth_destination\n{NAME} = reject_non_fqdn_sender,\n# why\n"
            "  $mine, warn_if_reject\n  reject_rbl_client\n  zen.example.org\n")
    found = audited(main).listeners[0].list(NAME)
    spans = [(item.span.line, item.span.column) for item in found.items if item.span]
    assert spans == [(3, len(NAME) + 4), (1, 8), (2, 3), (6, 3)]
    last = found.items[-1]
    assert last.argument_span and last.argument_span.line == 7 and last.warn_span and last.warn_span.line == 5


def test_a_class_in_itself_is_nothing_known() -> None:
    found = listed("loop", "smtpd_restriction_classes = loop\nloop = permit_mynetworks, loop\n")
    assert [item.kind for item in found.every] == [Kind.CLASS, Kind.RESTRICTION, Kind.UNKNOWN]


def test_old_spellings_have_the_new_name() -> None:
    assert only("reject_unknown_client").name == "reject_unknown_client_hostname"
    assert only("reject_unknown_client").text == "reject_unknown_client"


@given(st.text(alphabet="permit,reject \t{}$!:/_=abc\n#\\", max_size=60))
def test_any_text_is_a_list(text: str) -> None:
    words = tuple(Word(item) for _, item in split_list(text))
    reader = Reader(lambda _: words, lambda spec: table(spec, lambda _: ("t", text)), frozenset({"abc"}))
    for name in LISTS:
        found = reader.read(name)
        assert found.may is not None and len(found.every) >= len(found.items)


def test_every_restriction_may_do_something_or_nothing() -> None:
    silent = [name for name in RESTRICTIONS if listed(f"{name} type:x").items[0].may == May.DUNNO]
    assert silent == ["sleep"]
