"""audit/allow.py: which lines a comment covers."""

from __future__ import annotations

import pytest

from gatepost.audit.allow import allows
from gatepost.audit.inputs import of_texts
from gatepost.audit.run import audit, chosen

MASTER = "smtp inet n - y - - smtpd\n"


def lines(main: str) -> list[tuple[str, int, int]]:
    subject = of_texts({"main.cf": main}, "main.cf", main, "(stock)", MASTER, master_assumed=True)
    return [(allow.rule, allow.first, allow.last) for allow in allows(subject)]


COVERED: list[tuple[str, str, list[tuple[str, int, int]]]] = [
    ("an entry", "# gatepost: allow PIPE-01 x\na = 1\nb = 2\n", [("PIPE-01", 2, 2)]),
    ("with its continuation", "#gatepost:allow pipe-01 x\na =\n 1\n\n# c\n 2\nb = 2\n", [("PIPE-01", 2, 6)]),
    ("one line of a value", "a =\n 1,\n  # gatepost: allow LST-01 x\n 2,\n 3\n", [("LST-01", 4, 4)]),
    ("several comments above", "# gatepost: allow A-1 x\n# gatepost: allow B-1 y\n\na = 1\n",
     [("A-1", 4, 4), ("B-1", 4, 4)]),
    ("nothing behind", "a = 1\n# gatepost: allow A-1 x\n", [("A-1", 4, 4)]),
    ("no comment of ours", "# gatepost allows A-1\n# allow: A-1\na = gatepost: allow A-1\n", []),
]


@pytest.mark.parametrize(("sentence", "main", "covered"), COVERED, ids=[case[0] for case in COVERED])
def test_what_is_covered(sentence: str, main: str, covered: list[tuple[str, int, int]]) -> None:
    assert lines(main) == covered


def found(main: str, master: str = MASTER) -> tuple[list[str], int]:
    files = {"main.cf": main, "master.cf": master}
    subject = of_texts(files, "main.cf", main, "master.cf", master, postfix_version="3.8.0")
    result = audit(subject, chosen(["PIPE-01", "PIPE-02", "PIPE-03", "ALLOW-01"]))
    return [finding.rule for finding in result.findings], len(result.allowed)


def test_one_item_of_a_list_is_allowed_and_the_other_not() -> None:
    main = ("smtpd_client_restrictions =\n  reject_unauth_pipelining\n"
            "smtpd_recipient_restrictions =\n  reject_unauth_destination\n"
            "  # gatepost: allow PIPE-03 it answers earlier\n  reject_unauth_pipelining\n")
    assert found(main) == (["PIPE-02"], 1)


def test_an_absence_is_allowed_anywhere_in_main_cf() -> None:
    assert found("a = $a\n# gatepost: allow PIPE-01 a lab\nmyhostname = x.example\n") == ([], 1)


def test_a_service_is_allowed() -> None:
    master = (MASTER + "# gatepost: allow PIPE-08 its filter is ours\n127.0.0.1:10025 inet n - y - - smtpd\n"
              " -o content_filter=\n")
    files = {"main.cf": "", "master.cf": master}
    result = audit(of_texts(files, "main.cf", "", "master.cf", master), chosen(["PIPE-08", "ALLOW"]))
    assert result.findings == () and len(result.allowed) == 1


def test_a_rule_that_is_not_asked_is_not_missed() -> None:
    files = {"main.cf": "# gatepost: allow PIPE-01 a lab\nmyhostname = x.example\n"}
    subject = of_texts(files, "main.cf", files["main.cf"], "(stock)", MASTER, postfix_version="3.10")
    assert audit(subject, chosen(["ALLOW", "PIPE-02"])).findings == ()
    assert len(audit(subject, chosen(["ALLOW", "PIPE"])).findings) == 1
