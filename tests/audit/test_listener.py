"""audit/listener.py: what a service is for, and who can talk to it."""

from __future__ import annotations

import pytest

from gatepost.audit.inputs import of_texts
from gatepost.audit.listener import Listener, Role, is_loopback
from gatepost.audit.subject import Subject

LOGIN = "\n -o smtpd_sasl_auth_enable=yes\n -o smtpd_relay_restrictions=permit_sasl_authenticated,reject"
BACK = "\n -o content_filter=\n -o mynetworks=127.0.0.0/8"
LOCKED = "\n -o smtpd_recipient_restrictions=permit_mynetworks,reject"


def subject(master: str, main: str = "") -> Subject:
    return of_texts({"main.cf": main, "master.cf": master}, "main.cf", main, "master.cf", master)


def listener(master: str, main: str = "") -> Listener:
    (found,) = subject(master + "\n", main).listeners
    return found


CASES: list[tuple[str, str, str, Role, bool]] = [
    ("port 25", "smtp inet n - y - - smtpd", "", Role.MX, True),
    ("its number", "25 inet n - y - - /usr/lib/postfix/smtpd", "", Role.MX, True),
    ("at an address", "192.0.2.1:smtp inet n - y - - smtpd", "", Role.MX, True),
    ("on this host only", "127.0.0.1:25 inet n - y - - smtpd", "", Role.MX, False),
    ("by inet_interfaces", "smtp inet n - y - - smtpd", "inet_interfaces = loopback-only\n", Role.MX, False),
    ("by addresses", "smtp inet n - y - - smtpd", "inet_interfaces = 127.0.0.1, [::1]\n", Role.MX, False),
    ("one of them is not", "smtp inet n - y - - smtpd", "inet_interfaces = 127.0.0.1, 192.0.2.1\n", Role.MX, True),
    ("submission", "submission inet n - y - - smtpd" + LOGIN, "", Role.SUBMISSION, False),
    ("submission that forgot to ask", "587 inet n - y - - smtpd", "", Role.SUBMISSION, True),
    ("another port that wants a login", "2587 inet n - y - - smtpd" + LOGIN, "", Role.SUBMISSION, False),
    ("TLS from the first byte", "10465 inet n - y - - smtpd\n -o smtpd_tls_wrappermode=yes" + LOGIN, "", Role.SMTPS,
     False),
    ("port 465", "submissions inet n - y - - smtpd" + LOGIN, "", Role.SMTPS, False),
    ("a filter's way back", "127.0.0.1:10025 inet n - y - - smtpd" + BACK, "", Role.REINJECTION, False),
    ("by a name", "localhost:10026 inet n - n - 10 smtpd" + BACK, "", Role.REINJECTION, False),
    ("from another container, locked", "10025 inet n - y - - smtpd" + BACK + LOCKED, "", Role.REINJECTION, False),
    ("a loop", "127.0.0.1:10025 inet n - y - - smtpd\n -o mynetworks=127.0.0.0/8", "content_filter = scan:[::1]:1\n",
     Role.REINJECTION, False),
    ("filtered again", "127.0.0.1:10025 inet n - y - - smtpd\n -o content_filter=scan:[::1]:1", "", Role.OTHER, False),
    ("for programs of this host", "127.0.0.1:2525 inet n - y - - smtpd", "", Role.OTHER, False),
    ("an alternative port for strangers", "2525 inet n - y - - smtpd", "", Role.OTHER, True),
    ("for a trusted network", "2525 inet n - y - - smtpd" + LOCKED, "", Role.OTHER, False),
]


@pytest.mark.parametrize(("sentence", "master", "main", "role", "public"), CASES, ids=[case[0] for case in CASES])
def test_a_role(sentence: str, master: str, main: str, role: Role, public: bool) -> None:
    found = listener(master, main)
    assert (found.role, found.public) == (role, public)


def test_postscreen_and_the_smtpd_behind_it_are_one_listener() -> None:
    found = listener("smtp inet n - y - 1 postscreen\nsmtpd pass - - y - - smtpd\n -o smtpd_delay_reject=no")
    assert found.name == "smtp/inet" and str(found.smtpd) == "smtpd/pass" and found.is_screened and found.public
    assert not found.delays_reject and found.holder("smtpd_delay_reject") == "smtpd/pass"
    assert found.place("smtpd_delay_reject") is not None and found.holder("mynetworks") == ""


def test_another_smtpd_may_stand_behind_postscreen() -> None:
    master = ("smtp inet n - y - 1 postscreen\n -o smtpd_service_name=behind\nsmtpd pass - - y - - smtpd\n"
              "behind pass - - y - - smtpd\n")
    (found,) = subject(master).listeners
    assert str(found.smtpd) == "behind/pass"


def test_services_that_are_no_listeners() -> None:
    assert subject("smtpd pass - - y - - smtpd\nsmtp unix - - y - - smtp\nqmgr unix n - n 300 1 qmgr\n").listeners == ()


def test_the_last_of_a_name_is_in_force() -> None:
    found = listener("smtp inet n - y - - smtpd\n -o smtpd_banner=a\nsmtp inet n - y - - smtpd\n -o smtpd_banner=b\n"
                     " -o smtpd_banner=c")
    assert found.text("smtpd_banner") == "c" and found.service.span.line == 3


def test_what_is_disabled_does_not_listen() -> None:
    master = "smtp inet n - y - - smtpd\nsubmission inet n - y - - smtpd\n"
    assert subject(master, "master_service_disable = inet\n").listeners == ()
    (found,) = subject(master, "master_service_disable = submission.inet\n").listeners
    assert found.name == "smtp/inet"


def test_a_value_that_does_not_read_is_the_default() -> None:
    import gatepost.config.parameters as p

    found = listener("smtp inet n - y - - smtpd", "smtpd_delay_reject = perhaps\nsmtpd_client_restrictions = ${\n")
    assert found.delays_reject and found.value(p.SMTPD_HELO_REQUIRED, True) is False
    assert found.list("smtpd_client_restrictions").items == () and found.text("smtpd_client_restrictions") == ""


def test_lists_that_nothing_overrides_are_shared() -> None:
    main = "own = permit_mynetworks\nsmtpd_client_restrictions = $own\nsmtpd_data_restrictions = reject\n"
    one, two, three = subject("1 inet n - y - - smtpd\n2 inet n - y - - smtpd\n3 inet n - y - - smtpd\n"
                              " -o own=reject\n", main).listeners
    name = "smtpd_client_restrictions"
    assert one.list(name) is two.list(name) and one.list(name) is not three.list(name)
    assert [item.name for item in three.list(name).items] == ["reject"]
    assert one.list("smtpd_data_restrictions") is three.list("smtpd_data_restrictions")


@pytest.mark.parametrize(("address", "loopback"), [
    ("127.0.0.1", True), ("127.1.2.3", True), ("::1", True), ("localhost", True), ("LOCALHOST", True),
    ("1270.0.0.1", False), ("192.0.2.1", False), ("::", False), ("::1:1", False), ("localhost.example.org", False)])
def test_a_loopback_address(address: str, loopback: bool) -> None:
    assert is_loopback(address) is loopback
