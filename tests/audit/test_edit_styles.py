"""audit/edits.py: each style of writing is kept, as examples."""

from __future__ import annotations

import pytest

from gatepost.audit.change import (
    AddItems,
    AddService,
    Change,
    DropEarlier,
    DropItems,
    RemoveSetting,
    Rename,
    ReplaceItem,
    SetField,
    SetValue,
)
from gatepost.audit.edits import written
from gatepost.audit.texts import CannotWrite, Texts

R = "smtpd_recipient_restrictions"
PIPE = "reject_unauth_pipelining"


def drop(*items: str, name: str = R, service: str = "") -> DropItems:
    return DropItems(name, items, service)


MAIN: list[tuple[str, Change, str, str]] = [
    ("one line, at the end", drop(PIPE), f"{R} = a, b, {PIPE}\n", f"{R} = a, b\n"),
    ("one line, in front", drop(PIPE), f"{R} = {PIPE}, a\n", f"{R} = a\n"),
    ("one line, blanks", drop(PIPE), f"{R} = a {PIPE} b\n", f"{R} = a b\n"),
    ("the only one", drop(PIPE), f"{R} = {PIPE}\n", f"{R} =\n"),
    ("the only one, a line below", drop(PIPE), f"{R} =\n  {PIPE}\n", f"{R} =\n"),
    ("one a line, the last: the comma before it goes too", drop(PIPE), f"{R} =\n  a,\n  {PIPE}\n", f"{R} =\n  a\n"),
    ("one a line, the last, with a comma: it stays", drop(PIPE), f"{R} =\n  a,\n  {PIPE},\n", f"{R} =\n  a,\n"),
    ("one a line, in the middle, comments stay", drop(PIPE), f"{R} =\n  a,\n# why\n  {PIPE},\n  b\n",
     f"{R} =\n  a,\n# why\n  b\n"),
    ("commas in front", drop(PIPE), f"{R} = a\n  , {PIPE}\n  , b\n", f"{R} = a\n  , b\n"),
    ("beside the name", drop(PIPE), f"{R} = {PIPE},\n  a\n", f"{R} =\n  a\n"),
    ("several in a line", drop(PIPE), f"{R} = a, b,\n  {PIPE}, c,\n  d\n", f"{R} = a, b,\n  c,\n  d\n"),
    ("the last of several in a line", drop(PIPE), f"{R} = a, {PIPE},\n  c\n", f"{R} = a,\n  c\n"),
    ("CRLF", drop(PIPE), f"{R} =\r\n  a,\r\n  {PIPE}\r\nb = c\r\n", f"{R} =\r\n  a\r\nb = c\r\n"),
    ("no end at the end", drop(PIPE), f"{R} = a,\n  {PIPE}", f"{R} = a\n"),
    ("twice", drop(PIPE), f"{R} = {PIPE}, a, {PIPE}, b\n", f"{R} = a, b\n"),
    ("with its argument", drop("check_policy_service unix:private/x"),
     f"{R} = a,\n  check_policy_service unix:private/x,\n  b", f"{R} = a,\n  b"),
    ("with its prefix", drop(PIPE), f"{R} = a, warn_if_reject {PIPE}, b\n", f"{R} = a, b\n"),
    ("in any case", drop(PIPE), f"{R} = a, Reject_Unauth_Pipelining\n", f"{R} = a\n"),
    ("in force is the last", drop(PIPE), f"{R} = {PIPE}\n{R} = a, {PIPE}\n", f"{R} = {PIPE}\n{R} = a\n"),
    ("in a variable of its own", drop(PIPE), f"mine = a, {PIPE}\n{R} = $mine, b\n", f"mine = a\n{R} = $mine, b\n"),
    ("in a variable in use elsewhere", drop(PIPE),
     f"mine = a, {PIPE}, c\n{R} = $mine, b\nsmtpd_data_restrictions = $mine\n",
     f"mine = a, {PIPE}, c\n{R} = a, c, b\nsmtpd_data_restrictions = $mine\n"),

    ("added, one line", AddItems(R, (PIPE,)), f"{R} = a, b\n", f"{R} = a, b, {PIPE}\n"),
    ("added, blanks", AddItems(R, (PIPE,)), f"{R} = a b\n", f"{R} = a b {PIPE}\n"),
    ("added, before", AddItems(R, (PIPE,), "b"), f"{R} = a, b\n", f"{R} = a, {PIPE}, b\n"),
    ("added, there already", AddItems(R, (PIPE,), "b"), f"{R} = {PIPE}, b\n", f"{R} = {PIPE}, b\n"),
    ("added, one a line", AddItems(R, (PIPE,)), f"{R} =\n    a,\n    b\n", f"{R} =\n    a,\n    b,\n    {PIPE}\n"),
    ("added, one a line, before", AddItems(R, (PIPE,), "b"), f"{R} =\n    a,\n# about b\n    b\n",
     f"{R} =\n    a,\n    {PIPE},\n# about b\n    b\n"),
    ("added, one a line, before the one beside the name", AddItems(R, (PIPE,), "a"), f"{R} = a,\n    b\n",
     f"{R} = {PIPE},\n    a,\n    b\n"),
    ("added, commas in front", AddItems(R, (PIPE,)), f"{R} = a\n  , b\n", f"{R} = a\n  , b\n  , {PIPE}\n"),
    ("added, comma behind the last", AddItems(R, (PIPE,)), f"{R} =\n  a,\n  b,\n", f"{R} =\n  a,\n  b,\n  {PIPE},\n"),
    ("added, no end at the end", AddItems(R, (PIPE,)), f"{R} =\n\ta\n\tb", f"{R} =\n\ta\n\tb\n\t{PIPE}"),
    ("added, CRLF", AddItems(R, (PIPE,)), f"{R} =\r\n a,\r\n b\r\n", f"{R} =\r\n a,\r\n b,\r\n {PIPE}\r\n"),
    ("added to nothing", AddItems(R, (PIPE,)), f"{R} = \n", f"{R} = {PIPE}\n"),
    ("added to what is not there", AddItems(R, (PIPE,)), "smtpd_banner = x\n", f"smtpd_banner = x\n{R} = {PIPE}\n"),
    ("added before a check with a prefix", AddItems(R, (PIPE,), "b"), f"{R} = a, warn_if_reject b\n",
     f"{R} = a, {PIPE}, warn_if_reject b\n"),
    ("added in front of a variable in use elsewhere", AddItems(R, (PIPE,), "a"),
     f"mine = a, b\nx = $mine\n{R} = $mine\n", f"mine = a, b\nx = $mine\n{R} = {PIPE}, $mine\n"),

    ("replaced", ReplaceItem(R, "reject_unknown_client", "reject_unknown_client_hostname"),
     f"{R} = a,\n  reject_unknown_client,\n  b\n", f"{R} = a,\n  reject_unknown_client_hostname,\n  b\n"),
    ("replaced, words on two lines", ReplaceItem(R, "check_x hash:/a", "b"), f"{R} = a, check_x\n  hash:/a, c\n",
     f"{R} = a, b,\n  c\n"),
    ("replaced, the prefix goes", ReplaceItem(R, f"warn_if_reject {PIPE}", PIPE), f"{R} = a, warn_if_reject {PIPE}\n",
     f"{R} = a, {PIPE}\n"),

    ("set", SetValue("soft_bounce", "no"), "# test\nsoft_bounce=yes\n", "# test\nsoft_bounce=no\n"),
    ("set with a comment", SetValue("soft_bounce", "no", comment="Really."), "soft_bounce = yes\n",
     "# Really.\nsoft_bounce = no\n"),
    ("set with a comment that is there", SetValue("soft_bounce", "no", comment="So it\nis."),
     "# So it is.\nsoft_bounce = yes\n", "# So it is.\nsoft_bounce = no\n"),
    ("set what is not there", SetValue("smtpd_data_restrictions", PIPE, comment="Because."),
     f"{R} =\n  a\n\n# TLS\nsmtpd_tls_security_level = may\n",
     f"{R} =\n  a\n\n# Because.\nsmtpd_data_restrictions = {PIPE}\n\n# TLS\nsmtpd_tls_security_level = may\n"),
    ("set among entries without blank lines", SetValue("smtpd_data_restrictions", PIPE, comment="Because."),
     f"{R} = a\nx = y\n", f"{R} = a\n\n# Because.\nsmtpd_data_restrictions = {PIPE}\n\nx = y\n"),
    ("set at the end", SetValue("mynetworks", "127.0.0.1"), "a = b", "a = b\nmynetworks = 127.0.0.1"),
    ("set in a file of CRLF", SetValue("mynetworks", "127.0.0.1"), "a = b\r\n", "a = b\r\nmynetworks = 127.0.0.1\r\n"),
    ("set in an empty file", SetValue("mynetworks", "127.0.0.1"), "", "mynetworks = 127.0.0.1\n"),
    ("set a list of several lines", SetValue(R, "a, x, c"), f"{R} = a,\n# about b\n  b,\n  c\n",
     f"{R} = a,\n  x,\n# about b\n  c\n"),
    ("removed, all of them", RemoveSetting("x"), "x = 1\n  2\n# about x\nx =\n\n  3\ny = 4\n", "# about x\n\ny = 4\n"),
    ("only the last stays", DropEarlier("x"), "x = 1\n  2\n# about x\nx = 3\n", "# about x\nx = 3\n"),
    ("renamed", Rename("postscreen_blacklist_action", "postscreen_denylist_action"),
     "postscreen_blacklist_action   = enforce\n", "postscreen_denylist_action   = enforce\n"),
]


@pytest.mark.parametrize(("change", "before", "after"), [case[1:] for case in MAIN], ids=[case[0] for case in MAIN])
def test_main_cf(change: Change, before: str, after: str) -> None:
    assert str(written(change, Texts.of(before)).main) == after


S = "submission/inet"
ENTRY = "submission inet n       -       y       -       -       smtpd\n"
MASTER: list[tuple[str, Change, str, str]] = [
    ("a line each", SetValue("a", "1", S), ENTRY + "  -o b=2\n  -o c=3\nx unix - - - - - smtp\n",
     ENTRY + "  -o b=2\n  -o c=3\n  -o a=1\nx unix - - - - - smtp\n"),
    ("braces", SetValue("a", "1", S), ENTRY + "\t-o { b = 2 }\n", ENTRY + "\t-o { b = 2 }\n\t-o { a = 1 }\n"),
    ("joined", SetValue("a", "1", S), ENTRY + "  -ob=2\n", ENTRY + "  -ob=2\n  -o a=1\n"),
    ("behind the command", SetValue("a", "1", S), "submission inet n - y - - smtpd -o b=2\n",
     "submission inet n - y - - smtpd -o b=2 -o a=1\n"),
    ("the first", SetValue("a", "1", S), ENTRY, ENTRY + "  -o a=1\n"),
    ("the first, as elsewhere", SetValue("a", "1", S), ENTRY + "x unix - - - - - smtp\n    -o b=2\n",
     ENTRY + "    -o a=1\nx unix - - - - - smtp\n    -o b=2\n"),
    ("with a comment", SetValue("a", "1", S, "Why."), ENTRY + "  -o b=2\n", ENTRY + "  -o b=2\n  # Why.\n  -o a=1\n"),
    ("lists have no blanks", SetValue("smtpd_sender_restrictions", "a, check_x y:z", S), ENTRY,
     ENTRY + "  -o smtpd_sender_restrictions=a,check_x,y:z\n"),
    ("other values need braces", SetValue("smtpd_banner", "a b", S), ENTRY + "  -o smtpd_banner=x\n",
     ENTRY + "  -o { smtpd_banner = a b }\n"),
    ("the last in force", SetValue("a", "1", S), ENTRY + "  -o a=2 -o a=3\n", ENTRY + "  -o a=2 -o a=1\n"),
    ("removed", RemoveSetting("a", S), ENTRY + "  -o a=2 -o b=3\n#-o a=9\n  -o { a = 4 }\n  -o c=5",
     ENTRY + "  -o b=3\n#-o a=9\n  -o c=5"),
    ("removed behind the command", RemoveSetting("a", S), "submission inet n - y - - smtpd -v -o a=1\n",
     "submission inet n - y - - smtpd -v\n"),
    ("dropped", drop("a", name="x_restrictions", service=S), ENTRY + "  -o x_restrictions=a,b\n",
     ENTRY + "  -o x_restrictions=b\n"),
    ("dropped from what is inherited", drop("a", name=R, service=S), ENTRY, ENTRY + f"  -o {R}=b,$c\n"),
    ("dropped from a shared variable", drop("a", name=R, service=S), ENTRY + f"  -o {R}=$mua,z\n",
     ENTRY + f"  -o {R}=b,z\n"),
    ("not there", drop("q", name=R, service=S), ENTRY, ENTRY),
    ("renamed", Rename("a", "b", S), ENTRY + "  -o {a = a}\n", ENTRY + "  -o {b = a}\n"),
    ("a column", SetField(S, "maxproc", "1"), ENTRY, "submission inet n       -       y       -       1       smtpd\n"),
    ("a wider one", SetField(S, "maxproc", "1000"), ENTRY,
     "submission inet n       -       y       -       1000    smtpd\n"),
    ("a service", AddService("dnsblog/unix", "dnsblog unix - - y - 0 dnsblog"), "x unix - - - - - smtp",
     "x unix - - - - - smtp\ndnsblog unix - - y - 0 dnsblog"),
    ("the last of two", SetValue("a", "1", S), ENTRY + ENTRY, ENTRY + ENTRY + "  -o a=1\n"),
]


@pytest.mark.parametrize(("change", "before", "after"), [case[1:] for case in MASTER], ids=[case[0] for case in MASTER])
def test_master_cf(change: Change, before: str, after: str) -> None:
    main = f"c = z\nmua = a, b\nother = $mua\n{R} = a, b, $c\n"
    found = written(change, Texts.of(main, before))
    assert (str(found.main), str(found.master)) == (main, after)


@pytest.mark.parametrize(("change", "why"), [
    (AddItems(R, ("x",), "nowhere"), "no nowhere to put anything before"),
    (SetValue("a", "b", "smtps/inet"), "no service smtps/inet"),
    (Rename("a", "b"), "b is set already"),
    (AddService(S, "submission inet n - n - - smtpd"), "has a service submission/inet already"),
    (drop("z", name=R), "cannot be edited where it stands"),
])
def test_what_cannot_be_written(change: Change, why: str) -> None:
    texts = Texts.of(f"a = 1\nb = 2\n{R} = y z #x", ENTRY)
    if "where" in why and "before" not in why:
        texts = Texts.of(f"{R} = y,\n z #x\n w\n", ENTRY)
    with pytest.raises(CannotWrite, match=why):
        written(change, texts)
