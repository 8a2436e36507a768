"""audit/edits.py: a change says what it means afterwards, and nothing else is touched."""

from __future__ import annotations

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gatepost.audit import listing
from gatepost.audit.change import (
    AddItems,
    Change,
    DropEarlier,
    DropItems,
    RemoveSetting,
    Rename,
    ReplaceItem,
    SetField,
    SetValue,
)
from gatepost.audit.edits import edits, written
from gatepost.audit.texts import CannotWrite, Home, Texts

LIST = "smtpd_recipient_restrictions"
ITEMS = ("permit_mynetworks", "reject_unauth_destination", "reject_unauth_pipelining", "check_client_access hash:/x",
         "check_policy_service { inet:h:1, timeout = 3 }", "permit")
OTHERS = ("smtpd_banner", "mynetworks", "relayhost", "smtpd_helo_required")
BETWEEN = st.sampled_from(["", "# a comment\n", "   # an indented one, reject\n", "\n", " \t\n", "#\r\n"])
GAPS = st.sampled_from([", ", " ", ",", " , ", "\t", ",\n    ", "\n\t", " \n  , ", ",\n\n  # why\n      ", ",\r\n    "])


@st.composite
def lists(draw: st.DrawFn, name: str = LIST, items: tuple[str, ...] = ITEMS) -> str:
    """An entry with a list in any style."""
    chosen = draw(st.lists(st.sampled_from(items), max_size=6))
    text = name + draw(st.sampled_from([" = ", "=", " =", " =\n    ", "\t= \n# first\n  ", "\n = "]))
    for at, item in enumerate(chosen):
        text += (draw(GAPS) if at else "") + item
    return text + draw(st.sampled_from(["", "", ",", " ", " ,"])) + draw(st.sampled_from(["\n", "\n", "\r\n"]))


@st.composite
def files(draw: st.DrawFn) -> str:
    """A main.cf with the list in it once or twice, or not at all."""
    blocks = draw(st.lists(st.one_of(BETWEEN, lists(), st.sampled_from(
        [f"{name} = {value}\n" for name in OTHERS for value in ("", "yes", "a,\n b")])), max_size=8))
    text = "".join(blocks)
    return text.removesuffix("\n") if draw(st.booleans()) else text


def tokens(items: tuple[str, ...]) -> list[str]:
    return [word for item in items for word in listing.words(item)]


CHANGES = st.one_of(
    st.builds(DropItems, st.just(LIST), st.lists(st.sampled_from(ITEMS), min_size=1, max_size=3).map(tuple)),
    st.builds(AddItems, st.just(LIST), st.lists(st.sampled_from(ITEMS), min_size=1, max_size=3, unique=True).map(tuple),
              st.sampled_from([None, *ITEMS]), comment=st.sampled_from(["", "Because.", "One.\nTwo."])),
    st.builds(ReplaceItem, st.just(LIST), st.sampled_from(ITEMS),
              st.sampled_from([*ITEMS, "reject_unlisted_recipient", "check_sender_access pcre:/y"])),
    st.builds(SetValue, st.just(LIST), st.lists(st.sampled_from(ITEMS), max_size=4).map(", ".join),
              comment=st.sampled_from(["", "Because."])),
    st.builds(SetValue, st.sampled_from(OTHERS), st.sampled_from(["no", "a b", ""])),
    st.builds(RemoveSetting, st.just(LIST)),
    st.builds(DropEarlier, st.just(LIST)),
)


def expected(change: Change, before: list[str]) -> list[str] | None:
    """The words of the list afterwards; None: it is not a matter of words."""
    match change:
        case DropItems(items=items):
            now = before
            for item in items:
                words = list(listing.words(item))
                while (at := listing.where(now, words)) >= 0:
                    now = now[:at] + now[at + len(words):]
            return now
        case AddItems(items=items, before=behind):
            at = len(before) if behind is None else listing.where(before, listing.words(behind))
            new = tuple(item for item in items
                        if item != behind and listing.where(before[:at], listing.words(item)) < 0)
            return before[:at] + tokens(new) + before[at:]
        case SetValue(name="smtpd_recipient_restrictions", value=value):
            return tokens((value,))
        case _:
            return None


@settings(deadline=None)
@given(files(), CHANGES)
def test_a_change_in_main_cf(text: str, change: Change) -> None:
    before = Texts.of(text)
    home = Home("", LIST)
    try:
        after = written(change, before)
    except CannotWrite:
        assert isinstance(change, AddItems) and change.before is not None
        return
    words = expected(change, listing.effective(before, home))
    if words is not None:
        assert listing.effective(after, home) == words
    if isinstance(change, RemoveSetting):
        assert after.placed(home) is None
    others = [(at, value) for at, value in before.values() if at.name != change.name]  # type: ignore[union-attr]
    assert others == [(at, value) for at, value in after.values() if at.name != change.name]  # type: ignore[union-attr]
    assert written(change, after) is after, "twice is once"
    kept = [line.rstrip("\r\n") for line in after.main.lines]
    for line in before.main.lines:
        if not line.strip() or line.strip().startswith("#"):
            assert line.rstrip("\r\n") in kept, "comments and blank lines stay"
            kept.remove(line.rstrip("\r\n"))


@settings(deadline=None)
@given(files(), CHANGES)
def test_edits_are_the_difference(text: str, change: Change) -> None:
    before = Texts.of(text)
    try:
        after = written(change, before)
    except CannotWrite:
        assume(False)
    now = text
    starts = [0]
    for line in before.main.lines:
        starts.append(starts[-1] + len(line))
    for edit in reversed(edits(before, after)):
        start = starts[edit.span.line - 1]
        now = now[:start] + edit.text + now[start + edit.span.length:]
    assert now == str(after.main)


SERVICE = "submission/inet"
OVERRIDE = "smtpd_sender_restrictions"
TIGHT = ("permit_mynetworks", "reject", "check_client_access,hash:/x", "$mua_sender_restrictions")


@st.composite
def services(draw: st.DrawFn) -> str:
    """A master.cf with the service in one style or another, and one behind it."""
    text = draw(BETWEEN) + "submission inet n - y - - smtpd" + draw(st.sampled_from(["", " -v", "\t-v -v"]))
    between = draw(st.sampled_from(["\n  ", " ", "\n\t", "\r\n  ", "\n# -o x=y\n  "]))
    for name in draw(st.lists(st.sampled_from(["syslog_name", OVERRIDE, "smtpd_tls_wrappermode"]), max_size=4)):
        value = ",".join(draw(st.lists(st.sampled_from(TIGHT), max_size=3)))
        text += between + draw(st.sampled_from([f"-o {name}={value}", f"-o{name}={value}", f"-o {{ {name} = {value} }}",
                                                f"-o {{{name}={value}}}"]))
    text += draw(st.sampled_from(["\n", "\r\n"])) + draw(BETWEEN)
    text += "filter unix - n n - 10 pipe flags=R\n  -v user=x argv=/bin/y -o z=1\n"
    return text.removesuffix("\n") if draw(st.booleans()) else text


MASTER_CHANGES = st.one_of(
    st.builds(SetValue, st.sampled_from([OVERRIDE, "smtpd_banner"]),
              st.sampled_from(["", "reject", "a, b", "$myhostname ESMTP"]), st.just(SERVICE),
              st.sampled_from(["", "Because."])),
    st.builds(DropItems, st.just(OVERRIDE),
              st.sampled_from([("permit_mynetworks",), ("check_client_access hash:/x", "reject")]), st.just(SERVICE)),
    st.builds(AddItems, st.just(OVERRIDE), st.sampled_from([("permit",), ("check_helo_access pcre:/h", "reject")]),
              st.sampled_from([None, "reject"]), st.just(SERVICE)),
    st.builds(RemoveSetting, st.just(OVERRIDE), st.just(SERVICE)),
    st.builds(DropEarlier, st.just(OVERRIDE), st.just(SERVICE)),
    st.builds(Rename, st.just(OVERRIDE), st.just("smtpd_helo_restrictions"), st.just(SERVICE)),
    st.builds(SetField, st.just(SERVICE), st.sampled_from(["chroot", "maxproc"]), st.sampled_from(["n", "1"])),
    st.builds(SetValue, st.just("smtp_banner"), st.just("x"), st.just("filter/unix")),
)


@settings(deadline=None)
@given(services(), MASTER_CHANGES)
def test_a_change_in_master_cf(master_text: str, change: Change) -> None:
    before = Texts.of("mua_sender_restrictions = permit_mynetworks, reject\n", master_text)
    try:
        after = written(change, before)
    except CannotWrite:
        assert isinstance(change, AddItems | SetField)
        return
    assert after.master is not None and not after.master.problems
    assert written(change, after) is after, "twice is once"
    name = getattr(change, "name", "")
    home = Home(change.service, name)
    match change:
        case SetValue(value=value):
            placed = after.placed(home)
            assert placed is not None
            assert placed.value.text == value or listing.tight(placed.value.text) == listing.tight(value)
        case DropItems(items=items):
            assert not set(tokens(items)) & set(listing.effective(after, home))
        case RemoveSetting():
            assert after.placed(home) is None
    concerned = {name, "smtpd_helo_restrictions", "mua_sender_restrictions"}
    assert [(at, value) for at, value in before.values() if at.name not in concerned] == [
        (at, value) for at, value in after.values() if at.name not in concerned]
